"""What an uplink has still to send, and in which order. No I/O, no clock of its own.

Each lane of the store is a row of numbered frames. For one uplink and one lane

    0 ........ live ........ following
    all settled but          not yet sent, or sent and not yet acknowledged
    for `backlog`

While the line is up, frames are sent from `live` on. When the line comes (back) up, what piled up,
live..following, becomes a range of `backlog` and live data starts at `following`: new data goes
first, the backlog is paced behind it and marked historical. Within both, the most urgent lane goes
first.

A frame is settled once, in one of three ways: the platform acknowledged it, the store evicted it,
or it is a dead letter. So at every moment, for every lane,

    following = delivered + evicted + dead_lettered + frames of live and backlog

A frame that is on its way while the store evicts it is settled by how its way ends. An eviction
above `live` makes what waits below it backlog: it is what waited longest.

A line that comes and goes, and a store that evicts here and there, cut the backlog of a lane into
pieces, all of which are saved with the cursor. From PIECES_MAX on a lane makes no more of them:
its new data waits behind its backlog, and an eviction inside of a piece is noticed only when the
frames are read to be sent.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from protocols.vocabulary import LANES

PIECES_MAX = 1024  # of a lane's backlog; 16 bytes each in the row of the cursor

Row = tuple[int, int, list[int], int, int]  # lane, live, backlog flat, delivered, evicted
Range = tuple[int, int]  # first, following


@dataclass(eq=False)
class Item:
    """Frames first..following of a lane that were handed out and not yet acknowledged.

    size: bytes on the line, sent_us: when, both for who sends it. evicted: the parts of it that
    the store has lost meanwhile.
    """

    lane: int
    first: int
    following: int
    historical: bool
    size: int = 0
    sent_us: int = 0
    evicted: list[Range] = field(default_factory=list)


@dataclass
class _Lane:
    live: int = 0  # settled below, but for the backlog
    sent: int = 0  # handed out below
    backlog: list[int] = field(default_factory=list)  # flat pairs first, following, in order
    delivered: int = 0
    evicted: int = 0
    dead_lettered: int = 0

    def remove(self, first: int, following: int) -> int:
        """Take frames out of what is wanted; return how many of them were."""
        count = _cut(self.backlog, first, min(following, self.live))
        if following > self.live:
            self.set_aside(max(first, self.live))
            count += following - self.live
            self.live = following
            self.sent = max(self.sent, following)
        return count

    def is_in_pieces(self) -> bool:
        """Tell whether the backlog is to be cut into no more pieces."""
        return len(self.backlog) >= 2 * PIECES_MAX

    def would_cut(self, first: int, following: int) -> bool:
        """Tell whether taking these out would make two pieces of one."""
        at = bisect_right(self.backlog, first)
        is_inside = at & 1 and bisect_left(self.backlog, following) == at
        return bool(is_inside) and self.backlog[at - 1] < first

    def set_aside(self, following: int) -> None:
        """Make backlog of what is wanted below `following`."""
        if following > self.live:
            if self.backlog and self.backlog[-1] == self.live:
                self.backlog[-1] = following
            else:
                self.backlog += (self.live, following)
            self.live = following
            self.sent = max(self.sent, following)


class RelayQueue:
    """The cursors of one uplink. in_flight: what was handed out, in that order."""

    def __init__(
        self, rows: Sequence[Row], dead_lettered: Sequence[int] = tuple(0 for _ in LANES)
    ) -> None:
        """rows: as rows() gave them to save. dead_lettered: how many are kept, for each lane."""
        self._lanes = [_Lane(dead_lettered=count) for count in dead_lettered]
        for lane, live, backlog, delivered, evicted in rows:
            dead = dead_lettered[lane]
            self._lanes[lane] = _Lane(live, live, list(backlog), delivered, evicted, dead)
        self.in_flight: list[Item] = []
        self.line_is_up = False

    def line_up(self, following: Sequence[int]) -> None:
        """The line works (again): what waited becomes backlog."""
        self.line_is_up = True
        for lane in LANES:
            self._lanes[lane].set_aside(following[lane])

    def line_down(self) -> None:
        """The line is gone: what was in flight counts as not sent."""
        self.line_is_up = False
        lost, self.in_flight = self.in_flight, []
        for state in self._lanes:
            state.sent = state.live
        for item in lost:
            self._lose(item)

    def next_live(
        self, following: Sequence[int], lanes: Iterable[int] = LANES
    ) -> tuple[int, int, int] | None:
        """Return (lane, first, following) of the most urgent unsent live data."""
        for lane in lanes:
            state = self._lanes[lane]
            if state.sent < following[lane] and state.is_in_pieces():
                state.set_aside(following[lane])
            if state.sent < following[lane]:
                return lane, state.sent, following[lane]
        return None

    def next_backlog(
        self, aside: Iterable[tuple[int, int, int]] = (), lanes: Iterable[int] = LANES
    ) -> tuple[int, int, int] | None:
        """Return (lane, first, following) of the most urgent unsent backlog.

        aside: ranges (lane, first, following) to pass over.
        """
        for lane in lanes:
            backlog = self._lanes[lane].backlog
            if not backlog:
                continue
            busy = [(one.first, one.following) for one in self.in_flight if one.lane == lane]
            busy += [(first, following) for one, first, following in aside if one == lane]
            free = _first_free(backlog, sorted(busy))
            if free is not None:
                return lane, *free
        return None

    def take(self, lane: int, first: int, following: int, historical: bool) -> Item:
        """Note that first..following goes out now."""
        item = Item(lane, first, following, historical)
        if not historical:
            self._lanes[lane].sent = following
        self.in_flight.append(item)
        return item

    def oldest(self) -> Item | None:
        """Return what waits longest for its acknowledgement."""
        return self.in_flight[0] if self.in_flight else None

    def acknowledge(self, item: Item) -> None:
        """Note that the platform has it."""
        self.in_flight.remove(item)
        state = self._lanes[item.lane]
        state.delivered += state.remove(item.first, item.following)

    def refuse(self, item: Item) -> None:
        """Note that the platform does not take it: it is backlog (again)."""
        self.in_flight.remove(item)
        self._lanes[item.lane].set_aside(item.following)
        self._lose(item)

    def _lose(self, item: Item) -> None:
        for first, following in item.evicted:
            self.evicted(item.lane, first, following)

    def evicted(self, lane: int, first: int, following: int) -> None:
        """Note that first..following is gone from the store (each with its own gap record)."""
        at = first
        in_flight = sorted(
            (one for one in self.in_flight if one.lane == lane), key=lambda one: one.first
        )
        for item in in_flight:
            start, end = max(item.first, at), min(item.following, following)
            if start < end:
                item.evicted.append((start, end))
                self._evict(lane, at, start)
                at = end
        self._evict(lane, at, following)

    def _evict(self, lane: int, first: int, following: int) -> None:
        state = self._lanes[lane]
        is_left = state.is_in_pieces() and state.would_cut(first, following)
        if first < following and not is_left:
            state.evicted += state.remove(first, following)

    def missing(self, lane: int, first: int, following: int) -> None:
        """Note that first..following, which would go next, is not in the store."""
        state = self._lanes[lane]
        state.evicted += state.remove(first, following)

    def dead_letter(self, lane: int, sequence: int) -> bool:
        """Note that a frame is not tried any more; False where it was not wanted anyhow."""
        state = self._lanes[lane]
        count = state.remove(sequence, sequence + 1)
        state.dead_lettered += count
        return count > 0

    def has_dead_letters(self) -> bool:
        """Tell whether any are kept."""
        return any(state.dead_lettered for state in self._lanes)

    def revive(self, lane: int) -> None:
        """Note that the platform took a dead letter after all."""
        self._lanes[lane].dead_lettered -= 1
        self._lanes[lane].delivered += 1

    def forget_dead_letter(self, lane: int) -> None:
        """Note that one is kept no more: its frame is lost to the platform."""
        self._lanes[lane].dead_lettered -= 1
        self._lanes[lane].evicted += 1

    def floor(self, lane: int) -> int:
        """Return the first sequence number that this uplink may still need."""
        state = self._lanes[lane]
        return state.backlog[0] if state.backlog else state.live

    def needed(self, lane: int, following: int) -> list[int]:
        """Return flat pairs of all below `following` that is not settled."""
        state = self._lanes[lane]
        return state.backlog + ([state.live, following] if state.live < following else [])

    def on_its_way(self, lane: int, following: int, *, with_live: bool) -> list[Range]:
        """Return what was handed out; with_live: and all of a line that is up that is no backlog.

        In no order, and it may overlap.
        """
        found = [(one.first, one.following) for one in self.in_flight if one.lane == lane]
        if with_live and self.line_is_up:
            found.append((self._lanes[lane].live, following))
        return found

    def rows(self) -> list[Row]:
        """Return one row for each lane, to save: as if the line went down now."""
        gone = [(item.lane, *part) for item in self.in_flight for part in item.evicted]
        return self.rows_without(gone) if gone else self._rows()

    def rows_without(self, gone: Iterable[tuple[int, int, int]]) -> list[Row]:
        """Return the rows as they are when these (lane, first, following) are evicted as well.

        What is under way of them too, for after a power cut nothing is.
        """
        later = RelayQueue(self._rows())
        for item in self.in_flight:
            for part in item.evicted:
                later.evicted(item.lane, *part)
        for lane, first, following in gone:
            later.evicted(lane, first, following)
        return later._rows()

    def _rows(self) -> list[Row]:
        return [
            (lane, state.live, list(state.backlog), state.delivered, state.evicted)
            for lane, state in enumerate(self._lanes)
        ]

    def counts(self, following: Sequence[int]) -> dict[str, int]:
        """Return frames delivered, evicted, dead-lettered, live (waiting now) and backlog.

        Their sum is what was accepted.
        """
        backlog = sum(sum(state.backlog[1::2]) - sum(state.backlog[::2]) for state in self._lanes)
        waiting = sum(following[lane] - self._lanes[lane].live for lane in LANES)
        live, held = (waiting, backlog) if self.line_is_up else (0, backlog + waiting)
        return {
            "delivered": sum(state.delivered for state in self._lanes),
            "evicted": sum(state.evicted for state in self._lanes),
            "dead_lettered": sum(state.dead_lettered for state in self._lanes),
            "live": live,
            "backlog": held,
            "in_flight": len(self.in_flight),
        }


def _cut(flat: list[int], first: int, following: int) -> int:
    """Take first..following out of flat pairs; return how many of them were there."""
    if first >= following:
        return 0
    low, high = bisect_right(flat, first), bisect_left(flat, following)
    # An odd place is inside a pair: its part outside of first..following stays.
    kept = ([first] if low & 1 else []) + ([following] if high & 1 else [])
    before = sum(flat[1::2]) - sum(flat[::2])
    flat[low:high] = kept
    for at in reversed(range(0, len(flat), 2)):
        if flat[at] == flat[at + 1]:
            del flat[at : at + 2]
    return before - (sum(flat[1::2]) - sum(flat[::2]))


def _first_free(flat: list[int], busy: list[Range]) -> Range | None:
    """Return the first piece of flat pairs outside of the busy ranges, which are in order."""
    for first, end in zip(flat[::2], flat[1::2], strict=True):
        for start, following in busy:
            if start > first:
                end = min(start, end)
            first = max(first, following) if start <= first else first
            if first >= end or start >= end:
                break
        if first < end:
            return first, end
    return None
