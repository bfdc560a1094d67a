"""The hub between devices and a real broker that stops, dies, or is behind a dead line."""

import asyncio
import signal
import time
from collections import Counter
from pathlib import Path

from protocols.vocabulary import LANE_ALERT, LANE_STATE, LANE_WAVE
from simulators.archive import Archive, Arrival
from simulators.network import BLACKHOLE, RESET, Line
from tests.hub.device import Device, streaming
from tests.hub.hub_process import (
    HubProcess,
    Mosquitto,
    Values,
    running_hub,
    secret_of,
    wait_until,
)
from tests.ports import free_port
from tests.real_parts import need
from tests.simulators.platform_process import running

KEEPALIVE_S = 2
LANES = (LANE_STATE, LANE_WAVE, LANE_ALERT)


def to(port: int, **settings: object) -> Values:
    """Return the settings of an uplink to a port of loopback."""
    given: dict[str, object] = {"port": port, "keepalive_s": KEEPALIVE_S, **settings}
    return {("uplink", name): value for name, value in given.items()}


def device_of(hub: HubProcess, name: str = "river-1") -> Device:
    """Return a device that dials this hub."""
    return Device(name, secret_of(name), hub.port)


async def delivered(hub: HubProcess, device: Device) -> dict[str, object]:
    """Wait until the uplink has all."""
    return await asyncio.to_thread(hub.wait_delivered, device.made)


def arrivals_of(folder: Path, device: str = "river-1") -> list[Arrival]:
    """Return what the platform took of one device, in the order of arrival."""
    with Archive(folder) as archive:
        return [one for one in archive.arrivals() if one.device == device]


def assert_once_each(folder: Path, *devices: Device) -> None:
    """Every frame is at the platform exactly once, and nothing was refused there."""
    for device in devices:
        name = device.keys.device
        times = Counter(one.frame_index for one in arrivals_of(folder, name))
        assert times == Counter(range(device.made)), name
    with Archive(folder) as archive:
        assert archive.counts()["refused"] == {}


async def test_all_frames_arrive_though_mosquitto_is_stopped_killed_and_started(
    tmp_path: Path,
) -> None:
    port = free_port()
    settings = (
        "persistence true",
        f"persistence_location {tmp_path}/",
        "max_inflight_messages 1000",
    )
    broker = Mosquitto(need("mosquitto"), tmp_path, *settings, port=port)
    with broker, running(tmp_path, "--broker", f"127.0.0.1:{port}") as platform:
        await asyncio.to_thread(platform.wait_ready)
        with running_hub(tmp_path, to(port)) as hub:
            device = device_of(hub)
            async with streaming(device, lanes=LANES):
                for number in (signal.SIGTERM, signal.SIGKILL):
                    await asyncio.sleep(1)
                    broker.end(number)
                    await asyncio.sleep(1.5)
                    assert hub.uplink()["state"] == "down"
                    assert hub.uplink()["backlog"] > 0
                    broker.start()
                    await asyncio.to_thread(
                        wait_until, lambda: hub.uplink()["state"] == "up", "the line's return"
                    )
                await asyncio.sleep(0.5)
            state = await delivered(hub, device)
            assert state["backlog"] == 0 and state["evicted"] == 0
            wait_until(lambda: len(arrivals_of(platform.archive)) >= device.made, "arrival", 10)
        assert_once_each(platform.archive, device)
        marks = Counter(one.historical for one in arrivals_of(platform.archive))
        assert marks[True] > 100 and marks[False] > 100


