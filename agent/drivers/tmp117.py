"""TMP117 temperature sensor on I2C (Texas Instruments data sheet SNOSD82D), 7.8125 mK a step.

Each result is the mean of eight conversions. Its own clock is off by percents; a flag tells a
fresh result.
"""

from agent.drivers.conversions import Conversions
from agent.drivers.i2c_registers import I2cRegisters
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any

_ADDRESS = const(0x49)  # ADD0 to the supply: 0x48 is the ADS1115's
_RESULT = const(0x00)
_CONFIG = const(0x01)
_DEVICE_ID = const(0x0F)

_IDENTITY = const(0x117)
_DATA_READY = const(0x2000)
_OWN_SETTINGS = const(0x0FFC)  # mode, cycle, averaging, alert pin
_SHUTDOWN = const(0x0400)
_ONE_SHOT = const(0x0C00)
_MEAN_OF_8 = const(0x0020)
# Puts data-ready on the alert pin, which is not wired: so that no rate has the configuration that
# the chip powers up with, and one that began anew is always noticed.
_MARK = const(0x0004)
_SELF_TEST_WAIT_US = const(20_000)  # one conversion without averaging takes 17.5 ms at most
_PLAUSIBLE_MIN = const(-55 * 128)
_PLAUSIBLE_MAX = const(150 * 128)

# Rate in mHz -> CONV bits, of the table of cycles for the mean of eight.
_CYCLE_CODES = {8_000: 1, 4_000: 2, 2_000: 3, 1_000: 4, 250: 5, 125: 6}


class Tmp117:
    """One sensor.

    settings: i2c, address (0x49), rate_mhz (8000, 4000, 2000, 1000, 250 or 125; default 2000).
    """

    channels = (("", "Cel", -7, 78125),)
    samples_max = 1

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        self._clock = board.clock
        self._registers = I2cRegisters(board, settings, _ADDRESS)
        self.overflows = 0
        self._conversions = Conversions(1)
        self._choose(settings.get("rate_mhz", 2_000))

    def start(self) -> None:
        """Verify the chip and convert continuously."""
        if self._registers.read_u16(_DEVICE_ID) & 0x0FFF != _IDENTITY:
            raise self._registers.wrong_chip("TMP117")
        self._registers.write_u16(_CONFIG, self._config)
        self._conversions.restart(self.spacing_us)

    def read(self, out: "array[int]", now_us: int) -> int:
        """Write the result that is fresh, if one is."""
        is_fresh = self._check_settings() & _DATA_READY != 0
        if self._conversions.is_loss(now_us, is_fresh=is_fresh):
            self.overflows += 1
        if not is_fresh:
            return 0
        out[0] = self._registers.read_s16(_RESULT)
        self._check_settings()  # a chip that lost power in between sent no reading
        return 1

    def self_test(self) -> bool:
        """Return whether one conversion on demand comes in time and is in the chip's range."""
        registers = self._registers
        registers.write_u16(_CONFIG, _ONE_SHOT)
        self._clock.sleep_us(_SELF_TEST_WAIT_US)
        is_ready = registers.read_u16(_CONFIG) & _DATA_READY != 0
        is_good = is_ready and _PLAUSIBLE_MIN <= registers.read_s16(_RESULT) <= _PLAUSIBLE_MAX
        self.start()
        return is_good

    def set_rate(self, rate_mhz: int) -> None:
        """Convert at another rate from now on; ValueError for one the chip does not have."""
        self._choose(rate_mhz)
        self.start()

    def stop(self) -> None:
        """Shut down."""
        self._registers.write_u16(_CONFIG, _SHUTDOWN)

    def _check_settings(self) -> int:
        """Return the configuration register; SensorError where the chip has lost its settings."""
        config = self._registers.read_u16(_CONFIG)
        if config & _OWN_SETTINGS != self._config:
            raise self._registers.restarted()
        return config

    def _choose(self, rate_mhz: int) -> None:
        if rate_mhz not in _CYCLE_CODES:
            raise ValueError("rate_mhz must be 8000, 4000, 2000, 1000, 250 or 125")
        self._config = _CYCLE_CODES[rate_mhz] << 7 | _MEAN_OF_8 | _MARK
        self.spacing_us = 1_000_000_000 // rate_mhz
        self.poll_us = self.spacing_us // 2
