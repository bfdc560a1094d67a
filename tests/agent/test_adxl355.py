"""The accelerometer's way from bytes to integers, and what it makes of its settings."""

from array import array

from agent.drivers.adxl355 import Adxl355, unpack_sets
from agent.drivers.errors import SensorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class SpiBoard:
    """A board whose only part is an SPI device that nobody answers on."""

    def spi(self, bus: int, cs: int, baudrate: int, mode: int) -> "SpiBoard":
        return self

    def transfer(self, out: bytearray, into: bytearray) -> None:
        for index in range(len(into)):
            into[index] = 0xFF


class ChipBoard:
    """Registers and a FIFO of entries behind SPI; a clock and PWM that are only noted.

    The mass rests at 100, -200, 64000 steps and moves by `moved` in the self-test: each wait fills
    the FIFO, the first after a change of settings with what is not settled.
    """

    def __init__(self, moved: "tuple[int, ...]" = (0, 0, 0)) -> None:
        self.registers = bytearray(b"\xad\x1d\xed") + bytearray(61)
        self.fifo: list[bytes] = []
        self.written: list[tuple[int, int]] = []
        self.pulses: list[tuple[int, int, int]] = []
        self.broken = -1  # this register keeps nothing
        self.moved = moved
        self.is_settled = False
        self.time_us = 0
        self.clock = self

    def now_us(self) -> int:
        return self.time_us

    def sleep_us(self, duration_us: int) -> None:
        assert 10_000 <= duration_us < 100_000
        values = []
        for rest, moved in zip((100, -200, 64_000), self.moved):  # noqa: B905
            value = rest + moved if self.registers[0x2E] == 3 else rest
            values.append(value if self.is_settled else 99_999)
        self.fifo = sets_of(*values * 32)
        self.is_settled = True

    def pwm(self, pin: int, rate_mhz: int) -> None:
        # Pulses begin when the chip is ready, not before.
        assert rate_mhz == 0 or self.registers[0x2D] == 0
        self.pulses.append((self.time_us, pin, rate_mhz))

    def spi(self, bus: int, cs: int, baudrate: int, mode: int) -> "ChipBoard":
        assert (bus, cs, baudrate, mode) == (0, 5, 5_000_000, 0)
        return self

    def transfer(self, out: "Any", into: "Any") -> None:
        self.time_us += 7  # a transfer takes its time
        register, is_read = out[0] >> 1, out[0] & 1
        if not is_read:
            assert len(out) == 2
            self._write(register, out[1])
        elif register == 0x11:
            for at in range(1, len(into), 3):
                into[at : at + 3] = self.fifo.pop(0) if self.fifo else b"\x00\x00\x02"
        else:
            if register == 0x04:
                assert len(into) <= 3
                self.registers[5] = self.registers[5] or len(self.fifo)
            into[1:] = self.registers[register : register + len(into) - 1]
            if register == 0x04:
                self.registers[4] = self.registers[5] = 0

    def _write(self, register: int, value: int) -> None:
        if register != self.broken:
            self.registers[register] = value
        self.written.append((register, value))
        self.is_settled = False


def on_chip(board: ChipBoard, rate_mhz: int = 31_250, **changes: int) -> Adxl355:
    settings = {"name": "acc", "spi": 0, "cs": 5, "rate_mhz": rate_mhz}
    settings.update(changes)
    return Adxl355(board, settings)


def error_of(call: "Any", *arguments: object) -> SensorError:
    try:
        call(*arguments)
    except SensorError as error:
        return error
    raise AssertionError("no error")


def out_of() -> "array[int]":
    return array("i", [0] * 96)


def driver(rate_mhz: int = 100_000, **changes: int) -> Adxl355:
    settings = {"name": "acc", "spi": 0, "cs": 5, "rate_mhz": rate_mhz}
    settings.update(changes)
    return Adxl355(SpiBoard(), settings)


def entry(value: int, marker: int) -> bytes:
    return ((value & 0xFFFFF) << 4 | marker).to_bytes(3, "big")


def buffer_of(*values: int) -> bytearray:
    """Return a FIFO read: a byte of address, then sets of three entries."""
    return bytearray(b"\x00" + b"".join(sets_of(*values)))


