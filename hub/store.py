"""The durable store: SQLite (WAL, synchronous=FULL), one writer thread, group commit.

Theory of operation. The event loop collects accepted frames in a `Group`. While the writer thread
commits one group the next one grows; when a commit ends the next group is handed over. So a group
is as large as the load makes it, an idle hub commits a single frame at once, and no lock is
needed: everything but hub.writer and hub.chunk_reader runs on the loop.

What a frame costs is the rest of this design: the frames of one lane and one commit are one row,
and which (device, boot, index) were accepted is kept as ranges, not as rows. Frames are numbered
per lane; uplinks point into these numbers.

A commit that fails (full disk, I/O error) takes nothing back that was acknowledged: the group is
dropped, what is accepted is again what the last commit said, the hub's own records go into the
next group, and whoever sent the frames is told to come again later (`on_failure`). What is left to
write is tried again every RETRY_S, without a restart.

What leaves the store (hub.room decides it) goes in the same transaction as the records that name
it, the ledger's rows and the cursors: a power cut leaves all of it or nothing.
"""

import asyncio
import logging
import os
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from hub import dead_letters
from hub.chunk_reader import ChunkReader
from hub.chunks import PREFIXES, Chunk, gather, join
from hub.clock import HostClock
from hub.database import SAVE_SEEN, StoreError, connect, lock
from hub.disk import Disk, is_full
from hub.group import CursorRow, Follower, Group, Identity, Job, Removal
from hub.recovery import SALVAGE_KEY, is_damage, mark, recover
from hub.seen import BLOCK_COUNT, BLOCK_SHIFT, add_packed, blocks_of, pack_block, put_block, unpack
from hub.synced import Synced
from hub.writer import LANE_SHIFT, Writer, used_size
from protocols.ranges import Ranges
from protocols.vocabulary import LANES

__all__ = ["LANE_SHIFT", "CursorRow", "Group", "Identity", "Removal", "Store"]

log = logging.getLogger(__name__)

