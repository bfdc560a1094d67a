"""Watching over people: inactivity, the button, a tag on its way; a sensor that is dead."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from hub.people.register import Person, Way
from hub.people.schedule import parse
from hub.people.seal import Seal
from hub.rules.finding import EMERGENCY, WARNING, WATCH, Finding
from hub.rules.trend import HOUR_US, MINUTE_US
from hub.rules.vitals import Vitals
from hub.rules.watch_over import ROWS, WatchOverRule
from protocols.batch import Batch, Series
from protocols.vocabulary import LANE_LIFE, MODE_NORMAL

S = 1_000_000
ROW = {row.name: row.default for row in ROWS}
# Midnight in Japan, a Monday.
MIDNIGHT_UTC_US = int(datetime(2026, 6, 7, 15, tzinfo=UTC).timestamp()) * S
BOOT_US = 3 * HOUR_US  # the hub's clock then


def events(channel: str, *values_at: tuple[int, int]) -> Batch:
    """Return a batch of changes. values_at: (value, device time in us)."""
    values, times_us = [one[0] for one in values_at], [one[1] for one in values_at]
    series = Series(channel, "1", (0, 1), times_us[0], spacing_ns=0, values=values,
                    times_us=times_us)  # fmt: skip
    return Batch((1, 0, LANE_LIFE, times_us[0]), [series])


def alice(**more: Any) -> Person:
    return Person(
        "p-001", date(2026, 4, 1), devices=("home-1",), night=parse("22:00-06:00"), **more
    )


class Home:
    """One rule in time: minutes since midnight; the device is heard each minute while it lives."""

    def __init__(self, *people: Person) -> None:
        self.vitals = Vitals()
        self.rule = WatchOverRule(ROW, self.vitals, Seal(bytes(32)))
        self.rule.register = {one.pseudonym: one for one in people}
        self.minute = 0
        self.alive = {"home-1", "gate", "corner", "school"}
        self.found: list[tuple[int, Finding]] = []
        self.run(0.02)
        self.says("motion", 0)  # what a detector says when it starts

    def now_us(self) -> int:
        return BOOT_US + self.minute * MINUTE_US

    def run(self, hours: float) -> list[Finding]:
        """Let time pass; return what is found."""
        found = []
        for _ in range(max(1, round(hours * 60))):
            self.minute += 1
            for device in self.alive:
                self.vitals.heard(device, self.now_us())
            utc_us = MIDNIGHT_UTC_US + self.minute * MINUTE_US
            found += self.rule.tick(self.now_us(), utc_us)
        self.found += [(self.minute, one) for one in found]
        return found

    def until(self, hour: float) -> list[Finding]:
        return self.run(hour - self.minute / 60)

    def says(
        self, channel: str, value: int, late_min: int = 0, device: str = "home-1"
    ) -> list[Finding]:
        at_us = self.now_us() - late_min * MINUTE_US
        return self.rule.feed(device, events(channel, (value, at_us)), at_us)

    def moves(self, late_min: int = 0, channel: str = "motion") -> list[Finding]:
        at_us = self.now_us() - late_min * MINUTE_US
        return self.rule.feed("home-1", events(channel, (1, at_us - 2 * S), (0, at_us)), at_us)


def test_twelve_hours_by_day_without_activity_and_then_a_day() -> None:
    home = Home(alice())
    home.until(8)
    assert home.moves() == []
    assert home.until(19.9) == []
    (one,) = home.until(20.1)
    assert (one.key, one.level, one.mode, one.kind) == (
        "p-001/inactive",
        WATCH,
        MODE_NORMAL,
        "watch-over",
    )
    assert "home-1" not in one.text_ja + one.text_en + one.place
    (two,) = home.until(32.1)
    assert (two.key, two.level) == ("p-001/inactive", WARNING)
    (over,) = home.moves()
    assert over.is_over and over.key == "p-001/inactive"


def test_a_night_counts_for_the_second_limit_only() -> None:
    home = Home(alice())
    home.until(21)
    home.moves()
    assert home.until(24 + 16.9) == []  # one hour before the night, eleven after it
    assert [one.level for one in home.until(24 + 21.1)] == [WATCH, WARNING]


def test_whoever_is_absent_is_not_inactive() -> None:
    home = Home(alice(absence=(parse("2026-06-08/2026-06-10"),)))
    home.until(8)
    home.moves()
    assert home.until(3 * 24) == []
    assert [one.level for one in home.until(3 * 24 + 17.9)] == []
    assert [one.level for one in home.until(3 * 24 + 23.9)] == [WATCH]


def test_a_dead_device_is_never_an_inactive_person() -> None:
    home = Home(alice())
    home.until(8)
    home.moves()
    home.alive.remove("home-1")
    (blind,) = home.until(5 * 24)
    assert (blind.key, blind.kind) == ("p-001/blind", "watch-over-sensor")
    home.alive.add("home-1")
    (over,) = home.run(0.1)
    assert over.is_over and over.key == "p-001/blind"
    # What had been counted before goes on from there.
    assert [one.key for one in home.until(5 * 24 + 12.5)] == []
    assert [one.key for one in home.until(5 * 24 + 22)] == ["p-001/inactive"]


@pytest.mark.parametrize("how", ["fault", "stuck"])
def test_a_broken_detector_is_never_an_inactive_person(how: str) -> None:
    home = Home(alice())
    home.until(8)
    home.moves()
    home.run(0.1)
    if how == "fault":
        home.vitals.sensor_faults["home-1"] = {"motion": home.now_us()}
    else:
        home.says("motion", 1)
    assert [one.key for one in home.until(5 * 24)] == ["p-001/blind"]
    assert [(one.key, one.is_over) for one in home.moves() + home.run(0.1)] == [
        ("p-001/blind", True)
    ]


def test_a_door_that_moves_and_a_detector_that_does_not() -> None:
    home = Home(alice())
    home.until(8)
    home.moves()
    home.says("door", 0)
    for hour in (9, 10, 11):
        home.until(hour)
        home.moves(channel="door")
    (one,) = home.until(40)
    assert (one.key, one.kind) == ("p-001/detector", "watch-over-sensor")
    assert [(one.key, one.is_over) for one in home.moves()] == [("p-001/detector", True)]


def test_activity_that_comes_late_counts_from_when_it_was() -> None:
    home = Home(alice())
    home.until(8)
    home.moves()
    (one,) = home.until(20.5)
    assert not one.is_over
    (over,) = home.moves(late_min=9 * 60)  # of half past eleven
    assert over.is_over
    assert home.moves(late_min=11 * 60) == []  # older still: nothing new
    assert home.until(31.4) == [] and [one.level for one in home.until(31.6)] == [WATCH]


def test_the_button_is_an_emergency_at_once_even_late_and_a_bounce_is_one_press() -> None:
    home = Home(alice())
    home.until(3)
    found = home.says("button", 1) + home.says("button", 0)
    found += home.says("button", 1)
    assert [(one.key, one.level) for one in found] == [("p-001/button", EMERGENCY)]
    home.until(9)
    (late,) = home.says("button", 1, late_min=70)
    assert "70 min ago" in late.text_en and late.values["presses_count"] == 2


def test_without_consent_in_force_nothing_is_opened_and_all_is_forgotten() -> None:
    home = Home(Person("p-001", date(2026, 4, 1), until=date(2026, 6, 8), devices=("home-1",)))
    assert home.rule.opens("home-1") and not home.rule.opens("home-2")
    home.until(8)
    home.moves()
    home.until(24.1)
    assert not home.rule.opens("home-1")
    assert home.rule.save(home.now_us()) == {} and home.says("button", 1) == []
    assert not Home(Person("p", date(2026, 6, 9), devices=("home-1",))).rule.opens("home-1")


def test_what_is_kept_is_closed_and_a_restart_forgets_nothing() -> None:
    home = Home(alice(tag=7, ways=(Way(("gate", "school"), parse("07:00-09:00"), 20),)))
    home.until(7.5)
    home.moves()
    home.says("tag", 7, device="gate")
    saved = json.dumps(home.rule.save(home.now_us()))
    assert "p-001" not in saved and "home-1" not in saved
    again = Home(*home.rule.register.values())
    again.minute = home.minute
    again.rule.restore(json.loads(saved), again.now_us())
    assert [one.key for one in again.until(8)] == ["p-001/way-0"]
    assert [one.key for one in again.until(19.4)] == []
    assert [one.key for one in again.until(19.7)] == ["p-001/inactive"]
    with pytest.raises(ValueError, match="wrong_key"):
        WatchOverRule(ROW, home.vitals, Seal(b"x" * 32)).restore(json.loads(saved), 0)


WAY = Way(("gate", "corner", "school"), parse("mon-fri 07:00-09:00"), 20)


def child() -> Home:
    home = Home(Person("c-001", date(2026, 4, 1), tag=7, ways=(WAY,)))
    home.until(7.5)
    return home


def test_a_tag_that_is_not_seen_at_the_next_point_in_time() -> None:
    home = child()
    home.says("tag", 8, device="gate")  # somebody else's
    home.says("tag", 7, device="gate")
    home.run(0.3)
    assert home.says("tag", 7, device="corner") == [] and home.run(0.3) == []
    (one,) = home.run(0.1)
    assert (one.key, one.level) == ("c-001/way-0", WARNING) and "school" in one.text_ja
    assert home.run(2) == []
    (over,) = home.says("tag", 7, device="school")
    assert over.is_over
    home.says("tag", 7, device="gate")  # on its way home
    assert home.run(3) == []


def test_a_way_is_gone_once_a_day_and_going_back_gives_no_more_time() -> None:
    home = child()
    home.says("tag", 7, device="gate")
    home.run(0.2)
    for point in ("corner", "school", "gate"):  # there, and back for a forgotten bag
        home.says("tag", 7, device=point)
    assert home.run(0.6) == []
    lost = child()
    lost.says("tag", 7, device="gate")
    lost.says("tag", 7, device="corner")
    (missed,) = lost.run(0.4)
    assert missed.key == "c-001/way-0"
    assert lost.says("tag", 7, device="gate") == lost.says("tag", 7, device="corner") == []
    assert lost.run(0.5) == []
    (found,) = lost.says("tag", 7, device="school")
    assert found.is_over


def test_a_point_that_is_silent_is_passed_over_and_a_late_frame_is_in_time() -> None:
    home = child()
    home.says("tag", 7, device="gate")
    home.alive.remove("corner")
    assert home.run(0.6) == []
    home.says("tag", 7, device="school", late_min=2)
    assert home.run(3) == []


def test_a_day_at_home_is_no_finding() -> None:
    home = child()
    assert home.run(24) == []


def test_the_hub_stood_still_or_does_not_know_the_day() -> None:
    home = Home(alice())
    home.until(8)
    home.moves()
    home.minute += 40 * 60
    assert home.run(0.1) == []
    home.vitals.is_utc_plausible = False
    found = home.run(13)
    assert [one.key for one in found] == ["p-001/inactive"]


def restarted(home: Home) -> Home:
    """Return the home with a hub that has come up anew, from what was kept."""
    saved = json.loads(json.dumps(home.rule.save(home.now_us())))
    again = Home()
    again.vitals.is_utc_plausible = home.vitals.is_utc_plausible
    again.rule = WatchOverRule(ROW, again.vitals, Seal(bytes(32)))
    again.rule.register = home.rule.register
    again.minute = home.minute
    again.rule.restore(saved, again.now_us())
    return again


def test_what_still_holds_is_said_again_after_a_restart() -> None:
    home = Home(alice(tag=7, ways=(WAY,)))
    home.until(7.5)
    home.moves()
    home.says("tag", 7, device="gate")
    home.until(20)
    again = restarted(home)
    assert sorted(one.key for one in again.run(0.1)) == ["p-001/inactive", "p-001/way-0"]
    assert again.run(1) == []
    again.alive.clear()
    again.run(6)
    found = [(one.key, one.is_over) for one in restarted(again).run(0.1)]
    assert found[:3] == [("p-001/inactive", False), ("p-001/blind", False), ("p-001/blind", True)]


def test_after_a_start_without_a_clock_consent_is_that_of_the_last_day_known() -> None:
    ended = Person("p-002", date(2026, 4, 1), until=date(2026, 6, 7), devices=("corner",))
    home = Home(alice(), ended)
    home.until(8)
    home.moves()
    home.vitals.is_utc_plausible = False
    again = restarted(home)
    again.run(0.1)
    assert again.rule.opens("home-1") and not again.rule.opens("corner")
    assert [one.key for one in again.says("button", 1)] == ["p-001/button"]
    never = Home()
    never.vitals.is_utc_plausible = False
    never.rule = WatchOverRule(ROW, never.vitals, Seal(bytes(32)))
    never.rule.register = home.rule.register
    never.run(0.1)
    assert never.rule.opens("home-1") and not never.rule.opens("corner")
