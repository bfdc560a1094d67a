"""NAU7802 24-bit converter for strain gauge bridges, on I2C (Nuvoton data sheet, revision 1.7).

The converter is ratiometric: the bridge is fed by its own regulator, which is also its reference,
so that strain = code / 2^23 * 0.5 / gain * 4 / (gauge factor * arms), whatever the voltage.

No FIFO: polled at twice its rate, a conversion is never missed; one that may have been is counted.
"""

from agent.drivers.conversions import Conversions
from agent.drivers.errors import SensorError
from agent.drivers.i2c_registers import I2cRegisters
from agent.drivers.scale import scale_of
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any

_ADDRESS = const(0x2A)
_PU_CTRL = const(0x00)
_CTRL1 = const(0x01)
_CTRL2 = const(0x02)
_ADCO = const(0x12)
_ADC_CONTROL = const(0x15)
_PGA_POWER = const(0x1C)
_REVISION = const(0x1F)

_RESET = const(0x01)
_POWER_UP = const(0x06)  # digital and analogue part
_POWER_READY = const(0x08)
_RUNNING = const(0x96)  # powered up, cycles started, analogue supply from the own regulator
_CYCLE_READY = const(0x20)
_REGULATOR_3_0_V = const(0x28)
_CALIBRATE = const(0x04)  # offset, with the inputs shorted inside
_CALIBRATION_FAILED = const(0x08)
_CHOPPER_OFF = const(0x30)  # the data sheet's advice for the bridge application
_PGA_CAPACITOR = const(0x80)  # output filter, since only one channel is used

_RATE_CODES = {10_000: 0, 20_000: 1, 40_000: 2, 80_000: 3, 320_000: 7}
_GAIN_CODES = {1: 0, 2: 1, 4: 2, 8: 3, 16: 4, 32: 5, 64: 6, 128: 7}
_POWER_WAIT_US = const(1_000)  # the data sheet says about 200 us
_POWER_TRIES = const(10)
_SELF_TEST_WAIT_US = const(40_000)  # a calibration and four conversions at 320/s
_CODE_MAX = const(0x7FFFFF)


class Nau7802:
    """One bridge on channel 1.

    settings: i2c, rate_mhz (10000, 20000, 40000, 80000 or 320000), address (0x2A), gain (128),
    arms (active ones: 1, 2 or 4; default 1), gauge_factor_milli (2000), shift (arithmetic right
    shift of the 24-bit code; default 4: one step is then about half of the noise).
    """

    samples_max = 1

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        self._clock = board.clock
        self._registers = I2cRegisters(board, settings, _ADDRESS)
        self._gain = settings.get("gain", 128)
        self._gain_code = _GAIN_CODES[self._gain]
        self._shift = settings.get("shift", 4)
        # One step is 2 / (gain * gauge factor * arms * 2^23) of strain.
        gauge = settings.get("gauge_factor_milli", 2000) * settings.get("arms", 1)
        multiplier, exponent = scale_of(2000 << self._shift, self._gain * gauge << 23)
        self.channels = (("", "1", exponent, multiplier),)
        self.overflows = 0
        self._code = bytearray(3)
        self._is_calibrating = False
        self._conversions = Conversions(1)
        self._choose(settings["rate_mhz"])

    def start(self) -> None:
        """Power up, configure, begin to calibrate; the first sample comes a little later."""
        registers = self._registers
        registers.write_u8(_PU_CTRL, _RESET)
        registers.write_u8(_PU_CTRL, _POWER_UP)
        self._wait_powered()
        if registers.read_u8(_REVISION) & 0x0F != 0x0F:
            raise registers.wrong_chip("NAU7802")
        registers.write_u8(_CTRL1, _REGULATOR_3_0_V | self._gain_code)
        registers.write_u8(_ADC_CONTROL, _CHOPPER_OFF)
        registers.write_u8(_PGA_POWER, _PGA_CAPACITOR)
        registers.write_u8(_PU_CTRL, _RUNNING)
        self._begin(self._rate_code)

    def read(self, out: "array[int]", now_us: int) -> int:
        """Write the conversion that is ready, if one is; SensorError if calibration failed."""
        if self._is_calibrating and not self._is_calibrated():
            return 0
        control = self._registers.read_u8(_PU_CTRL)
        if control & _RUNNING != _RUNNING:
            raise self._registers.restarted()
        is_fresh = control & _CYCLE_READY != 0
        if self._conversions.is_loss(now_us, is_fresh=is_fresh):
            self.overflows += 1
        if not is_fresh:
            return 0
        out[0] = self._read_code() >> self._shift
        # Only what came from a chip that ran before and after is a reading: its code has no check.
        if self._registers.read_u8(_PU_CTRL) & _RUNNING != _RUNNING:
            raise self._registers.restarted()
        return 1

    def self_test(self) -> bool:
        """Return whether the offset calibrates and the bridge is in range: an open wire is not."""
        self.start()
        self._begin(_RATE_CODES[320_000])
        self._clock.sleep_us(_SELF_TEST_WAIT_US)
        try:
            is_good = self._is_calibrated() and -_CODE_MAX <= self._read_code() < _CODE_MAX
        except SensorError:
            is_good = False
        self.start()
        return is_good

    def set_rate(self, rate_mhz: int) -> None:
        """Convert at another rate from now on; ValueError for one the chip does not have."""
        self._choose(rate_mhz)
        self._begin(self._rate_code)

    def stop(self) -> None:
        """Power down."""
        self._registers.write_u8(_PU_CTRL, 0)

    def _choose(self, rate_mhz: int) -> None:
        if rate_mhz not in _RATE_CODES:
            raise ValueError("rate_mhz must be 10000, 20000, 40000, 80000 or 320000")
        self._rate_code = _RATE_CODES[rate_mhz]
        self.spacing_us = 1_000_000_000 // rate_mhz
        self.poll_us = self.spacing_us // 2

    def _begin(self, rate_code: int) -> None:
        self._registers.write_u8(_CTRL2, rate_code << 4 | _CALIBRATE)
        self._is_calibrating = True
        self._conversions.restart(self.spacing_us)

    def _wait_powered(self) -> None:
        for _ in range(_POWER_TRIES):
            self._clock.sleep_us(_POWER_WAIT_US)
            if self._registers.read_u8(_PU_CTRL) & _POWER_READY:
                return
        raise SensorError(
            self._registers.name + ": the NAU7802 does not power up.",
            "Check the sensor's power supply: 2.7 V to 5.5 V.",
        )

    def _is_calibrated(self) -> bool:
        control = self._registers.read_u8(_CTRL2)
        if control & _CALIBRATE:
            return False
        if control & _CALIBRATION_FAILED:
            raise SensorError(
                self._registers.name + ": the NAU7802 could not calibrate its offset.",
                "Check the bridge's four wires; replace the amplifier if it stays so.",
            )
        self._is_calibrating = False
        return True

    def _read_code(self) -> int:
        code = self._code
        self._registers.read_into(_ADCO, code)
        return ((code[0] << 16 | code[1] << 8 | code[2]) ^ 0x800000) - 0x800000
