"""Temperature from the DS18B20 on a 1-Wire bus (Analog Devices, DS18B20 data sheet, rev. 6).

Several share one pin: each is told by its 64-bit address ("64-Bit Lasered ROM Code", figure 8:
family code 0x28, serial number, CRC). A lone one needs no address in the configuration.

A conversion takes up to 94, 188, 375 or 750 ms at 9, 10, 11 or 12 bits (table 2); the scratchpad
then holds the result in 1/16 degree (figure 4), with a CRC (figure 11). After a power failure it
holds 85 degrees, a temperature like any other. So the alarm registers, which nobody uses, are
set to limits that are not the power-up ones: a chip that has lost them has lost the conversion.

On Linux the kernel owns the bus (agent/hal/kernel_onewire.py): there start() takes up to 2 s.
"""

from agent.drivers.errors import SensorError
from agent.drivers.pace import Pace
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any

_FAMILY = const(0x28)
_MATCH_ROM = const(0x55)
_CONVERT = const(0x44)
_WRITE_SCRATCHPAD = const(0x4E)
_READ_SCRATCHPAD = const(0xBE)
_READ_POWER_SUPPLY = const(0xB4)
_ROM_SIZE = const(8)
_SCRATCHPAD_SIZE = const(9)
_REGISTERS_AT = const(2)
_REGISTERS = const(3)
_CRC_POLYNOMIAL = const(0x8C)  # x8 + x5 + x4 + 1, least bit first
_ALARM_HIGH = const(125)  # the ends of the chip's range: no alarm ever
_ALARM_LOW = const(0xC9)
_CONVERSION_US_12_BITS = const(750_000)
_READ_MARGIN_US = const(
    25_000
)  # a scheduler that means to poll on the dot may wake a little early
_ATTEMPTS = const(3)
_RAW_MIN = const(-55 * 16)
_RAW_MAX = const(125 * 16)


