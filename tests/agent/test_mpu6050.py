"""What the MPU-6050's driver says on its bus, to a board that only remembers it."""

from array import array

from agent.drivers.errors import SensorError
from agent.drivers.mpu6050 import Mpu6050

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SAMPLE = b"\xff\xff\x01\x00\xf0\x00"  # -1, 256, -4096
SETTINGS = {"name": "acc", "i2c": 0, "rate_mhz": 100_000}


class Board:
    """Registers and a FIFO of bytes."""

    def __init__(self) -> None:
        self.registers = bytearray(0x80)
        self.registers[0x75] = 0x68
        self.fifo = b""
        self.written: list[tuple[int, int]] = []
        self.clock = self
        self.broken = -1  # this register keeps nothing

    def sleep_us(self, duration_us: int) -> None:
        pass

    def i2c(self, bus: int) -> "Board":
        return self

    def readfrom_mem_into(self, addr: int, register: int, buf: "Any") -> None:
        assert addr == 0x68
        if register == 0x74:
            buf[:] = (self.fifo + bytes(len(buf)))[: len(buf)]
            self.fifo = self.fifo[len(buf) :]
            return
        self.registers[0x72] = len(self.fifo) >> 8
        self.registers[0x73] = len(self.fifo) & 0xFF
        buf[:] = self.registers[register : register + len(buf)]
        if register == 0x3A:
            self.registers[register] = 0  # cleared by reading

    def writeto_mem(self, addr: int, register: int, buf: bytearray) -> None:
        assert len(buf) == 1
        if register != self.broken:
            self.registers[register] = buf[0]
        self.written.append((register, buf[0]))
        if (register, buf[0]) == (0x6A, 0x04):
            self.fifo = b""


class Pushed(Board):
    """Its mass rests at 7, -7, 4096 steps, and moves by `moved` in the self-test.

    Each wait puts 40 samples into the FIFO; the first after a change of settings are not settled.
    """

    def __init__(self, moved: "tuple[int, ...]") -> None:
        Board.__init__(self)
        self.moved = moved
        self.is_settled = False
        # Codes 1, 16 and 31: 1392, 2290 and 3768 steps.
        self.registers[0x0D:0x11] = b"\x00\x80\xe0\x13"

    def sleep_us(self, duration_us: int) -> None:
        assert 35_000 <= duration_us < 100_000
        sample = bytearray()
        for rest, moved in zip((7, -7, 4096), self.moved):  # noqa: B905
            value = rest + moved if self.registers[0x1C] == 0xF0 else rest
            value = value if self.is_settled else 0x7FFF
            sample += bytes((value >> 8 & 0xFF, value & 0xFF))
        self.fifo += bytes(sample) * 40
        self.is_settled = True

    def writeto_mem(self, addr: int, register: int, buf: bytearray) -> None:
        Board.writeto_mem(self, addr, register, buf)
        if register == 0x1C:
            self.is_settled = False


def started() -> "tuple[Board, Mpu6050]":
    board = Board()
    sensor = Mpu6050(board, SETTINGS)
    sensor.start()
    return board, sensor


def error_of(call: "Any") -> SensorError:
    try:
        call()
    except SensorError as error:
        return error
    raise AssertionError("no error")


def out_of() -> "array[int]":
    return array("i", [0] * 3 * 85)


def test_it_is_woken_configured_and_its_fifo_emptied() -> None:
    board, _ = started()
    assert board.written == [
        (0x6B, 0x01),
        (0x6C, 0x03),
        (0x6A, 0x00),
        (0x19, 0x09),
        (0x1A, 0x03),
        (0x1B, 0x00),
        (0x1C, 0x00),
        (0x38, 0x10),
        (0x23, 0x08),
        (0x6A, 0x04),
        (0x6A, 0x40),
    ]


def test_samples_are_big_endian_and_signed() -> None:
    board, sensor = started()
    board.fifo = SAMPLE + b"\x00\x01\x00\x02\x00\x03"
    out = out_of()
    assert sensor.read(out, 0) == 2
    assert list(out[:6]) == [-1, 256, -4096, 1, 2, 3]


def test_more_than_one_read_takes_stays_for_the_next() -> None:
    board, sensor = started()
    board.fifo = SAMPLE * 100
    assert [sensor.read(out_of(), 0) for _ in range(3)] == [85, 15, 0]
    assert sensor.overflows == 0


def test_a_fifo_that_overflowed_or_is_out_of_step_is_thrown_away_and_counted() -> None:
    board, sensor = started()
    board.fifo = SAMPLE * 3 + b"\x00"
    assert sensor.read(out_of(), 0) == 0
    assert (sensor.overflows, board.fifo) == (1, b"")
    board.fifo = SAMPLE * 170
    board.registers[0x3A] = 0x10
    assert sensor.read(out_of(), 0) == 0
    assert (sensor.overflows, board.fifo) == (2, b"")
    board.registers[0x3A] = 0x01
    board.fifo = SAMPLE
    assert sensor.read(out_of(), 0) == 1
    board.fifo = bytes(1024)
    assert sensor.read(out_of(), 0) == 0
    assert sensor.overflows == 3


