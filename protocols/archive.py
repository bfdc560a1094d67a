"""The image of a release: a flat archive of files, read in place from flash.

    b"HNIM" count[2] 00 00   then for each file, sorted by name:
    offset[4] size[4] name_size[1] name     integers big-endian; offset from the image's start

Names are UTF-8 with "/" between folders. Nothing is compressed: a board reads the files where
they lie.
"""

from protocols.errors import RemoteProtocolError
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MAGIC = b"HNIM"
_HEAD_SIZE = const(8)
_ROW_SIZE = const(9)
NAME_SIZE_MAX = const(120)
FILES_MAX = const(512)


def pack(files: "dict[str, bytes]") -> bytes:
    """Return the image of these files, name -> content; ValueError beyond the limits."""
    names = sorted(files)
    if len(names) > FILES_MAX or any(
        not 1 <= len(name.encode()) <= NAME_SIZE_MAX for name in names
    ):
        raise ValueError("too many files, or a name that is too long")
    offset = _HEAD_SIZE + sum(_ROW_SIZE + len(name.encode()) for name in names)
    parts = [_MAGIC + len(names).to_bytes(2, "big") + b"\x00\x00"]
    for name in names:
        size = len(files[name])
        row = offset.to_bytes(4, "big") + size.to_bytes(4, "big")
        encoded = name.encode()
        parts.append(row + bytes([len(encoded)]) + encoded)
        offset += size
    return b"".join(parts) + b"".join([files[name] for name in names])


class Archive:
    """Finds files in an image. read_into(offset, buf): fills buf from the image's start.

    RemoteProtocolError("malformed") where it is no image. Holds no index: each search walks the
    rows.
    """

    def __init__(self, read_into: "Any") -> None:
        head = bytearray(_HEAD_SIZE)
        read_into(0, head)
        self._read_into = read_into
        self.count = int.from_bytes(head[4:6], "big")
        if head[:4] != _MAGIC or self.count > FILES_MAX:
            raise RemoteProtocolError("malformed", "no image")
        self._row = bytearray(_ROW_SIZE)
        self._name = bytearray(NAME_SIZE_MAX)

    def rows(self) -> "Any":
        """Step through (name, offset, size) of all files, sorted by name."""
        at = _HEAD_SIZE
        for _ in range(self.count):
            self._read_into(at, self._row)
            size = min(self._row[8], NAME_SIZE_MAX)
            name = memoryview(self._name)[:size]
            self._read_into(at + _ROW_SIZE, name)
            at += _ROW_SIZE + size
            offset = int.from_bytes(self._row[:4], "big")
            yield str(bytes(name), "utf-8"), offset, int.from_bytes(self._row[4:8], "big")

    def find(self, name: str) -> "tuple[int, int] | None":
        """Return (offset, size) of a file, or None."""
        for each, offset, size in self.rows():
            if each == name:
                return offset, size
        return None
