"""ADXL345 accelerometer on I2C or SPI (Analog Devices data sheet ADXL345, revision E).

Full resolution: one step is 1/256 g in every range (table 1, page 4). The FIFO runs in stream mode
and gives one sample a transfer (page 21), so that a drain costs a transfer a sample.

Nothing in its 13 bits tells a true sample from a bus that fell silent. So a block counts only if
the chip still has its settings after it (POWER_CTL).

Settings: name; i2c and optional address (0x53; 0x1D with SDO high), or spi and cs; rate_mhz
(3200 Hz / 2^n, n = 0..10; at most 800 Hz on I2C, page 15); optional range_g (2, 4, 8 or 16;
default 16).
"""

from array import array

from agent.drivers.errors import SensorError
from agent.drivers.scale import scale_of
from agent.drivers.spi_registers import open_registers
from protocols.portable import const, ptr8, ptr32, viper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ADDRESS = const(0x53)
# 2 MHz is the least for 3200 Hz (page 15); the byte of address then takes 4 of the 5 us that the
# FIFO needs between two samples (page 21), and Python more than the other.
_SPI = {
    "baudrate": 2_000_000,
    "mode": 3,
    "shift": 0,
    "read_flag": 0xC0,  # read, several bytes
    "write_flag": 0x00,
}

# Table 19, page 23.
_DEVID = const(0x00)
_OFSX = const(0x1E)
_BW_RATE = const(0x2C)
_POWER_CTL = const(0x2D)
_INT_ENABLE = const(0x2E)
_INT_SOURCE = const(0x30)
_DATA_FORMAT = const(0x31)
_DATAX0 = const(0x32)
_FIFO_CTL = const(0x38)
_FIFO_STATUS = const(0x39)

_IDENTITY = const(0xE5)
_MEASURE = const(0x08)
_OVERRUN = const(0x01)
_FULL_RES = const(0x08)
_SELF_TEST = const(0x80)
_BYPASS = const(0x00)  # empties the FIFO
_STREAM = const(0x80)
_ENTRIES = const(0x3F)

_SETS_MAX = const(32)
_SET_SIZE = const(6)
_SLOT_SIZE = const(7)  # a sample in the buffer, behind the byte that a transfer on SPI begins with
_RATE_MAX_MHZ = const(3_200_000)
_RATE_MAX_I2C_MHZ = const(800_000)
_RATE_SHIFT_MAX = const(10)
_RATE_CODE_MAX = const(15)
_RANGE_CODES = {2: 0, 4: 1, 8: 2, 16: 3}
_SILENT_POLLS_MAX = const(4)
_SELF_TEST_RATE_CODE = const(0x0D)  # 800 Hz: 100 to 800 Hz or 3200 Hz will do (page 22)
_SELF_TEST_WAIT_US = const(45_000)  # fills the FIFO at 800 Hz, slow oscillator included
# Change of output in steps (table 15), at 2.0 V as little as 0.64 or 0.8 times, at 3.6 V as much
# as 2.11 or 1.69 times (table 14): least and most of x, y, z.
_SELF_TEST_LIMITS = ((32, 1140), (-1140, -32), (60, 1479))


