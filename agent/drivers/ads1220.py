"""ADS1220 24-bit converter for strain gauge bridges, on SPI (Texas Instruments SBAS501C).

The reference is the supply of the bridge at REFP0 and REFN0, so that
strain = code / 2^23 / gain * 4 / (gauge factor * arms), whatever the voltage.

It has neither a FIFO nor a status register: pin DRDY, low, says that a conversion is ready
(section 8.5.1.3). Polled at twice its rate, a conversion is never missed; one that may have been
is counted. A reading counts only if the chip still has its settings after it.

Settings: name, spi, cs, drdy_pin, rate_mhz (20000, 45000, 90000, 175000, 330000, 600000 or
1000000); optional input (0: AIN0 against AIN1; 1: AIN2 against AIN3; default 0), gain (1, 2, 4 ..
128; default 128), arms (active ones: 1, 2 or 4; default 1), gauge_factor_milli (2000), shift
(arithmetic right shift of the 24-bit code; default 4).
"""

from agent.drivers.conversions import Conversions
from agent.drivers.errors import SensorError
from agent.drivers.scale import scale_of
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any

# Commands, table 13.
_RESET = const(0x06)
_START = const(0x08)
_POWER_DOWN = const(0x02)
_READ_DATA = const(0x10)
_READ_ALL = const(0x23)  # the four registers
_WRITE_ALL = const(0x43)

# Registers 0 to 3, section 8.6.
_INPUT_CODES = {0: 0x00, 1: 0x50}
_INPUTS_SHORTED = const(0xE0)
_REFERENCE_MONITOR = const(0xC0)  # a quarter of it, against the internal 2.048 V, gain 1
_GAIN_CODES = {1: 0, 2: 1, 4: 2, 8: 3, 16: 4, 32: 5, 64: 6, 128: 7}
_RATE_CODES = {
    20_000: 0,
    45_000: 1,
    90_000: 2,
    175_000: 3,
    330_000: 4,
    600_000: 5,
    1_000_000: 6,
}
_CONTINUOUS = const(0x04)
_REFERENCE_0 = const(0x40)
_REJECT_50_AND_60_HZ = const(0x10)  # works at 20/s only

_BAUDRATE = const(2_000_000)
_MODE = const(1)
_RESET_WAIT_US = const(100)  # 50 us and 32 clock periods (section 8.5.3.1)
_SILENT_SPACINGS_MAX = const(8)
_SELF_TEST_WAIT_US = const(5_000)  # four conversions at 1000/s
_OFFSET_MAX = const(16_384)  # at gain 128 and 3.3 V: 50 uV; the data sheet says 30 uV at most
_REFERENCE_MIN = const(768_000)  # 0.75 V, the least that the chip takes
_REMEDY = "Check the sensor's power, its four SPI wires and its DRDY wire."


