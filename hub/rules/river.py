"""River stage against the levels of its gauge, its rise, and gauges that fail.

Input: channel `level` in m above the gauge's zero, of devices with a row [[river]]. Practice of
MLIT's crisis-management gauges (危機管理型水位計): from `start_m` on the gauge observes every
`interval_min` minutes until the stage is below `stop_m` again; below, it reports once a day at
least, so a gauge that is silent for SILENT_H hours is broken and never "normal". Every ten minutes
is what a gauge does anyway; for oftener the rule asks for the mode watch from `start_m` on, whose
policy is every two minutes.

A level counts as reached at once and as left only `hysteresis_m` below it, so that waves ring no
bell. Names of the levels are data (hub/rules/data/river_levels.toml) with source and date. Not
computable: no stage is known before the first accepted reading; implausible values and lone spikes
are not judged (hub.rules.quality), and how many there were of each is said with a fault and kept.
A gauge of which nothing can be judged any more is a fault, too, however often it speaks.
"""

import importlib.resources
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any, NamedTuple

from hub.rules.finding import INFO, LEVEL_NAMES, WARNING, WATCH, Finding
from hub.rules.problem import Problem, unknown_devices
from hub.rules.quality import ACCEPTED, REASONS_JA, Limits, Quality
from hub.rules.trend import HOUR_US, MINUTE_US, Trend, minutes_until
from hub.settings import Row
from protocols.batch import Batch
from protocols.vocabulary import LANE_WAVE, MODE_NAMES, MODE_NORMAL, MODE_WATCH

ROWS = (
    Row("river", "device", None, "", "Enrolled device of the gauge.", 1, 16),
    Row("river", "levels_m", [1.0, 1.5, 2.0, 2.5, 3.0], "m",
        "Stages of 水防団待機, 氾濫注意, 避難判断, 氾濫危険, 氾濫発生; inf where there is none."),
    Row("river", "start_m", 1.0, "m", "From here on it observes often.", -100, 1000),
    Row("river", "stop_m", 0.9, "m", "Below this it observes seldom again.", -100, 1000),
    Row("river", "interval_min", 10, "min",
        "How often it observes then: by the size of the river.", choices=(2, 5, 10)),
    Row("river", "zero_tp_m", 0.0, "m", "Height of the gauge's zero above T.P.", -100, 4000),
    Row("river", "hysteresis_m", 0.2, "m", "A level is left only this far below it.", 0, 10),
    Row("river", "low_m", -10.0, "m", "Lower is implausible.", -100, 1000),
    Row("river", "high_m", 30.0, "m", "Higher is implausible.", -100, 1000),
    Row("river", "forecast_min", 30, "min",
        "Says so when the next level is this near at the present rise; 0: never.", 0, 600),
)  # fmt: skip
LISTS = ("river",)

SILENT_H = 25
STUCK_H = 6  # above start_m no river stands still to the centimetre for so long
OVERDUE_INTERVALS = 3
REFUSED_MAX = 6  # readings refused one after the other: an hour's of a quiet gauge
ALWAYS_MIN = 10  # what gauges observe at in every mode
JUMP_M = 0.3  # between two readings: waves and driftwood
RISE_M_PER_MIN = 0.2  # twice the steepest flood; 1 m in 10 min is accepted at its first reading
TREND_US = 30 * MINUTE_US
FALLING_AGAIN = 0.5  # a forecast ends when the rise is half of what it was made with


class Level(NamedTuple):
    """One level of a river; see the data file."""

    stage_ja: str
    stage_en: str
    info_ja: str
    info_en: str
    warning_level: int
    level: int
    mode: int


@cache
def levels_of(day: date) -> tuple[Level, ...]:
    """Return the names in force on a day; LookupError before the first version."""
    text = importlib.resources.files("hub.rules").joinpath("data/river_levels.toml").read_text()
    versions = [one for one in tomllib.loads(text)["version"] if one["from"] <= day]
    if not versions:
        raise LookupError(f"no names of river levels for {day}")
    newest = max(versions, key=lambda one: one["from"])
    return tuple(
        Level(**{**row, "level": LEVEL_NAMES.index(row["level"]),
                 "mode": MODE_NAMES.index(row["mode"])})
        for row in newest["levels"]
    )  # fmt: skip


