"""The slope rule: tilt against its two thresholds, rain and the water in the ground, the wire."""

import json
import math
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp  # type: ignore[import-untyped]
from scipy.stats import linregress  # type: ignore[import-untyped]

from hub.modes import Modes
from hub.rules.finding import EMERGENCY, WARNING, WATCH, Finding
from hub.rules.slope import PRECAUTIONS_H, ROWS, SlopeRule, problems, wave_deg_h
from hub.rules.soil_water import STEP_MIN, SoilWater
from hub.rules.trend import HOUR_US, MINUTE_US
from protocols.batch import Batch, Series
from protocols.vocabulary import (
    LANE_ALERT,
    LANE_STATE,
    LANE_WAVE,
    MODE_DISASTER,
    MODE_NORMAL,
    MODE_WATCH,
)
from tests.hub.batches import S, batch

ROW = {row.name: row.default for row in ROWS} | {"device": "slope-1", "rain_device": "rain-1"}
G = 9.80665


def tilt_batch(degrees: float, at_us: int, noise: random.Random, wave_m_s2: float = 0.0) -> Batch:
    """Return a minute of readings, as many as matter."""
    angle = math.radians(degrees)
    axes = {"x": G * math.sin(angle), "y": 0.2, "z": G * math.cos(angle)}
    series = []
    for axis, value in axes.items():
        raw = [round((value + noise.gauss(0, 0.0004) + wave_m_s2 * (-1) ** at) * 1e6)
               for at in range(4)]  # fmt: skip
        series.append(Series(f"tilt.{axis}", "m/s2", (-6, 1), at_us, spacing_ns=256_000_000,
                             values=raw))  # fmt: skip
    return Batch((1, 0, LANE_STATE, at_us), series)


class Slope:
    """One slope whose tilt is a function of the hour; reports each minute."""

    def __init__(self, seed: int = 1, **settings: Any) -> None:
        self.rule = SlopeRule([{**ROW, **settings}])
        self.noise = random.Random(seed)
        self.minute = 0

    def lasts(self, hours: float, degrees_per_hour: float, day_wave_deg: float = 0.0,
              base: float = 1.0) -> list[tuple[float, Finding]]:  # fmt: skip
        found = []
        first = self.minute
        for _ in range(int(hours * 60)):
            self.minute += 1
            hour = self.minute / 60
            degrees = base + degrees_per_hour * (self.minute - first) / 60
            degrees += day_wave_deg * math.sin(2 * math.pi * hour / 24)
            at_us = self.minute * MINUTE_US
            said = self.rule.feed("slope-1", tilt_batch(degrees, at_us, self.noise), at_us)
            said += self.rule.tick(at_us, 0)
            found += [(hour, one) for one in said]
        return found


def test_a_tenth_of_a_degree_an_hour_is_a_warning_within_the_hour() -> None:
    slope = Slope()
    assert slope.lasts(6, 0.0) == []
    found = slope.lasts(3, 0.12)
    hour, finding = next(one for one in found if one[1].key == "slope-1/tilt-hour")
    assert hour - 6 <= 1.2
    assert (finding.level, finding.mode) == (WARNING, MODE_DISASTER)
    assert finding.values["tilt_hour_deg_h"] >= 0.1


def test_a_hundredth_is_watched_within_a_day() -> None:
    slope = Slope()
    slope.lasts(24, 0.0)
    (one,) = slope.lasts(30, 0.012)
    assert one[1].key == "slope-1/tilt-day" and (one[1].level, one[1].mode) == (WATCH, MODE_WATCH)
    assert one[0] - 24 <= 24


@pytest.mark.parametrize(("rate", "hours_max"), [(0.03, 7.0), (0.06, 3.6)])
def test_the_faster_it_creeps_the_sooner_it_is_watched(rate: float, hours_max: float) -> None:
    slope = Slope()
    slope.lasts(13, 0.0, day_wave_deg=0.04)
    one = next(one for one in slope.lasts(8, rate, 0.04) if one[1].key == "slope-1/tilt-day")
    assert one[0] - 13 <= hours_max and one[1].level == WATCH


def test_a_day_of_ten_kelvin_does_not_ring() -> None:
    slope = Slope()
    assert slope.lasts(60, 0.0, day_wave_deg=0.0043 * 10) == []


