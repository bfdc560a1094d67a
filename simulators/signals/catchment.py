"""Rain, and what becomes of it: water in the ground, a river that rises later, a slope's creep.

Textbook hydrology in steps of STEP_US, made of other parts than the rules' own three-tank model:
a ground store that empties within days; of the rain that part runs off which grows with the square
of the store's filling; it reaches the gauge through three equal linear reservoirs (Nash 1957); the
stage follows the flow to the power 3/5 (a wide channel after Manning). A slope creeps faster the
more water is above its threshold and the further it has moved, until it goes (Fukuzono 1985).
"""

import math
import random
from collections.abc import Sequence

HOUR_US = 3_600_000_000
STEP_US = 600_000_000
STEP_H = STEP_US / HOUR_US
MONTH_US = 30 * 24 * HOUR_US
YEAR_US = 365 * 24 * HOUR_US

GROUND_H = 72.0  # in which the store falls to 1/e
GROUND_FULL_MM = 250.0
RUNOFF_SHARE_DRY = 0.15
RESERVOIRS = 3
RESERVOIR_H = 1.2
RISE_M = 0.3  # at a flow of 1 mm/h; a small river of a town
STAGE_POWER = 0.6
CREEP_DEG_H = 0.01  # at the threshold
CREEP_MM = 20.0  # so much more water makes it e times as fast
TILT_DEG_MAX = 30.0  # it has gone

STORM_MM = (3.0, 40.0)
STORM_H = (2, 24)
STORM_MM_H_MAX = 8.0  # mean of a storm: what a healthy season has
SEASON_SHARE = 0.8  # more in June to September, and less in winter
SEASON_PEAK = 0.55  # of the year: the middle of July

TYPHOON_MM = (60.0, 95.0)  # one that does no harm: no river over its banks, no slope that goes
TYPHOON_H = (18, 36)
TYPHOON_SEASON = (0.60, 0.82)  # of the year: August to October

Steps = list[tuple[int, float]]  # (from or at t_us, value), times rising


def storms(*, seed: int, month_count: float, end_us: int, year_offset_us: int = 0) -> Steps:
    """Return ordinary rain as (from t_us, mm/h): so many storms a month, more in summer."""
    dice = random.Random(f"storms {seed}")
    rain: Steps = []
    at_us = 0
    while month_count > 0:
        season = 1 + SEASON_SHARE * math.cos(
            math.tau * ((at_us + year_offset_us) / YEAR_US - SEASON_PEAK)
        )
        at_us += int(dice.expovariate(month_count * season) * MONTH_US) + STEP_US
        if at_us >= end_us:
            break
        hours = dice.randint(*STORM_H)
        total_mm = min(math.exp(dice.uniform(*map(math.log, STORM_MM))), hours * STORM_MM_H_MAX)
        rain += _storm(at_us, hours, total_mm)
        at_us += hours * HOUR_US
    return rain


def typhoons(*, seed: int, year_count: int, end_us: int, year_offset_us: int = 0) -> Steps:
    """Return the rain of so many harmless typhoons in each autumn, as (from t_us, mm/h)."""
    dice = random.Random(f"typhoons {seed}")
    rain: Steps = []
    for year in range((end_us + year_offset_us) // YEAR_US + 1):
        for share in sorted(dice.uniform(*TYPHOON_SEASON) for _ in range(year_count)):
            hours, total_mm = dice.randint(*TYPHOON_H), dice.uniform(*TYPHOON_MM)
            at_us = int((year + share) * YEAR_US) - year_offset_us
            if 0 <= at_us < end_us:
                rain = together(rain, _storm(at_us, hours, total_mm))
    return rain


def together(one: Steps, other: Steps) -> Steps:
    """Return the sum of two rains."""
    rates = [0.0, 0.0]
    rain: Steps = []
    for at_us, which, rate in sorted(
        [*((at_us, 0, rate) for at_us, rate in one), *((at_us, 1, rate) for at_us, rate in other)]
    ):
        rates[which] = rate
        if rain and rain[-1][0] == at_us:
            rain.pop()
        rain.append((at_us, sum(rates)))
    return rain


def _storm(at_us: int, hours: int, total_mm: float) -> Steps:
    shares = [(1 - abs(2 * (hour + 0.5) / hours - 1)) / (hours / 2) for hour in range(hours)]
    rain = [(at_us + hour * HOUR_US, total_mm * share) for hour, share in enumerate(shares)]
    return [*rain, (at_us + hours * HOUR_US, 0.0)]


class Catchment:
    """A town's small catchment. rises: (t_us, m) above the normal stage; creep: (t_us, deg)."""

    def __init__(self, rain: Sequence[tuple[int, float]], end_us: int, slips_at_mm: float) -> None:
        """rain: (from t_us, mm/h), times rising. slips_at_mm: water at which the slope begins to
        creep; 0: it never does.
        """
        self.rises: Steps = [(0, 0.0)]
        self.creep: Steps = [(0, 0.0)]
        self.ground_mm_max = 0.0
        self._slips_at_mm = slips_at_mm
        ground_mm = tilt_deg = 0.0
        flows = [0.0] * RESERVOIRS
        next_rain, rain_mm_h = 0, 0.0
        for at_us in range(0, end_us, STEP_US):
            while next_rain < len(rain) and rain[next_rain][0] < at_us + STEP_US:
                rain_mm_h = rain[next_rain][1]
                next_rain += 1
            filling = min(1.0, ground_mm / GROUND_FULL_MM)
            runoff_mm_h = rain_mm_h * (RUNOFF_SHARE_DRY + (1 - RUNOFF_SHARE_DRY) * filling**2)
            ground_mm += (rain_mm_h - runoff_mm_h) * STEP_H - ground_mm * STEP_H / GROUND_H
            self.ground_mm_max = max(self.ground_mm_max, ground_mm)
            coming = runoff_mm_h
            for number in range(RESERVOIRS):
                flows[number] += (coming - flows[number]) * (1 - math.exp(-STEP_H / RESERVOIR_H))
                coming = flows[number]
            self.rises.append((at_us + STEP_US, RISE_M * coming**STAGE_POWER))
            tilt_deg = min(
                TILT_DEG_MAX, tilt_deg + self._creep_deg_h(ground_mm, tilt_deg) * STEP_H
            )
            self.creep.append((at_us + STEP_US, tilt_deg))

    def rises_after(self, travel_us: int) -> Steps:
        """Return the rises at a gauge that a flood reaches so much later."""
        return [(0, 0.0), *((at_us + travel_us, rise_m) for at_us, rise_m in self.rises[1:])]

    def torn_at_us(self, tears_at_deg: float) -> int | None:
        """Return when the slope has tilted so far; None: it never does."""
        return next((at_us for at_us, deg in self.creep if deg >= tears_at_deg), None)

    def _creep_deg_h(self, ground_mm: float, tilt_deg: float) -> float:
        above_mm = ground_mm - self._slips_at_mm
        if not self._slips_at_mm or above_mm <= 0:
            return 0.0
        return CREEP_DEG_H * math.exp(above_mm / CREEP_MM) * (1 + tilt_deg)
