"""Model of a submersible 4-20 mA pressure transducer on an ADS1115.

Signal: stage of the water above the datum in m. The transducer lies at the settings' zero_mm. Its
own error (0.25 % of full scale is a usual class) belongs to the piece.
"""

from typing import Any

from simulators.chips.ads1115 import Ads1115Chip
from simulators.chips.chip import Drifts
from simulators.signals.basic import STANDARD_GRAVITY, Scalar

ACCURACY_SHARE = 0.0025  # of full scale, the most
CURRENT_MA_MIN, CURRENT_MA_MAX = 3.8, 21.5  # where a transducer's electronics saturate


class PressureLevelChip(Ads1115Chip):
    """One transducer.

    options: as of an ads1115; "accuracy" False: exact. fault, besides an ads1115's: "open" (no
    current), "short" (supply on the signal wire: 24 mA). drift(): m a second.
    """

    options_known = ("wire", "accuracy")  # type: ignore[assignment]

    def attach(self, board: Any, settings: dict[str, Any]) -> None:
        """Wire it as the driver's settings say."""
        shunt_ohm = settings.get("shunt_mohm", 100_000) / 1000
        # The straight line of a displacement transducer that measures amperes: 1 uA a um.
        line = {"zero_uv": 0.0, "full_uv": 1e6 * shunt_ohm, "full_um": 1_000_000}
        super().attach(board, {**settings, **line})
        self.signal = LoopCurrent(self, self.signal, settings)

    def drift(self, per_second: "float | tuple[float, ...]", now_us: int) -> None:
        """The level wanders off from now on, by so many m a second."""
        self.signal.drift(per_second, now_us)


class LoopCurrent(Drifts):
    """The current of the loop in A. signal: the stage in m."""

    def __init__(self, chip: PressureLevelChip, stage: Scalar, settings: dict[str, Any]) -> None:
        self._chip = chip
        self.signal = stage
        self._zero_m = settings["zero_mm"] / 1000
        self._density_kg_m3 = settings.get("density_g_l", 1000)
        self._full_pa = settings["full_pa"]
        exact = chip.options.get("accuracy") is False
        self._error = 0.0 if exact else chip.random.uniform(-ACCURACY_SHARE, ACCURACY_SHARE)

    def sample(self, t_us: int) -> float:
        """Return the current at t_us."""
        if self._chip.fault in ("open", "short"):
            return 0.0 if self._chip.fault == "open" else 0.024
        depth_m = max(0.0, self.signal.sample(t_us) - self._zero_m)
        share = depth_m * self._density_kg_m3 * STANDARD_GRAVITY / self._full_pa + self._error
        current_ma: float = 4.0 + 16.0 * share
        return min(max(current_ma, CURRENT_MA_MIN), CURRENT_MA_MAX) / 1000
