"""When the samples of a sensor were taken, on the boot clock of the board.

A sensor with an oscillator of its own makes samples at a rate that is off by up to some percent.
All that the agent sees is how many samples there were at each read: the newest was taken at most
one spacing (or one poll) before. `SampleClock` fits a line through these points, sample index
against clock: the line of least squares while the points are few (an expanding-memory filter: its
gains for the k-th point are 2(2k + 1) / (k + 1)(k + 2) for the phase and 6 / (k + 1)(k + 2) for
the slope), and one that forgets after `_MEMORY_US`, so that it follows the temperature of the
oscillator. The error never adds up: each point pulls the line to the clock.

Where the board itself makes the sampling pulses, both slope and phase are known from the moment
they began; they are moved only when a read proves them wrong.
"""

from protocols.portable import const

_MEMORY_US = const(120_000_000)  # temperature is slower than that
# The gain of a point is small: a slope in whole ns would stand still well before it is right.
_FINE_BITS = const(16)
_POINTS_AFTER_LOSS = const(16)  # the slope is still good, the phase is not
_OFF_MAX = const(20)  # a spacing more than 1 / 20 off its nominal one is an error of the estimate


class SampleClock:
    """Times of consecutive samples.

    spacing_us: nominal. poll_us: interval between reads. pulses_from_us: when the board's own
    clock began to pace the samples; -1: it does not.
    """

    def __init__(self, spacing_us: int, poll_us: int, pulses_from_us: int = -1) -> None:
        self.spacing_ns = spacing_us * 1000
        self._nominal_ns = self.spacing_ns
        self._fine = self.spacing_ns << _FINE_BITS
        self._points_max = _MEMORY_US // poll_us if poll_us else 1
        # The age of the newest sample at a read lies anywhere in 0..spacing (or poll): take the
        # middle.
        self._age_ns = min(spacing_us, poll_us) * 500
        self._is_exact = pulses_from_us >= 0
        self._pulses_from_ns = pulses_from_us * 1000
        self._points = 0  # 0: no phase known
        self._samples = 0  # between the first point and the newest
        self.lag_us = 0  # by how much the signal in a sample is older than the sample
        self._last_ns = 0  # of the newest sample

    def advance(self, count: int, now_us: int) -> None:
        """Note that a read at now_us brought `count` >= 1 more samples."""
        seen_ns = now_us * 1000 - self._age_ns
        if not self._points:
            self._begin(seen_ns)
            return
        self._last_ns += count * self._fine >> _FINE_BITS
        error_ns = seen_ns - self._last_ns
        if self._is_exact:
            self._last_ns += _beyond(error_ns, self._age_ns)
        else:
            self._fit(error_ns, count)

    def advance_after_loss(self, count: int, now_us: int) -> None:
        """The same after a loss of nobody knows how many samples."""
        seen_ns = now_us * 1000 - self._age_ns
        if self._is_exact or not self._points:
            self._begin(seen_ns)
            return
        self._last_ns = max(seen_ns, self._last_ns + count * self.spacing_ns)
        self._keep_points(max(1, min(self._points, _POINTS_AFTER_LOSS)))

    def time_us(self, back: int) -> int:
        """Return of when the sample `back` >= 0 before the newest is; not before boot."""
        return max(0, (self._last_ns - back * self.spacing_ns) // 1000 - self.lag_us)

    def next_us(self) -> int:
        """Return of when the sample after the newest will be; -1 before the first."""
        if not self._points:
            return -1
        return max(0, (self._last_ns + self.spacing_ns) // 1000 - self.lag_us)

    def _begin(self, seen_ns: int) -> None:
        """Set the phase from one read alone."""
        self._points = 1
        self._samples = 0
        self._last_ns = seen_ns
        if self._is_exact:
            since_ns = seen_ns + self._age_ns - self._pulses_from_ns
            self._last_ns = self._pulses_from_ns + since_ns // self._nominal_ns * self._nominal_ns

    def _keep_points(self, points: int) -> None:
        """Let the line rest on fewer points from now on."""
        self._samples = self._samples * points // self._points
        self._points = points

    def _fit(self, error_ns: int, count: int) -> None:
        points = self._points
        divisor = (points + 1) * (points + 2)
        self._last_ns += error_ns * 2 * (2 * points + 1) // divisor
        nominal = self._nominal_ns << _FINE_BITS
        limit = nominal // _OFF_MAX
        # Reads bring different counts: a mean step of samples / points stands for all of them.
        samples = self._samples = self._samples + count
        step = (points + 1) * (samples + 2 * samples // points)
        off = self._fine + (error_ns * 6 << _FINE_BITS) // step - nominal
        self._fine = nominal + max(-limit, min(limit, off))
        self.spacing_ns = (self._fine + (1 << _FINE_BITS - 1)) >> _FINE_BITS
        self._points = points + 1
        if points >= self._points_max:
            self._keep_points(self._points_max)


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
