"""Making room: what goes first, what stays, who is told, and that nothing goes without a name."""

import asyncio
import os
import sqlite3
from pathlib import Path

import pytest

from hub.disk import SLACK_SIZE
from hub.eviction import Find, Search, search
from hub.ledger import GAP, read
from hub.room import Watermarks
from protocols.batch import unpack
from protocols.records import encode_record
from protocols.vocabulary import (
    GAP_DISK_FULL,
    GAP_THINNED,
    KIND_GAP,
    KIND_SUMMARY,
    LANE_ALERT,
    LANE_LIFE,
    LANE_STATE,
    LANE_WAVE,
    LANES,
)
from tests.hub.making_room import KEYS, Identity, Town, batches, frame_of, identity_of, town

MIB = 1 << 20


def lanes_of(stored: dict[Identity, int], device: str) -> list[int]:
    """Return how many frames of a device each lane holds."""
    found = [lane for (name, _, _), lane in stored.items() if name == device]
    return [found.count(lane) for lane in LANES]


async def test_below_the_first_mark_nothing_leaves_even_if_all_have_it(tmp_path: Path) -> None:
    async with town(tmp_path) as one:
        await one.add(batches("bridge-1", 0, 500))
        await one.deliver(0)
        await one.settle()
        assert one.store.used < one.room.marks.of(70)
        assert lanes_of(one.stored(), "bridge-1") == [0, 0, 0, 500]


async def test_delivered_waveforms_leave_first_and_without_a_gap(tmp_path: Path) -> None:
    async with town(tmp_path) as one:
        await one.add(batches("bridge-2", 0, 300, LANE_STATE))
        for part in range(10):
            await one.add(batches("bridge-1", part * 200, 200))
            await one.deliver(0)
            await one.settle()
            one.check()
        assert one.store.used <= one.room.marks.of(70)
        assert lanes_of(one.stored(), "bridge-2") == [0, 0, 300, 0]
        assert lanes_of(one.stored(), "bridge-1")[LANE_WAVE] < 1300
        assert one.store.counters["deleted"] > 700
        assert one.records(0, KIND_GAP) == [] and one.queues[0].counts([0] * 4)["evicted"] == 0


async def test_from_the_second_mark_on_what_all_have_leaves_least_urgent_first(
    tmp_path: Path,
) -> None:
    async with town(tmp_path) as one:
        await one.add(batches("bridge-1", 0, 300, LANE_ALERT))
        await one.add(batches("bridge-1", 300, 300, LANE_LIFE))
        for part in range(6):
            await one.add(batches("bridge-2", part * 300, 300, LANE_STATE))
            await one.deliver(0)
            await one.settle()
        assert one.store.used <= one.room.marks.of(85)
        assert lanes_of(one.stored(), "bridge-1") == [300, 300, 0, 0]
        assert 0 < lanes_of(one.stored(), "bridge-2")[LANE_STATE] < 1800
        one.check()


async def test_undelivered_waveforms_are_thinned_and_named(tmp_path: Path) -> None:
    async with town(tmp_path) as one:
        frames = batches("bridge-1", 0, 2400)
        for at in range(0, 2400, 300):
            await one.add(frames[at : at + 300])
            one.check()
        assert one.store.used <= one.room.marks.of(70)
        assert one.store.counters["thinned"] > 500 and one.store.counters["evicted"] == 0
        await one.deliver(0)
        gaps = one.records(0, KIND_GAP)
        assert {gap["reason"] for gap in gaps} == {GAP_THINNED}
        assert_named_or_there(one, 0, frames)
        summaries = one.records(0, KIND_SUMMARY)
        check_summaries(frames, gaps, summaries)


async def test_below_the_second_mark_what_a_line_will_take_soon_is_not_thinned(
    tmp_path: Path,
) -> None:
    async with town(tmp_path) as one:
        one.queues[0].line_up(one.store.following)
        index = 0
        while one.store.used <= one.room.marks.of(76):
            await one.add(batches("bridge-1", index, 50))
            index += 50
        assert one.store.counters["thinned"] == 0
        one.queues[0].line_down()
        await one.settle()
        assert one.store.counters["thinned"] > 0 and one.store.used <= one.room.marks.of(70)
        one.check()


