"""Frames out of the store's file, for uplinks that are behind. Called on the reader's thread."""

import sqlite3
from collections.abc import Callable
from typing import Any

from hub.chunks import Chunk, gather
from hub.database import row_crc
from hub.recovery import Damage
from hub.writer import LANE_SHIFT


class ChunkReader:
    """Reads through a connection that nobody else uses meanwhile."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        # Of version 1 there is no checksum; who knows the devices' keys can tell (hub.salvage).
        self.is_whole: Callable[[Chunk], bool] = lambda chunk: True

    def read(self, lane: int, first: int, following: int, size_max: int) -> Chunk | None:
        """Return frames from `first` up to `following`, at most size_max bytes, at least one.

        None when none of them are there any more; sqlite3.Error, Damage where they are damaged.
        """
        base = lane << LANE_SHIFT
        start = self._db.execute(
            "SELECT max(id) FROM chunk WHERE id >= ? AND id <= ?", (base, base | first)
        ).fetchone()[0]
        cursor = self._db.execute(
            "SELECT id, count, frames, crc FROM chunk WHERE id >= ? AND id < ? ORDER BY id",
            (base | first if start is None else start, base | following),
        )
        chunks = (self._checked(row, base) for row in cursor)
        found = gather(chunks, first, following, size_max)
        cursor.close()
        return found

    def _checked(self, row: tuple[Any, ...], base: int) -> Chunk:
        chunk = (row[0] - base, row[1], row[2])
        is_row = isinstance(row[1], int) and isinstance(row[2], bytes)
        if row[3] is not None:
            is_row = is_row and row_crc("chunk", *row[:3]) == row[3]
        if not is_row or (row[3] is None and not self.is_whole(chunk)):
            raise Damage(f"frames {chunk[0]}.. of a lane are not what was written")
        return chunk
