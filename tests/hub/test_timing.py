"""Jumps of the hub's clock: what it says about time stays right, or is made right again."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hub.sender import HubSender
from hub.store import Store
from hub.timekeeping import JUMP_US_MIN, MADE_UTC_US, STEP_US_MIN, Timekeeper
from hub.timing import OWN_BOOTS_MAX, REPEAT_JUMP_US_MIN, Timing
from protocols.records import decode_record
from protocols.utc import UtcReader
from protocols.vocabulary import (
    KIND_CLOCK,
    UTC_IMPLAUSIBLE,
    UTC_SYNCHRONISED,
    UTC_UNSYNCHRONISED,
)
from tests.hub.hand_clock import HandClock, S

HUB, DEVICE = "hub-1", "river-1"
HOUR = 3600 * S
JUMPS_US = {"an hour forward": HOUR, "an hour back": -HOUR, "a year forward": 365 * 24 * HOUR}
ERROR_US_MAX = 5000


class Town:
    """A hub's timing over its restarts, a device, and the reader of all records."""

    def __init__(self, folder: Path, clock: HandClock) -> None:
        self.folder = folder
        self.clock = clock
        self.reader = UtcReader()
        self.booted_us = clock.true_utc_us()  # of the device, on UTC
        self.own: list[int] = []  # the hub's boots that its records were about
        self.told: list[tuple[str, str]] = []

    @asynccontextmanager
    async def hub(self) -> AsyncIterator[Timing]:
        """Run the hub's timing until the block ends."""
        store = Store(self.folder, 1 << 30)
        sender = HubSender(HUB, bytes(32), store)
        store.on_commit.append(lambda group: self._read(sender, [one[2] for one in group.own]))
        timing = Timing(HUB, self.clock, store, sender)
        timing.on_jump = self.told.append
        yield timing
        await store.wait_idle()
        await store.close()

    def _read(self, sender: HubSender, frames: list[bytes]) -> None:
        for frame in frames:
            kind, boot, index, lane, at_us, fields = decode_record(sender.keys.up.open(frame))
            assert kind == KIND_CLOCK
            self.reader.feed(HUB, (boot, index, lane, at_us), fields)
            if fields["device"] == HUB:
                self.own.append(fields["boot"])

    def device_us(self) -> int:
        """Return the device's boot clock."""
        return self.clock.true_utc_us() - self.booted_us

    def pass_time(self, timing: Timing, seconds: int, boot: int = 1) -> None:
        """Let seconds pass, with a time exchange every ten."""
        for at in range(seconds):
            self.clock.advance(S)
            timing.tick(self.clock.now_us())
            if at % 10 == 0:
                sent_us = self.clock.now_us()
                self.clock.advance(800)
                exchange = (self.device_us() - 300, sent_us, self.clock.now_us())
                timing.exchanged(DEVICE, boot, exchange)

    def error_us(self, device_us: int, boot: int = 1) -> int:
        """Return by how much the reader is off."""
        found = self.reader.utc_us(DEVICE, boot, device_us)
        assert found is not None
        return abs(int(found[0]) - (self.booted_us + device_us))


@pytest.mark.parametrize("jump", [*JUMPS_US, "to 1970"])
async def test_after_a_jump_and_back_all_readings_have_the_right_utc(
    jump: str, tmp_path: Path
) -> None:
    town = Town(tmp_path, HandClock())
    async with town.hub() as timing:
        town.pass_time(timing, 30)
        town.clock.set_to(town.clock.utc_us() + JUMPS_US[jump] if jump in JUMPS_US else 10 * S)
        town.pass_time(timing, 60)
        town.pass_time(timing, 30, boot=2)  # heard only while the clock is wrong
        assert timing.statistics()["clock_jumps"] == 1 == len(town.told)
        town.clock.error_us = 0
        town.pass_time(timing, 30)
        assert timing.statistics()["clock_jumps"] == 2
    for boot in (1, 2):
        for device_us in range(-600 * S, town.device_us(), 7 * S):
            assert town.error_us(device_us, boot) <= ERROR_US_MAX


