"""How heavy a vehicle is that crosses: the area under the strain that it makes.

One strain gauge on a span knows neither the vehicle's speed v nor its axles. The area under the
strain over time is W * c / v whatever the axles; the pulse's own width in time (its standard
deviation, with strain as the weight) is about L / v. So area over width goes by the weight
alone, and trucks of known weight give the factor (Moses 1979, the area method of Ojio 2002).

Limits: one vehicle at a time; spans of 25 m or more, where a vehicle is shorter than the
influence line. What lasts too long, or has a second hump, is counted, and is no weight.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import NamedTuple

REST_S = 20.0  # the zero follows what is not traffic this slowly
EDGE_SHARE = 0.25  # of the threshold at which a pulse begins and ends
QUIET_S = 0.4  # below the edge so long, a pulse has ended
SECONDS_MAX = 20.0
WIDTH_SHARES = (0.12, 0.36)  # of a pulse's length that its width may be; a hill's is 0.2 to 0.3
PASSAGES_KEPT = 64
DIP_SHARE = 0.6  # between two humps: deeper is two vehicles


class Passage(NamedTuple):
    """at_us: when its middle passed. measure: area over width, peak: both in the gauge's unit."""

    at_us: int
    measure: float
    peak: float
    seconds: float


@dataclass
class Passages:
    """Finds vehicles in the strain of one gauge. threshold: strain that one begins with."""

    threshold: float
    rate_hz: float
    kept: deque[Passage] = field(default_factory=lambda: deque(maxlen=PASSAGES_KEPT))
    count: int = 0
    refused_count: int = 0
    _zero: float | None = None  # of the gauge without traffic
    _pulse: list[float] = field(default_factory=list)
    _before: list[float] = field(default_factory=list)
    _quiet: int = 0
    _next_us: int | None = None

    def put(self, start_us: int, values: Sequence[float]) -> list[Passage]:
        """Take a block; one that does not follow the block before begins anew."""
        step_us = 1e6 / self.rate_hz
        if self._next_us is None or abs(start_us - self._next_us) > 2 * step_us:
            self._pulse, self._before, self._quiet = [], [], 0
        self._next_us = start_us + round(len(values) * step_us)
        if self._zero is None:
            self._zero = sorted(values)[len(values) // 2]
        if not self._pulse and max(values) - self._zero < self.threshold:
            self._rest(values)
            return []
        found = []
        for at, value in enumerate(values):
            self._step(value)
            if self._pulse and self._quiet >= QUIET_S * self.rate_hz:
                passage = self._ended(start_us + round(at * step_us))
                if passage is not None:
                    found.append(passage)
        return found

    @property
    def zero(self) -> float:
        """What the gauge reads without traffic; 0 before the first block."""
        return self._zero or 0.0

    def _rest(self, values: Sequence[float]) -> None:
        assert self._zero is not None
        share = min(1.0, len(values) / self.rate_hz / REST_S)
        self._zero += (sum(values) / len(values) - self._zero) * share
        self._before = list(values[-round(2 * self.rate_hz) :])

    def _step(self, value: float) -> None:
        assert self._zero is not None
        strain = value - self._zero
        if not self._pulse:
            if strain < self.threshold:
                self._before.append(value)
                del self._before[: -round(2 * self.rate_hz)]
                self._zero += (strain / self.rate_hz) / REST_S
                return
            # Its foot came before the threshold.
            edge = EDGE_SHARE * self.threshold
            foot = len(self._before)
            while foot and self._before[foot - 1] - self._zero > edge:
                foot -= 1
            self._pulse = self._before[foot:]
            self._before, self._quiet = [], 0
        self._pulse.append(value)
        self._quiet = self._quiet + 1 if strain < EDGE_SHARE * self.threshold else 0
        if len(self._pulse) > SECONDS_MAX * self.rate_hz:  # no vehicle: the zero has moved
            self.refused_count += 1
            self._zero = sorted(self._pulse)[len(self._pulse) // 2]
            self._pulse = []

    def _ended(self, now_us: int) -> Passage | None:
        assert self._zero is not None
        pulse = [value - self._zero for value in self._pulse[: -self._quiet]]
        quiet, self._pulse, self._quiet = self._quiet, [], 0
        passage = measure(pulse, self.rate_hz)
        if passage is None:
            self.refused_count += 1
            return None
        self.count += 1
        middle_us = now_us - round((quiet / self.rate_hz + passage.seconds / 2) * 1e6)
        passage = passage._replace(at_us=middle_us)
        self.kept.append(passage)
        return passage


def measure(pulse: Sequence[float], rate_hz: float) -> Passage | None:
    """Return what one pulse of strain over its zero comes to; None: not one vehicle alone."""
    if len(pulse) < 4:
        return None
    area = sum(pulse)
    if area <= 0:
        return None
    middle = sum(at * value for at, value in enumerate(pulse)) / area
    square = sum((at - middle) ** 2 * value for at, value in enumerate(pulse)) / area
    if square <= 0 or not WIDTH_SHARES[0] <= sqrt(square) / len(pulse) <= WIDTH_SHARES[1]:
        return None
    peak = max(pulse)
    if _has_dip(pulse, peak):
        return None
    # Area over width, both in samples: the rate falls out.
    return Passage(0, area / sqrt(square), peak, len(pulse) / rate_hz)


def _has_dip(pulse: Sequence[float], peak: float) -> bool:
    """Tell whether there are two humps with a deep dip between: two vehicles."""
    reach = max(1, len(pulse) // 12)
    smooth = [
        sum(pulse[max(0, at - reach) : at + reach + 1])
        / len(pulse[max(0, at - reach) : at + reach + 1])
        for at in range(len(pulse))
    ]
    left, lows = 0.0, []
    for value in smooth:
        left = max(left, value)
        lows.append(left)
    right = 0.0
    for at in range(len(smooth) - 1, -1, -1):
        right = max(right, smooth[at])
        if smooth[at] < DIP_SHARE * min(lows[at], right) and min(lows[at], right) > peak / 3:
            return True
    return False


def calibrated(measures: Sequence[float], tonnes: Sequence[float]) -> tuple[float, float]:
    """Return (tonnes per measure, standard deviation of the share each truck is off by).

    From passages of trucks of known weight, at least two; least squares of the shares.
    """
    ratios = [known / one for one, known in zip(measures, tonnes, strict=True)]
    factor = sum(ratios) / len(ratios)
    spread = sqrt(sum((one / factor - 1) ** 2 for one in ratios) / (len(ratios) - 1))
    return factor, spread