class Ads1220:
    """Driver of one bridge on one ADS1220; see agent.drivers for the face."""

    samples_max = 1

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        self._clock = board.clock
        self._name = settings["name"]
        self._spi = board.spi(settings["spi"], settings["cs"], _BAUDRATE, _MODE)
        self._ready = board.pin(settings["drdy_pin"], "in", "up")
        gain = settings.get("gain", 128)
        self._input = _INPUT_CODES[settings.get("input", 0)] | _GAIN_CODES[gain] << 1
        self._shift = settings.get("shift", 4)
        gauge = settings.get("gauge_factor_milli", 2000) * settings.get("arms", 1)
        multiplier, exponent = scale_of(4000 << self._shift, gain * gauge << 23)
        self.channels = (("", "1", exponent, multiplier),)
        self.overflows = 0
        self._one = bytearray(1)
        self._four = bytearray(4)
        self._five = bytearray(5)
        self._wanted = bytearray(5)  # a command, then the four registers
        self._conversions = Conversions(1)
        self._heard_us = -1
        self._choose(settings["rate_mhz"])

    def start(self) -> None:
        """Reset, configure, convert; SensorError where the chip does not keep its settings."""
        self._command(_RESET)
        self._clock.sleep_us(_RESET_WAIT_US)
        self._configure(self._input, self._rate_code)
        self._conversions.restart(self.spacing_us)
        self._heard_us = -1

    def read(self, out: "array[int]", now_us: int) -> int:
        """Write the conversion that is ready, if one is; SensorError where none ever is."""
        is_fresh = not self._ready.value()
        if self._conversions.is_loss(now_us, is_fresh=is_fresh):
            self.overflows += 1
        if not is_fresh:
            self._check_silence(now_us)
            return 0
        self._heard_us = now_us
        code = self._read_code()
        self._check_settings()
        out[0] = code >> self._shift
        return 1

    def self_test(self) -> bool:
        """Return whether offset and reference are as they must be: a bridge without supply is not.

        The inputs are shorted inside for the one, switched to the reference for the other.
        """
        rate_code = _RATE_CODES[1_000_000]
        offset = self._code_of(_INPUTS_SHORTED | _GAIN_CODES[128] << 1, rate_code)
        reference = self._code_of(_REFERENCE_MONITOR, rate_code)
        self.start()
        return abs(offset) <= _OFFSET_MAX and reference >= _REFERENCE_MIN

    def set_rate(self, rate_mhz: int) -> None:
        """Convert at another rate from now on; ValueError for one the chip does not have."""
        self._choose(rate_mhz)
        self.start()

    def stop(self) -> None:
        """Power down."""
        self._command(_POWER_DOWN)

    def _choose(self, rate_mhz: int) -> None:
        if rate_mhz not in _RATE_CODES:
            raise ValueError(
                "rate_mhz must be 20000, 45000, 90000, 175000, 330000, 600000 or 1000000"
            )
        self._rate_code = _RATE_CODES[rate_mhz]
        self.spacing_us = 1_000_000_000 // rate_mhz
        self.poll_us = self.spacing_us // 2

    def _configure(self, inputs: int, rate_code: int) -> None:
        """Write all registers, read them back and start to convert."""
        wanted = self._wanted
        wanted[1] = inputs
        wanted[2] = rate_code << 5 | _CONTINUOUS
        wanted[3] = _REFERENCE_0 | (_REJECT_50_AND_60_HZ if rate_code == 0 else 0)
        wanted[4] = 0
        five = self._five
        five[:] = wanted
        five[0] = _WRITE_ALL
        self._spi.transfer(five, five)
        self._verify()
        self._command(_START)

    def _verify(self) -> None:
        if self._has_settings():
            return
        found = bytes(self._five[1:])
        if found in (bytes(4), b"\xff\xff\xff\xff"):
            raise SensorError(self._name + ": nothing answers on its SPI wires.", _REMEDY)
        raise SensorError(
            self._name + ": what answers on its SPI wires is not an ADS1220.",
            "Check that the sensor is an ADS1220, and its chip-select wire.",
        )

    def _check_settings(self) -> None:
        if not self._has_settings():
            raise SensorError(
                self._name + ": the ADS1220 has lost its settings or its wires.", _REMEDY
            )

    def _has_settings(self) -> bool:
        five = self._five
        five[0] = _READ_ALL
        for index in range(1, 5):
            five[index] = 0
        self._spi.transfer(five, five)
        five[0] = 0
        return five == self._wanted

    def _code_of(self, inputs: int, rate_code: int) -> int:
        """Return a code converted from other inputs."""
        self._configure(inputs, rate_code)
        self._clock.sleep_us(_SELF_TEST_WAIT_US)
        return self._read_code()

    def _read_code(self) -> int:
        four = self._four
        four[0] = _READ_DATA
        four[1] = four[2] = four[3] = 0
        self._spi.transfer(four, four)
        return ((four[1] << 16 | four[2] << 8 | four[3]) ^ 0x800000) - 0x800000

    def _command(self, command: int) -> None:
        self._one[0] = command
        self._spi.transfer(self._one, self._one)

    def _check_silence(self, now_us: int) -> None:
        if self._heard_us < 0:
            self._heard_us = now_us
        if now_us - self._heard_us > _SILENT_SPACINGS_MAX * self.spacing_us:
            raise SensorError(self._name + ": the ADS1220 makes no conversions.", _REMEDY)
