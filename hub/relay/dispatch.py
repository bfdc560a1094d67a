"""What one uplink does next. Joins order, pace and suspicion; no I/O, no clock of its own.

    live, lanes 0, 1, 2, 3  ->  backlog, lanes 0, 1, 2, 3      as far as the line has room

An alert does not wait for room: one bundle of lane 0 may always be under way. A suspect goes
alone: the normal flow stops until the line is empty, and until it is known what became of it. One
that has failed before has its turn only after something else passed, so it holds up nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hub.relay.pacing import KBIT, PUBLISHES_MAX, Bucket, Window, bytes_on_the_line
from hub.relay.queue import Item, RelayQueue
from hub.relay.suspects import FRAME, LINE, Suspect, Suspects
from protocols.vocabulary import LANE_ALERT

HISTORICAL_MAX = PUBLISHES_MAX // 2  # bundles of the backlog under way: the other half is for live
URGENT_MAX = 1  # bundles of lane 0 under way beyond the line's room
IN_FLIGHT_MAX = PUBLISHES_MAX + URGENT_MAX


@dataclass(frozen=True)
class Wanted:
    """Frames first..following of a lane that may go now, in a bundle of at most size_max bytes."""

    lane: int
    first: int
    following: int
    historical: bool
    size_max: int
    suspect: Suspect | None = None


class Dispatch:
    """Decides for one uplink.

    link_kbit_s: rate of the line, 0 where nobody knows it. backlog_kib_s: pace of the backlog, 0
    for none.
    """

    def __init__(self, queue: RelayQueue, link_kbit_s: int = 0, backlog_kib_s: int = 0) -> None:
        self.queue = queue
        self.window = Window(link_kbit_s * KBIT)
        self.suspects = Suspects()
        self.publishes_max = IN_FLIGHT_MAX
        self._link = Bucket(link_kbit_s * KBIT)
        self._backlog = Bucket(backlog_kib_s * 1024)
        self._trial: tuple[Item, Suspect] | None = None
        self._has_passed = False  # since the last trial
        self.is_frame_to_blame = False  # for the end of the last connection, as far as is known

    def line_up(self, following: Sequence[int]) -> None:
        """The line works (again). following: of the store's lanes."""
        self.queue.line_up(following)
        self.suspects.line_up()
        self._has_passed = False

    def line_down(self, is_ended_by_peer: bool, now_us: int) -> tuple[Item, Suspect] | None:
        """The line is gone. Return what is to become a dead letter.

        is_ended_by_peer: who ended the connection may have done so for what it was sent.
        """
        oldest, trial = self.queue.oldest(), self._trial
        self.queue.line_down()
        self.window.reset()
        self._trial = None
        self.is_frame_to_blame = False
        if not is_ended_by_peer or oldest is None:
            return None
        if trial is None:
            self.suspects.add(oldest.lane, oldest.first, oldest.following)
            return None
        self.is_frame_to_blame = self.suspects.is_founded(trial[1], LINE)
        if trial[1].count > 1:
            self.window.too_large(oldest.size)
        return trial if self.suspects.failed(trial[1], LINE, now_us) else None

    def next(self, following: Sequence[int], size_max: int, now_us: int) -> Wanted | None:
        """Return what to send now. size_max: of a bundle, as the platform takes it."""
        if self._trial is not None:
            return None
        suspect = self.suspects.next(now_us)
        if suspect is not None and (suspect.is_fresh or self._has_passed):
            return None if self.queue.in_flight else _wanted_of(suspect, size_max)
        wanted = self._flow(following, size_max, now_us)
        if wanted is None and suspect is not None and not self.queue.in_flight:
            return _wanted_of(suspect, size_max)
        return wanted

    def _flow(self, following: Sequence[int], size_max: int, now_us: int) -> Wanted | None:
        in_flight = self.queue.in_flight
        has_room = (
            self.window.has_room()
            and len(in_flight) < min(PUBLISHES_MAX, self.publishes_max)
            and not self._link.wait_us(now_us)
        )
        size_max = min(size_max, self.window.bundle_size_max())
        lanes = self.suspects.open_lanes(now_us)
        live = self.queue.next_live(following, lanes)
        if live is not None:
            is_urgent = live[0] == LANE_ALERT and len(in_flight) < self.publishes_max
            may = has_room or (is_urgent and all(one.lane != LANE_ALERT for one in in_flight))
            return Wanted(*live, False, size_max) if may else None
        if not has_room or sum(one.historical for one in in_flight) >= HISTORICAL_MAX:
            return None
        backlog = self.queue.next_backlog(self.suspects.ranges(), lanes)
        if backlog is None or self._backlog.wait_us(now_us):
            return None
        return Wanted(*backlog, True, size_max)

    def wait_us(self, now_us: int) -> int | None:
        """Return in how many microseconds something may go that may not now.

        None: only after an acknowledgement or with new data.
        """
        waits_us = [self._link.wait_us(now_us), self._backlog.wait_us(now_us)]
        waits_us.append(self.suspects.wait_us(now_us) or 0)
        return min((one for one in waits_us if one), default=None)

    def gone(self, wanted: Wanted, start: int) -> None:
        """Note that the store has nothing of it below `start` any more."""
        self.queue.missing(wanted.lane, wanted.first, start)
        if wanted.suspect is not None and start >= wanted.following:
            self.suspects.settled(wanted.suspect)

    def sent(self, wanted: Wanted, first: int, following: int, *, size: int, now_us: int) -> Item:
        """Note that these of the wanted frames go out now. size: of the message."""
        item = self.queue.take(wanted.lane, first, following, wanted.historical)
        item.size, item.sent_us = bytes_on_the_line(size), now_us
        self.window.sent(item.size)
        self._link.take(item.size, now_us)
        if wanted.suspect is not None:
            self.suspects.narrow(wanted.suspect, first, following)
            self._trial = item, wanted.suspect
            self._has_passed = False
        elif wanted.historical:
            self._backlog.take(size, now_us)
        return item

    def acknowledged(self, item: Item, now_us: int) -> None:
        """Note that the platform has it."""
        self.queue.acknowledge(item)
        self.window.acknowledged(item.size, item.sent_us, now_us)
        self.suspects.passed(item.lane)
        self._has_passed = True
        suspect = self._end_trial(item)
        if suspect is not None:
            self.suspects.settled(suspect)

    def refused(self, item: Item, cause: str, now_us: int) -> Suspect | None:
        """Note that the platform does not take it; return what is to become a dead letter.

        cause: LANE or FRAME of hub.relay.suspects.
        """
        self.queue.refuse(item)
        self.window.refused(item.size)
        if cause == FRAME and item.following - item.first > 1:
            self.window.too_large(item.size)
        suspect = self._end_trial(item)
        if suspect is None:
            suspect = self.suspects.add(item.lane, item.first, item.following)
        if suspect is None:
            self.suspects.forget_many()
            return None
        return suspect if self.suspects.failed(suspect, cause, now_us) else None

    def dead(self, suspect: Suspect) -> bool:
        """Give its one frame up; True where it is to be kept, False where it was evicted."""
        self.suspects.settled(suspect)
        return self.queue.dead_letter(suspect.lane, suspect.first)

    def _end_trial(self, item: Item) -> Suspect | None:
        if self._trial is None or self._trial[0] is not item:
            return None
        suspect = self._trial[1]
        self._trial = None
        return suspect


def _wanted_of(suspect: Suspect, size_max: int) -> Wanted:
    return Wanted(suspect.lane, suspect.first, suspect.following, True, size_max, suspect)