def test_neither_does_a_hot_day_after_one_of_rain() -> None:
    slope = Slope()
    assert slope.lasts(24, 0.0) + slope.lasts(18, 0.0, day_wave_deg=0.055) == []


def test_what_a_wave_shows_in_a_window_is_what_a_fit_finds() -> None:
    for window_h in PRECAUTIONS_H:
        hours = [(at - 200) / 400 * window_h for at in range(401)]
        wave = [0.05 * math.sin(math.tau * hour / 24) for hour in hours]
        fitted = linregress(hours, wave).slope
        assert wave_deg_h(0.05, window_h) == pytest.approx(fitted, rel=0.02)


def test_what_is_not_known_is_no_zero_and_shaking_is_no_tilt() -> None:
    slope = Slope()
    slope.lasts(0.5, 1.0)
    assert slope.rule._slopes["slope-1"].tilt.rate_deg_h(1) is None
    before = slope.rule._slopes["slope-1"].tilt.shaken_count
    at_us = slope.minute * MINUTE_US + S
    slope.rule.feed("slope-1", tilt_batch(30.0, at_us, slope.noise, wave_m_s2=2.0), at_us)
    assert slope.rule._slopes["slope-1"].tilt.shaken_count == before + 1


def test_a_restart_forgets_neither_tilt_nor_water() -> None:
    slope = Slope()
    slope.lasts(2, 0.0)
    for hour in range(12):
        now_us = slope.minute * MINUTE_US + hour * HOUR_US
        slope.rule.feed("rain-1", batch("rain", [0.02 * hour], unit="m"), now_us)
        slope.rule.tick(now_us, 0)
    saved = json.loads(json.dumps(slope.rule.save(now_us)))
    again = Slope()
    again.rule.restore(saved, 7 * S)
    old, new = (one.rule._slopes["slope-1"] for one in (slope, again))
    assert new.rain.index_mm() == pytest.approx(old.rain.index_mm())
    assert new.rain.of_hours(24) == pytest.approx(old.rain.of_hours(24))
    assert new.tilt.rate_deg_h(1) == pytest.approx(old.tilt.rate_deg_h(1), abs=1e-4)
    again.rule.tick(7 * S + 30 * HOUR_US, 0)
    assert new.rain.index_mm() is None  # thirty hours without the gauge


def test_a_cut_wire_wins_over_a_precaution_and_stands_when_that_is_over() -> None:
    modes, slope = Modes(0, False, (60, 60)), Slope()
    slope.lasts(3, 0.0)
    (precaution,) = [found for _, found in slope.lasts(4, 0.06)]
    modes.judge(precaution, 0)
    assert modes.mode == MODE_WATCH
    for found in slope.rule.feed("slope-1", batch("wire", [0.001]), slope.minute * MINUTE_US):
        modes.judge(found, 0)
    assert modes.mode == MODE_DISASTER
    modes.judge(replace(precaution, is_over=True, mode=MODE_NORMAL), 0)
    for second in (0, 61, 122):
        modes.tick(second * S)
    assert modes.mode == MODE_DISASTER


# Rain


