"""The health rule: silence, batteries, clocks, noise, logs, the disk; many at once are one."""

import json
import random
from typing import Any

import pytest

from hub.rules.finding import EMERGENCY, INFO, WARNING, WATCH, Finding
from hub.rules.health import MANY, ROWS, SLICES, HealthRule
from hub.rules.noise import LOUD, NORMAL, QUIET, Noise, power
from hub.rules.trend import MINUTE_US
from hub.rules.vitals import Vitals
from protocols.batch import Batch, Series
from protocols.vocabulary import LANE_LIFE, LANE_STATE, LANE_WAVE, MODE_NORMAL

S = 1_000_000
ROW = {row.name: row.default for row in ROWS if row.table == "health"}


class Fleet:
    """Devices that are heard each interval while they live; the rule ticks each second."""

    def __init__(self, intervals_s: dict[str, int], batteries: Any = ()) -> None:
        self.vitals = Vitals()
        self.rule = HealthRule(ROW, list(batteries), self.vitals)
        self.intervals_s = intervals_s
        self.alive = set(intervals_s)
        self.talks: set[str] = set()  # heard each ten seconds, without frames
        self.now_s = 1000

    def run(self, seconds: int) -> list[tuple[int, Finding]]:
        found = []
        for _ in range(seconds):
            self.now_s += 1
            for device, interval_s in self.intervals_s.items():
                if device in self.alive and self.now_s % interval_s == 0:
                    self.vitals.framed(device, self.now_s * S)
                if device in self.talks and self.now_s % 10 == 0:
                    self.vitals.heard(device, self.now_s * S)
            found += [(self.now_s, one) for one in self.rule.tick(self.now_s * S, 0)]
        return found


@pytest.mark.parametrize("interval_s", [2, 10, 11, 60, 63, 600])
def test_a_silent_device_is_found_within_two_intervals_and_ten_seconds(interval_s: int) -> None:
    fleet = Fleet({"one": interval_s, "two": interval_s})
    assert fleet.run(12 * interval_s) == []
    fleet.alive.discard("one")
    last_s = fleet.now_s // interval_s * interval_s
    ((at_s, one),) = fleet.run(3 * interval_s + 20)
    assert (one.key, one.level, one.mode, one.is_over) == ("one/silent", WATCH, MODE_NORMAL, False)
    assert 2 * interval_s < at_s - last_s <= 2 * interval_s + 10
    fleet.alive.add("one")
    ((_, over),) = fleet.run(interval_s + SLICES)
    assert over.is_over and over.key == "one/silent" and over.level == INFO


def test_a_device_that_was_never_heard_is_not_there_yet() -> None:
    fleet = Fleet({"one": 10})
    fleet.alive.clear()
    assert fleet.run(4000) == []
    assert fleet.vitals.is_silent("one", fleet.now_s * S)


def test_a_hub_that_stood_still_takes_nobody_for_silent() -> None:
    fleet = Fleet({"one": 2, "two": 2})
    fleet.run(100)
    fleet.now_s += 60
    assert fleet.run(60) == []


def test_a_slower_pace_after_a_change_of_mode_is_no_silence() -> None:
    fleet = Fleet({"one": 10})
    fleet.run(300)
    fleet.intervals_s["one"] = 600
    fleet.vitals.forget_paces()
    assert fleet.run(3600) == []


def test_one_outage_is_no_habit() -> None:
    fleet = Fleet({"one": 10})
    fleet.run(300)
    fleet.alive.clear()
    assert len(fleet.run(600)) == 1
    fleet.alive.add("one")
    assert len(fleet.run(30)) == 1
    fleet.alive.clear()
    ((at_s, _),) = fleet.run(120)
    assert at_s - (fleet.now_s - 120) <= 45


def test_a_device_that_answers_but_brings_nothing_is_mute() -> None:
    fleet = Fleet({"one": 60})
    fleet.talks.add("one")
    fleet.run(60 * 14)
    fleet.alive.clear()
    (found,) = fleet.run(200)
    assert found[1].key == "one/mute"
    fleet.talks.clear()
    assert [one.key for _, one in fleet.run(60)] == ["one/silent"]


