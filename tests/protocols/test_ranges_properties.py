"""Ranges against a plain set."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from protocols.ranges import Ranges

# Few indexes, so that they meet; the last ones are at the limit of 32 bits.
INDEXES = st.one_of(st.integers(0, 40), st.integers(0xFFFFFFE0, 0xFFFFFFFF))


class RangesMachine(RuleBasedStateMachine):
    """Adds to both; they must never differ."""

    def __init__(self) -> None:
        super().__init__()
        self.ranges = Ranges()
        self.model: set[int] = set()

    @rule(index=INDEXES)
    def add(self, index: int) -> None:
        """Add one index."""
        assert self.ranges.add(index) == (index not in self.model)
        self.model.add(index)

    @rule(first=INDEXES, size=st.integers(-2, 12))
    def add_range(self, first: int, size: int) -> None:
        """Add some in a row."""
        self.ranges.add_range(first, first + size)
        self.model.update(range(first, first + size))

    @rule(index=INDEXES)
    def look(self, index: int) -> None:
        """Ask for one index."""
        assert (index in self.ranges) == (index in self.model)

    @rule(following=st.integers(0, 60))
    def miss(self, following: int) -> None:
        """Ask what is missing."""
        missing = {index for pair in self.ranges.missing(following) for index in range(*pair)}
        assert missing == set(range(following)) - self.model

    @invariant()
    def is_sorted_disjoint_and_equal(self) -> None:
        """Hold the pairs against the set."""
        pairs = self.ranges.pairs()
        assert self.ranges.flat == sorted(set(self.ranges.flat)), "touching or unsorted"
        assert {index for pair in pairs for index in range(*pair)} == self.model
        assert self.ranges.count() == len(self.model)


TestRanges = RangesMachine.TestCase


@given(st.lists(st.integers(0, 30)))
def test_the_order_of_arrival_does_not_matter(indexes: list[int]) -> None:
    forward, backward = Ranges(), Ranges()
    for index in indexes:
        forward.add(index)
    for index in reversed(indexes):
        backward.add_range(index, index + 1)
    assert forward.flat == backward.flat
