"""MPU-6050 accelerometer on I2C (InvenSense PS-MPU-6000A-00 rev 3.4; RM-MPU-6000A-00 rev 4.2).

Only the accelerometer goes into the FIFO; of the gyroscopes only X runs, for it times the samples
far better (1 %) than the chip's RC oscillator (5 %) does (product specification, section 6.6).

A FIFO that has overflowed no longer begins with a whole sample, so all of it is thrown away and
one loss counted. A block counts only if, after it, the FIFO has not overflowed and the chip still
has its settings: nothing else tells samples from the noise of a bus.

Settings: name, i2c, rate_mhz (1000 Hz / n, n = 1..256, rounded down); optional address (0x68; 0x69
with AD0 high), range_g (2, 4, 8 or 16; default 2). The low-pass filter follows the rate.
"""

from array import array

from agent.drivers.errors import SensorError
from agent.drivers.i2c_registers import I2cRegisters
from agent.drivers.scale import scale_of
from protocols.portable import const, ptr8, ptr32, viper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ADDRESS = const(0x68)

# Register map, section 3.
_SELF_TEST_X = const(0x0D)
_SMPLRT_DIV = const(0x19)
_CONFIG = const(0x1A)
_GYRO_CONFIG = const(0x1B)
_ACCEL_CONFIG = const(0x1C)
_FIFO_EN = const(0x23)
_INT_ENABLE = const(0x38)
_INT_STATUS = const(0x3A)
_USER_CTRL = const(0x6A)
_PWR_MGMT_1 = const(0x6B)
_PWR_MGMT_2 = const(0x6C)
_FIFO_COUNT = const(0x72)
_FIFO_R_W = const(0x74)
_WHO_AM_I = const(0x75)

_IDENTITY = const(0x68)
_SLEEP = const(0x40)
_CLOCK_OF_GYRO_X = const(0x01)
_GYRO_Y_AND_Z_REST = const(0x03)
_FIFO_ACCEL = const(0x08)
_FIFO_OVERFLOW = const(0x10)
_FIFO_ON = const(0x40)
_FIFO_RESET = const(0x04)
_SELF_TEST_ALL = const(0xE0)
_RANGE_8_G = const(0x10)

_SET_SIZE = const(6)
_FIFO_SIZE = const(1024)
_SETS_MAX = const(85)  # half a FIFO in one read, so as to spend half a kilobyte on the buffer
_RATE_MAX_MHZ = const(1_000_000)
_DIVIDER_MAX = const(256)
_RANGE_CODES = {2: 0, 4: 1, 8: 2, 16: 3}
# Bandwidth in millihertz of the accelerometer's filter for DLPF_CFG 1..6 (register map, 4.3).
_BANDWIDTHS_MHZ = (184_000, 94_000, 44_000, 21_000, 10_000, 5_000)
_SILENT_POLLS_MAX = const(4)
_SELF_TEST_SETS = const(32)
_SELF_TEST_WAIT_US = const(40_000)  # fills 32 samples at 1000 Hz, slow oscillator included
_SELF_TEST_ERROR_MAX_PERCENT = const(14)  # product specification, section 6.2


