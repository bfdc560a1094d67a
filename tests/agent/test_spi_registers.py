"""How registers are reached on SPI, and which bus a chip hangs on."""

from agent.drivers.errors import SensorError
from agent.drivers.i2c_registers import I2cRegisters
from agent.drivers.spi_registers import SpiRegisters, open_registers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BUS = {"baudrate": 2_000_000, "mode": 3, "shift": 1, "read_flag": 0x80, "write_flag": 0x40}


class Board:
    """Remembers what was sent; answers 1, 2, 3 .. after the command."""

    def __init__(self, answer: int = 0) -> None:
        self.sent: list[bytes] = []
        self.asked: tuple[int, ...] = ()
        self.answer = answer

    def i2c(self, bus: int) -> "Board":
        self.asked = (bus,)
        return self

    def spi(self, bus: int, cs: int, baudrate: int, mode: int) -> "Board":
        self.asked = (bus, cs, baudrate, mode)
        return self

    def transfer(self, out: "Any", into: "Any") -> None:
        self.sent.append(bytes(out))
        for index in range(1, len(into)):
            into[index] = self.answer or index


def registers_of(board: Board) -> SpiRegisters:
    settings = {"name": "acc", "spi": 1, "cs": 5}
    registers: SpiRegisters = open_registers(board, settings, 0x1D, BUS)
    return registers


def test_a_transfer_begins_with_the_register_and_the_direction() -> None:
    board = Board()
    registers = registers_of(board)
    assert board.asked == (1, 5, 2_000_000, 3)
    assert registers.read_u8(0x10) == 1
    registers.write_u8(0x11, 0x7F)
    assert board.sent == [b"\xa0\x00", b"\x62\x7f"]


def test_a_window_takes_the_data_behind_the_command() -> None:
    board = Board()
    registers = registers_of(board)
    buffer = bytearray(6)
    registers.read_into(0x10, registers.window(buffer, 3))
    assert buffer == b"\xa0\x01\x02\x03\x00\x00"


def test_an_identity_that_is_missing_or_wrong_is_an_error() -> None:
    registers_of(Board(0xE5)).check_identity(0, 0xE5, "ADXL345")
    for answer, cause in ((0xFF, "nothing answers"), (0xE6, "not a ADXL345")):
        try:
            registers_of(Board(answer)).check_identity(0, 0xE5, "ADXL345")
        except SensorError as error:
            assert error.cause.startswith("acc: ") and cause in error.cause
            assert error.remedy.endswith(".")
            continue
        raise AssertionError("no error")


def test_lost_settings_are_told_in_words() -> None:
    error = registers_of(Board()).restarted()
    assert "lost its settings" in error.cause and "wires" in error.remedy


def test_a_chip_hangs_on_exactly_one_bus() -> None:
    board = Board()
    on_i2c = open_registers(board, {"name": "acc", "i2c": 2}, 0x1D, BUS)
    assert isinstance(on_i2c, I2cRegisters) and board.asked == (2,)
    for bus in ({}, {"spi": 0}, {"cs": 5}, {"i2c": 0, "spi": 0, "cs": 5}, {"i2c": 0, "cs": 5}):
        settings: dict[str, object] = {"name": "acc"}
        settings.update(bus)
        try:
            open_registers(board, settings, 0x1D, BUS)
        except ValueError:
            continue
        raise AssertionError(str(bus))
