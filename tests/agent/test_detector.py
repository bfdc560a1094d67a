"""The onset of shaking: found at once, and not where there is none."""

from array import array

from agent.detector import Detector, window_of
from tests.agent.draws import Draw

SPACING_US = 10_000
SETTINGS = {"sta_ms": 500, "lta_ms": 10_000, "on_percent": 400, "off_percent": 150}
SECOND = 100
BLOCK = 16


def detector() -> Detector:
    return Detector(3, SPACING_US, SETTINGS)


def feed(one: Detector, sets: "list[tuple[int, int, int]]") -> "list[int]":
    """Return the positions of the onsets in sets."""
    found = []
    for first in range(0, len(sets), BLOCK):
        part = sets[first : first + BLOCK]
        ago = one.feed(array("i", [value for each in part for value in each]), len(part))
        if ago >= 0:
            found.append(first + len(part) - 1 - ago)
    return found


def ground(draw: Draw, seconds: int, sigma: int, shift: int = 0) -> "list[tuple[int, int, int]]":
    """Return sets of noise about rest: gravity on z."""
    return [
        (draw.noise(sigma), draw.noise(sigma) + shift, draw.noise(sigma) + 16_000)
        for _ in range(seconds * SECOND)
    ]


def test_noise_is_no_onset_however_loud() -> None:
    for sigma in (0, 1, 30, 3000):
        assert feed(detector(), ground(Draw(1), 40, sigma)) == []


def test_an_onset_is_found_within_a_second_and_ends() -> None:
    draw = Draw(2)
    for sigma in (1, 30, 1000):
        one = detector()
        assert feed(one, ground(draw, 20, sigma)) == []
        found = feed(one, ground(draw, 2, 12 * sigma + 10))
        assert len(found) == 1 and found[0] < SECOND
        assert one.is_active() and one.ratio_percent() >= 150
        feed(one, ground(draw, 20, sigma))
        assert not one.is_active()


def test_gravity_and_a_slow_tilt_are_no_motion() -> None:
    one = detector()
    sets = ground(Draw(3), 60, 3)
    tilted = [(x, y + index // 100, z) for index, (x, y, z) in enumerate(sets)]
    assert feed(one, tilted) == []


def test_nothing_is_found_before_the_long_window_is_full() -> None:
    draw = Draw(4)
    one = detector()
    assert feed(one, ground(draw, 5, 1) + ground(draw, 2, 500)) == []
    one.restart()
    assert feed(one, ground(draw, 20, 2)) == []


def test_windows_are_met_within_six_percent() -> None:
    for window_ms in (10, 50, 130, 500, 777, 3000, 30_000, 3_600_000):
        samples = min(1 << 20, max(1, window_ms * 1000 // SPACING_US))
        factor, shift = window_of(window_ms, SPACING_US)
        assert 1 <= factor <= 15
        assert abs((1 << shift) - factor * samples) * 16 <= factor * samples


def test_the_widest_samples_overflow_nothing() -> None:
    one = detector()
    wide = [((1 << 24) - 1, -(1 << 24), 0)] * BLOCK + [(-(1 << 24), (1 << 24) - 1, 0)] * BLOCK
    for _ in range(100):
        feed(one, wide)
    assert 50 <= one.ratio_percent() <= 300