def problems(tables: dict[str, Any], devices: set[str]) -> Iterator[Problem]:
    """Say what is wrong with [[river]]."""
    yield from unknown_devices("river", tables["river"], devices)
    for at, row in enumerate(tables["river"]):
        levels = row["levels_m"]
        numbers = [one for one in levels if isinstance(one, (int, float)) and one == one]
        known = [one for one in numbers if one != float("inf")]
        if len(numbers) != 5 or len(levels) != 5 or sorted(set(known)) != known:
            remedy = "Write five rising numbers, as [1.0, 1.5, 2.0, 2.5, 3.0]; inf for none."
            yield Problem("river", "levels_m", f"is {levels}", remedy, at)
        if row["stop_m"] > row["start_m"]:
            remedy = f"Allowed: at most river.start_m, which is {row['start_m']:g}."
            yield Problem("river", "stop_m", f"is {row['stop_m']:g}", remedy, at)


@dataclass
class _Gauge:
    row: dict[str, Any]
    quality: Quality
    trend: Trend
    stage: float | None = None
    newest_us: int = -1
    heard_us: int | None = None  # None: not since the start of the hub
    reached: int = 0  # how many of the five levels
    is_often: bool = False
    forecast_per_hour: float = 0.0  # 0: none is out
    may_forecast: bool = True  # not again until the level is far for once
    faults: set[str] = field(default_factory=set)


