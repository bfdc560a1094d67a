"""Runs the page in the hub's own event loop, until the hub stops."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from hub.config import Config
from hub.console.app import create_app
from hub.console.desk import Desk
from hub.console.feed import Feed
from hub.console.limits import (
    CONNECTIONS_MAX,
    REQUEST_HEAD_TIMEOUT_S,
    SEND_BUFFER_SIZE,
    SEND_TIMEOUT_S,
    SHUTDOWN_TIMEOUT_S,
)
from hub.console.source import Source, Warnings


async def serve(
    source: Source,
    host: str,
    port: int,
    stop: asyncio.Event,
    *,
    ready: asyncio.Future[int] | None = None,
    alerts: Warnings | None = None,
    reports: Path | None = None,
    desk: Desk | None = None,
    tls: tuple[Path, Path] | None = None,
) -> None:
    """Serve the page on host:port until `stop` is set; returns when all is closed.

    port: 0 takes a free one. ready: gets the port as soon as connections are taken.
    tls: files of certificate and key; with them it speaks HTTPS only.
    Raises OSError if the port or the certificate cannot be had, before anything runs.
    """
    if tls is not None:
        check_certificate(tls)
    listener = listen(host, port)
    if ready is not None:
        ready.set_result(listener.getsockname()[1])
    feed = Feed(source, desk=desk.statistics if desk else dict)
    server = _EmbeddedServer(
        uvicorn.Config(
            create_app(feed, alerts, reports, desk),
            http=_ImpatientProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            # A proxy on this machine says who asks, and whether by HTTPS; nobody else may.
            forwarded_allow_ips=["127.0.0.1", "::1"],
            ssl_certfile=tls[0] if tls else None,
            ssl_keyfile=tls[1] if tls else None,
            limit_concurrency=CONNECTIONS_MAX,
            timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
        )
    )
    ticking = asyncio.create_task(feed.run(stop))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        # `feed.run` ends at `stop` and has ended the streams by then, so the server closes soon.
        await asyncio.wait({ticking, serving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ticking.cancel()
        server.should_exit = True
        await serving
        listener.close()
        if desk is not None:
            desk.close()


def certificate_of(config: Config) -> tuple[Path, Path] | None:
    """Return the files of the page's certificate and its key; None where it speaks HTTP."""
    row = config.tables["console"]
    if not row["certificate"]:
        return None
    return config.folder / row["certificate"], config.folder / row["key"]


def check_certificate(tls: tuple[Path, Path]) -> None:
    """Raise OSError with what is wrong where the files are no certificate and its key."""
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        # Nobody is there to be asked for the password of a key.
        context.load_cert_chain(*tls, password="")
    except ssl.SSLError as error:
        reason = error.reason or "the key wants a password"
        why = f"{tls[0]} and {tls[1]} are no certificate and its key: {reason}"
        raise OSError(why) from None


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket of the page; what it sets, every connection inherits.

    Raises OSError if host or port cannot be had.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_SIZE)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: cut a peer that takes nothing.
            timeout_ms = int(2 * SEND_TIMEOUT_S * 1000)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
        listener.bind(address)
        listener.listen()
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


class _EmbeddedServer(uvicorn.Server):
    """Leaves the signals to the hub, which stops the page through `stop`."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _ImpatientProtocol(H11Protocol):
    """Cuts a connection that has asked for nothing in time; uvicorn would wait for ever."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(REQUEST_HEAD_TIMEOUT_S, self._cut_if_silent)

    def _cut_if_silent(self) -> None:
        if self.cycle is None:
            self.transport.abort()
