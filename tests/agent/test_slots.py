"""Slots: which image a board starts, whatever was cut off when."""

from agent.slots import ARMED, HEALTHY, REJECTED, TRIAL, TRIALS_MAX, Slots
from protocols.manifest import CHUNK_SIZE
from simulators.storage import PowerCut, SimFlash
from tests.agent.update_bench import (
    NEW,
    NEW_RELEASE,
    OLD,
    OLD_RELEASE,
    SECTORS,
    Board,
    install,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def fill(slots: Slots, number: int) -> None:
    """Write the new image into a slot and arm it."""
    slot = slots.both[number]
    slot.begin(slots.next_generation(), NEW_RELEASE)
    for at in range(0, len(NEW), 1024):
        if at % CHUNK_SIZE == 0:
            slot.erase_chunk(at // CHUNK_SIZE)
        slot.write_image(at, NEW[at : at + 1024])
    slot.mark(ARMED)


def started(flashes: "list[SimFlash]") -> "int | None":
    """Return the slot that a new boot starts; its image is whole, whichever it is."""
    for flash in flashes:
        flash.power_on()
    slots = Slots(flashes)
    number = slots.choose()
    if number is not None:
        slot = slots.both[number]
        image = bytearray(len(NEW if slot.message() == NEW_RELEASE else OLD))
        slot.read_image(0, image)
        assert bytes(image) in (OLD, NEW)
    return number


def test_empty_and_damaged_slots_are_not_started() -> None:
    flashes = [SimFlash(sector_count=SECTORS) for _ in range(2)]
    assert Slots(flashes).choose() is None
    install(Slots(flashes), 1, OLD, OLD_RELEASE)
    assert started(flashes) == 1
    flashes[1].flip(CHUNK_SIZE + 100, 3)
    assert started(flashes) is None


def test_a_damaged_image_gives_way_to_the_one_before() -> None:
    board = Board()
    install(Slots(board.flashes), 1, NEW, NEW_RELEASE)
    assert started(board.flashes) == 1
    for place in (0, 70, 2000, CHUNK_SIZE, CHUNK_SIZE + len(NEW) - 1):
        if place == 2000:  # neither header, manifest nor mark
            continue
        board.flashes[1].flip(place, 0)
        assert started(board.flashes) == 0, place
        board.flashes[1].flip(place, 0)
    assert started(board.flashes) == 1


def test_an_armed_image_has_three_trials_then_the_old_one_is_back() -> None:
    board = Board()
    fill(Slots(board.flashes, 0), 1)
    assert [started(board.flashes) for _ in range(TRIALS_MAX + 2)] == [1, 1, 1, 0, 0]
    assert Slots(board.flashes).both[1].is_marked(REJECTED)


def test_an_image_that_failed_its_trial_is_better_than_none() -> None:
    board = Board()
    fill(Slots(board.flashes, 0), 1)
    assert [started(board.flashes) for _ in range(TRIALS_MAX + 1)] == [1, 1, 1, 0]
    board.flashes[0].flip(CHUNK_SIZE + 100, 3)
    assert [started(board.flashes) for _ in range(TRIALS_MAX + 2)] == [1] * (TRIALS_MAX + 2)
    assert not Slots(board.flashes).both[1].is_on_trial()
    board.flashes[1].flip(CHUNK_SIZE + 100, 3)
    assert started(board.flashes) is None


def test_an_image_whose_time_is_over_gives_way_at_once() -> None:
    board = Board()
    fill(Slots(board.flashes, 0), 1)
    slots = Slots(board.flashes)
    assert slots.choose() == 1 and slots.both[1].reject() and not slots.both[1].reject()
    assert started(board.flashes) == 0
    fill(Slots(board.flashes, 0), 1)
    slots = Slots(board.flashes)
    assert slots.choose() == 1 and slots.accept() and not slots.both[1].reject()
    assert started(board.flashes) == 1


def test_an_accepted_image_stays() -> None:
    board = Board()
    fill(Slots(board.flashes, 0), 1)
    slots = Slots(board.flashes)
    assert slots.choose() == 1 and slots.accept() and not slots.accept()
    assert [started(board.flashes) for _ in range(TRIALS_MAX + 2)] == [1] * (TRIALS_MAX + 2)
    assert Slots(board.flashes).both[1].is_good()


def test_an_image_that_was_not_armed_is_never_started() -> None:
    board = Board()
    slots = Slots(board.flashes, 0)
    slots.both[1].begin(9, NEW_RELEASE)
    assert started(board.flashes) == 0
    assert slots.both[1].is_on_trial() is False


def points(sizes: "list[int]") -> "list[int]":
    """Return where to cut: before, inside and at the end of every flash operation."""
    found: set[int] = set()
    at = 0
    for size in sizes:
        found.update((at, at + 1, at + size // 2, at + size - 1))
        at += size
    found.add(at)
    return sorted(found)


class Recorder:
    """A flash that notes the size of each operation."""

    def __init__(self, flash: SimFlash) -> None:
        self.sizes: list[int] = []
        self._flash = flash
        self.sector_size = flash.sector_size
        self.sector_count = flash.sector_count
        self.read_into = flash.read_into
        self.sync = flash.sync

    def program(self, offset: int, data: bytes) -> None:
        """Note and pass on."""
        self.sizes.append(len(data))
        self._flash.program(offset, data)

    def erase(self, sector: int) -> None:
        """Note and pass on."""
        self.sizes.append(self.sector_size)
        self._flash.erase(sector)


def whole_life(flashes: "list[Any]") -> None:
    """The second slot from an older image to a good new one: every operation there is."""
    fill(Slots(flashes, 0), 1)
    slots = Slots(flashes)
    slots.choose()
    slots.accept()


def test_whenever_the_power_goes_a_whole_image_is_started() -> None:
    first = Board()
    recorder = Recorder(first.flashes[1])
    whole_life([first.flashes[0], recorder])
    assert len(recorder.sizes) >= 15
    before = Board()
    install(Slots(before.flashes), 1, OLD, OLD_RELEASE)  # there is an older image to overwrite
    install(Slots(before.flashes), 0, OLD, OLD_RELEASE)
    kept = [bytes(flash.data) for flash in before.flashes]
    count = 0
    sizes = [4]  # of the head that is given up
    sizes.extend(recorder.sizes)
    for scattered in (False, True):
        for point in points(sizes):
            flashes = [SimFlash(sector_count=SECTORS, seed=point) for _ in range(2)]
            flashes[1] = SimFlash(sector_count=SECTORS, seed=point, scattered=scattered)
            for flash, data in zip(flashes, kept):  # noqa: B905
                flash.data[:] = data
            flashes[1].cut_after(point)
            try:
                whole_life(flashes)
            except PowerCut:
                pass
            assert started(flashes) in (0, 1), point
            whole_life(flashes)  # and the update can be begun again
            assert started(flashes) == 1, point
            count += 1
    assert count > 100


def test_a_torn_mark_counts_as_not_set_and_is_set_again() -> None:
    for point in range(16):
        board = Board()
        fill(Slots(board.flashes, 0), 1)
        board.flashes[1].cut_after(point)
        try:
            Slots(board.flashes).choose()
        except PowerCut:
            pass
        assert started(board.flashes) == 1
        slot = Slots(board.flashes).both[1]
        assert slot.is_marked(TRIAL) and not slot.is_marked(TRIAL + 1)
        assert not slot.is_marked(HEALTHY)


def test_a_torn_rejection_is_made_up_for() -> None:
    for point in range(17):
        board = Board()
        fill(Slots(board.flashes, 0), 1)
        for _ in range(TRIALS_MAX):
            started(board.flashes)
        board.flashes[1].cut_after(point)
        try:
            Slots(board.flashes).choose()
        except PowerCut:
            pass
        assert started(board.flashes) == 0 and Slots(board.flashes).both[1].is_marked(REJECTED)


class TornFromTheEnd(SimFlash):
    """Erasing the first sector loses its power when the second half is blank, once."""

    is_torn = False

    def erase(self, sector: int) -> None:
        """Erase, or half of it."""
        if sector or self.is_torn:
            SimFlash.erase(self, sector)
            return
        self.is_torn = True
        # All marks behind the first trial are gone, the rest is there.
        self.data[MARKS_BEHIND_TRIAL:CHUNK_SIZE] = b"\xff" * (CHUNK_SIZE - MARKS_BEHIND_TRIAL)
        raise PowerCut


MARKS_BEHIND_TRIAL = 3968 + 2 * 16


def test_a_torn_erase_never_brings_a_rejected_image_back() -> None:
    flashes = [SimFlash(sector_count=SECTORS), TornFromTheEnd(sector_count=SECTORS)]
    install(Slots(flashes), 0, OLD, OLD_RELEASE)
    flashes[1].is_torn = True  # type: ignore[attr-defined]
    fill(Slots(flashes, 0), 1)
    assert [started(flashes) for _ in range(4)] == [1, 1, 1, 0]
    flashes[1].is_torn = False  # type: ignore[attr-defined]
    try:
        fill(Slots(flashes, 0), 1)
    except PowerCut:
        pass
    assert started(flashes) == 0