def sets_of(*values: int) -> "list[bytes]":
    return [entry(value, 1 if index % 3 == 0 else 0) for index, value in enumerate(values)]


def test_entries_become_signed_integers_in_order() -> None:
    values = (0, 1, -1, 524287, -524288, 256000)
    out = array("i", [7] * 6)
    assert unpack_sets(buffer_of(*values), out, 2, 4)
    assert tuple(out) == values


def test_shift_is_arithmetic() -> None:
    out = array("i", [0] * 3)
    assert unpack_sets(buffer_of(-1, -17, 31), out, 1, 8)
    assert tuple(out) == (-1, -2, 1)


def test_a_set_without_the_marker_of_x_is_out_of_step() -> None:
    buffer = buffer_of(1, 2, 3, 4, 5, 6)
    buffer[12] &= 0xFE
    assert not unpack_sets(buffer, array("i", [0] * 6), 2, 4)


def test_a_marker_on_another_axis_is_out_of_step() -> None:
    buffer = buffer_of(1, 2, 3)
    buffer[6] |= 1
    assert not unpack_sets(buffer, array("i", [0] * 3), 1, 4)


def test_an_empty_entry_is_out_of_step() -> None:
    for at in (3, 6, 9):
        buffer = buffer_of(1, 2, 3)
        buffer[at] |= 2
        assert not unpack_sets(buffer, array("i", [0] * 3), 1, 4)


def test_scale_is_exact_at_16_bits_of_every_range() -> None:
    # 9.80665 m/s2 / 256000 * 16 = 612915625e-12, and twice that at each further range.
    for range_g, multiplier, exponent in (
        (2, 612_915_625, -12),
        (4, 122_583_125, -11),
        (8, 24_516_625, -10),
    ):
        channels = driver(sync_pin=6, range_g=range_g).channels
        assert channels[0] == ("x", "m/s2", exponent, multiplier)
        assert [channel[0] for channel in channels] == ["x", "y", "z"]


def test_scale_of_all_20_bits_is_right_to_a_thousandth_of_a_step() -> None:
    _, _, exponent, multiplier = driver(sync_pin=6, shift=0).channels[0]
    assert exponent == -13
    # Exactly 383072265.625; full scale is 2^19 steps.
    assert abs(multiplier * 1000 - 383_072_265_625) * (1 << 19) < 383_072_265_625


def test_with_sync_the_board_sets_the_spacing() -> None:
    paced = driver(rate_mhz=100_000, sync_pin=6)
    assert (paced.spacing_us, paced.poll_us, paced.samples_max) == (10_000, 160_000, 32)
    assert driver(rate_mhz=52_579, sync_pin=6).spacing_us == 19_018
    assert paced.spacing_exact
    assert not driver(rate_mhz=31_250).spacing_exact


def test_without_sync_only_the_chips_own_rates_will_do() -> None:
    assert driver(rate_mhz=31_250).spacing_us == 32_000
    assert driver(rate_mhz=3_906).spacing_us == 256_000
    for rate_mhz in (100_000, 0, 1_953, 8_000_000):
        assert refuses(driver(rate_mhz=31_250), rate_mhz)


def test_with_sync_rates_that_would_alias_or_starve_the_fifo_are_refused() -> None:
    paced = driver(sync_pin=6)
    for rate_mhz in (1_999, 1_000_001):
        assert refuses(paced, rate_mhz)
    paced.set_rate(200_000)
    assert paced.spacing_us == 5_000


def refuses(sensor: Adxl355, rate_mhz: int) -> bool:
    try:
        sensor.set_rate(rate_mhz)
    except ValueError:
        return True
    return False


