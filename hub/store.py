"""The durable store: SQLite (WAL, synchronous=FULL), one writer thread, group commit.

Theory of operation. The event loop collects accepted frames in a `Group`. While the writer thread commits one
group the next one grows; when a commit ends the next group is handed over. So a group is as
large as the load makes it, an idle hub commits a single frame at once, and no lock is needed:
everything but `_commit` and `_read` runs on the loop.

What a frame costs is the rest of this design: the frames of one lane and one commit are one row, and which
(device, boot, index) were accepted is kept as ranges, not as rows. Frames are numbered per
lane; uplinks point into these numbers.

A commit that fails (full disk, I/O error) takes nothing back that was acknowledged: the group is dropped,
the ranges are read again from the database, the hub's own records go into the next group, and whoever sent the frames
is told to come again later (`on_failure`).
"""

import asyncio
import importlib.resources
import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protocols import cbor
from protocols.limits import FRAME_SIZE_MAX
from protocols.ranges import Ranges
from protocols.vocabulary import LANES

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
LANE_SHIFT = 48
CHUNK_SIZE_MAX = 128 * 1024  # a bundle takes whole chunks; a torn page costs at most this
TAIL_SIZE_MAX = 4 * 1024 * 1024  # committed bytes kept in memory for uplinks that are up to date
GROUP_SIZE_MAX = 8 * 1024 * 1024  # accepted and not yet committed; links stop reading beyond
CURSOR_DELAY_S = 0.2  # acknowledged bundles that a SIGKILL makes the hub send again
DELETE_CHUNKS_MAX = 256  # at a time, so that a deletion never holds the writer for long

PREFIXES = tuple(bytes((size >> 8, size & 0xFF)) for size in range(FRAME_SIZE_MAX + 1))


class StoreError(Exception):
    """The store cannot be opened or used; str() says why."""


@dataclass
class Group:
    """What one commit makes durable."""

    pieces: list[list[bytes]] = field(default_factory=lambda: [[] for _ in LANES])
    size: int = 0
    touched: set[tuple[str, int]] = field(default_factory=set)
    # Who wants to hear of it: an object with committed(group) and failed(reason); value: (boot, index) flat.
    waiting: dict[Any, list[int]] = field(default_factory=dict)
    # (device, lane, payload) of those that somebody reads behind the commit.
    readings: list[tuple[str, int, bytes]] = field(default_factory=list)
    own: list[tuple[str, int, int, int, bytes]] = field(default_factory=list)
    clocks: list[tuple[Any, ...]] = field(default_factory=list)
    cursors: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)

    def is_empty(self) -> bool:
        """Tell whether there is nothing to commit."""
        return not (self.size or self.clocks or self.cursors or self.meta or self.waiting)


Chunk = tuple[int, int, bytes]  # first sequence number, count, length-prefixed frames


