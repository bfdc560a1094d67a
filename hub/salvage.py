"""Frames out of a damaged store that was put aside.

A chunk whose checksum fits comes over as it is, at the numbers that it had. Of another one the
frames are tried one by one: each carries its own authentication code. A frame that does not check
is left out; where even its length cannot be believed the next one is looked for. What stays
missing is named in the ledger and in a notice.

The work goes on behind a hub that takes in data and relays it. Until it is done the uplinks hold
back what is historical (`Store.is_salvaging`), for a number that is not there would count as
evicted.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from hub.chunks import CHUNK_SIZE_MAX, PREFIXES, Chunk, gather
from hub.database import connect_to_read
from hub.eviction import is_mark
from hub.group import Group, Removal
from hub.identity import identity_of
from hub.ledger import Entry, gap
from hub.pages import TABLE_LEAF, Cell, Pages, cells, columns, opened
from hub.recovery import SALVAGE_KEY
from hub.remains import LANE_SHIFT, is_chunk
from hub.seen import within
from hub.store import Store
from protocols.cose import DeviceKeys, sender_of
from protocols.errors import RemoteProtocolError
from protocols.ranges import Ranges
from protocols.vocabulary import GAP_STORE_DAMAGED, LANES

log = logging.getLogger(__name__)

BATCH_SIZE_MAX = 1 << 20  # of frames in one commit, so that live data waits a few milliseconds
TRIES_MAX = 24  # ways to read one damaged row
IMAGES_MAX = 8  # the newest of a damaged row that are tried
GAPS_MAX = 1000  # entries of the ledger for one damage; the last one then spans the rest
_COUNT_MAX = CHUNK_SIZE_MAX  # frames of a chunk: none is shorter than a byte
_HEAD = b"\xd1\x84"  # how each frame begins (protocols.cose)
_NUMBER = (1 << LANE_SHIFT) - 1

Piece = tuple[int, Chunk]  # lane, chunk
IsGenuine = Callable[[bytes], bool]


class Verifier:
    """Tells genuine frames by their senders' keys. secrets: name of a device or hub -> secret."""

    def __init__(self, secrets: dict[str, bytes]) -> None:
        self._secrets = secrets
        self._keys: dict[str, DeviceKeys] = {}

    def __call__(self, frame: bytes) -> bool:
        """Tell whether the frame is as its sender sealed it."""
        try:
            name = sender_of(frame)
            if name not in self._secrets:
                return False
            if name not in self._keys:
                self._keys[name] = DeviceKeys(name, self._secrets[name])
            self._keys[name].up.open(frame)
        except RemoteProtocolError:
            return False
        return True


def cut(chunk: Chunk, is_genuine: IsGenuine) -> list[Chunk]:
    """Return the genuine frames of a damaged chunk, as chunks at their numbers.

    A frame behind one whose length is lost keeps its order; its number is as near as can be.
    """
    first, count, blob = chunk
    runs: list[list[bytes]] = [[]]
    taken: set[bytes] = set()  # a page written in the wrong place may repeat some
    for at, end, is_good in _regions(blob, is_genuine):
        frame = blob[at + 2 : end]
        if is_good and frame not in taken:
            taken.add(frame)
            runs[-1].append(frame)
        else:
            runs.append([])
    return _numbered(first, count, runs)


def _regions(blob: bytes, is_genuine: IsGenuine) -> Iterator[tuple[int, int, bool]]:
    """Yield (from, up to, whether it is a genuine frame with its length) over all of a blob."""
    at = 0
    while at < len(blob):
        end = at + 2 + int.from_bytes(blob[at : at + 2], "big")
        is_good = at + 2 < end <= len(blob) and is_genuine(blob[at + 2 : end])
        if not is_good:
            end = _next(blob, at, is_genuine)
        yield at, end, is_good
        at = end


def _next(blob: bytes, at: int, is_genuine: IsGenuine) -> int:
    """Return where the next genuine frame after a bad one begins; the end where there is none."""
    at = blob.find(_HEAD, at + 3)
    while at >= 0:
        size = blob[at - 2] << 8 | blob[at - 1]
        if is_genuine(blob[at : at + size]):
            return at - 2
        at = blob.find(_HEAD, at + 1)
    return len(blob)