def test_events_that_come_when_they_come_are_not_mute() -> None:
    dice = random.Random(4)
    fleet = Fleet({})
    for _ in range(40):
        fleet.vitals.framed("home-1", fleet.now_s * S)
        fleet.talks.add("home-1")
        fleet.intervals_s = {"home-1": 10**9}
        assert fleet.run(int(dice.expovariate(1 / 600)) + 1) == []


def test_a_cut_network_is_one_finding() -> None:
    fleet = Fleet({f"device-{at}": 60 for at in range(80)})
    fleet.run(600)
    fleet.alive.clear()
    found = [one for _, one in fleet.run(300)]
    assert sum(one.key.endswith("/silent") for one in found) < MANY
    many = [one for one in found if one.key == "many"]
    assert many[0].level == WARNING and len(many) <= 4 and found[-1].values["silent_count"] >= 40
    fleet.alive = set(fleet.intervals_s) - {"device-7"}
    after = [one for _, one in fleet.run(200)]
    assert [one.key for one in after if not one.is_over] == ["device-7/silent"]
    assert [one.key for one in after if one.is_over and one.key == "many"] == ["many"]


def batch(channel: str, unit: str, values: list[int], spacing_us: int = 10_000) -> Batch:
    series = Series(channel, unit, (-3, 1), 0, spacing_ns=spacing_us * 1000, values=values)
    return Batch((1, 0, LANE_STATE, 0), [series])


def test_batteries_by_unit_and_by_row() -> None:
    rule = HealthRule(ROW, [{"device": "one", "channel": "battery", "low_v": 3.4}], Vitals())
    found = []
    for volts in (3600, 3390, 3410, 3900):
        found += rule.feed("one", batch("battery", "V", [volts]), 0)
    assert [(one.key, one.is_over) for one in found] == [
        ("one/battery/battery", False), ("one/battery/battery", True)]  # fmt: skip
    assert rule.feed("two", batch("battery", "V", [1000]), 0) == []
    assert rule.feed("two", batch("power", "%EL", [19_000]), 0)[0].values == {"battery": 19.0}
    assert rule.feed("two", batch("rest", "EL", [3_600_000]), 0)[0].level == WATCH
    assert rule.feed("home-1", Batch((1, 0, LANE_LIFE, 0), None), 0) == []


def test_clock_log_and_losses_of_a_device() -> None:
    fleet = Fleet({"one": 10})
    fleet.run(100)
    fleet.vitals.uncertainty_us["one"] = 2 * S
    fleet.vitals.waiting["one"] = 5000
    fleet.vitals.lost["one"] = 1
    assert {one.key: one.level for _, one in fleet.run(SLICES)} == {
        "one/clock": WATCH, "one/log": WATCH, "one/lost": WARNING}  # fmt: skip
    fleet.vitals.uncertainty_us["one"] = 1000
    fleet.vitals.waiting["one"] = 0
    assert {one.key for _, one in fleet.run(SLICES) if one.is_over} == {"one/clock", "one/log"}
    assert [one.key for _, one in fleet.run(700)] == ["one/lost"]


def test_the_hub_itself() -> None:
    fleet = Fleet({})
    fleet.vitals.hours_to_full = 20.0
    fleet.vitals.store_failure = "disk full"
    fleet.vitals.is_utc_plausible = False
    found = {one.key: one.level for _, one in fleet.run(3)}
    assert found == {"hub/disk": WARNING, "hub/store": EMERGENCY, "hub/utc": WATCH}
    fleet.vitals.hours_to_full = 5.0
    assert [one.level for _, one in fleet.run(2)] == [EMERGENCY]
    fleet.vitals.hours_to_full, fleet.vitals.store_failure = None, ""
    assert all(one.is_over for _, one in fleet.run(1))


def test_a_restart_says_nothing_twice_and_takes_back_what_is_over() -> None:
    fleet = Fleet({"one": 10})
    fleet.run(100)
    fleet.alive.clear()
    fleet.run(100)
    again = Fleet({"one": 10})
    again.rule.restore(json.loads(json.dumps(fleet.rule.save(0))), 0)
    again.vitals.heard("one", again.now_s * S)
    assert [(one.key, one.is_over) for _, one in again.run(20)] == [("one/silent", True)]


