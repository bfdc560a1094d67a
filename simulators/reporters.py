"""What an agent reports, made without an agent: the batches of one device on virtual time.

Its policy is the agent's own (agent.policy of the profile's configuration): which sensors report
together, how often and how urgently in each mode. Left out are the chips' registers, the flash
and the link; there is noise as the data sheets have it, rounding to the driver's unit, and the
drift of an accelerometer's zero with the temperature. A report has READINGS_MAX readings of a
channel at most: where a sensor takes more, each stands for several and has their mean's noise.
"""

import math
import random
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from agent import drivers
from agent.config import Config, SensorRow
from agent.policy import Rule
from boards.profiles import make_config
from protocols.batch import Batch, Series
from protocols.vocabulary import LANE_WAVE
from simulators.board import SimBoard
from simulators.clock import HandClock
from simulators.scenario import Placed
from simulators.signals.basic import STANDARD_GRAVITY
from simulators.signals.deck_record import RATE_HZ, DeckRecords

READINGS_MAX = 4
WAVE_US = 5_000_000  # one report of a waveform
DRIFT_M_S2_PER_K = 0.15e-3 * STANDARD_GRAVITY  # ADXL355 data sheet, table 1: offset drift
DRIFT_AXES = (0.6, -0.4, 0.8)  # of that, which is the most: one chip's axes differ
DAY_US = 86_400_000_000
EVENT_DRIVERS = ("digital_input", "wire_loop", "pressure_mat")


# Slow drivers -> noise of a reading, in its unit, and the chip's own rate in Hz; 0: the agent's.
DRIVERS = {
    "a02yyuw": (0.003, 0.0),
    "mb7389": (0.003, 0.0),
    "tmp117": (0.03, 1.0),
    "soil_moisture": (0.004, 0.0),
    "ads1115": (2e-6, 8.0),
    "tipping_bucket": (0.0, 0.0),
}


class Scale(NamedTuple):
    """How a driver counts: a reading is count * multiplier * 10**exponent in the unit."""

    unit: str
    exponent: int
    multiplier: int

    def lsb(self) -> float:
        """Return what one count is."""
        return self.multiplier * 10.0**self.exponent

    def pair(self) -> tuple[int, int]:
        """Return (exponent, multiplier), as a series wants it."""
        return self.exponent, self.multiplier


class Signal(Protocol):
    """As simulators.signals has them."""

    def sample(self, t_us: int) -> Any: ...


class Stage:
    """The level that a sensor above the water works out of the distance that it measures."""

    def __init__(self, distance: Signal, height_mm: int) -> None:
        self._distance = distance
        self._height_m = height_mm / 1000

    def sample(self, t_us: int) -> float:
        return self._height_m - float(self._distance.sample(t_us))


class Source(Protocol):
    """One sensor: the series of a stretch of world time, on a boot clock that began at boot_us."""

    def series(self, from_us: int, until_us: int, boot_us: int) -> list[Series]: ...


