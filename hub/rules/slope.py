"""A slope above houses: how fast it tilts, how wet it is, and the wire that a slide tears.

Input, of devices with a row [[slope]]: the accelerometer's `<tilt>.x/.y/.z` in m/s2, the loop's
channel (0 intact, 1 cut, 2 short), the rain gauge's sum in m.

- Tilt: means of BIN_US bins become two angles; the rate is the slope (Theil-Sen) of each over a
  window. `warning_deg_h` is judged over WARNING_H. `precaution_deg_h` is judged over each of
  PRECAUTIONS_H, and the window that is furthest above its own limit counts. What limits it is not
  the noise (an ADXL355's mean of 20 minutes: 0.00003 deg) but warmth: its zero drifts by up to
  0.15 mg/K, 0.009 deg/K, and a day's wave of `day_wave_deg` looks like a rate in every window:
  three tenths of its steepest in a day's, nearly all of it in three hours'. So a window's limit
  is `precaution_deg_h`, but never less than WAVE_MARGIN times what such a wave alone shows in it
  (`wave_deg_h`): fast creep is found within hours, slow creep within a day, and warmth is none.
  Thresholds of 0.01 and 0.1 deg/h: practice of tilt-sensor early warning (Uchimura et al. 2015,
  Landslides 12). Not computable: too little of the window is there, or it shook.
- Rain of an hour and of 24 h, and the soil water index (hub.rules.soil_water), from the gauge of
  `rain_device`. Hours without a gauge are not dry hours: they are counted, and with more than
  MISSING_H_MAX of them in 72 h the index is "not computable".
- The wire: cut or short alarms at once, whatever else is known.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hub.rules.finding import EMERGENCY, INFO, WARNING, WATCH, Finding
from hub.rules.problem import Problem, unknown_devices
from hub.rules.soil_water import STEP_MIN, SoilWater
from hub.rules.trend import HOUR_US, MINUTE_US, Trend
from hub.settings import Row
from protocols.batch import Batch, Series
from protocols.vocabulary import LANE_WAVE, MODE_DISASTER, MODE_NORMAL, MODE_WATCH

ROWS = (
    Row("slope", "device", None, "", "Enrolled device on the slope.", 1, 16),
    Row("slope", "tilt", "tilt", "", "Its accelerometer: channels .x, .y and .z.", 1, 32),
    Row("slope", "wire", "wire", "", "Its wire loop's channel.", 1, 32),
    Row("slope", "rain_device", "", "", "Device with the rain gauge; empty: none.", 0, 16),
    Row("slope", "rain", "rain", "", "The rain gauge's channel.", 1, 32),
    Row("slope", "precaution_deg_h", 0.01, "deg/h",
        "Tilting so fast over a day is watched; faster, over hours.", 0.0001, 10),
    Row("slope", "day_wave_deg", 0.06, "deg",
        "How far the warmth of a day moves the tilt's zero, to either side.", 0, 1),
    Row("slope", "warning_deg_h", 0.1, "deg/h", "Tilting so fast over an hour is a warning.",
        0.001, 100),
    Row("slope", "index_watch_mm", 100.0, "mm",
        "Soil water index that is watched; ask the prefecture for this place's.", 1, 1000),
    Row("slope", "index_warning_mm", 150.0, "mm", "Soil water index that is a warning.", 1, 1000),
    Row("slope", "hour_mm", 50.0, "mm", "Rain of an hour that is watched.", 1, 500),
    Row("slope", "day_mm", 200.0, "mm", "Rain of 24 hours that is watched.", 1, 2000),
)  # fmt: skip
LISTS = ("slope",)

BIN_US = 20 * MINUTE_US  # of the day's window; the hour's has BIN_US / 10
WARNING_H, PRECAUTIONS_H = 1, (24, 12, 6, 3)
WAVE_MARGIN = 1.15  # two axes, and a wave that is no sine
CHANGE_DEG_MIN = 0.02  # in the window: less is the sensor's own wandering
SHAKING_M_S2 = 0.3  # of a batch's span: no tilt is read from it
LEFT_SHARE = 0.7  # of a threshold, below which it counts as left
STEP_US = STEP_MIN * MINUTE_US
MISSING_H_MAX = 12
STEPS_72H = 72 * 60 // STEP_MIN
INTACT, CUT, SHORT = 0, 1, 2
# Each slope's tilt and rain are judged so often, in turn; its wire at once.
JUDGE_US, TURN_US = 10_000_000, 1_000_000


def problems(tables: dict[str, Any], devices: set[str]) -> Iterator[Problem]:
    """Say what is wrong with [[slope]]."""
    rows = tables["slope"]
    yield from unknown_devices("slope", rows, devices)
    for at, row in enumerate(rows):
        if row["rain_device"] and row["rain_device"] not in devices:
            why = f"is {row['rain_device']!r}, which is not enrolled"
            yield Problem("slope", "rain_device", why, "Write the name of an enrolled device.", at)
        for low, high in (("precaution_deg_h", "warning_deg_h"),
                          ("index_watch_mm", "index_warning_mm")):  # fmt: skip
            if row[low] >= row[high]:
                remedy = f"Allowed: more than slope.{low}, which is {row[low]:g}."
                yield Problem("slope", high, f"is {row[high]:g}", remedy, at)


class _Angle:
    """Means of one angle in bins, and their trend."""

    def __init__(self, bin_us: int, window_h: int) -> None:
        self._bin_us = bin_us
        self._window_us = window_h * HOUR_US
        self.trend = Trend(self._window_us, 160)
        self._rates: dict[int, float | None] = {}  # of this bin, by window
        self._bin = -1
        self._sum = 0.0
        self._count = 0

    def put(self, at_us: int, degrees: float) -> None:
        at = at_us // self._bin_us
        if at != self._bin:
            if self._count:
                middle_us = self._bin * self._bin_us + self._bin_us // 2
                self.trend.put(middle_us, self._sum / self._count)
                self._rates.clear()
            self._bin, self._sum, self._count = at, 0.0, 0
        self._sum += degrees
        self._count += 1

    def save(self, now_us: int) -> list[tuple[int, float]]:
        return [(now_us - at_us, round(value, 6)) for at_us, value in self.trend.points()]

    def restore(self, saved: list[tuple[int, float]], now_us: int) -> None:
        for age_us, value in saved:
            self.trend.put(now_us - int(age_us), float(value))
        self._rates.clear()

    def per_hour(self, window_h: int) -> float | None:
        if window_h not in self._rates:
            self._rates[window_h] = self.trend.per_hour_of(window_h * HOUR_US)
        return self._rates[window_h]


class Tilt:
    """Two angles of one accelerometer, over the hour and over the day."""

    def __init__(self) -> None:
        self._hour = (_Angle(BIN_US // 10, WARNING_H), _Angle(BIN_US // 10, WARNING_H))
        self._day = (_Angle(BIN_US, PRECAUTIONS_H[0]), _Angle(BIN_US, PRECAUTIONS_H[0]))
        self.shaken_count = 0

    def put(self, at_us: int, axes_m_s2: dict[str, list[float]]) -> None:
        """Take a batch of all three axes."""
        if any(max(one) - min(one) > SHAKING_M_S2 for one in axes_m_s2.values()):
            self.shaken_count += 1
            return
        x, y, z = (math.fsum(axes_m_s2[axis]) / len(axes_m_s2[axis]) for axis in "xyz")
        angles = (math.atan2(x, math.hypot(y, z)), math.atan2(y, math.hypot(x, z)))
        for at, angle in enumerate(angles):
            self._hour[at].put(at_us, math.degrees(angle))
            self._day[at].put(at_us, math.degrees(angle))

    def save(self, now_us: int) -> list[list[tuple[int, float]]]:
        """Return the means of both windows, with their ages."""
        return [one.save(now_us) for one in (*self._hour, *self._day)]

    def restore(self, saved: list[list[tuple[int, float]]], now_us: int) -> None:
        """Take them back: a restart in a disaster must not blind the rule for an hour."""
        for one, points in zip((*self._hour, *self._day), saved, strict=True):
            one.restore(points, now_us)

    def rate_deg_h(self, window_h: int) -> float | None:
        """Return the size of the rate over one of the windows; None: not computable."""
        pair = self._hour if window_h == WARNING_H else self._day
        rates = [angle.per_hour(window_h) for angle in pair]
        if None in rates:
            return None
        rate = math.hypot(*(one or 0.0 for one in rates))
        return rate if rate * window_h >= CHANGE_DEG_MIN else 0.0

    def precaution(self, limit_deg_h: float, day_wave_deg: float) -> tuple[float | None, float]:
        """Return rate and limit of the window that is furthest above its limit; None, unknown."""
        found: list[tuple[float, float]] = []
        for window_h in PRECAUTIONS_H:
            rate = self.rate_deg_h(window_h)
            if rate is not None:
                wave = WAVE_MARGIN * wave_deg_h(day_wave_deg, window_h)
                found.append((rate, max(limit_deg_h, wave)))
        if not found:
            return None, limit_deg_h
        return max(found, key=lambda one: one[0] / one[1])


class Rain:
    """Rain of one gauge in steps of STEP_MIN, and the index that it makes."""

    def __init__(self) -> None:
        self.soil = SoilWater()
        self._steps: deque[float | None] = deque(maxlen=STEPS_72H)  # None: no gauge was heard
        self._rain_mm = 0.0
        self._is_heard = False
        self._step = -1
        self._sum: tuple[int, float] | None = None  # boot, the gauge's sum in mm

    def put(self, boot: int, sum_mm: float) -> None:
        """Take the gauge's sum since its start."""
        before = self._sum
        if before is None or before[0] != boot:
            # Rain between two boots of the gauge is its own first sum.
            self._rain_mm += sum_mm if before is not None else 0.0
        elif sum_mm >= before[1]:
            self._rain_mm += sum_mm - before[1]
        else:
            return  # late
        self._sum = (boot, sum_mm)
        self._is_heard = True

    def go_on(self, now_us: int) -> None:
        """Close the steps that are over."""
        step = now_us // STEP_US
        if self._step < 0:
            self._step = step
        while self._step < step:
            self.soil.step(self._rain_mm)
            self._steps.append(self._rain_mm if self._is_heard else None)
            self._rain_mm, self._is_heard = 0.0, False
            self._step += 1

    def of_hours(self, hours: int) -> float:
        """Return the rain of the last hours: whole steps, or the open one with what fills them.

        Of the two the larger; neither is of more than the hours.
        """
        count = hours * 60 // STEP_MIN
        steps = [one or 0.0 for one in self._steps]
        return max(math.fsum(steps[-count:]), math.fsum(steps[1 - count :]) + self._rain_mm)

    def index_mm(self) -> float | None:
        """Return the soil water index; None: not computable."""
        missing_h = sum(one is None for one in self._steps) * STEP_MIN / 60
        return None if missing_h > MISSING_H_MAX else self.soil.index_mm() + self._rain_mm

    def save(self, now_us: int) -> dict[str, Any]:
        """Return all of it; times as ages."""
        return {"storages_mm": self.soil.storages_mm, "steps": list(self._steps),
                "age_us": now_us - self._step * STEP_US, "sum": self._sum,
                "rain_mm": self._rain_mm}  # fmt: skip

    def restore(self, saved: dict[str, Any], now_us: int) -> None:
        """Take it back: the time of the restart counts as hours without a gauge."""
        self.soil = SoilWater(tuple(saved["storages_mm"]))
        self._steps.extend(saved["steps"])
        self._sum = None if saved["sum"] is None else (saved["sum"][0], saved["sum"][1])
        self._rain_mm = float(saved["rain_mm"])
        self._step = (now_us - int(saved["age_us"])) // STEP_US


