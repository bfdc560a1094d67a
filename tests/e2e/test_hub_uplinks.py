"""A slow line, a dead one, several at once: the hub's uplinks against real brokers."""

import asyncio
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hub import config
from hub.settings import commented
from protocols.vocabulary import LANE_ALERT, LANE_STATE, LANE_WAVE
from simulators.archive import Archive
from simulators.network import BLACKHOLE, RESET, Line
from tests.e2e.test_hub_uplink import arrivals_of, assert_once_each, device_of, to
from tests.hub.device import Device, now_us
from tests.hub.hub_process import HubProcess, Mosquitto, running_hub, wait_until
from tests.real_parts import need
from tests.simulators.platform_process import running

SLOW_BITS_S = 64_000
WAIT_S = 25


async def until(is_true: Callable[[], Any], what: str, timeout_s: float = WAIT_S) -> None:
    """Wait until something outside is true, while the lines of this loop go on."""
    await asyncio.to_thread(wait_until, is_true, what, timeout_s)


async def fill(device: Device, count: int, lane: int = LANE_WAVE) -> None:
    """Let the hub take in frames of 200 readings."""
    for _ in range(0, count, 250):
        device.write(*(device.make(lane, size=200) for _ in range(250)))
        await device.wait_acknowledged()


async def test_alerts_pass_a_backlog_on_a_line_of_64_kbit_s(tmp_path: Path) -> None:
    """The line's own buffers hold 2 x 512 KiB: a minute, if the hub let them fill."""
    with Mosquitto(need("mosquitto"), tmp_path) as broker:
        with running(tmp_path, "--broker", f"127.0.0.1:{broker.port}") as platform:
            await asyncio.to_thread(platform.wait_ready)
            async with Line("127.0.0.1", broker.port) as line:
                line.cut(RESET)
                with running_hub(tmp_path, to(line.port, keepalive_s=10)) as hub:
                    device = device_of(hub)
                    await device.open()
                    await fill(device, 1000)
                    line.rate_bits_per_s = SLOW_BITS_S
                    line.restore()
                    await until(lambda: hub.uplink()["state"] == "up", "the line")
                    made_us = {}
                    for _ in range(5):
                        await asyncio.sleep(1)
                        made_us[device.made] = now_us()
                        device.write(device.make(LANE_ALERT))
                        await device.wait_acknowledged()
                    await asyncio.sleep(2)
                    uplink = hub.uplink()
                    assert uplink["backlog"] > 500 and uplink["connects"] == 1
                    arrived = {
                        one.frame_index: one.arrival_us
                        for one in arrivals_of(platform.archive)
                        if one.lane == LANE_ALERT
                    }
                    late_us = [arrived[index] - at_us for index, at_us in made_us.items()]
                    assert max(late_us) <= 5_000_000
                    assert statistics.median(late_us) <= 2_500_000
                    await device.close()


async def test_replay_begins_without_new_data_when_a_dead_line_is_back(tmp_path: Path) -> None:
    with running(tmp_path) as platform:
        target = await asyncio.to_thread(platform.wait_ready)
        async with Line("127.0.0.1", target) as line:
            with running_hub(tmp_path, to(line.port, version="3.1.1")) as hub:
                await until(lambda: hub.uplink()["state"] == "up", "the line")
                device = device_of(hub)
                await device.open()
                line.cut(BLACKHOLE)
                cut_s = time.monotonic()
                await fill(device, 500)
                await until(lambda: hub.uplink()["state"] == "down", "the notice")
                assert time.monotonic() - cut_s <= 3 * 2 + 1  # keepalive_s is 2 here
                await device.close()
                line.restore()
                back_s = time.monotonic()
                await until(lambda: len(arrivals_of(platform.archive)) == 500, "the replay")
                assert time.monotonic() - back_s <= 20
        assert_once_each(platform.archive, device)


async def test_an_uplink_that_is_dead_holds_what_it_must_and_not_the_other(tmp_path: Path) -> None:
    """Two brokers; the second is never there. Then it is, and has everything as well."""
    first, second = (Mosquitto(need("mosquitto"), tmp_path) for _ in range(2))
    line = Line("127.0.0.1", second.port)
    await line.start()
    line.cut()
    hub = HubProcess(tmp_path, to(first.port))
    more = commented(
        [row for row in config.ROWS if row.table == "uplink"],
        {("uplink", "name"): "second", ("uplink", "port"): line.port},
        ("uplink",),
    )
    hub.config.write_text(hub.config.read_text() + "\n" + more)
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    hub.start()
    try:
        with (
            first,
            second,
            running(folders[0], "--broker", f"127.0.0.1:{first.port}") as platform,
            running(folders[1], "--broker", f"127.0.0.1:{second.port}") as late,
        ):
            for one in (platform, late):
                await asyncio.to_thread(one.wait_ready)
            device = device_of(hub)
            await device.open()
            await fill(device, 500, LANE_STATE)
            await device.close()
            state = await asyncio.to_thread(hub.wait_delivered, 500)
            other = hub.status()["uplinks"][1]
            assert state["backlog"] == 0
            assert other["delivered"] == 0 and other["backlog"] == state["delivered"]
            line.restore()
            await until(lambda: len(arrivals_of(late.archive)) == 500, "the second")
            for one in (platform, late):
                assert_once_each(one.archive, device)
            with Archive(late.archive) as archive:
                assert archive.statistics()["historical"] >= 500
    finally:
        hub.end()
        await line.close()
