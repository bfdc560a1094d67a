"""What the ADXL345's driver says on its buses, to boards that only remember it."""

from array import array

from agent.drivers.adxl345 import Adxl345
from agent.drivers.errors import SensorError
from agent.hal.errors import ENODEV

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SAMPLE = b"\xff\xff\x00\x01\x00\xf0"  # -1, 256, -4096


class Board:
    """Registers and a FIFO of samples of six bytes, on I2C and on SPI; waiting does nothing."""

    def __init__(self) -> None:
        self.registers = bytearray(64)
        self.registers[0] = 0xE5
        self.fifo: list[bytes] = []
        self.written: list[tuple[int, int]] = []
        self.fails = False
        self.broken = -1  # this register keeps nothing
        self.clock = self

    def sleep_us(self, duration_us: int) -> None:
        pass

    def i2c(self, bus: int) -> "Board":
        assert bus == 1
        return self

    def spi(self, bus: int, cs: int, baudrate: int, mode: int) -> "Board":
        assert (bus, cs, baudrate, mode) == (0, 5, 2_000_000, 3)
        return self

    def readfrom_mem_into(self, addr: int, register: int, buf: "Any") -> None:
        assert addr == 0x53
        if self.fails:
            raise OSError(ENODEV)
        self.registers[0x39] = len(self.fifo)
        if register == 0x32:
            assert len(buf) == 6
            self.registers[0x32:0x38] = self.fifo.pop(0) if self.fifo else bytes(6)
        buf[:] = self.registers[register : register + len(buf)]

    def writeto_mem(self, addr: int, register: int, buf: bytearray) -> None:
        if self.fails:
            raise OSError(ENODEV)
        assert len(buf) == 1
        if register != self.broken:
            self.registers[register] = buf[0]
        self.written.append((register, buf[0]))

    def transfer(self, out: "Any", into: "Any") -> None:
        command = out[0]
        if command & 0x80:
            data = bytearray(len(out) - 1)
            self.readfrom_mem_into(0x53, command & 0x3F, data)
            into[1:] = data
        else:
            self.writeto_mem(0x53, command, bytearray(out[1:]))


class Pushed(Board):
    """Its mass rests at 7, -7, 256 steps, and moves by `moved` in the self-test.

    Each wait makes 36 samples; the first after a change of settings are not settled.
    """

    def __init__(self, moved: "tuple[int, ...]") -> None:
        Board.__init__(self)
        self.moved = moved
        self.is_settled = False

    def sleep_us(self, duration_us: int) -> None:
        assert 40_000 <= duration_us < 100_000
        sample = bytearray()
        for rest, moved in zip((7, -7, 256), self.moved):  # noqa: B905
            value = rest + moved if self.registers[0x31] & 0x80 else rest
            value = value if self.is_settled else 4095
            sample += bytes((value & 0xFF, value >> 8 & 0xFF))
        self.fifo = (self.fifo + [bytes(sample)] * 36)[-33:]
        self.is_settled = True

    def writeto_mem(self, addr: int, register: int, buf: bytearray) -> None:
        Board.writeto_mem(self, addr, register, buf)
        self.is_settled = False
        if register == 0x38:
            self.fifo = []


ON_I2C = {"name": "acc", "i2c": 1, "rate_mhz": 100_000}
ON_SPI = {"name": "acc", "spi": 0, "cs": 5, "rate_mhz": 3_200_000, "range_g": 2}


def started(settings: "dict[str, Any]") -> "tuple[Board, Adxl345]":
    board = Board()
    sensor = Adxl345(board, settings)
    sensor.start()
    return board, sensor


def error_of(call: "Any") -> SensorError:
    try:
        call()
    except SensorError as error:
        return error
    raise AssertionError("no error")


def test_it_is_configured_in_standby_and_the_fifo_emptied() -> None:
    for settings, rate_code, data_format in ((ON_I2C, 0x0A, 0x0B), (ON_SPI, 0x0F, 0x08)):
        board, _ = started(settings)
        assert board.written == [
            (0x2D, 0x00),
            (0x2E, 0x00),
            (0x1E, 0x00),
            (0x1F, 0x00),
            (0x20, 0x00),
            (0x2C, rate_code),
            (0x31, data_format),
            (0x38, 0x00),
            (0x38, 0x80),
            (0x2D, 0x08),
        ]


def test_one_step_is_a_256th_of_standard_gravity_in_every_range() -> None:
    for range_g in (2, 4, 8, 16):
        settings = dict(ON_I2C)
        settings["range_g"] = range_g
        channels = Adxl345(Board(), settings).channels
        # 9.80665 / 256 = 0.0383072265625
        assert channels[1] == ("y", "m/s2", -11, 3_830_722_656) or channels[1] == (
            "y",
            "m/s2",
            -10,
            383_072_266,
        )


