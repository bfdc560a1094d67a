"""A flash kept in a file: the port's Flash where there is a file system in place of raw sectors.

Behaves as NOR flash does (bits only go 1 -> 0 until their sector is erased), so that what runs on
it runs on real sectors too. Nothing is sure to survive a power cut before `sync` has returned.
"""

import os

from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PIECES = const(16)  # of an erased sector: one of them is in memory


class FileFlash:
    """Flash of sector_count sectors of sector_size bytes in the file `path`, made if missing.

    OSError where the file cannot be used; ValueError where it is larger than that.
    """

    def __init__(self, path: str, sector_size: int = 4096, sector_count: int = 128) -> None:
        self.sector_size = sector_size
        self.sector_count = sector_count
        self._blank = b"\xff" * (sector_size // _PIECES)
        self._file = self._open(path)

    def read_into(self, offset: int, buf: "bytearray | memoryview[int]") -> None:
        """Fill buf from offset."""
        self._check(offset, len(buf))
        self._file.seek(offset)
        self._file.readinto(buf)

    def program(self, offset: int, data: "bytes | bytearray | memoryview[int]") -> None:
        """Clear bits from offset on: what is there, and data."""
        self._check(offset, len(data))
        old = bytearray(len(data))
        self._file.seek(offset)
        self._file.readinto(old)
        self._file.seek(offset)
        self._file.write(_both(old, data))

    def erase(self, sector: int) -> None:
        """Set every byte of the sector to 0xFF."""
        self._check(sector * self.sector_size, self.sector_size)
        self._file.seek(sector * self.sector_size)
        for _ in range(_PIECES):
            self._file.write(self._blank)

    def sync(self) -> None:
        """Return once all before it would survive a power cut."""
        self._file.flush()
        if hasattr(os, "fsync"):
            os.fsync(self._file.fileno())
        elif hasattr(os, "sync"):
            os.sync()

    def close(self) -> None:
        """Close the file; what was not synced may be lost."""
        self._file.close()

    def _check(self, offset: int, size: int) -> None:
        if not 0 <= offset <= offset + size <= self.sector_size * self.sector_count:
            raise ValueError("outside of the flash")

    def _open(self, path: str) -> "Any":
        """Open the file and fill it up with erased sectors."""
        try:
            file = open(path, "r+b")
        except OSError:
            open(path, "wb").close()
            file = open(path, "r+b")
        size = file.seek(0, 2)
        if size > self.sector_size * self.sector_count:
            file.close()
            raise ValueError(path + " is larger than the flash that was asked for")
        while size < self.sector_size * self.sector_count:
            size += file.write(self._blank[size % len(self._blank) :])
        file.flush()
        return file


def _both(old: bytearray, data: "bytes | bytearray | memoryview[int]") -> bytes:
    """Return the bitwise and of two strings of bytes; on the flash that is blank, data itself."""
    bits = int.from_bytes(old, "big") & int.from_bytes(data, "big")
    return bits.to_bytes(len(old), "big")
