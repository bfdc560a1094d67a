"""A water level from the echoes of a window: the mean of those that agree.

Waves, a gust, a bird: single echoes lie. So a level is the mean of the last 20 s and more at two
echoes a second (practice of MLIT's crisis-management gauges, 危機管理型水位計: a mean over about
20 s at 1 s or less, in cm), without those that lie far from the median: more than 3 deviations,
taken as 1.4826 times the median absolute deviation, and more than a wave is high.

What echoes always the same is no water: a branch, a web, ice, a beam. Water moves, by millimetres
at rest and by centimetres in flood. So

- a level is a first one only if its echoes differ at all;
- one that has jumped further than any water climbs in a window is believed only once its echoes
  have spread as far as those of a flood do, all of them from after the jump;
- echoes that are equal to the millimetre for STUCK_US are refused from then on.

Refused means: no level. The driver then says that its sensor is stuck, and the agent names the
gap.
"""

from array import array

from protocols.portable import const

SPACING_US = const(500_000)
SAMPLES_MIN = const(20)
STUCK_US = const(600_000_000)
_JUMP_MM = const(300)  # 1 m in 10 minutes climbs 33 mm in 20 s
_FLOOD_SPREAD_MM = const(5)
_WAVE_MM = const(20)
# 3 * 1.4826 in thousandths: a normal deviation is 1.4826 times the median absolute one.
_OUTLIER_MILLI = const(4448)
_NONE = const(-1)


class LevelWindow:
    """Echoes of one sensor. window_us: how far back a level looks, 20 s or more is meant."""

    def __init__(self, window_us: int) -> None:
        size = max(SAMPLES_MIN, window_us // SPACING_US)
        self._ring = array("i", bytes(4 * size))
        self._sorted = array("i", bytes(4 * size))
        self._next = 0
        self._count = 0
        self._due_us = _NONE
        self._believed_mm = _NONE  # the newest distance that was no jump, or that proved true
        self._low_mm = 0  # extent of the echoes that have agreed since a start or a jump
        self._high_mm = _NONE
        self._same_mm = _NONE
        self._moved_us = _NONE  # when an echo last differed from the one before
        self.is_stuck = False

    def restart(self) -> None:
        """Forget the echoes, as after a pause; what was believed or refused stays so."""
        self._count = 0
        self._due_us = _NONE

    def add(self, distance_mm: int, now_us: int) -> None:
        """Take the newest echo; those that come too soon after the one before are skipped."""
        if self._due_us != _NONE and now_us < self._due_us:
            return
        self._due_us = now_us + SPACING_US - SPACING_US // 8
        if distance_mm != self._same_mm or self._moved_us == _NONE:
            self._same_mm = distance_mm
            self._moved_us = now_us
        size = len(self._ring)
        self._ring[self._next] = distance_mm
        self._next = (self._next + 1) % size
        self._count = min(self._count + 1, size)

    def is_full(self) -> bool:
        """Tell whether the echoes reach back as far as they must."""
        return self._count == len(self._ring)

    def take(self, now_us: int) -> "tuple[int, int]":
        """Return (sum of distances in mm, count of echoes) of a full window; (0, 0): no level.

        is_stuck then says that there is none because the echoes are no water's.
        """
        median, limit = self._centre()
        total = count = 0
        low, high = median, median
        for distance_mm in self._ring:
            if abs(distance_mm - median) <= limit:
                total += distance_mm
                count += 1
                low = min(low, distance_mm)
                high = max(high, distance_mm)
        if count * 2 <= len(self._ring):
            self.is_stuck = False
            return 0, 0  # no two halves of them agree: neither a level nor a fault
        self.is_stuck = not self._is_water(median, low, high, now_us)
        return (0, 0) if self.is_stuck else (total, count)

    def _is_water(self, median: int, low: int, high: int, now_us: int) -> bool:
        if now_us - self._moved_us >= STUCK_US:
            self._high_mm = _NONE
            return False
        is_first = self._believed_mm == _NONE
        if not is_first and abs(median - self._believed_mm) <= _JUMP_MM:
            self._believed_mm = median
            self._high_mm = _NONE
            return True
        if self._high_mm == _NONE or not self._low_mm - _JUMP_MM <= median <= (
            self._high_mm + _JUMP_MM
        ):
            # The first window at a new place holds echoes of the old one: only its place counts.
            self._low_mm = self._high_mm = median
            if not is_first:
                self._count = 0
                return False
        self._low_mm = min(self._low_mm, low)
        self._high_mm = max(self._high_mm, high)
        if self._high_mm - self._low_mm < (1 if is_first else _FLOOD_SPREAD_MM):
            return False
        self._believed_mm = median
        self._high_mm = _NONE
        return True

    def _centre(self) -> "tuple[int, int]":
        """Return (median, largest distance from it that is no outlier)."""
        middle = len(self._ring) // 2
        for index in range(len(self._ring)):
            self._sorted[index] = self._ring[index]
        _sort(self._sorted)
        median = self._sorted[middle]
        for index in range(len(self._ring)):
            self._sorted[index] = abs(self._ring[index] - median)
        _sort(self._sorted)
        limit = max(_WAVE_MM, self._sorted[middle] * _OUTLIER_MILLI // 1000)
        # Never so far that echoes of two places agree.
        return median, min(limit, _JUMP_MM)


def _sort(values: "array[int]") -> None:
    """Sort a short array in place, without a list."""
    for index in range(1, len(values)):
        value = values[index]
        place = index
        while place and values[place - 1] > value:
            values[place] = values[place - 1]
            place -= 1
        values[place] = value
