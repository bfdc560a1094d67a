"""Earthquakes: that one is there (k of n stations), and how strong it is at each seismometer.

That it is there: a station votes by a peak that its node reports on lane 0 (series `acc.peak`), or
by an onset in its waveform that also reaches `peak_m_s2`. One truck shakes one station; a quake
shakes all, so `devices_min` different ones must vote within `window_ms`.

Before that: a seismometer whose node has a trigger of its own (STA/LTA) reports each onset on lane
0 (`acc.onset`), long before a waveform has come over a slow link. `devices_min` of these within
the window ask for `watch`, no more: an onset says that it moves, not how much. Nodes on spans have
no such vote, for one truck sets off all of a bridge.

How strong: for each [[seismometer]] (on the ground or an abutment, not on the span) the
計測震度相当値 of the last 60 s, anew with every batch that arrives while it shakes, or later but
measured while it shook, and the long-period class; see hub.rules.seismic. It is not an official
intensity. A node that sends waveforms of events only (`acc.x.event`) has a record from the start
of the event on, which its own onset proves. Where samples of the window are missing, or the value
is not above the sensor's own noise, it is "not computable", which is said: no low value is ever
given.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from heapq import nlargest
from typing import TYPE_CHECKING, Any

from hub.rules.finding import EMERGENCY, INFO, WARNING, WATCH, Finding
from hub.rules.problem import Problem, unknown_devices
from hub.settings import Row
from protocols.batch import Batch, Series
from protocols.vocabulary import LANE_ALERT, LANE_LIFE, MODE_DISASTER, MODE_NORMAL, MODE_WATCH

if TYPE_CHECKING:  # numpy costs 15 MiB: only hubs with a seismometer import it
    from hub.rules.seismic.onset import Onset
    from hub.rules.seismic.window import Window

CLASS_WORDS = ("1", "2", "3", "4", "5-", "5+", "6-", "6+", "7")
ROWS = (
    Row("quake", "peak_m_s2", 0.5, "m/s2",
        "Acceleration on several stations that means a quake.", 0.01, 20),
    Row("quake", "devices_min", 3, "devices",
        "So many must agree, so that one truck is no quake.", 1, 1000),
    Row("quake", "window_ms", 3000, "ms", "They must agree within this time.", 100, 60000),
    Row("quake", "watch_class", "4", "",
        "Intensity class (JMA scale) at a seismometer that raises the mode to watch.",
        choices=CLASS_WORDS),
    Row("quake", "disaster_class", "5-", "",
        "Intensity class at a seismometer that raises the mode to disaster.", choices=CLASS_WORDS),
    Row("seismometer", "device", None, "",
        "Enrolled device whose accelerometer stands on the ground or an abutment.", 1, 16),
    Row("seismometer", "sensor", "acc", "", "Its accelerometer: channels .x, .y and .z.", 1, 32),
    Row("seismometer", "up", "z", "", "Its vertical axis.", choices=("x", "y", "z")),
    Row("seismometer", "noise_intensity", 0.3, "",
        "What its own noise would measure; nothing up to this is given.", -3, 3),
)  # fmt: skip
LISTS = ("seismometer",)

QUIET_WINDOWS = 10
WORSE_BY = 1.5  # said again when the peak has grown by this factor
WINDOW_S = 60
HELD_S = 180  # of the ring: three windows
LONG_PERIOD_FROM = 2.5  # an intensity; below it no tall building swings
LONG_PERIOD_EVERY = 8  # of the computations: it costs ten times as much
DURATION_S_MIN = 10  # a younger record is not computable
AXES = ("x", "y", "z")
PEAK, ONSET, EVENT = "peak", "onset", ".event"  # last parts of channels
EVENTS_MAX = 4  # onsets and beginnings of a node that are remembered, to find their partners
NO_DATA, TOO_SHORT = "no data", "record too short"
MISSING, NOISE = "samples are missing", "not above the sensor's noise"
REASONS_JA = {
    NO_DATA: "データなし",
    TOO_SHORT: "記録が短い",
    MISSING: "欠測あり",
    NOISE: "センサの雑音以下",
}
VOTES_MAX = 200  # more are looked through for old ones
VOTE_AGE_US = 600_000_000  # hub.rules.AGE_US_MAX
VALUES_PER_TICK_MAX = 500  # computed between two ticks (0.3 ms each); more are put off, counted


def problems(tables: dict[str, Any], devices: set[str]) -> Iterator[Problem]:
    """Say what is wrong with [quake] and [[seismometer]]."""
    yield from unknown_devices("seismometer", tables["seismometer"], devices)
    quake = tables["quake"]
    order = [CLASS_WORDS.index(quake[name]) for name in ("watch_class", "disaster_class")]
    if order[0] > order[1]:
        remedy = "Allowed: the same as quake.watch_class or higher."
        yield Problem("quake", "disaster_class", f"is {quake['disaster_class']!r}", remedy)


@dataclass
class Strength:
    """What a seismometer has measured of one quake; None: not computable, `reason` says why."""

    value: float | None = None
    reason: str = NO_DATA
    long_period_class: int | None = None
    peak_gal: float = 0.0


@dataclass
class _Station:
    row: dict[str, Any]
    boot: int = -1
    window: "Window | None" = None
    onset: "Onset | None" = None
    computed: int = 0  # position up to which it was judged
    # Of the node's trigger, times of its boot: onsets; and pieces of events after a hole, which
    # are where a record begins once an onset lies in them: (start, end, position).
    onsets_us: deque[int] = field(default_factory=lambda: deque(maxlen=EVENTS_MAX))
    heads: deque[tuple[int, int, int]] = field(default_factory=lambda: deque(maxlen=EVENTS_MAX))
    measured_us: int = 0  # when it was last, on the clock of the ticks
    newest_us: int = -1  # newest reading of a waveform
    strength: Strength = field(default_factory=Strength)
    said: int = -1  # class of the last finding
    said_long: int = 0
    said_reason: str = ""
    computations: int = 0


class QuakeRule:
    """settings: the [quake] table of hub.toml; seismometers: its [[seismometer]] tables."""

    name = "quake"

    def __init__(self, settings: dict[str, Any], seismometers: list[dict[str, Any]]) -> None:
        self._peak_min = float(settings["peak_m_s2"])
        self._devices_min = int(settings["devices_min"])
        self._window_us = int(settings["window_ms"]) * 1000
        self._class_min = {
            mode: 1 + CLASS_WORDS.index(settings[name])
            for mode, name in ((MODE_WATCH, "watch_class"), (MODE_DISASTER, "disaster_class"))
        }
        self._peaks: dict[str, tuple[int, float]] = {}  # device -> when, its newest peak
        self._onsets: dict[str, int] = {}  # seismometer -> when its own trigger saw one
        self._worst = 0.0
        self._is_on = False
        self._until_us = -1  # readings up to then are of the quake that is over
        self._fresh: float | None = None  # largest peak of the votes of this batch
        self._now_us = 0
        self._stations = {row["device"]: _Station(row) for row in seismometers}
        self._budget = VALUES_PER_TICK_MAX
        self.put_off_count = 0

    def wants(self, device: str, kind: str, lane: int) -> bool:
        """Tell whether batches of such devices and lane are needed."""
        if lane == LANE_ALERT:
            return kind == "bridge" or device in self._stations
        return device in self._stations and lane != LANE_LIFE  # events come on any

    def feed(self, device: str, batch: Batch, at_us: int) -> list[Finding]:
        """Take a batch whose newest reading was taken at at_us."""
        station = self._stations.get(device)
        for series in batch.series or ():
            sensor, _, what = series.channel.rpartition(".")
            if what == PEAK and "." not in sensor:  # acc.x.peak is of a window that is over
                scale = series.multiplier * 10.0**series.exponent
                self._vote(device, max(abs(value) for value in series.values) * scale, at_us)
            elif what == ONSET and station is not None and sensor == station.row["sensor"]:
                self._onset(device, batch, series, at_us)
        has_waves = station is not None and self._listen(device, station, batch, at_us)
        was_on, fresh, self._fresh = self._is_on, self._fresh, None
        findings = [] if fresh is None else self._confirm(fresh, at_us)
        if self._is_on and not was_on:
            for name, one in self._stations.items():
                if one.heads:  # what came of the event before others confirmed it
                    findings += self._measure(name, one, at_us)
        elif has_waves and station is not None:
            findings += self._measure(device, station, at_us)
        return findings

    def tick(self, now_us: int, utc_us: int) -> list[Finding]:
        """Say when the shaking is over."""
        self._budget, self._now_us = VALUES_PER_TICK_MAX, now_us
        quiet_us = QUIET_WINDOWS * self._window_us
        findings = []
        if self._is_on:
            last_us = self._last_us()
            if now_us - last_us <= quiet_us:
                return []
            findings.append(self._finding(0, now_us, is_over=True))
            self._is_on, self._worst, self._until_us = False, 0.0, last_us + quiet_us
            self._peaks.clear()
            self._onsets.clear()
        for device, station in self._stations.items():
            is_all_here = station.newest_us >= self._until_us
            if _is_said(station) and (is_all_here or now_us - station.measured_us > quiet_us):
                findings.append(self._strength_finding(device, station, now_us, is_over=True))
                station.said, station.said_long, station.said_reason = -1, 0, ""
                station.strength = Strength()
        return findings

    def save(self, now_us: int) -> dict[str, Any]:
        """Return what has been said and measured, so that a restart ends it; no waveform."""
        last_us = max(self._last_us(), self._until_us if not self._is_on else -1)
        said = {
            device: [station.said, station.said_long, station.said_reason,
                     asdict(station.strength)]
            for device, station in self._stations.items()
            if _is_said(station)
        }  # fmt: skip
        return {"is_on": self._is_on, "worst": self._worst, "age_us": now_us - last_us,
                "said": said}  # fmt: skip

    def restore(self, saved: dict[str, Any], now_us: int) -> None:
        """Take it back: what shook when the hub died is over when nobody says that it shakes."""
        if not saved:
            return
        last_us = now_us - max(0, int(saved["age_us"]))
        self._is_on, self._worst = bool(saved["is_on"]), float(saved["worst"])
        if self._is_on:
            self._peaks[""] = (last_us, 0.0)  # nobody's: it votes for nothing, and keeps the time
        else:
            self._until_us = last_us
        for device, (said, said_long, reason, strength) in saved["said"].items():
            station = self._stations.get(device)
            if station is not None:
                station.said, station.said_long = int(said), int(said_long)
                station.said_reason, station.strength = str(reason), Strength(**strength)
                station.measured_us = now_us

    def standing(self) -> set[str]:
        """Return the keys of the findings that are not over, as a restart remembers them."""
        said = {device for device, station in self._stations.items() if station.said >= 0}
        return said | ({"quake"} if self._is_on else set())

    def strengths(self) -> dict[str, Strength]:
        """Return what each seismometer has measured of the quake that goes on."""
        return {device: station.strength for device, station in self._stations.items()}

    # That it is there

    def _last_us(self) -> int:
        """Return when a seismometer, or enough nodes together, said last that it shakes.

        So a truck that passes a bridge again and again keeps no quake on, as it makes none.
        """
        peaks_us = {device: at_us for device, (at_us, _) in self._peaks.items()}
        restored_us = peaks_us.pop("", 0)
        own_us = (at_us for device, at_us in peaks_us.items() if device in self._stations)
        enough = nlargest(self._devices_min, peaks_us.values())
        agreed_us = enough[-1] if len(enough) == self._devices_min else 0
        return max(restored_us, agreed_us, *self._onsets.values(), *own_us)

    def _vote(self, device: str, peak_m_s2: float, at_us: int) -> None:
        if peak_m_s2 >= self._peak_min:
            self._peaks[device] = (at_us, peak_m_s2)
            self._fresh = max(self._fresh or 0.0, peak_m_s2)
            if len(self._peaks) > VOTES_MAX and not self._is_on:
                self._forget_old()

    def _forget_old(self) -> None:
        """Forget what is older than any batch that may still come."""
        oldest_us = max(when_us for when_us, _ in self._peaks.values()) - VOTE_AGE_US
        self._peaks = {
            device: vote for device, vote in self._peaks.items() if vote[0] >= oldest_us
        }

    def _onset(self, device: str, batch: Batch, series: Series, at_us: int) -> None:
        """Take a seismometer's own trigger: it may wait in its batch behind newer readings."""
        station = self._stations[device]
        assert batch.series is not None
        if batch.boot < station.boot:
            return
        ends_us = (one.time_us(len(one.values) - 1) for one in batch.series)
        onset_us = series.time_us(len(series.values) - 1)
        self._onsets[device] = at_us - (max(ends_us) - onset_us)
        self._fresh = self._fresh or 0.0
        if batch.boot > station.boot:
            station.onsets_us.clear()
        station.onsets_us.append(onset_us)
        _begin_record(station)

    def _confirm(self, fresh: float, at_us: int) -> list[Finding]:
        """Look whether enough agree with the newest votes, of which `fresh` is the largest."""
        if self._is_on and self._worst and fresh < WORSE_BY * self._worst:
            return []  # thousands vote while it shakes
        recent = {
            device: peak
            for device, (when_us, peak) in self._peaks.items()
            if device and abs(at_us - when_us) <= self._window_us
        }
        if len(recent) < self._devices_min:
            moved = {one for one, when_us in self._onsets.items()
                     if abs(at_us - when_us) <= self._window_us}  # fmt: skip
            moved |= recent.keys() & self._stations.keys()
            if self._is_on or len(moved) < self._devices_min:
                return []
            self._is_on, self._worst = True, 0.0
            return [self._begun(len(moved), at_us)]
        worst = max(recent.values())
        if self._is_on and worst < WORSE_BY * self._worst:
            return []
        self._is_on, self._worst = True, worst
        return [self._finding(len(recent), at_us)]

    def _begun(self, count: int, at_us: int) -> Finding:
        return Finding(
            self.name, "quake", WATCH, MODE_WATCH,
            f"地震の揺れ始めを検知({count} 地点)", f"Onset of shaking at {count} seismometers",
            kind="quake", at_us=at_us,
        )  # fmt: skip

    def _finding(self, count: int, at_us: int, is_over: bool = False) -> Finding:
        if is_over:
            ja, en = "揺れは収まりました", "The shaking is over"
        else:
            ja = f"地震の揺れを観測: 最大 {self._worst:.2f} m/s²({count} 地点)"
            en = f"Ground shaking: peak {self._worst:.2f} m/s² at {count} nodes"
        values = {"peak_m_s2": self._worst}
        return Finding(
            self.name, "quake", EMERGENCY, MODE_DISASTER, ja, en, is_over,
            kind="quake", values=values, at_us=at_us,
        )  # fmt: skip

    # How strong it is

    def _listen(self, device: str, station: _Station, batch: Batch, at_us: int) -> bool:
        """Take its waveforms; tell whether there were any."""
        from hub.rules.seismic.onset import Onset
        from hub.rules.seismic.window import Window

        has_waves = False
        for series in batch.series or ():
            is_event = series.channel.endswith(EVENT)
            sensor, _, axis = series.channel.removesuffix(EVENT).rpartition(".")
            if sensor != station.row["sensor"] or axis not in AXES or not series.spacing_ns:
                continue
            rate_mhz = round(1e12 / series.spacing_ns / 100) * 100
            window = station.window
            is_new = batch.boot > station.boot or window is None
            if is_new or window is None or abs(window.rate_mhz - rate_mhz) > rate_mhz // 20:
                if batch.boot < station.boot:
                    return False
                window = station.window = Window(rate_mhz, HELD_S)
                station.onset, station.computed = Onset(rate_mhz), 0
                station.boot = batch.boot
                station.heads.clear()
            has_waves = True
            begins_at = window.put(AXES.index(axis), series)
            if is_event and begins_at is not None:
                end_us = series.time_us(len(series.values))
                station.heads.append((series.start_us, end_us, begins_at))
        if has_waves:
            station.newest_us = max(station.newest_us, at_us)
            _begin_record(station)
            self._detect(device, station, at_us)
        return has_waves

    def _detect(self, device: str, station: _Station, at_us: int) -> None:
        window, onset = station.window, station.onset
        if window is None or onset is None:
            return
        fresh = window.between(station.computed, window.following())
        station.computed = max(station.computed, window.following())
        if fresh.shape[1]:
            is_on = onset.feed(fresh)
            peak_gal = window.peak(fresh)
            if self._is_on or at_us <= self._until_us:
                station.strength.peak_gal = max(station.strength.peak_gal, peak_gal)
            if is_on:
                self._vote(device, peak_gal / 100, at_us)

    def _measure(self, device: str, station: _Station, at_us: int) -> list[Finding]:
        is_of_quake = self._is_on or at_us <= self._until_us
        if not is_of_quake or station.window is None:
            return []
        station.measured_us = self._now_us
        if self._budget <= 0:
            self.put_off_count += 1
            return []
        self._budget -= 1
        from hub.rules.seismic.intensity import class_of

        self._compute(station)
        value = station.strength.value
        if value is None:
            if station.said < 0 and station.said_reason != station.strength.reason:
                station.said_reason = station.strength.reason
                return [self._not_computable(device, station, at_us)]
            return []
        long_class = station.strength.long_period_class or 0
        if class_of(value) <= station.said and long_class <= station.said_long:
            return []
        station.said = max(station.said, class_of(value))
        station.said_long = max(station.said_long, long_class)
        return [self._strength_finding(device, station, at_us)]

    def _compute(self, station: _Station) -> None:
        import numpy as np

        from hub.rules.seismic import intensity, long_period

        window, strength = station.window, station.strength
        assert window is not None
        axes = window.last(WINDOW_S)
        if axes.shape[1] * 1000 < DURATION_S_MIN * window.rate_mhz:
            strength.reason = TOO_SHORT
            return
        if np.isnan(axes).any():
            strength.reason = MISSING
            return
        value = intensity.intensity(axes, window.rate_mhz)
        if value <= station.row["noise_intensity"]:
            strength.reason = NOISE
            return
        if strength.value is None or value > strength.value:
            strength.value, strength.reason = value, ""
        long_axes = window.last(HELD_S)
        horizontal = [at for at, axis in enumerate(AXES) if axis != station.row["up"]]
        enough = long_axes.shape[1] * 1000 >= long_period.DURATION_S_MIN * window.rate_mhz
        is_due = station.computations % LONG_PERIOD_EVERY == 0
        station.computations += 1
        if is_due and value >= LONG_PERIOD_FROM and enough and not np.isnan(long_axes).any():
            response = long_period.velocity_response(long_axes[horizontal], window.rate_mhz)
            found = long_period.class_of(float(response.max()))
            strength.long_period_class = max(found, strength.long_period_class or 0)

    def _not_computable(
        self, device: str, station: _Station, at_us: int, is_over: bool = False
    ) -> Finding:
        reason = station.strength.reason
        ja = f"計測震度相当値は算出できません({REASONS_JA[reason]}): {device}"
        en = f"equivalent intensity not computable ({reason}): {device}"
        return Finding(
            self.name, device, INFO, MODE_NORMAL, ja, en, is_over,
            kind="quake", place=device, at_us=at_us,
        )  # fmt: skip

    def _strength_finding(
        self, device: str, station: _Station, at_us: int, is_over: bool = False
    ) -> Finding:
        from hub.rules.seismic.intensity import CLASSES, class_of, is_boundary, rounded

        strength = station.strength
        if strength.value is None:
            return self._not_computable(device, station, at_us, is_over)
        value = strength.value
        position = class_of(value)
        edge_ja, edge_en = (" (階級の境界)", " (at the edge of its class)") if (
            is_boundary(value)
        ) else ("", "")  # fmt: skip
        long_ja, long_en = "", ""
        if strength.long_period_class:
            long_ja = f"、長周期地震動階級相当 {strength.long_period_class}"
            long_en = f", long-period class {strength.long_period_class}"
        shown, name = rounded(value), CLASSES[position]
        end_ja, end_en = ("(最大)", "largest ") if is_over else ("", "")
        ja = f"計測震度相当値{end_ja} {shown:.1f}(震度{name.ja}相当){edge_ja}{long_ja}: {device}"
        en = (
            f"{end_en.capitalize()}equivalent intensity {shown:.1f}, class {name.en}"
            f"{edge_en}{long_en}: {device}"
        )
        mode = max((mode for mode, low in self._class_min.items() if position >= low),
                   default=MODE_NORMAL)  # fmt: skip
        level = {MODE_NORMAL: INFO, MODE_WATCH: WARNING, MODE_DISASTER: EMERGENCY}[mode]
        values = {
            "intensity": shown,
            "intensity_unrounded": value,
            "peak_m_s2": strength.peak_gal / 100,
            "long_period_class": float(strength.long_period_class or 0),
        }
        return Finding(
            self.name, device, level, mode, ja, en, is_over,
            kind="quake", place=device, values=values, at_us=at_us,
        )  # fmt: skip


def _is_said(station: _Station) -> bool:
    return station.said >= 0 or bool(station.said_reason)


def _begin_record(station: _Station) -> None:
    """Let the record begin with the piece of an event that an onset lies in.

    Only the trigger makes such a piece: without an onset a hole before it is a loss.
    """
    if station.window is None:
        return
    for start_us, end_us, position in station.heads:
        if any(start_us <= onset_us <= end_us for onset_us in station.onsets_us):
            station.window.begin_at(position)
