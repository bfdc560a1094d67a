"""Model of a capacitive soil moisture probe with a voltage output (such as DFRobot SEN0193)."""

import random
from typing import Any

from simulators.chips.chip import Drifts
from simulators.signals.basic import Scalar

DRY_U16, WET_U16 = 50_400, 25_200  # 2.54 V and 1.27 V of 3.3 V (SEN0193: 520 and 260 of 1023, 5 V)
NOISE_U16 = 60.0  # the ADC's 4 LSB at 12 bit


class SoilMoistureChip(Drifts):
    """The probe. signal: moisture 0..1.

    options: dry_u16, wet_u16 (default: as the driver's settings say, so a well calibrated probe),
    noise_u16. fault: None, "nack" (wire off: 0 V), "stuck_bus" (short to the supply: full scale),
    "stuck_value".
    """

    def __init__(
        self, clock: Any, signal: Scalar, seed: int = 0, options: dict[str, Any] | None = None
    ) -> None:
        self._clock = clock
        self.signal = signal
        self._dice = random.Random(seed)
        self._options = options or {}
        self._noise_u16 = self._options.get("noise_u16", NOISE_U16)
        self._dry_u16 = self._options.get("dry_u16", DRY_U16)
        self._wet_u16 = self._options.get("wet_u16", WET_U16)
        self.fault: str | None = None
        self._voltage_u16: int = self._dry_u16

    def attach(self, board: Any, settings: dict[str, Any]) -> None:
        """Wire it to the analogue input of the driver's settings."""
        self._dry_u16 = self._options.get("dry_u16", settings.get("dry_u16", DRY_U16))
        self._wet_u16 = self._options.get("wet_u16", settings.get("wet_u16", WET_U16))
        board.adcs[settings["adc"]] = self

    def power_on(self, now_us: int) -> None:
        """It has no state."""

    def value_u16(self, now_us: int) -> int:
        """Return its voltage as the ADC reads it, 0..65535."""
        if self.fault == "nack":
            return 0
        if self.fault == "stuck_bus":
            return 0xFFFF
        if self.fault != "stuck_value":
            moisture = self.signal.sample(now_us)
            ideal_u16 = self._dry_u16 + moisture * (self._wet_u16 - self._dry_u16)
            noise_u16 = self._dice.gauss(0.0, self._noise_u16) if self._noise_u16 else 0.0
            self._voltage_u16 = min(max(round(ideal_u16 + noise_u16), 0), 0xFFFF)
        return self._voltage_u16
