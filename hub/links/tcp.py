"""Devices over TCP: two bytes of length, then a frame."""

import asyncio
import logging
import socket
from collections.abc import Callable

from hub.ingest import Ingest, Peer
from protocols.errors import RemoteProtocolError
from protocols.framing import Splitter, prefixed

log = logging.getLogger(__name__)

# What a device that does not read may leave unsent before it is cut off; acks are small.
UNSENT_SIZE_MAX = 256 * 1024


# What is read at once. One buffer serves all connections, for what is read is taken before the
# next read: fresh ones for each leave holes in the heap (measured: 10 MB with 50 devices at full
# speed).
READ_SIZE_MAX = 64 * 1024


class TcpLink(asyncio.BufferedProtocol):
    """One connection. buffer: shared by all."""

    def __init__(
        self,
        ingest: Ingest,
        now_us: Callable[[], int],
        links: "set[TcpLink]",
        most: int,
        *,
        buffer: memoryview,
    ) -> None:
        self._ingest = ingest
        self._now_us = now_us
        self._links = links
        self._most = most
        self._buffer = buffer
        self._splitter = Splitter()
        self._transport: asyncio.Transport | None = None
        self._peer: Peer | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or refuse it beyond the limit."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if len(self._links) >= self._most:
            self._ingest.refuse("too_many", "", "")
            transport.abort()
            return
        self._links.add(self)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._peer = Peer(self._ingest, self, self._now_us())

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the buffer for one read."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Cut the stream and give the frames to the peer."""
        peer = self._peer
        if peer is None or peer.is_over:
            return
        try:
            frames = self._splitter.feed(bytes(self._buffer[:nbytes]))
        except RemoteProtocolError as error:
            peer.refuse(error.reason, str(error))
            return
        if frames and not peer.take(frames, self._now_us()) and self._transport is not None:
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the peer."""
        self._links.discard(self)
        if self._peer is not None:
            self._peer.gone(self._splitter.is_between_frames())
        self._transport = None

    def write(self, frames: list[bytes]) -> None:
        """Send whole frames; a device that does not read is cut off."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(b"".join(map(prefixed, frames)))
        if transport.get_write_buffer_size() > UNSENT_SIZE_MAX:
            self._ingest.refuse("silent", "does not read", self._peer.device if self._peer else "")
            transport.abort()

    def close(self) -> None:
        """Close after what is written."""
        if self._transport is not None:
            self._transport.close()

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()


async def listen(
    ingest: Ingest, address: tuple[str, int], now_us: Callable[[], int], connections_max: int
) -> asyncio.Server:
    """Listen for devices; OSError when the address is taken or not ours."""
    links: set[TcpLink] = set()
    buffer = memoryview(bytearray(READ_SIZE_MAX))
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: TcpLink(ingest, now_us, links, connections_max, buffer=buffer),
        *address,
        backlog=512,
    )
