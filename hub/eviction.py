"""What may leave the store next: looked for on a thread of its own, in bounded pieces.

A `Search` says what is wanted, a `Find` names whole chunks, what of them stays, and who must be
told. Nothing is changed here: the writer takes the chunks out in the transaction in which the
hub's records about them come in (hub.room).

Chunks are looked at from the oldest on. Below a lane's mark only such frames are left as that step
keeps, so nothing is read twice; and what was on its way to an uplink when the mark passed, at most
what lines carry at a time. Where it did not arrive it goes with the last step.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from hub.chunks import PREFIXES, Chunk, join
from hub.group import Removal
from hub.seen import within
from hub.thinning import Thinner
from hub.writer import LANE_SHIFT
from protocols import cbor
from protocols.batch import decode_batch, read_record_head
from protocols.cose import sender_of
from protocols.errors import RemoteProtocolError
from protocols.framing import Splitter
from protocols.ranges import Ranges
from protocols.vocabulary import (
    GAP_DISK_FULL,
    GAP_THINNED,
    KIND_BATCH,
    KIND_SUMMARY,
    LANE_ALERT,
    LANE_LIFE,
    LANE_STATE,
    LANE_WAVE,
)

ROWS_MAX = 4096  # of a piece, however small its chunks are
GAP_SIZE = 80  # bytes of a gap record, about; and with it a row of the ledger


@dataclass(frozen=True)
class Step:
    """One way to make room. lanes: least urgent first.

    counter: what the store counts it as. reason: of the gap records; None takes only what every
    uplink has. takes: of undelivered frames, the kinds that go; None: all.
    """

    name: str
    lanes: tuple[int, ...]
    counter: str
    reason: int | None = None
    takes: tuple[int, ...] | None = None


_BUT_ALERTS = (LANE_WAVE, LANE_STATE, LANE_LIFE)
# Frames that concern a person, delivered and older than they may be kept.
EXPIRE = Step("expire", (*_BUT_ALERTS, LANE_ALERT), "deleted", takes=(KIND_BATCH,))
DELETE_WAVES = Step("delete waves", (LANE_WAVE,), "deleted")
DELETE = Step("delete", (*_BUT_ALERTS, LANE_ALERT), "deleted")
THIN = Step("thin", (LANE_WAVE,), "thinned", GAP_THINNED, (KIND_BATCH,))
# What is said about readings (gaps, clocks, modes, notices) stays until no readings are left.
EVICT = Step("evict", _BUT_ALERTS, "evicted", GAP_DISK_FULL, (KIND_BATCH, KIND_SUMMARY))
EVICT_RECORDS = Step("evict records", _BUT_ALERTS, "evicted", GAP_DISK_FULL)


@dataclass(frozen=True)
class Search:
    """What to look for. steps: the first that finds something is taken.

    needed: lane -> flat pairs of the sequence numbers that an uplink still has to deliver.
    free: those of them that may go undelivered; hurry: how much of needed that is (hub.room).
    seen(device, boot): flat pairs of the indexes that were accepted, in any lane.
    following: lane -> below which all is committed. marks: (step, lane) -> where to go on.
    size: bytes of frames of one piece. thin_size: of one that is thinned, which takes longer;
    is_late(): asked meanwhile whether there is no time for that. old: lane -> below it frames of
    these personal devices, and encrypted ones of any, may be kept no longer.
    """

    steps: tuple[Step, ...]
    needed: list[list[int]]
    free: list[list[int]]
    hurry: int
    following: list[int]
    marks: dict[str, int]
    size: int
    thin_size: int
    seen: Callable[[tuple[str, int]], list[int]]
    is_late: Callable[[], bool] = lambda: False
    old: tuple[int, ...] = ()
    personal: frozenset[str] = frozenset()


@dataclass
class Find:
    """What a step may take out of a lane.

    size: bytes of the frames that go. mark: below it the step has nothing left to do.
    gaps: (device, boot) -> the indexes that go undelivered, and between them what was accepted in
    other lanes; device "": frames that cannot be read, by sequence number.
    """

    step: Step
    removal: Removal
    size: int
    mark: int
    gaps: dict[tuple[str, int], Ranges] = field(default_factory=dict)
    summaries: list[dict[str, Any]] = field(default_factory=list)

    def is_worth_it(self) -> bool:
        """Tell whether more goes than the records that name it take; else it would never end."""
        return self.size >= GAP_SIZE * sum(len(one.flat) for one in self.gaps.values())


def mark_key(step: Step, lane: int) -> str:
    """Return the name under which the store keeps a mark."""
    return f"{step.counter} below {lane}"


def is_mark(key: str) -> bool:
    """Tell whether the store keeps a mark under this name."""
    return " below " in key


def search(db: sqlite3.Connection, wanted: Search) -> Find | None:
    """Return what the first fruitful step finds; None when nothing may leave."""
    for step in wanted.steps:
        for lane in step.lanes:
            if step is EXPIRE:
                found = _expired(db, wanted, lane)
            elif step.reason is None:
                found = _delivered(db, wanted, step, lane)
            else:
                found = _undelivered(db, wanted, step, lane)
            if found is not None and found.is_worth_it():
                return found
    return None


def _expired(db: sqlite3.Connection, wanted: Search, lane: int) -> Find | None:
    """Return whole chunks below what is needed; also where all stays, to move the mark."""
    high = min([wanted.old[lane], wanted.following[lane], *wanted.needed[lane][:1]])
    mark = wanted.marks.get(mark_key(EXPIRE, lane), 0)
    if mark >= high:
        return None
    piece = _Piece(EXPIRE, lane, wanted)
    for first, count, _ in _rows(db, lane, mark, high):
        if first + count > high:
            break
        piece.take(first, _frames(db, lane, first, count))
        if piece.size >= wanted.size:
            break
    return piece.find(high) if piece.size else None


def _delivered(db: sqlite3.Connection, wanted: Search, step: Step, lane: int) -> Find | None:
    bounds = [0, *wanted.needed[lane], wanted.following[lane]]  # flat pairs of what all have
    for low, high in zip(bounds[::2], bounds[1::2], strict=True):
        starts: list[int] = []
        runs: list[tuple[int, int]] = []
        size = 0
        for first, count, length in _rows(db, lane, low, high):
            if first + count > high or size >= wanted.size:
                break
            starts.append(first)
            _extend(runs, first, first + count)
            size += length
        if starts:
            return Find(step, Removal(lane, starts, [], runs, step.counter), size, 0)
    return None


def _undelivered(db: sqlite3.Connection, wanted: Search, step: Step, lane: int) -> Find | None:
    free = wanted.free[lane]
    mark = wanted.marks.get(mark_key(step, lane), 0) if step.takes is not None else 0
    piece = _Piece(step, lane, wanted)
    # What is left may be in a thousand ranges; one of them alone is too small to be worth it.
    for low, high in zip(free[::2], free[1::2], strict=True):
        if max(low, mark) >= high:
            continue
        start = max(piece.following, _start(db, lane, max(low, mark)))
        for first, count, _ in _rows(db, lane, start, high):
            piece.take(first, _frames(db, lane, first, count))
            if piece.size >= (wanted.thin_size if step is THIN else wanted.size):
                return piece.find(high)
            if step is THIN and piece.size >= wanted.size and wanted.is_late():
                return piece.find(high)
    return piece.find(free[-1]) if piece.size else None


class _Piece:
    """Chunks of one lane, taken apart frame by frame."""

    def __init__(self, step: Step, lane: int, wanted: Search) -> None:
        self._personal = wanted.personal
        self._step = step
        self._lane = lane
        self._seen = wanted.seen
        self._needed = wanted.needed[lane]
        self._free = wanted.free[lane]
        self._senders: dict[bytes, str] = {}
        self._starts: list[int] = []
        self._kept: list[Chunk] = []
        self._runs: list[tuple[int, int]] = []
        self._gaps: dict[tuple[str, int], Ranges] = {}
        self._spared: dict[tuple[str, int], Ranges] = {}
        self._with_batches: set[tuple[str, int]] = set()
        self._thinner = Thinner(lane) if step is THIN else None
        self.following = 0  # behind the last chunk
        self._gone = 0
        self.size = 0

    def take(self, first: int, frames: list[bytes]) -> None:
        """Take the next chunk."""
        needed = within(self._needed, first, first + len(frames))
        free = within(self._free, first, first + len(frames))
        kept: list[Chunk] = []
        for sequence, frame in enumerate(frames, first):
            waits = (_is_in(needed, sequence), _is_in(free, sequence))
            if not self._goes(sequence, frame, *waits):
                pieces = [PREFIXES[len(frame)], frame]
                if kept and kept[-1][0] + kept[-1][1] == sequence:
                    begin, count, blob = kept[-1]
                    kept[-1] = (begin, count + 1, blob + b"".join(pieces))
                else:
                    kept += join(sequence, pieces)
            else:
                _extend(self._runs, sequence, sequence + 1)
                self._gone += len(frame)
        self.following = first + len(frames)
        self.size += sum(map(len, frames))
        if sum(count for _, count, _ in kept) < len(frames):
            self._starts.append(first)
            self._kept += kept

    def _goes(self, sequence: int, frame: bytes, is_needed: bool, is_free: bool) -> bool:
        """Tell whether a frame goes, and note who must be told."""
        sender, index, payload = _opened(sequence, frame, self._senders)
        if self._step is EXPIRE:
            return sender[0] in self._personal or _is_closed(payload)
        if not payload or payload[1] == KIND_BATCH:
            self._with_batches.add(sender)
        may_go = is_free and self._is_taken(payload)
        goes = not is_needed or (may_go and self._is_thinned(sender[0], payload))
        noted = self._gaps if is_needed and goes else self._spared
        noted.setdefault(sender, Ranges()).add(index)
        return goes

    def _is_taken(self, payload: bytes) -> bool:
        # What cannot be read is no reading that could be thinned, but may be evicted.
        kinds = self._step.takes
        return kinds is None or (payload[1] in kinds if payload else self._thinner is None)

    def _is_thinned(self, device: str, payload: bytes) -> bool:
        if self._thinner is None:
            return True
        time.sleep(0)  # the event loop goes first
        try:
            batch = decode_batch(payload)
        except RemoteProtocolError:
            return False
        if batch.series is None:
            return False  # personal: nobody here can read it
        self._thinner.add(device, batch)
        return True

    def find(self, high: int) -> Find:
        """Return all of it. high: up to where it was looked for."""
        for sender, gone in self._gaps.items():
            # Between them may be what was accepted in other lanes. And a record about each of
            # hundreds of records would fill the room that they leave: one says of all of a boot
            # that they are gone, and may cover what had left before.
            is_exact = sender in self._with_batches
            seen = self._seen(sender) if is_exact else [gone.flat[0], gone.flat[-1]]
            gone.flat = joined(gone.flat, seen, self._spared.get(sender, Ranges()).flat)
        removal = Removal(self._lane, self._starts, self._kept, self._runs, self._step.counter)
        summaries = self._thinner.summaries() if self._thinner is not None else []
        return Find(
            self._step,
            removal,
            self._gone,
            min(self.following, high),
            self._gaps,
            summaries,
        )


def _opened(
    sequence: int, frame: bytes, senders: dict[bytes, str]
) -> tuple[tuple[str, int], int, bytes]:
    """Return ((device, boot), index, payload) of a frame whose code was checked when it came.

    (("", 0), sequence, b"") of one that cannot be read.
    """
    try:
        end = frame[3] + 4 if frame[2] == 0x58 else frame[2] - 0x40 + 3  # of the protected header
        head = frame[:end]
        device = senders.get(head)
        if device is None:
            device = senders[head] = sender_of(frame)
        _, size, at = cbor.read_head(frame, end + 1)
        payload = frame[at : at + size]
        _, boot, index = read_record_head(payload)[:3]
    except (RemoteProtocolError, IndexError):
        return ("", 0), sequence, b""
    return (device, boot), index, payload


def joined(flat: list[int], seen: list[int], spared: list[int]) -> list[int]:
    """Return flat pairs, as one where all between them is in `seen` and nothing in `spared`."""
    found = flat[:2]
    for first, following in zip(flat[2::2], flat[3::2], strict=True):
        between = [found[-1], first]
        if within(seen, *between) == between and not within(spared, *between):
            found[-1] = following
        else:
            found += (first, following)
    return found


def _is_closed(payload: bytes) -> bool:
    """Tell whether a batch is encrypted: its series are a COSE_Encrypt0, CBOR tag 16."""
    if len(payload) < 2 or payload[1] != KIND_BATCH:
        return False
    return payload[read_record_head(payload)[5] :][:1] == b"\xd0"


def _is_in(flat: list[int], number: int) -> bool:
    return any(low <= number < high for low, high in zip(flat[::2], flat[1::2], strict=True))


def _extend(runs: list[tuple[int, int]], first: int, following: int) -> None:
    if runs and runs[-1][1] == first:
        runs[-1] = (runs[-1][0], following)
    else:
        runs.append((first, following))


def _start(db: sqlite3.Connection, lane: int, first: int) -> int:
    """Return where the chunk with frame `first` begins, else `first`."""
    base = lane << LANE_SHIFT
    query = "SELECT id, count FROM chunk WHERE id >= ? AND id <= ? ORDER BY id DESC LIMIT 1"
    row = db.execute(query, (base, base | first)).fetchone()
    return row[0] - base if row is not None and row[0] - base + row[1] > first else first


def _rows(
    db: sqlite3.Connection, lane: int, low: int, high: int
) -> Iterator[tuple[int, int, int]]:
    """Yield (first, count, bytes) of the chunks that begin from low on and below high."""
    base = lane << LANE_SHIFT
    query = (
        "SELECT id - ?, count, length(frames) FROM chunk WHERE id >= ? AND id < ?"
        " ORDER BY id LIMIT ?"
    )
    yield from db.execute(query, (base, base | low, base | high, ROWS_MAX)).fetchall()


def _frames(db: sqlite3.Connection, lane: int, first: int, count: int) -> list[bytes]:
    """Return the frames of a chunk; empty ones where it is damaged or gone."""
    query = "SELECT frames FROM chunk WHERE id = ?"
    row = db.execute(query, (lane << LANE_SHIFT | first,)).fetchone()
    try:
        frames = Splitter().feed(row[0]) if row is not None else []
    except RemoteProtocolError:
        frames = []
    return frames if len(frames) == count else [b""] * count
