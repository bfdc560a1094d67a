"""A river at a gauge: its stage, and the distance that a sensor above the water measures."""

import math
import random
from collections.abc import Sequence

from simulators.signals.basic import Keyframes

# Periods of small waves on a town's river (s), and their shares of the wave height.
WAVES_S = ((1.7, 0.5), (2.9, 0.3), (11.0, 0.2))


class River:
    """Stage in m above the gauge's datum."""

    def __init__(
        self,
        *,
        seed: int,
        stage_m: float = 0.8,
        flood: Sequence[tuple[int, float]] = (),
        wave_m: float = 0.01,
    ) -> None:
        """stage_m: the normal stage. flood: rises over it as (t_us, metres), times rising;
        before the first the water is normal. wave_m: height of the waves from trough to crest.
        """
        self._stage_m = stage_m
        self._rise = Keyframes(flood or ((0, 0.0),))
        self._begins_us = flood[0][0] if flood else 0
        dice = random.Random(f"river {seed}")
        self._waves = [
            (math.tau / (period_s * 1e6), dice.uniform(0.0, math.tau), share * wave_m / 2)
            for period_s, share in WAVES_S
        ]

    def sample(self, t_us: int) -> float:
        stage_m = self._stage_m
        if t_us >= self._begins_us:
            stage_m += self._rise.sample(t_us)
        for angular_us, phase, height_m in self._waves:
            stage_m += height_m * math.sin(angular_us * t_us + phase)
        return stage_m


class DistanceToWater:
    """Distance in m from a sensor that looks down, height_m above the datum, to the surface."""

    def __init__(self, river: River, *, height_m: float) -> None:
        self._river = river
        self._height_m = height_m

    def sample(self, t_us: int) -> float:
        return self._height_m - self._river.sample(t_us)