def test_more_than_a_fifo_holds_is_no_answer_of_a_chip() -> None:
    board, sensor = started()
    board.fifo = bytes(1025)
    assert "lost its settings" in error_of(lambda: sensor.read(out_of(), 0)).cause
    assert sensor.overflows == 0


def test_a_chip_that_does_not_keep_a_setting_is_not_started() -> None:
    for register in (0x6B, 0x19, 0x1A, 0x38, 0x23):
        board = Board()
        board.broken = register
        assert "lost its settings" in error_of(Mpu6050(board, SETTINGS).start).cause


def test_a_block_counts_only_if_the_chip_has_its_settings_after_it() -> None:
    board, sensor = started()
    board.fifo = SAMPLE
    board.registers[0x6A] = 0
    assert "lost its settings" in error_of(lambda: sensor.read(out_of(), 0)).cause


def test_silence_is_an_error() -> None:
    for begin_us in (0, 1, 3_600_000_000):
        _, sensor = started()
        for poll in range(5):
            assert sensor.read(out_of(), begin_us + poll * sensor.poll_us) == 0
        late_us = begin_us + 4 * sensor.poll_us + 1
        assert "no samples" in error_of(lambda: sensor.read(out_of(), late_us)).cause  # noqa: B023


def test_another_chip_is_refused() -> None:
    board = Board()
    board.registers[0x75] = 0x70
    assert "not a MPU-6050" in error_of(Mpu6050(board, SETTINGS).start).cause


def test_an_overflow_before_the_start_is_no_loss() -> None:
    board = Board()
    board.registers[0x3A] = 0x10
    sensor = Mpu6050(board, SETTINGS)
    sensor.start()
    board.fifo = SAMPLE
    assert sensor.read(out_of(), 0) == 1
    assert sensor.overflows == 0


def test_the_range_is_set() -> None:
    for range_g, accel_config in ((2, 0x00), (4, 0x08), (8, 0x10), (16, 0x18)):
        settings = dict(SETTINGS)
        settings["range_g"] = range_g
        board = Board()
        Mpu6050(board, settings).start()
        assert board.registers[0x1C] == accel_config


def test_scale_of_each_range() -> None:
    for range_g, value in ((2, 598_550_415), (16, 4_788_403_320)):
        settings = dict(SETTINGS)
        settings["range_g"] = range_g
        _, unit, exponent, multiplier = Mpu6050(Board(), settings).channels[0]
        # 9.80665 / 16384 = 598.550415e-6
        assert unit == "m/s2"
        assert abs(multiplier - value * 10 ** (-12 - exponent)) <= abs(multiplier) // 1_000_000


def test_rates_divide_1000_hz() -> None:
    board, sensor = started()
    for rate_mhz in (0, -1, 3_891, 3_905, 999_999, 1_000_001, 300_000):
        try:
            sensor.set_rate(rate_mhz)
        except ValueError:
            assert sensor.spacing_us == 10_000
            continue
        raise AssertionError(str(rate_mhz))
    for rate_mhz, divider, low_pass in (
        (1_000_000, 0, 1),
        (3_906, 255, 6),
        (200_000, 4, 2),
        (166_666, 5, 3),
        (83_333, 11, 4),
        (41_666, 23, 5),
        (20_000, 49, 5),  # at just half the rate it is let through
        (19_607, 50, 6),
        (333_333, 2, 2),
    ):
        sensor.set_rate(rate_mhz)
        assert (board.registers[0x19], board.registers[0x1A]) == (divider, low_pass)
    assert (sensor.spacing_us, sensor.poll_us) == (3_000, 42 * 3_000)
    sensor.stop()
    assert board.registers[0x6B] == 0x40


def test_self_test_compares_with_the_trim_of_the_factory() -> None:
    board, sensor = started()
    # Codes 1, 16 and 31: 0.34 g, 0.56 g and 0.92 g, of 4096 steps each.
    board.registers[0x0D:0x11] = b"\x00\x80\xe0\x13"
    assert sensor._factory_trims() == (1392, 2290, 3768)
    # Nor do the gyroscopes' codes, the lowest five bits, change them.
    board.registers[0x0D:0x11] = b"\x1f\x9f\xff\xd3"
    assert sensor._factory_trims() == (1392, 2290, 3768)
    assert not sensor.self_test()
    assert board.registers[0x1C] == 0x00


def test_self_test_allows_14_percent_and_goes_on_as_before() -> None:
    trims = (1392, 2290, 3768)
    for axis in range(3):
        most = trims[axis] * 14 // 100
        for error, passes in ((-most - 1, 0), (-most, 1), (most, 1), (most + 1, 0)):
            moved = list(trims)
            moved[axis] += error
            board = Pushed(tuple(moved))
            sensor = Mpu6050(board, SETTINGS)
            assert sensor.self_test() == bool(passes)
            for register, values in ((0x19, [0, 0, 9]), (0x1A, [1, 1, 3]), (0x1C, [16, 240, 0])):
                assert [value for at, value in board.written if at == register] == values


def test_self_test_fails_where_the_factory_left_no_trim() -> None:
    _, sensor = started()
    assert sensor._factory_trims() == (0, 0, 0)
    assert not sensor.self_test()
