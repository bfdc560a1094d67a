"""What an uplink has still to send, and in which order. No I/O, no clock of its own.

Each lane of the store is a row of numbered frames. For one uplink and one lane

    0 ........ live ........ following
    all acknowledged          not yet sent, or sent and not yet acknowledged
    but for `backlog`

While the line is up, frames are sent from `live` on. When the line comes (back) up, what piled up,
live..following, becomes a range of `backlog` and live data starts at `following`: new data goes
first, the backlog is paced behind it and marked historical. Within both, the most urgent lane goes
first. Only an acknowledgement moves `live` or shortens a backlog range, and only in order; that is
saved.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from protocols.vocabulary import LANES

Row = tuple[int, int, list[int], int, int]  # lane, live, backlog flat, delivered, evicted


@dataclass
class Item:
    """Frames first..following of a lane that were handed out and not yet acknowledged."""

    lane: int
    first: int
    following: int
    historical: bool
    is_done: bool = False
    is_evicted: bool = False  # not sent: it is gone from the store


@dataclass
class _Lane:
    live: int = 0  # acknowledged below
    sent: int = 0  # handed out below
    delivered: int = 0
    evicted: int = 0


class RelayQueue:
    """The cursors of one uplink."""

    def __init__(self, rows: Sequence[Row]) -> None:
        """rows: as rows() gave them to save."""
        self._lanes = [_Lane() for _ in LANES]
        self._backlog: list[deque[list[int]]] = [deque() for _ in LANES]
        for lane, live, backlog, delivered, evicted in rows:
            self._lanes[lane] = _Lane(live, live, delivered, evicted)
            pairs = zip(backlog[::2], backlog[1::2], strict=True)
            self._backlog[lane].extend([first, following] for first, following in pairs)
        # Sequence number below which the backlog is handed out.
        self._backlog_sent: list[int] = [0 for _ in LANES]
        self._in_flight: deque[Item] = deque()
        self.line_is_up = False

    def line_up(self, following: Sequence[int]) -> None:
        """The line works (again): what waited becomes backlog."""
        self.line_is_up = True
        for lane in LANES:
            state = self._lanes[lane]
            if state.live < following[lane]:
                self._push(lane, state.live, following[lane])
            state.live = state.sent = following[lane]

    def line_down(self) -> None:
        """The line is gone: what was in flight counts as not sent."""
        self.line_is_up = False
        self._in_flight.clear()
        for lane in LANES:
            self._lanes[lane].sent = self._lanes[lane].live
            self._backlog_sent[lane] = 0

    def _push(self, lane: int, first: int, following: int) -> None:
        ranges = self._backlog[lane]
        if ranges and ranges[-1][1] == first:
            ranges[-1][1] = following
        else:
            ranges.append([first, following])

    def next_live(self, following: Sequence[int]) -> tuple[int, int, int] | None:
        """Return (lane, first, following) of the most urgent unsent live data."""
        for lane in LANES:
            if self._lanes[lane].sent < following[lane]:
                return lane, self._lanes[lane].sent, following[lane]
        return None

    def next_backlog(self) -> tuple[int, int, int] | None:
        """Return (lane, first, following) of the most urgent unsent backlog."""
        for lane in LANES:
            for first, following in self._backlog[lane]:
                start = max(first, self._backlog_sent[lane])
                if start < following:
                    return lane, start, following
        return None

    def take(self, lane: int, first: int, following: int, historical: bool) -> Item:
        """Note that first..following goes out now."""
        item = Item(lane, first, following, historical)
        if historical:
            self._backlog_sent[lane] = following
        else:
            self._lanes[lane].sent = following
        self._in_flight.append(item)
        return item

    def acknowledge(self, item: Item) -> bool:
        """Note that the platform has it; True when a cursor moved."""
        item.is_done = True
        moved = False
        while self._in_flight and self._in_flight[0].is_done:
            self._settle(self._in_flight.popleft())
            moved = True
        return moved

    def skip(self, lane: int, first: int, following: int, historical: bool) -> bool:
        """Note that first..following is gone from the store (evicted, with its own gap record)."""
        item = self.take(lane, first, following, historical)
        item.is_evicted = True
        return self.acknowledge(item)

    def _settle(self, item: Item) -> None:
        state = self._lanes[item.lane]
        if item.is_evicted:
            state.evicted += item.following - item.first
        else:
            state.delivered += item.following - item.first
        if not item.historical:
            state.live = item.following
            return
        ranges = self._backlog[item.lane]
        while ranges and ranges[0][0] < item.following:
            ranges[0][0] = min(item.following, ranges[0][1])
            if ranges[0][0] == ranges[0][1]:
                ranges.popleft()

    def floor(self, lane: int) -> int:
        """Return the first sequence number that this uplink may still need."""
        ranges = self._backlog[lane]
        return min(ranges[0][0], self._lanes[lane].live) if ranges else self._lanes[lane].live

    def rows(self) -> list[Row]:
        """Return one row for each lane, to save."""
        return [
            (
                lane,
                state.live,
                [bound for pair in self._backlog[lane] for bound in pair],
                state.delivered,
                state.evicted,
            )
            for lane, state in enumerate(self._lanes)
        ]

    def counts(self, following: Sequence[int]) -> dict[str, int]:
        """Return frames delivered, evicted, live (waiting now) and backlog.

        Their sum is what was accepted.
        """
        backlog = sum(end - first for ranges in self._backlog for first, end in ranges)
        waiting = sum(following[lane] - self._lanes[lane].live for lane in LANES)
        live, held = (waiting, backlog) if self.line_is_up else (0, backlog + waiting)
        return {
            "delivered": sum(state.delivered for state in self._lanes),
            "evicted": sum(state.evicted for state in self._lanes),
            "live": live,
            "backlog": held,
            "in_flight": len(self._in_flight),
        }