def test_a_restart_is_no_sign_of_life_of_a_silent_device() -> None:
    fleet = Fleet({"one": 10})
    fleet.run(100)
    fleet.alive.clear()
    fleet.run(100)
    again = Fleet({"one": 10})
    again.alive.clear()
    again.rule.restore(json.loads(json.dumps(fleet.rule.save(0))), again.now_s * S)
    again.vitals.heard("one", again.now_s * S)  # as the hub does with all it knows
    assert [(one.key, one.is_over) for _, one in again.run(1500)] == [("one/silent", False)]
    again.alive.add("one")
    assert [(one.key, one.is_over) for _, one in again.run(20)] == [("one/silent", True)]


def test_a_cut_network_stays_one_finding_over_a_restart() -> None:
    fleet = Fleet({f"d-{at}": 10 for at in range(2 * MANY)})
    fleet.run(100)
    fleet.alive.clear()
    fleet.run(100)
    again = Fleet(fleet.intervals_s)
    again.alive.clear()
    again.rule.restore(json.loads(json.dumps(fleet.rule.save(0))), again.now_s * S)
    for device in again.intervals_s:
        again.vitals.heard(device, again.now_s * S)
    assert again.rule.standing() == {"many"} and again.run(100) == []
    again.alive = set(again.intervals_s)
    assert [(one.key, one.is_over) for _, one in again.run(20)] == [("many", True)]
    assert again.rule.standing() == set()


# Noise


def day_of(noise: Noise, first_h: int, hours: int, scale: Any) -> list[tuple[int, str]]:
    """Play hours of a channel with a batch each minute; return (hour, state) of changes."""
    dice, changes = random.Random(first_h), []
    for minute in range(first_h * 60, (first_h + hours) * 60):
        traffic = 6.0 if dice.random() < 0.3 else 1.0
        values = [round(dice.gauss(0, 10 * scale(minute / 60) * traffic)) for _ in range(32)]
        strength = power(values)
        assert strength is not None
        if noise.put(minute * MINUTE_US, strength, (9.0, 3)):
            changes.append((minute // 60, noise.state))
    return changes


def test_a_loose_sensor_and_a_dying_one_within_hours_and_traffic_is_neither() -> None:
    noise = Noise()
    assert day_of(noise, 0, 72, lambda hour: 1.0) == []
    ((at, state),) = day_of(noise, 72, 120, lambda hour: 4.0)  # and stays so for days
    assert state == LOUD and at - 72 <= 4
    ((at, state),) = day_of(noise, 192, 24, lambda hour: 1.0)
    assert state == NORMAL and at - 192 <= 4
    ((at, state),) = day_of(noise, 216, 24, lambda hour: 0.2)
    assert state == QUIET and at - 216 <= 4


def test_streets_are_quiet_at_night() -> None:
    noise = Noise()
    assert day_of(noise, 0, 24 * 10, lambda hour: 0.45 if hour % 24 < 6 else 1.0) == []


def test_a_new_sensor_is_what_the_place_is_like_after_a_week() -> None:
    noise = Noise()
    day_of(noise, 0, 48, lambda hour: 1.0)
    changes = day_of(noise, 48, 24 * 9, lambda hour: 5.0)
    assert [state for _, state in changes] == [LOUD, NORMAL]


def test_too_few_values_and_hours_are_not_computable() -> None:
    assert power([1] * 15) is None and power([1] * 16) == 0
    noise = Noise()
    assert day_of(noise, 0, 20, lambda hour: 1.0) == []
    assert noise._reference(20) is None


def test_noise_of_batches_reaches_people() -> None:
    dice, rule, found = random.Random(1), HealthRule(ROW, [], Vitals()), []
    for minute in range(60 * 40):
        size = 5 if minute < 60 * 30 else 0.1
        values = [round(dice.gauss(0, 10 * size)) for _ in range(40)]
        found += rule.feed("bridge-1", batch("acc.x", "m/s2", values), minute * MINUTE_US)
    assert [(one.key, one.level) for one in found] == [("bridge-1/acc.x/quiet", WATCH)]
    assert rule.wants("x", "bridge", LANE_WAVE) and not rule.wants("x", "home", LANE_LIFE)