async def test_a_line_that_goes_dead_without_a_word_is_noticed_and_all_arrives(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as platform:
        target = await asyncio.to_thread(platform.wait_ready)
        async with Line("127.0.0.1", target) as line:
            with running_hub(tmp_path, to(line.port, version="3.1.1")) as hub:
                device = device_of(hub)
                async with streaming(device, lanes=LANES):
                    await asyncio.sleep(1)
                    line.cut(BLACKHOLE)
                    cut_us = time.monotonic_ns() // 1000
                    await asyncio.to_thread(
                        wait_until, lambda: hub.uplink()["state"] == "down", "the notice", 15
                    )
                    noticed_s = time.monotonic() - cut_us / 1e6
                    assert noticed_s <= 3 * KEEPALIVE_S + 1
                    line.restore()
                    await asyncio.to_thread(
                        wait_until, lambda: hub.uplink()["state"] == "up", "the line's return"
                    )
                    up_us = time.monotonic_ns() // 1000
                    await asyncio.sleep(1)
                await delivered(hub, device)
        assert_once_each(platform.archive, device)
        after = [one for one in arrivals_of(platform.archive) if one.arrival_us > cut_us]
        assert any(one.historical for one in after) and any(not one.historical for one in after)
        for lane in LANES:  # in order within live and within backlog
            for historical in (True, False):
                rows = [one for one in after if (one.lane, one.historical) == (lane, historical)]
                indexes = [one.frame_index for one in rows]
                assert indexes == sorted(indexes)
        # What was made while the line was dead is historical, what came after it is not.
        newest_old = max(one.frame_index for one in after if one.historical)
        live = [one for one in after if not one.historical and one.arrival_us > up_us]
        assert live and min(one.frame_index for one in live) > newest_old - len(LANES)


async def test_live_data_goes_ahead_of_a_backlog_that_is_paced(tmp_path: Path) -> None:
    with running(tmp_path) as platform:
        target = await asyncio.to_thread(platform.wait_ready)
        async with Line("127.0.0.1", target) as line:
            line.cut(RESET)
            values = to(line.port, version="3.1.1", backlog_kib_s=80)
            with running_hub(tmp_path, values) as hub:
                device = device_of(hub)
                await device.open()
                for _ in range(4):
                    device.write(*(device.make(LANE_WAVE, size=200) for _ in range(250)))
                    await device.wait_acknowledged()
                line.restore()
                await asyncio.to_thread(
                    wait_until, lambda: hub.uplink()["state"] == "up", "the line"
                )
                first_live = device.made
                for _ in range(20):
                    device.write(device.make(LANE_STATE))
                    await device.wait_acknowledged()
                    await asyncio.sleep(0.05)
                assert hub.uplink()["backlog"] > 0  # it is still on its way
                live = [one for one in arrivals_of(platform.archive) if not one.historical]
                assert [one.frame_index for one in live] == list(
                    range(first_live, first_live + len(live))
                )
                assert len(live) >= 15
                await delivered(hub, device)
                await device.close()
        assert_once_each(platform.archive, device)


async def test_a_broker_that_refuses_a_bundle_has_not_got_it(tmp_path: Path) -> None:
    """MQTT 5 refuses in the acknowledgement itself; such a frame is not delivered."""
    rules = tmp_path / "acl"
    rules.write_text("topic read #\n")
    with Mosquitto(need("mosquitto"), tmp_path, f"acl_file {rules}") as broker:
        with running_hub(tmp_path, to(broker.port)) as hub:
            device = device_of(hub)
            await device.open()
            device.write(device.make())
            await device.wait_acknowledged()
            await asyncio.to_thread(
                wait_until, lambda: "refuses" in str(hub.uplink()["last_error"]), "the refusal"
            )
            assert hub.uplink()["delivered"] == 0
            broker.end()
            rules.write_text("topic readwrite #\n")
            broker.start()
            assert (
                (await delivered(hub, device))["delivered"]
                == hub.status()["store"]["accepted"]
                > 0
            )
            await device.close()


async def test_bundles_keep_to_the_packet_size_that_the_broker_allows(tmp_path: Path) -> None:
    with Mosquitto(need("mosquitto"), tmp_path, "max_packet_size 20000") as broker:
        port = broker.port
        with running(tmp_path, "--broker", f"127.0.0.1:{port}") as platform:
            await asyncio.to_thread(platform.wait_ready)
            with running_hub(tmp_path, to(port)) as hub:
                device = device_of(hub)
                await device.open()
                device.write(*(device.make(LANE_WAVE, size=200) for _ in range(1500)))
                await device.wait_acknowledged()
                state = await delivered(hub, device)
                assert state["connects"] == 1
                await device.close()
                wait_until(lambda: len(arrivals_of(platform.archive)) >= 1500, "arrival", 10)
            assert_once_each(platform.archive, device)
