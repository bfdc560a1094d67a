"""When the samples of a sensor were taken, on the boot clock of the board.

A sensor with an oscillator of its own makes samples at a rate that is off by up to some percent.
All that the agent sees is how many samples there were at each read: the newest had been taken by
then, and the next had not. Each of the two is a bound of a line, sample index against clock. Most
say nothing, for the line is well within; one that comes close says on which side of the read the
sample was, one bit. So `aim()` moves each read to where a sample is expected: the bit halves what
is not known of it. Measured after a minute, reads up to 3 ms late: the slope is known to 10 ppm
from 50 Hz on, to 35 ppm at 10 and 25 Hz and to 50 ppm at 1 Hz.

`SampleClock` is a Kalman filter of two numbers, the time of the newest sample and the spacing. Of
what a bound cuts off the normal distribution, the mean and the variance of the rest are those of
the truncated normal distribution (its inverse Mills ratio is the table below). The variance
shrinks by a little less than that, because what remains is no normal distribution; and it grows
with time, so that the line follows the temperature of the oscillator.

Where the board itself makes the sampling pulses, both slope and phase are known from the moment
they began; they are moved only when a read proves them wrong.
"""

from agent.features import isqrt
from protocols.portable import const

_FINE_BITS = const(16)  # of a spacing, and of the covariances that belong to it, below 1 ns
_OFF_MAX = const(8)  # more than 1 / 8 off (TMP117: 17.5 ms for 15.5) is an error of the estimate
_OFF_USUAL = const(40)  # the prior deviation of a spacing: 1 / 40 of it
_READ_NS = const(1_000_000)  # deviation between the time of a read and when the chip was asked
_DRIFT_PPB = const(500)  # by how much a rate wanders in a second, in the manner of a random walk
_POINT_US_MIN = const(10_000)  # closer reads bring no more, and cost
_MS_NS = const(1_000_000)
# The inverse Mills ratio, in 1 / 1024, of a bound so many quarters of a deviation above the mean.
_QUARTERS_MIN = const(-16)
_QUARTERS_MAX = const(12)  # beyond: the bound says nothing
_MILLS = (
    4327,
    4084,
    3841,
    3601,
    3362,
    3125,
    2890,
    2659,
    2430,
    2205,
    1985,
    1770,
    1562,
    1361,
    1168,
    987,
    817,
    661,
    521,
    399,
    295,
    209,
    142,
    92,
    57,
    33,
    18,
    9,
    5,
    2,
)
_MILLS_BITS = const(10)
_SURPRISE = const(
    200
)  # of a bound far below the mean: the ratio is as large as that, and a little
_ALL = const(1 << 20)  # of the variance


