"""One chip's registers on an I2C bus: big-endian numbers; bus errors in a technician's words."""

from agent.drivers.errors import SensorError
from agent.hal.errors import ETIMEDOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class I2cRegisters:
    """Registers of the chip at settings["address"] (else `address`) on bus settings["i2c"].

    Every method raises SensorError where the bus or the chip does not answer.
    """

    def __init__(self, board: "Any", settings: "dict[str, Any]", address: int) -> None:
        self.name = settings["name"]
        self._bus_number = settings["i2c"]
        self._address = settings.get("address", address)
        self._bus = board.i2c(self._bus_number)
        self._one = bytearray(1)
        self._two = bytearray(2)

    def window(self, buffer: "bytearray | memoryview", size: int) -> memoryview:
        """Return what read_into wants, so that it puts `size` bytes from buffer[1] on.

        buffer[0] is for the other bus, SPI, whose transfers begin with a command.
        """
        return memoryview(buffer)[1 : 1 + size]

    def read_into(self, register: int, buf: "bytearray | memoryview") -> None:
        """Fill buf from register on."""
        try:
            self._bus.readfrom_mem_into(self._address, register, buf)
        except OSError as error:
            raise self._error(error)

    def write(self, register: int, buf: "bytes | bytearray") -> None:
        """Write buf from register on."""
        try:
            self._bus.writeto_mem(self._address, register, buf)
        except OSError as error:
            raise self._error(error)

    def read_u8(self, register: int) -> int:
        """Return an 8-bit register."""
        self.read_into(register, self._one)
        return self._one[0]

    def write_u8(self, register: int, value: int) -> None:
        """Set an 8-bit register."""
        self._one[0] = value
        self.write(register, self._one)

    def read_u16(self, register: int) -> int:
        """Return a 16-bit register."""
        self.read_into(register, self._two)
        return self._two[0] << 8 | self._two[1]

    def read_s16(self, register: int) -> int:
        """Return a 16-bit register in two's complement."""
        return (self.read_u16(register) ^ 0x8000) - 0x8000

    def write_u16(self, register: int, value: int) -> None:
        """Set a 16-bit register."""
        self._two[0] = value >> 8
        self._two[1] = value & 0xFF
        self.write(register, self._two)

    def check_identity(self, register: int, identity: int, chip: str) -> None:
        """Raise SensorError unless the register holds what this chip's does."""
        if self.read_u8(register) != identity:
            raise self.wrong_chip(chip)

    def wrong_chip(self, expected: str) -> SensorError:
        """Return the error for a chip that answers but is another one."""
        return SensorError(
            self.name + ": what answers" + self._place() + " is not a " + expected + ".",
            "Check the sensor's address and that no other chip has the same.",
        )

    def restarted(self) -> SensorError:
        """Return the error for a chip that has lost its settings."""
        return SensorError(
            self.name + ": the sensor" + self._place() + " has lost its settings.",
            "Check the sensor's power supply and its plug.",
        )

    def _error(self, error: OSError) -> SensorError:
        if error.args and error.args[0] == ETIMEDOUT:
            return SensorError(
                self.name + ": I2C bus " + str(self._bus_number) + " is held low.",
                "Switch the board off and on; if it stays so, unplug its sensors one by one.",
            )
        return SensorError(
            self.name + ": nothing answers" + self._place() + ".",
            "Check the sensor's power, its two bus wires and its address.",
        )

    def _place(self) -> str:
        return " at " + hex(self._address) + " on I2C bus " + str(self._bus_number)
