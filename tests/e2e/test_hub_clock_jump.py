"""The wall clock of a real hub jumps: nothing is lost, and UTC is right again after."""

import asyncio
import signal
import time
from pathlib import Path

from hub.clock import HostClock
from hub.timekeeping import measured_offset_us
from protocols.vocabulary import LANE_STATE
from simulators.archive import Archive
from tests.e2e.test_hub_kill import assert_all_arrived, devices_of, to
from tests.faults.wall_clock import WallClock
from tests.hub.device import Device
from tests.hub.hub_process import HubProcess, running_hub, secret_of, wait_until
from tests.simulators.platform_process import running

ERROR_US_MAX = 5000
TO_1970 = -int(time.time()) + 100


def wait_jumps(hub: HubProcess, count: int) -> None:
    """Wait until the hub has noticed so many jumps since its start."""
    wait_until(lambda: hub.status()["hub"]["clock_jumps"] == count, f"jump {count}")


async def deliver(device: Device, count: int = 20) -> None:
    """Let the device hand over what it holds and new frames, and hang up."""
    for _ in range(count):
        device.make(LANE_STATE)
    await device.open()
    device.write(*device.held.values())
    await device.wait_acknowledged()
    await device.close()


async def test_jumps_lose_nothing_and_all_utc_is_right_once_the_clock_is(tmp_path: Path) -> None:
    wall = WallClock(tmp_path)
    with running(tmp_path) as platform:
        port = await asyncio.to_thread(platform.wait_ready)
        with running_hub(tmp_path, to(port), wall.environment) as hub:
            device, other = devices_of(hub)
            offline = Device("home-1", secret_of("home-1"), hub.port, boot=2)
            offline.make(LANE_STATE)  # while no hub is heard
            await deliver(device)
            for count, error_s in enumerate((3600, -3600, 365 * 86400, TO_1970), 1):
                wall.set(error_s)
                await asyncio.to_thread(wait_jumps, hub, count)
                await deliver(device)
            await deliver(other)  # its boot is heard only under the wrong clock, and ends
            await asyncio.to_thread(hub.end, signal.SIGKILL)
            await asyncio.to_thread(hub.start)
            await deliver(offline)
            state = await asyncio.to_thread(hub.status)
            assert abs(state["hub"]["utc_us"] / 1e6 - time.time() - TO_1970) < 60
            assert state["hub"]["utc_quality"] == "implausible"
            wall.set(0)
            await asyncio.to_thread(wait_jumps, hub, 1)
            made = device.made + other.made + offline.made
            await asyncio.to_thread(hub.wait_delivered, made)
        assert_all_arrived(platform.archive, [device, other, offline])
        assert_utc_is_right(platform.archive)
        assert_order_is_kept(platform.archive)


def assert_order_is_kept(folder: Path) -> None:
    """Each boot's frames are numbered as they were taken, and archived in that order."""
    with Archive(folder) as archive:
        for name, boot in (("river-1", 1), ("home-1", 1), ("home-1", 2)):
            times = [one.time_us for one in archive.readings(name, "level", boot)]
            assert times == sorted(times)
            arrived = [
                one.frame_index
                for one in archive.arrivals()
                if (one.device, one.boot, one.historical) == (name, boot, False)
            ]
            assert arrived == sorted(arrived)


def assert_utc_is_right(folder: Path) -> None:
    """All readings, by the record of the platform; the devices' clocks are the machine's."""
    true_offset_us = measured_offset_us(HostClock())
    errors_us = []
    with Archive(folder) as archive:
        reader = archive.utc_reader()
        for name, boot in (("river-1", 1), ("home-1", 1), ("home-1", 2)):
            for reading in archive.readings(name, "level", boot):
                found = reader.utc_us(name, boot, reading.time_us)
                assert found is not None
                error_us = abs(found[0] - (reading.time_us + true_offset_us))
                # A busy machine answers an exchange late, and the hub knows by how much.
                assert error_us <= max(ERROR_US_MAX, found[1]), (name, boot, found)
                errors_us.append(error_us)
    assert len(errors_us) == 3 * (5 * 20 + 20 + 21)
    assert sorted(errors_us)[len(errors_us) // 2] <= ERROR_US_MAX
