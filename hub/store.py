"""The durable store: SQLite (WAL, synchronous=FULL), one writer thread, group commit.

Theory of operation. The event loop collects accepted frames in a `Group`. While the writer thread
commits one group the next one grows; when a commit ends the next group is handed over. So a group
is as large as the load makes it, an idle hub commits a single frame at once, and no lock is
needed: everything but `_commit` and `_read` runs on the loop.

What a frame costs is the rest of this design: the frames of one lane and one commit are one row,
and which (device, boot, index) were accepted is kept as ranges, not as rows. Frames are numbered
per lane; uplinks point into these numbers.

A commit that fails (full disk, I/O error) takes nothing back that was acknowledged: the group is
dropped, what is accepted is again what the last commit said, the hub's own records go into the
next group, and whoever sent the frames is told to come again later (`on_failure`). What is left to
write is tried again every RETRY_S, without a restart.

While the store is too large a commit also deletes a piece of what every uplink has. It is the same
transaction, so the cursors on disk are never behind what was deleted.
"""

import asyncio
import logging
import os
import sqlite3
import struct
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.chunks import PREFIXES, Chunk, gather, join
from hub.database import (
    SAVE_CHUNK,
    SAVE_CLOCK,
    SAVE_CURSOR,
    SAVE_LANE,
    SAVE_META,
    SAVE_SEEN,
    StoreError,
    connect,
    lock,
    row_crc,
)
from hub.ledger import Entry, append, write_head
from protocols.ranges import Ranges
from protocols.vocabulary import LANES

log = logging.getLogger(__name__)

LANE_SHIFT = 48
TAIL_SIZE_MAX = 2 * 1024 * 1024  # committed bytes kept in memory for uplinks that are up to date
GROUP_SIZE_MAX = 2 * 1024 * 1024  # accepted and not yet committed; links stop reading beyond
CURSOR_DELAY_S = 0.2  # acknowledged bundles that a SIGKILL makes the hub send again
DELETE_CHUNKS_MAX = 64  # in one commit, so that it stays short: about 8 MiB
RETRY_S = 1.0  # after a failed commit
OWN_MAX = 4096  # records of the hub itself that a store which cannot write makes it keep in memory


Identity = tuple[int, int, int]  # boot, index, lane
# How far an uplink is in a lane (hub.relay.queue): lane, live, backlog flat, delivered, evicted.
CursorRow = tuple[int, int, list[int], int, int]


@dataclass
class Group:
    """What one commit makes durable."""

    pieces: list[list[bytes]] = field(default_factory=lambda: [[] for _ in LANES])
    size: int = 0
    touched: set[tuple[str, int]] = field(default_factory=set)
    # Who wants to hear of it: an object with committed(group) and failed(reason); value: (boot,
    # index) flat.
    waiting: dict[Any, list[int]] = field(default_factory=dict)
    # (device, lane, payload) of those that somebody reads behind the commit.
    readings: list[tuple[str, int, bytes]] = field(default_factory=list)
    own: list[tuple[str, Identity, bytes]] = field(default_factory=list)
    clocks: list[tuple[Any, ...]] = field(default_factory=list)
    cursors: dict[str, list[CursorRow]] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    ledger: list[Entry] = field(default_factory=list)

    def is_empty(self) -> bool:
        """Tell whether there is nothing to commit."""
        return not (self.waiting or self.is_written())

    def is_written(self) -> bool:
        """Tell whether a commit of it writes anything."""
        return bool(self.size or self.clocks or self.cursors or self.meta or self.ledger)

    def take_over(self, failed: "Group") -> None:
        """Keep what a failed group held besides frames; the newer of two facts wins."""
        self.meta.update(failed.meta)
        self.clocks += failed.clocks
        self.cursors.update(failed.cursors)
        self.ledger += failed.ledger


@dataclass
class _Job:
    """What the writer's thread does in one transaction.

    deletion: lane, sequence number; deleted: the outcome.
    """

    group: Group
    seen: list[tuple[str, int, bytes]]
    chunks: list[list[Chunk]]
    deletion: tuple[int, int] | None
    deleted: tuple[int, int, int] = (0, 0, 0)  # first sequence number left, bytes, frames


