"""The set of frame indexes."""

from protocols.ranges import Ranges


def test_a_healthy_boot_is_one_pair() -> None:
    ranges = Ranges()
    assert all(ranges.add(index) for index in range(1000))
    assert ranges.pairs() == [(0, 1000)] and ranges.count() == 1000


def test_an_index_is_added_once() -> None:
    ranges = Ranges()
    for index in (5, 3, 4, 9, 0):
        assert ranges.add(index)
    for index in (5, 3, 4, 9, 0):
        assert not ranges.add(index)
    assert ranges.pairs() == [(0, 1), (3, 6), (9, 10)]


def test_a_gap_closes_when_its_last_index_comes() -> None:
    ranges = Ranges([0, 4, 5, 9])
    assert ranges.missing(12) == [(4, 5), (9, 12)]
    assert ranges.add(4)
    assert ranges.pairs() == [(0, 9)]


def test_it_tells_what_is_in_it_at_every_border() -> None:
    ranges = Ranges([2, 4, 7, 8])
    assert [index for index in range(10) if index in ranges] == [2, 3, 7]


def test_a_range_swallows_what_it_covers_and_joins_what_it_touches() -> None:
    ranges = Ranges([0, 2, 4, 5, 8, 9, 20, 30])
    ranges.add_range(2, 8)
    assert ranges.pairs() == [(0, 9), (20, 30)]
    ranges.add_range(22, 25)
    ranges.add_range(40, 40)
    ranges.add_range(5, 35)
    assert ranges.pairs() == [(0, 35)]


def test_missing_stops_at_the_index_asked_for() -> None:
    ranges = Ranges([2, 4, 100, 200])
    assert ranges.missing(3) == [(0, 2)]
    assert ranges.missing(2) == [(0, 2)]
    assert ranges.missing(150) == [(0, 2), (4, 100)]
    assert ranges.missing(0) == [] and Ranges().missing(3) == [(0, 3)]


def test_the_list_it_was_made_from_stays_as_it_was() -> None:
    flat = [1, 2]
    Ranges(flat).add(2)
    assert flat == [1, 2]


def test_indexes_of_32_bits_fit() -> None:
    ranges = Ranges()
    assert ranges.add(0xFFFFFFFF) and ranges.add(0xFFFFFFFE)
    assert ranges.pairs() == [(0xFFFFFFFE, 0x100000000)]
