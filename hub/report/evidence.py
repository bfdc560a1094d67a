"""What the store has of some nodes around a moment: their traces, read beside the running hub."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hub.database import connect_to_read
from hub.rules.structure.modal import Array
from hub.store import LANE_SHIFT
from protocols.batch import Batch, Series, decode_batch, read_record_head
from protocols.cose import Mac0, sender_of
from protocols.errors import ProtocolError
from protocols.limits import KEY_SIZE
from protocols.vocabulary import KIND_BATCH, LANE_LIFE, LANES

READ_SIZE_MAX = 1 << 30  # of frames, newest first; beyond, what was found must do
POINTS_MAX = 2_000_000  # of one node: 3 axes at 100 Hz for two hours


class Span(NamedTuple):
    """A time of one boot, on its own clock. zero_us: what the traces' times count from."""

    boot: int
    from_us: int
    to_us: int
    zero_us: int


@dataclass
class Trace:
    """One channel: times in seconds from the moment, values in its unit, rising in time.

    expected: how many values there would be without a hole, by its spacing.
    """

    times_s: Array
    values: Array
    spacing_s: float

    def between(self, from_s: float, to_s: float) -> "Trace":
        """Return the part from..to."""
        first, last = np.searchsorted(self.times_s, (from_s, to_s))
        return Trace(self.times_s[first:last], self.values[first:last], self.spacing_s)

    def runs(self) -> Iterator[Array]:
        """Yield the values of each stretch without a hole."""
        holes = np.flatnonzero(np.diff(self.times_s) > 1.6 * self.spacing_s) + 1
        yield from np.split(self.values, holes)

    def share(self, from_s: float, to_s: float) -> float:
        """Return which share of from..to has values, 0..1."""
        count = len(self.between(from_s, to_s).values)
        return min(1.0, count * self.spacing_s / max(to_s - from_s, 1e-9))


@dataclass
class _Found:
    pieces: dict[str, list[tuple[Array, Array, float]]] = field(default_factory=dict)
    count: int = 0
    is_before: bool = False  # something older than the span was seen in this lane


def read(
    path: Path, spans: dict[str, Span], size_max: int = READ_SIZE_MAX
) -> dict[str, dict[str, Trace]]:
    """Return device -> channel -> trace of what the store at path has. StoreError where it cannot.

    Frames were checked when they came in. A frame or row that does not decode is passed over: what
    is missing shows as a hole.
    """
    found = {device: _Found() for device in spans}
    with closing(connect_to_read(path)) as db:
        for lane in LANES:
            if lane != LANE_LIFE:
                _read_lane(db, lane, (spans, found), size_max)
    return {device: _traces(one) for device, one in found.items()}


def _read_lane(
    db: sqlite3.Connection,
    lane: int,
    wanted: tuple[dict[str, Span], dict[str, _Found]],
    size_max: int,
) -> None:
    spans, found = wanted
    heads = {device: Mac0(device, bytes(KEY_SIZE)) for device in spans}
    for one in found.values():
        one.is_before = False
    rows = db.execute(
        "SELECT frames FROM chunk WHERE id >= ? AND id < ? ORDER BY id DESC",
        (lane << LANE_SHIFT, (lane + 1) << LANE_SHIFT),
    )
    with closing(rows):
        for (blob,) in rows:
            for frame in frames_of(blob):
                try:
                    head = heads.get(sender_of(frame))
                    if head is not None:
                        _take(head.peek(frame), spans[head.sender], found[head.sender])
                except (ProtocolError, ValueError, TypeError, IndexError):
                    continue
            size_max -= len(blob)
            if size_max < 0 or all(one.is_before for one in found.values()):
                return


def frames_of(blob: bytes) -> Iterator[bytes]:
    """Yield the frames of a chunk (hub.chunks)."""
    at = 0
    while at + 2 <= len(blob):
        size = blob[at] << 8 | blob[at + 1]
        yield blob[at + 2 : at + 2 + size]
        at += 2 + size


def _take(payload: bytes, span: Span, found: _Found) -> None:
    kind, boot, _, _, start_us, *_ = read_record_head(payload)
    if kind != KIND_BATCH or boot > span.boot:
        return
    if boot < span.boot or start_us < span.from_us:
        found.is_before = True
    if boot != span.boot or start_us > span.to_us:
        return
    batch: Batch = decode_batch(payload)
    for series in batch.series or ():
        times_us = _times_us(series)
        inside = (times_us >= span.from_us) & (times_us <= span.to_us)
        if not inside.any() or found.count > POINTS_MAX:
            continue
        found.count += len(times_us)
        scale = series.multiplier * 10.0**series.exponent
        values = np.array(series.values, dtype=np.float64)[inside] * scale
        times_s = (times_us[inside] - span.zero_us) / 1e6
        # A node on a thin line names its waveform so until the mode lets it send all of it.
        channel = series.channel.removesuffix(".event")
        found.pieces.setdefault(channel, []).append((times_s, values, series.spacing_ns / 1e9))


def _times_us(series: Series) -> Array:
    if series.times_us is not None:
        return np.array(series.times_us, dtype=np.float64)
    steps = np.arange(len(series.values), dtype=np.float64)
    return series.start_us + steps * (series.spacing_ns / 1000)


def _traces(found: _Found) -> dict[str, Trace]:
    traces = {}
    for channel, pieces in found.pieces.items():
        times_s = np.concatenate([times for times, _, _ in pieces])
        values = np.concatenate([values for _, values, _ in pieces])
        order = np.argsort(times_s, kind="stable")
        spacings = [spacing for _, _, spacing in pieces if spacing]
        spacing_s = float(np.median(spacings)) if spacings else 60.0
        traces[channel] = Trace(times_s[order], values[order], spacing_s)
    return traces
