"""HX711 24-bit converter for a load cell, on two pins (AVIA Semiconductor data sheet, pages 3-5).

It is ratiometric: its reference is the supply of the cell, so that
load = code / 2^23 * 0.5 / gain / rated output * rated load, whatever the voltage.

It has no registers. Data low says that a conversion is ready; 25 to 27 pulses read it and choose
input and gain of the next; after the 24 bits data is high. A clock that stays high for 60 us
switches it off: such a reading is thrown away and counted as lost. What no driver can see is a dip
of its supply in the very middle of the 24 bits: the rest of them is then ones; the 400 ms that it
takes to begin anew are seen, and counted.

Settings: name, data_pin, clock_pin, rate_mhz (10000 or 80000, as its RATE pin is wired), full_n
(rated load in N), rated_uv_per_v (rated output); optional gain (128, 64, or 32 for input B;
default 128), shift (arithmetic right shift of the code; default 4: about the noise).
"""

from agent.drivers.conversions import Conversions
from agent.drivers.errors import SensorError
from agent.drivers.scale import scale_of
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any

_PULSES = {128: 25, 32: 26, 64: 27}  # table 3, page 4
_RATES_MHZ = (10_000, 80_000)
_BITS = const(24)
_POWER_DOWN_US = const(100)  # over 60
_SETTLING_SPACINGS = const(4)  # 400 ms at 10/s, 50 ms at 80/s (page 3)
_SILENT_SPACINGS_MAX = const(4)
_CODE_MAX = const(0x7FFFFF)
_CODE_MIN = const(-0x800000)

_REMEDY = "Check the converter's power and its data and clock wires."


class Hx711:
    """Driver of one HX711; see agent.drivers for the face."""

    samples_max = 1

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        self._clock = board.clock
        self._name = settings["name"]
        self._line = board.shift_in(settings["data_pin"], settings["clock_pin"])
        gain = settings.get("gain", 128)
        self._pulses = _PULSES[gain]
        self._shift = settings.get("shift", 4)
        # One step is full_n * 0.5 / gain / (rated_uv_per_v * 1e-6) / 2^23.
        multiplier, exponent = scale_of(
            settings["full_n"] * 1_000_000 << self._shift,
            2 * gain * settings["rated_uv_per_v"] << 23,
        )
        self.channels = (("", "N", exponent, multiplier),)
        self.overflows = 0
        self._code = 0
        if settings["rate_mhz"] not in _RATES_MHZ:
            raise ValueError("rate_mhz must be 10000 or 80000")
        self.spacing_us = 1_000_000_000 // settings["rate_mhz"]
        self.poll_us = self.spacing_us // 2
        self._conversions = Conversions(self.spacing_us)
        self._late_us = (_SETTLING_SPACINGS - 1) * self.spacing_us
        self._is_choosing = False
        self._heard_us = -1
        self._read_us = -1  # the last reading since the start

    def start(self) -> None:
        """Switch it off and on; SensorError where data is then low, for it needs 50 ms at least.

        Where nobody is there, data is high as well: read() finds out by the silence.
        """
        if not self._restart():
            raise self._held_low()

    def read(self, out: "array[int]", now_us: int) -> int:
        """Write the conversion that is ready, if one is; SensorError where none ever is."""
        is_fresh = not self._line.data()
        is_loss = self._conversions.is_loss(now_us, is_fresh=is_fresh)
        if not is_fresh:
            self._check_silence(now_us)
            return 0
        # One that comes this late had to settle first: the chip has begun anew.
        if is_loss or (self._read_us >= 0 and now_us - self._read_us > self._late_us):
            self.overflows += 1
        self._heard_us = self._read_us = now_us
        bits = self._line.read(self._pulses)
        if bits < 0:
            self.overflows += 1
            self._restart()
            return 0
        return self._take(out, bits)

    def self_test(self) -> bool:
        """Return whether it goes off and on, and the last code was not that of an open wire."""
        return self._restart() and _CODE_MIN < self._code < _CODE_MAX

    def stop(self) -> None:
        """Switch it off, and the load cell too where it feeds that."""
        self._line.rest(1)

    def _restart(self) -> bool:
        """Switch it off and on; return whether it is there or nobody is: data must be high."""
        self._line.rest(1)
        self._clock.sleep_us(_POWER_DOWN_US)
        self._line.rest(0)
        self._conversions.restart(self.spacing_us)
        self._heard_us = self._read_us = -1
        # It wakes with input A and gain 128; the first reading only chooses another.
        self._is_choosing = self._pulses != _PULSES[128]
        return self._line.data() == 1

    def _take(self, out: "array[int]", bits: int) -> int:
        """Write the code to out; what follows the 24 bits must be high."""
        trailing = (1 << self._pulses - _BITS) - 1
        if bits & trailing != trailing:
            raise self._held_low()
        if self._is_choosing:
            self._is_choosing = False
            self._conversions.restart(self.spacing_us)
            self._read_us = -1
            return 0
        self._code = (bits >> self._pulses - _BITS ^ 0x800000) - 0x800000
        out[0] = self._code >> self._shift
        return 1

    def _check_silence(self, now_us: int) -> None:
        if self._heard_us < 0:
            self._heard_us = now_us
        silent_max_us = (_SETTLING_SPACINGS + _SILENT_SPACINGS_MAX) * self.spacing_us
        if now_us - self._heard_us > silent_max_us:
            raise SensorError(self._name + ": nothing answers on the HX711's data wire.", _REMEDY)

    def _held_low(self) -> SensorError:
        return SensorError(self._name + ": the HX711's data wire is held low.", _REMEDY)