@pytest.mark.parametrize("jump", [*JUMPS_US, "to 1970"])
async def test_what_a_hub_timed_before_its_restart_is_right_once_the_clock_is(
    jump: str, tmp_path: Path
) -> None:
    town = Town(tmp_path, HandClock())
    town.clock.set_to(town.clock.utc_us() + JUMPS_US[jump] if jump in JUMPS_US else 10 * S)
    async with town.hub() as timing:
        town.pass_time(timing, 30)
    async with town.hub() as timing:  # the boot of the device has ended, the clock is still wrong
        town.clock.advance(20 * S)
        timing.tick(town.clock.now_us())
        town.clock.error_us = 0
        town.clock.advance(S)
        timing.tick(town.clock.now_us())
    assert town.error_us(3 * S) <= ERROR_US_MAX


async def test_a_clock_that_was_set_while_the_hub_was_off_corrects_what_it_timed_before(
    tmp_path: Path,
) -> None:
    town = Town(tmp_path, HandClock())
    town.clock.set_to(10 * S)
    async with town.hub() as timing:
        town.pass_time(timing, 30)
    town.clock.error_us = 0
    async with town.hub() as timing:
        assert timing.clocks.hub_us((DEVICE, 1), 0) is not None  # known again before it dials
        assert timing.statistics()["clock_jumps"] == 1
    assert town.error_us(3 * S) <= ERROR_US_MAX


async def test_a_machine_that_started_again_has_another_clock(tmp_path: Path) -> None:
    """Nothing is taken over from the run before; what was said of it stays as it was."""
    town = Town(tmp_path, HandClock())
    async with town.hub() as timing:
        town.pass_time(timing, 30)
    town.clock.advance(60 * S)
    town.clock.restart_machine()
    town.clock.set_to(10 * S)
    async with town.hub() as timing:
        assert timing.clocks.hub_us((DEVICE, 1), 0) is None
        town.pass_time(timing, 30)  # the device is still in its boot
    assert town.own == [1, 2]
    for device_us in range(0, town.device_us(), 3 * S):
        assert town.error_us(device_us) <= ERROR_US_MAX


async def test_a_restart_with_nothing_new_says_nothing_about_earlier_boots(tmp_path: Path) -> None:
    town = Town(tmp_path, HandClock())
    for _ in range(3):
        async with town.hub():
            town.clock.advance(S)
    assert town.own == [1, 2, 3]
    town.clock.synchronised = True
    async with town.hub():
        pass
    assert town.own == [1, 2, 3, 1, 2, 3, 4]


async def test_a_store_that_lost_part_of_what_was_kept_begins_anew(tmp_path: Path) -> None:
    town = Town(tmp_path, HandClock())
    async with town.hub():
        pass
    with sqlite3.connect(tmp_path / "hub.sqlite") as db:
        db.execute("DELETE FROM meta WHERE key = 'utc_offset_us'")
    db.close()
    async with town.hub() as timing:
        town.pass_time(timing, 5)
    assert town.own == [1, 2]
    assert town.error_us(3 * S) <= ERROR_US_MAX


async def test_a_clock_that_cannot_be_of_this_run_of_the_machine_is_not_taken_over(
    tmp_path: Path,
) -> None:
    town = Town(tmp_path, HandClock())
    async with town.hub() as timing:
        town.pass_time(timing, 5)
    with sqlite3.connect(tmp_path / "hub.sqlite") as db:
        db.execute("UPDATE meta SET value = value + 3600000000 WHERE key = 'utc_offset_us'")
    db.close()
    async with town.hub() as timing:
        assert timing.clocks.hub_us((DEVICE, 1), 0) is None
        town.pass_time(timing, 5)
    assert town.error_us(3 * S) <= ERROR_US_MAX


async def test_no_more_earlier_boots_are_corrected_than_the_limit(tmp_path: Path) -> None:
    town = Town(tmp_path, HandClock())
    for _ in range(OWN_BOOTS_MAX + 3):
        async with town.hub():
            pass
    town.own.clear()
    town.clock.error_us = HOUR
    async with town.hub():
        pass
    assert len(town.own) == OWN_BOOTS_MAX + 1


