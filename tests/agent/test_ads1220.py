"""What the ADS1220's driver says on SPI, to a board that only remembers it."""

from array import array

from agent.drivers.ads1220 import Ads1220
from agent.drivers.errors import SensorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SETTINGS = {"name": "s", "spi": 0, "cs": 5, "drdy_pin": 7, "rate_mhz": 20_000, "shift": 0}


class Board:
    """Four registers, a code and a DRDY pin; waiting does nothing."""

    def __init__(self) -> None:
        self.registers = bytearray(4)
        self.code = b"\x00\x00\x00"
        self.level = 1
        self.sent: list[bytes] = []
        self.codes: list[bytes] = []  # of the next conversions; then `code` again
        self.silence = b"\xff"  # what nobody says
        self.answers = True
        self.clock = self
        self.slept_us: list[int] = []

    def sleep_us(self, duration_us: int) -> None:
        self.slept_us.append(duration_us)

    def spi(self, bus: int, cs: int, baudrate: int, mode: int) -> "Board":
        assert (bus, cs, mode) == (0, 5, 1)
        assert baudrate <= 6_600_000  # a period of 150 ns at least (section 6.6)
        return self

    def pin(self, number: int, mode: str, pull: str) -> "Board":
        assert (number, mode) == (7, "in")
        return self

    def value(self) -> int:
        return self.level

    def transfer(self, out: bytearray, into: bytearray) -> None:
        self.sent.append(bytes(out))
        command = out[0]
        if not self.answers:
            into[:] = self.silence * len(into)
        elif command == 0x06:
            self.registers = bytearray(4)
        elif command == 0x43:
            self.registers[:] = out[1:]
        elif command == 0x23:
            into[1:] = self.registers
        elif command == 0x10:
            assert out == b"\x10\0\0\0"
            into[1:] = self.codes.pop(0) if self.codes else self.code


def started(**changes: int) -> "tuple[Board, Ads1220]":
    board = Board()
    settings = dict(SETTINGS)
    settings.update(changes)
    sensor = Ads1220(board, settings)
    sensor.start()
    return board, sensor


def error_of(call: "Any") -> SensorError:
    try:
        call()
    except SensorError as error:
        return error
    raise AssertionError("no error")


def test_it_is_reset_configured_checked_and_started() -> None:
    board, _ = started()
    assert board.sent == [
        b"\x06",
        b"\x43\x0e\x04\x50\x00",  # AIN0/AIN1, gain 128; 20/s, continuous; REFP0, 50 and 60 Hz
        b"\x23\x00\x00\x00\x00",
        b"\x08",
    ]


def test_input_gain_and_rate_reach_their_bits() -> None:
    board, sensor = started(input=1, gain=16, rate_mhz=1_000_000)
    assert board.registers == b"\x58\xc4\x40\x00"
    sensor.set_rate(330_000)
    assert board.registers == b"\x58\x84\x40\x00"
    for rate_mhz in (0, 21_000, 2_000_000):
        try:
            sensor.set_rate(rate_mhz)
        except ValueError:
            continue
        raise AssertionError(str(rate_mhz))


def test_every_gain_and_rate_has_its_code() -> None:
    for code in range(8):
        board, _ = started(gain=1 << code)
        assert board.registers[0] == code << 1
    rates = (20_000, 45_000, 90_000, 175_000, 330_000, 600_000, 1_000_000)
    spacings = (50_000, 22_222, 11_111, 5_714, 3_030, 1_666, 1_000)
    for code, rate_mhz in enumerate(rates):
        board, sensor = started(rate_mhz=rate_mhz)
        assert board.registers[1] == code << 5 | 0x04
        assert sensor.spacing_us == spacings[code]