class Adxl345:
    """Driver of one ADXL345; see agent.drivers for the face."""

    samples_max = _SETS_MAX

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        self._clock = board.clock
        self._registers = open_registers(board, settings, _ADDRESS, _SPI)
        self._rate_max_mhz = _RATE_MAX_I2C_MHZ if "i2c" in settings else _RATE_MAX_MHZ
        self._format = _FULL_RES | _RANGE_CODES[settings.get("range_g", 16)]
        multiplier, exponent = scale_of(980_665, 25_600_000)
        self.channels = tuple((axis, "m/s2", exponent, multiplier) for axis in ("x", "y", "z"))
        self.overflows = 0
        self._buffer = bytearray(_SLOT_SIZE * _SETS_MAX)
        # Made once: a slice of a memoryview costs heap, and reading must not.
        slots = memoryview(self._buffer)
        self._windows = tuple(
            self._registers.window(slots[_SLOT_SIZE * n :], _SET_SIZE) for n in range(_SETS_MAX)
        )
        self._heard_us = -1
        self._choose(settings["rate_mhz"])

    def start(self) -> None:
        """Configure and start; SensorError where what answers is not an ADXL345."""
        self._registers.check_identity(_DEVID, _IDENTITY, "ADXL345")
        self._configure(self._rate_code, self._format)
        self._heard_us = -1

    def stop(self) -> None:
        """Standby."""
        self._registers.write_u8(_POWER_CTL, 0)

    def set_rate(self, rate_mhz: int) -> None:
        """Sample at rate_mhz from now on; ValueError for one that chip or bus cannot do."""
        self._choose(rate_mhz)
        self.start()

    def read(self, out: "array[int]", now_us: int) -> int:
        """Drain the FIFO; SensorError where the chip is silent or has lost its settings."""
        registers = self._registers
        count = registers.read_u8(_FIFO_STATUS) & _ENTRIES
        # Reading samples clears the flag, so a full FIFO may lose one unseen just before: it
        # counts as overflow too.
        is_overrun = registers.read_u8(_INT_SOURCE) & _OVERRUN or count >= _SETS_MAX
        count = min(count, _SETS_MAX)
        self._take(out, count)
        if registers.read_u8(_POWER_CTL) != _MEASURE:
            raise registers.restarted()
        if is_overrun:
            self.overflows += 1
        if count:
            self._heard_us = now_us
        else:
            self._check_silence(now_us)
        return count

    def self_test(self) -> bool:
        """Push the proof mass electrically; its deflection must be as table 15 says."""
        quiet = self._mean_output(_FULL_RES | 3)
        pushed = self._mean_output(_FULL_RES | 3 | _SELF_TEST)
        self.start()
        for axis in range(3):
            least, most = _SELF_TEST_LIMITS[axis]
            if not least <= pushed[axis] - quiet[axis] <= most:
                return False
        return True

    def _choose(self, rate_mhz: int) -> None:
        for shift in range(_RATE_SHIFT_MAX + 1):
            if _RATE_MAX_MHZ >> shift == rate_mhz <= self._rate_max_mhz:
                self._rate_code = _RATE_CODE_MAX - shift
                # 312.5 us * 2^n, rounded up to full microseconds at the highest rate.
                self.spacing_us = (625 << shift) + 1 >> 1
                self.poll_us = self.spacing_us * (_SETS_MAX // 2)
                return
        raise ValueError("rate_mhz must be 3200000 / 2^n, n = 0..10; at most 800000 on I2C")

    def _configure(self, rate_code: int, data_format: int) -> None:
        """Write every register that matters, so that no reset is needed, and read back."""
        for register, value in (
            (_POWER_CTL, 0),
            (_INT_ENABLE, 0),
            (_OFSX, 0),
            (_OFSX + 1, 0),
            (_OFSX + 2, 0),
            (_BW_RATE, rate_code),
            (_DATA_FORMAT, data_format),
            (_FIFO_CTL, _BYPASS),
            (_FIFO_CTL, _STREAM),
            (_POWER_CTL, _MEASURE),
        ):
            self._registers.write_u8(register, value)
            if self._registers.read_u8(register) != value:
                raise self._registers.restarted()

    def _take(self, out: "array[int]", count: int) -> None:
        """Write `count` samples from the FIFO to out, a transfer each."""
        # Not one bound method for all: making it costs heap.
        registers, windows = self._registers, self._windows
        for index in range(count):
            registers.read_into(_DATAX0, windows[index])
        unpack_slots(self._buffer, out, count)

    def _mean_output(self, data_format: int) -> "tuple[int, ...]":
        """Return the mean (x, y, z) of one FIFO at 800 Hz."""
        out = array("i", bytes(12 * _SETS_MAX))
        self._configure(_SELF_TEST_RATE_CODE, data_format)
        self._clock.sleep_us(_SELF_TEST_WAIT_US)  # the filter settles
        self._take(out, _SETS_MAX)
        self._clock.sleep_us(_SELF_TEST_WAIT_US)
        self._take(out, _SETS_MAX)
        return tuple(
            sum(out[axis + 3 * k] for k in range(_SETS_MAX)) // _SETS_MAX for axis in range(3)
        )

    def _check_silence(self, now_us: int) -> None:
        if self._heard_us < 0:
            self._heard_us = now_us
        if now_us - self._heard_us > _SILENT_POLLS_MAX * self.poll_us:
            raise SensorError(
                self._registers.name + ": the ADXL345 makes no samples.",
                "Check the sensor's power supply; replace it if it stays so.",
            )


@viper
def unpack_slots(buffer: ptr8, out: ptr32, count: int) -> int:
    """Write `count` samples to out: x, y, z little-endian, behind one byte that is not theirs.

    Return count.
    """
    at = 1
    for slot in range(0, 3 * count, 3):
        out[slot] = ((buffer[at + 1] << 8 | buffer[at]) ^ 0x8000) - 0x8000
        out[slot + 1] = ((buffer[at + 3] << 8 | buffer[at + 2]) ^ 0x8000) - 0x8000
        out[slot + 2] = ((buffer[at + 5] << 8 | buffer[at + 4]) ^ 0x8000) - 0x8000
        at += 7
    return count