class Store:
    """All of it is called on the event loop's thread."""

    def __init__(self, folder: Path, size_max: int, *, tail_size_max: int = TAIL_SIZE_MAX) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = lock(folder / "hub.lock")
        except OSError as error:
            raise StoreError(f"{folder} cannot be used: {error.strerror}") from error
        self.path = folder / "hub.sqlite"
        self.size_max = size_max
        self._tail_size_max = tail_size_max
        self._writer = ThreadPoolExecutor(1, "store-writer")
        self._reader = ThreadPoolExecutor(1, "store-reader")
        self.following = [0 for _ in LANES]
        self.bytes = [0 for _ in LANES]
        self.seen: dict[tuple[str, int], Ranges] = {}
        self._durable: dict[tuple[str, int], bytes] = {}  # `seen` as of the last commit
        try:
            self._db = connect(self.path)
            self._read_db = connect(self.path)
            self.meta: dict[str, Any] = dict(self._db.execute("SELECT key, value FROM meta"))
            self._load_lanes()
            self._load_seen()
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from error
        self._group = Group()
        self._in_flight: _Job | None = None
        self._tail: list[deque[Chunk]] = [deque() for _ in LANES]
        self._tail_size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._scheduled = False
        self._is_closed = False
        self._idle = asyncio.Event()
        self._idle.set()
        self.on_commit: list[Callable[[Group], None]] = []
        self.on_failure: list[Callable[[str], None]] = []
        self.floor: Callable[[int], int] = lambda lane: self.following[lane]
        self.failure = ""
        self.counters = {
            "commits": 0,
            "failures": 0,
            "duplicates": 0,
            "deleted": 0,
            "own_dropped": 0,
        }

    # Taking in

    def append(self, device: str, identity: Identity, frame: bytes) -> bool:
        """Take a verified frame into the current group; False when it was accepted before."""
        boot, index, lane = identity
        key = (device, boot)
        ranges = self.seen.get(key)
        if ranges is None:
            ranges = self.seen[key] = Ranges()
        if not ranges.add(index):
            self.counters["duplicates"] += 1
            return False
        group = self._group
        group.touched.add(key)
        size = len(frame)
        group.pieces[lane] += (PREFIXES[size], frame)
        group.size += size
        return True

    def append_own(self, device: str, identity: Identity, frame: bytes) -> None:
        """Take a record that the hub itself sealed."""
        self._keep_own((device, identity, frame))
        self.flush()

    def _keep_own(self, record: tuple[str, Identity, bytes]) -> None:
        if self.append(*record):
            self._group.own.append(record)

    def may_append_own(self) -> bool:
        """Tell whether another own record may be made; counts it as dropped where not."""
        if self.failure and len(self._group.own) >= OWN_MAX:
            self.counters["own_dropped"] += 1
            return False
        return True

    @property
    def group(self) -> Group:
        """The group that grows now."""
        return self._group

    def is_busy(self) -> bool:
        """Tell whether links should stop reading for now."""
        return self._group.size > GROUP_SIZE_MAX

    @property
    def is_full(self) -> bool:
        """Whether the store is too large and all of it is still undelivered."""
        return self._excess() > 0 and self._deletable() is None

    def save_meta(self, key: str, value: Any) -> None:
        """Keep a small fact."""
        self.meta[key] = value
        self._group.meta[key] = value
        self.flush()

    def save_clock(self, row: tuple[Any, ...]) -> None:
        """Keep a clock: device, boot, device_us, utc_us, uncertainty_us, rate_ppb."""
        self._group.clocks.append(row)
        self.flush()

    def save_cursor(self, uplink: str, rows: list[CursorRow]) -> None:
        """Keep how far an uplink is; rides on the next group, or goes alone after a moment."""
        self._group.cursors[uplink] = rows
        if not self._scheduled:
            self._flush_after(CURSOR_DELAY_S)

    def _flush_after(self, delay_s: float) -> None:
        if self._timer is None and not self._is_closed:
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._timed_out)

    def _timed_out(self) -> None:
        self._timer = None
        self._schedule()

    def flush(self) -> None:
        """Hand the group over at the end of this turn of the loop, or when the writer is free."""
        if self.failure and not self._is_closed:
            self._flush_after(RETRY_S)
        else:
            self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled and self._in_flight is None:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._hand_over)

    def _hand_over(self) -> None:
        self._scheduled = False
        if self._is_closed or self._in_flight is not None:
            return
        deletion = self._deletable()
        if self._group.is_empty() and deletion is None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        group, self._group = self._group, Group()
        seen = [(*key, _packed(self.seen[key].flat)) for key in group.touched]
        chunks = [join(self.following[lane], group.pieces[lane]) for lane in LANES]
        job = self._in_flight = _Job(group, seen, chunks, deletion)
        self._idle.clear()
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._writer, self._commit, job)
        future.add_done_callback(lambda done: self._committed(job, done.exception()))

    def _committed(self, job: _Job, error: BaseException | None) -> None:
        self._in_flight = None
        self._idle.set()
        try:
            if error is not None:
                self._fail(job.group, error)
            else:
                self._publish(job)
        finally:
            if self._has_work():
                self.flush()

    def _publish(self, job: _Job) -> None:
        if self.failure and job.group.is_written():
            log.info("the store works again")
            self.failure = ""
        self.counters["commits"] += 1
        for lane in LANES:
            for chunk in job.chunks[lane]:
                self.following[lane] += chunk[1]
                self.bytes[lane] += len(chunk[2])
                self._tail[lane].append(chunk)
                self._tail_size += len(chunk[2])
        for device, boot, ranges in job.seen:
            self._durable[device, boot] = ranges
        if job.deletion is not None:
            self._forget(job.deletion[0], job.deleted)
        self._trim_tail()
        for callback in self.on_commit:
            callback(job.group)

    def _trim_tail(self) -> None:
        # The bulk goes first: an urgent lane's few bytes stay at hand.
        for lane in reversed(LANES):
            tail = self._tail[lane]
            while tail and self._tail_size > self._tail_size_max:
                self._tail_size -= len(tail.popleft()[2])

    def _fail(self, group: Group, error: BaseException) -> None:
        self.counters["failures"] += 1
        reason = str(error) or type(error).__name__
        if reason != self.failure:
            log.error("the store cannot write: %s; devices keep their frames", reason)
        self.failure = reason
        lost, self._group = self._group, Group()
        for key in group.touched | lost.touched:
            self.seen[key] = Ranges(_unpacked(self._durable.get(key, b"")))
        for one in (group, lost):
            self._group.take_over(one)
            for record in one.own:
                self._keep_own(record)
        for callback in self.on_failure:
            callback(reason)

    def _load_lanes(self) -> None:
        for lane, following, size in self._db.execute("SELECT lane, following, bytes FROM lane"):
            self.following[lane], self.bytes[lane] = following, size

    def _load_seen(self) -> None:
        for device, boot, ranges in self._db.execute("SELECT device, boot, ranges FROM seen"):
            self._durable[device, boot] = ranges
            self.seen[device, boot] = Ranges(_unpacked(ranges))

    # The writer's thread

    def _commit(self, job: _Job) -> None:
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
            db.executemany(SAVE_META, list(group.meta.items()))
            if job.deletion is not None:
                job.deleted = self._delete(*job.deletion)
            head = append(db, group.ledger) if group.ledger else None
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        if head is not None:
            write_head(self.path.parent, head)

    def _insert(self, lane: int, chunks: list[Chunk]) -> None:
        base = lane << LANE_SHIFT
        rows = [(base | first, count, blob) for first, count, blob in chunks]
        self._db.executemany(SAVE_CHUNK, [(*row, row_crc("chunk", *row)) for row in rows])
        following = chunks[-1][0] + chunks[-1][1]
        size = sum(len(blob) for _, _, blob in chunks)
        self._db.execute(SAVE_LANE, (lane, following, size))

    def _insert_cursor(self, uplink: str, rows: list[CursorRow]) -> None:
        values = [(uplink, lane, live, _packed(flat), *rest) for lane, live, flat, *rest in rows]
        self._db.executemany(SAVE_CURSOR, values)

    # Making room

    def frames_stored(self) -> int:
        """Return how many frames were ever accepted."""
        return sum(self.following)

    def _excess(self) -> int:
        return sum(self.bytes) - self.size_max

    def _first(self, lane: int) -> int:
        return int(self.meta.get(f"first{lane}", 0))

    def _deletable(self) -> tuple[int, int] | None:
        """Return (lane, floor) of what to delete next, least urgent lane first.

        None when there is no need.
        """
        if self._excess() > 0:
            for lane in reversed(LANES):
                floor = self.floor(lane)
                if self._first(lane) < floor:
                    return lane, floor
        return None

    def _delete(self, lane: int, floor: int) -> tuple[int, int, int]:
        base = lane << LANE_SHIFT
        rows = self._db.execute(
            "SELECT id, count, length(frames) FROM chunk"
            " WHERE id >= ? AND id + count <= ? ORDER BY id LIMIT ?",
            (base, base | floor, DELETE_CHUNKS_MAX),
        ).fetchall()
        first = (rows[-1][0] + rows[-1][1] - base) if len(rows) == DELETE_CHUNKS_MAX else floor
        size = sum(row[2] for row in rows)
        if rows:
            self._db.execute("DELETE FROM chunk WHERE id >= ? AND id <= ?", (base, rows[-1][0]))
        self._db.execute("UPDATE lane SET bytes = bytes - ? WHERE lane = ?", (size, lane))
        self._db.execute(SAVE_META, (f"first{lane}", first))
        return first, size, sum(row[1] for row in rows)

    def _forget(self, lane: int, deleted: tuple[int, int, int]) -> None:
        first, size, count = deleted
        self.meta[f"first{lane}"] = first
        self.bytes[lane] -= size
        self.counters["deleted"] += count

    # Reading

    async def read(self, lane: int, first: int, following: int, size_max: int) -> Chunk | None:
        """Return frames from `first` up to `following`, at most size_max bytes, at least one.

        None when none of them are there any more.
        """
        tail = self._tail[lane]
        if tail and tail[0][0] <= first:
            return gather(_since(tail, first), first, following, size_max)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._reader, self._read, lane, first, following, size_max
        )

    def _read(self, lane: int, first: int, following: int, size_max: int) -> Chunk | None:
        base = lane << LANE_SHIFT
        start = self._read_db.execute(
            "SELECT max(id) FROM chunk WHERE id >= ? AND id <= ?", (base, base | first)
        ).fetchone()[0]
        cursor = self._read_db.execute(
            "SELECT id, count, frames FROM chunk WHERE id >= ? AND id < ? ORDER BY id",
            (base | first if start is None else start, base | following),
        )
        chunks = ((row[0] - base, row[1], row[2]) for row in cursor)
        found = gather(chunks, first, following, size_max)
        cursor.close()
        return found

    def load_cursor(self, uplink: str) -> list[CursorRow]:
        """Return what was saved for an uplink."""
        query = "SELECT lane, live, backlog, delivered, evicted FROM cursor WHERE uplink = ?"
        rows = self._db.execute(query, (uplink,)).fetchall()
        return [(lane, live, _unpacked(backlog), *rest) for lane, live, backlog, *rest in rows]

    async def wait_idle(self) -> None:
        """Wait until everything handed over is committed, or has failed once."""
        failures = self.counters["failures"]
        while self.counters["failures"] == failures and self._has_work():
            self._schedule()
            await asyncio.sleep(0)
            await self._idle.wait()

    def _has_work(self) -> bool:
        is_waiting = not self._group.is_empty() or self._deletable() is not None
        return is_waiting or self._in_flight is not None

    async def close(self) -> None:
        """Commit what is there and close the files."""
        await self.wait_idle()
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._writer.shutdown()
        self._reader.shutdown()
        self._read_db.close()
        self._db.close()
        os.close(self._lock)

    def statistics(self) -> dict[str, Any]:
        """Return counters for the console."""
        size = sum(self.bytes)
        return {
            **self.counters,
            "bytes": size,
            "size_max": self.size_max,
            "accepted": self.frames_stored(),
        }


def _packed(flat: list[int]) -> bytes:
    return struct.pack(f"<{len(flat)}q", *flat)


def _unpacked(blob: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(blob) // 8}q", blob))


def _since(tail: deque[Chunk], first: int) -> list[Chunk]:
    """Return the chunks from the one with `first` on.

    The last few, where the tail may hold thousands.
    """
    found = []
    for chunk in reversed(tail):
        found.append(chunk)
        if chunk[0] <= first:
            break
    found.reverse()
    return found