def _numbered(first: int, count: int, runs: list[list[bytes]]) -> list[Chunk]:
    bad = max(count - sum(map(len, runs)), 0)
    chunks = []
    for at, run in enumerate(runs):
        if at:  # a hole: of one frame as far as we know, and the last of all that are missing
            size = bad if at == len(runs) - 1 else min(bad, 1)
            first, bad = first + size, bad - size
        if run:
            blob = b"".join(part for frame in run for part in (PREFIXES[len(frame)], frame))
            chunks.append((first, len(run), blob))
            first += len(run)
    return chunks


def read_chunks(
    pages: Pages, is_wanted: Callable[[int, int], bool], belongs: Callable[[int, bytes], bool]
) -> Iterator[Piece]:
    """Yield the chunks that can be found, all whole ones first.

    is_wanted(lane, first): asked anew before the work for each. belongs(lane, frame): whether a
    frame found in a damaged chunk is genuine and no copy of another.
    """
    damaged: dict[tuple[int, int], list[Cell]] = {}  # older images of a leaf too
    for page in pages.leaves((TABLE_LEAF,)):
        for cell in cells(page):
            if not _is_like_chunk(cell) or not is_wanted(*_place(cell)):
                continue
            whole = _whole(pages, cell)
            if whole is None:
                damaged.setdefault(_place(cell), []).append(cell)
            else:
                yield whole
    for (lane, first), images in damaged.items():
        if is_wanted(lane, first):
            is_genuine = partial(belongs, lane)
            found = [
                _frames_of(pages, cell, prefers_log, is_genuine)
                for cell in list(dict.fromkeys(images))[-IMAGES_MAX:]
                for prefers_log in (False, True)
            ]
            best = max(found, key=lambda chunks: sum(one[1] for one in chunks))
            yield from ((lane, chunk) for chunk in best)


def _frames_of(pages: Pages, cell: Cell, prefers_log: bool, is_genuine: IsGenuine) -> list[Chunk]:
    """Return the genuine frames of a damaged row.

    Where frames are bad the pointer on their page, or on the one before, may be: it is left out of
    account, and stays so where that finds more frames.
    """
    best, bad = _tried(pages, cell, (prefers_log, frozenset()), is_genuine)
    disbelieved: frozenset[int] = frozenset()
    tried = {disbelieved}
    more = _suspects(bad)
    while more and len(tried) < TRIES_MAX:
        without = disbelieved | more.pop(0)
        if without in tried:
            continue
        tried.add(without)
        found, bad = _tried(pages, cell, (prefers_log, without), is_genuine)
        if sum(one[1] for one in found) > sum(one[1] for one in best):
            best, disbelieved, more = found, without, _suspects(bad)
    return best


def _suspects(bad: list[tuple[int, int]]) -> list[frozenset[int]]:
    """Return pointers that may be wrong. bad: first and last place of each bad part."""
    found = []
    for first, last in bad:
        found += [frozenset((first,)), frozenset((first - 1,))]
        found.append(frozenset(range(first - 1, last + 1)))
    return found


def _tried(
    pages: Pages, cell: Cell, how: tuple[bool, frozenset[int]], is_genuine: IsGenuine
) -> tuple[list[Chunk], list[tuple[int, int]]]:
    """Return the frames that a way to read the row gives, and the places of the bad parts."""
    payload = pages.payload(cell, prefers_log=how[0], disbelieved=how[1])
    row = columns(payload) or []
    if not _is_row(row):
        return [], []
    blob = row[2]
    start = payload.find(blob[:64])
    bad = [
        (pages.place_of(cell, start + at), pages.place_of(cell, start + end - 1))
        for at, end, is_good in _regions(blob, is_genuine)
        if not is_good
    ]
    return cut((_place(cell)[1], row[1], blob), is_genuine), bad


def _place(cell: Cell) -> tuple[int, int]:
    rowid = cell.rowid or 0
    return rowid >> LANE_SHIFT, rowid & _NUMBER


def _whole(pages: Pages, cell: Cell) -> Piece | None:
    lane, first = _place(cell)
    for payload in pages.payloads(cell):
        row = (cell.rowid, *(columns(payload) or [])[1:])
        if len(row) == 4 and is_chunk(row):
            return lane, (first, row[1], row[2])
    return None


