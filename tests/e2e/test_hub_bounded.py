"""A real hub whose store is small, in an outage, killed meanwhile: all arrives or is named."""

import asyncio
import random
import signal
from functools import partial
from pathlib import Path

from protocols.vocabulary import (
    GAP_DISK_FULL,
    GAP_THINNED,
    KIND_GAP,
    KIND_SUMMARY,
    LANE_ALERT,
    LANE_STATE,
    LANE_WAVE,
)
from simulators.archive import Archive
from simulators.network import BLACKHOLE, Line
from tests.hub.device import Device, streaming
from tests.hub.hub_process import DEVICES, HubProcess, Values, running_hub, secret_of, wait_until
from tests.simulators.platform_process import running

MIB = 1 << 20
# Of 64 MiB: room is made from 0.6 MiB on, frames that wait are evicted from 1.9 MiB on.
SMALL: Values = {
    ("store", "size_max_mib"): 64,
    ("store", "thin_percent"): 1,
    ("store", "delete_percent"): 2,
    ("store", "evict_percent"): 3,
}
LANES = (LANE_WAVE, LANE_STATE, LANE_STATE, LANE_STATE, LANE_STATE, LANE_ALERT)
KILLS = 2


class LargeFrames(Device):
    """Makes frames of about 3 KiB, but for alerts."""

    def make(self, lane: int = LANE_STATE, value: int = 0, size: int = 3) -> bytes:
        return super().make(lane, value, 3 if lane == LANE_ALERT else 1300)


async def test_a_small_store_in_an_outage_names_all_that_it_gave_up(tmp_path: Path) -> None:
    moments = random.Random(5)
    with running(tmp_path) as platform:
        target = await asyncio.to_thread(platform.wait_ready)
        async with Line("127.0.0.1", target) as line:
            uplink: Values = {("uplink", "port"): line.port, ("uplink", "version"): "3.1.1"}
            with running_hub(tmp_path, {**SMALL, **uplink}) as hub:
                devices = [LargeFrames(name, secret_of(name), hub.port) for name in DEVICES]
                line.cut(BLACKHOLE)
                async with streaming(*devices, interval_s=0.002, lanes=LANES):
                    for _ in range(KILLS):
                        goal = devices[0].made + moments.randrange(180, 260)
                        await devices[0].wait_until(partial(has_made, devices[0], goal), 60)
                        assert hub.end(signal.SIGKILL) == -signal.SIGKILL
                        await asyncio.to_thread(hub.start)
                await asyncio.to_thread(wait_until, lambda: used(hub) < 2 * MIB, "room")
                store = hub.status()["store"]
                assert store["undelivered_bytes"] > MIB and store["refused_lanes"] == []
                files = [path for path in (tmp_path / "hub" / "data").rglob("*") if path.is_file()]
                assert sum(path.stat().st_size for path in files) < 3 * MIB + 24 * MIB
                line.restore()
                made = sum(device.made for device in devices)
                await asyncio.to_thread(hub_has_sent_all, hub)
                counts = hub.uplink()
                assert counts["evicted"] > 50 and counts["evicted"] + counts["delivered"] > made
    with Archive(platform.archive) as archive:
        arrived = set(archive.identities())
        gaps = [fields for _, fields in archive.records(KIND_GAP)]
        assert any(True for _ in archive.records(KIND_SUMMARY))
    assert {gap["reason"] for gap in gaps} == {GAP_THINNED, GAP_DISK_FULL}
    named = {
        (gap["device"], gap["boot"], index, gap["lane"])
        for gap in gaps
        for index in range(gap["first"], gap["next"])
    }
    for device in devices:
        assert device.acknowledged.flat == [0, device.made]
        for index in range(device.made):
            lane = LANES[index % len(LANES)]
            identity = (device.keys.device, device.boot, index)
            assert (identity in arrived) != ((*identity, lane) in named), identity
            assert lane != LANE_ALERT or identity in arrived


def has_made(device: Device, count: int) -> bool:
    return device.made >= count


def used(hub: HubProcess) -> int:
    return int(hub.status()["store"]["bytes"])


def hub_has_sent_all(hub: HubProcess) -> None:
    """Wait until nothing waits for the uplink any more."""

    def is_sent() -> bool:
        state = hub.uplink()
        return bool(state["live"] + state["backlog"] == 0)

    wait_until(is_sent, "delivery", 60)
