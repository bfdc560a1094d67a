"""The store against a model of a few lines: commits, crashes, full disks, removal, reading."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hub.chunks import PREFIXES, join
from hub.store import LANE_SHIFT, Removal, Store
from protocols.framing import Splitter
from protocols.vocabulary import LANES

SIZE_MAX = 300
TAIL_SIZE_MAX = 150  # so that both the tail in memory and the file are read
MEMORY = Path("/dev/shm")  # the disk is no part of this test; fsync would make it slow

Identity = tuple[str, int, int]
LANE = st.sampled_from((0, 2, 3, 3))  # most in one, so that it is cut in every way
PERCENT = st.integers(0, 100)


class StillLoop(asyncio.SelectorEventLoop):
    """Its timers never ring: the store commits when a rule says so and at no other time."""

    def time(self) -> float:
        """Return the time, which stands still."""
        return 0.0


class StoreMachine(RuleBasedStateMachine):
    """`committed` and `pending` are the model: lane -> frames with their identities."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = StillLoop()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.generation = 0
        self.committed: list[list[tuple[Identity, bytes]]] = [[] for _ in LANES]
        self.pending: list[list[tuple[Identity, bytes]]] = [[] for _ in LANES]
        self.own_count = 0
        self.removed: list[set[int]] = [set() for _ in LANES]
        self.cursor: list[Any] = []
        self.cursor_pending: list[Any] | None = None

    def await_(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def path(self) -> Path:
        return Path(self.folder.name) / str(self.generation)

    @initialize()
    def open(self) -> None:
        async def make() -> Store:
            return Store(self.path(), SIZE_MAX, tail_size_max=TAIL_SIZE_MAX)

        self.store = self.await_(make())

    def teardown(self) -> None:
        self.await_(self.store.close())
        self.loop.close()
        self.folder.cleanup()

    def known(self) -> set[Identity]:
        return {one[0] for rows in (*self.committed, *self.pending) for one in rows}

    @rule(
        device=st.sampled_from(("river-1", "home-1")),
        boot=st.integers(1, 2),
        indexes=st.lists(st.integers(0, 60), min_size=1, max_size=12),
        lane=LANE,
        size=st.integers(1, 90),
    )
    def append(self, device: str, boot: int, indexes: list[int], *, lane: int, size: int) -> None:
        for index in indexes:
            identity = (device, boot, index)
            frame = f"{device} {boot} {index} ".encode().ljust(size, b".")
            is_new = identity not in self.known()
            assert self.store.append(device, (boot, index, lane), frame) is is_new
            if is_new:
                self.pending[lane].append((identity, frame))

    @rule()
    def commit(self) -> None:
        failures = self.store.counters["failures"]
        self.await_(self.store.wait_idle())
        assert self.store.counters["failures"] == failures
        for lane in LANES:
            self.committed[lane] += self.pending[lane]
            self.pending[lane] = []
        if self.cursor_pending is not None:
            self.cursor, self.cursor_pending = self.cursor_pending, None

    @rule(lane=st.none() | LANE)
    def commit_in_vain(self, lane: int | None) -> None:
        """A commit that cannot write: all but the hub's own records and cursors is dropped.

        lane: of a record that the hub makes meanwhile.
        """
        told: list[str] = []
        self.store.on_failure = [told.append]
        self.store._db.execute("PRAGMA query_only = ON")
        if lane is not None:
            self.append_own(lane)
        had_work = any(self.pending) or self.cursor_pending is not None
        self.await_(self.store.wait_idle())
        self.store._db.execute("PRAGMA query_only = OFF")
        assert bool(told) is had_work
        for rows in self.pending:
            rows[:] = [one for one in rows if one[0][0] == "hub-1"]

    def append_own(self, lane: int) -> None:
        """Take a record of the hub itself; the next await_ commits it."""
        index = self.own_count
        self.own_count += 1
        frame = f"own {index}".encode()

        async def work() -> None:
            self.store.append_own("hub-1", (1, index, lane), frame)

        self.await_(work())
        self.pending[lane].append((("hub-1", 1, index), frame))

    @rule()
    def crash(self) -> None:
        """What is on the disk now is what a killed process leaves."""
        before = self.path()
        self.generation += 1
        shutil.copytree(before, self.path())
        self.await_(self.store.close())
        self.open()
        self.pending = [[] for _ in LANES]
        self.cursor_pending = None

    @rule(live=st.integers(0, 9))
    def save_cursor(self, live: int) -> None:
        rows = [(one, live, [1, 2, 5, 9], 3, 4) for one in LANES]

        async def work() -> None:
            self.store.save_cursor("platform", rows)

        self.await_(work())
        self.cursor_pending = rows

    @rule(lane=LANE, percent=PERCENT, kept=st.sets(st.integers(0, 40)))
    def remove(self, lane: int, percent: int, kept: set[int]) -> None:
        """Take a chunk out, but for some of its frames; with it all that is pending commits."""
        base = lane << LANE_SHIFT
        query = "SELECT id, count, frames FROM chunk WHERE id >= ? AND id < ? ORDER BY id"
        rows = self.store._read_db.execute(query, (base, base + (1 << LANE_SHIFT))).fetchall()
        if not rows:
            return
        number, _, blob = rows[(len(rows) - 1) * percent // 100]
        first = number - base
        frames = list(enumerate(Splitter().feed(blob), first))
        stay = [
            join(at, [PREFIXES[len(frame)], frame])[0]
            for at, frame in frames
            if at - first in kept
        ]
        gone = {at for at, _ in frames if at - first not in kept}
        told: list[tuple[int, int, int]] = []
        self.store.on_evicted = [lambda *run: told.append(run)]

        async def work() -> None:
            runs = [(at, at + 1) for at in sorted(gone)]
            self.store.remove(Removal(lane, [first], stay, runs, "evicted"))

        self.await_(work())
        self.commit()
        assert told == [(lane, at, at + 1) for at in sorted(gone)]
        self.removed[lane] |= gone

    @rule(lane=LANE, percent=PERCENT, length=st.integers(0, 60), size=st.integers(1, 400))
    def read(self, lane: int, percent: int, length: int, size: int) -> None:
        """What was not taken out is there, byte for byte; reading ends at what was."""
        frames = [frame for _, frame in self.committed[lane]]
        first = len(frames) * percent // 100
        there = [
            at
            for at in range(first, min(first + length, len(frames)))
            if at not in self.removed[lane]
        ]
        found = self.await_(self.store.read(lane, first, first + length, size))
        if not there:
            assert found is None
            return
        start, count, blob = found
        assert start == there[0] and there[:count] == list(range(start, start + count))
        assert Splitter().feed(blob) == frames[start : start + count]
        assert count == 1 or len(blob) <= size

    @invariant()
    def sums_are_right(self) -> None:
        store = self.store
        assert store.following == [len(rows) for rows in self.committed]
        query = "SELECT coalesce(sum(length(frames)), 0) FROM chunk"
        assert sum(store.bytes) == store._read_db.execute(query).fetchone()[0]
        assert store.load_cursor("platform") == self.cursor
        stored = {
            (device, boot, index)
            for (device, boot), ranges in store.seen.items()
            for low, high in ranges.pairs()
            for index in range(low, high)
        }
        assert stored == self.known()


StoreMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=40)
test_store_keeps_what_it_committed = StoreMachine.TestCase
