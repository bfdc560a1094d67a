"""計測震度相当値: what JMA's method gives for a record of three axes; never an official intensity.

Source: Japan Meteorological Agency, notice no. 4 of 15 February 1996 (平成8年気象庁告示第4号):
the three filters, the level a0 held for 0.3 s in total, I = 2 log10 a0 + 0.94. The classes are
data (hub/rules/data/seismic_classes.toml). An official intensity comes from a certified instrument
on certified ground; ours is the same arithmetic on whatever stands where the town put it.
"""

import importlib.resources
import math
import tomllib
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

HELD_TENTHS_S = 3  # 0.3 s
BOUNDARY = 0.02  # of an unrounded value from a class edge: sensor and place are not that exact
# Powers y**2, y**4, .. of the high-cut filter, y = f / 10 Hz.
HIGH_CUT = (0.694, 0.241, 0.0557, 0.009664, 0.00134, 0.000155)


class Class(NamedTuple):
    """One class of the scale: its lower edge and how people call it."""

    low: float
    ja: str
    en: str


_DATA = tomllib.loads(
    importlib.resources.files("hub.rules").joinpath("data/seismic_classes.toml").read_text("utf-8")
)
CLASSES = tuple(Class(**row) for row in _DATA["classes"])
LONG_PERIOD_CM_S = tuple(float(edge) for edge in _DATA["long_period_cm_s"])  # of classes 1 to 4


def filter_gains(frequencies_hz: npt.NDArray[Any]) -> Array:
    """Return the product of the notice's three filters; 0 at 0 Hz, which is its limit there."""
    frequencies = np.maximum(frequencies_hz, 1e-12)
    squared = (frequencies / 10.0) ** 2
    polynomial = np.ones_like(squared)
    power = np.ones_like(squared)
    for factor in HIGH_CUT:
        power = power * squared
        polynomial += factor * power
    low_cut = np.sqrt(-np.expm1(-((frequencies / 0.5) ** 3)))
    return np.asarray(low_cut / np.sqrt(frequencies * polynomial))


@lru_cache(maxsize=64)
def _gains_of(count: int, rate_mhz: int) -> Array:
    return filter_gains(np.fft.rfftfreq(count, 1000.0 / rate_mhz))


def held_count(rate_mhz: int) -> int:
    """Return how many samples last at least 0.3 s: ceil(0.3 fs)."""
    return -(-HELD_TENTHS_S * rate_mhz // 10_000)


def held_level(magnitudes: Array, rate_mhz: int) -> float:
    """Return the largest level that is reached or exceeded for 0.3 s in total."""
    count = held_count(rate_mhz)
    return float(np.partition(magnitudes, len(magnitudes) - count)[len(magnitudes) - count])


def of_level(level_gal: float) -> float:
    """Return 2 log10 a0 + 0.94; -inf of nothing at all."""
    return 2.0 * math.log10(level_gal) + 0.94 if level_gal > 0 else -math.inf


def intensity(axes_gal: Array, rate_mhz: int) -> float:
    """Return the unrounded value of a record.

    axes_gal: shape (3, n), orthogonal axes in cm/s2, gravity may be in. rate_mhz: samples per
    1000 s. ValueError for a record shorter than 0.3 s.
    """
    count = axes_gal.shape[1]
    if count < held_count(rate_mhz):
        raise ValueError("the record is shorter than 0.3 s")
    spectra = np.fft.rfft(axes_gal) * _gains_of(count, rate_mhz)
    filtered = np.fft.irfft(spectra, count)
    return of_level(held_level(np.sqrt(np.sum(filtered**2, axis=0)), rate_mhz))


def rounded(value: float) -> float:
    """Return the value as it is announced: third decimal rounded, second cut off."""
    if not math.isfinite(value):
        return 0.0
    hundredths = math.floor(value * 100 + 0.5)
    return math.floor(hundredths / 10) / 10


def class_of(value: float) -> int:
    """Return the position in CLASSES of an unrounded value."""
    shown = rounded(value)
    return max(at for at, one in enumerate(CLASSES) if shown >= one.low or at == 0)


def is_boundary(value: float) -> bool:
    """Tell whether another class begins within BOUNDARY of the value."""
    return any(abs(value - one.low) <= BOUNDARY for one in CLASSES[1:])