@dataclass
class _Slope:
    row: dict[str, Any]
    tilt: Tilt = field(default_factory=Tilt)
    rain: Rain = field(default_factory=Rain)
    wire: int = INTACT
    said: dict[str, int] = field(default_factory=dict)  # what -> grade of the last finding
    due_us: int | None = None


class SlopeRule:
    """slopes: the [[slope]] tables of hub.toml."""

    name = "slope"

    def __init__(self, slopes: list[dict[str, Any]]) -> None:
        self._slopes = {row["device"]: _Slope(row) for row in slopes}
        self._gauges: dict[str, list[_Slope]] = {}
        for slope in self._slopes.values():
            self._gauges.setdefault(slope.row["rain_device"], []).append(slope)

    def wants(self, device: str, kind: str, lane: int) -> bool:
        """Tell whether batches of such devices and lane are needed."""
        return lane < LANE_WAVE and (device in self._slopes or device in self._gauges)

    def feed(self, device: str, batch: Batch, at_us: int) -> list[Finding]:
        """Take a batch whose newest reading was taken at at_us."""
        series = batch.series or []
        for slope in self._gauges.get(device, ()):
            for one in series:
                if one.channel == slope.row["rain"]:
                    slope.rain.put(batch.boot, _values(one)[-1] * 1000)
        slope_here = self._slopes.get(device)
        if slope_here is None:
            return []
        findings = []
        for one in series:
            if one.channel == slope_here.row["wire"]:
                findings += self._wire(device, slope_here, one.values[-1], at_us)
        name = slope_here.row["tilt"]
        axes = {one.channel.rpartition(".")[2]: _values(one) for one in series
                if one.channel.rpartition(".")[0] == name}  # fmt: skip
        if set(axes) == {"x", "y", "z"}:
            slope_here.tilt.put(at_us, axes)
        return findings

    def tick(self, now_us: int, utc_us: int) -> list[Finding]:
        """Judge tilt and rain, each against its thresholds."""
        findings = []
        for number, (device, slope) in enumerate(self._slopes.items()):
            if slope.due_us is None:
                slope.due_us = now_us + number * TURN_US % JUDGE_US
            if now_us < slope.due_us:
                continue
            slope.due_us = now_us + JUDGE_US
            if slope.row["rain_device"]:
                slope.rain.go_on(now_us)
            for what, value, limits in self._quantities(slope):
                grade = _grade(value, limits, slope.said.get(what, 0))
                if grade != slope.said.get(what, 0):
                    findings.append(self._graded(device, slope, (what, value, grade), now_us))
                    slope.said[what] = grade
        return findings

    def save(self, now_us: int) -> dict[str, Any]:
        """Return the tilt so far, the water in the ground, and what has been said."""
        return {
            device: {
                "tilt": slope.tilt.save(now_us),
                "rain": slope.rain.save(now_us),
                "said": slope.said,
                "wire": slope.wire,
            }
            for device, slope in self._slopes.items()
        }

    def restore(self, saved: dict[str, Any], now_us: int) -> None:
        """Take it back."""
        for device, slope in self._slopes.items():
            if device in saved:
                slope.tilt.restore(saved[device]["tilt"], now_us)
                slope.rain.restore(saved[device]["rain"], now_us)
                slope.said = dict(saved[device]["said"])
                slope.wire = int(saved[device]["wire"])

    def standing(self) -> set[str]:
        """Return the keys of the findings that are not over, as a restart remembers them."""
        return {
            f"{device}/{what}"
            for device, slope in self._slopes.items()
            for what, grade in (*slope.said.items(), ("wire", slope.wire))
            if grade
        }

    def _quantities(self, slope: _Slope) -> Iterator[tuple[str, float | None, tuple[float, ...]]]:
        """Yield what is judged, its value (None: not computable) and limits of grades 1, 2."""
        row, tilt = slope.row, slope.tilt
        rate, limit = tilt.precaution(row["precaution_deg_h"], row["day_wave_deg"])
        yield "tilt-day", rate, (limit,)
        yield "tilt-hour", tilt.rate_deg_h(WARNING_H), (math.inf, row["warning_deg_h"])
        if row["rain_device"]:
            index = slope.rain.index_mm()
            yield "soil-water", index, (row["index_watch_mm"], row["index_warning_mm"])
            yield "rain-hour", slope.rain.of_hours(1), (row["hour_mm"],)
            yield "rain-day", slope.rain.of_hours(24), (row["day_mm"],)

    def _wire(self, device: str, slope: _Slope, state: int, at_us: int) -> list[Finding]:
        if state == slope.wire:
            return []
        slope.wire = state
        ja, en = WIRE_TEXTS[min(max(state, INTACT), SHORT)]
        is_over = state == INTACT
        return [Finding(
            self.name, f"{device}/wire", INFO if is_over else EMERGENCY,
            MODE_NORMAL if is_over else MODE_DISASTER, f"{ja}: {device}", f"{en}: {device}",
            is_over, kind="slope-wire", place=device, at_us=at_us,
        )]  # fmt: skip

    def _graded(
        self, device: str, slope: _Slope, found: tuple[str, float | None, int], now_us: int
    ) -> Finding:
        what, value, grade = found
        name_ja, name_en, unit, digits = TEXTS[what]
        shown = "?" if value is None else f"{value:.{digits}f}"
        end_ja, end_en = ("", "") if grade else (" 基準を下回りました", ", below its limit again")
        level, mode = ((INFO, MODE_NORMAL), (WATCH, MODE_WATCH), (WARNING, MODE_DISASTER))[grade]
        values = {what.replace("-", "_") + "_" + VALUE_UNITS[unit]: value or 0.0}
        return Finding(
            self.name, f"{device}/{what}", level, mode,
            f"{name_ja} {shown} {unit}{end_ja}: {device}",
            f"{name_en} {shown} {unit}{end_en}: {device}", grade == 0,
            kind="slope", place=device, values=values, at_us=now_us,
        )  # fmt: skip