def pour(rule: SlopeRule, rain_mm_h: list[float], per_hour: int = 60) -> list[tuple[int, Finding]]:
    """Let it rain so much in each hour; return (hour, finding)."""
    total_mm, found = 0.0, []
    for hour, rate in enumerate(rain_mm_h):
        for part in range(per_hour):
            total_mm += rate / per_hour
            at_us = hour * HOUR_US + (part + 1) * HOUR_US // per_hour
            sum_m = math.floor(total_mm / 0.5) * 0.0005
            tips = Series(
                "rain", "m", (-4, 1), at_us, spacing_ns=10**9, values=[round(sum_m * 1e4)]
            )
            found += rule.feed("rain-1", Batch((1, 0, LANE_STATE, at_us), [tips]), at_us)
            found += rule.tick(at_us, 0)
    return [(one.at_us // HOUR_US, one) for one in found]


def test_heavy_rain_is_watched_by_the_hour_the_day_and_the_ground() -> None:
    found = pour(SlopeRule([ROW]), [0.0] * 3 + [60.0] * 5 + [0.0] * 60)
    keys = [(one.key.split("/")[1], one.is_over) for _, one in found]
    assert keys[:4] == [("rain-hour", False), ("soil-water", False), ("soil-water", False),
                        ("rain-day", False)]  # fmt: skip
    assert [one.mode for _, one in found if one.key.endswith("soil-water")][:2] == [
        MODE_WATCH, MODE_DISASTER,
    ]  # fmt: skip
    assert keys[-1] == ("soil-water", True)


def test_rain_of_a_gauge_that_started_anew_is_counted_and_late_sums_are_not() -> None:
    rule = SlopeRule([ROW])
    rain = rule._slopes["slope-1"].rain
    for boot, sum_mm in ((1, 100.0), (1, 110.0), (1, 105.0), (2, 3.0), (2, 4.0)):
        rain.put(boot, sum_mm)
    assert rain.of_hours(1) == pytest.approx(14.0)


def test_hours_without_a_gauge_make_the_index_not_computable() -> None:
    rule = SlopeRule([ROW])
    pour(rule, [1.0] * 5)
    assert rule._slopes["slope-1"].rain.index_mm() is not None
    rule.tick(20 * HOUR_US, 0)
    assert rule._slopes["slope-1"].rain.index_mm() is None


def test_first_steps_of_the_tanks_by_hand() -> None:
    soil = SoilWater()
    assert soil.step(120.0) == 120.0
    first = 120 - (105 * 0.1 + 60 * 0.15) / 6 - 120 * 0.12 / 6
    assert soil.step(0.0) == pytest.approx(first + 120 * 0.12 / 6)
    assert soil.storages_mm[0] == pytest.approx(first)


@pytest.mark.parametrize("seed", range(5))
def test_the_tanks_are_those_of_the_differential_equations(seed: int) -> None:
    dice = random.Random(seed)
    rain = [dice.choice([0, 0, 0, 5, 20, 60, 90]) for _ in range(48)]

    def flow(hour: float, s: list[float]) -> list[float]:
        q1 = 0.1 * max(0, s[0] - 15) + 0.15 * max(0, s[0] - 60)
        return [
            rain[min(int(hour), 47)] - q1 - 0.12 * s[0],
            0.12 * s[0] - 0.05 * max(0, s[1] - 15) - 0.05 * s[1],
            0.05 * s[1] - 0.01 * max(0, s[2] - 15) - 0.01 * s[2],
        ]

    exact = solve_ivp(flow, (0, 48), [0, 0, 0], max_step=0.02, t_eval=range(1, 49))
    soil = SoilWater()
    for hour, rate in enumerate(rain):
        for _ in range(60 // STEP_MIN):
            soil.step(rate * STEP_MIN / 60)
        assert soil.index_mm() == pytest.approx(sum(exact.y[:, hour]), rel=0.02, abs=1.0)


@given(st.lists(st.floats(0, 50), min_size=1, max_size=300))
def test_no_water_appears_or_is_lost(rain: list[float]) -> None:
    soil = SoilWater()
    for one in rain:
        soil.step(one)
    assert abs(soil.came_mm - soil.went_mm - soil.index_mm()) < 1e-9 * max(1.0, soil.came_mm)
    assert min(soil.storages_mm) >= 0


# The wire


def test_a_cut_or_short_wire_rings_at_once_and_ends() -> None:
    rule = SlopeRule([ROW])
    found = []
    for state in (0, 0, 1, 1, 2, 0):
        one = Series("wire", "", (0, 1), S, spacing_ns=0, values=[state], times_us=[S])
        found += rule.feed("slope-1", Batch((1, 0, LANE_ALERT, S), [one]), S)
    assert [(one.level, one.mode, one.is_over) for one in found] == [
        (EMERGENCY, MODE_DISASTER, False), (EMERGENCY, MODE_DISASTER, False),
        (0, MODE_NORMAL, True),
    ]  # fmt: skip
    assert {one.kind for one in found} == {"slope-wire"}


def test_what_it_wants_and_refuses() -> None:
    rule = SlopeRule([ROW])
    assert rule.wants("slope-1", "slope", LANE_ALERT) and rule.wants("rain-1", "x", LANE_STATE)
    assert not rule.wants("slope-1", "slope", LANE_WAVE)
    assert not rule.wants("slope-2", "slope", LANE_STATE)
    found = problems({"slope": [{**ROW, "warning_deg_h": 0.01}]}, {"slope-1"})
    assert [one.name for one in found] == ["rain_device", "warning_deg_h"]
