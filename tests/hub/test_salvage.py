"""A salvage beside a hub that makes room: one commit settles what is missing; nothing is twice."""

import sqlite3
from itertools import pairwise
from pathlib import Path

import pytest

from hub import remains, synced
from hub.chunks import Chunk, gather
from hub.group import Removal
from hub.ledger import GAP, read
from hub.recovery import mark
from hub.relay.queue import RelayQueue
from hub.salvage import Outcome, Salvage
from hub.store import Store
from protocols.vocabulary import LANE_STATE, LANE_WAVE
from tests.hub.making_room import Town, batches, town

PAGE = 4096


def is_genuine(frame: bytes) -> bool:
    return frame.startswith(b"\xd1\x84") and b"\0" * 64 not in frame


async def damaged(folder: Path, count: int) -> None:
    """Leave a store with frames of two lanes, in the middle of which pages are blank."""
    async with town(folder) as one:
        for part in range(0, count, 50):
            await one.add(batches("bridge-1", part, 50, LANE_STATE if part % 100 else LANE_WAVE))
        one.store.save_meta("thinned below 3", count)
    path = folder / "hub.sqlite"
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // PAGE * PAGE
    data[middle : middle + 4 * PAGE] = bytes(4 * PAGE)
    path.write_bytes(data)
    mark(folder, "a test")


def salvage_of(one: Town) -> Salvage:
    return Salvage(one.store, is_genuine, lambda lane: 0)


async def test_what_is_missing_is_settled_in_the_commit_that_ends_the_salvage(
    tmp_path: Path,
) -> None:
    await damaged(tmp_path, 600)
    async with town(tmp_path) as one:
        assert one.store.is_salvaging
        await salvage_of(one).run()
        await one.store.wait_idle()
        accepted = sum(one.store.following)
        missing = accepted - len(one.stored())
        assert missing > 0
        assert one.store.counters["evicted"] == missing
        assert one.store.meta["thinned below 3"] == 0  # what came over is below it
    store = Store(tmp_path, 1 << 30)
    counts = RelayQueue(store.load_cursor("0")).counts(store.following)
    assert (
        counts["evicted"] == missing and counts["backlog"] + counts["delivered"] + missing >= 600
    )
    assert not store.is_salvaging
    await store.close()


async def test_numbers_that_perhaps_no_frame_had_are_not_called_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remains, "RAW_PAGES_MAX", 1)  # as of a store of more than 256 MiB
    await damaged(tmp_path, 600)
    (tmp_path / synced.FILE).unlink()
    with sqlite3.connect(tmp_path / "hub.sqlite") as db:
        db.execute("UPDATE lane SET crc = crc + 1")
    db.close()
    async with town(tmp_path) as one:
        assert min(one.store.following[LANE_STATE:]) > remains.NUMBERS_JUMP
        outcomes: list[Outcome] = []
        salvage = salvage_of(one)
        salvage.on_end = outcomes.append
        await salvage.run()
        await one.store.wait_idle()
        one.check()
        assert 0 < outcomes[0].missing_count() < 300
        gaps = [entry.fields() for _, entry in read(one.store._read_db, GAP)]
        lost = sum(int(gap["next"]) - int(gap["first"]) for gap in gaps)
        assert lost == outcomes[0].missing_count()


async def test_room_is_made_among_what_came_over_though_a_mark_was_beyond_it(
    tmp_path: Path,
) -> None:
    await damaged(tmp_path, 2400)
    async with town(tmp_path, 1 << 20) as one:
        salvage = salvage_of(one)
        await salvage.run()
        for _ in range(8):
            await one.settle()
            one.check()
        assert one.store.counters["thinned"] + one.store.counters["evicted"] > 500
        await one.deliver(0)
        one.check()


async def test_a_chunk_of_which_room_left_a_part_is_not_taken_over_twice(tmp_path: Path) -> None:
    await damaged(tmp_path, 600)
    async with town(tmp_path) as one:
        salvage = salvage_of(one)
        text = one.store.meta["salvage"]
        await salvage.run()
        await one.store.wait_idle()
        chunk = await one.store.read(LANE_WAVE, 0, 50, 1 << 20)
        assert chunk is not None
        take_ends(one, chunk)
        one.store.save_meta("salvage", text)  # as if it had been killed before it ended
        one.store.save_cursor("0", one.queues[0].rows())
    async with town(tmp_path) as one:
        await salvage_of(one).run()
        await one.store.wait_idle()
        one.check()
        rows = one.store._read_db.execute("SELECT id, count FROM chunk ORDER BY id").fetchall()
        assert len(rows) > 10
        for (number, count), (following, _) in pairwise(rows):
            assert number + count <= following, "two chunks hold the same frame"


def take_ends(one: Town, chunk: Chunk) -> None:
    """Take the first ten and the last ten frames of a chunk out, as if they were evicted."""
    kept = gather([chunk], 10, 40, 1 << 20)
    assert kept is not None
    one.store.remove(Removal(LANE_WAVE, [0], [kept], [(0, 10), (40, 50)], "evicted"))