class SlowSource:
    """One value now and then. spacing_us: 0: one reading a report. noise: of one reading."""

    def __init__(self, name: str, scale: Scale, signal: Signal, dice: random.Random) -> None:
        self._name = name
        self._scale = scale
        self._signal = signal
        self._dice = dice
        self.noise = 0.0
        self.spacing_us = 0

    def series(self, from_us: int, until_us: int, boot_us: int) -> list[Series]:
        lsb = self._scale.lsb()
        taken = (until_us - from_us) // self.spacing_us if self.spacing_us else 1
        count = max(1, min(READINGS_MAX, taken))
        spacing_us = (until_us - from_us) // count
        noise = self.noise / math.sqrt(max(1, taken // count))
        first_us = from_us + spacing_us
        values = []
        for position in range(count):
            value = self._signal.sample(first_us + position * spacing_us)
            if noise:
                value += self._dice.gauss(0.0, noise)
            # A bucket that is not full has not tipped.
            values.append(int(value / lsb) if not noise else round(value / lsb))
        start_us = first_us - boot_us
        return [
            Series(self._name, self._scale.unit, self._scale.pair(), start_us,
                   spacing_ns=spacing_us * 1000, values=values)
        ]  # fmt: skip


class TiltSource:
    """A slow accelerometer: READINGS_MAX means of each report, in three axes."""

    def __init__(self, name: str, scale: Scale, signal: Signal, dice: random.Random) -> None:
        self._name = name
        self._scale = scale
        self._signal = signal
        self._dice = dice
        self.rate_hz = 4.0
        self._swing_k = 8.0  # of the day, in a box on a post

    def series(self, from_us: int, until_us: int, boot_us: int) -> list[Series]:
        spacing_us = (until_us - from_us) // READINGS_MAX
        of_mean = math.sqrt(max(1.0, spacing_us * 1e-6 * self.rate_hz))
        noise = 22.5e-6 * STANDARD_GRAVITY * math.sqrt(self.rate_hz / 2) / of_mean
        columns: list[list[int]] = [[], [], []]
        for position in range(READINGS_MAX):
            at_us = from_us + (position + 1) * spacing_us
            warming_k = self._swing_k * math.sin(math.tau * at_us / DAY_US)
            axes = self._signal.sample(at_us)
            for axis in range(3):
                drift = DRIFT_M_S2_PER_K * DRIFT_AXES[axis] * warming_k
                value = axes[axis] + drift + self._dice.gauss(0.0, noise)
                columns[axis].append(round(value / self._scale.lsb()))
        return [
            Series(f"{self._name}.{axis}", "m/s2", self._scale.pair(),
                   from_us + spacing_us - boot_us, spacing_ns=spacing_us * 1000, values=column)
            for axis, column in zip("xyz", columns, strict=True)
        ]  # fmt: skip


class WaveSource:
    """A bridge's accelerometer that sends its waveform; of each period only the first seconds."""

    def __init__(
        self, name: str, scale: Scale, records: DeckRecords, *, position: float, record_s: int
    ) -> None:
        self._name = name
        self._scale = scale
        self._records = records
        self._position = position
        self._record_us = record_s * 1_000_000
        self._begun_us = -1
        self._counts: list[list[int]] = []

    def series(self, from_us: int, until_us: int, boot_us: int) -> list[Series]:
        if self._begun_us < 0 or not 0 <= from_us - self._begun_us < self._record_us:
            self._begun_us = from_us
            axes = self._records.piece(from_us, self._position)
            self._counts = (axes / self._scale.lsb()).round().astype(int).tolist()
        first = (from_us - self._begun_us) * RATE_HZ // 1_000_000
        count = (until_us - from_us) * RATE_HZ // 1_000_000
        return [
            Series(f"{self._name}.{axis}", "m/s2", self._scale.pair(), from_us - boot_us,
                   spacing_ns=1_000_000_000 // RATE_HZ, values=column[first : first + count])
            for axis, column in zip("xyz", self._counts, strict=True)
        ]  # fmt: skip


class _Report:
    """Sensors that report together."""

    def __init__(self, lane: int, interval_us: int, now_us: int) -> None:
        self.lane = lane
        self.interval_us = interval_us
        self.from_us = now_us
        self.due_us = now_us + interval_us
        self.sources: list[Source] = []


class _Waves(_Report):
    """Waveforms: reports of WAVE_US, record_us long, and then none until a period has passed."""

    def __init__(self, now_us: int, record_us: int, every_us: int) -> None:
        super().__init__(LANE_WAVE, WAVE_US, now_us)
        self._record_us = record_us
        self._every_us = every_us
        self.from_us = -(-now_us // every_us) * every_us
        self.due_us = self.from_us + WAVE_US

    def go_on(self) -> None:
        """Begin the next report."""
        self.from_us = self.due_us
        if self.from_us % self._every_us >= self._record_us:
            self.from_us += self._every_us - self.from_us % self._every_us
        self.due_us = self.from_us + WAVE_US


class Reporter:
    """One device. take(): its batches of now; times are those of the world, in us."""

    def __init__(
        self, place: Placed, signals: dict[str, Signal], *, seed: int, records: DeckRecords,
        settings: dict[str, Any],
    ) -> None:  # fmt: skip
        """settings: report_s_min, record_s and record_every_s of the scenario."""
        self.place = place
        self.boot = 0
        self.has_power = True
        self.batches_count = 0
        self.readings_count = 0
        self._config = Config(make_config(place.profile, place.name, "00" * 32, host="-", port=1))
        self.is_personal = any(row.personal for row in self._config.sensors)
        self._signals = signals
        self._records = records
        self._settings = settings
        self._dice = {
            row.name: random.Random(f"reporter {seed} {place.name} {row.name}")
            for row in self._config.sensors
        }
        self._reports: list[_Report] = []
        self._events = [row for row in self._config.sensors if row.driver in EVENT_DRIVERS]
        self._next_events: list[tuple[int, SensorRow, float]] = []
        self._iterators: dict[str, Iterator[tuple[int, float]]] = {}
        self._mode = 0
        self._index = 0
        self._boot_us = 0

    def start(self, now_us: int, until_us: int) -> None:
        """Begin a boot; until_us: the end of the world."""
        self.boot += 1
        self.has_power = True
        self._index = 0
        self._boot_us = now_us
        self._next_events = []
        for row in self._events:
            signal: Any = self._signals[row.name]
            # A driver of states says the first one at once.
            self._next_events.append((now_us, row, signal.sample(now_us)))
            self._iterators[row.name] = signal.changes(now_us + 1, until_us)
        self._next_events.sort(key=_when)
        self.follow(self._mode, now_us)

    def cut_power(self) -> None:
        """Say nothing any more."""
        self.has_power = False

    def follow(self, mode: int, now_us: int) -> None:
        """Report as the policy of this mode says; what has been taken so far is let go."""
        self._mode = mode
        reports: dict[tuple[int, int], _Report] = {}
        for row in self._config.sensors:
            rule = self._config.policy.rule(mode, row.name)
            if not rule.on or row.driver in EVENT_DRIVERS:
                continue
            source = self._source(row, rule)
            if isinstance(source, WaveSource):
                every_us = self._settings["record_every_s"] * 1_000_000
                record_us = self._settings["record_s"] * 1_000_000
                reports[(-1, -1)] = waves = _Waves(now_us, record_us, every_us)
                waves.sources.append(source)
            elif source is not None:
                interval_us = max(rule.report_us, self._settings["report_s_min"] * 1_000_000)
                key = (rule.lane, interval_us)
                report = reports.setdefault(key, _Report(rule.lane, interval_us, now_us))
                report.sources.append(source)
        self._reports = list(reports.values())

    def next_us(self) -> int | None:
        """Return when it has something to say; None: never again."""
        if not self.has_power:
            return None
        times = [report.due_us for report in self._reports]
        if self._next_events:
            times.append(self._next_events[0][0])
        return min(times, default=None)

    def take(self, now_us: int) -> list[tuple[int, Batch]]:
        """Return the batches that are due, each with when its newest reading was taken."""
        made = []
        while self._next_events and self._next_events[0][0] <= now_us:
            at_us, row, value = self._next_events.pop(0)
            self._follow_events(row)
            series = Series(row.name, "1", (0, 1), at_us - self._boot_us, spacing_ns=0,
                            values=[round(value)], times_us=[at_us - self._boot_us])  # fmt: skip
            made.append((at_us, self._batch(row.lane, [series])))
        for report in self._reports:
            if report.due_us <= now_us:
                made.append((report.due_us, self._close(report)))
        return made

    def _follow_events(self, row: SensorRow) -> None:
        following = next(self._iterators[row.name], None)
        if following is not None:
            self._next_events.append((following[0], row, following[1]))
            self._next_events.sort(key=_when)

    def _close(self, report: _Report) -> Batch:
        series = [
            one
            for source in report.sources
            for one in source.series(report.from_us, report.due_us, self._boot_us)
        ]
        if isinstance(report, _Waves):
            report.go_on()
        else:
            report.from_us, report.due_us = report.due_us, report.due_us + report.interval_us
        return self._batch(report.lane, series)

    def _batch(self, lane: int, series: Sequence[Series]) -> Batch:
        self._index += 1
        self.batches_count += 1
        batch = Batch((self.boot, self._index - 1, lane, series[0].start_us), list(series))
        self.readings_count += batch.readings_count()
        return batch

    def _source(self, row: SensorRow, rule: Rule) -> Source | None:
        settings = {**row.settings, **rule.pace}
        rate_hz = settings.get("rate_mhz", 0) / 1000
        signal, dice = self._signals[row.name], self._dice[row.name]
        scale = _scale(row.driver, settings)
        if row.driver == "adxl355" and rate_hz > RATE_HZ / 2:
            return WaveSource(
                row.name, scale, self._records, position=self.place.position,
                record_s=self._settings["record_s"],
            )  # fmt: skip
        if row.driver == "adxl355":
            tilt = TiltSource(row.name, scale, signal, dice)
            tilt.rate_hz = rate_hz
            return tilt
        if row.driver not in DRIVERS:
            return None
        if "height_mm" in settings:
            signal = Stage(signal, settings["height_mm"])
        source = SlowSource(row.name, scale, signal, dice)
        source.noise, own_hz = DRIVERS[row.driver]
        source.spacing_us = settings.get("every_ms", 0) * 1000 or int(
            1e6 / own_hz if own_hz else 0
        )
        return source


def _scale(driver: str, settings: dict[str, Any]) -> Scale:
    """Return how the agent's own driver counts with these settings."""
    made = drivers.create(driver, SimBoard(HandClock()), settings)
    _, unit, exponent, multiplier = made.channels[0]
    return Scale(unit, exponent, multiplier)


def _when(event: tuple[int, SensorRow, float]) -> int:
    return event[0]