def test_samples_are_little_endian_and_signed_and_drained_one_a_transfer() -> None:
    for settings in (ON_I2C, ON_SPI):
        board, sensor = started(settings)
        board.fifo = [SAMPLE, b"\x01\x00\x02\x00\x03\x00"]
        out = array("i", [0] * 96)
        assert sensor.read(out, 0) == 2
        assert list(out[:6]) == [-1, 256, -4096, 1, 2, 3]
        assert board.fifo == []
        assert sensor.overflows == 0


def test_overrun_and_a_full_fifo_count_as_loss() -> None:
    board, sensor = started(ON_I2C)
    out = array("i", [0] * 96)
    board.fifo = [SAMPLE]
    board.registers[0x30] = 0x81
    assert sensor.read(out, 0) == 1
    assert sensor.overflows == 1
    board.registers[0x30] = 0x80
    board.fifo = [SAMPLE] * 31
    assert sensor.read(out, 0) == 31
    assert sensor.overflows == 1
    board.fifo = [SAMPLE] * 32
    assert sensor.read(out, 0) == 32
    assert sensor.overflows == 2


def test_a_block_counts_only_if_the_chip_still_measures_after_it() -> None:
    board, sensor = started(ON_I2C)
    board.fifo = [SAMPLE]
    board.registers[0x2D] = 0
    assert "lost its settings" in error_of(lambda: sensor.read(array("i", [0] * 96), 0)).cause


def test_silence_is_an_error() -> None:
    out = array("i", [0] * 96)
    for begin_us in (0, 1, 3_600_000_000):
        _, sensor = started(ON_I2C)
        for poll in range(5):
            assert sensor.read(out, begin_us + poll * sensor.poll_us) == 0
        late_us = begin_us + 4 * sensor.poll_us + 1
        assert "no samples" in error_of(lambda: sensor.read(out, late_us)).cause  # noqa: B023


def test_a_chip_that_does_not_keep_a_setting_is_not_started() -> None:
    for register in (0x2C, 0x31, 0x38, 0x2D):
        board = Board()
        board.broken = register
        assert "lost its settings" in error_of(Adxl345(board, ON_I2C).start).cause


def test_the_range_is_set_and_the_full_resolution_with_it() -> None:
    for range_g, data_format in ((2, 0x08), (4, 0x09), (8, 0x0A), (16, 0x0B)):
        settings = dict(ON_SPI)
        settings["range_g"] = range_g
        board, _ = started(settings)
        assert board.registers[0x31] == data_format


def test_another_chip_and_none_are_told_apart_on_spi() -> None:
    for identity, cause in ((0xFF, "nothing answers"), (0x00, "nothing"), (0xE6, "not a ADXL345")):
        board = Board()
        board.registers[0] = identity
        assert cause in error_of(Adxl345(board, ON_SPI).start).cause


def test_no_answer_on_i2c_is_an_error_with_a_remedy() -> None:
    board, sensor = started(ON_I2C)
    board.fails = True
    error = error_of(lambda: sensor.read(array("i", [0] * 96), 0))
    assert "nothing answers at 0x53" in error.cause and "wires" in error.remedy


def test_settings_name_exactly_one_bus() -> None:
    for bus in ({}, {"i2c": 1, "spi": 0, "cs": 5}, {"spi": 0}, {"i2c": 1, "cs": 5}):
        settings = {"name": "acc", "rate_mhz": 100_000}
        settings.update(bus)
        try:
            Adxl345(Board(), settings)
        except ValueError:
            continue
        raise AssertionError(str(bus))


def test_rates_are_the_chips_own_and_what_the_bus_can_carry() -> None:
    board, sensor = started(ON_I2C)
    for rate_mhz in (3_200_000, 1_600_000, 100_001, 0, 1_562):
        try:
            sensor.set_rate(rate_mhz)
        except ValueError:
            continue
        raise AssertionError(str(rate_mhz))
    sensor.set_rate(800_000)
    assert (sensor.spacing_us, sensor.poll_us) == (1_250, 20_000)
    assert (0x2C, 0x0D) in board.written
    sensor.set_rate(3_125)
    assert sensor.spacing_us == 320_000
    sensor.stop()
    assert board.registers[0x2D] == 0


def test_self_test_compares_settled_samples_and_goes_on_as_before() -> None:
    typical = [354, -354, 588]
    limits = ((32, 1140), (-1140, -32), (60, 1479))
    for axis in range(3):
        least, most = limits[axis]
        for steps, passes in ((least - 1, 0), (least, 1), (most, 1), (most + 1, 0)):
            moved = list(typical)
            moved[axis] = steps
            board = Pushed(tuple(moved))
            sensor = Adxl345(board, ON_SPI)
            assert sensor.self_test() == bool(passes)
            formats = [value for register, value in board.written if register == 0x31]
            rates = [value for register, value in board.written if register == 0x2C]
            assert formats == [0x0B, 0x8B, 0x08]
            assert rates == [0x0D, 0x0D, 0x0F]


def test_self_test_fails_where_nothing_moves() -> None:
    board, sensor = started(ON_I2C)
    assert not sensor.self_test()
    assert board.registers[0x2D] == 8