async def test_what_is_on_its_way_stays_while_anything_else_can_go(tmp_path: Path) -> None:
    async with town(tmp_path) as one:
        await one.add(batches("bridge-1", 0, 200))
        item = one.hand_out(0, 100)
        assert item is not None
        for at in range(200, 2000, 200):  # live: it is thinned from the second mark on
            await one.add(batches("bridge-1", at, 200))
            assert one.store.used <= one.room.marks.of(85)
        assert one.store.counters["thinned"] > 100
        for at in range(0, 2000, 200):  # of these only what waits can make room
            await one.add(batches("bridge-2", at, 200, LANE_STATE))
        assert one.store.counters["evicted"] > 50
        assert item.evicted == [] and len(one.arrived[0]) == 0
        on_its_way = {("bridge-1", 1, index) for index in range(100)}
        assert on_its_way <= one.stored().keys()
        one.queues[0].line_down()
        one.check()
        await one.deliver(0)
        assert on_its_way <= one.arrived[0].keys()
        assert_named_or_there(one, 0, batches("bridge-1", 0, 2000))


async def test_where_nothing_else_is_left_what_is_on_its_way_goes_and_is_named(
    tmp_path: Path,
) -> None:
    async with town(tmp_path) as one:
        await one.add(batches("bridge-1", 0, 600))
        item = one.hand_out(0)
        assert item is not None
        index = 600
        while not item.evicted and one.store.refused_from == len(LANES):
            await one.add(batches("bridge-1", index, 100, LANE_ALERT))
            index += 100
        assert index > 1000 and item.evicted
        one.queues[0].line_down()
        one.check()
        await one.deliver(0)
        assert_named_or_there(one, 0, batches("bridge-1", 0, 600))


