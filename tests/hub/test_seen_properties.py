"""What was accepted, in blocks: they say the same as the whole, whatever the holes."""

from hypothesis import given
from hypothesis import strategies as st

from hub.seen import BLOCK_COUNT, blocks_of, pack_block, put_block, unpack, within
from protocols.ranges import Ranges

EDGES = [at * BLOCK_COUNT + step for at in range(4) for step in (-2, -1, 0, 1) if at or step >= 0]
INDEX = st.sampled_from(EDGES) | st.integers(0, 3 * BLOCK_COUNT)
SETS = st.lists(st.tuples(INDEX, st.integers(1, 2 * BLOCK_COUNT)), max_size=8)


def made_of(pairs: list[tuple[int, int]]) -> Ranges:
    ranges = Ranges()
    for first, count in pairs:
        ranges.add_range(first, first + count)
    return ranges


@given(SETS)
def test_the_blocks_together_are_the_whole(pairs: list[tuple[int, int]]) -> None:
    whole = made_of(pairs)
    again = Ranges()
    for block in blocks_of(whole):
        packed = pack_block(whole, block)
        flat = unpack(packed)
        assert flat and block * BLOCK_COUNT <= flat[0] <= flat[-1] <= (block + 1) * BLOCK_COUNT
        put_block(again, block, packed)
    assert again.flat == whole.flat


@given(SETS, SETS, st.integers(0, 5))
def test_a_block_that_is_put_back_changes_nothing_else(
    before: list[tuple[int, int]], after: list[tuple[int, int]], block: int
) -> None:
    old, new = made_of(before), made_of(before + after)
    put_block(new, block, pack_block(old, block))
    low, high = block * BLOCK_COUNT, (block + 1) * BLOCK_COUNT
    expected = made_of(before + after)
    for index in {*EDGES, low, high - 1, high, *(low + step for step in range(-3, 4))}:
        source = old if low <= index < high else expected
        assert (index in new) == (index in source)


@given(SETS, INDEX, st.integers(0, 2 * BLOCK_COUNT))
def test_within_is_what_both_have(pairs: list[tuple[int, int]], low: int, size: int) -> None:
    ranges = made_of(pairs)
    cut = Ranges(within(ranges.flat, low, low + size))
    for index in {*EDGES, low - 1, low, low + size - 1, low + size}:
        assert (index in cut) == (index in ranges and low <= index < low + size)
