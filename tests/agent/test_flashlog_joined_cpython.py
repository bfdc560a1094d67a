"""The flash log on sectors joined by three, as on a board: every cut, and erases for any size."""

from simulators.storage import SimFlash
from tests.agent.flash_bench import Bench, survive_every_cut
from tests.agent.test_flashlog import (
    FILLING,
    erases_of,
    survive_cuts_while_dropped,
    survive_cuts_while_full,
)


def joined_flash() -> SimFlash:
    """Return one whose sectors are joined by three, as on a board; they are as small."""
    return SimFlash(172, 24)


def test_survives_a_cut_at_every_byte() -> None:
    assert survive_every_cut(Bench(joined_flash()), FILLING) > 300
    survive_cuts_while_full(Bench(joined_flash()))
    survive_cuts_while_dropped(Bench(joined_flash()), 3)


def test_erases_are_few_for_frames_of_any_one_size() -> None:
    # Of 1337 to 1470 and of 2705 to 2925 bytes, sectors of 4 or 8 KiB would waste the most.
    for size in (80, 150, 1337, 1400, 1470, 2045, 2705, 2925, 3048, 4032):
        assert erases_of([size] * (1_200_000 // size), 10)[0] <= 0.35, size


def test_erases_are_few_and_even_while_frames_are_acknowledged() -> None:
    mixed = [100 + 677 * index % 1901 for index in range(1200)]
    for sizes in ([100] * 6000, [450] * 2500, [2000] * 600, mixed):
        erases_per_kib, counts = erases_of(sizes, 10)
        assert erases_per_kib <= 0.35
        # Only the sectors of the kept values and of a lane's head may rest, and what is no three.
        assert counts[-1] - counts[2 + 3 * 3] <= 2