class SampleClock:
    """Times of consecutive samples.

    spacing_us: nominal. poll_us: interval between reads. pulses_from_us: when the board's own
    clock began to pace the samples; -1: it does not.
    """

    def __init__(self, spacing_us: int, poll_us: int, pulses_from_us: int = -1) -> None:
        self.spacing_ns = spacing_us * 1000
        self.lag_us = 0  # by how much the signal in a sample is older than the sample
        self._nominal_ns = self.spacing_ns
        self._fine = self.spacing_ns << _FINE_BITS
        self._is_exact = pulses_from_us >= 0
        self.poll_every(poll_us)
        self._pulses_from_ns = pulses_from_us * 1000
        self._is_begun = False  # a phase is known
        self._last_ns = 0  # of the newest sample
        self._samples = 0  # since the newest point
        self._reads = 0
        self._point_ns = 0
        # In ns squared, the last two with _FINE_BITS below that.
        self._variance = 0
        self._covariance = 0
        self._slope_variance = (self._nominal_ns // _OFF_USUAL) ** 2 << _FINE_BITS

    def poll_every(self, poll_us: int) -> None:
        """Take this for the interval between reads from now on: another mode has another."""
        nominal_us = self._nominal_ns // 1000
        self._reach_ns = min(nominal_us, poll_us) * 500
        # Odd: of two reads a sample, every other one would always see the same.
        self._reads_a_point = _POINT_US_MIN // poll_us | 1 if poll_us else 1
        # One read a sample: it is the read that makes it, and one before its time makes none.
        self._is_aimed = not self._is_exact and poll_us != nominal_us

    def advance(self, count: int, now_us: int) -> None:
        """Note that a read at now_us brought `count` >= 0 more samples."""
        now_ns = now_us * 1000
        if not self._is_begun:
            if count:
                self._begin(now_ns)
            return
        self._last_ns += count * self._fine >> _FINE_BITS
        if self._is_exact:
            if count:
                age_ns = self._reach_ns
                self._last_ns += _beyond(now_ns - age_ns - self._last_ns, age_ns)
            return
        self._samples += count
        self._reads += 1
        if self._reads >= self._reads_a_point:
            self._take_point(now_ns)

    def advance_after_loss(self, count: int, now_us: int) -> None:
        """The same, count >= 1, after a loss of nobody knows how many samples."""
        before_ns = self._last_ns
        is_first = not self._is_begun
        self._begin(now_us * 1000)
        if not (self._is_exact or is_first):
            self._last_ns = max(self._last_ns, before_ns + count * self.spacing_ns)

    def aim(self, due_us: int) -> int:
        """Return when to read instead of due_us, so as to learn most of the rate:

        As near to it as that, at most half a spacing or half an interval between reads away.
        """
        if not (self._is_aimed and self._is_begun):
            return due_us
        spacing_ns = self.spacing_ns
        off_ns = (due_us * 1000 - self._last_ns) % spacing_ns
        if off_ns * 2 > spacing_ns:
            off_ns -= spacing_ns
        return due_us - off_ns // 1000 if -self._reach_ns <= off_ns <= self._reach_ns else due_us

    def time_us(self, back: int) -> int:
        """Return of when the sample `back` >= 0 before the newest is; not before boot."""
        return max(0, (self._last_ns - back * self.spacing_ns) // 1000 - self.lag_us)

    def next_us(self) -> int:
        """Return of when the sample after the newest will be; -1 before the first."""
        if not self._is_begun:
            return -1
        return max(0, (self._last_ns + self.spacing_ns) // 1000 - self.lag_us)

    def _begin(self, now_ns: int) -> None:
        """Set the phase from one read alone: the slope stays as it is known."""
        self._is_begun = True
        self._point_ns = now_ns
        self._samples = self._reads = 0
        self._variance = self._nominal_ns**2 // 12  # anywhere in the spacing before the read
        self._covariance = 0
        if self._is_exact:
            since_ns = now_ns - self._pulses_from_ns
            self._last_ns = now_ns - since_ns % self._nominal_ns
        else:
            self._last_ns = now_ns - self._reach_ns

    def _take_point(self, now_ns: int) -> None:
        """Let the line be bounded by what this read has seen."""
        samples = self._samples
        slope = self._slope_variance
        self._variance += (2 * self._covariance + samples * slope) * samples >> _FINE_BITS
        self._covariance += samples * slope
        drift = self._nominal_ns * _DRIFT_PPB // 1000
        spent_ms = (now_ns - self._point_ns) // _MS_NS
        self._slope_variance += (drift * drift // 1000 * spent_ms << _FINE_BITS) // 10**12
        self._point_ns = now_ns
        self._samples = self._reads = 0
        self._bound(now_ns, 0, 1)
        self._bound(now_ns, 1, -1)
        nominal = self._nominal_ns << _FINE_BITS
        limit = nominal // _OFF_MAX
        self._fine = nominal + max(-limit, min(limit, self._fine - nominal))
        self.spacing_ns = (self._fine + (1 << _FINE_BITS - 1)) >> _FINE_BITS

    def _bound(self, bound_ns: int, ahead: int, side: int) -> None:
        """Let the sample `ahead` (0 or 1) of the newest be before (side 1) or behind (-1)."""
        phase = (self._variance << _FINE_BITS) + ahead * self._covariance
        slope = self._covariance + ahead * self._slope_variance
        variance = (phase + ahead * slope >> _FINE_BITS) + _READ_NS**2
        margin_ns = side * (bound_ns - self._last_ns - ahead * (self._fine >> _FINE_BITS)) * 4
        if margin_ns > 0 and margin_ns * margin_ns >= variance * _QUARTERS_MAX**2:
            return
        deviation = isqrt(variance)
        margin = (margin_ns << _MILLS_BITS - 2) // deviation
        ratio = _mills(margin)
        shrink = min(ratio * (ratio + margin), _ALL) * 4 // 5
        self._last_ns -= side * (phase * ratio // deviation >> _FINE_BITS + _MILLS_BITS)
        self._fine -= side * (slope * ratio // deviation >> _MILLS_BITS)
        self._variance -= phase * phase // variance * shrink >> 2 * (_FINE_BITS + _MILLS_BITS)
        self._covariance -= phase * slope // variance * shrink >> _FINE_BITS + 2 * _MILLS_BITS
        self._slope_variance -= slope * slope // variance * shrink >> _FINE_BITS + 2 * _MILLS_BITS


def _mills(margin: int) -> int:
    """Return the inverse Mills ratio of a bound that many deviations above the mean.

    Both in 1 / 1024.
    """
    place = margin >> _MILLS_BITS - 2
    if place < _QUARTERS_MIN:
        return _SURPRISE - margin
    low = _MILLS[place - _QUARTERS_MIN]
    high = _MILLS[place - _QUARTERS_MIN + 1]
    return low + ((high - low) * (margin & (1 << _MILLS_BITS - 2) - 1) >> _MILLS_BITS - 2)


def _beyond(value: int, limit: int) -> int:
    """Return by how much value lies outside of -limit..limit."""
    return value - max(-limit, min(limit, value))


def even_spacing_ns(times_us: "list[int]") -> int:
    """Return the spacing in ns if the times lie on an even grid to within 2 %, else 0."""
    steps = len(times_us) - 1
    if steps < 1:
        return 0
    first_us = times_us[0]
    spacing_ns = (times_us[-1] - first_us) * 1000 // steps
    off_max_ns = spacing_ns // 50
    even_ns = first_us * 1000
    for time_us in times_us:
        if not -off_max_ns <= time_us * 1000 - even_ns <= off_max_ns:
            return 0
        even_ns += spacing_ns
    return spacing_ns
