"""Onset of shaking at one station: the ratio of a short to a long average of the squared motion.

STA/LTA after Allen (1978, BSSA 68) with the recursive averages of Withers et al. (1998, BSSA 88),
on the vector of differences between neighbouring samples, which knows no gravity and no slow tilt.
It says that something began; k of n stations must say so before it counts as a quake.
"""

import numpy as np

from hub.rules.seismic.intensity import Array

SHORT_S = 0.5
LONG_S = 30.0
RATIO_ON = 4.0
WARM_UP_S = 5.0
STEP_S = 0.1
SLOW_WHILE_ON = 10


class Onset:
    """Takes blocks of one station, shape (3, n) in cm/s2, NaN where samples are missing."""

    def __init__(self, rate_mhz: int) -> None:
        self._rate = rate_mhz / 1000
        self._begin()

    def _begin(self) -> None:
        self._short = 0.0
        self._long = 0.0
        self._heard_s = 0.0
        self._last: Array | None = None

    def feed(self, axes_gal: Array) -> bool:
        """Tell whether the ratio was above RATIO_ON in the block; a hole begins it anew."""
        if np.isnan(axes_gal).any():
            self._begin()
            return False
        joined = axes_gal if self._last is None else np.hstack([self._last, axes_gal])
        self._last = axes_gal[:, -1:]
        energies = np.sum(np.diff(joined) ** 2, axis=0)
        step = max(1, round(STEP_S * self._rate))
        steps = [energies[at : at + step] for at in range(0, len(energies), step)]
        return max([self._step(float(part.mean()), len(part) / self._rate) for part in steps],
                   default=False)  # fmt: skip

    def _step(self, level: float, seconds: float) -> bool:
        self._heard_s += seconds
        self._short += (level - self._short) * min(1.0, seconds / SHORT_S)
        is_on = self._heard_s > WARM_UP_S and self._short > RATIO_ON * self._long
        # While it shakes the long average learns slowly: what never ends becomes the new rest.
        share = seconds / min(LONG_S, self._heard_s)
        self._long += (level - self._long) * share / (SLOW_WHILE_ON if is_on else 1)
        return is_on
