"""The hub's machine loses power at random operations on its disk, under load.

What the disk holds afterwards is up to tests/faults/disk.c: all that was synced, and of the rest
whatever a drive may have written before the power was gone.
"""

import asyncio
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from simulators.archive import Archive
from simulators.network import Line
from tests.e2e.test_hub_kill import LANES, assert_all_arrived, devices_of, to
from tests.faults import disk
from tests.hub.device import streaming
from tests.hub.hub_process import HubProcess, running_hub
from tests.simulators.platform_process import running

CUTS = 3
CUTS_UNTIL_NOTICED_MAX = 8
# The first operations are those of the start, which is to be cut as well.
OPERATIONS = (5, 400)

# A hub whose commits do not wait for the disk.
CARELESS = """
import sqlite3
connect = sqlite3.connect
class Careless(sqlite3.Connection):
    def execute(self, sql, *values):
        return super().execute(sql.replace("synchronous = FULL", "synchronous = OFF"), *values)
sqlite3.connect = lambda *places, **options: connect(*places, **{**options, "factory": Careless})
import hinomi
hinomi.main()
"""


def start_until_cut(hub: HubProcess, moments: random.Random) -> None:
    """Let the hub run until the power goes, be it while it starts."""
    operations, seed = moments.randrange(*OPERATIONS), moments.randrange(1 << 32)
    hub.environment = disk.failing_after(hub.folder / "data", operations, seed)
    try:
        hub.start()
    except AssertionError:
        pass  # it did not get so far
    assert hub.wait() == -signal.SIGKILL, hub.log.read_text()[-2000:]


async def lose_power(
    folder: Path, cuts: int, program: str = "", tell: Callable[[float], None] = lambda share: None
) -> dict[str, int]:
    """Cut the power `cuts` times under load; then all that was acknowledged must arrive, once.

    The line to the platform is dead meanwhile, every other time: what the hub has is nowhere else.
    program: the hub's. Return what there was.
    """
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    with running(folder) as platform:
        target = await asyncio.to_thread(platform.wait_ready)
        async with Line("127.0.0.1", target) as line:
            with running_hub(folder, to(line.port)) as hub:
                hub.program = program or hub.program
                devices = devices_of(hub)
                async with streaming(*devices, interval_s=0.002, lanes=LANES):
                    await asyncio.sleep(0.2)
                    hub.end(signal.SIGKILL)
                    for number in range(cuts):
                        if number % 2:
                            line.restore()
                        else:
                            line.cut()
                        await asyncio.to_thread(start_until_cut, hub, moments)
                        tell(number / cuts)
                    line.restore()
                    hub.environment = {}
                    await asyncio.to_thread(hub.start)
                made = sum(device.made for device in devices)
                # The hub's own records count too: what was accepted is more than the devices made.
                state = await asyncio.to_thread(hub.wait_delivered, 1)
                assert state["evicted"] == 0
        assert_all_arrived(platform.archive, devices)
        with Archive(platform.archive) as archive:
            names = {device.keys.device for device in devices}
            assert sum(one[0] in names for one in archive.identities()) == made
    assert all(device.acknowledged.flat == [0, device.made] for device in devices)
    return {"cuts": cuts, "made": made}


async def test_no_acknowledged_frame_is_lost_when_the_power_goes(tmp_path: Path) -> None:
    await lose_power(tmp_path, CUTS)


async def test_a_hub_that_does_not_sync_is_caught(tmp_path: Path) -> None:
    """The test above can fail: it does for a hub that acknowledges before the disk has it."""
    with pytest.raises((AssertionError, TimeoutError)):
        await lose_power(tmp_path, CUTS_UNTIL_NOTICED_MAX, CARELESS)
