"""A column in an array gives the bytes that a list of the same readings gives."""

from array import array

from protocols.batch import Series, encode_batch
from protocols.columns import FULL, TOO_WIDE, Column
from protocols.errors import LocalProtocolError
from tests.agent.draws import Draw

SPREADS = (0, 1, 60, 3000, 40_000, 1 << 23, (1 << 29) - 1, (1 << 31) - 1)
HEAD = (1, 2, 3, 0)


def payload(values: "list[int] | Column", plain: bool) -> bytes:
    one = Series("acc.x", "m/s2", (-3, 1), 0, spacing_ns=1, values=values, plain=plain)
    return encode_batch(HEAD, [one, one])


def ring_of(draw: Draw, spread: int, sets: int) -> "array[int]":
    return array("i", [draw.between(-spread, spread) for _ in range(3 * sets)])


def test_a_column_round_the_end_has_the_bytes_of_its_list() -> None:
    draw = Draw(1)
    for spread in SPREADS:
        for count in (1, 2, 70, 200):
            values = ring_of(draw, spread, 200)
            first = 3 * draw.below(200) + 1
            listed = [values[(first + 3 * position) % 600] for position in range(count)]
            for plain in (False, True):
                column = Column(values, first, 3, count)
                assert list(column) == listed and len(column) == count
                assert payload(column, plain) == payload(listed, plain), (spread, count, plain)


def test_a_part_is_that_part() -> None:
    values = array("i", range(30))
    column = Column(values, 27, 3, 10)
    assert list(column.part(3, 5)) == list(column)[3:5] == [6, 9]


def test_a_column_that_does_not_fit_writes_nothing_beyond_the_end() -> None:
    column = Column(array("i", [100_000, 0] * 50), 0, 1, 100)
    for size in range(320):
        out = bytearray(size + 8)
        view = out[:size]
        end = column.pack_into(view, 0)
        assert end == FULL or (end == 300 and size >= 302)
        assert len(view) == size
    assert column.write_into(bytearray(399), 0, 4) == FULL
    assert column.write_into(bytearray(400), 0, 4) == 400


def test_what_is_too_wide_says_so() -> None:
    out = bytearray(100)
    assert Column(array("i", [1 << 29]), 0, 1, 1).pack_into(out, 0) == TOO_WIDE
    assert Column(array("i", [-(1 << 29) - 1]), 0, 1, 1).pack_into(out, 0) == TOO_WIDE
    assert Column(array("i", [-(1 << 29)]), 0, 1, 1).pack_into(out, 0) == 5
    assert Column(array("i", [0x8000]), 0, 1, 1).write_into(out, 0, 2) == TOO_WIDE
    assert Column(array("i", [-0x8000]), 0, 1, 1).write_into(out, 0, 2) == 2


def test_a_batch_that_is_too_long_is_refused() -> None:
    column = Column(array("i", [1 << 28, 0] * 700), 0, 1, 1400)
    for plain in (False, True):
        try:
            payload(column, plain)
        except LocalProtocolError:
            continue
        assert False, "it fitted"


def test_a_position_outside_is_refused() -> None:
    column = Column(array("i", [1, 2, 3]), 1, 1, 2)
    for position in (-1, 2):
        try:
            column[position]
        except IndexError:
            continue
        assert False, position
