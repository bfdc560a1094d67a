"""Long-period class (長周期地震動階級): how pendulums of 1.6 to 7.8 s, as tall buildings, swing.

Source: Japan Meteorological Agency, 長周期地震動階級および関連解説表, and the notes of NIED's
長周期地震動モニタ: absolute velocity response Sva, damping 5 %, periods 1.6 to 7.8 s in steps of
0.2 s, classes from 5, 15, 50 and 100 cm/s. Neither says how velocity is got from
acceleration, whose drift has no end, nor how the horizontal axes are joined. Ours: what is slower
than CUT_S is left out with a soft edge, and the axes are composed as a vector in time.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from hub.rules.seismic.intensity import LONG_PERIOD_CM_S, Array

PERIODS_S = tuple(round(1.6 + 0.2 * at, 1) for at in range(32))
DAMPING = 0.05
CUT_S = 20.0
SPARE_S = 60.0  # zeros behind the record, so that the swinging dies away before its start
DURATION_S_MIN = 30.0  # less than four swings of the slowest pendulum says nothing


@lru_cache(maxsize=8)
def _transfers(count: int, rate_mhz: int) -> npt.NDArray[np.complex128]:
    """Return absolute velocity over ground acceleration, shape (periods, frequencies)."""
    frequencies = np.fft.rfftfreq(count, 1000.0 / rate_mhz)
    edge = np.clip((frequencies * CUT_S - 0.5) / 0.5, 0.0, 1.0)
    soft = 0.5 - 0.5 * np.cos(np.pi * edge)
    s = 2j * np.pi * np.maximum(frequencies, 1e-9)
    natural = 2 * np.pi / np.array(PERIODS_S)[:, None]
    swing = 2 * DAMPING * natural * s + natural**2
    return np.asarray(soft * swing / (s**2 + swing) / s)


def velocity_response(horizontal_gal: Array, rate_mhz: int) -> Array:
    """Return Sva in cm/s for each of PERIODS_S.

    horizontal_gal: shape (2, n) in cm/s2. ValueError when shorter than DURATION_S_MIN.
    """
    count = horizontal_gal.shape[1]
    if count * 1000 < DURATION_S_MIN * rate_mhz:
        raise ValueError(f"the record is shorter than {DURATION_S_MIN:g} s")
    padded = count + int(SPARE_S * rate_mhz / 1000)
    padded += -padded % 1000  # a length that a fast transform likes
    resting = horizontal_gal - horizontal_gal.mean(axis=1, keepdims=True)
    spectra = np.fft.rfft(resting, padded)
    largest = []
    for transfer in _transfers(padded, rate_mhz):  # one period at a time: memory stays small
        swings = np.fft.irfft(spectra * transfer, padded)[:, :count]
        largest.append(np.sqrt(np.sum(swings**2, axis=0).max()))
    return np.array(largest)


def class_of(response_cm_s: float) -> int:
    """Return the class, 0 (below the lowest) to 4."""
    return sum(response_cm_s >= edge for edge in LONG_PERIOD_CM_S)
