"""Frames <-> a byte stream. TCP: a length of two bytes (big-endian), then the frame."""

from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.limits import FRAME_SIZE_MAX

LENGTH_SIZE = 2


def prefixed(frame: bytes) -> bytes:
    """Return frame with its length in front."""
    size = len(frame)
    if not 1 <= size <= FRAME_SIZE_MAX:
        raise LocalProtocolError(f"frame of {size} bytes")
    return bytes((size >> 8, size & 0xFF)) + frame


class Splitter:
    """Cuts a TCP stream into frames. Keeps at most one incomplete frame."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list:
        """Return the frames that data completes; RemoteProtocolError ends the stream.

        A length of 0 or beyond the limit is an error; frames before it in the same data are not
        returned: nobody has acknowledged them, so they will come again.
        """
        if self._rest:
            data = self._rest + data
        frames = []
        at = 0
        end = len(data)
        while end - at >= 2:
            size = data[at] << 8 | data[at + 1]
            if size > FRAME_SIZE_MAX or not size:
                self._rest = b""
                raise RemoteProtocolError("oversize" if size else "malformed", f"length {size}")
            start = at + 2
            if start + size > end:
                break
            at = start + size
            frames.append(data[start:at])
        self._rest = data[at:]
        return frames

    def is_between_frames(self) -> bool:
        """Tell whether the stream stands at a frame's border (a peer did not stop inside one)."""
        return not self._rest
