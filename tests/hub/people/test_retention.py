"""Retention: what concerns a person leaves once it is old and delivered; the rest stays."""

import asyncio
import json
from pathlib import Path

from hub.people.retention import DAY_US, MARKS_MAX, Retention
from protocols.vocabulary import LANE_ALERT, LANE_LIFE, LANE_STATE, LANES
from tests.hub.making_room import Town, batches, frame_of, town

HOUR_US = DAY_US // 24


def test_marks_name_what_is_as_old_as_that_and_nothing_younger() -> None:
    one = Retention(30, {}, "run", 0)
    for hour in range(24 * 90):
        one.tick(hour * HOUR_US, [0, hour, 0, 10 * hour])
        below = one.below(hour * HOUR_US)
        assert below[1] <= max(0, hour - 24 * 30) and below[3] == 10 * below[1]
        if hour >= 24 * 31:
            assert hour - below[1] <= 24 * 30 + 7
    assert len(one.save(0)["marks"]) <= MARKS_MAX + 2


def test_time_without_the_hub_counts_while_the_machine_ran_on_and_no_wall_clock_does() -> None:
    one = Retention(30, {}, "run", 0)
    one.tick(0, [0, 7, 0, 0])
    kept = json.loads(json.dumps(one.save(5 * DAY_US)))
    same = Retention(30, kept, "run", 29 * DAY_US)
    assert same.below(29 * DAY_US) == [0, 0, 0, 0]
    assert same.below(30 * DAY_US) == [0, 7, 0, 0]
    for run in ("another", ""):
        other = Retention(30, kept, run, 100)
        assert other.below(24 * DAY_US) == [0, 0, 0, 0]
        assert other.below(25 * DAY_US + 100) == [0, 7, 0, 0]


async def fill(one: Town) -> None:
    """Take in, mixed in the same commits, frames of two bridges and a home."""
    for at in range(0, 40, 4):
        frames = batches("bridge-1", at, 4, LANE_STATE)
        for index in range(at, at + 4):
            for lane, number in ((LANE_STATE, 3 * index), (LANE_LIFE, 3 * index + 1),
                                 (LANE_ALERT, 3 * index + 2)):  # fmt: skip
                frame = frame_of("home-1", number, lane, values=[1, 2], personal=True)
                frames.insert(-1, (lane, frame))
        await one.add(frames)


def homes(one: Town) -> int:
    return sum(identity[0] == "home-1" for identity in one.stored())


def test_only_what_is_old_delivered_and_personal_leaves(tmp_path: Path) -> None:
    async def main() -> None:
        async with town(tmp_path, 64 << 20) as one:
            await fill(one)
            one.room.personal = frozenset({"home-1"})
            old = [store // 2 // 4 * 4 for store in one.store.following]
            one.room.old = lambda: old
            await one.settle()
            assert homes(one) == 120 and len(one.stored()) == 160  # not delivered yet
            await one.deliver(0)
            await one.settle()
            one.room.old = lambda: [number + 4 for number in old]  # the next mark
            for _ in range(8):
                await one.settle()
            stored = one.stored()
            assert sum(identity[0] == "bridge-1" for identity in stored) == 40
            for lane in (LANE_STATE, LANE_LIFE, LANE_ALERT):
                left = [key for key, at in stored.items() if at == lane and key[0] == "home-1"]
                assert 0 < len(left) < 40 and min(key[2] for key in left) > 3
            one.check()
            one.room.old = lambda: list(one.store.following)
            for _ in range(8):
                await one.settle()
            assert homes(one) == 0 and len(one.stored()) == 40
            assert one.store.counters["deleted"] == 120 and one.store.counters["evicted"] == 0
            assert not one.store.append("home-1", (1, 0, LANE_STATE), b"")  # still known

    asyncio.run(main())


def test_encrypted_frames_leave_whatever_their_device_is_called(tmp_path: Path) -> None:
    async def main() -> None:
        async with town(tmp_path, 64 << 20) as one:
            await fill(one)
            await one.deliver(0)
            one.room.old = lambda: list(one.store.following)
            for _ in range(8):
                await one.settle()
            assert homes(one) == 0 and len(one.stored()) == 40

    asyncio.run(main())


def test_the_search_ends(tmp_path: Path) -> None:
    async def main() -> None:
        async with town(tmp_path, 64 << 20) as one:
            await fill(one)
            one.room.old = lambda: [10**6 for _ in LANES]
            for _ in range(8):
                await one.settle()
            commits = one.store.counters["commits"]
            for _ in range(8):
                await one.settle()
            assert one.store.counters["commits"] == commits

    asyncio.run(main())
