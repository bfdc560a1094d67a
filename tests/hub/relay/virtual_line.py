"""An uplink in virtual time: hub.relay.dispatch over a line to a platform that has whims.

The line is a queue of bytes without a bound, as a router with a large buffer is one: what was put
into it cannot be taken back. Frames have a size each and are named by their numbers.
"""

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from hub.relay.dispatch import Dispatch, Wanted
from hub.relay.pacing import BUNDLE_BYTES_MAX, bytes_on_the_line
from hub.relay.queue import Item, RelayQueue
from hub.relay.suspects import Suspect
from protocols.vocabulary import LANES

TAKEN, ENDS = "taken", "ends the line"
RECONNECT_US = 500_000
SECOND_US = 1_000_000


@dataclass(order=True)
class _Arrival:
    at_us: int
    number: int
    item: Item = field(compare=False)
    connection: int = field(compare=False)


@dataclass
class VirtualLine:
    """judge: (lane, range of frames) -> TAKEN, ENDS or a cause of hub.relay.suspects.

    read_us: how long the store takes to give what a bundle is made of.
    arrived_us: (lane, number) -> when the platform took it first. dead: what was given up.
    """

    dispatch: Dispatch
    rate_bytes_s: int
    delay_us: int = 10_000
    read_us: int = 0
    frame_size: int = 450
    judge: Callable[[int, range], str] = lambda lane, numbers: TAKEN
    now_us: int = 0
    following: list[int] = field(default_factory=lambda: [0 for _ in LANES])
    arrived_us: dict[tuple[int, int], int] = field(default_factory=dict)
    arrivals: Counter[tuple[int, int]] = field(default_factory=Counter)
    dead: list[tuple[int, int]] = field(default_factory=list)
    connects: int = 0
    bundle_size_greatest: int = 0
    _answers: list[_Arrival] = field(default_factory=list)
    _free_us: int = 0
    _number: int = 0
    _up_us: int = 0
    _is_up: bool = False

    def accept(self, lane: int, count: int = 1) -> None:
        """Take new frames into the store."""
        self.following[lane] += count

    def run_until(self, end_us: int) -> None:
        """Let everything happen that is due by then."""
        while True:
            if not self._is_up and self._up_us <= self.now_us:
                self._connect()
            self._send_all()
            next_us = self._next_us()
            if next_us > end_us:
                self.now_us = end_us
                return
            self.now_us = max(self.now_us, next_us)
            self._answer()

    def run_until_empty(self, limit_us: int) -> None:
        """Run until nothing waits; fail where that takes longer."""
        while self.counts()["live"] + self.counts()["backlog"]:
            assert self.now_us < limit_us, self.counts()
            self.run_until(self.now_us + SECOND_US)

    def counts(self) -> dict[str, int]:
        """Return the queue's counts, of which the sum must be right."""
        counts = self.dispatch.queue.counts(self.following)
        assert sum(counts.values()) - counts["in_flight"] == sum(self.following)
        return counts

    def _connect(self) -> None:
        self._is_up = True
        self.connects += 1
        self.dispatch.line_up(self.following)

    def _next_us(self) -> int:
        times_us = [self._answers[0].at_us] if self._answers else []
        if not self._is_up:
            times_us.append(self._up_us)
        wait_us = self.dispatch.wait_us(self.now_us)
        if wait_us is not None and self._is_up:
            times_us.append(self.now_us + max(wait_us, 1000))
        return min(times_us, default=1 << 62)

    def _send_all(self) -> None:
        while self._is_up:
            wanted = self.dispatch.next(self.following, BUNDLE_BYTES_MAX, self.now_us)
            if wanted is None:
                return
            self._send(wanted)
            self.now_us += self.read_us
            self._answer()

    def _send(self, wanted: Wanted) -> None:
        count = max(1, min(wanted.following - wanted.first, wanted.size_max // self.frame_size))
        size = count * self.frame_size
        self.bundle_size_greatest = max(self.bundle_size_greatest, size)
        item = self.dispatch.sent(
            wanted, wanted.first, wanted.first + count, size=size, now_us=self.now_us
        )
        start_us = max(self.now_us, self._free_us)
        self._free_us = start_us + bytes_on_the_line(size) * SECOND_US // self.rate_bytes_s
        self._number += 1
        at_us = self._free_us + 2 * self.delay_us
        heapq.heappush(self._answers, _Arrival(at_us, self._number, item, self.connects))

    def _answer(self) -> None:
        while self._answers and self._answers[0].at_us <= self.now_us:
            arrival = heapq.heappop(self._answers)
            if arrival.connection == self.connects and self._is_up:
                self._judge(arrival.item)

    def _judge(self, item: Item) -> None:
        numbers = range(item.first, item.following)
        verdict = self.judge(item.lane, numbers)
        suspect: Suspect | None = None
        if verdict == TAKEN:
            for number in numbers:
                self.arrived_us.setdefault((item.lane, number), self.now_us)
                self.arrivals[item.lane, number] += 1
            self.dispatch.acknowledged(item, self.now_us)
        elif verdict == ENDS:
            self._is_up = False
            self._up_us = self.now_us + RECONNECT_US
            self._free_us = self.now_us
            dead = self.dispatch.line_down(True, self.now_us)
            suspect = dead[1] if dead is not None else None
        else:
            suspect = self.dispatch.refused(item, verdict, self.now_us)
        if suspect is not None:
            self.dead.append((suspect.lane, suspect.first))
            self.dispatch.dead(suspect)


def virtual_line(
    link_kbit_s: int, rate_bytes_s: int, judge: Callable[[int, range], str] | None = None
) -> VirtualLine:
    """Return a line of that rate under an uplink that knows link_kbit_s of it."""
    line = VirtualLine(Dispatch(RelayQueue([]), link_kbit_s), rate_bytes_s)
    if judge is not None:
        line.judge = judge
    return line