async def test_a_line_that_takes_the_oldest_meanwhile_keeps_no_room_from_being_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow machine reads a large piece for longer than a slow line is busy with a bundle."""
    monkeypatch.setattr("hub.room.PIECE_SIZE_MIN", 2048)
    async with town(tmp_path) as one:
        for at in range(0, 800, 5):
            await one.add(batches("bridge-1", at, 5))
        one.queues[0].line_up(one.store.following)
        loop = asyncio.get_running_loop()

        def search_slowly(db: sqlite3.Connection, wanted: Search) -> Find | None:
            found = search(db, wanted)
            if found is not None and found.removal.count() > 8:
                loop.call_soon_threadsafe(one.hand_out, 0, 1)
            return found

        monkeypatch.setattr("hub.room.search", search_slowly)
        one.room.marks = Watermarks(MIB // 2)
        await one.settle()
        assert one.store.counters["thinned"] > 10
        assert one.store.used <= one.room.marks.of(70)


async def test_records_of_a_device_in_a_thousand_places_leave_room_for_alerts(
    tmp_path: Path,
) -> None:
    """One for each loss: a record about each of them would take what they leave."""
    async with town(tmp_path) as one:
        for at in range(0, 14000, 500):
            records = []
            for index in range(at, at + 500):
                fields = {"device": "bridge-1", "boot": 1, "first": index, "next": index + 1,
                          "lane": LANE_WAVE, "reason": GAP_DISK_FULL, "channel": "",
                          "from_us": 0, "until_us": 0}  # fmt: skip
                payload = encode_record(KIND_GAP, (1, 2 * index, LANE_STATE, 0), fields)
                records.append((LANE_STATE, KEYS["bridge-1"].up.seal(payload)))
            await one.add(records)
            assert one.store.refused_from == len(LANES)
        assert one.store.counters["evicted"] > 1000
        one.check()
        named = [entry.fields() for _, entry in read(one.store._read_db, GAP)]
        left = one.stored()
        lost = {at for row in named for at in range(int(row["first"]), int(row["next"]))}
        for at in range(0, 28000, 2):
            assert (at in lost) != (("bridge-1", 1, at) in left)


def assert_named_or_there(one: Town, uplink: int, frames: list[tuple[int, bytes]]) -> None:
    """Check that each frame has arrived or is named by a gap that arrived, and never both."""
    named = {
        (gap["device"], gap["boot"], index)
        for gap in one.records(uplink, KIND_GAP)
        for index in range(gap["first"], gap["next"])
    }
    for _, frame in frames:
        identity = identity_of(frame)[0]
        assert (identity in named) != (identity in one.arrived[uplink])


def check_summaries(
    frames: list[tuple[int, bytes]], gaps: list[dict[str, int]], summaries: list[dict[str, object]]
) -> None:
    """Check that the summaries say of each minute what the thinned frames said."""
    named = [index for gap in gaps for index in range(gap["first"], gap["next"])]
    wanted: dict[int, list[int]] = {}
    for index in named:
        for at in range(200):
            minute = (index * 2_000_000 + at * 10_000) // 60_000_000
            wanted.setdefault(minute, []).append((index * 7 + at * 3001) % 30000)
    found: dict[int, list[int]] = {}
    for fields in summaries:
        assert (fields["device"], fields["boot"], fields["lane"]) == ("bridge-1", 1, LANE_WAVE)
        assert (fields["channel"], fields["unit"], fields["exponent"]) == ("acc.x", "m/s2", -6)
        columns = [
            unpack(fields[name])  # type: ignore[arg-type]
            for name in ("minutes", "counts", "least", "mean", "greatest")
        ]
        for minute, count, least, mean, greatest in zip(*columns, strict=True):
            cell = found.setdefault(minute, [0, least, 0, greatest])
            found[minute] = [
                cell[0] + count, min(cell[1], least), cell[2] + mean * count,
                max(cell[3], greatest),
            ]  # fmt: skip
    assert set(found) == set(wanted)
    for minute, values in wanted.items():
        count, least, total, greatest = found[minute]
        assert (count, least, greatest) == (len(values), min(values), max(values))
        assert abs(total - sum(values)) <= count  # each mean is rounded


async def test_personal_batches_and_records_are_not_thinned(tmp_path: Path) -> None:
    async with town(tmp_path) as one:
        frames = []
        for index in range(1800):
            personal = index % 3 == 0
            frames.append((LANE_WAVE, frame_of("home-1", index, personal=personal)))
        for at in range(0, 1800, 200):
            await one.add(frames[at : at + 200])
        assert one.store.counters["thinned"] > 100
        left = one.stored()
        assert all(("home-1", 1, index) in left for index in range(0, 1800, 3))
        await one.deliver(0)
        assert all(("home-1", 1, index) in one.arrived[0] for index in range(0, 1800, 3))
        assert_named_or_there(one, 0, frames)


async def test_from_the_last_mark_on_the_least_urgent_is_evicted_and_named(
    tmp_path: Path,
) -> None:
    async with town(tmp_path) as one:
        await one.add(batches("bridge-1", 0, 200, LANE_ALERT))
        await one.add(batches("bridge-1", 200, 200, LANE_LIFE))
        frames = [
            (LANE_STATE, frame_of(device, index, LANE_STATE))
            for index in range(1600)
            for device in ("bridge-2", "home-1")
        ]
        for at in range(0, len(frames), 200):
            await one.add(frames[at : at + 200])
            one.check()
        assert one.store.used <= one.room.marks.of(95)
        assert lanes_of(one.stored(), "bridge-1") == [200, 200, 0, 0]
        assert one.store.refused_from == len(LANES)
        assert one.store.counters["evicted"] > 500
        await one.deliver(0)
        gaps = one.records(0, KIND_GAP)
        assert {gap["reason"] for gap in gaps} == {GAP_DISK_FULL}
        assert {gap["lane"] for gap in gaps} == {LANE_STATE}
        assert_named_or_there(one, 0, frames)
        # The records are few: two devices a piece, whatever number of frames.
        assert len(gaps) <= one.store.counters["evicted"] / 8
        in_ledger = [entry.fields() for _, entry in read(one.store._read_db, GAP)]
        assert [(row["device"], row["first"], row["next"]) for row in in_ledger] == [
            (gap["device"], gap["first"], gap["next"]) for gap in gaps
        ]


async def test_lane_0_is_never_evicted_and_has_the_reserve(tmp_path: Path) -> None:
    async with town(tmp_path) as one:
        index = 0
        while one.store.refused_from == len(LANES) and index < 6000:
            await one.add(batches("bridge-1", index, 100, LANE_ALERT))
            await one.add(batches("bridge-2", index, 20, LANE_STATE))
            index += 100
        assert one.store.refused_from == LANE_LIFE  # lanes 1-3 are refused
        assert lanes_of(one.stored(), "bridge-2")[LANE_STATE] <= 20
        while one.store.refused_from != LANE_ALERT and index < 6000:
            await one.add(batches("bridge-1", index, 20, LANE_ALERT))
            index += 20
        assert one.store.refused_from == LANE_ALERT  # and at last all
        assert not one.store.may_append_own()
        left = one.stored()
        assert all(("bridge-1", 1, number) in left for number in range(index))
        await one.deliver(0)
        await one.settle()
        assert one.store.refused_from == len(LANES) and one.store.may_append_own()
        one.check()


async def test_what_is_said_about_readings_outlives_them(tmp_path: Path) -> None:
    async with town(tmp_path) as one:
        for part in range(40):
            await one.add(batches("bridge-1", part * 100, 100, LANE_STATE))
        await one.deliver(0)
        named = sum(gap["next"] - gap["first"] for gap in one.records(0, KIND_GAP))
        assert named == one.store.counters["evicted"]
        assert named + sum(name == "bridge-1" for name, _, _ in one.arrived[0]) == 4000


async def test_gap_records_of_frames_of_two_lanes_are_joined(tmp_path: Path) -> None:
    """Indexes run through all lanes: what another lane has between is no gap in this one."""
    async with town(tmp_path) as one:
        frames = []
        for index in range(3000):
            lane = LANE_ALERT if index % 10 == 5 else LANE_STATE
            frames.append((lane, frame_of("bridge-1", index, lane)))
        for at in range(0, len(frames), 100):
            await one.add(frames[at : at + 100])
        await one.deliver(0)
        gaps = one.records(0, KIND_GAP)
        assert one.store.counters["evicted"] > 500
        assert len(gaps) < one.store.counters["evicted"] / 20
        assert all(("bridge-1", 1, index) in one.arrived[0] for index in range(5, 3000, 10))


async def test_a_slow_uplink_and_one_that_is_dead_count_exactly(tmp_path: Path) -> None:
    async with town(tmp_path, uplinks=3) as one:
        for part in range(30):
            await one.add(batches("bridge-1", part * 100, 100, LANE_STATE))
            await one.deliver(0)
            await one.deliver(1, limit=20)
            await one.settle()
            one.check()
        counts = [queue.counts(one.store.following) for queue in one.queues]
        assert [count["evicted"] > 0 for count in counts] == [False, True, True]
        assert counts[1]["delivered"] >= 500 and counts[2]["delivered"] == 0
        assert len(one.arrived[0]) == one.store.frames_stored()


async def test_a_commit_that_fails_takes_nothing_out_and_is_tried_again(tmp_path: Path) -> None:
    async with town(tmp_path) as one:
        await one.add(batches("bridge-1", 0, 1700, LANE_STATE))
        one.room.marks = Watermarks(1 << 19)
        one.store._db.execute("PRAGMA query_only = ON")
        before = one.stored()
        one.room.tick()
        await one.room.wait_idle()
        assert one.store.failure and one.stored() == before
        one.check()
        one.store._db.execute("PRAGMA query_only = OFF")
        await one.store.wait_idle()
        await one.settle()
        assert one.store.used <= one.room.marks.of(95)
        one.check()
        await one.deliver(0)
        named = sum(gap["next"] - gap["first"] for gap in one.records(0, KIND_GAP))
        there = sum(name == "bridge-1" for name, _, _ in one.arrived[0])
        assert named + there == 1700 and named > 500


async def test_what_an_uplink_got_meanwhile_is_not_named(tmp_path: Path) -> None:
    """The search has read the oldest frames; before it is heard they are delivered."""
    async with town(tmp_path) as one:
        await one.add(batches("bridge-1", 0, 1700, LANE_STATE))
        one.room.marks = Watermarks(1 << 19)
        one.room.tick()
        assert one.room._search is not None
        queue, following = one.queues[0], one.store.following
        queue.line_up(following)
        for lane in LANES:
            queue.acknowledge(queue.take(lane, 0, following[lane], True))
        await one.settle()
        assert one.records(0, KIND_GAP) == []
        assert one.store.counters["evicted"] == 0 and one.store.counters["deleted"] > 500
        one.check()


async def test_the_marks_go_on_where_they_were_after_a_restart(tmp_path: Path) -> None:
    frames = [
        (LANE_WAVE, frame_of("home-1", index, personal=index % 2 == 0)) for index in range(1500)
    ]
    async with town(tmp_path) as one:
        for at in range(0, 1500, 300):
            await one.add(frames[at : at + 300])
        one.store.save_cursor("0", one.queues[0].rows())
        before = one.stored()
    async with town(tmp_path) as one:
        await one.settle()
        assert before.items() <= one.stored().items()
        assert int(one.store.meta["thinned below 3"]) > 500
        await one.deliver(0)
        assert_named_or_there(one, 0, frames)


async def test_the_files_stay_within_the_size_and_the_slack(tmp_path: Path) -> None:
    size_max = 4 * MIB
    values = list(range(1800))
    async with town(tmp_path, size_max) as one:
        largest = 0
        for part in range(32):
            lane = part % 2 + 2
            frames = [
                (lane, frame_of("bridge-1", index, lane, values=values, plain=True))
                for index in range(part * 100, part * 100 + 100)
            ]
            await one.add(frames)
            largest = max(largest, size_of(tmp_path))
        assert one.store.counters["evicted"] > 100 and one.store.counters["thinned"] > 100
        assert 3 * MIB < largest <= size_max + SLACK_SIZE
        main = os.stat(tmp_path / "hub.sqlite").st_size
        assert main <= size_max + MIB  # a commit comes before room is made for it
        assert one.store.used <= size_max
        one.check()


def size_of(folder: Path) -> int:
    """Return what the files of a store take on the disk, as `du` counts."""
    return sum(512 * path.stat().st_blocks for path in folder.iterdir())
