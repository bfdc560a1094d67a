"""Is a sensor still the sensor that it was? Its noise against its own of the same hour.

Of each batch the mean square of the differences of neighbouring readings: it does not see what
changes slowly. Of five minutes the quietest batch counts, of an hour the median of these: traffic
passes, a loose mount stays. Each hour of the day has its own reference (a mean of the logarithms,
weighted toward the last four days), for streets are quiet at night.

Louder by `ratio`, in so many hours one after the other: loose, or a wet cable. Quieter by `ratio`:
dying, or stuck. Not computable: fewer than DAY_HOURS hours are known; below half an LSB squared
nothing but rounding is left of noise. Hours that are out of bounds are not learned from, until
RELEARN_HOURS of them: then that is what the place is like.
"""

import math
from array import array
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from hub.rules.trend import HOUR_US, MINUTE_US

BIN_US = 5 * MINUTE_US
BINS_MIN = 6  # of twelve in an hour
DAY_HOURS = 24
RELEARN_HOURS = 168
VALUES_MIN, VALUES_MAX = 16, 64
ROUNDING = 0.5  # LSB squared
_WEIGHT = 4
NORMAL, LOUD, QUIET = "normal", "loud", "quiet"


def power(values: Sequence[int]) -> float | None:
    """Return the mean square of the differences of up to VALUES_MAX of them; None: too few."""
    if len(values) < VALUES_MIN:
        return None
    some = values[:VALUES_MAX]
    total = sum((later - one) ** 2 for one, later in pairwise(some))
    return total / (len(some) - 1)


class Noise:
    """The noise of one channel."""

    __slots__ = (
        "_bin",
        "_bins",
        "_counts",
        "_hour",
        "_references",
        "_run",
        "_word",
        "ratio",
        "state",
    )

    def __init__(self) -> None:
        self.state = NORMAL
        self.ratio = 1.0  # of the last hour
        self._hour = -1
        self._bin = -1
        self._bins = array("d")
        self._references = array("d", [0.0] * DAY_HOURS)  # logarithms
        self._counts = bytearray(DAY_HOURS)
        self._word, self._run = NORMAL, 0  # what the last hours were, and how many

    def put(self, at_us: int, value: float, limits: tuple[float, int]) -> bool:
        """Take a power; return whether the state has changed. limits: ratio, hours.

        Of an hour that is over it is too late.
        """
        hour = at_us // HOUR_US
        if hour < self._hour:
            return False
        is_changed = hour != self._hour and self._close(limits)
        if hour != self._hour:
            self._hour, self._bin, self._bins = hour, -1, array("d")
        number = at_us // BIN_US
        if number != self._bin:
            self._bin = number
            self._bins.append(value)
        elif value < self._bins[-1]:
            self._bins[-1] = value
        return is_changed

    def _close(self, limits: tuple[float, int]) -> bool:
        """Judge the hour that is over."""
        if len(self._bins) < BINS_MIN:
            return False
        here = self._hour % DAY_HOURS
        level = math.log(max(median(self._bins), ROUNDING))
        word = self._judge(here, level, limits[0])
        self._run = self._run + 1 if word == self._word else 1
        self._word = word
        if word == NORMAL:
            self._learn(here, level)
        if word == self.state:
            if word == NORMAL or self._run < RELEARN_HOURS:
                return False
            self._counts, word = bytearray(DAY_HOURS), NORMAL
        elif self._run < limits[1]:
            return False
        self.state = word
        return True

    def _judge(self, hour: int, level: float, ratio_max: float) -> str:
        reference = self._reference(hour)
        if reference is None:
            return NORMAL
        self.ratio = math.exp(level - reference)
        if self.ratio > ratio_max:
            return LOUD
        return QUIET if self.ratio < 1 / ratio_max else NORMAL

    def _reference(self, hour: int) -> float | None:
        if self._counts[hour] >= _WEIGHT - 1:
            return self._references[hour]
        known = [at for at in range(DAY_HOURS) if self._counts[at]]
        if sum(self._counts) < DAY_HOURS:
            return None
        return median(self._references[at] for at in known)

    def _learn(self, hour: int, level: float) -> None:
        count = min(self._counts[hour] + 1, _WEIGHT)
        self._references[hour] += (level - self._references[hour]) / count
        self._counts[hour] = count
