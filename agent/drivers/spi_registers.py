"""One chip's registers on SPI, with the face of I2cRegisters; errors in a technician's words."""

from agent.drivers.errors import SensorError
from agent.drivers.i2c_registers import I2cRegisters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_REMEDY = "Check the sensor's power supply and its four SPI wires."


class SpiRegisters:
    """Registers of the chip at settings["cs"] of bus settings["spi"].

    A transfer begins with `register << shift | read_flag` (or write_flag); the register's number
    then counts up by itself, as far as the chip does so.
    """

    def __init__(
        self,
        board: "Any",
        settings: "dict[str, Any]",
        *,
        baudrate: int,
        mode: int,
        shift: int,
        read_flag: int,
        write_flag: int,
    ) -> None:
        self.name = settings["name"]
        self._spi = board.spi(settings["spi"], settings["cs"], baudrate, mode)
        self._shift = shift
        self._read_flag = read_flag
        self._write_flag = write_flag
        self._two = bytearray(2)

    def window(self, buffer: "bytearray | memoryview", size: int) -> memoryview:
        """Return what read_into wants, so that it puts `size` bytes from buffer[1] on."""
        return memoryview(buffer)[: 1 + size]

    def read_into(self, register: int, window: "bytearray | memoryview") -> None:
        """Fill window[1:] from register on; window[0] is spoilt."""
        window[0] = register << self._shift | self._read_flag
        self._spi.transfer(window, window)

    def read_u8(self, register: int) -> int:
        """Return an 8-bit register."""
        self.read_into(register, self._two)
        return self._two[1]

    def write_u8(self, register: int, value: int) -> None:
        """Set an 8-bit register."""
        self._two[0] = register << self._shift | self._write_flag
        self._two[1] = value
        self._spi.transfer(self._two, self._two)

    def check_identity(self, register: int, identity: int, chip: str) -> None:
        """Raise SensorError unless the register holds what this chip's does."""
        found = self.read_u8(register)
        if found in (0x00, 0xFF):  # SPI has no acknowledge: this is a wire that nobody drives
            raise SensorError(self.name + ": nothing answers on its SPI wires.", _REMEDY)
        if found != identity:
            raise SensorError(
                self.name + ": what answers on its SPI wires is not a " + chip + ".",
                "Check that the sensor is a " + chip + ", and its chip-select wire.",
            )

    def restarted(self) -> SensorError:
        """Return the error for a chip that has lost its settings or fell silent."""
        return SensorError(
            self.name + ": the sensor on SPI has lost its settings.",
            _REMEDY,
        )


def open_registers(
    board: "Any", settings: "dict[str, Any]", address: int, spi: "dict[str, int]"
) -> "Any":
    """Return the chip's I2cRegisters where settings has "i2c", else its SpiRegisters.

    address: where the chip is on I2C unless settings["address"] says otherwise. spi: keywords of
    SpiRegisters. ValueError unless settings name exactly one of the two buses.
    """
    if "i2c" in settings and "spi" not in settings and "cs" not in settings:
        return I2cRegisters(board, settings, address)
    if "i2c" in settings or "spi" not in settings or "cs" not in settings:
        raise ValueError(settings["name"] + ": give either spi and cs, or i2c")
    return SpiRegisters(board, settings, **spi)
