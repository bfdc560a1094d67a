"""A made-up earthquake: the ground's acceleration in three axes as a sum of enveloped sinusoids.

First the P wave (steep, fast, mostly up and down), after the S-P delay the S wave (slow, strong,
mostly sideways). Each wave is a fixed set of sinusoids drawn from the seed, times an envelope
that rises and dies away. Because it is a sum of sinusoids, what it does to a structure is the
same sum with other amplitudes: see `Quake.through`. The rising envelope is slow against the
structure's periods, so the steady response is a fair picture of it.
"""

import math
import random
from collections.abc import Callable

from simulators.signals.basic import Axes

SILENCE: Axes = (0.0, 0.0, 0.0)
AxisGains = tuple[float, float, float]

# (angular frequency rad/s, phase rad, amplitude of x, y, z in m/s2)
Sinusoid = tuple[float, float, float, float, float]

# Share of the whole duration at which each wave is strongest.
P_RISE_SHARE = 0.06
S_RISE_SHARE = 0.14
# Relative strength of (x, y, z) in each wave, and the band that holds it (Hz).
P_AXES, P_BAND_HZ, P_COUNT = (0.12, 0.12, 0.30), (3.0, 12.0), 6
S_AXES, S_BAND_HZ, S_COUNT = (1.0, 1.0, 0.45), (0.5, 6.0), 8
PEAK_SEARCH_STEP_US = 5_000  # 1/16 of the shortest period in the S wave


class Wave:
    """One wave: sinusoids under one envelope, silent before onset_us and from end_us on."""

    def __init__(
        self, sinusoids: list[Sinusoid], *, onset_us: int, end_us: int, rise_us: int
    ) -> None:
        self._sinusoids = sinusoids
        self._onset_us = onset_us
        self._end_us = end_us
        self._rise_us = rise_us

    def sample(self, t_us: int) -> Axes:
        since_us = t_us - self._onset_us
        if since_us <= 0 or t_us >= self._end_us:
            return SILENCE
        seconds = since_us * 1e-6
        x = y = z = 0.0
        for angular, phase, east, north, up in self._sinusoids:
            value = math.sin(angular * seconds + phase)
            x += east * value
            y += north * value
            z += up * value
        level = _envelope(since_us / self._rise_us)
        return x * level, y * level, z * level

    def through(self, gains: Callable[[float], AxisGains]) -> "Wave":
        """Return this wave with each sinusoid's axes multiplied by gains(frequency in Hz)."""
        sinusoids = []
        for angular, phase, east, north, up in self._sinusoids:
            gain_x, gain_y, gain_z = gains(angular / math.tau)
            sinusoids.append((angular, phase, east * gain_x, north * gain_y, up * gain_z))
        return Wave(sinusoids, onset_us=self._onset_us, end_us=self._end_us, rise_us=self._rise_us)


class Quake:
    """Ground acceleration of one earthquake, m/s2, without gravity."""

    def __init__(
        self,
        *,
        start_us: int,
        peak_m_s2: float,
        seed: int,
        duration_us: int = 30_000_000,
        s_delay_us: int = 3_000_000,
    ) -> None:
        """start_us: arrival of the P wave. peak_m_s2: the largest value on any axis.

        duration_us: from the first tremor to the last. s_delay_us: S after P, about 1 s for
        each 8 km from the source. ValueError unless 0 <= s_delay_us < duration_us.
        """
        if not 0 <= s_delay_us < duration_us:
            raise ValueError("quake: s_delay_us must be at least 0 and below duration_us")
        self.start_us = start_us
        self.end_us = start_us + duration_us
        dice = random.Random(f"quake {seed}")
        drawn = (
            _draw(dice, P_COUNT, P_BAND_HZ, P_AXES),
            _draw(dice, S_COUNT, S_BAND_HZ, S_AXES),
        )
        self._waves = [
            Wave(
                sinusoids,
                onset_us=start_us + delay_us,
                end_us=self.end_us,
                rise_us=max(1, int(duration_us * rise_share)),
            )
            for sinusoids, delay_us, rise_share in zip(
                drawn, (0, s_delay_us), (P_RISE_SHARE, S_RISE_SHARE), strict=True
            )
        ]
        scale = peak_m_s2 / self._find_peak()
        self._waves = [wave.through(lambda _: (scale, scale, scale)) for wave in self._waves]

    def sample(self, t_us: int) -> Axes:
        if not self.start_us < t_us < self.end_us:
            return SILENCE
        p_x, p_y, p_z = self._waves[0].sample(t_us)
        s_x, s_y, s_z = self._waves[1].sample(t_us)
        return p_x + s_x, p_y + s_y, p_z + s_z

    def through(self, gains: Callable[[float], AxisGains]) -> "Quake":
        """Return what a structure makes of this quake.

        gains: frequency in Hz -> amplification of (x, y, z). Phase lags are left out: among
        phases that are drawn by lot nobody can tell.
        """
        response = object.__new__(Quake)
        response.start_us, response.end_us = self.start_us, self.end_us
        response._waves = [wave.through(gains) for wave in self._waves]
        return response

    def _find_peak(self) -> float:
        return max(
            max(map(abs, self.sample(t_us)))
            for t_us in range(self.start_us + 1, self.end_us, PEAK_SEARCH_STEP_US)
        )


def _envelope(x: float) -> float:
    """Return the strength at x times the rise time: 0 at 0, 1 at 1, 0.0001 at 7."""
    level = x * math.exp(1.0 - x)
    return level * level


def _draw(
    dice: random.Random, count: int, band_hz: tuple[float, float], axes: AxisGains
) -> list[Sinusoid]:
    """Draw count sinusoids, evenly spread over the band on a log scale with some scatter."""
    low_hz, high_hz = band_hz
    sinusoids = []
    for number in range(count):
        share = (number + dice.random()) / count
        frequency_hz = low_hz * (high_hz / low_hz) ** share
        east, north, up = (strength * dice.uniform(-1.0, 1.0) for strength in axes)
        sinusoids.append((math.tau * frequency_hz, dice.uniform(0.0, math.tau), east, north, up))
    return sinusoids
