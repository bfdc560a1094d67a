"""Frames over TCP, each with its length in front (protocols.framing)."""

from agent.links import Refused
from protocols.errors import LinkError
from protocols.framing import Splitter, prefixed
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_REFUSED = (111, 104)  # ECONNREFUSED, ECONNRESET, as Linux and lwIP number them
_READ_SIZE = const(1024)  # acks and commands are small; on a board this is heap


class TcpLink:
    """The way to one hub. board: the hardware port; host, port: of the hub."""

    name = "tcp"

    def __init__(self, board: "Any", host: str, port: int) -> None:
        self._board = board
        self._host = host
        self._port = port

    async def open(self) -> "TcpConnection":
        """Connect; LinkError where that fails, Refused where somebody said no."""
        try:
            return TcpConnection(await self._board.connect(self._host, self._port))
        except OSError as error:
            code = error.args[0] if error.args else 0
            raise (Refused if code in _REFUSED else LinkError)("connect: " + str(error))


class TcpConnection:
    """One connection. stream: of the hardware port."""

    def __init__(self, stream: "Any") -> None:
        self._stream = stream
        self._splitter = Splitter()

    async def receive(self) -> "list[bytes]":
        """Return the next frames;

        LinkError at the end, RemoteProtocolError for what is no frame.
        """
        while True:
            try:
                data = await self._stream.read(_READ_SIZE)
            except OSError as error:
                raise LinkError("read: " + str(error))
            if not data:
                raise LinkError("closed by the hub")
            frames: list[bytes] = self._splitter.feed(data)
            if frames:
                return frames

    def send(self, frame: bytes) -> None:
        """Queue a frame; LinkError once the connection is broken."""
        try:
            self._stream.write(prefixed(frame))
        except OSError as error:
            raise LinkError("write: " + str(error))

    async def drain(self) -> None:
        """Wait until the queue is short; LinkError once the connection is broken."""
        try:
            await self._stream.drain()
        except OSError as error:
            raise LinkError("write: " + str(error))

    def close(self) -> None:
        """Close both directions."""
        self._stream.close()
