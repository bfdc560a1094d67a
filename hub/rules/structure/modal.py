"""The natural frequency of a structure that trembles by wind and traffic.

Output only: traffic and wind are taken for a white force, so that the acceleration's spectrum
around a mode is that of one oscillator (Clough and Penzien, Dynamics of Structures, ch. 22):

    S(f) = S0 f^4 / ((f0^2 - f^2)^2 + (2 zeta f0 f)^2)

Then f^4 / S is a parabola over f^2, whose coefficients a plain least-squares fit finds, and
f0^4 is its constant over its curvature. S is Welch's (1967): means of Hann segments, half over.
What has no clear peak has no frequency: None, never a guess.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SEGMENT_S = 20.0
SEGMENTS_MIN = 3
PROMINENCE_MIN = 4.0  # of the peak over the median of its band
FIT_FROM = 0.3  # of the peak: bins above it are of the mode, not of the rest
FIT_BINS_MIN = 5  # below, the mode is narrower than a bin and the window's own shape is seen
DAMPING_MAX = 0.3


class Mode(NamedTuple):
    """frequency_hz; damping: share of critical, None where too narrow to tell; prominence."""

    frequency_hz: float
    damping: float | None
    prominence: float


class Spectrum:
    """The mean spectrum of contiguous samples, segment by segment; a hole begins a new segment."""

    def __init__(self, rate_hz: float, segment_s: float = SEGMENT_S) -> None:
        self.rate_hz = rate_hz
        self.size = 1 << round(np.log2(max(16.0, segment_s * rate_hz)))
        self._window = _hann(self.size)
        self._held = np.zeros(0)
        self._sum = np.zeros(self.size // 2 + 1)
        self.segments = 0

    def feed(self, values: Array) -> None:
        """Take the samples that follow."""
        held = np.concatenate([self._held, values]) if len(self._held) else values
        at = 0
        while at + self.size <= len(held):
            part = held[at : at + self.size]
            # The line through it goes: a drift would stand in the lowest bins and leak.
            part = (part - part.mean()) * self._window
            self._sum += np.abs(np.fft.rfft(part)) ** 2
            self.segments += 1
            at += self.size // 2
        self._held = np.array(held[at:], dtype=np.float64)

    def cut(self) -> None:
        """Forget the samples that wait for the rest of their segment: a hole follows."""
        self._held = np.zeros(0)

    def density(self) -> tuple[Array, Array]:
        """Return frequencies in Hz and the mean density, samples squared per Hz."""
        frequencies = np.arange(self.size // 2 + 1) * (self.rate_hz / self.size)
        scale = 2 / (self.rate_hz * float((self._window**2).sum()) * max(1, self.segments))
        return frequencies, self._sum * scale

    def mode(self, low_hz: float, high_hz: float) -> Mode | None:
        """Return the strongest mode between two frequencies; None: not computable."""
        if self.segments < SEGMENTS_MIN:
            return None
        return find_mode(*self.density(), low_hz, high_hz)

    def renew(self) -> None:
        """Begin a new mean with the samples that wait."""
        self._sum[:] = 0
        self.segments = 0


@cache
def _hann(size: int) -> Array:
    """Return the window; all nodes of one rate share it."""
    window = np.hanning(size + 1)[:-1]
    window.flags.writeable = False
    return window


def find_mode(frequencies: Array, density: Array, low_hz: float, high_hz: float) -> Mode | None:
    """Return the strongest mode of a spectrum within a band; None without a clear one."""
    band = np.flatnonzero((frequencies >= low_hz) & (frequencies <= high_hz))
    if len(band) < FIT_BINS_MIN:
        return None
    first, last = int(band[0]), int(band[-1])
    top = first + int(np.argmax(density[first : last + 1]))
    middle = float(np.median(density[first : last + 1]))
    if top in (first, last) or density[top] <= PROMINENCE_MIN * middle or density[top] <= 0:
        return None
    prominence = float(density[top] / middle) if middle > 0 else float("inf")
    low, high = top, top
    limit = FIT_FROM * density[top]
    while low > first and density[low - 1] >= limit:
        low -= 1
    while high < last and density[high + 1] >= limit:
        high += 1
    if high - low + 1 >= FIT_BINS_MIN:
        fitted = _fit(frequencies[low : high + 1], density[low : high + 1])
        if fitted is not None:
            return Mode(*fitted, prominence)
    return Mode(_vertex(frequencies, density, top), None, prominence)


def _fit(frequencies: Array, density: Array) -> tuple[float, float] | None:
    """Return (frequency, damping) of the oscillator whose spectrum this is."""
    squares = frequencies**2
    ratios = squares**2 / density
    middle, width = squares.mean(), np.ptp(squares)
    # Every bin is off by a like share, so each weighs by what it should be.
    columns = np.vander((squares - middle) / width, 3) / ratios[:, None]
    (a, b, c), *_ = np.linalg.lstsq(columns, np.ones(len(squares)), rcond=None)
    curvature = a / width**2
    slope = b / width - 2 * curvature * middle
    constant = c - b * middle / width + curvature * middle**2
    if curvature <= 0 or constant <= 0:
        return None
    square = float(np.sqrt(constant / curvature))
    if not squares[0] <= square <= squares[-1]:
        return None
    damping_square = (slope / curvature + 2 * square) / (4 * square)
    return float(np.sqrt(square)), float(np.sqrt(min(max(damping_square, 0.0), DAMPING_MAX**2)))


def _vertex(frequencies: Array, density: Array, top: int) -> float:
    """Return the top of the parabola through the logarithms of three bins."""
    before, here, after = np.log(np.maximum(density[top - 1 : top + 2], 1e-300))
    bend = before - 2 * here + after
    offset = 0.0 if bend == 0 else 0.5 * (before - after) / bend
    return float(frequencies[top] + offset * (frequencies[1] - frequencies[0]))
