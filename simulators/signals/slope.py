"""A slope above houses: how it tilts, and how wet its soil is."""

import math
from bisect import bisect_right
from collections.abc import Sequence

from simulators.signals.basic import STANDARD_GRAVITY, Axes, Keyframes, ThreeAxis

SATURATING_RAIN_MM_H = 50.0  # "very heavy rain" of the Japan Meteorological Agency
WETTING_S = 600.0
DRAINING_S = 86_400.0


class SlopeTilt:
    """What a level accelerometer in the slope reads, m/s2: gravity, turned as the slope creeps."""

    def __init__(
        self,
        *,
        creep: Sequence[tuple[int, float]] = ((0, 0.0),),
        azimuth_deg: float = 0.0,
        ground: ThreeAxis | None = None,
    ) -> None:
        """creep: tilt in degrees as (t_us, degrees), times rising. azimuth_deg: which way it
        leans, from the sensor's x axis to its y axis. ground: a quake or recording, added.
        """
        self._tilt_deg = Keyframes(creep)
        self._towards_x = math.cos(math.radians(azimuth_deg))
        self._towards_y = math.sin(math.radians(azimuth_deg))
        self._ground = ground

    def sample(self, t_us: int) -> Axes:
        tilt = math.radians(self._tilt_deg.sample(t_us))
        along = STANDARD_GRAVITY * math.sin(tilt)
        x, y = along * self._towards_x, along * self._towards_y
        z = STANDARD_GRAVITY * math.cos(tilt)
        if self._ground is None:
            return x, y, z
        ground_x, ground_y, ground_z = self._ground.sample(t_us)
        return x + ground_x, y + ground_y, z + ground_z


class SoilMoisture:
    """How much of its pores' space the soil's water fills, 0..1; rain wets it, then it drains.

    In each stretch of even rain the moisture nears a balance exponentially, fast when it gets
    wetter and slowly when it gets drier; so its value at any time has a closed form.
    """

    def __init__(
        self,
        *,
        rain: Sequence[tuple[int, float]] = (),
        field_moisture: float = 0.25,
        wetting_s: float = WETTING_S,
        draining_s: float = DRAINING_S,
    ) -> None:
        """rain: (from t_us, mm/h), times rising. field_moisture: where dry weather ends."""
        self._field = field_moisture
        self._wetting_us = wetting_s * 1e6
        self._draining_us = draining_s * 1e6
        self._times_us = [t_us for t_us, _ in rain]
        self._balances = [self._balance(rain_mm_h) for _, rain_mm_h in rain]
        self._moistures = [field_moisture]  # at the start of each stretch
        for number in range(1, len(rain)):
            self._moistures.append(self._within(number - 1, self._times_us[number]))

    def sample(self, t_us: int) -> float:
        stretch = bisect_right(self._times_us, t_us) - 1
        return self._field if stretch < 0 else self._within(stretch, t_us)

    def _balance(self, rain_mm_h: float) -> float:
        share = min(1.0, rain_mm_h / SATURATING_RAIN_MM_H)
        return self._field + (1.0 - self._field) * share

    def _within(self, stretch: int, t_us: int) -> float:
        moisture, balance = self._moistures[stretch], self._balances[stretch]
        pace_us = self._wetting_us if balance > moisture else self._draining_us
        left = math.exp(-(t_us - self._times_us[stretch]) / pace_us)
        return balance + (moisture - balance) * left
