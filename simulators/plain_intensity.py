"""What a seismometer should say of the made world: the notice's arithmetic on the signal itself.

For simulators.judge, and on purpose none of the hub's code: no window that rolls, no batches, no
chip, one transform of the whole record. Source: Japan Meteorological Agency, notice no. 4 of 1996.
"""

import math
from typing import Any

import numpy as np

RATE_HZ = 100
REST_US = 10_000_000  # before and after the shaking that belong to the record
HELD_S = 0.3


def plain_intensity(signal: Any, from_us: int, until_us: int) -> float:
    """Return the unrounded value of signal.sample(t_us), in m/s2, in that span and its rests."""
    step_us = 1_000_000 // RATE_HZ
    times = range(max(0, from_us - REST_US), until_us + REST_US, step_us)
    gal = np.array([signal.sample(t_us) for t_us in times]).T * 100
    f = np.fft.rfftfreq(gal.shape[1], 1 / RATE_HZ)
    f[0] = math.inf  # gravity: nothing is left of it
    y = np.where(np.isinf(f), 0.0, f) / 10
    high = 1 + 0.694 * y**2 + 0.241 * y**4 + 0.0557 * y**6
    high += 0.009664 * y**8 + 0.00134 * y**10 + 0.000155 * y**12
    gain = np.sqrt((1 / f) / high * (1 - np.exp(-((f / 0.5) ** 3))))
    filtered = np.fft.irfft(np.fft.rfft(gal) * gain, gal.shape[1])
    levels = np.sort(np.linalg.norm(filtered, axis=0))[::-1]
    return float(2 * math.log10(levels[round(HELD_S * RATE_HZ) - 1]) + 0.94)
