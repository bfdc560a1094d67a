"""A simulated board's connections."""

from typing import Any


class Stream:
    """One outgoing connection, over real sockets, that dies with the board's power."""

    def __init__(self, power: Any, reader: Any, writer: Any) -> None:
        self._power = power
        self._reader = reader
        self._writer = writer

    async def read(self, n: int) -> bytes:
        """Return 1..n bytes, or b"" at the end of the stream."""
        self._power.check()
        try:
            data: bytes = await self._reader.read(n)
        finally:
            self._power.check()
        return data

    def write(self, data: bytes) -> None:
        """Queue data; `drain` waits for it."""
        self._power.check()
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until the queue is short again; OSError once the other end is gone."""
        self._power.check()
        try:
            await self._writer.drain()
        finally:
            self._power.check()

    def close(self) -> None:
        """Close both directions."""
        self._writer.close()

    def cut(self) -> None:
        """Break the connection at once, without a word to the other end beyond the reset."""
        self._writer.transport.abort()
