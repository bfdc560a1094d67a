"""What one node on a bridge has measured: stretches of ten minutes, and what they are judged by.

A stretch gives the natural frequency, the mean place of the deck, RMS and peak, at a temperature.
The first `baseline_h` hours of stretches teach the lines over temperature (hub.rules.structure.
regression) and are never judged; from then on the lines are fixed, so that a slow loss is not
learned away. What cannot be computed keeps its reason, and is no value.

Series that come late (older than the newest of their channel) are counted and left out: a mean
over time may miss them, a cycle counter must not take them in the wrong order.
"""

from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from hub.rules.structure.cycles import Cycles
from hub.rules.structure.modal import Array, Mode, Spectrum
from hub.rules.structure.regression import Line, restored
from hub.rules.structure.weight import Passage, Passages
from protocols.batch import Batch, Series

STRETCH_US = 600_000_000
STRETCHES_PER_H = 6
RECENT_COUNT = 6  # stretches whose median is judged: an hour
RECENT_MIN = 4
REFERENCE_COUNT = 6  # estimates whose median says which mode is followed
BAND_SHARE = 0.15  # to either side of it
SEARCH_HZ = (0.5, 20.0)
SHAKEN_M_S2 = 0.5  # a stretch with such a peak is no trembling by traffic
ERRORS_MIN = 3.0  # standard errors of the line that a loss must exceed, too
TEMPERATURE_AGE_US = 3_600_000_000
CYCLE_GATE_UM_M = 5.0
CYCLE_STEP_UM_M = 10.0
CONTIGUOUS_SHARE = 0.6
LEARNING, NO_WAVE = "still learning", "no waveform"
NO_MODE, NO_TEMPERATURE, SHAKEN = "no clear mode", "no temperature", "shaken"
REASONS_JA = {
    LEARNING: "学習中",
    NO_WAVE: "波形なし",
    NO_MODE: "卓越する振動なし",
    NO_TEMPERATURE: "温度なし",
    SHAKEN: "揺れのため対象外",
}


@dataclass
class Judged:
    """A quantity against its line. off: newest median of measured minus expected.

    expected: at the newest temperature; None, with a reason, while not computable.
    """

    line: Line = field(default_factory=Line)
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT_COUNT))
    expected: float | None = None
    error: float = 0.0
    reason: str = LEARNING

    def take(self, value: float, temperature_c: float | None, learns: int) -> None:
        """Learn the value, or hold it against the line. learns: pairs that are the baseline."""
        if temperature_c is None:
            self.reason = NO_TEMPERATURE
            return
        if self.line.count < learns:
            self.line.put(temperature_c, value)
            self.reason = LEARNING
            return
        self.expected, self.error = self.line.at(temperature_c), self.line.error(temperature_c)
        self.recent.append(value - self.expected)
        self.reason = "" if len(self.recent) >= RECENT_MIN else LEARNING

    def off(self) -> float | None:
        """Return how far it lies off the line; None: not computable."""
        return None if self.reason or self.expected is None else median(self.recent)

    def sure(self, limit: float) -> bool:
        """Tell whether it is off by `limit`, and by more than the line may be wrong."""
        off = self.off()
        return off is not None and abs(off) >= limit and abs(off) > ERRORS_MIN * self.error

    def save(self) -> list[Any]:
        """Return what a restart must not forget."""
        return [self.line.save(), list(self.recent), self.expected]

    def restore(self, saved: list[Any]) -> None:
        """Take it back; judged again with the next stretch."""
        self.line = restored(saved[0])
        self.recent.extend(float(one) for one in saved[1])
        self.expected = None if saved[2] is None else float(saved[2])


@dataclass
class Stretch:
    """Ten minutes so far. peak, rms: m/s2 about the mean of each report."""

    since_us: int
    peak: float = 0.0
    square_sum: float = 0.0
    square_count: int = 0
    places_m: list[float] = field(default_factory=list)

    def rms(self) -> float | None:
        """Return the RMS; None without readings."""
        return (self.square_sum / self.square_count) ** 0.5 if self.square_count else None