def _is_like_chunk(cell: Cell) -> bool:
    is_in_lane = cell.rowid is not None and cell.rowid >> LANE_SHIFT in LANES
    return is_in_lane and _is_row(columns(cell.local) or [])


def _is_row(values: list[Any]) -> bool:
    # Three columns: of version 1, without a checksum.
    return (
        len(values) in (3, 4)
        and values[0] is None
        and isinstance(values[1], int)
        and isinstance(values[2], bytes)
    )


@dataclass
class Outcome:
    """What a salvage has done.

    frames: that came over; missing: (lane, first, following). known: of each lane, above which
    no number is known to have been given to a frame.
    """

    frames: int
    missing: list[tuple[int, int, int]]
    folder: str
    known: list[int]

    def named(self) -> list[tuple[int, int, int]]:
        """Return those missing of which it is known that there were frames."""
        upto = [(lane, first, min(end, self.known[lane])) for lane, first, end in self.missing]
        return [one for one in upto if one[1] < one[2]]

    def missing_count(self) -> int:
        """Return how many frames are missing."""
        return sum(following - first for _, first, following in self.named())

    def texts(self) -> tuple[str, str]:
        """Return what people should know, in Japanese and English."""
        lost = self.missing_count()
        return (
            f"保存データに破損: {self.frames} フレームを救出、{lost} フレーム喪失。"
            f"破損ファイルは {self.folder} に保管",
            f"the store was damaged: {self.frames} frames saved, {lost} lost;"
            f" the damaged files stay in {self.folder}",
        )


