"""Rain by lot, and what rain does to ground, river and slope."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from simulators.signals.catchment import (
    HOUR_US,
    YEAR_US,
    Catchment,
    Steps,
    storms,
    together,
    typhoons,
)
from simulators.signals.household import Held, Motion, outings

DAY_US = 24 * HOUR_US


def downpour(mm_h: float, hours: int = 6, at_h: int = 12) -> Steps:
    return [(at_h * HOUR_US, mm_h), ((at_h + hours) * HOUR_US, 0.0)]


def peak(steps: Steps) -> tuple[int, float]:
    return max(steps, key=lambda one: one[1])


def test_without_rain_nothing_happens() -> None:
    dry = Catchment([], 3 * DAY_US, slips_at_mm=50.0)
    assert peak(dry.rises)[1] == 0.0 and peak(dry.creep)[1] == 0.0
    assert dry.torn_at_us(0.1) is None


def test_the_river_peaks_after_the_rain_began_and_later_further_down() -> None:
    wet = Catchment(downpour(30.0), 3 * DAY_US, 0.0)
    assert 15 * HOUR_US < peak(wet.rises)[0] < 21 * HOUR_US
    later = wet.rises_after(2 * HOUR_US)
    assert peak(later) == (peak(wet.rises)[0] + 2 * HOUR_US, peak(wet.rises)[1])
    assert wet.rises[-1][1] < 0.05


def test_the_same_rain_floods_more_on_wet_ground() -> None:
    first = Catchment(downpour(30.0), 5 * DAY_US, 0.0)
    both = Catchment([*downpour(30.0), *downpour(30.0, at_h=36)], 5 * DAY_US, 0.0)
    assert peak(both.rises)[1] > 1.2 * peak(first.rises)[1]


def test_a_slope_creeps_above_its_threshold_only_and_faster_until_it_tears() -> None:
    rain = downpour(40.0, hours=12)
    assert peak(Catchment(rain, 4 * DAY_US, 0.0).creep)[1] == 0.0
    assert peak(Catchment(rain, 4 * DAY_US, 1000.0).creep)[1] == 0.0
    slope = Catchment(rain, 4 * DAY_US, 100.0)
    steps = [after[1] - before[1] for before, after in pairwise(slope.creep)]
    begins = next(at for at, step in enumerate(steps) if step)
    assert all(later >= sooner for sooner, later in pairwise(steps[begins : begins + 24]))
    torn_us = slope.torn_at_us(2.0)
    assert torn_us is not None and torn_us > slope.creep[begins][0]


@pytest.mark.parametrize("seed", range(5))
def test_ordinary_rain_is_of_its_count_and_size_and_more_of_it_falls_in_summer(seed: int) -> None:
    rain = storms(seed=seed, month_count=6.0, end_us=YEAR_US)
    assert rain == storms(seed=seed, month_count=6.0, end_us=YEAR_US)
    assert all(before[0] < after[0] for before, after in pairwise(rain))
    fallen = [(after[0] - before[0]) * before[1] / HOUR_US for before, after in pairwise(rain)]
    count = sum(1 for _, mm_h in rain if mm_h == 0.0)
    assert 40 < count < 95
    assert 300 < sum(fallen) < 1600 and max(mm_h for _, mm_h in rain) <= 16
    half = sum(mm for (at_us, _), mm in zip(rain, fallen, strict=False)
               if 0.3 < at_us / YEAR_US < 0.8)  # fmt: skip
    assert half > sum(fallen) * 0.55
    assert storms(seed=seed, month_count=0.0, end_us=YEAR_US) == []


@pytest.mark.parametrize("seed", range(5))
def test_typhoons_by_lot_are_heavy_do_no_harm_and_come_in_autumn(seed: int) -> None:
    offset_us = YEAR_US // 4
    year = {"seed": seed, "end_us": YEAR_US, "year_offset_us": offset_us}
    autumn, others = typhoons(year_count=4, **year), storms(month_count=6.0, **year)
    assert all(0.59 < (at_us + offset_us) / YEAR_US < 0.83 for at_us, _ in autumn)
    rain = together(others, autumn)
    assert all(before[0] < after[0] for before, after in pairwise(rain))
    assert fallen_mm(rain) == pytest.approx(fallen_mm(others) + fallen_mm(autumn))
    assert 240 <= fallen_mm(autumn) <= 380
    catchment = Catchment(rain, YEAR_US, 150.0)
    assert peak(catchment.rises)[1] < 0.9 and catchment.torn_at_us(0.1) is None


def fallen_mm(rain: Steps) -> float:
    return sum((after[0] - before[0]) * before[1] / HOUR_US for before, after in pairwise(rain))


def test_changes_are_where_the_signal_changes() -> None:
    for signal in (
        Motion(seed=4, still=[(3 * HOUR_US, 4 * HOUR_US)]),
        Held(at_us=[HOUR_US, 2 * HOUR_US], hold_us=5_000_000),
    ):
        changes = list(signal.changes(1, 6 * HOUR_US))
        assert [at_us for at_us, _ in changes] == sorted({at_us for at_us, _ in changes})
        for at_us, value in changes:
            assert signal.sample(at_us) == value != signal.sample(at_us - 1)
        flips = sum(
            signal.sample(at_us) != signal.sample(at_us - 100_000)
            for at_us in range(100_000, 6 * HOUR_US, 100_000)
        )
        assert flips == len(changes)


def test_nobody_moves_while_out_or_fallen() -> None:
    motion = Motion(seed=4, still=[(3 * HOUR_US, 4 * HOUR_US)])
    assert not [value for at_us, value in motion.changes(3 * HOUR_US, 4 * HOUR_US) if value]


def test_outings_are_by_day_and_end_before_the_next_begins() -> None:
    spans = outings(seed=1, end_us=60 * DAY_US, day_offset_us=10 * HOUR_US)
    assert 25 < len(spans) < 60
    assert all(before[1] < after[0] for before, after in pairwise(spans))
    for from_us, _ in spans:
        clock = datetime(2026, 6, 1, 10) + timedelta(microseconds=from_us)
        assert 8 <= clock.hour <= 15
