"""A bridge for tests: batches of nodes whose frequency, place and temperature the test decides."""

import math
from typing import Any

import numpy as np
from scipy import signal  # type: ignore[import-untyped]

from hub.rules.bridge import ROWS, BridgeRule
from hub.rules.finding import Finding
from hub.rules.structure.modal import Array
from protocols.batch import Batch, Series
from protocols.vocabulary import LANE_STATE, LANE_WAVE

S = 1_000_000
HOUR_S = 3600
REPORT_S = 200
RATE_HZ = 25
ROW = {row.name: row.default for row in ROWS} | {"device": "bridge-1", "baseline_h": 24.0}


def trembling(
    frequency_hz: float, seconds: int, dice: np.random.Generator, *, rate_hz: int = RATE_HZ
) -> Array:
    """Return the vertical acceleration of a deck of 2 % damping, about 0.004 m/s2."""
    angular = 2 * math.pi * frequency_hz
    # The bilinear map bends the axis of frequencies: bent back, the peak is where it should be.
    bent = 2 * rate_hz * math.tan(angular / 2 / rate_hz)
    above, below = signal.bilinear([1, 0, 0], [1, 2 * 0.02 * bent, bent**2], rate_hz)
    values = signal.lfilter(above, below, dice.standard_normal(seconds * rate_hz + 500))
    deck: Array = np.asarray(values, dtype=np.float64)[500:]
    deck *= 0.004 / deck.std()
    return deck + 0.0005 * dice.standard_normal(len(deck))


def series(channel: str, unit: str, values: Any, start_us: int, *, spacing_ns: int) -> Series:
    """Return a series in millionths."""
    raw = np.rint(np.asarray(values) * 1e6).astype(int).tolist()
    return Series(channel, unit, (-6, 1), start_us, spacing_ns=spacing_ns, values=raw)


def wave_batch(values: Array, start_us: int, *, boot: int = 1, rate_hz: int = RATE_HZ) -> Batch:
    """Return the waveform of three axes, the vertical one with gravity."""
    spacing_ns = 1_000_000_000 // rate_hz
    axes = [("x", 0.1 * values), ("y", 0.2 * values), ("z", values + 9.80665)]
    rows = [
        series(f"acc.{axis}", "m/s2", one, start_us, spacing_ns=spacing_ns) for axis, one in axes
    ]
    return Batch((boot, 0, LANE_WAVE, start_us), rows)


class Deck:
    """One node under weather: its frequency falls by 0.2 % a kelvin, its place by 0.48 mm a K."""

    def __init__(self, seed: int = 1, **settings: Any) -> None:
        self.rule = BridgeRule([{**ROW, **settings}])
        self.dice = np.random.default_rng(seed)
        self.second = 0
        self.mean_c, self.swing_c = 15.0, 6.0
        self.has_thermometer = True

    def temperature_c(self) -> float:
        return self.mean_c - self.swing_c * math.cos(2 * math.pi * self.second / 86_400)

    def lasts(
        self, hours: float, *, share: float = 1.0, moved_m: float = 0.0
    ) -> list[tuple[float, Finding]]:
        """Return (hour, finding) of a time with this share of the frequency, so far moved."""
        found = []
        for _ in range(round(hours * HOUR_S / REPORT_S)):
            celsius = self.temperature_c()
            frequency_hz = share * 2.4 * (1 - 0.002 * (celsius - 15))
            values = trembling(frequency_hz, REPORT_S, self.dice)
            start_us = self.second * S
            self.second += REPORT_S
            at_us = self.second * S
            place_m = moved_m + 0.00048 * (celsius - 15) + self.dice.normal(0, 0.0002)
            slow = [
                series("displacement", "m", [place_m] * 3, start_us, spacing_ns=60_000_000_000)
            ]
            if self.has_thermometer:
                slow.append(
                    series("temperature", "Cel", [celsius], start_us, spacing_ns=60_000_000_000)
                )
            up = series("acc.z", "m/s2", values + 9.80665, start_us, spacing_ns=40_000_000)
            said = self.rule.feed("bridge-1", Batch((1, 0, LANE_WAVE, start_us), [up]), at_us)
            said += self.rule.feed("bridge-1", Batch((1, 0, LANE_STATE, start_us), slow), at_us)
            said += self.rule.tick(at_us, 0)
            found += [(self.second / HOUR_S, one) for one in said]
        return found
