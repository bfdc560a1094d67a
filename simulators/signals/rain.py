"""Rain on a gauge."""

from bisect import bisect_right
from collections.abc import Sequence

HOUR_US = 3_600_000_000


class RainTotal:
    """The depth of rain in m since the world began, which never falls."""

    def __init__(self, rain: Sequence[tuple[int, float]]) -> None:
        """rain: (from t_us, mm/h), times rising; dry before the first. The same list wets the
        soil of simulators.signals.slope. ValueError: times that do not rise.
        """
        self._times_us = [t_us for t_us, _ in rain]
        if sorted(set(self._times_us)) != self._times_us:
            raise ValueError("rain: (from t_us, mm/h), with times strictly rising")
        self._rates = [rain_mm_h * 1e-3 / HOUR_US for _, rain_mm_h in rain]
        self._totals_m = [0.0]  # at the start of each stretch
        for number in range(1, len(rain)):
            self._totals_m.append(self._within(number - 1, self._times_us[number]))

    def sample(self, t_us: int) -> float:
        stretch = bisect_right(self._times_us, t_us) - 1
        return 0.0 if stretch < 0 else self._within(stretch, t_us)

    def _within(self, stretch: int, t_us: int) -> float:
        return self._totals_m[stretch] + (t_us - self._times_us[stretch]) * self._rates[stretch]
