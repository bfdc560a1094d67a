"""The page's routes. Read only but for the desk, where operators log in (hub.console.desk)."""

from __future__ import annotations

import json
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.console.chart import Chart, ChartKey
from hub.console.desk import Desk, ForgedError, show_forged
from hub.console.feed import Feed, FeedFullError
from hub.console.limits import (
    CHART_WINDOW_DEFAULT_S,
    CHART_WINDOWS_S,
    NAME_SIZE_MAX,
)
from hub.console.reports import report_route
from hub.console.source import Warnings
from hub.console.stream import EventStream
from hub.console.texts import page_words, texts_in
from hub.console.view import language_of, rendered
from hub.metrics import exposed

HERE = Path(__file__).parent
STATIC = HERE / "static"

# Everything the page loads comes from the hub itself, so it also works with the line cut, and
# a text from outside that slipped into the page could neither run nor fetch anything.
SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def create_app(
    feed: Feed,
    alerts: Warnings | None = None,
    reports: Path | None = None,
    desk: Desk | None = None,
) -> Starlette:
    """Return the page as an ASGI application that shows what the feed tells.

    reports: folder of the inspection reports; desk: where operators act; None: there is none.
    """
    pages = _Pages(feed, alerts, has_desk=desk is not None)
    return Starlette(
        routes=[
            Route("/", pages.page),
            Route("/events", pages.events),
            Route("/api/status", pages.status),
            Route("/api/history", pages.history),
            Route("/alerts.atom", pages.alert_feed),
            Route("/alerts/{identifier}.xml", pages.alert),
            Route("/healthz", pages.health),
            Route("/metrics", pages.metrics),
            *([report_route(reports)] if reports else []),
            *(desk.routes() if desk else []),
            Mount("/static", StaticFiles(directory=STATIC), name="static"),
        ],
        middleware=[Middleware(_Headers), Middleware(GZipMiddleware, compresslevel=6)],
        exception_handlers={
            FeedFullError: _full,
            HTTPException: _refused,
            ForgedError: show_forged,
        },
    )


class _Pages:
    """The endpoints, around the feed that they show."""

    def __init__(self, feed: Feed, alerts: Warnings | None, *, has_desk: bool) -> None:
        self._feed = feed
        self._alerts = alerts
        self._has_desk = has_desk

    async def page(self, request: Request) -> Response:
        """The page itself. It carries no values: what a dead page still shows must not lie."""
        language = language_of(request)
        context = {
            "text": texts_in(language),
            "words": page_words(language),
            "windows_s": CHART_WINDOWS_S,
            "window_default_s": CHART_WINDOW_DEFAULT_S,
            "has_chart": (STATIC / "vendor" / "uPlot.iife.min.js").exists(),
            "has_desk": self._has_desk,
        }
        return rendered(request, "page.html", context)

    async def events(self, request: Request) -> ASGIApp:
        """The stream of `status` and `chart` events; 503 beyond CLIENTS_MAX."""
        window_s = _window_of(request)
        stream = EventStream(self._feed, _key_of(request, window_s), window_s)
        return Response() if request.method == "HEAD" else stream

    async def status(self, request: Request) -> Response:
        """The snapshot as JSON; 503 if the hub's state is not to be had."""
        status = self._feed.status()
        if status is None:
            raise HTTPException(503, "the hub's state could not be read; see the hub's log")
        return Response(status, media_type="application/json")

    async def metrics(self, request: Request) -> Response:
        """The same snapshot for Prometheus; 503 if the hub's state is not to be had."""
        status = self._feed.status()
        if status is None:
            raise HTTPException(503, "the hub's state could not be read; see the hub's log")
        body, media_type = exposed(json.loads(status), request.headers.get("accept", ""))
        return Response(body, headers={"content-type": media_type})

    async def history(self, request: Request) -> Response:
        """One chart as JSON; 404 if there is no such channel for the public."""
        window_s = _window_of(request)
        key = _key_of(request, window_s) or self._feed.default_key(window_s)
        if key is None or not self._feed.is_public(key):
            raise HTTPException(404, "no such channel; /api/status lists them")
        whole = self._feed.chart_part(Chart(key), None)
        return Response(whole, media_type="application/json")

    async def alert_feed(self, request: Request) -> Response:
        """The newest public alerts as an Atom feed; 404 where the hub gives none out."""
        if self._alerts is None:
            raise HTTPException(404, "there are no alerts here")
        return Response(self._alerts.feed(), media_type="application/atom+xml")

    async def alert(self, request: Request) -> Response:
        """One public alert as a CAP document; 404 if the feed has no such alert."""
        name = request.path_params["identifier"]
        document = self._alerts.document(name) if self._alerts is not None else None
        if document is None:
            raise HTTPException(404, "no such alert; /alerts.atom lists them")
        return Response(document, media_type="application/cap+xml")

    async def health(self, request: Request) -> Response:
        """200 while the hub's state is fresh, else 503: for a supervisor to ask."""
        fresh = self._feed.status() is not None
        return PlainTextResponse("ok\n" if fresh else "stale\n", 200 if fresh else 503)


def _window_of(request: Request) -> int:
    text = request.query_params.get("window_s", str(CHART_WINDOW_DEFAULT_S))
    if text not in map(str, CHART_WINDOWS_S):
        choices = ", ".join(map(str, CHART_WINDOWS_S))
        raise HTTPException(400, f"window_s must be one of {choices}")
    return int(text)


def _key_of(request: Request, window_s: int) -> ChartKey | None:
    device = request.query_params.get("device", "")
    channel = request.query_params.get("channel", "")
    if max(len(device), len(channel)) > NAME_SIZE_MAX or bool(device) != bool(channel):
        raise HTTPException(400, "device and channel go together, each a name of the hub")
    return ChartKey(device, channel, window_s) if device else None


async def _full(request: Request, error: Exception) -> Response:
    text = (
        "いま見ている人が多すぎます。しばらくしてからお試しください。\n"
        "Too many viewers just now. Please try again in a moment.\n"
    )
    return PlainTextResponse(text, 503, headers={"retry-after": "5"})


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


class _Headers:
    """Puts SECURITY_HEADERS on every reply, and keeps all but files out of every cache."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_file = scope["type"] == "http" and scope["path"].startswith("/static/")
        # A file is asked for again each time, and answered with 304 while it is the same.
        caching = "no-cache" if is_file else "no-store"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in {**SECURITY_HEADERS, "cache-control": caching}.items():
                    headers.setdefault(name, value)  # a report brings its own policy
            await send(message)

        await self._app(scope, receive, send_with_headers)
