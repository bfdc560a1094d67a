"""A sensor's true rate is found whatever it is, and its phase stays, for hours."""

import random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.timebase import SampleClock

# (spacing, poll) in us of chips whose rate must be known, with and without a FIFO; 10 to 1000 Hz.
KINDS = (
    (100_000, 50_000),
    (40_000, 640_000),
    (40_000, 20_000),
    (20_000, 10_000),
    (10_000, 160_000),
    (10_000, 5000),
    (5000, 80_000),
    (1000, 16_000),
)
PPM = 1_000_000


class Chip:
    """Makes samples at a rate that is off by off_ppm; polls of it come up to late_us late."""

    def __init__(self, kind: tuple[int, int], off_ppm: int, late_us: int, seed: int) -> None:
        self.spacing_us, self.poll_us = kind
        self.period_ns = self.spacing_us * (PPM + off_ppm) // 1000
        self.clock = SampleClock(self.spacing_us, self.poll_us)
        self._draw = random.Random(seed)
        self._late_us = late_us
        self._phase_ns = self._draw.randrange(self.period_ns)
        self._due_us = 0
        self._read = 0

    def run(self, until_us: int) -> None:
        """Poll until then."""
        while self._due_us < until_us:
            self._due_us = self.clock.aim(self._due_us + self.poll_us)
            now_us = self._due_us + self._draw.randrange(self._late_us + 1)
            made = max(self._read, (now_us * 1000 - self._phase_ns) // self.period_ns)
            self.clock.advance(made - self._read, now_us)
            self._read = made

    def rate_error_ppm(self) -> float:
        return abs(self.clock.spacing_ns - self.period_ns) / self.period_ns * PPM

    def phase_error_us(self) -> float:
        true_ns = self._phase_ns + self._read * self.period_ns
        return abs(self.clock.time_us(0) - true_ns / 1000)


def known_to_ppm(kind: tuple[int, int], off_ppm: int, late_us: int, seed: int) -> float:
    """Return how well the rate is known after a minute."""
    chip = Chip(kind, off_ppm, late_us, seed)
    chip.run(60_000_000)
    return chip.rate_error_ppm()


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.integers(-40_000, 40_000),
    st.integers(0, 3000),
    st.integers(0, 1 << 30),
)
@example((10_000, 160_000), 40_000, 0, 1)
@example((10_000, 160_000), -40_000, 3000, 2)
@example((40_000, 640_000), 0, 0, 3)
@example((100_000, 50_000), 0, 0, 4)
def test_the_rate_is_known_to_50_ppm_within_a_minute(
    kind: tuple[int, int], off_ppm: int, late_us: int, seed: int
) -> None:
    # Polls on the dot, and a rate that is a ratio of theirs, are no exception: aim() moves them.
    assert known_to_ppm(kind, off_ppm, late_us, seed) <= 50


@settings(max_examples=10, deadline=None)
@given(st.integers(-40_000, 40_000), st.integers(0, 2000), st.integers(0, 1 << 30))
def test_the_rate_of_a_sensor_of_one_hertz_is_known_to_100_ppm_within_a_minute(
    off_ppm: int, late_us: int, seed: int
) -> None:
    assert known_to_ppm((1_000_000, 500_000), off_ppm, late_us, seed) <= 100


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from([kind for kind in KINDS if kind[0] <= 10_000]),
    st.integers(-40_000, 40_000),
    st.integers(50, 200),
    st.integers(0, 1 << 30),
)
def test_polls_of_a_busy_board_may_come_late_by_up_to_two_spacings(
    kind: tuple[int, int], off_ppm: int, late_percent: int, seed: int
) -> None:
    assert known_to_ppm(kind, off_ppm, kind[0] * late_percent // 100, seed) <= 50


def test_sensors_of_different_rates_keep_their_phase_side_by_side_for_three_hours() -> None:
    chips = [
        Chip(kind, off_ppm, 20_000, seed)
        for seed, (kind, off_ppm) in enumerate(
            (((10_000, 160_000), 40_000), ((25_000, 200_000), -37_000), ((100_000, 500_000), 123))
        )
    ]
    for minute in range(1, 181):
        for chip in chips:
            chip.run(minute * 60_000_000)
            # A sample is seen up to one spacing after it was made; nobody can know better.
            assert chip.phase_error_us() <= chip.spacing_us
        assert minute < 5 or max(chip.rate_error_ppm() for chip in chips) <= 50