TAIL_SIZE_MAX = 2 * 1024 * 1024  # committed bytes kept in memory for uplinks that are up to date
GROUP_SIZE_MAX = 2 * 1024 * 1024  # accepted and not yet committed; links stop reading beyond
CURSOR_DELAY_S = 0.2  # acknowledged bundles that a SIGKILL makes the hub send again
RETRY_S = 1.0  # after a failed commit
OWN_MAX = 4096  # records of the hub itself that a store which cannot write makes it keep in memory


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
        self.taken = [0 for _ in LANES]  # bytes of frames that came in since the start
        self.seen: dict[tuple[str, int], Ranges] = {}
        self._open(folder)
        self.disk = Disk(self.path)
        self.chunks = ChunkReader(self._read_db)
        self._commit = Writer(self._db, self.path, self.disk).commit
        self._group = Group()
        self._in_flight: Job | None = None
        self._tail: list[deque[Chunk]] = [deque() for _ in LANES]
        self._tail_size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._scheduled = False
        self._is_closed = False
        self._idle = asyncio.Event()
        self._idle.set()
        self.on_hand_over: list[Callable[[], None]] = []
        self.on_commit: list[Callable[[Group], None]] = []
        self.on_failure: list[Callable[[str], None]] = []
        self._followers: dict[str, Follower] = {}
        # (lane, first, following) of frames that are gone, after the commit that took them out
        # and before on_commit; some may have been delivered.
        self.on_evicted: list[Callable[[int, int, int], None]] = []
        self.on_relief: list[Callable[[], None]] = []  # links may read again
        self.on_damage: list[Callable[[str], None]] = []  # the file itself is: start again
        self.is_damaged = False  # the next start puts it aside (hub.recovery)
        self.is_salvaging = bool(self.meta.get(SALVAGE_KEY))  # old frames may still come in
        self.failure = ""
        self.is_full = False  # the failure: the disk has no room
        self.is_crowded = False  # links wait while room is made (hub.room)
        self.refused_from = len(LANES)  # frames of this lane and less urgent ones are refused
        self.counters = {
            "commits": 0,
            "failures": 0,
            "duplicates": 0,
            "deleted": 0,
            "thinned": 0,
            "evicted": 0,
            "own_dropped": 0,
            "salvaged": 0,
        }

    def _open(self, folder: Path) -> None:
        with ExitStack() as opened:  # what is closed again where it cannot go on
            opened.callback(os.close, self._lock)
            try:
                self.damage = recover(self.path, HostClock().utc_us())
                self._db = opened.enter_context(closing(connect(self.path)))
                self._read_db = opened.enter_context(closing(connect(self.path)))
                self.meta: dict[str, Any] = dict(self._db.execute("SELECT key, value FROM meta"))
                self._load_lanes()
                self._load_seen()
                self.used = used_size(self._db)
            except (sqlite3.Error, OSError) as error:
                raise StoreError(f"{self.path}: {error}") from error
            self._synced = Synced(folder)
            opened.callback(self._synced.close)
            self._opened = opened.pop_all()

    # Taking in

    def append(self, device: str, identity: Identity, frame: bytes) -> bool:
        """Take a verified frame into the current group; False when it was accepted before."""
        boot, index, lane = identity
        group = self._group
        key = (device, boot)
        if group.newest.get(key) == index >> BLOCK_SHIFT:
            is_new = self.seen[key].add(index)
        else:
            is_new = self.note_seen(device, boot, index)
        if not is_new:
            self.counters["duplicates"] += 1
            return False
        size = len(frame)
        group.pieces[lane] += (PREFIXES[size], frame)
        group.size += size
        return True

    def note_seen(self, device: str, boot: int, index: int) -> bool:
        """Note, with the current group, that an index was accepted; False when it was before."""
        key = (device, boot)
        ranges = self.seen.get(key)
        if ranges is None:
            ranges = self.seen[key] = Ranges()
        group = self._group
        number = index >> BLOCK_SHIFT
        block = (device, boot, number)
        before = b"" if block in group.touched else pack_block(ranges, number)
        if not ranges.add(index):
            return False
        group.touched.setdefault(block, before)
        group.newest[key] = number
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
        has_no_room = self.failure and len(self._group.own) >= OWN_MAX
        if has_no_room or self.refused_from == 0:
            self.counters["own_dropped"] += 1
            return False
        return True

    @property
    def group(self) -> Group:
        """The group that grows now."""
        return self._group

    def is_busy(self) -> bool:
        """Tell whether links should stop reading for now."""
        return self.is_crowded or self._group.size > GROUP_SIZE_MAX

    def bound(self, is_crowded: bool, refused_from: int) -> None:
        """Set what links may do: wait while room is made, send what is more urgent, or all."""
        self.refused_from = refused_from
        was_crowded, self.is_crowded = self.is_crowded, is_crowded
        if was_crowded and not is_crowded:
            for callback in self.on_relief:
                callback()

    def remove(self, removal: Removal) -> None:
        """Take chunks out with the group that grows now; nothing else may take out the same."""
        self._group.removals.append(removal)
        self.flush()

    def save_meta(self, key: str, value: Any) -> None:
        """Keep a small fact."""
        self.meta[key] = value
        self._group.meta[key] = value
        self.flush()

    def save_clock(self, row: tuple[Any, ...]) -> None:
        """Keep a clock: device, boot, device_us, utc_us, uncertainty_us, rate_ppb."""
        self._group.clocks.append(row)
        self.flush()

    def follow(self, uplink: str, queue: Follower) -> None:
        """Keep an uplink's cursor in step with what leaves the store: in the same transaction."""
        self._followers[uplink] = queue
        self.on_evicted.append(queue.evicted)

    def save_cursor(self, uplink: str, rows: list[CursorRow]) -> None:
        """Keep how far an uplink is; rides on the next group, or goes alone after a moment."""
        self._group.cursors[uplink] = rows
        if not self._scheduled:
            self._flush_after(CURSOR_DELAY_S)

    def save_dead_letter(
        self, key: dead_letters.Key, letter: dead_letters.DeadLetter | None
    ) -> None:
        """Keep a dead letter; None: forget it. In one commit with the cursor saved before it."""
        self._group.dead_letters[key] = letter
        self.flush()

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
        if self._group.is_empty():
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        group, self._group = self._group, Group()
        if group.removals:
            gone = [(one.lane, *run) for one in group.removals for run in one.runs]
            for uplink, queue in self._followers.items():
                group.cursors[uplink] = queue.rows_without(gone)
        seen = [(*key, pack_block(self.seen[key[:2]], key[2])) for key in group.touched]
        chunks = [join(self.following[lane], group.pieces[lane]) for lane in LANES]
        job = self._in_flight = Job(group, seen, chunks)
        self._idle.clear()
        for callback in self.on_hand_over:
            callback()
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._writer, self._commit, job)
        future.add_done_callback(lambda done: self._committed(job, done.exception()))

    def _committed(self, job: Job, error: BaseException | None) -> None:
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

    def _publish(self, job: Job) -> None:
        if self.failure and job.group.is_written():
            log.info("the store works again")
            self.failure, self.is_full = "", False
        self.counters["commits"] += 1
        for lane in LANES:
            for chunk in job.chunks[lane]:
                self.following[lane] += chunk[1]
                self.bytes[lane] += len(chunk[2])
                self.taken[lane] += len(chunk[2])
                self._tail[lane].append(chunk)
                self._tail_size += len(chunk[2])
        self.used = job.used
        self._synced.note(self.following, int(self.meta.get("boot", 0)))
        self._trim_tail()
        for removal, size in zip(job.group.removals, job.removed_sizes, strict=True):
            self._forget(removal, size)
        if job.group.removals:
            # What they saved meanwhile does not know of it yet.
            for uplink, queue in self._followers.items():
                self._group.cursors[uplink] = queue.rows()
        for callback in self.on_commit:
            try:
                callback(job.group)
            except Exception:  # a bug of one must not keep the others from hearing of it
                log.exception("a listener of commits failed")

    def _trim_tail(self) -> None:
        # The bulk goes first: an urgent lane's few bytes stay at hand.
        for lane in reversed(LANES):
            tail = self._tail[lane]
            while tail and self._tail_size > self._tail_size_max:
                self._tail_size -= len(tail.popleft()[2])

    def _forget(self, removal: Removal, size: int) -> None:
        lane, tail = removal.lane, self._tail[removal.lane]
        self.bytes[lane] -= size
        self.counters[removal.counter] += removal.count()
        while tail and removal.starts and tail[0][0] <= removal.starts[-1]:
            self._tail_size -= len(tail.popleft()[2])
        for first, following in removal.runs:
            for callback in self.on_evicted:
                callback(lane, first, following)

    def _fail(self, group: Group, error: BaseException) -> None:
        self.counters["failures"] += 1
        self._check(error)
        reason = str(error) or type(error).__name__
        if reason != self.failure:
            log.error("the store cannot write: %s; devices keep their frames", reason)
        self.failure, self.is_full = reason, is_full(error)
        lost, self._group = self._group, Group()
        for one in (lost, group):  # the older group knows what was there before both
            for (device, boot, block), before in one.touched.items():
                put_block(self.seen[device, boot], block, before)
        for one in (group, lost):
            self._group.take_over(one)
            for record in one.own:
                self._keep_own(record)
        for callback in self.on_failure:
            callback(reason)

    def _check(self, error: BaseException) -> None:
        if is_damage(error) and not self.is_damaged:
            self.is_damaged = True
            mark(self.path.parent, str(error))
            for callback in self.on_damage:
                callback(str(error))

    def _load_lanes(self) -> None:
        for lane, following, size in self._db.execute("SELECT lane, following, bytes FROM lane"):
            self.following[lane], self.bytes[lane] = following, size

    def _load_seen(self) -> None:
        whole = []
        query = "SELECT device, boot, block, ranges FROM seen"
        for device, boot, block, packed in self._db.execute(query):
            add_packed(self.seen.setdefault((device, boot), Ranges()), packed)
            if packed and unpack(packed[-8:])[0] > (block + 1) * BLOCK_COUNT:
                whole.append((device, boot))  # of version 1: all of a boot in one row
        rows = [
            (*key, block, pack_block(self.seen[key], block))
            for key in whole
            for block in blocks_of(self.seen[key])
        ]
        if rows:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(SAVE_SEEN, rows)
            self._db.execute("COMMIT")

    def first(self, lane: int) -> int:
        """Return the oldest frame's number that a lane may hold; what follows last when empty."""
        base = lane << LANE_SHIFT
        bounds = (base, base | self.following[lane])
        row = self._db.execute("SELECT min(id) FROM chunk WHERE id >= ? AND id < ?", bounds)
        number = row.fetchone()[0]
        return self.following[lane] if number is None else int(number) - base

    def frames_stored(self) -> int:
        """Return how many frames were ever accepted."""
        return sum(self.following)

    # Reading

    async def read(self, lane: int, first: int, following: int, size_max: int) -> Chunk | None:
        """Return frames from `first` up to `following`, at most size_max bytes, at least one.

        None when none of them are there any more.
        """
        tail = self._tail[lane]
        if tail and tail[0][0] <= first:
            return gather(_since(tail, first), first, following, size_max)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(
                self._reader, self.chunks.read, lane, first, following, size_max
            )
        except sqlite3.Error as error:
            self._check(error)
            raise OSError(str(error)) from error

    def load_cursor(self, uplink: str) -> list[CursorRow]:
        """Return what was saved for an uplink."""
        query = "SELECT lane, live, backlog, delivered, evicted FROM cursor WHERE uplink = ?"
        rows = self._db.execute(query, (uplink,)).fetchall()
        return [(lane, live, unpack(backlog), *rest) for lane, live, backlog, *rest in rows]

    def load_clocks(self, run: str) -> list[tuple[Any, ...]]:
        """Return the rows that save_clock kept while the machine's monotonic clock ran as now.

        run: its name, kept as meta "clock_run". Of another run they are forgotten.
        """
        if self.meta.get("clock_run") != run:
            self._db.execute("DELETE FROM clock")
        query = "SELECT device, boot, device_us, utc_us, uncertainty_us, rate_ppb FROM clock"
        return self._db.execute(query).fetchall()

    def dead_letters_of(self, uplink: str) -> list[dead_letters.Key]:
        """Return the keys of those that were kept for an uplink, oldest first."""
        return dead_letters.keys_of(self._db, uplink)

    async def read_dead_letter_to_retry(self, uplink: str) -> dead_letters.DeadLetter | None:
        """Return one that an operator wants to be tried again."""
        loop = asyncio.get_running_loop()
        read = dead_letters.read_to_retry
        return await loop.run_in_executor(self._reader, read, self._read_db, uplink)

    async def wait_idle(self) -> None:
        """Wait until everything handed over is committed, or has failed once."""
        failures = self.counters["failures"]
        while self.counters["failures"] == failures and self._has_work():
            self._schedule()
            await asyncio.sleep(0)
            await self._idle.wait()

    def _has_work(self) -> bool:
        return not self._group.is_empty() or self._in_flight is not None

    async def close(self) -> None:
        """Commit what is there and close the files."""
        await self.wait_idle()
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._writer.shutdown()
        self._reader.shutdown()
        self._opened.close()

    def statistics(self) -> dict[str, Any]:
        """Return counters for the console."""
        return {
            **self.counters,
            "bytes": self.used,
            "size_max": self.size_max,
            "accepted": self.frames_stored(),
        }


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
