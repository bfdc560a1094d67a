"""The flash log: order, losses by name, damage, wear, and a power cut at every byte."""

from agent.flashkept import Gaps
from agent.flashlog import FlashLog
from protocols.vocabulary import GAP_FLASH_DAMAGED, GAP_FLASH_FULL
from simulators.storage import SimFlash
from tests.agent.flash_bench import (
    Bench,
    frames_of,
    make_frame,
    mounted,
    named,
    survive_every_cut,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

ALERT, LIFE, STATE, WAVE = range(4)
SECTOR_SIZE = 512
SECTOR_COUNT = 8
SECTOR_HEADER_SIZE = 20
RECORD_HEADER_SIZE = 20


def small_flash() -> SimFlash:
    return SimFlash(SECTOR_SIZE, SECTOR_COUNT)


def log_with(*frames: "tuple[int, int]") -> "tuple[SimFlash, FlashLog]":
    """Return a log that holds frames of 50 bytes: (lane, index) of boot 1."""
    flash = small_flash()
    log = mounted(flash)
    for lane, index in frames:
        log.append(1, index, lane, make_frame(lane, 1, index, 50))
    return flash, log


def refuses(call: "Callable[..., object]", *arguments: object) -> bool:
    try:
        call(*arguments)
    except ValueError:
        return True
    return False


def position_of(flash: SimFlash, frame: bytes) -> int:
    """Return where the record of a frame begins."""
    found = bytes(flash.data).find(frame)
    assert found >= 0
    return found - RECORD_HEADER_SIZE


def test_blank_flash_holds_nothing() -> None:
    log = mounted(small_flash())
    assert log.next_unsent() is None
    assert (log.pending_count(), log.extent(), log.take_gaps()) == (0, [], [])


def test_frames_survive_a_restart() -> None:
    flash, _ = log_with((WAVE, 1), (ALERT, 2))
    log = mounted(flash)
    assert frames_of(log) == [make_frame(ALERT, 1, 2, 50), make_frame(WAVE, 1, 1, 50)]
    assert log.extent() == [(1, 1, 3)]
    assert log.lane_counts() == (1, 0, 0, 1)


def test_most_urgent_lane_goes_first_and_the_oldest_of_a_lane() -> None:
    _, log = log_with((WAVE, 1), (STATE, 2), (WAVE, 3), (ALERT, 4), (STATE, 5))
    order = [(ALERT, 4), (STATE, 2), (STATE, 5), (WAVE, 1), (WAVE, 3)]
    assert frames_of(log) == [make_frame(lane, 1, index, 50) for lane, index in order]


def test_less_urgent_lanes_can_be_left_out() -> None:
    _, log = log_with((STATE, 1))
    assert log.next_unsent(LIFE) is None
    assert log.next_unsent(STATE) is not None


def test_frames_in_flight_are_unsent_again_once_the_link_is_lost() -> None:
    _, log = log_with((STATE, 1), (STATE, 2))
    sent = frames_of(log)
    assert log.next_unsent() is None
    log.append(1, 3, STATE, make_frame(STATE, 1, 3, 50))
    late = frames_of(log)
    assert late == [make_frame(STATE, 1, 3, 50)]
    log.reset_in_flight()
    assert frames_of(log) == sent + late


def test_only_the_next_frame_can_be_in_flight() -> None:
    _, log = log_with((STATE, 1), (STATE, 2))
    first = log.next_unsent()
    assert first is not None
    log.mark_in_flight(first)
    assert refuses(log.mark_in_flight, first)


def test_handle_of_a_freed_frame_is_refused() -> None:
    _, log = log_with((STATE, 1), (STATE, 2))
    handle = log.next_unsent()
    assert log.free(1, 1, 2) == 1
    assert refuses(log.read_frame, handle)


def test_free_takes_the_range_of_that_boot_in_all_lanes() -> None:
    flash, log = log_with((STATE, 1), (WAVE, 2), (STATE, 3), (WAVE, 4))
    log.append(2, 2, WAVE, b"of another boot")
    assert log.free(1, 2, 4) == 2
    assert log.free(1, 2, 4) == 0
    left = [make_frame(STATE, 1, 1, 50), make_frame(WAVE, 1, 4, 50), b"of another boot"]
    assert frames_of(mounted(flash)) == left
    assert log.extent() == [(1, 1, 5), (2, 2, 3)]


def test_what_is_no_frame_is_refused() -> None:
    _, log = log_with((STATE, 5))
    assert refuses(log.append, 1, 5, STATE, b"same index again")
    assert refuses(log.append, 1, 6, 4, b"no such lane")
    assert refuses(log.append, 1, 1 << 32, STATE, b"index too large")
    assert refuses(log.append, 1, 6, STATE, bytes(log.frame_size_max + 1))
    log.append(1, 6, STATE, bytes(log.frame_size_max))
    log.append(1, 7, STATE, b"")
    assert log.pending_count() == 3


def test_full_log_drops_the_oldest_of_the_least_urgent_lane_and_names_it() -> None:
    bench = Bench(small_flash())
    for index in range(60):
        bench.do(("append", (WAVE, STATE, WAVE, ALERT)[index % 4], 60))
        if index % 4 == 0:
            bench.do(("confirm",))
    assert bench.log.lane_counts()[ALERT] > 8
    assert bench.log.statistics()["evicted"] > 20


def test_gaps_name_just_what_was_dropped() -> None:
    flash = small_flash()
    log = mounted(flash)
    for index in range(60):
        log.append(7, index, WAVE, bytes(100))
    held = log.extent()[0]
    assert log.take_gaps() == [(7, 0, held[1], WAVE, GAP_FLASH_FULL)]
    assert held[2] == 60


def test_frame_is_refused_when_all_that_is_held_is_more_urgent() -> None:
    flash = small_flash()
    log = mounted(flash)
    index = 0
    while not log.take_gaps():
        index += 1
        log.append(1, index, ALERT, bytes(100))
    log.confirm_gaps(1 << 30)
    held = log.pending_count()
    log.append(1, index + 1, WAVE, bytes(100))
    assert log.take_gaps() == [(1, index + 1, index + 2, WAVE, GAP_FLASH_FULL)]
    assert log.pending_count() == held
    assert log.statistics()["refused"] == 1


def test_erasing_ahead_never_drops_an_alert() -> None:
    flash = small_flash()
    log = mounted(flash)
    for index in range(12):
        log.append(1, index, ALERT, bytes(200))
    while log.prepare():
        pass
    assert (log.pending_count(), log.take_gaps()) == (12, [])


def test_gaps_return_after_a_restart_until_they_are_confirmed() -> None:
    flash = small_flash()
    log = mounted(flash)
    for index in range(60):
        log.append(1, index, WAVE, bytes(100))
    gaps = log.take_gaps()
    assert log.take_gaps() == []
    assert mounted(flash).take_gaps() == gaps
    log.confirm_gaps(1 << 30)
    assert mounted(flash).take_gaps() == []


def test_confirming_keeps_what_was_lost_since_gaps_were_taken() -> None:
    gaps = Gaps(200)
    gaps.note(1, 5, WAVE, GAP_FLASH_FULL)
    assert gaps.take() == [(1, 5, 6, WAVE, GAP_FLASH_FULL)]
    gaps.note(1, 6, WAVE, GAP_FLASH_FULL)
    assert gaps.forget_taken(1)
    assert gaps.take() == [(1, 6, 7, WAVE, GAP_FLASH_FULL)]


def test_many_gaps_become_coarse_but_cover_every_loss() -> None:
    gaps = Gaps(1000)
    lost = [(lane, 1, index) for index in range(200) for lane in (STATE,) if index % 2]
    for lane, boot, index in lost:
        gaps.note(boot, index, lane, GAP_FLASH_FULL)
    again = Gaps(1000)
    again.load(gaps.encode())
    taken = again.take()
    assert len(taken) <= 16
    assert set(lost) <= named(taken)
    assert taken == gaps.take()


def test_gaps_that_cannot_be_joined_have_a_limit_and_are_counted() -> None:
    gaps = Gaps(14 * 20)
    for boot in range(25):
        gaps.note(boot, 1, WAVE, GAP_FLASH_FULL)
    assert [gap[0] for gap in gaps.take()] == list(range(5, 25))
    assert gaps.forgotten_count == 5


def test_boot_number_grows_with_each_start() -> None:
    flash = small_flash()
    assert [mounted(flash).next_boot() for _ in range(40)] == list(range(1, 41))


def test_boot_number_is_above_that_of_any_frame() -> None:
    flash, log = log_with()
    log.append(9, 0, WAVE, b"from a log whose counter is lost")
    assert mounted(flash).next_boot() == 10


def test_boot_number_does_not_return_when_the_counter_is_damaged() -> None:
    flash, log = log_with()
    boots = [log.next_boot() for _ in range(3)]
    counter = position_of(flash, b"\x03\x00\x00\x00")
    flash.flip(counter + RECORD_HEADER_SIZE, 0)
    assert mounted(flash).next_boot() > boots[-1]


def test_kept_values_survive_and_outlive_their_sector() -> None:
    flash, log = log_with()
    log.keep(1, b"watch")
    for count in range(60):
        log.keep(2, bytes([count]))
    log = mounted(flash)
    assert (log.kept(1), log.kept(2), log.kept(3)) == (b"watch", bytes([59]), None)


def test_kept_value_that_did_not_change_is_not_written() -> None:
    flash, log = log_with()
    log.keep(1, b"normal")
    count = flash.program_count
    log.keep(1, b"normal")
    assert flash.program_count == count


def test_kept_values_have_a_limit() -> None:
    _, log = log_with()
    assert refuses(log.keep, 1, bytes(SECTOR_SIZE // 3))
    assert refuses(log.keep, 240, b"")
    assert log.kept(1) is None


def test_any_flipped_bit_of_a_record_header_is_mended() -> None:
    flash, _ = log_with((STATE, 1), (STATE, 2))
    frames = frames_of(mounted(flash))
    position = position_of(flash, frames[0])
    for bit in range(8 * RECORD_HEADER_SIZE):
        flash.flip(position + bit // 8, bit % 8)
        assert frames_of(mounted(flash)) == frames, bit
        flash.flip(position + bit // 8, bit % 8)


def test_any_flipped_bit_of_a_sector_header_is_mended() -> None:
    flash, _ = log_with((STATE, 1), (STATE, 2))
    frames = frames_of(mounted(flash))
    position = position_of(flash, frames[0]) // SECTOR_SIZE * SECTOR_SIZE
    for bit in range(8 * SECTOR_HEADER_SIZE):
        flash.flip(position + bit // 8, bit % 8)
        assert frames_of(mounted(flash)) == frames, bit
        flash.flip(position + bit // 8, bit % 8)


def test_header_beyond_mending_hides_no_other_record() -> None:
    flash, _ = log_with((STATE, 1), (STATE, 2), (STATE, 3))
    frames = frames_of(mounted(flash))
    position = position_of(flash, frames[1])
    flash.data[position + 2 : position + 8] = bytes(6)
    log = mounted(flash)
    assert frames_of(log) == [frames[0], frames[2]]
    assert log.statistics()["damaged"] == 1
    assert log.take_gaps() == [(1, 2, 3, STATE, GAP_FLASH_DAMAGED)]
    log.confirm_gaps(1 << 30)
    again = mounted(flash)  # it is named once
    assert (again.take_gaps(), again.statistics()["damaged"]) == ([], 0)


def test_header_beyond_mending_at_either_end_of_a_sector_is_named() -> None:
    for at in (6, 7):  # the last of a sector of 512 bytes, the first of the next
        flash, _ = log_with(*((WAVE, index) for index in range(1, 12)))
        frames = frames_of(mounted(flash))
        position = position_of(flash, frames[at - 1])
        assert (position % SECTOR_SIZE == SECTOR_HEADER_SIZE) == (at == 7)
        flash.data[position + 2 : position + 8] = bytes(6)
        log = mounted(flash)
        assert frames_of(log) == frames[: at - 1] + frames[at:]
        assert log.take_gaps() == [(1, at, at + 1, WAVE, GAP_FLASH_DAMAGED)]


def test_a_write_that_was_cut_is_never_named_as_damage() -> None:
    flash, _ = log_with((STATE, 1), (STATE, 2))
    frames = frames_of(mounted(flash))
    position = position_of(flash, frames[1])
    flash.data[position + 2 : position + 8] = bytes(6)  # as a header written by half
    log = mounted(flash)
    log.append(2, 0, STATE, b"after the cut")
    log.append(2, 1, STATE, b"and another")
    assert mounted(flash).take_gaps() == []
    assert frames_of(mounted(flash)) == [frames[0], b"after the cut", b"and another"]


def test_damaged_body_is_never_sent_and_named_as_a_gap() -> None:
    flash, _ = log_with((STATE, 1), (STATE, 2), (STATE, 3))
    frames = frames_of(mounted(flash))
    flash.flip(position_of(flash, frames[1]) + RECORD_HEADER_SIZE + 7, 3)
    log = mounted(flash)
    assert frames_of(log) == [frames[0], frames[2]]
    assert log.take_gaps() == [(1, 2, 3, STATE, GAP_FLASH_DAMAGED)]
    assert frames_of(mounted(flash)) == [frames[0], frames[2]]


def test_header_whose_body_never_came_is_torn_not_lost() -> None:
    flash, _ = log_with((STATE, 1), (STATE, 2))
    frames = frames_of(mounted(flash))
    position = position_of(flash, frames[1]) + RECORD_HEADER_SIZE
    flash.data[position : position + 50] = b"\xff" * 50
    log = mounted(flash)
    assert frames_of(log) == frames[:1]
    assert (log.take_gaps(), log.statistics()["torn"]) == ([], 1)
    log.append(1, 3, STATE, b"behind it")
    assert frames_of(mounted(flash)) == [frames[0], b"behind it"]


def test_bit_that_cannot_be_cleared_costs_a_sector_not_a_frame() -> None:
    flash, log = log_with((STATE, 1))
    end = position_of(flash, make_frame(STATE, 1, 1, 50)) + RECORD_HEADER_SIZE + 52
    for offset in (end + 4, end + RECORD_HEADER_SIZE + 2):
        flash.wear_out(offset, 0)
    log.append(1, 2, STATE, bytes(50))
    assert frames_of(mounted(flash)) == [make_frame(STATE, 1, 1, 50), bytes(50)]
    assert log.statistics()["program_errors"] == 1


def test_append_does_not_erase_when_prepared() -> None:
    flash = SimFlash(SECTOR_SIZE, 16)
    log = mounted(flash)
    log.next_boot()
    for index in range(300):
        while log.prepare():
            pass
        erases = sum(flash.erase_counts)
        log.append(1, index, (WAVE, WAVE, STATE, WAVE)[index % 4], bytes(150))
        assert sum(flash.erase_counts) == erases
    assert log.statistics()["evicted"] > 100


def erases_of(sizes: "list[int]", free_every: int) -> "tuple[float, list[int]]":
    """Return the erases for each KiB of frames, and those of each sector, fewest first."""
    flash = SimFlash(4096, 65)
    log = mounted(flash)
    log.next_boot()
    for index in range(len(sizes)):
        log.prepare()
        log.append(1, index, (WAVE, WAVE, STATE, WAVE)[index % 4], bytes(sizes[index]))
        if free_every and index % free_every == free_every - 1:
            log.free(1, index - free_every + 1, index + 1)
    counts = sorted(flash.erase_counts)
    return sum(counts) / (sum(sizes) / 1024), counts


def test_erases_are_few_while_the_log_is_full() -> None:
    mixed = [100 + 677 * index % 1901 for index in range(1200)]
    assert erases_of(mixed, 0)[0] <= 0.35


def test_mounting_reads_headers_not_bodies() -> None:
    flash = SimFlash()
    log = mounted(flash)
    for index in range(600):
        log.append(1, index, WAVE, bytes(700))

    class Counting(SimFlash):
        read_bytes = 0

        def read_into(self, offset: int, buf: "bytearray | memoryview") -> None:
            Counting.read_bytes += len(buf)
            SimFlash.read_into(self, offset, buf)

    counting = Counting()
    counting.data[:] = flash.data
    assert mounted(counting).pending_count() == log.pending_count() > 500
    assert Counting.read_bytes < 40_000


FILLING: "list[Any]" = [
    ("append", WAVE, 61),
    ("boot",),
    ("append", ALERT, 20),
    ("keep", 1, b"watch"),
    ("prepare",),
    ("append", WAVE, 7),
    ("free", 1, 3),
    ("mount",),
    ("append", WAVE, 40),
]


def test_survives_a_cut_at_every_byte_while_filling() -> None:
    assert survive_every_cut(Bench(small_flash()), FILLING) > 300


def test_survives_a_cut_at_every_byte_while_full() -> None:
    survive_cuts_while_full(Bench(small_flash()))


def survive_cuts_while_full(bench: Bench) -> None:
    for index in range(16):
        bench.do(("append", (WAVE, STATE, WAVE, LIFE)[index % 4], 190))
    script = [
        ("append", WAVE, 180),
        ("append", STATE, 180),
        ("prepare",),
        ("free", bench.index - 3, bench.index),
        ("confirm",),
        ("append", ALERT, 90),
        ("append", WAVE, 90),
    ]
    assert survive_every_cut(bench, script) > 500


def test_survives_a_cut_at_every_byte_while_the_newest_sector_is_dropped() -> None:
    survive_cuts_while_dropped(Bench(small_flash()), 1)


def survive_cuts_while_dropped(bench: Bench, parts: int) -> None:
    """parts: of the flash that are erased for one sector of the log."""
    for lane in (LIFE, LIFE, LIFE, WAVE, LIFE, WAVE):
        bench.do(("append", lane, 300))
    assert survive_every_cut(bench, [("prepare",)] * 2 * parts) > 50
    assert bench.log.lane_counts() == (0, 4, 0, 0)