class RiverRule:
    """gauges: the [[river]] tables of hub.toml."""

    name = "river"

    def __init__(self, gauges: list[dict[str, Any]], day: date | None = None) -> None:
        """day: whose names of levels are used; None: the newest."""
        self._levels = levels_of(day or date.max)
        self._started_us: int | None = None
        self._gauges = {
            row["device"]: _Gauge(
                row,
                Quality(Limits(row["low_m"], row["high_m"], JUMP_M, RISE_M_PER_MIN)),
                Trend(TREND_US),
            )
            for row in gauges
        }

    def wants(self, device: str, kind: str, lane: int) -> bool:
        """Tell whether batches of such devices and lane are needed."""
        return device in self._gauges and lane < LANE_WAVE

    def feed(self, device: str, batch: Batch, at_us: int) -> list[Finding]:
        """Take a batch; readings that are older than the newest judged are history."""
        gauge = self._gauges.get(device)
        if gauge is None:
            return []
        gauge.heard_us = max(gauge.heard_us or 0, at_us)
        findings = []
        for series in batch.series or ():
            if series.channel != "level":
                continue
            scale = series.multiplier * 10.0**series.exponent
            last_us = series.time_us(len(series.values) - 1)
            for position, raw in enumerate(series.values):
                when_us = at_us - (last_us - series.time_us(position))
                if when_us > gauge.newest_us:
                    findings += self._read(device, gauge, raw * scale, when_us)
        return findings

    def tick(self, now_us: int, utc_us: int) -> list[Finding]:
        """Find gauges that are silent, late or stuck."""
        if self._started_us is None:
            self._started_us = now_us
        findings = []
        for device, gauge in self._gauges.items():
            heard_us = self._started_us if gauge.heard_us is None else gauge.heard_us
            silent_us = now_us - heard_us
            interval_us = gauge.row["interval_min"] * MINUTE_US
            is_silent = silent_us > SILENT_H * HOUR_US
            is_late = gauge.is_often and silent_us > OVERDUE_INTERVALS * interval_us
            is_stuck = gauge.is_often and gauge.quality.same_for_us(now_us) > STUCK_H * HOUR_US
            findings += self._fault(device, gauge, "silent", is_silent)
            findings += self._fault(device, gauge, "late", is_late and not is_silent)
            findings += self._fault(device, gauge, "stuck", is_stuck and not is_late)
            is_refused = gauge.quality.refused_run >= REFUSED_MAX
            findings += self._fault(device, gauge, "refused", is_refused and not is_silent)
        return findings

    def save(self, now_us: int) -> dict[str, Any]:
        """Return what each gauge has reached."""
        return {
            device: {
                "reached": gauge.reached,
                "is_often": gauge.is_often,
                "forecast_per_hour": gauge.forecast_per_hour,
                "rejected": dict(gauge.quality.rejected),
                "faults": sorted(gauge.faults),
                "heard_age_us": None if gauge.heard_us is None else now_us - gauge.heard_us,
            }
            for device, gauge in self._gauges.items()
        }

    def restore(self, saved: dict[str, Any], now_us: int) -> None:
        """Take it back, so that a restart rings no bell twice."""
        for device, gauge in self._gauges.items():
            was = saved.get(device, {})
            gauge.reached = int(was.get("reached", 0))
            gauge.is_often = bool(was.get("is_often", False))
            gauge.forecast_per_hour = float(was.get("forecast_per_hour", 0.0))
            gauge.may_forecast = not gauge.forecast_per_hour
            gauge.quality.rejected.update(was.get("rejected", {}))
            gauge.faults = set(was.get("faults", ())) & FAULTS.keys()
            age_us = was.get("heard_age_us")
            gauge.heard_us = None if age_us is None else now_us - int(age_us)

    def standing(self) -> set[str]:
        """Return the keys of the findings that are not over, as a restart remembers them."""
        levels = {name for name, gauge in self._gauges.items() if gauge.reached}
        often = {f"{name}/observing" for name, gauge in self._gauges.items() if gauge.is_often}
        near = {f"{name}/forecast" for name, one in self._gauges.items() if one.forecast_per_hour}
        faults = {f"{name}/{one}" for name, gauge in self._gauges.items() for one in gauge.faults}
        return levels | often | near | faults

    def stages(self) -> dict[str, tuple[float | None, float | None]]:
        """Return the stage in m and its rise in m/h of each gauge; None: not known."""
        return {
            name: (gauge.stage, gauge.trend.per_hour()) for name, gauge in self._gauges.items()
        }

    def rejected(self) -> dict[str, dict[str, int]]:
        """Return gauge -> reason -> how many readings were not judged for it."""
        return {name: dict(gauge.quality.rejected) for name, gauge in self._gauges.items()}

    def _read(self, device: str, gauge: _Gauge, stage: float, at_us: int) -> list[Finding]:
        gauge.newest_us = at_us
        if gauge.quality.judge(stage, at_us) != ACCEPTED:
            return []
        gauge.stage = stage
        gauge.trend.put(at_us, stage)
        row, was_often = gauge.row, gauge.is_often
        gauge.is_often = stage >= (row["stop_m"] if was_often else row["start_m"])
        before = gauge.reached
        gauge.reached = self._count(row, stage, before)
        findings = []
        if gauge.is_often != was_often and row["interval_min"] < ALWAYS_MIN:
            findings.append(self._observing(device, gauge, at_us))
        if gauge.reached != before:
            findings.append(self._changed(device, gauge, before, at_us))
        return findings + self._forecast(device, gauge, at_us)

    def _count(self, row: dict[str, Any], stage: float, before: int) -> int:
        """Return how many levels count as reached. before: how many did so far."""
        count = 0
        for at, level in enumerate(row["levels_m"]):
            limit = level - row["hysteresis_m"] if at < before else level
            if stage >= limit:
                count = at + 1
        return count

    def _observing(self, device: str, gauge: _Gauge, at_us: int) -> Finding:
        row, values = gauge.row, self._values(gauge)
        minutes, is_over = row["interval_min"], not gauge.is_often
        ja, en = (
            (f"観測を {minutes} 分間隔に強化(開始水位 {row['start_m']:.2f} m)",
             f"observed every {minutes} min from {row['start_m']:.2f} m on")
            if gauge.is_often else
            (f"観測強化を終了(停止水位 {row['stop_m']:.2f} m)",
             f"observed seldom again, below {row['stop_m']:.2f} m")
        )  # fmt: skip
        return Finding(
            self.name, f"{device}/observing", INFO, MODE_NORMAL if is_over else MODE_WATCH,
            f"{ja}: {device}", f"{en}: {device}", is_over, kind="river-observing", place=device,
            values=values, at_us=at_us,
        )  # fmt: skip

    def _changed(self, device: str, gauge: _Gauge, before: int, at_us: int) -> Finding:
        stage, reached = gauge.stage, gauge.reached
        assert stage is not None
        name = self._levels[max(reached, before) - 1]
        values = self._values(gauge)
        rise_ja, rise_en = "", ""
        if "rise_m_per_h" in values:
            rise_ja = f"、{values['rise_m_per_h']:+.2f} m/h"
            rise_en = f", {values['rise_m_per_h']:+.2f} m/h"
        if reached < before:
            ja = f"水位 {stage:.2f} m{rise_ja}: {name.stage_ja}を下回りました({device})"
            en = f"Stage {stage:.2f} m{rise_en}: below {name.stage_en} again ({device})"
        else:
            info = f"({name.info_ja}相当)" if name.info_ja else ""
            ja = f"水位 {stage:.2f} m{rise_ja}: {name.stage_ja}に達しました{info}({device})"
            info = f", as for a {name.info_en}" if name.info_en else ""
            en = f"Stage {stage:.2f} m{rise_en}: reached {name.stage_en}{info} ({device})"
        now = self._levels[reached - 1] if reached else None
        level, mode = (now.level, now.mode) if now else (INFO, MODE_NORMAL)
        return Finding(
            self.name, device, level, mode, ja, en, reached == 0,
            kind="river", place=device, values=values, at_us=at_us,
        )  # fmt: skip

    def _values(self, gauge: _Gauge) -> dict[str, float]:
        stage = gauge.stage or 0.0
        values = {
            "stage_m": stage,
            "stage_tp_m": stage + gauge.row["zero_tp_m"],
            "warning_level": float(
                self._levels[gauge.reached - 1].warning_level if gauge.reached else 0
            ),
        }
        rise = gauge.trend.per_hour()
        if rise is not None:
            values["rise_m_per_h"] = rise
        return values

    def _forecast(self, device: str, gauge: _Gauge, at_us: int) -> list[Finding]:
        """Say that the next level that matters is near, once; and that it is no more."""
        rise = gauge.trend.per_hour()
        if rise is None:  # not computable: nothing begins by that, and nothing ends
            return []
        stage, levels = gauge.stage or 0.0, gauge.row["levels_m"]
        following = [at for at in range(1, 5) if at >= gauge.reached and levels[at] > stage]
        at = following[0] if following else 0
        minutes = minutes_until(levels[at], stage, rise) if following else None
        is_out = gauge.forecast_per_hour > 0
        if minutes is None or minutes > 2 * gauge.row["forecast_min"]:
            gauge.may_forecast = True
        is_near = minutes is not None and minutes <= gauge.row["forecast_min"]
        is_sure = gauge.trend.span_us() >= TREND_US // 3
        if is_near and is_sure and not is_out and gauge.may_forecast:
            gauge.forecast_per_hour, gauge.may_forecast = rise, False
        elif not (is_out and (minutes is None or rise < FALLING_AGAIN * gauge.forecast_per_hour)):
            return []
        else:
            gauge.forecast_per_hour = 0.0
        name = self._levels[at]
        is_over = not gauge.forecast_per_hour
        if is_over:
            ja, en = f"水位の上昇が緩みました({device})", f"The rise has eased ({device})"
        else:
            ja = f"このままなら約 {minutes:.0f} 分で{name.stage_ja}({rise:+.2f} m/h)({device})"
            en = f"{name.stage_en} in about {minutes:.0f} min at {rise:+.2f} m/h ({device})"
        values = {**self._values(gauge), "minutes_to_level": minutes or 0.0}
        return [Finding(
            self.name, f"{device}/forecast", WATCH, MODE_WATCH, ja, en, is_over,
            kind="river-forecast", place=device, values=values, at_us=at_us,
        )]  # fmt: skip

    def _fault(self, device: str, gauge: _Gauge, fault: str, is_there: bool) -> list[Finding]:
        if is_there == (fault in gauge.faults):
            return []
        gauge.faults ^= {fault}
        ja, en = FAULTS[fault]
        refused = gauge.quality.rejected
        if refused:
            counts_ja = "、".join(f"{REASONS_JA[one]} {refused[one]}" for one in sorted(refused))
            counts_en = ", ".join(f"{refused[one]} {one}" for one in sorted(refused))
            ja, en = f"{ja}(除外: {counts_ja})", f"{en} (refused: {counts_en})"
        if not is_there:
            ja, en = f"回復: {ja}", f"over: {en}"
        return [Finding(
            self.name, f"{device}/{fault}", WARNING, MODE_NORMAL, f"{ja}: {device}",
            f"{en}: {device}", not is_there, kind="river-fault", place=device,
        )]  # fmt: skip


FAULTS = {
    "silent": (f"水位計が {SILENT_H} 時間以上 沈黙", f"gauge silent for more than {SILENT_H} h"),
    "late": ("水位計の観測が遅れています", "gauge does not observe as often as it should"),
    "refused": ("水位計の値が続けて異常です", "every value of the gauge is refused"),
    "stuck": ("水位が動きません(固着の疑い)", "stage does not move: the sensor may be stuck"),
}