class Ds18b20:
    """One sensor on one pin, which has power of its own (three wires).

    settings: pin (number), rom (its address, 16 hexadecimal digits as search() gives them; needed
    where several share the pin), bits (9..12; default 12), every_ms (spacing of the samples, 1000
    or more; default 10000).
    """

    channels = (("", "Cel", -4, 625),)
    samples_max = 1

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        """ValueError: rom is no address of a DS18B20."""
        self._board = board
        self._name = settings["name"]
        self._pin_number = settings["pin"]
        self._rom = _rom_of(settings["rom"]) if "rom" in settings else b""
        bits = settings.get("bits", 12)
        self._registers = bytes((_ALARM_HIGH, _ALARM_LOW, (bits - 9) << 5 | 0x1F))
        self._unused_bits = 12 - bits
        self._conversion_us = _CONVERSION_US_12_BITS >> self._unused_bits
        self._pace = Pace(settings.get("every_ms", 10_000) * 1000)
        self.spacing_us = self._pace.spacing_us
        turn_us = self._conversion_us + _READ_MARGIN_US
        self.poll_us = self.spacing_us // max(1, self.spacing_us // turn_us)
        self.overflows = 0
        self.checksum_errors = 0
        self._bus: Any = None
        self._begun_us = -1  # when the conversion that goes on began; -1: none does
        self._scratchpad = bytearray(_SCRATCHPAD_SIZE)
        self._request = bytearray(1 + _ROM_SIZE + 1)  # to this chip alone: its address, a command

    def start(self) -> None:
        """Find the chip, verify that it is one with power of its own, and set its resolution."""
        self._bus = self._open_bus()
        if not self._rom:
            self._rom = self._only_one()
        self._request[0] = _MATCH_ROM
        self._request[1 : 1 + _ROM_SIZE] = self._rom
        self._read_scratchpad()
        if not self._is_powered():
            raise SensorError(
                self._name + ": the DS18B20 takes its power from the data wire.",
                "Connect its VDD wire to 3.3 V.",
            )
        self._write_registers()
        self._check_registers()
        self._begin_anew()

    def read(self, out: "array[int]", now_us: int) -> int:
        """Write the temperature once its conversion is done; begin another when one is due."""
        count = 0
        if self._begun_us >= 0 and now_us - self._begun_us >= self._conversion_us:
            self._check_registers()
            out[0] = self._temperature()
            self._begun_us = -1
            count = 1
        if self._begun_us < 0 and self._pace.is_due(now_us):
            self._command(_CONVERT)
            self._begun_us = now_us
            if self._pace.take(now_us):
                self.overflows += 1
        return count

    def self_test(self) -> bool:
        """Return whether the chip answers with a whole scratchpad and its settings."""
        self._begin_anew()
        try:
            self._check_registers()
        except SensorError:
            return False
        return True

    def stop(self) -> None:
        """Nothing to do: it sleeps between conversions."""
        self._begun_us = -1

    def _begin_anew(self) -> None:
        self._begun_us = -1
        self._pace.restart(self.spacing_us)

    def _open_bus(self) -> "Any":
        try:
            return self._board.onewire(self._pin_number)
        except OSError as error:
            remedy = "Connect the sensor to a board that has, or take another sensor."
            raise SensorError(
                self._name + ": this board has no 1-Wire bus.", _words_of(error, remedy)
            )

    def _write_registers(self) -> None:
        self._command(_WRITE_SCRATCHPAD)
        try:
            self._bus.write(self._registers)
        except OSError as error:  # only where a kernel stands between
            raise SensorError(
                self._name + ": the DS18B20 cannot be set up.",
                _words_of(error, "Check the rights of this program."),
            )

    def _temperature(self) -> int:
        raw = self._scratchpad[1] << 8 | self._scratchpad[0]
        raw = (raw ^ 0x8000) - 0x8000
        # At lower resolutions the last bits are undefined.
        raw = raw >> self._unused_bits << self._unused_bits
        if not _RAW_MIN <= raw <= _RAW_MAX:
            raise SensorError(
                self._name + ": the DS18B20 says a temperature outside of its range.",
                "Replace the sensor.",
            )
        return raw

    def _only_one(self) -> bytes:
        found = [rom for rom in self._bus.search() if rom[0] == _FAMILY and crc8(rom) == 0]
        if not found:
            raise self._silence()
        if len(found) > 1:
            raise SensorError(
                self._name + ": several DS18B20 are on pin " + str(self._pin_number) + ".",
                "Set rom to one of: " + ", ".join([rom.hex() for rom in found]) + ".",
            )
        return bytes(found[0])

    def _is_powered(self) -> bool:
        self._command(_READ_POWER_SUPPLY)
        answer = bytearray(1)
        self._bus.read_into(answer)
        return answer[0] & 1 == 1

    def _command(self, command: int) -> None:
        """Say something to this chip alone."""
        if not self._bus.reset():
            raise self._silence()
        self._request[1 + _ROM_SIZE] = command
        self._bus.write(self._request)

    def _read_scratchpad(self) -> None:
        scratchpad = self._scratchpad
        for _ in range(_ATTEMPTS):
            self._command(_READ_SCRATCHPAD)
            self._bus.read_into(scratchpad)
            # All zeros has a right CRC, but is what a bus that is held low says.
            if crc8(scratchpad) == 0 and scratchpad[4]:
                return
            self.checksum_errors += 1
        if scratchpad == b"\xff" * _SCRATCHPAD_SIZE:
            raise self._silence()
        raise SensorError(
            self._name + ": what the DS18B20 says is damaged.",
            "Check the cable of pin "
            + str(self._pin_number)
            + " and its pull-up resistor of 4.7 kilohm.",
        )

    def _check_registers(self) -> None:
        self._read_scratchpad()
        for index in range(_REGISTERS):
            if self._scratchpad[_REGISTERS_AT + index] != self._registers[index]:
                raise SensorError(
                    self._name + ": the DS18B20 has lost its settings.",
                    "Check the sensor's power supply and its plug.",
                )

    def _silence(self) -> SensorError:
        who = " " + self._rom.hex() if self._rom else ""
        return SensorError(
            self._name + ": no DS18B20" + who + " answers on pin " + str(self._pin_number) + ".",
            "Check the sensor's three wires, and its address in the configuration.",
        )


def crc8(data: "bytes | bytearray") -> int:
    """Return the CRC of a 1-Wire chip; 0 where data ends with its right one."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_CRC_POLYNOMIAL if crc & 1 else 0)
    return crc


def _words_of(error: OSError, otherwise: str) -> str:
    """Return the remedy that came with the error, where one did."""
    return str(error.args[1]) if len(error.args) > 1 else otherwise


def _rom_of(text: str) -> bytes:
    try:
        rom = bytes.fromhex(text)
    except ValueError:
        rom = b""
    if len(rom) != _ROM_SIZE or rom[0] != _FAMILY or crc8(rom):
        raise ValueError("rom is no address of a DS18B20: " + text)
    return rom
