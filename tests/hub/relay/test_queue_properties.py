"""The relay queue: whatever line and store do, every frame is settled once or still held."""

from collections import Counter
from copy import deepcopy

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hub.relay.queue import Item, RelayQueue
from protocols.vocabulary import LANES

LANE = st.sampled_from(LANES)
WAITS, DELIVERED, EVICTED, DEAD = "waits", "delivered", "evicted", "dead_lettered"


class QueueMachine(RuleBasedStateMachine):
    """Beside the queue a model: one word for each frame, and what the store still has.

    A frame that is evicted on its way is settled when its way ends: `gone` and not yet `EVICTED`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.queue = RelayQueue([])
        self.model: dict[tuple[int, int], str] = {}
        self.following = [0 for _ in LANES]
        self.gone: set[tuple[int, int]] = set()
        self.sent: list[Item] = []
        self.saved = (self.queue.rows(), dict(self.model))

    def settle(self, lane: int, numbers: range, word: str) -> None:
        for number in numbers:
            if self.model[lane, number] == WAITS:
                self.model[lane, number] = word

    def end_ways(self, items: list[Item]) -> None:
        for item in items:
            for number in range(item.first, item.following):
                if (item.lane, number) in self.gone:
                    self.settle(item.lane, range(number, number + 1), EVICTED)

    @rule(lane=LANE, count=st.integers(1, 20))
    def accept(self, lane: int, count: int) -> None:
        for number in range(self.following[lane], self.following[lane] + count):
            self.model[lane, number] = WAITS
        self.following[lane] += count

    @rule()
    def line_up(self) -> None:
        if not self.queue.line_is_up:
            self.queue.line_up(self.following)

    @rule()
    def line_down(self) -> None:
        self.queue.line_down()
        self.end_ways(self.sent)
        self.sent.clear()

    @rule(historical=st.booleans(), count_max=st.integers(1, 15))
    def send(self, historical: bool, count_max: int) -> None:
        wanted = self.queue.next_backlog() if historical else self.queue.next_live(self.following)
        if not self.queue.line_is_up or wanted is None:
            return
        lane, first, following = wanted
        item = self.queue.take(lane, first, min(following, first + count_max), historical)
        numbers = range(item.first, item.following)
        assert all(self.model[lane, number] == WAITS for number in numbers)
        assert not any((lane, number) in self.gone for number in numbers)
        assert not any(
            one.lane == lane and one.first < item.following and item.first < one.following
            for one in self.sent
        )
        self.sent.append(item)

    @rule(at=st.integers(0, 7), is_taken=st.booleans())
    def answer(self, at: int, is_taken: bool) -> None:
        """Answers may come in any order."""
        if not self.sent:
            return
        item = self.sent.pop(at % len(self.sent))
        if is_taken:
            self.queue.acknowledge(item)
            self.settle(item.lane, range(item.first, item.following), DELIVERED)
        else:
            self.queue.refuse(item)
            self.end_ways([item])

    @rule(lane=LANE, part=st.floats(0, 1), count=st.integers(1, 10))
    def evict(self, lane: int, part: float, count: int) -> None:
        """The store loses some frames, oldest or not, delivered or not."""
        first = int(part * self.following[lane])
        following = min(first + count, self.following[lane])
        on_its_way = {
            number
            for item in self.sent
            if item.lane == lane
            for number in range(item.first, item.following)
        }
        for number in range(first, following):
            self.gone.add((lane, number))
            if number not in on_its_way:
                self.settle(lane, range(number, number + 1), EVICTED)
        self.queue.evicted(lane, first, following)

    @rule()
    def bury(self) -> None:
        """The first frame of the backlog becomes a dead letter."""
        wanted = self.queue.next_backlog()
        if wanted is not None:
            self.queue.dead_letter(*wanted[:2])
            self.settle(wanted[0], range(wanted[1], wanted[1] + 1), DEAD)

    @rule()
    def save(self) -> None:
        """What is saved is what would be if the line went down now."""
        after = deepcopy(self.queue)
        after.line_down()
        assert self.queue.rows() == after.rows()
        self.saved = (self.queue.rows(), dict(self.model))

    @rule()
    def restart(self) -> None:
        """Begin again from what was saved last: at most what was settled since comes again."""
        rows, model = self.saved
        dead = Counter(lane for (lane, _), word in model.items() if word == DEAD)
        self.queue = RelayQueue(rows, [dead[lane] for lane in LANES])
        self.model = {place: model.get(place, WAITS) for place in self.model}
        self.sent.clear()
        for lane, number in sorted(self.gone):  # as a read of the store would find out
            self.queue.evicted(lane, number, number + 1)
            self.settle(lane, range(number, number + 1), EVICTED)
        self.save()

    @invariant()
    def every_frame_is_counted_once(self) -> None:
        counts = self.queue.counts(self.following)
        words = Counter(self.model.values())
        for word in (DELIVERED, EVICTED, DEAD):
            assert counts[word] == words[word]
        assert counts["live"] + counts["backlog"] == words[WAITS]
        assert counts["in_flight"] == len(self.sent)

    @invariant()
    def exactly_what_waits_is_held(self) -> None:
        needed = [self.queue.needed(lane, self.following[lane]) for lane in LANES]
        held = {
            (lane, number)
            for lane, flat in enumerate(needed)
            for first, following in zip(flat[::2], flat[1::2], strict=True)
            for number in range(first, following)
        }
        assert held == {place for place, word in self.model.items() if word == WAITS}
        for lane in LANES:
            assert self.queue.floor(lane) == min(
                [number for one, number in held if one == lane], default=self.following[lane]
            )

    @invariant()
    def backlog_is_below_live_and_in_order(self) -> None:
        for lane, live, backlog, _, _ in self.queue.rows():
            assert backlog == sorted(set(backlog)) and all(one <= live for one in backlog)
            assert live <= self.following[lane]

    def teardown(self) -> None:
        """Once the line stays, all that waits arrives."""
        self.line_down()
        self.queue.line_up(self.following)
        while self.queue.next_backlog() is not None:
            self.send(True, 7)
            self.answer(0, True)
        counts = self.queue.counts(self.following)
        assert (counts["live"], counts["backlog"], counts["in_flight"]) == (0, 0, 0)
        assert WAITS not in self.model.values()
        self.every_frame_is_counted_once()


QueueMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
test_whatever_line_and_store_do = QueueMachine.TestCase


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
