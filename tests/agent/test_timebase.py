"""Times of samples from an oscillator that nobody can see."""

from agent.timebase import SampleClock, even_spacing_ns
from tests.agent.fake_parts import neighbours

MINUTE_US = 60_000_000


def worst_error_us(period_ns: int, seconds: int, *, late_us: int = 0, exact: bool = False) -> int:
    """Follow a chip for so long; return the largest error of a time after the first 10 s."""
    clock = SampleClock(10_000, 160_000, 0 if exact else -1)
    read = 0
    worst = 0
    for poll in range(1, seconds * 1000 // 160):
        now_us = poll * 160_000 + poll * 7919 % (late_us + 1)
        made = now_us * 1000 // period_ns
        if made > read:
            clock.advance(made - read, now_us)
            read = made
        if now_us > 10_000_000:
            worst = max(worst, abs(clock.time_us(0) - made * period_ns // 1000))
    return worst


def test_times_follow_an_oscillator_that_is_four_percent_off() -> None:
    for period_ns in (9_600_000, 9_999_000, 10_123_456, 10_400_000):
        assert worst_error_us(period_ns, 60, late_us=20_000) < 5_000


def test_times_do_not_drift_in_an_hour() -> None:
    assert worst_error_us(10_037_000, 3600, late_us=5_000) < 5_000


def test_spacing_converges() -> None:
    clock = SampleClock(10_000, 160_000)
    read = 0
    for poll in range(1, 600):
        made = poll * 160_000_000 // 10_250_000
        clock.advance(made - read, poll * 160_000)
        read = made
    assert abs(clock.spacing_ns - 10_250_000) < 10_250_000 // 5_000


def test_exact_spacing_never_moves_without_need() -> None:
    clock = SampleClock(10_000, 160_000, 0)
    times_us = []
    for poll in range(1, 1000):
        clock.advance(16, poll * 160_000 + 700 + poll * 31 % 900)
        times_us.append(clock.time_us(0))
    assert clock.spacing_ns == 10_000_000
    steps_us = [later - earlier for earlier, later in neighbours(times_us)]
    assert steps_us == [160_000] * 998
    assert worst_error_us(10_000_000, 60, late_us=20_000, exact=True) == 0


def test_exact_clock_keeps_its_grid_after_a_loss() -> None:
    clock = SampleClock(10_000, 160_000, 0)
    clock.advance(16, 160_000)
    first_us = clock.time_us(0)
    clock.advance_after_loss(32, 1_003_000)
    assert (clock.time_us(0) - first_us) % 10_000 == 0
    assert 0 <= 1_003_000 - clock.time_us(0) <= 10_000


def test_time_after_a_loss_is_that_of_the_clock() -> None:
    clock = SampleClock(10_000, 160_000)
    for poll in range(1, 100):
        clock.advance(16, poll * 160_000)
    clock.advance_after_loss(32, 20_000_000)
    assert 0 <= 20_000_000 - clock.time_us(0) <= 10_000
    assert clock.next_us() > clock.time_us(0)


def test_a_wild_reading_of_the_clock_does_not_bend_the_spacing() -> None:
    clock = SampleClock(10_000, 160_000)
    clock.advance(16, 160_000)
    clock.advance(1, MINUTE_US)
    assert clock.spacing_ns <= 11_250_000


def test_reads_that_make_the_samples_are_not_moved() -> None:
    clock = SampleClock(10_000, 10_000)
    for poll in range(1, 100):
        now_us = poll * 10_000 + poll * 7919 % 3000
        clock.advance(1, now_us)
        assert clock.aim(now_us + 10_000) == now_us + 10_000
        assert 0 <= now_us - clock.time_us(0) <= 10_000
    assert abs(clock.spacing_ns - 10_000_000) <= 10_000


def test_reads_of_a_faster_mode_are_moved_by_half_of_their_own_interval() -> None:
    clock = SampleClock(8_000_000, 4_000_000)
    clock.advance(1, 8_000_000)
    clock.poll_every(1_000_000)
    for due_us in range(8_000_000, 24_000_000, 250_000):
        assert -500_000 <= clock.aim(due_us) - due_us <= 500_000


def test_even_times_have_a_spacing_and_uneven_ones_none() -> None:
    assert even_spacing_ns([5_000_000, 6_001_000, 7_000_000]) == 1_000_000_000
    assert even_spacing_ns([5_000_000, 6_100_000, 7_000_000]) == 0
    assert even_spacing_ns([5_000_000]) == 0
