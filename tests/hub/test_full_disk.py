"""A store that may have more than its disk has: it makes room as if it had been told the truth."""

import os
from pathlib import Path

from hub.disk import RESERVE_FILE, RESERVE_SIZE, SLACK_SIZE, Disk
from protocols.vocabulary import LANE_ALERT, LANE_STATE, LANE_WAVE
from tests.hub.making_room import Town, frame_of, town
from tests.hub.small_disk import fill, mounted

MIB = 1 << 20
VALUES = list(range(1800))
DISK_KIB = 24 * 1024


def frames(part: int) -> list[tuple[int, bytes]]:
    """Return a hundred frames of about 3.6 KiB, two of them alerts."""
    lanes = [LANE_ALERT, *[LANE_WAVE] * 29, *[LANE_STATE] * 20]
    return [
        (lane, frame_of("bridge-1", index, lane, values=VALUES, plain=True))
        for index in range(part * 100, part * 100 + 100)
        for lane in [lanes[index % len(lanes)]]
    ]


async def add(one: Town, parts: range) -> None:
    """Add hundreds of frames and look after each that none was refused."""
    for part in parts:
        await one.add(frames(part))
        assert one.store.counters["failures"] == 0, one.store.failure
        one.check()


def stored_alerts(one: Town) -> int:
    return sum(lane == LANE_ALERT for lane in one.stored().values())


async def test_a_disk_smaller_than_the_store_may_be_gets_room_made_on_it(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", DISK_KIB) as disk:
        async with town(disk, 1024 * MIB) as one:
            await add(one, range(36))  # 12.6 MiB, where half of 24 is for the store
            assert one.store.used <= 12 * MIB
            assert one.store.counters["thinned"] > 500 and one.store.refused_from == 4
            assert stored_alerts(one) == 72
            assert 11 * MIB < one.room.statistics()["size_max"] <= 12 * MIB


async def test_when_others_fill_the_disk_the_reserve_is_room_to_make_room(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", DISK_KIB) as disk:
        async with town(disk, 1024 * MIB) as one:
            await add(one, range(20))
            assert one.store.counters["thinned"] == 0
            assert (disk / RESERVE_FILE).exists()
            fill(disk / "filler")
            await add(one, range(20, 36))
            assert not (disk / RESERVE_FILE).exists()
            assert one.store.counters["thinned"] + one.store.counters["evicted"] > 500
            assert stored_alerts(one) == 72
            (disk / "filler").unlink()
            await one.settle()
            assert os.stat(disk / RESERVE_FILE).st_blocks * 512 == RESERVE_SIZE


async def test_a_disk_without_any_room_goes_on_once_there_is_some(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", DISK_KIB) as disk:
        async with town(disk, 1024 * MIB) as one:
            await add(one, range(8))
            failures = []
            for part in range(8, 20):
                fill(disk / "filler")  # the reserve, too, whenever it is given up
                await one.add(frames(part))
                failures.append(one.store.counters["failures"])
            alerts = stored_alerts(one)
            (disk / "filler").unlink()
            await one.settle()
            await one.add(frames(20))
            assert one.store.failure == "" and stored_alerts(one) == alerts + 2


def test_what_the_store_may_have_is_all_but_the_slack_or_half(tmp_path: Path) -> None:
    state = os.statvfs(tmp_path)
    disk = Disk(tmp_path / "hub.sqlite")
    free = state.f_bavail * state.f_frsize
    assert abs(disk.size_max() - (free - SLACK_SIZE)) < free // 4  # others write, too
    disk.reserve()
    assert (tmp_path / RESERVE_FILE).exists() and disk.release() and not disk.release()
