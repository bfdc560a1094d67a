"""The grid of slow samples."""

from agent.drivers.pace import Pace, spacing_of_rate


def due_times(pace: Pace, polls_us: "list[int]") -> "list[int]":
    taken = []
    for now_us in polls_us:
        if pace.is_due(now_us):
            pace.take(now_us)
            taken.append(now_us)
    return taken


def test_first_poll_is_due_and_then_each_spacing() -> None:
    assert due_times(Pace(1000), list(range(300, 4000, 250))) == [300, 1050, 2050, 3050]


def test_late_polls_do_not_shift_the_grid() -> None:
    assert due_times(Pace(1000), [0, 1100, 2100, 2999, 4000]) == [0, 1100, 2100, 2999, 4000]


def test_poll_before_a_quarter_of_the_spacing_is_too_early() -> None:
    assert due_times(Pace(1000), [0, 749, 750]) == [0, 750]


def test_missed_samples_are_counted_and_the_grid_stays() -> None:
    pace = Pace(1000)
    assert pace.take(0) == 0
    assert pace.take(1000) == 0
    assert pace.take(4100) == 2
    assert not pace.is_due(4700)
    assert pace.is_due(4750)


def test_rate_becomes_a_spacing_within_limits() -> None:
    assert spacing_of_rate(10_000, 10_000) == 100_000
    assert spacing_of_rate(1, 10_000) == 1_000_000_000
    for rate_mhz in (0, -5, 10_001):
        try:
            spacing_of_rate(rate_mhz, 10_000)
            assert False
        except ValueError as error:
            assert "1..10000" in str(error)


def test_a_poll_may_come_early_by_20_ms_and_no_more() -> None:
    pace = Pace(1_000_000)
    assert pace.is_due(0) and pace.take(0) == 0
    assert not pace.is_due(979_999)
    assert pace.is_due(980_000)
