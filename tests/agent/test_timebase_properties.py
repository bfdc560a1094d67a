"""A sensor's true rate is found whatever it is, and its phase stays, for hours."""

import random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.timebase import SampleClock

# (spacing, poll) in us of chips whose rate must be known: FIFOs at 100 Hz to 1 kHz.
KINDS = ((10_000, 160_000), (5000, 80_000), (1000, 16_000))
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
            self._due_us += self.poll_us
            now_us = self._due_us + self._draw.randrange(self._late_us + 1)
            made = (now_us * 1000 - self._phase_ns) // self.period_ns
            if made > self._read:
                self.clock.advance(made - self._read, now_us)
                self._read = made

    def rate_error_ppm(self) -> float:
        return abs(self.clock.spacing_ns - self.period_ns) / self.period_ns * PPM

    def phase_error_us(self) -> float:
        true_ns = self._phase_ns + self._read * self.period_ns
        return abs(self.clock.time_us(0) - true_ns / 1000)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.integers(-40_000, 40_000),
    st.integers(50, 200),
    st.integers(0, 1 << 30),
)
@example((10_000, 160_000), 40_000, 200, 1)
@example((10_000, 160_000), -40_000, 200, 2)
def test_the_rate_is_known_to_50_ppm_within_a_minute(
    kind: tuple[int, int], off_ppm: int, late_percent: int, seed: int
) -> None:
    # Polls come late by up to so much of a spacing, as they do on a board. Were they on the dot
    # and the rate a ratio of theirs, every read would see the same phase, and learn nothing.
    chip = Chip(kind, off_ppm, kind[0] * late_percent // 100, seed)
    chip.run(60_000_000)
    assert chip.rate_error_ppm() <= 50


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
        assert minute < 5 or max(chip.rate_error_ppm() for chip in chips[:2]) <= 50
