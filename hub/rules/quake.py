"""Ground shaking: several nodes report a peak within one window.

Input: series `*.peak` in m/s2 that a node's trigger sends on lane 0. One truck shakes one node; a
quake shakes all, so `devices_min` different devices must report at least `peak_m_s2` within
`window_ms`. The finding lasts until no node has reported for ten windows. This is a plain
threshold, not a seismic intensity.
"""

from typing import Any

from hub.rules.finding import EMERGENCY, Finding
from hub.settings import Row
from protocols.batch import Batch
from protocols.vocabulary import LANE_ALERT, MODE_DISASTER

ROWS = (
    Row("quake", "peak_m_s2", 0.5, "m/s2",
        "Ground acceleration on several nodes that means a quake.", 0.01, 20),
    Row("quake", "devices_min", 3, "devices",
        "So many must agree, so that one truck is no quake.", 1, 1000),
    Row("quake", "window_ms", 3000, "ms", "They must agree within this time.", 100, 60000),
)  # fmt: skip
QUIET_WINDOWS = 10
WORSE_BY = 1.5  # said again when the peak has grown by this factor


class QuakeRule:
    """settings: the [quake] table of hub.toml."""

    name = "quake"

    def __init__(self, settings: dict[str, float]) -> None:
        self._peak_min = float(settings["peak_m_s2"])
        self._devices_min = int(settings["devices_min"])
        self._window_us = int(settings["window_ms"]) * 1000
        self._peaks: dict[str, tuple[int, float]] = {}  # device -> when, its newest peak
        self._worst = 0.0
        self._is_on = False

    def wants(self, device: str, kind: str, lane: int) -> bool:
        """Tell whether batches of such devices and lane are needed."""
        return kind == "bridge" and lane == LANE_ALERT

    def feed(self, device: str, batch: Batch, at_us: int) -> list[Finding]:
        """Take a batch whose newest reading was taken at at_us."""
        for series in batch.series or ():
            if not series.channel.endswith(".peak"):
                continue
            scale = series.multiplier * 10.0**series.exponent
            peak = max(abs(value) for value in series.values) * scale
            if peak >= self._peak_min:
                self._peaks[device] = (at_us, peak)
        recent = [
            peak
            for when_us, peak in self._peaks.values()
            if abs(at_us - when_us) <= self._window_us
        ]
        if len(recent) < self._devices_min:
            return []
        worst = max(recent)
        if self._is_on and worst < WORSE_BY * self._worst:
            return []
        self._is_on, self._worst = True, worst
        return [self._finding(len(recent))]

    def tick(self, now_us: int, utc_us: int) -> list[Finding]:
        """Say when the shaking is over."""
        last_us = max((at_us for at_us, _ in self._peaks.values()), default=0)
        if not self._is_on or now_us - last_us <= QUIET_WINDOWS * self._window_us:
            return []
        finding = self._finding(0, is_over=True)
        self._is_on, self._worst = False, 0.0
        self._peaks.clear()
        return [finding]

    def save(self) -> dict[str, Any]:
        """Nothing: shaking does not outlast a restart."""
        return {}

    def restore(self, saved: dict[str, Any], now_us: int) -> None:
        """Nothing was saved."""

    def _finding(self, count: int, is_over: bool = False) -> Finding:
        if is_over:
            ja, en = "揺れは収まりました", "The shaking is over"
        else:
            ja = f"地震の揺れを観測: 最大 {self._worst:.2f} m/s²({count} 地点)"
            en = f"Ground shaking: peak {self._worst:.2f} m/s² at {count} nodes"
        return Finding(self.name, "quake", EMERGENCY, MODE_DISASTER, ja, en, is_over)
