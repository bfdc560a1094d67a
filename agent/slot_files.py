"""The files of a slot's image as a read-only file system that MicroPython imports from.

A user-defined file system (MicroPython documentation, `vfs`), for `vfs.mount(files, "/app")`.
Files are read from flash where they lie; nothing is copied, no index is held.
"""

import io

from protocols.archive import Archive
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.slots import Slot

_ENOENT = const(2)
_EROFS = const(30)
_IS_FOLDER = const(0x4000)
_IS_FILE = const(0x8000)
_IOCTL_CLOSE = const(4)
_EINVAL = const(22)


class SlotFiles:
    """slot: whose image is whole. RemoteProtocolError where that is no archive."""

    def __init__(self, slot: "Slot") -> None:
        self._slot = slot
        self._archive = Archive(slot.read_image)
        self._folder = ""

    def mount(self, readonly: bool, mkfs: bool) -> None:
        """Nothing to do."""

    def umount(self) -> None:
        """Nothing to do."""

    def open(self, path: str, mode: str) -> "File":
        """Return a file to read; OSError ENOENT, or EROFS for any other mode."""
        if mode.strip("rbt"):
            raise OSError(_EROFS)
        found = self._archive.find(self._full(path))
        if found is None:
            raise OSError(_ENOENT)
        return File(self._slot, found[0], found[1])

    def stat(self, path: str) -> tuple:
        """Return the kind and size of a file or folder, as os.stat does; OSError ENOENT."""
        full = self._full(path)
        if not full:
            return _status(_IS_FOLDER, 0)
        inside = full + "/"
        for name, _, size in self._archive.rows():
            if name == full:
                return _status(_IS_FILE, size)
            if name.startswith(inside):
                return _status(_IS_FOLDER, 0)
        raise OSError(_ENOENT)

    def statvfs(self, path: str) -> tuple:
        """Return the size of the whole, as os.statvfs does: full."""
        return (4096, 4096, self._slot.image_size_max // 4096, 0, 0, 0, 0, 0, 0, 120)

    def ilistdir(self, path: str) -> "Any":
        """Step through (name, kind, 0, size) of what is in a folder."""
        full = self._full(path)
        inside = full + "/" if full else ""
        last = ""
        for name, _, size in self._archive.rows():
            if name.startswith(inside):
                rest = name[len(inside) :].split("/")
                if len(rest) == 1:
                    yield rest[0], _IS_FILE, 0, size
                elif rest[0] != last:
                    last = rest[0]
                    yield last, _IS_FOLDER, 0, 0

    def chdir(self, path: str) -> None:
        """Make a folder the current one; OSError ENOENT."""
        if self.stat(path)[0] != _IS_FOLDER:
            raise OSError(_ENOENT)
        self._folder = self._full(path)

    def getcwd(self) -> str:
        """Return the current folder."""
        return "/" + self._folder

    def _full(self, path: str) -> str:
        if path.startswith("/"):
            return path.strip("/")
        return (self._folder + "/" + path).strip("/")


class File(io.IOBase):
    """One file, read from the flash of its slot."""

    def __init__(self, slot: "Slot", offset: int, size: int) -> None:
        self._slot = slot
        self._offset = offset
        self._size = size
        self._at = 0

    def readinto(self, buf: "bytearray | memoryview") -> int:
        """Fill buf with what is left of the file; return the bytes, 0 at the end."""
        size = min(len(buf), self._size - self._at)
        if size:
            self._slot.read_image(self._offset + self._at, memoryview(buf)[:size])
            self._at += size
        return size

    def read(self, size: int = -1) -> bytes:
        """Return up to size bytes; all that is left where it is negative."""
        left = self._size - self._at
        data = bytearray(left if size < 0 else min(size, left))
        self.readinto(data)
        return bytes(data)

    def ioctl(self, request: int, argument: int) -> int:
        """Answer what MicroPython's streams ask: close is free, the rest is not known."""
        return 0 if request == _IOCTL_CLOSE else -_EINVAL

    def __enter__(self) -> "File":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _status(kind: int, size: int) -> tuple:
    return (kind, 0, 0, 0, 0, 0, size, 0, 0, 0)
