"""The river rule: levels, rise and forecast, what it does not believe, gauges that fail."""

import json
import math
import random
from datetime import date
from typing import Any

import pytest

from hub.rules.finding import EMERGENCY, INFO, WARNING, WATCH, Finding
from hub.rules.quality import ACCEPTED, IMPLAUSIBLE, SPIKE, Limits, Quality
from hub.rules.river import ROWS, RiverRule, levels_of, problems
from hub.rules.trend import HOUR_US, MINUTE_US, Trend, minutes_until
from protocols.vocabulary import (
    LANE_ALERT,
    LANE_STATE,
    LANE_WAVE,
    MODE_DISASTER,
    MODE_NORMAL,
    MODE_WATCH,
)
from tests.hub.batches import S, batch

ROW = {row.name: row.default for row in ROWS if row.table == "river"} | {"device": "river-1"}


class Gauge:
    """One gauge that reports its stages every `step_us`."""

    def __init__(self, step_us: int = MINUTE_US, **settings: Any) -> None:
        self.rule = RiverRule([{**ROW, **settings}])
        self.step_us = step_us
        self.now_us = 0

    def says(self, *stages: float) -> list[Finding]:
        found = []
        for stage in stages:
            self.now_us += self.step_us
            found += self.rule.feed("river-1", batch("level", [stage]), self.now_us)
            found += self.rule.tick(self.now_us, 0)
        return found

    def reached(self, *stages: float) -> list[int]:
        """Return the modes asked for by levels (not by forecasts)."""
        return [one.mode for one in self.says(*stages) if one.key == "river-1"]


def ramp(start: float, end: float, minutes: int) -> list[float]:
    return [start + (end - start) * at / minutes for at in range(1, minutes + 1)]


def test_a_rising_river_reaches_level_after_level() -> None:
    found = [one for one in Gauge().says(*ramp(0.5, 3.1, 52)) if one.key == "river-1"]
    assert [one.level for one in found] == [INFO, WATCH, WARNING, EMERGENCY, EMERGENCY]
    assert [one.mode for one in found] == [
        MODE_NORMAL, MODE_WATCH, MODE_WATCH, MODE_DISASTER, MODE_DISASTER,
    ]  # fmt: skip
    assert "氾濫危険水位に達しました(レベル4氾濫危険警報相当)" in found[3].text_ja
    assert found[3].values["warning_level"] == 4
    assert found[3].values["rise_m_per_h"] == pytest.approx(3.0, abs=0.01)


def test_waves_around_a_level_ring_once_and_falling_asks_for_less() -> None:
    assert Gauge().reached(1.4, 1.5, 1.45, 1.52, 1.31, 1.5) == [MODE_NORMAL, MODE_WATCH]
    falling = Gauge().reached(*ramp(0.5, 2.6, 40), *ramp(2.6, 0.5, 40))
    assert falling == [MODE_NORMAL, MODE_WATCH, MODE_WATCH, MODE_DISASTER, MODE_WATCH, MODE_WATCH,
                       MODE_NORMAL, MODE_NORMAL]  # fmt: skip


def test_a_level_the_river_has_not_is_never_reached() -> None:
    gauge = Gauge(levels_m=[math.inf, 1.5, math.inf, 2.5, math.inf])
    assert gauge.reached(*ramp(0.5, 3.5, 60)) == [MODE_WATCH, MODE_DISASTER]