VALUE_UNITS = {"deg/h": "deg_h", "mm": "mm"}
TEXTS = {
    "tilt-day": ("斜面の傾斜速度(数時間〜1日)", "Slope tilting over hours to a day", "deg/h", 3),
    "tilt-hour": ("斜面の傾斜速度(1時間)", "Slope tilting over an hour", "deg/h", 2),
    "soil-water": ("土壌雨量指数", "Soil water index", "mm", 0),
    "rain-hour": ("1時間雨量", "Rain of an hour", "mm", 1),
    "rain-day": ("24時間雨量", "Rain of 24 hours", "mm", 0),
}
WIRE_TEXTS = (
    ("斜面のワイヤは正常です", "Wire on the slope is whole"),
    ("斜面のワイヤが切れました(信号線の断線を含む)", "Wire on the slope is cut, or its line is"),
    ("斜面のワイヤが短絡しました", "Wire on the slope is short-circuited"),
)


def wave_deg_h(amplitude_deg: float, window_h: int) -> float:
    """Return the steepest slope by least squares of a sine of 24 h in a window of it."""
    turn = math.pi * window_h / 24  # of the sine, from the middle of the window to its end
    share = 3 * (math.sin(turn) - turn * math.cos(turn)) / turn**3
    return amplitude_deg * math.tau / 24 * share


def _values(series: Series) -> list[float]:
    scale = series.multiplier * 10.0**series.exponent
    return [value * scale for value in series.values]


def _grade(value: float | None, limits: tuple[float, ...], before: int) -> int:
    """Return how many limits count as reached; what cannot be computed changes nothing."""
    if value is None:
        return before
    reached = 0
    for at, limit in enumerate(limits, 1):
        if value >= (limit * LEFT_SHARE if at <= before and limit < math.inf else limit):
            reached = at
    return reached