def test_defaults_are_one_arm_of_gauge_factor_2_at_gain_128_without_four_bits() -> None:
    settings = {"name": "s", "spi": 0, "cs": 5, "drdy_pin": 7, "rate_mhz": 20_000}
    _, _, exponent, multiplier = Ads1220(Board(), settings).channels[0]
    expected = 16 * 4 / (128 * 2.0) / 8388608
    assert abs(multiplier * 10.0**exponent / expected - 1) < 1e-6


def test_codes_are_signed_and_read_when_ready() -> None:
    board, sensor = started()
    out = array("i", [0])
    assert sensor.read(out, 0) == 0
    for code, value in ((b"\x7f\xff\xff", 8388607), (b"\x80\x00\x00", -8388608), (b"\0\1\2", 258)):
        board.level, board.code = 0, code
        assert sensor.read(out, 0) == 1
        assert out[0] == value


def test_shift_is_arithmetic_and_the_scale_follows() -> None:
    board, sensor = started(shift=4, gain=64, arms=4, gauge_factor_milli=2100)
    board.level, board.code = 0, b"\xff\xff\xef"
    out = array("i", [0])
    assert sensor.read(out, 0) == 1 and out[0] == -2
    _, unit, exponent, multiplier = sensor.channels[0]
    expected = 16 * 4 / (64 * 2.1 * 4) / 8388608
    assert unit == "1" and abs(multiplier * 10.0**exponent / expected - 1) < 1e-6


def test_a_reading_counts_only_if_the_chip_has_its_settings_after_it() -> None:
    board, sensor = started()
    board.level = 0
    board.registers[0] = 0
    assert "lost its settings" in error_of(lambda: sensor.read(array("i", [0]), 0)).cause


def test_nobody_and_another_chip_are_told_apart() -> None:
    board = Board()
    board.answers = False
    for board.silence in (b"\xff", b"\x00"):
        assert "nothing answers" in error_of(Ads1220(board, SETTINGS).start).cause
    board.silence = b"\x5a"
    assert "not an ADS1220" in error_of(Ads1220(board, SETTINGS).start).cause


def test_silence_and_losses_are_seen() -> None:
    board, sensor = started()
    out = array("i", [0])
    assert sensor.read(out, 0) == 0
    assert sensor.read(out, 400_000) == 0
    assert "no conversions" in error_of(lambda: sensor.read(out, 400_001)).cause
    board, sensor = started()
    board.level = 0
    for now_us in (0, 50_000, 200_000):
        assert sensor.read(out, now_us) == 1
    assert sensor.overflows == 1


def test_self_test_reads_shorted_inputs_and_then_the_reference() -> None:
    board, sensor = started()
    board.sent.clear()
    board.code = b"\x00\x40\x00"  # the largest offset that will do; no reference
    assert not sensor.self_test()
    written = [sent for sent in board.sent if sent[0] == 0x43]
    assert written[0] == b"\x43\xee\xc4\x40\x00"
    assert written[1] == b"\x43\xc0\xc4\x40\x00"
    assert written[2] == b"\x43\x0e\x04\x50\x00"


def test_self_test_wants_a_small_offset_and_a_reference() -> None:
    board, sensor = started()
    assert not sensor.self_test()  # a reference of 0 V
    board.code = b"\x0c\x00\x00"
    assert not sensor.self_test()  # and an offset that large
    assert board.registers == b"\x0e\x04\x50\x00"
    sensor.stop()
    assert board.sent[-1] == b"\x02"


def test_self_test_takes_the_edges_of_offset_and_reference() -> None:
    for offset, reference, passes in (
        (16_384, 768_000, True),
        (-16_384, 768_000, True),
        (16_385, 768_000, False),
        (-16_385, 768_000, False),
        (0, 767_999, False),
    ):
        board, sensor = started()
        board.codes = [(code & 0xFFFFFF).to_bytes(3, "big") for code in (offset, reference)]
        assert sensor.self_test() == passes


def test_the_chip_gets_the_time_to_begin() -> None:
    board, _ = started()
    assert sum(board.slept_us) >= 58  # 50 us and 32 periods of 4.096 MHz
