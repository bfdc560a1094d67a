"""The last minutes of one station's three axes, put together from batches in whatever order."""

import numpy as np
import numpy.typing as npt

from protocols.batch import Series

CONTIGUOUS_SHARE = 0.6  # of the spacing: so far may a start be off and still follow on
GAL_PER_M_S2 = 100.0
REST_S = 10


class Window:
    """A ring of `seconds` for three axes; what has not come is NaN.

    Samples lie on the device's boot clock. A series that begins where another ended follows on, so
    that a rate known ever better makes no hole; other starts are placed by their time.
    """

    def __init__(self, rate_mhz: int, seconds: int) -> None:
        self.rate_mhz = rate_mhz
        self._size = seconds * rate_mhz // 1000
        self._ring = np.full((3, self._size), np.nan, dtype=np.float32)
        self._ends: list[tuple[int, int] | None] = [None, None, None]  # position, time of the next
        self._newest = [0, 0, 0]
        self._begins_at = 0

    def put(self, axis: int, series: Series) -> int | None:
        """Take the series of one axis, in m/s2; what is older than the ring is left out.

        Return its position where nothing is held that it follows on.
        """
        values = np.array(series.values, dtype=np.float64)
        values *= series.multiplier * 10.0**series.exponent * GAL_PER_M_S2
        position, follows = self._position(axis, series)
        begins_at = None if follows else position
        following = position + len(values)
        if following > self._newest[axis]:
            self._advance(axis, position, following, series.time_us(len(values)))
        oldest = self._newest[axis] - self._size
        if position < oldest:
            values = values[oldest - position :]
            position = oldest
        if len(values):
            self._ring[axis, np.arange(position, following) % self._size] = values
        return begins_at

    def begin_at(self, position: int) -> None:
        """Let the record begin there: what is missing before it is no loss."""
        self._begins_at = max(self._begins_at, position)

    def _position(self, axis: int, series: Series) -> tuple[int, bool]:
        end = self._ends[axis] or next((one for one in self._ends if one is not None), None)
        if end is None:
            return 0, False
        position, next_us = end
        spacing_us = 1e9 / self.rate_mhz
        apart = (series.start_us - next_us) / spacing_us
        if abs(apart) < CONTIGUOUS_SHARE:
            return position, True
        return position + round(apart), apart < 0

    def _advance(self, axis: int, position: int, following: int, next_us: int) -> None:
        missing = range(max(self._newest[axis], following - self._size), min(position, following))
        if len(missing):
            self._ring[axis, np.arange(missing.start, missing.stop) % self._size] = np.nan
        self._ends[axis] = (following, next_us)
        self._newest[axis] = following

    def following(self) -> int:
        """Return the position up to which all axes have come."""
        return min(self._newest)

    def between(self, first: int, following: int) -> npt.NDArray[np.float64]:
        """Return positions first..following of all axes, as far as they are held."""
        first = max(first, max(self._newest) - self._size)
        at = np.arange(first, max(first, following)) % self._size
        return np.asarray(self._ring[:, at], dtype=np.float64)

    def peak(self, axes_gal: npt.NDArray[np.float64]) -> float:
        """Return the largest vector against the mean of the last seconds, in cm/s2."""
        if np.isnan(axes_gal).any():
            return 0.0
        held = self.last(REST_S)
        if not held.shape[1]:
            return 0.0
        rest = np.nanmean(held, axis=1, keepdims=True)
        return float(np.sqrt(np.sum((axes_gal - rest) ** 2, axis=0)).max())

    def last(self, seconds: int) -> npt.NDArray[np.float64]:
        """Return the newest `seconds` that all axes have, in cm/s2; fewer where there are none.

        NaN where something is missing between.
        """
        following = self.following()
        since_begin = max(0, following - self._begins_at)
        count = min(seconds * self.rate_mhz // 1000, since_begin, self._held())
        at = np.arange(following - count, following) % self._size
        return np.asarray(self._ring[:, at], dtype=np.float64)

    def _held(self) -> int:
        return self._size - (max(self._newest) - self.following())
