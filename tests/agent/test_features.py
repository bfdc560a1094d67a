"""What a window of samples comes to, in integers."""

from array import array

from agent.features import BlockSums, Window, isqrt
from tests.agent.draws import Draw


def window_of(values: "list[int]", block: int) -> "tuple[int, ...]":
    sums = BlockSums(1)
    window = Window()
    for first in range(0, len(values), block):
        part = values[first : first + block]
        sums.take(array("i", part), len(part))
        window.feed(sums, 0)
    assert window.count == len(values)
    taken = window.take()
    assert window.count == 0
    return taken


def test_a_window_is_what_its_samples_are() -> None:
    draw = Draw(3)
    for limit in (1, 20, 40_000, 1 << 23, (1 << 24) - 1):
        values = [draw.between(-limit, limit) for _ in range(700)]
        low, high, mean, rms, peak = window_of(values, 32)
        assert (low, high) == (min(values), max(values))
        assert mean == 10 * sum(values) // 700
        squares = sum([(700 * value - sum(values)) ** 2 for value in values])
        # rms = sqrt(sum((x - mean)**2) / n), in tenths, rounded down.
        assert 700**3 * rms**2 <= 100 * squares < 700**3 * (rms + 1) ** 2
        assert peak == max(10 * high - mean, mean - 10 * low)


def test_how_the_samples_came_in_blocks_does_not_matter() -> None:
    draw = Draw(4)
    values = [draw.between(-(1 << 24) + 1, (1 << 24) - 1) for _ in range(254)]
    assert window_of(values, 127) == window_of(values, 1) == window_of(values, 50)


def test_a_sample_beyond_25_bits_counts_as_the_widest() -> None:
    low, high, mean, _, _ = window_of([1 << 30], 1)
    assert low == high == 1 << 30 and mean == 10 * 0xFFFFFF


def test_channels_of_a_block_are_apart() -> None:
    sums = BlockSums(3)
    sums.take(array("i", [1, -20, 300, 2, -10, 200]), 2)
    assert [sums.low(channel) for channel in range(3)] == [1, -20, 200]
    assert [sums.high(channel) for channel in range(3)] == [2, -10, 300]
    assert [sums.total(channel) for channel in range(3)] == [3, -30, 500]
    assert [sums.squares(channel) for channel in range(3)] == [5, 500, 130_000]


def test_square_roots_are_rounded_down() -> None:
    for value in (0, 1, 2, 3, 4, 8, 9, 10**18 - 1, 10**18, 1 << 101):
        root = isqrt(value)
        assert root * root <= value < (root + 1) * (root + 1)
