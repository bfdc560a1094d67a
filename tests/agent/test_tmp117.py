"""The TMP117's driver: every bit of its configuration, every edge of its range."""

from array import array

from agent.drivers.errors import SensorError
from agent.drivers.tmp117 import Tmp117

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Board:
    """One chip of registers; a conversion on demand is ready after `needs_us`."""

    def __init__(self) -> None:
        self.registers = {0: 0, 1: 0x0220, 15: 0x1117}
        self.time_us = 0
        self.begun_us = 0
        self.needs_us = 17_500
        self.clock = self

    def now_us(self) -> int:
        return self.time_us

    def sleep_us(self, duration_us: int) -> None:
        self.time_us += duration_us

    def i2c(self, bus: int) -> "Board":
        return self

    def readfrom_mem_into(self, addr: int, register: int, buf: bytearray) -> None:
        assert addr == 0x49
        value = self.registers[register]
        if register == 1 and value == 0x0C00 and self.time_us - self.begun_us >= self.needs_us:
            value |= 0x2000
        buf[:] = (value & 0xFFFF).to_bytes(2, "big")

    def writeto_mem(self, addr: int, register: int, buf: bytes) -> None:
        self.registers[register] = buf[0] << 8 | buf[1]
        self.begun_us = self.time_us


def made(**changes: int) -> "tuple[Board, Tmp117]":
    board = Board()
    settings: dict[str, object] = {"name": "air", "i2c": 0}
    settings.update(changes)
    sensor = Tmp117(board, settings)
    sensor.start()
    return board, sensor


def cause_of(call: "Any") -> str:
    try:
        call()
    except SensorError as error:
        return error.cause
    raise AssertionError("no error")


def test_every_rate_has_its_cycle() -> None:
    # Table 7-7 at AVG = 01: 125 ms, 250 ms, 500 ms, 1 s, 4 s, 8 s for CONV 0 or 1 to 6.
    rates = (8_000, 4_000, 2_000, 1_000, 250, 125)
    for code, rate_mhz in enumerate(rates, 1):
        board, sensor = made(rate_mhz=rate_mhz)
        assert board.registers[1] == code << 7 | 0x24
        assert sensor.spacing_us * rate_mhz == 1_000_000_000
        assert sensor.poll_us == sensor.spacing_us // 2
    assert made()[1].spacing_us == 500_000
    for rate_mhz in (0, 126, 8_001):
        try:
            made(rate_mhz=rate_mhz)
        except ValueError:
            continue
        raise AssertionError(str(rate_mhz))


def test_revision_bits_are_no_part_of_the_identity() -> None:
    board, sensor = made()
    board.registers[15] = 0x0117
    sensor.start()
    for other in (0x0116, 0x1116, 0x0317):
        board.registers[15] = other
        assert "not a TMP117" in cause_of(sensor.start)


def test_only_a_fresh_result_is_a_reading() -> None:
    board, sensor = made(rate_mhz=1000)
    out = array("i", [5])
    board.registers[0] = 0xFF80
    for others in (0x0000, 0x8000, 0x4000, 0x1000, 0x0001):  # alert flags, EEPROM busy, ...
        board.registers[1] = 0x0224 | others
        assert sensor.read(out, 0) == 0
    board.registers[1] = 0x2224
    assert sensor.read(out, 1_000_000) == 1 and out[0] == -128
    board.registers[1] = 0x0224
    assert sensor.read(out, 1_500_000) == 0
    board.registers[1] = 0x2224
    assert sensor.read(out, 2_000_000) == 1 and sensor.overflows == 0
    assert sensor.read(out, 4_000_000) == 1 and sensor.overflows == 1


def test_losses_do_not_outlive_a_start() -> None:
    board, sensor = made(rate_mhz=1000)
    out = array("i", [5])
    board.registers[1] |= 0x2000
    assert sensor.read(out, 0) == 1
    board.registers[1] |= 0x2000
    assert sensor.read(out, 1_000_000) == 1
    sensor.start()
    board.registers[1] |= 0x2000
    assert sensor.read(out, 9_000_000) == 1
    assert sensor.overflows == 0


def test_a_chip_that_began_anew_is_told() -> None:
    board, sensor = made()
    for power_up in (0x0220, 0x2220, 0x0226, 0x0228, 0x0A24, 0x0264):
        board.registers[1] = power_up
        assert "lost its settings" in cause_of(lambda: sensor.read(array("i", [0]), 0))


def test_self_test_wants_one_conversion_in_time_and_in_range() -> None:
    for raw, needs_us, passes in (
        (150 * 128, 17_500, True),
        (150 * 128 + 1, 17_500, False),
        (-55 * 128, 17_500, True),
        (-55 * 128 - 1, 17_500, False),
        (0, 20_000, True),
        (0, 30_000, False),
    ):
        board, sensor = made(rate_mhz=250)
        board.registers[0], board.needs_us = raw, needs_us
        assert sensor.self_test() == passes
        assert board.registers[1] == 5 << 7 | 0x24  # goes on as before


def test_stop_and_another_rate() -> None:
    board, sensor = made(rate_mhz=250)
    sensor.set_rate(8_000)
    assert board.registers[1] == 0x00A4
    sensor.stop()
    assert board.registers[1] == 0x0400
