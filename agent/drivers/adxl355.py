"""ADXL355 accelerometer on SPI or I2C (Analog Devices ADXL354/ADXL355 data sheet, register map).

With "sync_pin" the board's PWM paces it: the samples come at exactly that rate, from the chip's
interpolation filter (SYNC = 10b), and all sensors of a board in step. Without, its own oscillator
does, at 4000 Hz / 2^n, off by percents.

Settings: name; spi and cs, or i2c and optional address (0x1D; 0x53 with ASEL high); rate_mhz;
optional sync_pin, range_g (2, 4 or 8; default 2), shift (default 4: arithmetic right shift of the
20-bit value, so that +-2 g fits 16 bits at 62.5 ug a step; 0 keeps all). 4000 Hz take 360 kbit/s:
too much for I2C at 400 kHz.
"""

from array import array

from agent.drivers.errors import SensorError
from agent.drivers.scale import scale_of
from agent.drivers.spi_registers import open_registers
from protocols.portable import const, ptr8, ptr32, viper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DEVID_AD = const(0x00)
_STATUS = const(0x04)
_FIFO_DATA = const(0x11)
_OFFSET_X_H = const(0x1E)
_FILTER = const(0x28)
_SYNC = const(0x2B)
_RANGE = const(0x2C)
_POWER_CTL = const(0x2D)
_SELF_TEST = const(0x2E)

_IDENTITY = b"\xad\x1d\xed"
_FIFO_OVERRUN = const(0x04)
_STANDBY = const(0x01)
_SYNC_INTERPOLATED = const(0x02)
_SETS_MAX = const(32)  # the FIFO holds 96 entries, one an axis
_SET_SIZE = const(9)
_ENTRIES_MAX = const(99)  # 96 and the 3 that may wait behind them
_RATE_MAX_MHZ = const(4_000_000)
_RATE_SHIFT_MAX = const(10)  # 3.9 Hz
# Delay of the digital filter at 4000 Hz / 2^n (data sheet, table "Digital Filter Group Delay and
# Profile"). What the interpolation filter adds with sync, it does not say.
_LAGS_US = (630, 1_000, 1_780, 3_260, 6_270, 12_340, 24_180, 47_590, 96_250, 189_580, 384_310)
_SYNC_RATE_MIN_MHZ = const(
    2_000
)  # below, the lowest filter corner (0.98 Hz) would let aliases through
_SYNC_RATE_MAX_MHZ = const(1_000_000)
_ADDRESS = const(0x1D)
_SPI = {
    "baudrate": 5_000_000,  # the chip takes 10 MHz; half of that over field wires
    "mode": 0,
    "shift": 1,
    "read_flag": 1,
    "write_flag": 0,
}
_SILENT_POLLS_MAX = const(4)
_SELF_TEST_WAIT_US = const(20_000)  # 8 ms fill the FIFO at 4000 Hz, after the filter has settled

_REMEDY_WIRES = "Check the sensor's power and its bus wires."