class Mpu6050:
    """Driver of one MPU-6050; see agent.drivers for the face."""

    samples_max = _SETS_MAX

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        self._clock = board.clock
        registers = self._registers = I2cRegisters(board, settings, _ADDRESS)
        self._range_code = _RANGE_CODES[settings.get("range_g", 2)]
        multiplier, exponent = scale_of(980_665 << self._range_code, 16384 * 100_000)
        self.channels = tuple((axis, "m/s2", exponent, multiplier) for axis in ("x", "y", "z"))
        self.overflows = 0
        self._buffer = bytearray(1 + _SET_SIZE * _SETS_MAX)
        self._windows = tuple(
            registers.window(self._buffer, _SET_SIZE * n) for n in range(_SETS_MAX + 1)
        )
        self._heard_us = -1
        self._choose(settings["rate_mhz"])

    def start(self) -> None:
        """Configure and start; SensorError where what answers is not an MPU-6050."""
        self._registers.check_identity(_WHO_AM_I, _IDENTITY, "MPU-6050")
        self._configure(self._divider, self._filter, self._range_code << 3)
        self._heard_us = -1

    def stop(self) -> None:
        """Sleep."""
        self._registers.write_u8(_PWR_MGMT_1, _SLEEP)

    def set_rate(self, rate_mhz: int) -> None:
        """Sample at rate_mhz from now on; ValueError for one the chip does not have."""
        self._choose(rate_mhz)
        self.start()

    def read(self, out: "array[int]", now_us: int) -> int:
        """Drain the FIFO in one burst; SensorError where the chip is silent or lost its settings.

        At most samples_max: the rest comes with the next read.
        """
        registers = self._registers
        size = registers.read_u16(_FIFO_COUNT)
        count = min(size // _SET_SIZE, _SETS_MAX)
        if count:
            registers.read_into(_FIFO_R_W, self._windows[count])
        is_overflow = registers.read_u8(_INT_STATUS) & _FIFO_OVERFLOW or size % _SET_SIZE
        if size > _FIFO_SIZE or registers.read_u8(_USER_CTRL) != _FIFO_ON:
            raise registers.restarted()
        if is_overflow:
            self.overflows += 1
            self._empty_fifo()
            self._heard_us = now_us
            return 0
        if count:
            self._heard_us = now_us
            unpack_big16(self._buffer, out, 3 * count)
        else:
            self._check_silence(now_us)
        return count

    def self_test(self) -> bool:
        """Push the proof mass electrically; it must move as far as when it left the factory."""
        quiet = self._mean_output(0)
        pushed = self._mean_output(_SELF_TEST_ALL)
        trims = self._factory_trims()
        self.start()
        for axis in range(3):
            error = abs(pushed[axis] - quiet[axis] - trims[axis])
            if not error * 100 <= trims[axis] * _SELF_TEST_ERROR_MAX_PERCENT:
                return False
        return min(trims) > 0

    def _choose(self, rate_mhz: int) -> None:
        divider = _RATE_MAX_MHZ // rate_mhz if rate_mhz > 0 else 0
        if not 1 <= divider <= _DIVIDER_MAX or _RATE_MAX_MHZ // divider != rate_mhz:
            raise ValueError("rate_mhz must be 1000000 / n, n = 1..256")
        self._divider = divider
        self._filter = 1
        while self._filter < 6 and _BANDWIDTHS_MHZ[self._filter - 1] * 2 > rate_mhz:
            self._filter += 1
        self.spacing_us = 1000 * divider
        self.poll_us = self.spacing_us * (_SETS_MAX // 2)

    def _configure(self, divider: int, low_pass: int, accel_config: int) -> None:
        """Write every register that matters, so that no reset is needed, and read back."""
        for register, value in (
            (_PWR_MGMT_1, _CLOCK_OF_GYRO_X),
            (_PWR_MGMT_2, _GYRO_Y_AND_Z_REST),
            (_USER_CTRL, 0),
            (_SMPLRT_DIV, divider - 1),
            (_CONFIG, low_pass),
            (_GYRO_CONFIG, 0),
            (_ACCEL_CONFIG, accel_config),
            (_INT_ENABLE, _FIFO_OVERFLOW),
            (_FIFO_EN, _FIFO_ACCEL),
        ):
            self._registers.write_u8(register, value)
            if self._registers.read_u8(register) != value:
                raise self._registers.restarted()
        self._empty_fifo()

    def _empty_fifo(self) -> None:
        self._registers.write_u8(_USER_CTRL, _FIFO_RESET)  # heeded only while it is off
        self._registers.read_u8(_INT_STATUS)
        self._registers.write_u8(_USER_CTRL, _FIFO_ON)

    def _mean_output(self, self_test: int) -> "tuple[int, ...]":
        """Return the mean (x, y, z) of some samples at 1000 Hz, range +-8 g."""
        out = array("i", bytes(12 * _SELF_TEST_SETS))
        self._configure(1, 1, self_test | _RANGE_8_G)
        self._clock.sleep_us(_SELF_TEST_WAIT_US)  # the filter settles
        self._empty_fifo()
        self._clock.sleep_us(_SELF_TEST_WAIT_US)
        self._registers.read_into(_FIFO_R_W, self._windows[_SELF_TEST_SETS])
        unpack_big16(self._buffer, out, 3 * _SELF_TEST_SETS)
        return tuple(
            sum(out[axis + 3 * k] for k in range(_SELF_TEST_SETS)) // _SELF_TEST_SETS
            for axis in range(3)
        )

    def _factory_trims(self) -> "tuple[int, ...]":
        """Return the self-test response at the factory, in steps at +-8 g (register map, 4.1)."""
        codes = bytearray(4)
        self._registers.read_into(_SELF_TEST_X, codes)
        trims = []
        for axis in range(3):
            code = codes[axis] >> 3 & 0x1C | codes[3] >> 4 - 2 * axis & 0x03
            trims.append(int(4096 * 0.34 * (0.92 / 0.34) ** ((code - 1) / 30)) if code else 0)
        return tuple(trims)

    def _check_silence(self, now_us: int) -> None:
        if self._heard_us < 0:
            self._heard_us = now_us
        if now_us - self._heard_us > _SILENT_POLLS_MAX * self.poll_us:
            raise SensorError(
                self._registers.name + ": the MPU-6050 makes no samples.",
                "Check the sensor's power supply; replace it if it stays so.",
            )


@viper
def unpack_big16(buffer: ptr8, out: ptr32, count: int) -> int:
    """Write `count` numbers of two bytes from buffer[1] on to out: big-endian, sign extended.

    Return count.
    """
    at = 1
    for slot in range(count):
        out[slot] = ((buffer[at] << 8 | buffer[at + 1]) ^ 0x8000) - 0x8000
        at += 2
    return count
