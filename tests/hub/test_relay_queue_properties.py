"""The relay queue: whatever happens to the line, every frame is delivered or still held, once."""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hub.relay.queue import Item, RelayQueue
from protocols.vocabulary import LANES

LANE = st.sampled_from(LANES)


class QueueMachine(RuleBasedStateMachine):
    """The platform takes what is sent in the order of sending, as over one connection.

    `sent`: published and not acknowledged; `platform`: how often each frame got there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.queue = RelayQueue([])
        self.following = [0 for _ in LANES]
        self.gone = [0 for _ in LANES]
        self.sent: list[Item] = []
        self.platform: Counter[tuple[int, int]] = Counter()
        self.settled: Counter[tuple[int, int]] = Counter()
        self.saved = self.queue.rows()

    @rule(lane=LANE, count=st.integers(1, 20))
    def accept(self, lane: int, count: int) -> None:
        self.following[lane] += count

    @rule()
    def line_up(self) -> None:
        if not self.queue.line_is_up:
            self.queue.line_up(self.following)

    @rule()
    def line_down(self) -> None:
        self.queue.line_down()
        self.sent.clear()

    @rule(historical=st.booleans(), count_max=st.integers(1, 15))
    def send(self, historical: bool, count_max: int) -> None:
        """As the uplink does: what is gone from the store is skipped, the rest published."""
        wanted = self.queue.next_backlog() if historical else self.queue.next_live(self.following)
        if not self.queue.line_is_up or wanted is None:
            return
        lane, first, following = wanted
        start = min(max(first, self.gone[lane]), following)
        if start > first:
            self.queue.skip(lane, first, start, historical)
        if start < following:
            end = min(following, start + count_max)
            self.sent.append(self.queue.take(lane, start, end, historical))
            for number in range(start, end):
                self.platform[lane, number] += 1

    @rule(at=st.integers(0, 7))
    def acknowledge(self, at: int) -> None:
        """Acknowledgements may come in any order."""
        if self.sent:
            item = self.sent.pop(at % len(self.sent))
            for number in range(item.first, item.following):
                self.settled[item.lane, number] += 1
            if self.queue.acknowledge(item):
                self.saved = self.queue.rows()

    @rule(lane=LANE, count=st.integers(1, 10))
    def evict(self, lane: int, count: int) -> None:
        """The store loses its oldest frames, delivered or not."""
        self.gone[lane] = min(self.gone[lane] + count, self.following[lane])

    @rule()
    def restart(self) -> None:
        """Begin again from what was saved last: at most what was acknowledged comes again."""
        self.queue = RelayQueue(self.saved)
        self.sent.clear()

    @invariant()
    def every_frame_is_counted_once(self) -> None:
        counts = self.queue.counts(self.following)
        kept = counts["delivered"] + counts["evicted"] + counts["live"] + counts["backlog"]
        assert kept == sum(self.following)
        assert min(counts.values()) >= 0

    @invariant()
    def what_is_neither_at_the_platform_nor_gone_is_held(self) -> None:
        held = {
            (lane, number)
            for lane, live, backlog, _, _ in self.queue.rows()
            for first, following in [
                *zip(backlog[::2], backlog[1::2], strict=True),
                (live, self.following[lane]),
            ]
            for number in range(first, following)
        }
        for lane in LANES:
            for number in range(self.following[lane]):
                if number >= self.gone[lane] and not self.settled[lane, number]:
                    assert (lane, number) in held
            assert self.queue.floor(lane) == min(
                [number for one, number in held if one == lane], default=self.following[lane]
            )

    @invariant()
    def backlog_is_below_live_and_in_order(self) -> None:
        for lane, live, backlog, _, _ in self.queue.rows():
            assert backlog == sorted(set(backlog)) and all(one <= live for one in backlog)
            assert live <= self.following[lane]

    def teardown(self) -> None:
        """Once the line stays, all arrives."""
        self.queue.line_down()
        self.sent.clear()
        self.queue.line_up(self.following)
        while self.queue.next_backlog() is not None:
            self.send(True, 7)
            self.acknowledge(0)
        counts = self.queue.counts(self.following)
        assert (counts["live"], counts["backlog"], counts["in_flight"]) == (0, 0, 0)
        for lane in LANES:
            for number in range(self.gone[lane], self.following[lane]):
                assert self.settled[lane, number]
        self.every_frame_is_counted_once()


QueueMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
test_whatever_the_line_does = QueueMachine.TestCase


def test_a_saved_cursor_counts_what_was_acknowledged_since_as_waiting() -> None:
    queue = RelayQueue([])
    queue.line_up([0, 0, 10, 0])
    saved = queue.rows()
    wanted = queue.next_backlog()
    assert wanted == (2, 0, 10)
    queue.acknowledge(queue.take(2, 0, 10, True))
    again = RelayQueue(saved)
    assert again.counts([0, 0, 10, 0])["backlog"] == 10
    assert queue.counts([0, 0, 10, 0])["delivered"] == 10
