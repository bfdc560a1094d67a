"""The disk under the store: how large the store may get there, and a reserve to make room with.

A store that is allowed more than its disk has would come to its end in the middle of a
transaction. So it may have what its files and the free space hold together, less SLACK_SIZE for
what lies beside the database; the marks of hub.room count from that where it is less than the
size that was set. Should the disk fill up faster (somebody else's files), the reserve is given up:
room enough for the transactions that take out what is least urgent. It is laid aside again when
there is room.
"""

import logging
import os
import sqlite3
from pathlib import Path

log = logging.getLogger(__name__)

RESERVE_FILE = "hub.reserve"
RESERVE_SIZE = 4 * 1024 * 1024  # a piece that is taken out rewrites less (hub.room.PIECE_SIZE_MAX)
# Beside the database: the log (hub.writer.WAL_SIZE_MAX) with its index, two groups, the reserve.
SLACK_SIZE = 28 * 1024 * 1024
SIZE_MIN = 4 * 1024 * 1024  # nothing is given up for less: the disk is full of something else
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_WRITE)


def is_full(error: BaseException) -> bool:
    """Tell whether an error says that there is no room; of a quota SQLite knows but "write"."""
    return getattr(error, "sqlite_errorcode", None) in _FULL


class Disk:
    """The file system that a store lies on. path: of the database."""

    def __init__(self, path: Path) -> None:
        self._folder = path.parent
        self._reserve = self._folder / RESERVE_FILE
        names = (path.name, path.name + "-wal", path.name + "-shm", RESERVE_FILE)
        self._files = [self._folder / name for name in names]

    def size_max(self) -> int:
        """Return how many bytes the database can have here at most."""
        size = self._free() + sum(map(_size, self._files))
        return max(SIZE_MIN, size - min(SLACK_SIZE, size // 2))

    def reserve(self) -> None:
        """Lay the reserve aside, unless it is there or there is little room."""
        if self._free() < 2 * RESERVE_SIZE or _size(self._reserve) >= RESERVE_SIZE:
            return
        try:
            with self._reserve.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVE_SIZE)
        except OSError as error:
            log.warning("no reserve can be laid aside: %s", error)
            self.release()

    def release(self) -> bool:
        """Give the reserve up; False where there was none."""
        try:
            self._reserve.unlink()
        except OSError:
            return False
        return True

    def _free(self) -> int:
        state = os.statvfs(self._folder)
        return state.f_bavail * state.f_frsize


def _size(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0