class Adxl355:
    """Driver of one ADXL355; see agent.drivers for the face."""

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        self._board = board
        self._name = settings["name"]
        self._sync_pin = settings.get("sync_pin")
        self.spacing_exact = self._sync_pin is not None  # paced by the board's own clock
        self._range_code = {2: 1, 4: 2, 8: 3}[settings.get("range_g", 2)]
        self._shift = settings.get("shift", 4)
        if not 0 <= self._shift <= 16:
            raise ValueError("shift must be 0..16")
        registers = self._registers = open_registers(board, settings, _ADDRESS, _SPI)
        self._buffer = bytearray(1 + _SET_SIZE * _SETS_MAX)
        # Made once: a slice of a memoryview costs heap, and reading must not.
        self._windows = tuple(
            registers.window(self._buffer, _SET_SIZE * n) for n in range(_SETS_MAX + 1)
        )
        self._short = bytearray(3)
        self._status = registers.window(self._short, 2)
        # One step of the 20-bit value is 9.80665 m/s2 / 256000 at +-2 g, twice that at the next
        # range.
        doublings = self._range_code - 1 + self._shift
        multiplier, exponent = scale_of(980_665 << doublings, 25_600_000_000)
        self.channels = tuple((axis, "m/s2", exponent, multiplier) for axis in ("x", "y", "z"))
        self.samples_max = _SETS_MAX
        self.overflows = 0
        self.paced_from_us = 0
        self._running = False
        self._heard_us = -1
        self._choose(settings["rate_mhz"])

    def start(self) -> None:
        """Configure and start; SensorError where what answers is not an ADXL355."""
        self._verify_identity()
        sync = 0 if self._sync_pin is None else _SYNC_INTERPOLATED
        self._configure(self._rate_shift, sync, self._range_code, 0)
        if self._sync_pin is not None:
            # Noted here: what follows takes a while, by which all times would else be late.
            self.paced_from_us = self._board.clock.now_us()
            self._board.pwm(self._sync_pin, self._rate_mhz)
        self._drain()
        self._registers.read_u8(_STATUS)
        self._heard_us = -1
        self._running = True

    def stop(self) -> None:
        """Standby; the sync pulses end."""
        self._registers.write_u8(_POWER_CTL, _STANDBY)
        if self._sync_pin is not None:
            self._board.pwm(self._sync_pin, 0)
        self._running = False

    def set_rate(self, rate_mhz: int) -> None:
        """Sample at rate_mhz from now on; ValueError: with sync 2..1000 Hz, else 4000 Hz / 2^n."""
        self._choose(rate_mhz)
        if self._running:
            self.start()

    def read(self, out: "array[int]", now_us: int) -> int:
        """Drain the FIFO in one burst; SensorError where the chip is silent or talks nonsense."""
        short = self._short
        self._registers.read_into(_STATUS, self._status)
        entries = short[2]
        if entries > _ENTRIES_MAX:
            raise SensorError(self._name + ": the ADXL355 stopped answering.", _REMEDY_WIRES)
        if short[1] & _FIFO_OVERRUN:
            self.overflows += 1
        count = min(entries // 3, _SETS_MAX)
        if count == 0:
            self._check_silence(now_us)
            return 0
        self._heard_us = now_us
        self._registers.read_into(_FIFO_DATA, self._windows[count])
        if unpack_sets(self._buffer, out, count, 4 + self._shift):
            return count
        # Out of step: nobody can tell which axis is which, so all of it goes, and the loss is
        # counted.
        self.overflows += 1
        self._drain()
        return 0

    def self_test(self) -> bool:
        """Push the proof mass electrically: typically +0.3 g, +0.3 g, +1.5 g have to follow."""
        quiet = self._mean_output(0x00)
        pushed = self._mean_output(0x03)
        if self._running:
            self.start()
        else:
            self.stop()
        if not (quiet and pushed):
            return False
        # In range +-8 g one g is 64000 steps. Accepted: half to double of the typical change.
        for axis in range(3):
            typical = 96000 if axis == 2 else 19200
            if not typical // 2 <= pushed[axis] - quiet[axis] <= typical * 2:
                return False
        return True

    def _choose(self, rate_mhz: int) -> None:
        """Set what follows from the rate; ValueError for a rate that the chip cannot do."""
        if self._sync_pin is None:
            self._rate_shift = _rate_shift_of(rate_mhz)
            self.spacing_us = 250 << self._rate_shift
        else:
            if not _SYNC_RATE_MIN_MHZ <= rate_mhz <= _SYNC_RATE_MAX_MHZ:
                raise ValueError("rate_mhz must be 2000..1000000 with sync_pin")
            # The corner of the low-pass filter is a quarter of the chip's own rate: the fastest
            # whose corner is not above half of the sync rate.
            self._rate_shift = 0
            while _RATE_MAX_MHZ >> self._rate_shift > 2 * rate_mhz:
                self._rate_shift += 1
            self.spacing_us = 1_000_000_000 // rate_mhz
        self.lag_us = _LAGS_US[self._rate_shift]
        self._rate_mhz = rate_mhz
        self.poll_us = self.spacing_us * (_SETS_MAX // 2)

    def _verify_identity(self) -> None:
        found = bytes(self._registers.read_u8(_DEVID_AD + index) for index in range(3))
        if found == _IDENTITY:
            return
        if found in (b"\xff\xff\xff", b"\x00\x00\x00"):
            raise SensorError(self._name + ": nothing answers on its SPI wires.", _REMEDY_WIRES)
        raise SensorError(
            self._name + ": found identity " + found.hex() + " in place of an ADXL355's ad1ded.",
            "Check that the sensor is an ADXL355, and its chip-select wire.",
        )

    def _configure(self, rate_shift: int, sync: int, range_code: int, self_test: int) -> None:
        """Write every register that matters, so that no reset is needed, and read back."""
        self._registers.write_u8(_POWER_CTL, _STANDBY)
        for register in range(_OFFSET_X_H, _OFFSET_X_H + 6):
            self._registers.write_u8(register, 0)
        for register, value in (
            (_FILTER, rate_shift),
            (_SYNC, sync),
            (_RANGE, 0x80 | range_code),
            (_SELF_TEST, self_test),
            (_POWER_CTL, 0x00),
        ):
            self._registers.write_u8(register, value)
            if self._registers.read_u8(register) != value:
                raise SensorError(
                    self._name + ": the ADXL355 does not keep its settings.", _REMEDY_WIRES
                )

    def _mean_output(self, self_test: int) -> "tuple[int, ...]":
        """Return the mean (x, y, z) of one FIFO at 4000 Hz, range +-8 g, unshifted.

        () where the FIFO is out of step.
        """
        out = array("i", bytes(12 * _SETS_MAX))
        self._configure(0, 0, 3, self_test)
        self._board.clock.sleep_us(_SELF_TEST_WAIT_US)
        self._drain()
        self._board.clock.sleep_us(_SELF_TEST_WAIT_US)
        self._drain()
        if not unpack_sets(self._buffer, out, _SETS_MAX, 4):
            return ()
        return tuple(
            sum(out[axis + 3 * k] for k in range(_SETS_MAX)) // _SETS_MAX for axis in range(3)
        )

    def _drain(self) -> None:
        """Read all of the FIFO into the buffer."""
        self._registers.read_into(_FIFO_DATA, self._windows[_SETS_MAX])

    def _check_silence(self, now_us: int) -> None:
        """A chip that lost power answers, but has nothing to say: found by its silence."""
        if self._heard_us < 0:
            self._heard_us = now_us
        if now_us - self._heard_us > _SILENT_POLLS_MAX * self.poll_us:
            raise SensorError(
                self._name + ": the ADXL355 makes no samples.",
                "Check the sensor's power and the wire of its sync pin.",
            )


@viper
def unpack_sets(buffer: ptr8, out: ptr32, count: int, shift: int) -> bool:
    """Write `count` sets of entries from buffer[1] on to out, sign extended; False if out of step.

    An entry is 24 bits: the value in bits 23..4, "empty" in bit 1, "x axis" in bit 0. shift >= 4:
    right shift of those 24.
    """
    at = 1
    for slot in range(0, 3 * count, 3):
        if buffer[at + 2] & 3 != 1 or (buffer[at + 5] | buffer[at + 8]) & 3:
            return False
        # Flipping the sign bit and taking it off again extends the sign without a branch.
        out[slot] = (
            (buffer[at] << 16 | buffer[at + 1] << 8 | buffer[at + 2]) ^ 0x800000
        ) - 0x800000 >> shift
        out[slot + 1] = (
            (buffer[at + 3] << 16 | buffer[at + 4] << 8 | buffer[at + 5]) ^ 0x800000
        ) - 0x800000 >> shift
        out[slot + 2] = (
            (buffer[at + 6] << 16 | buffer[at + 7] << 8 | buffer[at + 8]) ^ 0x800000
        ) - 0x800000 >> shift
        at += 9
    return True


def _rate_shift_of(rate_mhz: int) -> int:
    """Return n of 4000 Hz / 2^n, rounded down to millihertz; ValueError for another rate."""
    for shift in range(_RATE_SHIFT_MAX + 1):
        if _RATE_MAX_MHZ >> shift == rate_mhz:
            return shift
    raise ValueError("rate_mhz must be 4000000 / 2^n, n = 0..10, without sync_pin")