class Node:
    """row: its [[bridge]] table."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.row = row
        self.learns = round(row["baseline_h"] * STRETCHES_PER_H)
        self.boot = -1
        self.offset_us = 0  # the hub's clock minus the boot's
        self.heard_us: int | None = None
        self.spectrum: Spectrum | None = None
        self.references: list[float] = [row["frequency_hz"]] if row["frequency_hz"] else []
        self.mode: Mode | None = None
        self.mode_reason = NO_WAVE
        self.frequency = Judged()
        self.place = Judged()
        self.cycles = Cycles(CYCLE_GATE_UM_M, CYCLE_STEP_UM_M)
        self.passages: Passages | None = None
        self.passages_kept: deque[Passage] = deque()  # before a restart
        self.temperature: tuple[int, float] | None = None
        self.stretch: Stretch | None = None
        self.last: Stretch | None = None
        self.late_count = 0
        self.fresh_peak = 0.0  # since the last look, m/s2
        self.fresh_strain_um_m = 0.0
        self.fresh_passages: list[Passage] = []
        self._ends: dict[str, int] = {}  # channel -> boot time of the reading that follows

    def feed(self, batch: Batch, at_us: int) -> None:
        """Take a batch whose newest reading was taken at at_us."""
        if batch.boot < self.boot or not batch.series:
            self.late_count += 1
            return
        if batch.boot > self.boot:
            self.boot = batch.boot
            self._ends.clear()
        newest_us = max(one.time_us(len(one.values) - 1) for one in batch.series)
        self.offset_us = at_us - newest_us
        self.heard_us = max(self.heard_us or at_us, at_us)
        if self.stretch is None:
            self.stretch = Stretch(at_us - (newest_us - batch.start_us))
        for series in batch.series:
            self._take(series, at_us)

    def _take(self, series: Series, at_us: int) -> None:
        row = self.row
        name, _, part = series.channel.partition(".")
        if name == row["acc"] and part:
            if part in ("x", "y", "z"):
                self._wave(series, part)
            else:
                self._feature(series, part)
        elif series.channel == row["strain"]:
            self._strain(series)
        elif series.channel == row["displacement"]:
            assert self.stretch is not None
            self.stretch.places_m.append(float(_values(series).mean()))
        elif series.channel == row["temperature"]:
            if self.temperature is None or at_us >= self.temperature[0]:
                self.temperature = (at_us, float(_values(series)[-1]))

    def _follows(self, series: Series) -> bool | None:
        """Tell whether it follows the one before; None: it is late."""
        end_us = self._ends.get(series.channel)
        slack_us = round(CONTIGUOUS_SHARE * series.spacing_ns / 1000)
        if end_us is not None and series.start_us < end_us - slack_us:
            self.late_count += 1
            return None
        self._ends[series.channel] = series.time_us(len(series.values))
        return end_us is not None and series.start_us <= end_us + slack_us

    def _wave(self, series: Series, axis: str) -> None:
        if not series.spacing_ns:
            return
        follows = self._follows(series)
        if follows is None:
            return
        values = _values(series)
        self._level(values - values.mean())
        if axis != self.row["up"]:
            return
        rate_hz = 1e9 / series.spacing_ns
        if self.spectrum is None or abs(rate_hz / self.spectrum.rate_hz - 1) > 0.02:
            self.spectrum = Spectrum(rate_hz)
        elif not follows:
            self.spectrum.cut()
        self.spectrum.feed(values)

    def _level(self, swing: Array) -> None:
        assert self.stretch is not None
        peak = float(np.abs(swing).max())
        self.stretch.peak = max(self.stretch.peak, peak)
        self.stretch.square_sum += float(swing @ swing)
        self.stretch.square_count += len(swing)
        self.fresh_peak = max(self.fresh_peak, peak)

    def _feature(self, series: Series, part: str) -> None:
        """Take RMS and peaks that the node computed itself: `acc.z.rms`, `acc.x.peak`, `.peak`."""
        assert self.stretch is not None
        values = np.abs(_values(series))
        if part.rpartition(".")[2] == "peak":
            peak = float(values.max())
            self.stretch.peak = max(self.stretch.peak, peak)
            self.fresh_peak = max(self.fresh_peak, peak)
        elif part.rpartition(".")[2] == "rms":
            self.stretch.square_sum += float(values @ values)
            self.stretch.square_count += len(values)

    def _strain(self, series: Series) -> None:
        if not series.spacing_ns:
            return
        follows = self._follows(series)
        if follows is None:
            return
        rate_hz = 1e9 / series.spacing_ns
        if self.passages is None or abs(rate_hz / self.passages.rate_hz - 1) > 0.02:
            self.passages = Passages(self.row["passage_um_m"], rate_hz)
            self.passages.kept.extend(self.passages_kept)
        values_um_m = (_values(series) * 1e6).tolist()
        self.cycles.put(values_um_m)
        start_us = series.start_us + self.offset_us
        self.fresh_passages += self.passages.put(start_us, values_um_m)
        swing = max(map(abs, (max(values_um_m) - self.passages.zero,
                              min(values_um_m) - self.passages.zero)))  # fmt: skip
        self.fresh_strain_um_m = max(self.fresh_strain_um_m, swing)

    def temperature_c(self, now_us: int) -> float | None:
        """Return the newest temperature; None while it is old."""
        if self.temperature is None or now_us - self.temperature[0] > TEMPERATURE_AGE_US:
            return None
        return self.temperature[1]

    def band_hz(self) -> tuple[float, float]:
        """Return where the mode is looked for."""
        if self.row["frequency_hz"] or len(self.references) >= REFERENCE_COUNT:
            middle = median(self.references)
            return middle * (1 - BAND_SHARE), middle * (1 + BAND_SHARE)
        return SEARCH_HZ

    def is_due(self, now_us: int) -> bool:
        """Tell whether the stretch is over."""
        return self.stretch is not None and now_us - self.stretch.since_us >= STRETCH_US

    def close(self, now_us: int, temperature_c: float | None) -> None:
        """End the stretch, and judge or learn it. temperature_c: None, unknown."""
        stretch = self.stretch
        assert stretch is not None
        following_us = max(stretch.since_us, now_us - 2 * STRETCH_US) + STRETCH_US
        self.stretch, self.last = Stretch(following_us), stretch
        self._find_mode(stretch, temperature_c)
        if stretch.places_m and stretch.peak < SHAKEN_M_S2:
            self.place.take(median(stretch.places_m), temperature_c, self.learns)

    def _find_mode(self, stretch: Stretch, temperature_c: float | None) -> None:
        spectrum, self.mode = self.spectrum, None
        if spectrum is None or not spectrum.segments:
            self.mode_reason = self.frequency.reason = NO_WAVE
            return
        low_hz, high_hz = self.band_hz()
        mode = spectrum.mode(low_hz, min(high_hz, 0.4 * spectrum.rate_hz))
        spectrum.renew()
        if mode is None or stretch.peak >= SHAKEN_M_S2:
            self.mode_reason = self.frequency.reason = NO_MODE if mode is None else SHAKEN
            return
        self.mode, self.mode_reason = mode, ""
        if not self.row["frequency_hz"] and len(self.references) < REFERENCE_COUNT:
            self.references.append(mode.frequency_hz)
            self.frequency.reason = LEARNING
            return
        self.frequency.take(mode.frequency_hz, temperature_c, self.learns)

    def relearn(self) -> None:
        """Forget what is normal, after a repair; cycles and vehicles stay."""
        self.frequency, self.place = Judged(), Judged()
        self.references = [self.row["frequency_hz"]] if self.row["frequency_hz"] else []

    def loss_percent(self) -> float | None:
        """Return the loss of frequency that temperature does not explain; None: not computable."""
        off, expected = self.frequency.off(), self.frequency.expected
        return None if off is None or not expected else -100 * off / expected

    def save(self, now_us: int) -> dict[str, Any]:
        """Return what a restart must not forget; times as ages."""
        kept = self.passages.kept if self.passages else self.passages_kept
        return {
            "references": self.references,
            "frequency": self.frequency.save(),
            "place": self.place.save(),
            "cycles": self.cycles.save(),
            "passages": [[now_us - one.at_us, *one[1:]] for one in kept],
        }

    def restore(self, saved: dict[str, Any], now_us: int) -> None:
        """Take it back."""
        if not self.row["frequency_hz"]:
            self.references = [float(one) for one in saved["references"]]
        self.frequency.restore(saved["frequency"])
        self.place.restore(saved["place"])
        self.cycles.restore(saved["cycles"])
        for age_us, measure, peak, seconds in saved["passages"]:
            self.passages_kept.append(Passage(now_us - int(age_us), measure, peak, seconds))


def _values(series: Series) -> Array:
    """Return the readings in their unit."""
    scale = series.multiplier * 10.0**series.exponent
    return np.array(series.values, dtype=np.float64) * scale
