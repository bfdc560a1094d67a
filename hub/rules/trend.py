"""How fast something rises: the slope of a window of readings, and when it reaches a level."""

from bisect import insort
from collections import deque
from statistics import median

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
FULL_SHARE = 0.8  # of a window that must be there for its slope


class Trend:
    """Readings of the last window_us, at most `count_max` of them (then every second one goes).

    The slope is that of Theil (1950) and Sen (1968): the median of all pairs' slopes, which a
    quarter of wild readings cannot turn.
    """

    def __init__(self, window_us: int, count_max: int = 64) -> None:
        self._window_us = window_us
        self._count_max = count_max
        self._points: deque[tuple[int, float]] = deque()
        self._slope: float | None = None
        self._is_known = False  # all pairs are many: only after a new reading

    def put(self, at_us: int, value: float) -> None:
        """Take a reading; one older than others is put where it belongs."""
        self._is_known = False
        if self._points and at_us < self._points[-1][0]:
            ordered = list(self._points)
            insort(ordered, (at_us, value))
            self._points = deque(ordered)
        else:
            self._points.append((at_us, value))
        newest_us = self._points[-1][0]
        while self._points[0][0] < newest_us - self._window_us:
            self._points.popleft()
        if len(self._points) > self._count_max:
            newest = self._points[-1]
            self._points = deque([*list(self._points)[:-1:2], newest])

    def per_hour_of(self, window_us: int) -> float | None:
        """Return the slope of the newest window_us; None: fewer than FULL_SHARE of it is there."""
        newest_us = self._points[-1][0] if self._points else 0
        points = [one for one in self._points if one[0] >= newest_us - window_us]
        if len(points) < 3 or points[-1][0] - points[0][0] < FULL_SHARE * window_us:
            return None
        return theil_sen(points)

    def points(self) -> list[tuple[int, float]]:
        """Return what is in the window."""
        return list(self._points)

    def span_us(self) -> int:
        """Return the time between the first and the last reading in the window."""
        return self._points[-1][0] - self._points[0][0] if self._points else 0

    def per_hour(self) -> float | None:
        """Return the slope per hour; None from fewer than three readings."""
        if not self._is_known:
            self._slope, self._is_known = self._compute(), True
        return self._slope

    def _compute(self) -> float | None:
        return theil_sen(list(self._points)) if len(self._points) >= 3 else None


def theil_sen(points: list[tuple[int, float]]) -> float | None:
    """Return the median of all pairs' slopes, per hour. points: (us, value), times rising."""
    slopes = [
        (later[1] - one[1]) * HOUR_US / (later[0] - one[0])
        for at, one in enumerate(points)
        for later in points[at + 1 :]
        if later[0] > one[0]
    ]
    return median(slopes) if slopes else None


def minutes_until(level: float, value: float, per_hour: float | None) -> float | None:
    """Return the time until the level is reached at this slope; None when it never is."""
    if per_hour is None or per_hour <= 0 or value >= level:
        return None
    return (level - value) / per_hour * 60
