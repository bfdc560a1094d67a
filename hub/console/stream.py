"""One viewer's stream of server-sent events (WHATWG HTML, section 9.2).

    event: status     the snapshot, once a second
    event: chart      the chosen chart: whole at first, then what is new

A stream ends when the viewer leaves, when the hub stops, or when nobody took its bytes for
SEND_TIMEOUT_S. It has no event ids: after a break the page wants the present, not the past.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

from starlette.types import Receive, Scope, Send

from hub.console.chart import Chart, ChartKey
from hub.console.feed import Feed
from hub.console.limits import SEND_TIMEOUT_S

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # For a town hall that puts nginx in front: it would hold the events back otherwise.
    (b"x-accel-buffering", b"no"),
]


def event(name: str, data: bytes) -> bytes:
    """Return one server-sent event; `data` is one line."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)


class EventStream:
    """ASGI response that follows the feed.

    key: the chart to show; None follows the feed's default, as soon as it has one.
    Raises FeedFullError before anything is sent, when there is no place left.
    """

    def __init__(self, feed: Feed, key: ChartKey | None, window_s: int) -> None:
        self._feed = feed
        self._key = key
        self._window_s = window_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until somebody ends it."""
        with self._feed.client():
            left = asyncio.create_task(wait_left(receive))
            sender = asyncio.create_task(self._send_events(send))
            try:
                await asyncio.wait({left, sender}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                sender.cancel()
                left.cancel()
                await asyncio.wait({left, sender})
        if not sender.cancelled() and isinstance(sender.exception(), TimeoutError):
            self._feed.count_slow()
            # The place is free again. The connection itself stays the kernel's to end, see
            # TCP_USER_TIMEOUT in server.py: ASGI has no word for cutting it.
            await wait_left(receive)
        elif not sender.cancelled():
            sender.result()

    async def _send_events(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        chart: Chart | None = None
        tick: int | None = None
        with ExitStack() as watching:
            while not self._feed.closed:
                key = self._key or self._feed.default_key(self._window_s)
                if chart is None and key is not None:
                    chart = watching.enter_context(self._feed.watched(key))
                    tick = None
                part, tick = self._part(chart, tick), self._feed.tick
                await send_in_time(send, part, more=True)
                await self._feed.wait_tick(tick)
        await send_in_time(send, b"", more=False)

    def _part(self, chart: Chart | None, tick_sent: int | None) -> bytes:
        status = self._feed.status()
        part = b"" if status is None else event("status", status)
        if chart is not None:
            part += event("chart", self._feed.chart_part(chart, tick_sent))
        return part


async def send_in_time(send: Send, part: bytes, *, more: bool) -> None:
    """Send a part of the body; TimeoutError if nobody takes it."""
    message = {"type": "http.response.body", "body": part, "more_body": more}
    await asyncio.wait_for(send(message), SEND_TIMEOUT_S)


async def wait_left(receive: Receive) -> None:
    """Return when the viewer has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
