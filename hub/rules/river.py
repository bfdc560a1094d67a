"""River stage against two levels, with hysteresis.

Input: channel `level` in m of devices of kind river. A level counts as reached at once and as left
only `hysteresis_m` below it, so that waves do not ring the bell.
"""

from collections.abc import Iterator
from typing import Any

from hub.rules.finding import EMERGENCY, INFO, WARNING, Finding
from hub.rules.problem import Problem
from hub.settings import Row
from protocols.batch import Batch
from protocols.vocabulary import LANE_WAVE, MODE_DISASTER, MODE_NORMAL, MODE_WATCH

ROWS = (
    Row("river", "watch_m", 2.0, "m", "Stage that raises the mode to watch.", -100, 1000),
    Row("river", "danger_m", 3.0, "m", "Stage that raises the mode to disaster.", -100, 1000),
    Row("river", "hysteresis_m", 0.2, "m",
        "A level counts as left only this far below it.", 0, 10),
)  # fmt: skip
ASKS = ((MODE_NORMAL, INFO), (MODE_WATCH, WARNING), (MODE_DISASTER, EMERGENCY))


def problems(tables: dict[str, Any]) -> Iterator[Problem]:
    """Say what is wrong with [river]."""
    watch_m, danger_m = tables["river"]["watch_m"], tables["river"]["danger_m"]
    if watch_m >= danger_m:
        remedy = f"Allowed: more than river.watch_m, which is {watch_m:g}."
        yield Problem("river", "danger_m", f"is {danger_m:g}", remedy)


class RiverRule:
    """settings: the [river] table of hub.toml."""

    name = "river"

    def __init__(self, settings: dict[str, float]) -> None:
        self._levels = (float(settings["watch_m"]), float(settings["danger_m"]))
        self._hysteresis = float(settings["hysteresis_m"])
        self._reached: dict[str, int] = {}  # device -> how many levels
        self._newest_us: dict[str, int] = {}

    def wants(self, device: str, kind: str, lane: int) -> bool:
        """Tell whether batches of such devices and lane are needed."""
        return kind == "river" and lane < LANE_WAVE

    def feed(self, device: str, batch: Batch, at_us: int) -> list[Finding]:
        """Take a batch whose newest reading was taken at at_us; only the newest stage decides."""
        if at_us < self._newest_us.get(device, at_us):
            return []
        self._newest_us[device] = at_us
        findings = []
        for series in batch.series or ():
            if series.channel == "level":
                stage = series.values[-1] * series.multiplier * 10.0**series.exponent
                findings += self._judge(device, stage)
        return findings

    def tick(self, now_us: int, utc_us: int) -> list[Finding]:
        """Nothing ends by time alone."""
        return []

    def save(self) -> dict[str, Any]:
        """Return how many levels each device has reached."""
        return {"reached": self._reached}

    def restore(self, saved: dict[str, Any], now_us: int) -> None:
        """Take the reached levels back, so that a restart rings no bell twice."""
        self._reached = dict(saved.get("reached", {}))

    def _judge(self, device: str, stage: float) -> list[Finding]:
        before = self._reached.get(device, 0)
        reached = self._count(stage, before)
        if reached == before:
            return []
        self._reached[device] = reached
        limit = self._levels[max(reached, before) - 1]
        if reached < before:
            ja = f"水位 {stage:.2f} m: {limit:.2f} m を下回りました({device})"
            en = f"Stage {stage:.2f} m: below {limit:.2f} m again ({device})"
        else:
            ja = f"水位 {stage:.2f} m: {limit:.2f} m に達しました({device})"
            en = f"Stage {stage:.2f} m: reached {limit:.2f} m ({device})"
        mode, level = ASKS[reached]
        return [Finding(self.name, device, level, mode, ja, en, is_over=reached == 0)]

    def _count(self, stage: float, before: int) -> int:
        """Return how many levels count as reached. before: how many did so far."""
        count = 0
        for level in self._levels:
            limit = level - self._hysteresis if count < before else level
            count += stage >= limit
        return count
