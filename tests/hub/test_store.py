"""The store, step by step: what happens around a commit, a failure, a full disk and a restart."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hub.database import SAVE_SEEN, StoreError
from hub.group import Job
from hub.seen import BLOCK_COUNT, pack, unpack
from hub.sender import HubSender
from hub.store import OWN_MAX, Group, Store
from protocols.framing import Splitter
from protocols.vocabulary import KIND_NOTICE, LANE_ALERT, LANE_STATE, LANE_WAVE

LARGE = 1 << 30
NOTICE = {"level": 0, "drill": False, "kind": "test", "text_ja": "試", "text_en": "test"}


@asynccontextmanager
async def opened(
    folder: Path, size_max: int = LARGE, tail_size_max: int = 0
) -> AsyncIterator[Store]:
    """Open a store that keeps nothing in memory unless told, and close it."""
    store = Store(folder, size_max, tail_size_max=tail_size_max)
    try:
        yield store
    finally:
        await store.close()


def fill(store: Store, lane: int, count: int, size: int = 100, *, first: int = 0) -> list[bytes]:
    """Append frames of river-1, boot lane + 1, and return them."""
    frames = [f"{lane} {first + at} ".encode().ljust(size, b".") for at in range(count)]
    for at, frame in enumerate(frames):
        assert store.append("river-1", (lane + 1, first + at, lane), frame)
    return frames


async def test_a_frame_is_announced_only_when_it_can_be_read_from_the_file(tmp_path: Path) -> None:
    seen: list[int] = []

    async with opened(tmp_path) as store:

        def committed(group: Group) -> None:
            seen.append(store._read_db.execute("SELECT count(*) FROM chunk").fetchone()[0])

        store.on_commit.append(committed)
        fill(store, LANE_STATE, 3)
        assert seen == []
        await store.wait_idle()
        assert seen == [1]


async def test_a_commit_is_on_the_disk_when_it_is_announced(tmp_path: Path) -> None:
    """No test short of a power cut can see it: FULL (2) syncs the log at every commit."""
    async with opened(tmp_path) as store:
        assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)
        assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_reading_joins_what_is_in_memory_and_what_is_not(tmp_path: Path) -> None:
    async with opened(tmp_path, tail_size_max=450) as store:
        frames = []
        for part in range(5):
            frames += fill(store, LANE_WAVE, 2, first=2 * part)
            await store.wait_idle()
        read: list[bytes] = []
        while len(read) < len(frames):
            found = await store.read(LANE_WAVE, len(read), len(frames), 300)
            assert found is not None and found[0] == len(read)
            read += Splitter().feed(found[2])
        assert read == frames


async def test_what_was_acknowledged_is_there_after_a_failed_commit(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        reasons: list[str] = []
        store.on_failure.append(reasons.append)
        kept = fill(store, LANE_STATE, 2)
        await store.wait_idle()
        store._db.execute("PRAGMA query_only = ON")
        lost = fill(store, LANE_STATE, 2, first=2)
        await store.wait_idle()
        assert "readonly" in reasons[0] and store.failure
        assert not store.append("river-1", (LANE_STATE + 1, 1, LANE_STATE), kept[1])
        store._db.execute("PRAGMA query_only = OFF")
        assert fill(store, LANE_STATE, 2, first=2) == lost  # the same come again and are taken
        await store.wait_idle()
        assert store.failure == ""
        found = await store.read(LANE_STATE, 0, 4, LARGE)
        assert found is not None and Splitter().feed(found[2]) == kept + lost


async def test_a_failing_store_tries_again_by_itself_and_not_all_the_time(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        store._db.execute("PRAGMA query_only = ON")
        store.save_meta("mode", 1)
        await asyncio.sleep(0)  # it is on its way to the disk
        store.save_meta("mode", 2)
        await asyncio.sleep(0.4)
        assert store.counters["failures"] == 1
        store._db.execute("PRAGMA query_only = OFF")
        await asyncio.sleep(1.0)
        assert store.failure == ""
    async with opened(tmp_path) as store:
        assert store.meta["mode"] == 2  # the newer one


async def test_the_hubs_own_records_wait_for_the_disk_and_are_limited(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        sender = HubSender("hub-1", bytes(32), store)
        await store.wait_idle()
        store._db.execute("PRAGMA query_only = ON")
        sender.record(KIND_NOTICE, LANE_ALERT, 1, NOTICE)
        await store.wait_idle()
        for at in range(OWN_MAX):
            sender.record(KIND_NOTICE, LANE_ALERT, at, NOTICE)
        assert store.counters["own_dropped"] == 1
        store._db.execute("PRAGMA query_only = OFF")
        await store.wait_idle()
        assert store.following[LANE_ALERT] == OWN_MAX
        assert store.seen["hub-1", 1].flat == [0, OWN_MAX]  # no index was used up


async def test_frames_with_many_holes_between_them_survive_a_restart(tmp_path: Path) -> None:
    """Urgent frames overtake: until the rest has come, each is a range of its own."""
    async with opened(tmp_path) as store:
        for index in range(0, 10000, 2):
            store.append("river-1", (1, index, LANE_STATE), b"frame")
        store.flush()
    async with opened(tmp_path) as store:
        assert len(store.seen["river-1", 1].flat) == 10000
        assert not store.append("river-1", (1, 4444, LANE_STATE), b"frame")
        assert store.append("river-1", (1, 4445, LANE_STATE), b"frame")


async def test_what_a_commit_writes_does_not_grow_with_the_pieces_of_a_boot(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        for index in range(0, 100_000, 2):
            store.append("river-1", (1, index, LANE_STATE), b"frame")
        await store.wait_idle()
        written: list[int] = []
        commit = store._commit

        def counted(job: Job) -> None:
            written.append(sum(len(row[3]) for row in job.seen))
            commit(job)

        store._commit = counted
        for index in (100_000, 55_555, 1):
            store.append("river-1", (1, index, LANE_STATE), b"frame")
            await store.wait_idle()
        assert len(written) == 3 and max(written) <= 8 * BLOCK_COUNT


async def test_a_boot_of_version_1_is_cut_into_blocks_at_the_next_start(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        flat = [0, 10_000, 20_000, 20_001]
        store._db.execute(SAVE_SEEN, ("river-1", 1, 0, pack(flat)))
    for _ in range(2):
        async with opened(tmp_path) as store:
            assert store.seen["river-1", 1].flat == flat
            query = "SELECT block, ranges FROM seen ORDER BY block"
            rows = [(block, unpack(ranges)) for block, ranges in store._db.execute(query)]
            assert rows == [(0, [0, 4096]), (1, [4096, 8192]), (2, [8192, 10_000]),
                            (4, [20_000, 20_001])]  # fmt: skip


async def test_a_second_hub_cannot_open_the_same_store(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(StoreError, match="another hub uses"):
            Store(tmp_path, LARGE)
    async with opened(tmp_path):
        pass


async def test_what_is_no_file_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "hub.sqlite").mkdir()
    with pytest.raises(StoreError, match=r"hub\.sqlite"):
        Store(tmp_path, LARGE)


async def test_a_store_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        store._db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="version 99"):
        Store(tmp_path, LARGE)


def test_a_start_that_fails_leaves_nothing_locked(tmp_path: Path) -> None:
    Store(tmp_path, LARGE)._opened.close()
    with sqlite3.connect(tmp_path / "hub.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    for _ in range(2):
        with pytest.raises(StoreError, match="version 99"):
            Store(tmp_path, LARGE)
    with sqlite3.connect(tmp_path / "hub.sqlite") as db:
        db.execute("PRAGMA user_version = 2")
    db.close()
    Store(tmp_path, LARGE)._opened.close()
