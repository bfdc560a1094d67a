"""Whatever the FIFO holds, unpacking gives the numbers back."""

from array import array

from hypothesis import given
from hypothesis import strategies as st

from agent.drivers.adxl355 import unpack_sets

VALUES = st.integers(-(1 << 19), (1 << 19) - 1)
SETS = st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=32)


@given(SETS, st.integers(0, 16))
def test_unpacking_undoes_packing(sets: list[tuple[int, int, int]], shift: int) -> None:
    packed = bytearray(b"\x00")
    for values in sets:
        for axis, value in enumerate(values):
            packed += ((value & 0xFFFFF) << 4 | (axis == 0)).to_bytes(3, "big")
    out = array("i", bytes(4 * 96))
    assert unpack_sets(packed, out, len(sets), 4 + shift)
    assert out[: 3 * len(sets)].tolist() == [value >> shift for row in sets for value in row]
