"""Pieces of a bridge's trembling by wind and traffic, made as a whole: for runs of months.

Each mode is an oscillator under a white force (Clough and Penzien, ch. 22), made in the frequency
domain and played back in time; all nodes share the modes' forces and have their own shapes. Heat
makes the deck softer, by FREQUENCY_PER_K (asphalt and bearings; measured bridges lie between 0.05
and 0.3 % for each K), and so does a loss of stiffness, which is what somebody looks for.
"""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from simulators.signals.basic import STANDARD_GRAVITY, Keyframes
from simulators.signals.bridge import BENDING_MODES, Bridge

Array = npt.NDArray[np.float64]

RATE_HZ = 100
FREQUENCY_PER_K = -0.0015
DAMPING = 0.02  # of small trembling; the bridge's own is that of strong shaking
SENSOR_NOISE_M_S2 = 0.0017  # ADXL355: 22.5 ug per root Hz over 50 Hz
SIDE_SHARE = 0.5  # how strong the sideways mode is
PIECES_KEPT = 4


class DeckRecords:
    """All nodes' accelerations of one bridge. loss: share of the frequency lost, over time."""

    def __init__(self, bridge: Bridge, loss: Keyframes, seconds: int) -> None:
        self._bridge = bridge
        self._loss = loss
        self._size = seconds * RATE_HZ
        self._modes = lru_cache(maxsize=PIECES_KEPT)(self._make_modes)

    def frequency_hz(self, at_us: int) -> float:
        """Return the first bending frequency at that time: what a rule should find."""
        bridge = self._bridge
        warming_k = bridge.temperature_at(at_us) - bridge.temperature_c
        softer = 1 + FREQUENCY_PER_K * warming_k
        return bridge.bending_hz * softer * (1 - self._loss.sample(at_us))

    def piece(self, at_us: int, position: float) -> Array:
        """Return x, y, z in m/s2 at RATE_HZ, of a node at position 0..1, from at_us on."""
        modes = self._modes(at_us)
        shapes = [math.sin(number * math.pi * position) for number in range(1, BENDING_MODES + 1)]
        up = sum(shape * mode for shape, mode in zip(shapes, modes, strict=False))
        dice = np.random.default_rng([self._bridge.seed, at_us, int(position * 1e6)])
        axes = SENSOR_NOISE_M_S2 * dice.standard_normal((3, self._size))
        axes[1] += SIDE_SHARE * shapes[0] * modes[BENDING_MODES]
        axes[2] += STANDARD_GRAVITY + up
        return axes

    def _make_modes(self, at_us: int) -> list[Array]:
        """Return the bending modes' and the sideways mode's acceleration at mid-span."""
        bridge, bending_hz = self._bridge, self.frequency_hz(at_us)
        sideways_hz = bridge.sideways_hz * bending_hz / bridge.bending_hz
        dice = np.random.default_rng([bridge.seed, at_us])
        axis_hz = np.fft.rfftfreq(self._size, 1 / RATE_HZ)
        made = []
        for mode_hz in (*(bending_hz * n**2 for n in range(1, BENDING_MODES + 1)), sideways_hz):
            force = dice.standard_normal(len(axis_hz)) + 1j * dice.standard_normal(len(axis_hz))
            answer = axis_hz**2 / (mode_hz**2 - axis_hz**2 + 2j * DAMPING * mode_hz * axis_hz)
            # What lies far above the mode is not stirred by wind and wheels.
            answer[axis_hz > 3 * mode_hz] = 0
            wave = np.fft.irfft(force * answer, self._size)
            strength = bridge.ambient_m_s2 * mode_hz**-0.5 * bending_hz**0.5
            made.append(wave * strength / max(float(wave.std()), 1e-12))
        return made
