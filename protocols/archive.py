"""The image of a release: a MicroPython ROMFS, so that its code can run where it lies in flash.

    image:      D2 CD 31  size  records      ("RM1", as one variable-length integer: a kind)
    record:     kind  size  payload
    directory:  kind 4, payload: name_size  name  records
    file:       kind 5, payload: name_size  name  a record of kind 2, whose payload is the file

Integers have seven bits a byte, the most significant byte first, all but the last with their top
bit set. (MicroPython documentation, "Working with ROMFS", image format.) Names in a directory are
sorted. Nothing is compressed.
"""

from protocols.errors import RemoteProtocolError
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MAGIC = b"\xd2\xcd\x31"
_MAGIC_SIZE = const(3)
_DATA = const(2)
_DIRECTORY = const(4)
_FILE = const(5)
_INTEGER_SIZE_MAX = const(4)
NAME_SIZE_MAX = const(120)  # of a whole path
FILES_MAX = const(512)
_DEPTH_MAX = const(8)


def pack(files: "dict[str, bytes]") -> bytes:
    """Return the image of these files, name -> content; ValueError beyond the limits."""
    for name in files:
        parts = name.split("/")
        if len(name.encode()) > NAME_SIZE_MAX or len(parts) > _DEPTH_MAX or "" in parts:
            raise ValueError("a name that is empty, too long or too deep: " + name)
    if len(files) > FILES_MAX:
        raise ValueError("too many files")
    body = _packed_directory(files, "")
    size = _packed_integer(len(body))
    if (_MAGIC_SIZE + len(size) + len(body)) % 2:
        size = b"\x80" + size  # an image has an even size
    return _MAGIC + size + body


def _packed_directory(files: "dict[str, bytes]", inside: str) -> bytes:
    """Return the records of all whose name begins with `inside`."""
    parts = []
    last = ""
    for name in sorted([name[len(inside) :] for name in files if name.startswith(inside)]):
        first, slash, _ = name.partition("/")
        named = _packed_integer(len(first.encode())) + first.encode()
        if not slash:
            content = files[inside + first]
            data = _packed_integer(_DATA) + _packed_integer(len(content)) + content
            parts.append(_packed_record(_FILE, named + data))
        elif first != last:
            last = first
            below = _packed_directory(files, inside + first + "/")
            parts.append(_packed_record(_DIRECTORY, named + below))
    return b"".join(parts)


def _packed_record(kind: int, payload: bytes) -> bytes:
    return _packed_integer(kind) + _packed_integer(len(payload)) + payload


def _packed_integer(value: int) -> bytes:
    digits = [value & 0x7F]
    value >>= 7
    while value:
        digits.insert(0, 0x80 | value & 0x7F)
        value >>= 7
    return bytes(digits)


class Archive:
    """Finds files in an image. read_into(offset, buf): fills buf from the image's start.

    RemoteProtocolError("malformed") where it is no image. Holds no index: each search walks the
    records.
    """

    def __init__(self, read_into: "Any") -> None:
        self._read_into = read_into
        self._byte = bytearray(1)
        head = bytearray(_MAGIC_SIZE)
        read_into(0, head)
        if head != _MAGIC:
            raise RemoteProtocolError("malformed", "no image")
        size, self._first = self._integer(_MAGIC_SIZE)
        self._end = self._first + size

    def rows(self) -> "Any":
        """Step through (name, offset, size) of all files; those of a folder lie side by side."""
        folders = [("", self._end)]
        at = self._first
        while folders:
            inside, end = folders[-1]
            if at >= end:
                folders.pop()
                continue
            kind, at = self._integer(at)
            size, at = self._integer(at)
            after = at + size
            if after > end:
                raise RemoteProtocolError("malformed", "image")
            if kind != _DIRECTORY and kind != _FILE:
                at = after
                continue
            name, at = self._name(at, after)
            if kind == _DIRECTORY:
                if len(folders) >= _DEPTH_MAX:
                    raise RemoteProtocolError("malformed", "image")
                folders.append((inside + name + "/", after))
                continue
            kind, at = self._integer(at)
            size, at = self._integer(at)
            if kind != _DATA or at + size > after:
                raise RemoteProtocolError("malformed", "image")
            yield inside + name, at, size
            at = after

    def find(self, name: str) -> "tuple[int, int] | None":
        """Return (offset, size) of a file, or None."""
        for each, offset, size in self.rows():
            if each == name:
                return offset, size
        return None

    def _name(self, at: int, end: int) -> "tuple[str, int]":
        size, at = self._integer(at)
        if not 1 <= size <= min(NAME_SIZE_MAX, end - at):
            raise RemoteProtocolError("malformed", "image")
        name = bytearray(size)
        self._read_into(at, name)
        try:
            return str(bytes(name), "utf-8"), at + size
        except UnicodeError:
            raise RemoteProtocolError("malformed", "image")

    def _integer(self, at: int) -> "tuple[int, int]":
        """Return (value, offset behind it) of the integer at an offset."""
        value = 0
        for _ in range(_INTEGER_SIZE_MAX):
            self._read_into(at, self._byte)
            at += 1
            value = value << 7 | self._byte[0] & 0x7F
            if not self._byte[0] & 0x80:
                return value, at
        raise RemoteProtocolError("malformed", "image")
