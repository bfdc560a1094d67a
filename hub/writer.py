"""The writer of the store: one transaction for each group. Runs on a thread of its own."""

import logging
import os
import sqlite3
from pathlib import Path

from hub import dead_letters
from hub.chunks import Chunk
from hub.database import (
    SAVE_CHUNK,
    SAVE_CLOCK,
    SAVE_CURSOR,
    SAVE_LANE,
    SAVE_META,
    SAVE_SEEN,
    row_crc,
)
from hub.disk import Disk, is_full
from hub.group import CursorRow, Job, Removal
from hub.ledger import append, write_head
from hub.seen import pack
from protocols.vocabulary import LANES

log = logging.getLogger(__name__)

LANE_SHIFT = 48
# The log beside the file: SQLite empties it by itself at about 4 MiB, unless somebody reads a
# long time; from here on the writer asks for it.
WAL_SIZE_MAX = 16 * 1024 * 1024
_WAL_STEP_SIZE = 1024 * 1024  # that much it grows before the writer asks again
_WAL_WAIT_MS = 20  # for readers to end; a commit waits as long


class Writer:
    """Commits groups. db: a connection that nobody else uses while commit runs."""

    def __init__(self, db: sqlite3.Connection, path: Path, disk: Disk) -> None:
        self._db = db
        self._disk = disk
        self._folder = path.parent
        self._wal = path.with_name(path.name + "-wal")
        self._wal_size_max = WAL_SIZE_MAX

    def commit(self, job: Job) -> None:
        """Write all of a group and take out what it removes, or nothing; sqlite3.Error if not."""
        try:
            self._write(job)
        except sqlite3.Error as error:
            if not (is_full(error) and self._gain_room()):
                raise
            self._write(job)

    def _gain_room(self) -> bool:
        """Give up the reserve and begin the log anew, in the room that it has; True if either."""
        has_reserve = self._disk.release()
        return self._checkpoint("RESTART") or has_reserve

    def _write(self, job: Job) -> None:
        db, group = self._db, job.group
        try:
            db.execute("BEGIN IMMEDIATE")
            for lane in LANES:
                if job.chunks[lane]:
                    self._insert(lane, job.chunks[lane])
            db.executemany(SAVE_SEEN, job.seen)
            db.executemany(SAVE_CLOCK, group.clocks)
            for uplink, rows in group.cursors.items():
                self._insert_cursor(uplink, rows)
            dead_letters.write(db, group.dead_letters)
            db.executemany(SAVE_META, list(group.meta.items()))
            job.removed_sizes = [self._remove(removal) for removal in group.removals]
            head = append(db, group.ledger) if group.ledger else None
            job.used = used_size(db)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        if head is not None:
            write_head(self._folder, head)
        self._bound_wal()

    def _insert(self, lane: int, chunks: list[Chunk]) -> None:
        self._insert_chunks(lane, chunks)
        following = chunks[-1][0] + chunks[-1][1]
        self._db.execute(SAVE_LANE, (lane, following, _size(chunks)))

    def _insert_chunks(self, lane: int, chunks: list[Chunk]) -> None:
        base = lane << LANE_SHIFT
        rows = [(base | first, count, blob) for first, count, blob in chunks]
        self._db.executemany(SAVE_CHUNK, [(*row, row_crc("chunk", *row)) for row in rows])

    def _insert_cursor(self, uplink: str, rows: list[CursorRow]) -> None:
        values = [(uplink, lane, live, pack(flat), *rest) for lane, live, flat, *rest in rows]
        self._db.executemany(SAVE_CURSOR, values)

    def _remove(self, removal: Removal) -> int:
        """Take chunks out, put back what stays; return how many bytes of frames that frees."""
        base = removal.lane << LANE_SHIFT
        query = "SELECT coalesce(sum(length(frames)), 0) FROM chunk WHERE id = ?"
        size = 0
        for start in removal.starts:
            size += self._db.execute(query, (base | start,)).fetchone()[0]
            self._db.execute("DELETE FROM chunk WHERE id = ?", (base | start,))
        self._insert_chunks(removal.lane, removal.kept)
        size -= _size(removal.kept)
        change = "UPDATE lane SET bytes = bytes - ? WHERE lane = ?"
        self._db.execute(change, (size, removal.lane))
        return size

    def _bound_wal(self) -> None:
        try:
            size = os.stat(self._wal).st_size
        except FileNotFoundError:
            return
        if size > self._wal_size_max:
            is_empty = self._checkpoint("TRUNCATE")
            self._wal_size_max = WAL_SIZE_MAX if is_empty else size + _WAL_STEP_SIZE

    def _checkpoint(self, how: str) -> bool:
        """Bring the log into the file; False where a reader or an error is in the way."""
        # The commit before it has succeeded, whatever becomes of this.
        self._db.execute(f"PRAGMA busy_timeout = {_WAL_WAIT_MS}")
        try:
            row = self._db.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
            return row is not None and row[0] == 0
        except sqlite3.Error as error:
            log.warning("the log of the store cannot be emptied: %s", error)
            return False
        finally:
            self._db.execute("PRAGMA busy_timeout = 10000")


def used_size(db: sqlite3.Connection) -> int:
    """Return how many bytes of the file's pages hold something; a free page is used again."""
    (count,) = db.execute("PRAGMA page_count").fetchone()
    (free,) = db.execute("PRAGMA freelist_count").fetchone()
    (size,) = db.execute("PRAGMA page_size").fetchone()
    return int((count - free) * size)


def _size(chunks: list[Chunk]) -> int:
    return sum(len(blob) for _, _, blob in chunks)