def test_it_is_configured_in_standby_and_its_offsets_are_taken_away() -> None:
    for changes, rate, sync, span in (
        ({}, 7, 0, 0x81),
        ({"range_g": 4, "rate_mhz": 4_000_000}, 0, 0, 0x82),
        ({"range_g": 8, "rate_mhz": 3_906}, 10, 0, 0x83),
        ({"sync_pin": 6, "rate_mhz": 2_000}, 10, 2, 0x81),
        ({"sync_pin": 6, "rate_mhz": 15_625}, 7, 2, 0x81),
        ({"sync_pin": 6, "rate_mhz": 15_624}, 8, 2, 0x81),
        ({"sync_pin": 6, "rate_mhz": 1_000_000}, 1, 2, 0x81),
    ):
        board = ChipBoard()
        on_chip(board, **changes).start()
        assert board.written[0] == (0x2D, 1)
        assert board.written[1:7] == [(register, 0) for register in range(0x1E, 0x24)]
        assert board.written[7:] == [
            (0x28, rate),
            (0x2B, sync),
            (0x2C, span),
            (0x2E, 0),
            (0x2D, 0),
        ]


def test_a_chip_that_does_not_keep_a_setting_is_not_started() -> None:
    for register in (0x28, 0x2C, 0x2E, 0x2D):
        board = ChipBoard()
        board.registers[register] = 0x5A
        board.broken = register
        assert "keep its settings" in error_of(on_chip(board).start).cause


def test_another_chip_and_none_are_told_apart() -> None:
    for identity, cause in (
        (b"\xff\xff\xff", "nothing answers"),
        (b"\x00\x00\x00", "nothing answers"),
        (b"\xad\x1d\xec", "ad1dec"),
        (b"\x00\xff\xff", "00ffff"),
    ):
        board = ChipBoard()
        board.registers[0:3] = identity
        assert cause in error_of(on_chip(board).start).cause
        assert board.written == []


def test_what_was_there_before_the_start_is_thrown_away() -> None:
    board = ChipBoard()
    board.fifo = sets_of(1, 2, 3)
    board.registers[4] = 4
    sensor = on_chip(board)
    sensor.start()
    assert sensor.read(out_of(), 0) == 0
    assert sensor.overflows == 0


def test_the_pulses_begin_at_the_noted_time_and_end_with_the_stop() -> None:
    board = ChipBoard()
    sensor = on_chip(board, 100_000, sync_pin=6)
    sensor.start()
    assert board.pulses == [(sensor.paced_from_us, 6, 100_000)] and sensor.paced_from_us > 0
    sensor.set_rate(200_000)
    assert board.pulses[1:] == [(sensor.paced_from_us, 6, 200_000)]
    sensor.stop()
    assert board.pulses[2][1:] == (6, 0) and board.registers[0x2D] == 1
    sensor.set_rate(100_000)  # stopped: from the next start on
    assert len(board.pulses) == 3
    board = ChipBoard()
    sensor = on_chip(board)
    sensor.start()
    sensor.stop()
    assert board.pulses == [] and sensor.paced_from_us == 0


def test_a_read_takes_whole_sets_and_counts_overruns() -> None:
    board = ChipBoard()
    sensor = on_chip(board, shift=0)
    sensor.start()
    out = out_of()
    board.fifo = sets_of(1, -2, 3, 4, 5, -6, 7)
    assert sensor.read(out, 0) == 2
    assert list(out[:7]) == [1, -2, 3, 4, 5, -6, 0]
    assert board.fifo == sets_of(7)
    board.fifo = sets_of(*range(96))
    board.registers[4] = 0x1B  # all other flags
    assert sensor.read(out, 0) == 32
    assert list(out) == list(range(96)) and sensor.overflows == 0
    board.fifo = sets_of(*range(99))
    board.registers[4] = 0x04
    assert sensor.read(out, 0) == 32
    assert sensor.overflows == 1


def test_what_is_read_is_shifted_by_four_bits_unless_told_otherwise() -> None:
    for changes, shift in (({}, 4), ({"shift": 0}, 0), ({"shift": 3}, 3)):
        board = ChipBoard()
        sensor = on_chip(board, **changes)
        sensor.start()
        board.fifo = sets_of(5 << shift, -3 << shift, 524_287)
        out = out_of()
        assert sensor.read(out, 0) == 1
        assert list(out[:3]) == [5, -3, 524_287 >> shift]