class Salvage:
    """Brings over what the quarantine holds.

    floor(lane): the first number that somebody still needs. on_end: gets the outcome.
    """

    def __init__(self, store: Store, is_genuine: IsGenuine, floor: Callable[[int], int]) -> None:
        self._store = store
        self._is_genuine = is_genuine
        self._floor = floor
        self._known: dict[tuple[str, int], Ranges] = {}
        self._found: list[tuple[str, int, int]] = []  # of the batch under way
        self._committed = asyncio.Event()
        self._last: Removal | None = None
        store.on_commit.append(self._hear)
        store.chunks.is_whole = lambda chunk: cut(chunk, is_genuine) == [chunk]
        self.on_end: Callable[[Outcome], None] = lambda outcome: None
        self.utc_us: Callable[[], int] = lambda: 0

    async def run(self) -> None:
        """Bring over all that is there, then end; goes on after a restart of the hub."""
        text = self._store.meta.get(SALVAGE_KEY)
        if not text:
            return
        task = json.loads(text)
        floors = [self._floor(lane) for lane in LANES]  # they stand still meanwhile
        done = await asyncio.to_thread(self._stored, task["following"])
        frames = 0
        for name in task["folders"]:
            path = self._store.path.parent / name / self._store.path.name
            with opened(path) as pages:
                batches = self._batches(pages, done, (task["following"], floors))
                while batch := await asyncio.to_thread(next, batches, None):
                    frames += await self._restore(batch, task["is_seen_whole"])
        missing = [
            (lane, max(first, floors[lane]), end)
            for lane in LANES
            for first, end in done[lane].missing(task["following"][lane])
            if end > floors[lane]
        ]
        known = task.get("known", task["following"])
        known = [max(known[lane], *done[lane].flat[-1:], 0) for lane in LANES]
        self._end(Outcome(frames, missing, task["folders"][0], known))

    def _stored(self, following: list[int]) -> list[Ranges]:
        """Return the numbers of each lane that are in the store, below `following`."""
        found = [Ranges() for _ in LANES]
        with closing(connect_to_read(self._store.path)) as db:
            for lane, upto in enumerate(following):
                base = lane << LANE_SHIFT
                query = "SELECT id, count FROM chunk WHERE id >= ? AND id < ?"
                for start, count in db.execute(query, (base, base + upto)):
                    found[lane].add_range(start - base, start - base + count)
        return found

    def _batches(
        self, pages: Pages, done: list[Ranges], bounds: tuple[list[int], list[int]]
    ) -> Iterator[list[Piece]]:
        following, floors = bounds
        batch: list[Piece] = []
        size = 0

        def is_wanted(lane: int, first: int) -> bool:
            # A chunk below the floor may reach above it.
            is_near = floors[lane] - _COUNT_MAX < first < following[lane]
            return is_near and first not in done[lane]

        for lane, chunk in read_chunks(pages, is_wanted, self._belongs):
            for part in _not_in(done[lane], chunk, (floors[lane], following[lane])):
                done[lane].add_range(part[0], part[0] + part[1])
                self._note(part[2])
                batch.append((lane, part))
                size += len(part[2])
            if size >= BATCH_SIZE_MAX:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    async def _restore(self, batch: list[Piece], is_seen_whole: bool) -> int:
        """Put chunks into the store, wait for the commit; return how many frames they are."""
        if not is_seen_whole:
            for device, boot, index in self._found:
                self._store.note_seen(device, boot, index)
        self._found.clear()
        self._committed.clear()
        for lane in LANES:
            chunks = [chunk for one, chunk in batch if one == lane]
            if chunks:
                self._last = Removal(lane, [], chunks, [], "salvaged")
                self._store.remove(self._last)
        await self._committed.wait()
        count = sum(chunk[1] for _, chunk in batch)
        self._store.counters["salvaged"] += count
        return count

    def _belongs(self, lane: int, frame: bytes) -> bool:
        if not self._is_genuine(frame):
            return False
        try:
            device, (boot, index, own_lane) = identity_of(frame)
        except RemoteProtocolError:
            return False
        ranges = self._known.get((device, boot))
        return lane == own_lane and not (ranges and index in ranges)

    def _note(self, blob: bytes) -> None:
        """Note whose frames come over: no copy of one is taken after it."""
        at = 0
        while at + 2 <= len(blob):
            end = at + 2 + int.from_bytes(blob[at : at + 2], "big")
            try:
                device, (boot, index, _) = identity_of(blob[at + 2 : end])
            except RemoteProtocolError:
                pass
            else:
                self._known.setdefault((device, boot), Ranges()).add(index)
                self._found.append((device, boot, index))
            at = end

    def _hear(self, group: Group) -> None:
        if any(one is self._last for one in group.removals):
            self._committed.set()

    def _end(self, outcome: Outcome) -> None:
        """Settle what is missing: ledger, cursors and the end of the salvage in one commit."""
        store = self._store
        store.group.ledger += self._entries(outcome.named(), outcome.folder)
        for lane in LANES:
            runs = [(first, end) for one, first, end in outcome.missing if one == lane]
            if runs:
                store.remove(Removal(lane, [], [], runs, "evicted"))
        for key in store.meta:
            if is_mark(key):  # hub.room has to look at what came over below it
                store.save_meta(key, 0)
        store.is_salvaging = False
        store.save_meta(SALVAGE_KEY, "")
        log.warning("salvage: %d frames came over, %d missing; the damaged store stays in %s",
                    outcome.frames, outcome.missing_count(), outcome.folder)  # fmt: skip
        self.on_end(outcome)

    def _entries(self, missing: list[tuple[int, int, int]], detail: str) -> list[Entry]:
        named = missing[:GAPS_MAX]
        rest = sum(end - first for _, first, end in missing[GAPS_MAX:])
        if rest:
            detail += f"; {rest} more frames in {len(missing) - GAPS_MAX} ranges"
        return [
            gap(self.utc_us(), "", (0, first, end), lane=lane, reason=GAP_STORE_DAMAGED,
                detail=detail)
            for lane, first, end in named
        ]  # fmt: skip


def _not_in(done: Ranges, chunk: Chunk, bounds: tuple[int, int]) -> Iterator[Chunk]:
    """Yield the parts of a chunk that are not there; none of one that is outside of the bounds.

    hub.room may have left a part of it before the hub was started anew.
    """
    first, count, blob = chunk
    end = first + count
    if not bounds[0] < end <= bounds[1]:
        return
    edges = [first, *within(done.flat, first, end), end]
    for low, high in zip(edges[::2], edges[1::2], strict=True):
        part = gather([chunk], low, high, len(blob)) if low < high else None
        if part is not None:
            yield part
