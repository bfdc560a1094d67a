"""Device clocks: brackets of time exchanges, their age, and drift."""

from hypothesis import given
from hypothesis import strategies as st

from hub.device_clocks import DRIFT_PPM_MAX, MOVED_US_MIN, REPEAT_US, Clocks
from tests.hub.batches import S

KEY = ("river-1", 3)


def test_the_middle_of_the_bracket_is_the_estimate_and_half_of_it_the_uncertainty() -> None:
    clocks = Clocks()
    row = clocks.exchange(KEY, 500, 10_000, 10_401)
    assert row is not None
    assert (row.device_us, row.hub_us, row.uncertainty_us) == (500, 10_201, 201)
    assert clocks.hub_us(KEY, 600) == 10_301
    assert clocks.uncertainty_us(KEY) == 201
    assert clocks.hub_us(("river-1", 4), 0) is None and clocks.uncertainty_us(("x", 1)) is None


def test_a_narrower_bracket_replaces_and_a_wider_one_does_not() -> None:
    clocks = Clocks()
    clocks.exchange(KEY, 0, 0, 2000)
    clocks.exchange(KEY, S, S + 900, S + 1000)
    assert clocks.uncertainty_us(KEY) == 50
    clocks.exchange(KEY, 2 * S, 2 * S + 500, 2 * S + 2500)
    assert clocks.uncertainty_us(KEY) == 50
    assert clocks.hub_us(KEY, S) == S + 950


def test_an_old_bracket_widens_with_the_drift_until_a_new_one_is_better() -> None:
    clocks = Clocks()
    clocks.exchange(KEY, 0, 0, 100)
    aged_us = 50 + 60 * DRIFT_PPM_MAX
    clocks.exchange(KEY, 60 * S, 60 * S, 60 * S + 2 * (aged_us + 10))
    assert clocks.uncertainty_us(KEY) == 50
    clocks.exchange(KEY, 61 * S, 61 * S, 61 * S + 2 * aged_us)
    assert clocks.uncertainty_us(KEY) == aged_us


def test_a_clock_record_is_made_when_the_estimate_moved_and_after_a_while() -> None:
    clocks = Clocks()
    assert clocks.exchange(KEY, 0, 0, 100) is not None
    assert clocks.exchange(KEY, S, S, S + 100) is None
    moved_us = MOVED_US_MIN + 100
    assert clocks.exchange(KEY, 100 * S, 100 * S + moved_us, 100 * S + moved_us + 90) is not None
    later_us = 100 * S + REPEAT_US
    assert clocks.exchange(KEY, later_us, later_us + moved_us, later_us + moved_us) is None
    later_us += 2 * S
    assert clocks.exchange(KEY, later_us, later_us + moved_us, later_us + moved_us) is not None


@given(
    st.integers(-(10**9), 10**9),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=30),
)
def test_the_true_offset_is_within_the_uncertainty_and_the_drift(
    offset_us: int, delays: list[tuple[int, int]]
) -> None:
    """A device whose crystal is off by as much as allowed, exchanges every ten seconds."""
    clocks = Clocks()
    for at, (up_us, down_us) in enumerate(delays):
        true_us = 10**10 + at * 10 * S
        drift_us = at * 10 * DRIFT_PPM_MAX
        device_us = true_us + offset_us + drift_us
        clocks.exchange(KEY, device_us, true_us - up_us, true_us + down_us)
        estimate_us, uncertainty_us = clocks.hub_us(KEY, device_us), clocks.uncertainty_us(KEY)
        assert estimate_us is not None and uncertainty_us is not None
        assert abs(estimate_us - true_us) <= uncertainty_us + drift_us + 1