@pytest.mark.parametrize("seed", range(20))
def test_a_true_rise_of_one_metre_in_ten_minutes_always_rings(seed: int) -> None:
    dice = random.Random(seed)
    step_us = dice.choice([S, 10 * S, MINUTE_US, 2 * MINUTE_US, 5 * MINUTE_US, 10 * MINUTE_US])
    gauge = Gauge(step_us)
    count = max(1, 10 * MINUTE_US // step_us)
    calm = [1.2 + dice.gauss(0, 0.01) for _ in range(20)]
    rise = [1.2 + at / count + dice.gauss(0, 0.01) for at in range(1, count + 1)]
    gauge.says(*calm)
    assert MODE_WATCH in [one.mode for one in gauge.says(*rise, 2.2)]


@pytest.mark.parametrize("seed", range(20))
def test_a_lone_spike_never_rings(seed: int) -> None:
    dice = random.Random(seed)
    gauge = Gauge(dice.choice([10 * S, MINUTE_US, 10 * MINUTE_US]))
    stages = [0.8 + dice.gauss(0, 0.01) for _ in range(100)]
    spikes = dice.sample(range(5, 95, 2), 10)
    for at in spikes:
        stages[at] = dice.choice([-2.0, 3.9, 4.8, 25.0, 99.0])
    assert gauge.says(*stages) == []
    assert sum(gauge.rule._gauges["river-1"].quality.rejected.values()) == len(spikes)


def test_a_jump_that_the_next_reading_confirms_is_believed() -> None:
    assert Gauge().reached(0.8, 2.6, 2.65) == [MODE_DISASTER]


def test_why_a_value_is_not_judged() -> None:
    quality = Quality(Limits(0.0, 5.0, 0.3, 0.1))
    said = [quality.judge(value, at * MINUTE_US) for at, value in
            enumerate([1.0, 7.0, 1.1, 3.0, 1.1, 3.0, 3.1, math.nan])]  # fmt: skip
    assert said == [ACCEPTED, IMPLAUSIBLE, ACCEPTED, SPIKE, ACCEPTED, SPIKE, ACCEPTED, IMPLAUSIBLE]
    assert quality.rejected == {IMPLAUSIBLE: 2, SPIKE: 2}


def test_the_forecast_says_when_and_ends_when_the_rise_eases() -> None:
    gauge = Gauge()
    found = gauge.says(*[0.6] * 30, *ramp(0.6, 1.35, 45), *[1.35] * 45)
    ahead = [one for one in found if one.key == "river-1/forecast"]
    assert [one.is_over for one in ahead] == [False, True]
    first = ahead[0]
    reached_in = (1.5 - first.values["stage_m"]) / (0.75 / 45)
    assert first.values["minutes_to_level"] == pytest.approx(reached_in, abs=6)
    assert "氾濫注意水位" in first.text_ja and first.mode == MODE_WATCH


def test_a_forecast_ends_when_it_rises_half_as_fast() -> None:
    gauge = Gauge(hysteresis_m=0.0)
    found = gauge.says(*ramp(0.6, 1.3, 42), *ramp(1.3, 1.45, 30))  # 1 m/h, then 0.3
    ahead = [one for one in found if one.key == "river-1/forecast"]
    assert [one.is_over for one in ahead] == [False, True]


def test_a_slope_is_not_turned_by_wild_readings_nor_by_their_order() -> None:
    trend = Trend(HOUR_US)
    points = [(at * MINUTE_US, 1.0 + at / 60) for at in range(60)]
    dice = random.Random(1)
    for at in dice.sample(range(60), 12):
        points[at] = (points[at][0], dice.uniform(-50, 50))
    dice.shuffle(points)
    for at_us, value in points:
        trend.put(at_us, value)
    assert trend.per_hour() == pytest.approx(1.0, rel=0.1)
    assert minutes_until(2.0, 1.0, 2.0) == 30 and minutes_until(2.0, 1.0, -1.0) is None


def test_a_silent_gauge_is_a_fault_and_never_normal_and_a_restart_keeps_count() -> None:
    gauge = Gauge()
    gauge.says(0.8)
    assert gauge.rule.tick(gauge.now_us + 25 * HOUR_US, 0) == []
    saved = gauge.rule.save(gauge.now_us + 24 * HOUR_US)
    (fault,) = gauge.rule.tick(gauge.now_us + 25 * HOUR_US + S, 0)
    assert fault.kind == "river-fault" and fault.level == WARNING and not fault.is_over
    again = RiverRule([ROW])
    again.restore(saved, 1000)
    assert len(again.tick(1000 + HOUR_US + 2 * S, 0)) == 1
    gauge.now_us += 26 * HOUR_US
    assert [one.is_over for one in gauge.says(0.8)] == [True]


def test_a_gauge_that_never_spoke_is_silent_from_the_start_of_the_hub() -> None:
    rule = RiverRule([ROW])
    assert rule.tick(5 * S, 0) == [] and rule.tick(25 * HOUR_US, 0) == []
    assert len(rule.tick(25 * HOUR_US + 6 * S, 0)) == 1


def test_above_its_start_level_a_late_or_stuck_gauge_is_a_fault() -> None:
    gauge = Gauge(interval_min=2)
    gauge.says(1.2)
    (late,) = gauge.rule.tick(gauge.now_us + 6 * MINUTE_US + 1, 0)
    assert late.key.endswith("/late")
    assert [one.is_over for one in gauge.says(1.21)] == [True]
    stuck = [one for one in gauge.says(*[1.21] * 362) if one.key.endswith("/stuck")]
    assert len(stuck) == 1
    gauge = Gauge(interval_min=2)
    gauge.says(0.8)
    assert gauge.rule.tick(gauge.now_us + 7 * MINUTE_US, 0) == []


def test_between_start_and_stop_level_it_is_observed_often_and_the_mode_says_so() -> None:
    gauge = Gauge(interval_min=2, start_m=1.2, stop_m=0.9)
    found = [
        [(one.mode, one.is_over) for one in gauge.says(stage) if one.key.endswith("/observing")]
        for stage in (1.19, 1.2, 1.0, 0.9, 0.89, 1.0)
    ]
    assert found == [[], [(MODE_WATCH, False)], [], [], [(MODE_NORMAL, True)], []]
    again = [one for one in gauge.says(1.2) if one.key.endswith("/observing")]
    assert "2 分" in again[0].text_ja and again[0].level == INFO
    assert again[0].values["stage_m"] == 1.2
    slow = Gauge(interval_min=10, start_m=1.2, stop_m=0.9)  # as often as in every mode
    assert [one.key for one in slow.says(1.19, 1.2, 1.0)] == ["river-1"]


def test_stages_are_said_above_tokyo_bay_as_well() -> None:
    found = Gauge(zero_tp_m=12.34).says(1.0)
    assert found[0].values["stage_tp_m"] == pytest.approx(13.34)


def test_a_gauge_of_which_nothing_can_be_believed_is_a_fault_however_often_it_speaks() -> None:
    gauge = Gauge()
    assert gauge.says(0.8, *[99.0] * 5) == []
    (fault,) = gauge.says(99.0, 99.0)
    assert fault.key == "river-1/refused" and fault.level == WARNING
    assert "あり得ない値 6" in fault.text_ja and "6 implausible" in fault.text_en
    assert gauge.rule.rejected() == {"river-1": {IMPLAUSIBLE: 7}}
    again = Gauge()
    again.rule.restore(json.loads(json.dumps(gauge.rule.save(gauge.now_us))), 0)
    assert again.rule.rejected() == {"river-1": {IMPLAUSIBLE: 7}}
    assert [(one.key, one.is_over) for one in again.says(0.8)] == [("river-1/refused", True)]


def test_a_restart_in_a_flood_knows_that_it_stands_and_observes_on() -> None:
    gauge = Gauge(interval_min=2)
    gauge.says(1.6)
    again = Gauge(interval_min=2)
    again.rule.restore(json.loads(json.dumps(gauge.rule.save(gauge.now_us))), 0)
    assert again.rule.standing() == {"river-1", "river-1/observing"}
    found = again.says(1.0, 0.7)  # below start, above stop: still observed often
    assert [one.key for one in found if one.is_over] == ["river-1/observing", "river-1"]


def test_a_forecast_outlives_a_restart_and_ends_when_the_rise_is_known_to_have_eased() -> None:
    gauge, key = Gauge(), "river-1/forecast"
    assert key in [one.key for one in gauge.says(*ramp(0.5, 1.3, 30))]
    again = Gauge()
    again.rule.restore(json.loads(json.dumps(gauge.rule.save(gauge.now_us))), 0)
    assert key in again.rule.standing()
    assert key not in [one.key for one in again.says(1.32, 1.34)]  # no rise is known yet
    assert [one.is_over for one in again.says(*[1.34] * 20) if one.key == key] == [True]
    assert key not in again.rule.standing()


def test_late_and_repeated_batches_are_history() -> None:
    gauge = Gauge()
    gauge.says(0.8, 1.6)
    assert gauge.rule.feed("river-1", batch("level", [0.2]), gauge.now_us - S) == []
    assert gauge.rule.feed("river-1", batch("level", [1.6]), gauge.now_us) == []


def test_a_restart_rings_no_bell_twice() -> None:
    gauge = Gauge()
    gauge.says(1.4, 1.6)
    again = Gauge()
    again.rule.restore(gauge.rule.save(gauge.now_us), 0)
    assert again.reached(1.6, 1.7) == []


def test_names_of_levels_are_of_their_day() -> None:
    assert levels_of(date(2026, 5, 27))[3].info_ja == "氾濫危険情報"
    assert levels_of(date(2026, 5, 28))[3].info_ja == "レベル4氾濫危険警報"
    assert [one.warning_level for one in levels_of(date.max)] == [1, 2, 3, 4, 5]
    with pytest.raises(LookupError):
        levels_of(date(2000, 1, 1))


def test_settings_that_do_not_fit_together() -> None:
    def names(**settings: Any) -> list[str]:
        rows = [{**ROW, **settings}]
        return [one.name for one in problems({"river": rows}, {"river-1"})]

    assert names() == []
    assert names(levels_m=[1, 2, 3, 4]) == ["levels_m"]
    assert names(levels_m=[1, 2, 2, 3, 4]) == ["levels_m"]
    assert names(levels_m=["a"] * 5) == ["levels_m"]
    assert names(levels_m=[math.inf, 1, math.inf, 2, math.inf]) == []
    assert names(stop_m=1.1) == ["stop_m"]
    assert names(device="river-2") == ["device"]


def test_it_wants_only_its_gauges() -> None:
    rule = RiverRule([ROW])
    assert rule.wants("river-1", "river", LANE_STATE) and rule.wants("river-1", "x", LANE_ALERT)
    assert not rule.wants("river-1", "river", LANE_WAVE)
    assert not rule.wants("river-2", "river", LANE_STATE)
    assert rule.feed("river-2", batch("level", [9.0]), S) == []
