"""Cycles of any record are those of the `rainflow` package, however it is cut into blocks."""

from collections import Counter

import rainflow  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from hub.rules.structure.cycles import Cycles

values = st.lists(st.integers(-20, 20).map(float), min_size=3, max_size=120)


@given(values, st.integers(1, 40))
def test_cycles_are_rainflows(record: list[float], block: int) -> None:
    cycles = Cycles(gate=1.0, step=1.0)
    for at in range(0, len(record), block):
        cycles.put(record[at : at + block])
    halves: Counter[int] = Counter()
    for size, _, count, _, _ in rainflow.extract_cycles(record):
        halves[int(size)] += round(2 * count)
    expected = {at: count / 2 for at, count in sorted(halves.items()) if count and at}
    assert cycles.counts() == expected
