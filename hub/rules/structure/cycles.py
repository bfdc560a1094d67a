"""Cycles of strain, counted as they come: rainflow by four points, with the rest as halves.

The counts are those of ASTM E1049-85 (2017), 5.4.4: an inner pair of turning points closes one
cycle as soon as both neighbours lie outside of it; what never closes counts as half cycles. So
nothing of the record must be kept but the turning points that are still open.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

OPEN_MAX = 512  # open turning points; beyond, the oldest are counted as the halves they would be


class Cycles:
    """gate: a smaller swing is no turning point. step: width of the classes of ranges.

    Units are those of the values. `counts`: class -> cycles, in halves, the class being the range
    over `step`, rounded down.
    """

    def __init__(self, gate: float, step: float) -> None:
        self.gate = gate
        self.step = step
        self.halves: Counter[int] = Counter()
        self._open: list[float] = []
        self._low: float | None = None  # extremes since the last turning point
        self._high = 0.0
        self._direction = 0
        self.cut_count = 0

    def put(self, values: Sequence[float]) -> None:
        """Take the values that follow."""
        low, high = min(values), max(values)
        if self._low is not None and not self._moves(low, high):
            return
        for value in values:
            self._step(value)

    def _moves(self, low: float, high: float) -> bool:
        """Tell whether values between these change anything: quiet blocks are most of a day."""
        assert self._low is not None
        if self._direction > 0:
            return high > self._high or low <= self._high - self.gate
        if self._direction < 0:
            return low < self._low or high >= self._low + self.gate
        return low < self._low or high > self._high

    def _step(self, value: float) -> None:
        if self._low is None:
            self._low = self._high = value
            return
        rises = value >= self._low + self.gate
        falls = value <= self._high - self.gate
        if self._direction >= 0 and falls:
            self._turn(self._high)
            self._low, self._high, self._direction = value, value, -1
        elif self._direction <= 0 and rises:
            self._turn(self._low)
            self._low, self._high, self._direction = value, value, 1
        elif self._direction > 0:
            self._high = max(self._high, value)
        elif self._direction < 0:
            self._low = min(self._low, value)
        else:
            self._low, self._high = min(self._low, value), max(self._high, value)

    def _turn(self, value: float) -> None:
        _close(self._open, value, self._count)
        if len(self._open) > OPEN_MAX:
            self.cut_count += 1
            self._count(abs(self._open[0] - self._open[1]), 1)
            del self._open[0]

    def _count(self, size: float, halves: int) -> None:
        self.halves[int(size / self.step)] += halves

    def counts(self) -> dict[int, float]:
        """Return class -> cycles as if the record ended now: what is open are halves."""
        halves, points = Counter(self.halves), list(self._open)

        def count(size: float, number: int) -> None:
            halves[int(size / self.step)] += number

        if self._low is not None and self._direction:
            _close(points, self._high if self._direction > 0 else self._low, count)
        for one, other in pairwise(points):
            count(abs(other - one), 1)
        return {at: halves[at] / 2 for at in sorted(halves)}

    def save(self) -> dict[str, object]:
        """Return all of it, as JSON takes it."""
        return {"halves": sorted(self.halves.items()), "open": self._open,
                "low": self._low, "high": self._high, "direction": self._direction}  # fmt: skip

    def restore(self, saved: dict[str, object]) -> None:
        """Take it back."""
        halves, points = saved["halves"], saved["open"]
        assert isinstance(halves, list) and isinstance(points, list)
        self.halves = Counter({int(at): int(count) for at, count in halves})
        self._open = [float(one) for one in points]
        low, high, direction = saved["low"], saved["high"], saved["direction"]
        assert isinstance(high, float | int) and isinstance(direction, int)
        self._low = float(low) if isinstance(low, float | int) else None
        self._high, self._direction = float(high), direction


def _close(points: list[float], value: float, count: Callable[[float, int], None]) -> None:
    """Add a turning point to the open ones; count and take out the cycles that it closes."""
    points.append(value)
    while len(points) >= 4:
        inner = abs(points[-3] - points[-2])
        if inner > abs(points[-4] - points[-3]) or inner > abs(points[-2] - points[-1]):
            return
        count(inner, 2)
        del points[-3:-1]


def damage(counts: dict[int, float], step: float, *, endurance: float, cut_off: float) -> float:
    """Return the Miner sum of cycles: 1 is the end of a detail's life.

    endurance: range borne two million times, cut_off: range below which none counts, both as the
    ranges are; slope 3, as the JSSC recommends; a class of ranges counts as its top.
    """
    total = 0.0
    for at, cycles in counts.items():
        size = (at + 1) * step
        if size > cut_off:
            total += cycles / (2e6 * (endurance / size) ** 3)
    return total
