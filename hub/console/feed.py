"""One clock for all viewers: reads the hub once a second, encodes once, tells every stream.

There are no queues. A stream that could not send in time skips to the newest tick, because
nobody wants last minute's state; a chart that skipped a tick is sent whole again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hub.console.chart import Chart, ChartKey, default_channel
from hub.console.limits import (
    CHART_WHOLE_TICKS,
    CHART_WINDOW_DEFAULT_S,
    CLIENTS_MAX,
    STALE_AFTER_S,
    TICK_S,
)
from hub.console.public import encode, public_snapshot
from hub.console.source import Source

logger = logging.getLogger(__name__)


class FeedFullError(Exception):
    """CLIENTS_MAX streams are open already."""


class Feed:
    """The present state, as bytes, and the charts that somebody watches."""

    def __init__(
        self,
        source: Source,
        *,
        clients_max: int = CLIENTS_MAX,
        desk: Callable[[], dict[str, int]] = dict,
    ) -> None:
        self.tick = 0
        self.closed = False
        self._source = source
        self._clients_max = clients_max
        self._desk = desk  # its counts
        self._ticked = asyncio.Event()
        self._status: bytes | None = None
        self._taken_s = 0.0
        self._utc_us = 0
        self._kinds: dict[str, str] = {}
        self._units: dict[tuple[str, str], str] = {}
        self._charts: dict[ChartKey, Chart] = {}
        self._clients = 0
        self._counts = {"served": 0, "refused_full": 0, "dropped_slow": 0, "failed_ticks": 0}

    async def run(self, stop: asyncio.Event) -> None:
        """Tick until `stop`, then end every stream.

        A tick that fails is logged and counted, and no status goes out: the pages then mark
        themselves stale, which is the truth.
        """
        while not stop.is_set():
            try:
                self.take()
            except Exception:  # The supervisor of this task: the page must outlive its source.
                self._counts["failed_ticks"] += 1
                logger.exception("the page could not read the hub's state")
            try:
                async with asyncio.timeout(TICK_S):
                    await stop.wait()
            except TimeoutError:
                continue
        self.closed = True
        self._ticked.set()

    def take(self) -> None:
        """Read the source once and wake every stream."""
        snapshot = public_snapshot(self._source.snapshot())
        snapshot["console"] = self.statistics()
        self._utc_us = snapshot["hub"]["utc_us"]
        self._kinds = {
            row["device"]: row["kind"] for row in snapshot["devices"] if not row["personal"]
        }
        channels = [row for row in self._source.channels() if row[0] in self._kinds]
        self._units = {(device, channel): unit for device, channel, unit in channels}
        for chart in self._charts.values():
            chart.advance(self._source, self._unit(chart.key), self._utc_us)
        self._status = encode(snapshot)
        self._taken_s = time.monotonic()
        self.tick += 1
        ticked, self._ticked = self._ticked, asyncio.Event()
        ticked.set()

    def status(self) -> bytes | None:
        """Return the snapshot as JSON, at most STALE_AFTER_S old; None if there is none."""
        if time.monotonic() - self._taken_s > STALE_AFTER_S:
            return None
        return self._status

    async def wait_tick(self, tick: int) -> int:
        """Return the number of the newest tick as soon as it differs from `tick`, or at close."""
        while self.tick == tick and not self.closed:
            await self._ticked.wait()
        return self.tick

    @contextmanager
    def client(self) -> Iterator[None]:
        """Hold one viewer's place; FeedFullError when there is none."""
        if self._clients >= self._clients_max:
            self._counts["refused_full"] += 1
            raise FeedFullError
        self._clients += 1
        self._counts["served"] += 1
        try:
            yield
        finally:
            self._clients -= 1

    @contextmanager
    def watched(self, key: ChartKey) -> Iterator[Chart]:
        """Keep the chart of that key up to date while somebody watches it."""
        chart = self._charts.setdefault(key, Chart(key))
        chart.watchers_count += 1
        try:
            yield chart
        finally:
            chart.watchers_count -= 1
            if chart.watchers_count == 0:
                del self._charts[key]

    def default_key(self, window_s: int = CHART_WINDOW_DEFAULT_S) -> ChartKey | None:
        """Return the chart for a viewer who chose none; None while no device has a channel."""
        channels = [(*names, unit) for names, unit in self._units.items()]
        names = default_channel(self._kinds, channels)
        return None if names is None else ChartKey(*names, window_s)

    def is_public(self, key: ChartKey) -> bool:
        """Tell whether the channel exists and may be shown."""
        return self._unit(key) is not None

    def chart_part(self, chart: Chart, tick_sent: int | None) -> bytes:
        """Return what a viewer needs who last got the chart at `tick_sent` (None: never)."""
        if tick_sent == self.tick - 1 and self.tick % CHART_WHOLE_TICKS:
            return chart.increment
        return chart.whole(self._source, self._unit(chart.key), self._utc_us, self.tick)

    def count_slow(self) -> None:
        """Count a viewer who took no bytes for too long."""
        self._counts["dropped_slow"] += 1

    def statistics(self) -> dict[str, Any]:
        """Return counts since start, and the viewers of now."""
        viewers = {"clients": self._clients, "clients_max": self._clients_max, **self._counts}
        return {**viewers, "desk": self._desk()}

    def _unit(self, key: ChartKey) -> str | None:
        return self._units.get((key.device, key.channel))
