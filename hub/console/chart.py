"""One channel over one span of time, as the page draws it, encoded once for all who watch it.

The span is cut into stretches of equal length that begin at multiples of that length, so the
same reading always falls into the same stretch. An increment repeats the newest stretch, which
was not full yet, and adds those after it; the page replaces what it has from there on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from hub.console.limits import CHART_POINTS
from hub.console.public import encode, short
from hub.console.source import Point, Source


class ChartKey(NamedTuple):
    """What a viewer chose to see."""

    device: str
    channel: str
    window_s: int


# Which channel is shown when the viewer chose none: the first row that any channel fits.
DEFAULT_CHARTS = (
    ("bridge", "acc.x"),
    ("river", "level"),
    ("slope", "tilt"),
)


def default_channel(
    kinds: dict[str, str], channels: Iterable[tuple[str, str, str]]
) -> tuple[str, str] | None:
    """Return (device, channel) to show first; None while there is no channel.

    kinds: kind by device, of the devices that may be shown.
    """
    known = [(device, channel) for device, channel, _ in channels if device in kinds]
    for kind, prefix in DEFAULT_CHARTS:
        for device, channel in known:
            if kinds[device] == kind and channel.startswith(prefix):
                return device, channel
    return known[0] if known else None


def bucket_us(window_s: int) -> int:
    """Return the length of one stretch of a chart of that span."""
    return window_s * 1_000_000 // CHART_POINTS


def thinned(points: Iterable[Point], size_us: int) -> list[tuple[int, float, float]]:
    """Return (start_utc_us, min, max) of each stretch that has points, oldest first."""
    stretches: dict[int, tuple[float, float]] = {}
    for utc_us, low, high in points:
        start_us = int(utc_us) // size_us * size_us
        known = stretches.get(start_us)
        if known is not None:
            low, high = min(low, known[0]), max(high, known[1])
        stretches[start_us] = (low, high)
    return [(start_us, *stretches[start_us]) for start_us in sorted(stretches)]


class Chart:
    """A channel that at least one viewer watches."""

    def __init__(self, key: ChartKey) -> None:
        self.key = key
        self.watchers_count = 0
        self.increment = b""
        self._since_us = 0
        self._whole: tuple[int, bytes] | None = None

    def advance(self, source: Source, unit: str | None, utc_us: int) -> None:
        """Read what is new since the last call into `increment`."""
        oldest_us = utc_us - self.key.window_s * 1_000_000
        # The hub's UTC may have jumped back since; then begin anew from there.
        since_us = max(min(self._since_us, utc_us), oldest_us)
        document = self.document(source, unit, since_us, whole=False)
        self.increment = encode(document)
        self._remember(document)

    def whole(self, source: Source, unit: str | None, utc_us: int, tick: int) -> bytes:
        """Return the whole chart, encoded once a tick however many viewers ask."""
        if self._whole is None or self._whole[0] != tick:
            since_us = utc_us - self.key.window_s * 1_000_000
            document = self.document(source, unit, since_us, whole=True)
            self._whole = (tick, encode(document))
            self._remember(document)
        return self._whole[1]

    def _remember(self, document: dict[str, Any]) -> None:
        if document["t_ms"]:
            self._since_us = document["t_ms"][-1] * 1000

    def document(
        self, source: Source, unit: str | None, since_us: int, *, whole: bool
    ) -> dict[str, Any]:
        """Return the chart since then as columns; empty if `unit` is None (not to be shown).

        Stretches begin at whole ms: the shortest span has stretches of 200 ms.
        """
        size_us = bucket_us(self.key.window_s)
        start_us = since_us // size_us * size_us
        points: Iterable[Point] = ()
        if unit is not None:
            points = source.history(self.key.device, self.key.channel, start_us)
        rows = [row for row in thinned(points, size_us) if row[0] >= start_us]
        return {
            **self.key._asdict(),
            "unit": unit,
            "whole": whole,
            "bucket_ms": size_us // 1000,
            "t_ms": [row[0] // 1000 for row in rows],
            "min": [short(row[1]) for row in rows],
            "max": [short(row[2]) for row in rows],
        }
