"""Soil moisture from a capacitive probe with a voltage output (such as DFRobot SEN0193).

The wetter the soil, the lower the voltage; two points tell the rest: the reading in dry air
(`dry_u16`) and in water (`wet_u16`). Between them the moisture is taken as a straight line.
"""

from agent.drivers.errors import SensorError
from agent.drivers.pace import Pace, spacing_of_rate
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any

_ONE = const(10_000)  # full moisture in units of 1e-4
# A probe in soil stays between its two points; this far outside (1e-4) it is no reading at all.
_OUTSIDE_MAX = const(1_500)
_CONVERSIONS = const(16)  # averaged: the ADC's noise is several LSB at 12 bit
_SPAN_U16_MIN = const(1_000)
_RATE_MHZ_MAX = const(10_000)


class SoilMoisture:
    """One probe on one analogue input.

    settings: adc (number), dry_u16, wet_u16 (0..65535), every_ms (spacing of the samples;
    default 60000).
    """

    channels = (("", "1", -4, 1),)
    samples_max = 1

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        self._board = board
        self._name = settings["name"]
        self._adc_number = settings["adc"]
        self._dry_u16 = settings["dry_u16"]
        self._wet_u16 = settings["wet_u16"]
        self._pace = Pace(settings.get("every_ms", 60_000) * 1000)
        self.spacing_us = self.poll_us = self._pace.spacing_us
        self._adc: Any = None
        self.overflows = 0

    def start(self) -> None:
        """Open the input; SensorError when the calibration cannot be one or no probe is there."""
        if abs(self._dry_u16 - self._wet_u16) < _SPAN_U16_MIN:
            raise SensorError(
                self._name + ": dry_u16 and wet_u16 are almost the same.",
                "Calibrate the probe: note its reading in dry air and in water.",
            )
        self._adc = self._board.adc(self._adc_number)
        self._pace.restart(self.spacing_us)
        self._moisture()

    def read(self, out: "array[int]", now_us: int) -> int:
        """Write the moisture in 1e-4, 0..10000, when one is due; SensorError without a probe."""
        if not self._pace.is_due(now_us):
            return 0
        out[0] = self._moisture()
        if self._pace.take(now_us):
            self.overflows += 1
        return 1

    def self_test(self) -> bool:
        """Return whether the probe's voltage is one that soil can make."""
        try:
            self._moisture()
        except SensorError:
            return False
        return True

    def set_rate(self, rate_mhz: int) -> None:
        """Change the spacing of the samples, from the next on; ValueError outside 1..10000 mHz."""
        self.spacing_us = self.poll_us = spacing_of_rate(rate_mhz, _RATE_MHZ_MAX)
        self._pace.restart(self.spacing_us)

    def stop(self) -> None:
        """Nothing to do: the probe has no sleep."""

    def _moisture(self) -> int:
        voltage_u16: int = 0
        for _ in range(_CONVERSIONS):
            voltage_u16 += self._adc.read_u16()
        voltage_u16 //= _CONVERSIONS
        span_u16: int = self._dry_u16 - self._wet_u16
        moisture: int = (self._dry_u16 - voltage_u16) * _ONE // span_u16
        if not -_OUTSIDE_MAX <= moisture <= _ONE + _OUTSIDE_MAX:
            raise SensorError(
                self._name + ": " + str(voltage_u16) + " is far outside of dry_u16 and wet_u16.",
                "Check the probe's three wires on ADC "
                + str(self._adc_number)
                + ", or calibrate it anew.",
            )
        return min(max(moisture, 0), _ONE)
