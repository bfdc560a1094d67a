"""One outgoing connection, the same on both real bodies: asyncio's two halves as one.

MicroPython's reader and writer are one object, CPython's are two.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Stream:
    """One outgoing connection."""

    def __init__(self, reader: "Any", writer: "Any") -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, n: int) -> bytes:
        """Return 1..n bytes, or b"" at the end of the stream."""
        return await self._reader.read(n)

    def write(self, data: bytes) -> None:
        """Queue data; `drain` waits for it."""
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until the queue is short again; OSError once the other end is gone."""
        await self._writer.drain()

    def close(self) -> None:
        """Close both directions."""
        self._writer.close()
