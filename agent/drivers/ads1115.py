"""ADS1115 16-bit converter on I2C (Texas Instruments SBAS444) for a displacement transducer.

The transducer gives a voltage that is a straight line of the displacement: a 4-20 mA loop over a
shunt, or a potentiometer on a stable supply. Two points tell the line: `zero_uv` at 0 and
`full_uv` at `full_um`.

The chip converts continuously, at least a quarter faster than it is sampled: its own clock is off
by up to 10 %, and has no flag for a fresh result, so that only then each sample is another
conversion.
"""

from agent.drivers.errors import SensorError
from agent.drivers.i2c_registers import I2cRegisters
from agent.drivers.pace import Pace, spacing_of_rate
from agent.drivers.scale import scale_of
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any

_ADDRESS = const(0x48)
_CONVERSION = const(0)
_CONFIG = const(1)
_LOW_THRESHOLD = const(2)
_HIGH_THRESHOLD = const(3)

_OWN_SETTINGS = const(0x7FFF)  # all of CONFIG but the conversion state
_SINGLE_ENDED = const(0x4000)
_SHUTDOWN = const(0x0100)
_COMPARATOR_OFF = const(0x0003)
_LOW_DEFAULT = const(0x8000)
_HIGH_DEFAULT = const(0x7FFF)

_RANGE_CODES = {6144: 0, 4096: 1, 2048: 2, 1024: 3, 512: 4, 256: 5}
_CHIP_RATES = (8_000, 16_000, 32_000, 64_000, 128_000, 250_000, 475_000, 860_000)
_RATE_MHZ_MAX = const(100_000)


class Ads1115:
    """One transducer on one input against ground.

    settings: i2c, rate_mhz (1..100000), zero_uv, full_uv, full_um; address (0x48), input (0..3;
    0), range_mv (full scale: 6144, 4096, 2048, 1024, 512, 256; default 4096), broken_below_uv (a
    lower voltage means a broken wire, such as 3.6 mA of a 4-20 mA loop; default: none does).
    """

    samples_max = 1

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        self._registers = I2cRegisters(board, settings, _ADDRESS)
        self._range_uv = settings.get("range_mv", 4096) * 1000
        self._fixed = _SINGLE_ENDED | settings.get("input", 0) << 12 | _COMPARATOR_OFF
        self._fixed |= _RANGE_CODES[settings.get("range_mv", 4096)] << 9
        self._zero = self._code_of(settings["zero_uv"])
        self._broken_below = self._code_of(settings.get("broken_below_uv", -self._range_uv))
        span_uv = settings["full_uv"] - settings["zero_uv"]
        if span_uv <= 0 or settings["full_um"] <= 0:
            raise ValueError("full_uv must be above zero_uv, and full_um above 0")
        # One step is range / 32768 of a volt; full_um / span_uv is metres per volt.
        multiplier, exponent = scale_of(
            settings["full_um"] * self._range_uv, span_uv * 32_768_000_000
        )
        self.channels = (("", "m", exponent, multiplier),)
        self.overflows = 0
        self._pace = Pace(1)
        self._choose(settings["rate_mhz"])

    def start(self) -> None:
        """Verify the chip by its thresholds, for it has no identity, and start converting."""
        registers = self._registers
        thresholds = registers.read_u16(_LOW_THRESHOLD), registers.read_u16(_HIGH_THRESHOLD)
        if thresholds != (_LOW_DEFAULT, _HIGH_DEFAULT):
            raise registers.wrong_chip("ADS1115")
        registers.write_u16(_CONFIG, self._config)
        self._check_settings()
        self._pace.restart(self.spacing_us)

    def read(self, out: "array[int]", now_us: int) -> int:
        """Write the newest conversion when a sample is due; SensorError for a broken wire."""
        if not self._pace.is_due(now_us):
            return 0
        code = self._registers.read_s16(_CONVERSION)
        self._check_settings()  # after it: a chip that lost power in between is noticed too
        if code < self._broken_below:
            raise self._broken()
        out[0] = code - self._zero
        if self._pace.take(now_us):
            self.overflows += 1
        return 1

    def self_test(self) -> bool:
        """Return whether the chip keeps its settings and the voltage is within range."""
        try:
            self._check_settings()
            code = self._registers.read_s16(_CONVERSION)
        except SensorError:
            return False
        return self._broken_below <= code < 0x7FFF and code > -0x8000

    def set_rate(self, rate_mhz: int) -> None:
        """Sample at rate_mhz from now on; ValueError outside 1..100000."""
        self._choose(rate_mhz)
        self.start()

    def stop(self) -> None:
        """Power down."""
        self._registers.write_u16(_CONFIG, self._config | _SHUTDOWN)

    def _choose(self, rate_mhz: int) -> None:
        self.spacing_us = self.poll_us = spacing_of_rate(rate_mhz, _RATE_MHZ_MAX)
        code = 0
        while _CHIP_RATES[code] * 4 < rate_mhz * 5:
            code += 1
        self._config = self._fixed | code << 5

    def _check_settings(self) -> None:
        if self._registers.read_u16(_CONFIG) & _OWN_SETTINGS != self._config:
            raise self._registers.restarted()

    def _code_of(self, voltage_uv: int) -> int:
        return (voltage_uv * 65_536 // self._range_uv + 1) // 2

    def _broken(self) -> SensorError:
        return SensorError(
            self._registers.name + ": the transducer's voltage is under broken_below_uv.",
            "Check the transducer's cable and its supply.",
        )