async def test_a_clock_that_is_set_every_second_does_not_fill_the_store(tmp_path: Path) -> None:
    town = Town(tmp_path, HandClock())
    async with town.hub() as timing:
        for boot in range(1, 6):
            town.pass_time(timing, 1, boot)
        before = timing._store.frames_stored()
        for at in range(100):
            town.clock.error_us = HOUR * (at % 2)
            town.clock.advance(S)
            timing.tick(town.clock.now_us())
        await timing._store.wait_idle()
        made = timing._store.frames_stored() - before
    assert made <= 101 + 5 * (100 * S // REPEAT_JUMP_US_MIN + 1)
    assert len(town.told) == 1


async def test_the_rate_of_a_device_goes_with_its_records_and_outlasts_restarts(
    tmp_path: Path,
) -> None:
    town = Town(tmp_path, HandClock())
    fast_ppm = 40

    def exchange(timing: Timing) -> None:
        town.clock.advance(600 * S)
        now_us = town.clock.now_us()
        device_us = town.device_us() * (1_000_000 + fast_ppm) // 1_000_000
        timing.exchanged(DEVICE, 1, (device_us, now_us - 300, now_us + 300))

    def rates(timing: Timing, hours: int) -> int:
        """Let hours pass with an exchange every ten minutes; return the rate that is said."""
        for _ in range(6 * hours):
            exchange(timing)
        [(_, row)] = timing.clocks.rows()
        return row.rate_ppb

    async with town.hub() as timing:
        assert rates(timing, 23) == 0
        assert abs(rates(timing, 3) - 1000 * fast_ppm) < 1000
    later_us = (town.device_us() + 72 * HOUR) * (1_000_000 + fast_ppm) // 1_000_000
    found = town.reader.utc_us(DEVICE, 1, later_us)
    assert found is not None and found[1] < 3 * S
    assert abs(found[0] - town.clock.true_utc_us() - 72 * HOUR) < S
    for _ in range(3):  # the power comes and goes
        async with town.hub() as timing:
            exchange(timing)
    async with town.hub() as timing:
        assert rates(timing, 1) == 0
        assert abs(rates(timing, 1) - 1000 * fast_ppm) < 1000


def test_the_quality_of_utc() -> None:
    clock = HandClock()
    clock.synchronised = True
    keeper = Timekeeper(clock)
    assert keeper.quality == UTC_SYNCHRONISED
    clock.synchronised = False
    clock.error_us = -HOUR  # before what is known to have been
    assert keeper.watch() == -HOUR and keeper.quality == UTC_IMPLAUSIBLE
    clock.error_us = HOUR
    assert keeper.watch() == 2 * HOUR and keeper.quality == UTC_UNSYNCHRONISED
    clock.set_to(MADE_UTC_US - 1)
    clock.synchronised = True  # by a time server in 1970
    keeper.watch()
    assert keeper.quality == UTC_IMPLAUSIBLE
    assert Timekeeper(HandClock(), clock.true_utc_us() + HOUR).quality == UTC_IMPLAUSIBLE


def test_what_was_wrongly_taken_for_synchronised_is_taken_back() -> None:
    clock = HandClock()
    clock.synchronised = True
    clock.error_us = 365 * 24 * HOUR
    keeper = Timekeeper(clock)
    clock.error_us = 0
    keeper.watch()
    assert keeper.quality == UTC_SYNCHRONISED
    clock.synchronised = False
    clock.advance(S)
    keeper.watch()
    assert keeper.quality == UTC_UNSYNCHRONISED


def test_a_small_step_is_followed_and_only_a_large_one_is_a_jump() -> None:
    clock = HandClock()
    keeper = Timekeeper(clock)
    clock.error_us = STEP_US_MIN - 1
    assert keeper.watch() == 0
    clock.error_us = STEP_US_MIN
    assert keeper.watch() == STEP_US_MIN
    assert keeper.utc_us(clock.now_us()) == clock.utc_us()
    assert (keeper.steps_count, keeper.jumps_count) == (1, 0)
    clock.error_us += JUMP_US_MIN
    keeper.watch()
    assert (keeper.steps_count, keeper.jumps_count) == (2, 1)
