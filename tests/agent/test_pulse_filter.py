"""Which edges of a bouncing contact count."""

from agent.hal.pulse_filter import PulseFilter


def count_of(*spacings_us: int) -> int:
    pulses = PulseFilter(250_000)
    for since_us in spacings_us:
        pulses.see(since_us)
    return pulses.count


def test_the_first_edge_counts() -> None:
    assert count_of(-1) == 1


def test_bounces_do_not_count() -> None:
    assert count_of(-1, 0, 300, 249_999) == 1


def test_edges_far_enough_apart_count() -> None:
    assert count_of(-1, 250_000, 700_000) == 3


def test_a_bounce_puts_off_the_next_edge_that_counts() -> None:
    assert count_of(-1, 200_000, 200_000, 250_000) == 2
