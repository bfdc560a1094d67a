"""Uplinks that are away: one of best effort holds no space, a half-open one is noticed."""

import asyncio
import time
from pathlib import Path

from hub import config
from hub.settings import commented
from protocols.vocabulary import LANE_STATE, LANE_WAVE
from simulators.network import BLACKHOLE, Line
from tests.e2e.test_hub_bounded import SMALL, LargeFrames, used
from tests.e2e.test_hub_uplink import to
from tests.hub.hub_process import HubProcess, Mosquitto, secret_of, wait_until
from tests.ports import free_port
from tests.real_parts import need

MIB = 1 << 20
FRAMES = 1200  # two to three times the first mark
NOTICE_S_MAX = 30


async def test_a_best_effort_uplink_that_is_away_holds_no_space(tmp_path: Path) -> None:
    """A real broker of the required uplink, none of the other: what the first has may leave."""
    with Mosquitto(need("mosquitto"), tmp_path) as broker:
        hub = HubProcess(tmp_path, {**SMALL, **to(broker.port)})
        rows = [row for row in config.ROWS if row.table == "uplink"]
        away = {"name": "away", "port": free_port(), "required": False}
        more = commented(rows, {("uplink", key): one for key, one in away.items()}, ("uplink",))
        hub.config.write_text(hub.config.read_text() + "\n" + more)
        hub.start()
        try:
            device = LargeFrames("river-1", secret_of("river-1"), hub.port)
            await device.open()
            for part in range(FRAMES // 50):
                lane = LANE_WAVE if part % 2 else LANE_STATE
                device.write(*(device.make(lane) for _ in range(50)))
                await device.wait_acknowledged()
                await asyncio.sleep(0.2)  # for its delivery; the status is up to a second old
            await device.close()
            accepted = lambda: hub.status()["store"]["accepted"] >= FRAMES  # noqa: E731
            await asyncio.to_thread(wait_until, accepted, "a status of now")
            await asyncio.to_thread(wait_until, lambda: is_delivered(hub), "delivery")
            await asyncio.to_thread(wait_until, lambda: used(hub) < 2 * MIB, "room")
            status = hub.status()
            first, other = status["uplinks"]
            assert first["evicted"] == 0 and first["delivered"] == status["store"]["accepted"]
            assert status["store"]["evicted"] == status["store"]["thinned"] == 0
            assert status["store"]["deleted"] > FRAMES // 5
            assert other["delivered"] == 0 and other["evicted"] > FRAMES // 5
            assert other["evicted"] + other["backlog"] == status["store"]["accepted"]
        finally:
            hub.end()


def is_delivered(hub: HubProcess) -> bool:
    """Tell whether nothing waits for the first uplink."""
    state = hub.uplink()
    return bool(state["live"] + state["backlog"] == 0)


async def half_open_s(folder: Path, keepalive_s: int) -> float:
    """Return after how many seconds the hub notices a line that is dead without a word."""
    with Mosquitto(need("mosquitto"), folder) as broker:
        async with Line("127.0.0.1", broker.port) as line:
            hub = HubProcess(folder, to(line.port, keepalive_s=keepalive_s))
            hub.start()
            try:
                await asyncio.to_thread(wait_until, lambda: hub.uplink()["state"] == "up", "up")
                line.cut(BLACKHOLE)
                cut_s = time.monotonic()
                await asyncio.to_thread(
                    wait_until, lambda: hub.uplink()["state"] == "down", "notice", NOTICE_S_MAX
                )
                return time.monotonic() - cut_s
            finally:
                hub.end()


async def test_an_idle_line_that_is_half_open_is_noticed(tmp_path: Path) -> None:
    # Twice a second, as the MQTT client looks once a second, and the status of the hub.
    assert await half_open_s(tmp_path, 1) <= 4
