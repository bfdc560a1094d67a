"""How registers are reached on I2C: every byte that goes over the wire."""

from agent.drivers.errors import SensorError
from agent.drivers.i2c_registers import I2cRegisters
from agent.hal.errors import ENODEV, ETIMEDOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Board:
    """Remembers what was asked and written; answers 0x81, 0x82 .. or with an error."""

    def __init__(self) -> None:
        self.bus = -1
        self.said: list[tuple[int, int, bytes]] = []
        self.asked: list[tuple[int, int, int]] = []
        self.error = 0

    def i2c(self, bus: int) -> "Board":
        self.bus = bus
        return self

    def readfrom_mem_into(self, addr: int, register: int, buf: "Any") -> None:
        if self.error:
            raise OSError(self.error)
        self.asked.append((addr, register, len(buf)))
        for index in range(len(buf)):
            buf[index] = 0x81 + index

    def writeto_mem(self, addr: int, register: int, buf: "Any") -> None:
        if self.error:
            raise OSError(self.error)
        self.said.append((addr, register, bytes(buf)))


def opened(**changes: int) -> "tuple[Board, I2cRegisters]":
    board = Board()
    settings: dict[str, Any] = {"name": "acc", "i2c": 3}
    settings.update(changes)
    return board, I2cRegisters(board, settings, 0x48)


def error_of(call: "Any", *arguments: object) -> SensorError:
    try:
        call(*arguments)
    except SensorError as error:
        return error
    raise AssertionError("no error")


def test_numbers_are_as_long_as_their_registers_and_big_endian() -> None:
    board, registers = opened()
    assert board.bus == 3
    assert registers.read_u8(0x10) == 0x81
    assert registers.read_u16(0x11) == 0x8182
    assert registers.read_s16(0x12) == 0x8182 - 0x10000
    assert board.asked == [(0x48, 0x10, 1), (0x48, 0x11, 2), (0x48, 0x12, 2)]
    registers.write_u8(0x13, 0x7F)
    registers.write_u16(0x14, 0x1234)
    assert board.said == [(0x48, 0x13, b"\x7f"), (0x48, 0x14, b"\x12\x34")]


def test_the_settings_address_goes_before_the_usual_one() -> None:
    board, registers = opened(address=0x4B)
    registers.read_u8(0)
    assert board.asked == [(0x4B, 0, 1)]


def test_a_window_begins_behind_the_byte_for_the_other_bus() -> None:
    _, registers = opened()
    buffer = bytearray(6)
    registers.read_into(0x10, registers.window(buffer, 3))
    assert buffer == b"\x00\x81\x82\x83\x00\x00"


def test_errors_of_the_bus_are_told_apart_in_reads_and_writes() -> None:
    board, registers = opened()
    for number, cause in ((ENODEV, "nothing answers at 0x48"), (ETIMEDOUT, "bus 3 is held low")):
        board.error = number
        assert cause in error_of(registers.write_u8, 0x10, 0).cause
        assert cause in error_of(registers.write_u16, 0x10, 0).cause
        for call in (registers.read_u8, registers.read_u16, registers.read_s16):
            assert cause in error_of(call, 0x10).cause
    assert not board.asked and not board.said


def test_another_chip_is_refused() -> None:
    _, registers = opened()
    registers.check_identity(0x75, 0x81, "MPU-6050")
    error = error_of(registers.check_identity, 0x75, 0x82, "MPU-6050")
    assert error.cause == "acc: what answers at 0x48 on I2C bus 3 is not a MPU-6050."