class Store:
    """All of it is called on the event loop's thread."""

    def __init__(self, folder: Path, size_max: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "hub.sqlite"
        self.size_max = size_max
        self._writer = ThreadPoolExecutor(1, "store-writer")
        self._reader = ThreadPoolExecutor(1, "store-reader")
        self._db = _open(self.path)
        self._read_db = _open(self.path)
        self.meta: dict[str, Any] = dict(self._db.execute("SELECT key, value FROM meta"))
        self.following = [0 for _ in LANES]
        self.bytes = [0 for _ in LANES]
        for lane, following, size in self._db.execute("SELECT * FROM lane"):
            self.following[lane], self.bytes[lane] = following, size
        self.seen: dict[tuple[str, int], Ranges] = {}
        self._load_seen(None)
        self._group = Group()
        self._in_flight: Group | None = None
        self._tail: list[deque[Chunk]] = [deque() for _ in LANES]
        self._tail_size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._scheduled = False
        self._idle = asyncio.Event()
        self._idle.set()
        self.on_commit: list[Callable[[Group], None]] = []
        self.on_failure: list[Callable[[str], None]] = []
        self.floor: Callable[[int], int] = lambda lane: self.following[lane]
        self.failure = ""
        self.is_full = False
        self.counters = {"commits": 0, "failures": 0, "duplicates": 0, "deleted": 0}

    # Taking in

    def append(self, device: str, boot: int, index: int, lane: int, frame: bytes) -> bool:
        """Take a verified frame into the current group; False when its identity was accepted before."""
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

    def append_own(self, device: str, identity: tuple[int, int, int], frame: bytes) -> None:
        """Take a record that the hub itself sealed. identity: boot, index, lane."""
        boot, index, lane = identity
        if self.append(device, boot, index, lane, frame):
            self._group.own.append((device, boot, index, lane, frame))
        self.flush()

    @property
    def group(self) -> Group:
        """The group that grows now."""
        return self._group

    def is_busy(self) -> bool:
        """Tell whether links should stop reading for now."""
        return self._group.size > GROUP_SIZE_MAX

    def save_meta(self, key: str, value: Any) -> None:
        """Keep a small fact."""
        self.meta[key] = value
        self._group.meta[key] = value
        self.flush()

    def save_clock(self, row: tuple[Any, ...]) -> None:
        """Keep a clock: device, boot, device_us, utc_us, uncertainty_us, rate_ppb."""
        self._group.clocks.append(row)
        self.flush()

    def save_cursor(self, uplink: str, rows: list[tuple[Any, ...]]) -> None:
        """Keep how far an uplink is; rides on the next group, or goes alone after a moment."""
        self._group.cursors[uplink] = rows
        if self._timer is None and not self._scheduled:
            self._timer = asyncio.get_running_loop().call_later(CURSOR_DELAY_S, self.flush)

    def flush(self) -> None:
        """Hand the group over at the end of this turn of the loop, or when the writer is free."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._scheduled and self._in_flight is None:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._hand_over)

    def _hand_over(self) -> None:
        self._scheduled = False
        if self._in_flight is not None or self._group.is_empty():
            return
        group, self._group = self._group, Group()
        self._in_flight = group
        self._idle.clear()
        seen = [(*key, list(self.seen[key].flat)) for key in group.touched]
        chunks = [_chunks(lane, self.following[lane], group.pieces[lane]) for lane in LANES]
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._writer, self._commit, group, seen, chunks)
        future.add_done_callback(lambda done: self._committed(group, chunks, done.exception()))

    def _committed(
        self, group: Group, chunks: list[list[Chunk]], error: BaseException | None
    ) -> None:
        self._in_flight = None
        if error is not None:
            self._fail(group, error)
        else:
            self._publish(group, chunks)
        self._idle.set()
        if not self._group.is_empty():
            self.flush()

    def _publish(self, group: Group, chunks: list[list[Chunk]]) -> None:
        if self.failure:
            log.info("the store works again")
            self.failure = ""
        self.counters["commits"] += 1
        for lane in LANES:
            for chunk in chunks[lane]:
                self.following[lane] += chunk[1]
                self.bytes[lane] += len(chunk[2])
                self._tail[lane].append(chunk)
                self._tail_size += len(chunk[2])
        self._trim_tail()
        for callback in self.on_commit:
            callback(group)
        self._make_room()

    def _trim_tail(self) -> None:
        # The bulk goes first: an urgent lane's few bytes stay at hand.
        for lane in reversed(LANES):
            tail = self._tail[lane]
            while tail and self._tail_size > TAIL_SIZE_MAX:
                self._tail_size -= len(tail.popleft()[2])

    def _fail(self, group: Group, error: BaseException) -> None:
        self.counters["failures"] += 1
        reason = str(error) or type(error).__name__
        if reason != self.failure:
            log.error("the store cannot write: %s; devices keep their frames", reason)
        self.failure = reason
        lost, self._group = self._group, Group()
        self._load_seen(group.touched | lost.touched)
        for one in (group, lost):
            for key, value in one.meta.items():
                self._group.meta.setdefault(key, value)
            self._group.clocks += one.clocks
            self._group.cursors.update(one.cursors)
            for device, boot, index, lane, frame in one.own:
                if self.append(device, boot, index, lane, frame):
                    self._group.own.append((device, boot, index, lane, frame))
        for callback in self.on_failure:
            callback(reason)

    def _load_seen(self, keys: set[tuple[str, int]] | None) -> None:
        if keys is None:
            rows = self._db.execute("SELECT device, boot, ranges FROM seen").fetchall()
        else:
            rows = []
            for key in keys:
                self.seen.pop(key, None)
                query = "SELECT device, boot, ranges FROM seen WHERE device = ? AND boot = ?"
                rows += self._read_db.execute(query, key).fetchall()
        for device, boot, ranges in rows:
            self.seen[device, boot] = Ranges(cbor.decode(ranges))  # type: ignore[arg-type]

    # The writer's thread

    def _commit(
        self, group: Group, seen: list[tuple[str, int, list[int]]], chunks: list[list[Chunk]]
    ) -> None:
        db = self._db
        try:
            db.execute("BEGIN IMMEDIATE")
            for lane in LANES:
                if chunks[lane]:
                    self._insert(lane, chunks[lane])
            db.executemany(
                "INSERT OR REPLACE INTO seen VALUES (?, ?, ?)",
                [(device, boot, _ranges_bytes(flat)) for device, boot, flat in seen],
            )
            db.executemany("INSERT OR REPLACE INTO clock VALUES (?, ?, ?, ?, ?, ?)", group.clocks)
            for rows in group.cursors.values():
                db.executemany("INSERT OR REPLACE INTO cursor VALUES (?, ?, ?, ?, ?, ?)", rows)
            db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(group.meta.items()))
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _insert(self, lane: int, chunks: list[Chunk]) -> None:
        rows = [(lane << LANE_SHIFT | first, count, blob) for first, count, blob in chunks]
        self._db.executemany("INSERT INTO chunk VALUES (?, ?, ?)", rows)
        following = chunks[-1][0] + chunks[-1][1]
        size = sum(len(blob) for _, _, blob in chunks)
        self._db.execute(
            "INSERT INTO lane VALUES (?, ?, ?) ON CONFLICT (lane) DO UPDATE"
            " SET following = excluded.following, bytes = bytes + excluded.bytes",
            (lane, following, size),
        )

    # Making room

    def frames_stored(self) -> int:
        """Return how many frames were ever accepted."""
        return sum(self.following)

    def _make_room(self) -> None:
        """Delete what every uplink has, least urgent lane first, while the store is too large."""
        excess = sum(self.bytes) - self.size_max
        self.is_full = excess > 0
        if excess <= 0 or self._in_flight is not None:
            return
        for lane in reversed(LANES):
            floor = self.floor(lane)
            loop = asyncio.get_running_loop()
            first = int(self.meta.get(f"first{lane}", 0))
            if first < floor:
                self._in_flight = Group()
                future = loop.run_in_executor(self._writer, self._delete, lane, floor)
                future.add_done_callback(lambda done, lane=lane: self._deleted(lane, done))  # type: ignore[misc]
                return

    def _delete(self, lane: int, floor: int) -> tuple[int, int, int]:
        base = lane << LANE_SHIFT
        rows = self._db.execute(
            "SELECT id, count, length(frames) FROM chunk WHERE id >= ? AND id + count <= ? ORDER BY id LIMIT ?",
            (base, base | floor, DELETE_CHUNKS_MAX),
        ).fetchall()
        first = (rows[-1][0] + rows[-1][1] - base) if rows else floor
        size = sum(row[2] for row in rows)
        self._db.execute("BEGIN IMMEDIATE")
        if rows:
            self._db.execute("DELETE FROM chunk WHERE id >= ? AND id <= ?", (base, rows[-1][0]))
        self._db.execute("UPDATE lane SET bytes = bytes - ? WHERE lane = ?", (size, lane))
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"first{lane}", first))
        self._db.execute("COMMIT")
        return first, size, sum(row[1] for row in rows)

    def _deleted(self, lane: int, done: "asyncio.Future[tuple[int, int, int]]") -> None:
        self._in_flight = None
        if done.exception() is None:
            first, size, count = done.result()
            self.meta[f"first{lane}"] = first
            self.bytes[lane] -= size
            self.counters["deleted"] += count
        self.flush()
        self._make_room()

    # Reading

    async def read(self, lane: int, first: int, following: int, size_max: int) -> Chunk | None:
        """Return frames from sequence number `first` up to `following`, at most size_max bytes (but at least one).

        None when none of them are there any more.
        """
        tail = self._tail[lane]
        if tail and tail[0][0] <= first:
            return _gather(tail, first, following, size_max)
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
        found = _gather(chunks, first, following, size_max)
        cursor.close()
        return found

    def load_cursor(self, uplink: str) -> list[tuple[int, int, list[int], int, int]]:
        """Return the saved (lane, live, backlog, delivered, evicted) rows of an uplink."""
        query = "SELECT lane, live, backlog, delivered, evicted FROM cursor WHERE uplink = ?"
        rows = self._db.execute(query, (uplink,)).fetchall()
        return [(lane, live, cbor.decode(backlog), *rest) for lane, live, backlog, *rest in rows]  # type: ignore[misc]

    def load_clocks(self) -> list[tuple[str, int, int, int, int, int]]:
        """Return all saved clocks."""
        return self._db.execute("SELECT * FROM clock").fetchall()

    async def wait_idle(self) -> None:
        """Wait until everything handed over is committed."""
        while not self._group.is_empty() or self._in_flight is not None:
            self.flush()
            await asyncio.sleep(0)
            await self._idle.wait()
            if self.failure:
                return

    async def close(self) -> None:
        """Commit what is there and close the files."""
        await self.wait_idle()
        self._writer.shutdown()
        self._reader.shutdown()
        self._read_db.close()
        self._db.close()

    def statistics(self) -> dict[str, Any]:
        """Return counters for the console."""
        size = sum(self.bytes)
        return {**self.counters, "bytes": size, "size_max": self.size_max, "accepted": sum(self.following)}


def cursor_row(
    uplink: str, lane: int, live: int, backlog: list[int], counts: tuple[int, int]
) -> tuple[Any, ...]:
    """Return a row for save_cursor. counts: delivered, evicted."""
    return uplink, lane, live, _ranges_bytes(backlog), *counts


def _ranges_bytes(flat: list[int]) -> bytes:
    return cbor.encode(flat, 16 + 9 * len(flat))


def _chunks(lane: int, following: int, pieces: list[bytes]) -> list[Chunk]:
    """Join pieces (prefix, frame, prefix, frame, ..) into chunks of at most CHUNK_SIZE_MAX."""
    chunks = []
    step = max(2, 2 * (CHUNK_SIZE_MAX // FRAME_SIZE_MAX))
    whole = sum(map(len, pieces))
    if whole > CHUNK_SIZE_MAX:
        # An even cut by count: frames of one lane and moment are of like size.
        step = max(step, 2 * (len(pieces) // 2 * CHUNK_SIZE_MAX // whole))
    else:
        step = max(step, len(pieces))
    for at in range(0, len(pieces), step):
        part = pieces[at : at + step]
        count = len(part) // 2
        chunks.append((following, count, b"".join(part)))
        following += count
    return chunks


def _gather(chunks: Any, first: int, following: int, size_max: int) -> Chunk | None:
    """Join the frames first..following out of chunks in order, up to size_max bytes."""
    parts: list[bytes] = []
    size = 0
    start = None
    upto = first
    for begin, count, blob in chunks:
        end = begin + count
        if end <= first:
            continue
        if begin >= following or (start is not None and begin != upto):
            break
        if start is None:
            start = upto = max(first, begin)
        low = _offset(blob, upto - begin)
        last = min(end, following)
        high = len(blob) if last == end else _offset(blob, last - begin)
        if size + high - low > size_max:
            high, last = _cut(blob, (low, upto), (high, last), size_max - size)
            if last == upto and parts:
                break
        parts.append(blob[low:high])
        size += high - low
        upto = last
        if size >= size_max or last < min(end, following):
            break
    return None if start is None else (start, upto - start, b"".join(parts))


def _offset(blob: bytes, count: int) -> int:
    at = 0
    for _ in range(count):
        at += 2 + (blob[at] << 8 | blob[at + 1])
    return at


def _cut(blob: bytes, low: tuple[int, int], high: tuple[int, int], size_max: int) -> tuple[int, int]:
    """Return (offset, sequence number) of the last border at which at most size_max bytes, but one frame, are taken."""
    at, number = low
    start = at
    while at < high[0]:
        after = at + 2 + (blob[at] << 8 | blob[at + 1])
        if after - start > size_max and number > low[1]:
            break
        at, number = after, number + 1
        if after - start > size_max:
            break
    return at, number


def _open(path: Path) -> sqlite3.Connection:
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA page_size = 8192")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA cache_size = -8192")
        db.execute("PRAGMA journal_size_limit = 67108864")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            sql = importlib.resources.files("hub").joinpath(f"schema/schema_v{SCHEMA_VERSION}.sql")
            db.executescript(
                f"BEGIN; {sql.read_text()} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
        elif version > SCHEMA_VERSION:
            raise StoreError(f"{path} is of version {version}, newer than this program")
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error
    return db
