"""What the HX711's driver does on its two pins, and how ShiftIn shifts bits in."""

from array import array

from agent.drivers.errors import SensorError
from agent.drivers.hx711 import Hx711
from agent.hal.shift_in import ShiftIn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SETTINGS = {
    "name": "load",
    "data_pin": 2,
    "clock_pin": 3,
    "rate_mhz": 10_000,
    "full_n": 1000,
    "rated_uv_per_v": 2000,
    "shift": 0,
}


class Chip:
    """Both pins at once: the bits of one code, then ones; a clock whose looks may take a while."""

    def __init__(self) -> None:
        self.bits = ""
        self.level = 1  # of data while nothing is shifted
        self.pulses = 0
        self.clock_level = 0
        self.time_us = 0
        self.look_us = 1

    def value(self) -> int:
        if not self.clock_level:
            return self.level
        return int(self.bits[self.pulses - 1]) if self.pulses <= len(self.bits) else 1

    def set(self, value: int) -> None:
        assert value in (0, 1)
        self.pulses += value
        self.clock_level = value

    def now_us(self) -> int:
        self.time_us += self.look_us
        return self.time_us

    def sleep_us(self, duration_us: int) -> None:
        self.time_us += duration_us


class Board:
    """A board with that chip."""

    def __init__(self) -> None:
        self.clock = self.chip = Chip()

    def shift_in(self, data: int, clock: int) -> ShiftIn:
        assert (data, clock) == (2, 3)
        return ShiftIn(self.chip, self.chip, self.chip.now_us)

    def convert(self, code: int) -> None:
        """A conversion is ready."""
        self.chip.bits = "".join([str(code >> bit & 1) for bit in range(23, -1, -1)])
        self.chip.level = 0
        self.chip.pulses = 0


def started(gain: int = 128) -> "tuple[Board, Hx711]":
    board = Board()
    settings = dict(SETTINGS)
    settings["gain"] = gain
    sensor = Hx711(board, settings)
    sensor.start()
    return board, sensor


def error_of(call: "Any") -> SensorError:
    try:
        call()
    except SensorError as error:
        return error
    raise AssertionError("no error")


def test_bits_come_the_highest_first_and_a_stretched_pulse_spoils_them() -> None:
    chip = Chip()
    line = ShiftIn(chip, chip, chip.now_us)
    chip.bits = "1011"
    assert line.read(4) == 0b1011
    assert (chip.pulses, chip.clock_level) == (4, 0)
    chip.look_us = 50
    assert line.read(1) == 1
    chip.look_us = 51
    assert line.read(1) == -1


def test_interrupts_are_kept_away_while_bits_are_shifted() -> None:
    chip = Chip()
    held: list[object] = []
    line = ShiftIn(chip, chip, chip.now_us, hold=lambda: "state", release=held.append)
    line.read(3)
    assert held == ["state"]


def test_codes_are_signed_and_the_pulses_choose_the_gain() -> None:
    for gain, pulses in ((128, 25), (32, 26), (64, 27)):
        for code, value in ((0x000001, 1), (0xFFFFFE, -2), (0x7FFFFF, 8388607)):
            board, sensor = started(gain)
            out = array("i", [0])
            board.convert(0)
            if gain != 128:
                assert sensor.read(out, 0) == 0  # the first one only chooses
                board.convert(code)
            board.convert(code)
            assert sensor.read(out, 100_000) == 1
            assert out[0] == value
            assert board.chip.pulses == pulses


def test_shift_is_arithmetic() -> None:
    board = Board()
    settings = dict(SETTINGS)
    settings["shift"] = 4
    sensor = Hx711(board, settings)
    sensor.start()
    out = array("i", [0])
    board.convert(0xFFFFEF)  # -17
    assert sensor.read(out, 0) == 1
    assert out[0] == -2
    assert (sensor.spacing_us, sensor.poll_us, sensor.samples_max) == (100_000, 50_000, 1)


def test_self_test_refuses_both_ends_of_the_range() -> None:
    for code, passes in ((0, True), (0x7FFFFE, True), (0x7FFFFF, False), (0x800000, False)):
        board, sensor = started()
        board.convert(code)
        assert sensor.read(array("i", [0]), 0) == 1
        board.chip.level = 1
        assert sensor.self_test() == passes


def test_nothing_ready_is_no_reading_and_long_silence_an_error() -> None:
    _, sensor = started()
    out = array("i", [0])
    for now_us in (0, 400_000, 800_000):
        assert sensor.read(out, now_us) == 0
    assert "nothing answers" in error_of(lambda: sensor.read(out, 800_001)).cause


def test_a_data_wire_held_low_is_an_error() -> None:
    board, sensor = started()
    board.convert(0)
    board.chip.bits = "0" * 30
    assert "held low" in error_of(lambda: sensor.read(array("i", [0]), 0)).cause
    assert "held low" in error_of(sensor.start).cause


def test_a_spoilt_reading_is_counted_and_the_chip_begun_anew() -> None:
    board, sensor = started()
    board.convert(5)
    board.chip.look_us = 60
    assert sensor.read(array("i", [0]), 0) == 0
    assert sensor.overflows == 1


def test_a_conversion_that_had_to_settle_tells_of_a_restart() -> None:
    board, sensor = started()
    out = array("i", [0])
    board.convert(5)
    assert sensor.read(out, 0) == 1
    board.chip.level = 1
    for now_us in (100_000, 200_000, 300_000):
        assert sensor.read(out, now_us) == 0
    board.convert(5)
    assert sensor.read(out, 360_000) == 1
    assert sensor.overflows == 1


def test_scale_follows_cell_and_gain() -> None:
    for gain in (128, 64, 32):
        _, sensor = started(gain)
        suffix, unit, exponent, multiplier = sensor.channels[0]
        # 1000 N * 0.5 / gain / 2 mV/V / 2^23
        expected = 1000 * 0.5 / gain / 2e-3 / 8388608
        assert (suffix, unit) == ("", "N")
        assert abs(multiplier * 10.0**exponent / expected - 1) < 1e-6


def test_stop_leaves_the_clock_high() -> None:
    board, sensor = started()
    sensor.stop()
    assert board.chip.clock_level == 1


def test_three_spacings_are_late_but_no_restart() -> None:
    for late_us, overflows in ((300_000, 0), (300_001, 1)):
        board, sensor = started()
        out = array("i", [0])
        board.convert(5)
        assert sensor.read(out, 0) == 1
        board.chip.level = 1
        for now_us in range(50_000, late_us - 30_000, 50_000):
            assert sensor.read(out, now_us) == 0
        # All polls were in time but the last two, so that only the time since the reading tells.
        sensor._conversions.restart(100_000)
        board.convert(5)
        assert sensor.read(out, late_us) == 1
        assert sensor.overflows == overflows


def test_what_came_before_a_start_is_nobodys_loss() -> None:
    board, sensor = started()
    out = array("i", [0])
    board.convert(5)
    assert sensor.read(out, 0) == 1
    assert sensor.read(out, 50_000) == 1
    board.chip.level = 1
    sensor.start()
    board.convert(5)
    assert sensor.read(out, 5_000_000) == 1
    assert sensor.overflows == 0


def test_what_came_before_the_choice_of_the_gain_is_nobodys_loss() -> None:
    board, sensor = started(64)
    out = array("i", [0])
    assert sensor.read(out, 0) == 0
    board.convert(5)
    assert sensor.read(out, 50_000) == 0
    board.convert(5)
    assert sensor.read(out, 450_000) == 1  # after it has settled
    assert sensor.overflows == 0
