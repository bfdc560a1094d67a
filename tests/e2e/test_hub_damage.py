"""The store of a real hub is damaged between two runs, or under a running one: all arrives."""

import asyncio
import signal
from pathlib import Path

import pytest

from protocols.vocabulary import LANE_STATE, LANE_WAVE
from simulators.archive import Archive
from simulators.network import RESET, Line
from tests.e2e.test_hub_kill import devices_of, to
from tests.hub.device import Device
from tests.hub.hub_process import running_hub, wait_until
from tests.simulators.platform_process import running

FRAMES = 100


async def stream(device: Device, count: int) -> None:
    """Send frames and wait until the hub has them."""
    for at in range(count):
        device.write(device.make(LANE_WAVE if at % 3 else LANE_STATE, size=50))
        if at % 50 == 0:
            await asyncio.sleep(0.01)
    await device.wait_acknowledged()


def spoil(path: Path, where: str) -> None:
    """Overwrite the first page of the file, as a card that wears out does, or one in its log."""
    with path.with_name(path.name + ("-wal" if where == "log" else "")).open("r+b") as file:
        file.seek(32 + 3 * 4120 + 24 if where == "log" else 0)
        file.write(b"\xa5" * 4096)


@pytest.mark.parametrize("where", ["file", "log"])
async def test_what_waited_in_a_damaged_store_arrives_and_new_data_with_it(
    tmp_path: Path, where: str
) -> None:
    with running(tmp_path) as platform:
        target = await asyncio.to_thread(platform.wait_ready)
        async with Line("127.0.0.1", target) as line:
            line.cut(RESET)
            with running_hub(tmp_path, to(line.port)) as hub:
                device, other = devices_of(hub)
                await device.open()
                await stream(device, FRAMES)
                await device.close()
                hub.end(signal.SIGKILL if where == "log" else signal.SIGTERM)
                spoil(hub.folder / "data" / "hub.sqlite", where)
                hub.start()
                await other.open()
                await stream(other, FRAMES)
                line.restore()
                log = hub.log
                await asyncio.to_thread(
                    wait_until, lambda: "came over" in log.read_text(), "the salvage"
                )
                await asyncio.to_thread(hub.wait_delivered, 2 * FRAMES, 60)
                await other.close()
                names = [path.name for path in (hub.folder / "data").iterdir()]
                assert [name for name in names if name.startswith("quarantine-")]
    with Archive(platform.archive) as archive:
        found = set(archive.identities())
    for one in (device, other):
        missing = [at for at in range(one.made) if (one.keys.device, 1, at) not in found]
        # A page of the log holds what SQLite wrote there: of a chunk's frames a few at most.
        assert len(missing) <= (0 if where == "file" else 60), (one.keys.device, missing)
