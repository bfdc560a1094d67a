"""Which polls may have lost a conversion."""

from agent.drivers.conversions import Conversions


def losses(spacing_us: int, conversions_us: "list[int]", polls_us: "list[int]") -> int:
    """Return how many losses are counted when a chip converts and is polled at these times."""
    watch = Conversions(spacing_us)
    count = 0
    before_us = -1
    for now_us in polls_us:
        fresh = [at_us for at_us in conversions_us if before_us < at_us <= now_us]
        count += watch.is_loss(now_us, is_fresh=bool(fresh))
        before_us = now_us
    return count


def test_polled_twice_as_fast_as_it_converts_nothing_is_lost() -> None:
    for true_spacing_us in (24_000, 25_000, 26_000):
        conversions_us = [10_000 + k * true_spacing_us for k in range(200)]
        assert losses(25_000, conversions_us, list(range(0, 4_000_000, 12_500))) == 0


def test_a_stall_of_two_spacings_is_a_loss() -> None:
    conversions_us = [10_000 + k * 25_000 for k in range(20)]
    polls_us = list(range(0, 100_000, 12_500)) + list(range(160_000, 300_000, 12_500))
    assert losses(25_000, conversions_us, polls_us) == 1


def test_every_stall_counts_once() -> None:
    conversions_us = [10_000 + k * 25_000 for k in range(40)]
    assert losses(25_000, conversions_us, list(range(0, 1_000_000, 100_000))) == 8


def test_nothing_before_the_first_conversion_is_a_loss() -> None:
    watch = Conversions(25_000)
    assert not watch.is_loss(0, is_fresh=False)
    assert not watch.is_loss(500_000, is_fresh=True)


def test_it_is_lost_from_just_where_the_fastest_oscillator_may_have_made_two() -> None:
    # Of 25 ms, 15 % too fast: 21.25 ms.
    for waited_us, polled_us, expected in (
        (31_249, 10_000, False),
        (42_499, 100, False),
        (42_500, 100, True),
        (51_249, 30_000, False),
        (51_250, 30_000, True),
    ):
        watch = Conversions(25_000)
        for after_us in (0, 100):
            assert not watch.is_loss(10_000 + after_us, is_fresh=True)
        assert not watch.is_loss(10_000 + polled_us, is_fresh=False)
        assert watch.is_loss(10_000 + waited_us, is_fresh=True) == expected


def test_after_a_restart_the_past_is_forgotten() -> None:
    watch = Conversions(25_000)
    for now_us in (0, 25_000):
        watch.is_loss(now_us, is_fresh=True)
    watch.restart(25_000)
    assert not watch.is_loss(900_000, is_fresh=True)
