"""A torn write at the log's end is no damage; what was synced and is gone is."""

import asyncio
import shutil
from pathlib import Path

from hub.pages import FRAME_HEADER_SIZE, PAGE_SIZE, read_log
from hub.recovery import recover
from hub.store import Store
from hub.synced import FILE, Synced, read_synced
from protocols.vocabulary import LANE_STATE, LANES
from tests.hub.damage import LARGE, Maker

FRAME_SIZE = FRAME_HEADER_SIZE + PAGE_SIZE


def killed_store(folder: Path) -> tuple[Path, int]:
    """Return the files of a store killed after two commits, and the log's size after the first.

    The second commit is of many pages.
    """

    async def main() -> int:
        store = Store(folder / "live", LARGE)
        maker = Maker(1)

        async def commit(count: int) -> None:
            for _ in range(count):
                identity, frame = maker.make("river-1", LANE_STATE, 60)
                store.append("river-1", (*identity[1:], LANE_STATE), frame)
            store.flush()
            await store.wait_idle()

        store.save_meta("boot", 7)
        await commit(3)
        shutil.copy(folder / "live" / FILE, folder / "before")
        size = log_of(folder / "live").stat().st_size
        await commit(300)
        shutil.copytree(folder / "live", folder / "killed")
        await store.close()
        return size

    size = asyncio.run(main())
    return folder / "killed", size


def log_of(folder: Path) -> Path:
    return folder / "hub.sqlite-wal"


def tear(folder: Path, size: int) -> None:
    """Damage a page in the middle of the last transaction."""
    log = bytearray(log_of(folder).read_bytes())
    assert len(log) > size + 4 * FRAME_SIZE
    log[size + 2 * FRAME_SIZE + 100] ^= 0xFF
    log_of(folder).write_bytes(log)


def test_what_was_durable_is_known_beside_the_log(tmp_path: Path) -> None:
    folder, _ = killed_store(tmp_path)
    assert read_synced(folder) == ([0, 0, 303, 0], 7)
    assert recover(folder / "hub.sqlite", 0) == ""


def test_a_torn_write_that_nobody_was_told_of_is_no_damage(tmp_path: Path) -> None:
    folder, size = killed_store(tmp_path)
    tear(folder, size)
    shutil.copy(tmp_path / "before", folder / FILE)
    assert read_log(log_of(folder)).unseen == 1
    assert recover(folder / "hub.sqlite", 0) == ""
    store = Store(folder, LARGE)
    assert store.following[LANE_STATE] == 3
    asyncio.run(store.close())


def test_the_same_after_it_was_synced_is_damage_and_its_numbers_are_not_used_again(
    tmp_path: Path,
) -> None:
    folder, size = killed_store(tmp_path)
    tear(folder, size)
    assert "synced" in recover(folder / "hub.sqlite", 0)
    store = Store(folder, LARGE)
    assert store.following[LANE_STATE] == 303 and store.is_salvaging
    asyncio.run(store.close())


def test_a_log_whose_end_is_gone_is_damage(tmp_path: Path) -> None:
    folder, size = killed_store(tmp_path)
    log_of(folder).write_bytes(log_of(folder).read_bytes()[:size])
    assert "synced" in recover(folder / "hub.sqlite", 0)
    assert recover(folder / "hub.sqlite", 0) == ""


def test_a_file_that_cannot_be_read_claims_nothing(tmp_path: Path) -> None:
    one = Synced(tmp_path)
    one.note([1, 2, 3, 4], 5)
    one.close()
    data = (tmp_path / FILE).read_bytes()
    assert read_synced(tmp_path) == ([1, 2, 3, 4], 5)
    for wrong in (b"", data[:-1], bytes([data[0] ^ 1]) + data[1:]):
        (tmp_path / FILE).write_bytes(wrong)
        assert read_synced(tmp_path) == ([0 for _ in LANES], 0)
