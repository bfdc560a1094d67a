"""Water level from a submersible pressure transducer with a 4-20 mA loop, through an ADS1115.

The loop's current over a shunt is a voltage: 4 mA at no pressure, 20 mA at the transducer's full
scale. The weight of the water above it tells the depth: pressure = density * gravity * depth, and
level = height of the transducer above the datum + depth. The transducer must be vented to the air
through its cable, or the weather shows as up to half a metre.

A current of 3.6 mA and less, or 21 mA and more, is a failure (NAMUR NE 43): broken wire, flooded
plug, transducer at its limit.
"""

from agent.drivers.ads1115 import Ads1115
from agent.drivers.errors import SensorError
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any

# Standard gravity in um/s2, by definition (CGPM 1901); Japan's own is within 0.15 % of it.
_GRAVITY_UM_S2 = const(9_806_650)
_BROKEN_UA = const(3_600)
_ZERO_UA = const(4_000)
_FULL_UA = const(20_000)
_FAILED_UA = const(21_000)


class PressureLevel(Ads1115):
    """One transducer on one input against ground.

    settings: those of the ads1115 but zero_uv, full_uv, full_um and broken_below_uv; in their
    place full_pa (pressure at 20 mA), zero_mm (height of the transducer above the datum; may be
    negative), shunt_mohm (milliohms; default 100000: 0.4..2 V), density_g_l (grams a litre;
    default 1000; sea water 1025).
    """

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        """ValueError: 21 mA over the shunt are more than range_mv."""
        self._shunt_mohm = settings.get("shunt_mohm", 100_000)
        if self._voltage_uv(_FAILED_UA) > settings.get("range_mv", 4096) * 1000:
            raise ValueError("21 mA over shunt_mohm is more than range_mv")
        super().__init__(board, self._as_displacement(settings))
        self._failed_above = self._code_of(self._voltage_uv(_FAILED_UA)) - self._zero
        # Counted in the converter's steps: a tenth of a millimetre of error at most.
        _, _, exponent, multiplier = self.channels[0]
        step = multiplier * 10 ** (exponent + 15)  # 1e-15 m
        offset = (settings["zero_mm"] * 10**12 + step // 2) // step
        self._zero -= offset
        self._failed_above += offset

    def read(self, out: "array[int]", now_us: int) -> int:
        """Write the level when a sample is due; SensorError for a current that is none."""
        count = super().read(out, now_us)
        if count and out[0] >= self._failed_above:
            raise SensorError(
                self._registers.name + ": the transducer's current is over 21 mA.",
                "Check its cable for a short or water, and that the water is within its range.",
            )
        return count

    def _broken(self) -> SensorError:
        return SensorError(
            self._registers.name + ": the transducer's current is under 3.6 mA.",
            "Check the transducer's cable and its supply.",
        )

    def _as_displacement(self, settings: "dict[str, Any]") -> "dict[str, Any]":
        row = dict(settings)
        density_g_l = settings.get("density_g_l", 1000)
        # Pa over kg/m3 times um/s2 is 1e6 m: in um, 12 more digits.
        row["full_um"] = settings["full_pa"] * 10**12 // (density_g_l * _GRAVITY_UM_S2)
        row["zero_uv"] = self._voltage_uv(_ZERO_UA)
        row["full_uv"] = self._voltage_uv(_FULL_UA)
        row["broken_below_uv"] = self._voltage_uv(_BROKEN_UA)
        return row

    def _voltage_uv(self, current_ua: int) -> int:
        voltage_uv: int = current_ua * self._shunt_mohm // 1000
        return voltage_uv
