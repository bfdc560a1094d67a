"""River stage against two levels, with hysteresis.

Input: channel `level` in m of devices of kind river. A level counts as reached at once and as left
only `hysteresis_m` below it, so that waves do not ring the bell.
"""

from hub.rules.finding import EMERGENCY, WARNING, Finding
from protocols.batch import Batch
from protocols.vocabulary import LANE_WAVE, MODE_DISASTER, MODE_WATCH


class RiverRule:
    """settings: the [river] table of hub.toml."""

    name = "river"

    def __init__(self, settings: dict[str, float]) -> None:
        self._levels = (float(settings["watch_m"]), float(settings["danger_m"]))
        self._hysteresis = float(settings["hysteresis_m"])
        self._reached: dict[str, int] = {}

    def wants(self, kind: str, lane: int) -> bool:
        """Tell whether batches of such devices and lane are needed."""
        return kind == "river" and lane < LANE_WAVE

    def feed(self, device: str, batch: Batch, now_us: int) -> list[Finding]:
        """Take a batch; only its newest stage decides."""
        findings = []
        for series in batch.series or ():
            if series.channel == "level":
                stage = series.values[-1] * series.multiplier * 10.0**series.exponent
                findings += self._judge(device, stage)
        return findings

    def tick(self, now_us: int) -> list[Finding]:
        """Nothing ends by time alone."""
        return []

    def _judge(self, device: str, stage: float) -> list[Finding]:
        before = self._reached.get(device, 0)
        reached = sum(stage >= level for level in self._levels)
        while reached < before and stage >= self._levels[before - 1] - self._hysteresis:
            reached = before
        if reached == before:
            return []
        self._reached[device] = reached
        shown = max(reached, before)
        mode, level = ((MODE_WATCH, WARNING), (MODE_DISASTER, EMERGENCY))[shown - 1]
        limit = self._levels[shown - 1]
        if reached < before:
            ja = f"水位 {stage:.2f} m: {limit:.2f} m を下回りました({device})"
            en = f"Stage {stage:.2f} m: below {limit:.2f} m again ({device})"
        else:
            ja = f"水位 {stage:.2f} m: {limit:.2f} m に達しました({device})"
            en = f"Stage {stage:.2f} m: reached {limit:.2f} m ({device})"
        return [Finding(self.name, device, level, mode, ja, en, is_over=reached == 0)]