def test_on_i2c_it_is_at_its_usual_address() -> None:
    class Bus:
        def i2c(self, bus: int) -> "Bus":
            return self

        def readfrom_mem_into(self, addr: int, register: int, buf: "Any") -> None:
            assert addr == 0x1D
            buf[0] = 0x5A

    sensor = Adxl355(Bus(), {"name": "acc", "i2c": 0, "rate_mhz": 31_250})
    assert "5a5a5a" in error_of(sensor.start).cause


def test_out_of_step_all_is_thrown_away_and_counted_once() -> None:
    board = ChipBoard()
    sensor = on_chip(board)
    sensor.start()
    board.fifo = sets_of(*range(50))[1:]
    assert sensor.read(out_of(), 0) == 0
    assert (sensor.overflows, board.fifo) == (1, [])


def test_more_entries_than_there_can_be_are_no_answer_of_a_chip() -> None:
    board = ChipBoard()
    sensor = on_chip(board)
    sensor.start()
    board.fifo = sets_of(*range(99))
    board.registers[5] = 99
    assert sensor.read(out_of(), 0) == 32
    board.registers[5] = 100
    assert "stopped answering" in error_of(sensor.read, out_of(), 0).cause


def test_silence_is_an_error() -> None:
    for begin_us in (0, 1, 3_600_000_000):
        sensor = on_chip(ChipBoard())
        sensor.start()
        for poll in range(5):
            assert sensor.read(out_of(), begin_us + poll * sensor.poll_us) == 0
        late_us = begin_us + 4 * sensor.poll_us + 1
        assert "no samples" in error_of(sensor.read, out_of(), late_us).cause


def test_self_test_allows_half_to_double_and_goes_on_as_before() -> None:
    typical = (19_200, 19_200, 96_000)
    for axis in range(3):
        least, most = typical[axis] // 2, typical[axis] * 2
        for steps, passes in ((least - 1, 0), (least, 1), (most, 1), (most + 1, 0)):
            moved = list(typical)
            moved[axis] = steps
            board = ChipBoard(tuple(moved))
            sensor = on_chip(board)
            sensor.start()
            assert sensor.self_test() == bool(passes)
            for register, values in (
                (0x28, [7, 0, 0, 7]),
                (0x2B, [0, 0, 0, 0]),
                (0x2C, [0x81, 0x83, 0x83, 0x81]),
                (0x2E, [0, 0, 3, 0]),
            ):
                assert [value for at, value in board.written if at == register] == values
            assert board.registers[0x2D] == 0


def test_self_test_of_a_stopped_chip_leaves_it_in_standby() -> None:
    board = ChipBoard((19_200, 19_200, 96_000))
    assert on_chip(board).self_test()
    assert board.registers[0x2D] == 1


class Skipping(ChipBoard):
    """A chip that would pass, but whose FIFO stays empty with this in its self-test register."""

    def __init__(self, self_test: int) -> None:
        ChipBoard.__init__(self, (19_200, 19_200, 96_000))
        self.skipped = self_test

    def sleep_us(self, duration_us: int) -> None:
        ChipBoard.sleep_us(self, duration_us)
        if self.registers[0x2E] == self.skipped:
            self.fifo = []


def test_self_test_fails_where_the_fifo_stays_empty() -> None:
    for self_test, passes in ((0, False), (3, False), (1, True)):
        assert on_chip(Skipping(self_test)).self_test() == passes


def test_delays_of_the_filter_are_those_of_the_data_sheet() -> None:
    lags_us = (630, 1_000, 1_780, 3_260, 6_270, 12_340, 24_180, 47_590, 96_250, 189_580, 384_310)
    for n in range(11):
        sensor = driver(rate_mhz=4_000_000 >> n)
        assert (sensor.lag_us, sensor.spacing_us) == (lags_us[n], 250 << n)
        assert sensor.poll_us == 16 * sensor.spacing_us
    assert driver(rate_mhz=1_000_000, sync_pin=6).lag_us == 1_000


def test_a_shift_leaves_some_bits() -> None:
    for shift in (-1, 17):
        try:
            driver(sync_pin=6, shift=shift)
        except ValueError:
            continue
        raise AssertionError(str(shift))
    for shift in (0, 16):
        driver(sync_pin=6, shift=shift)
