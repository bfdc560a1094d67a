"""Model of a pressure mat: force-sensitive (a divider on an analogue input) or a plain contact.

Signal: 1.0 while somebody is on it. A force-sensitive mat conducts in proportion to the load
(Interlink FSR Integration Guide: conductance is about linear in force), and its reading creeps by
some percent under a lasting load; a body that breathes and turns moves it too.
"""

from typing import Any

from simulators.chips.chip import Chip

NOISE_U16 = 60.0
MOVING_SHARE = 0.05  # of the loaded voltage, by breathing and turning


class PressureMatChip(Chip):
    """One mat.

    options: free_u16, loaded_u16 (default: as far outside of the driver's thresholds as these are
    apart). fault: None, "nack" (wire off: the voltage of the free mat's rail), "stuck_value",
    "drift" (the loaded voltage comes a quarter of the way back).
    """

    options_known = ("free_u16", "loaded_u16")

    def attach(self, board: Any, settings: dict[str, Any]) -> None:
        """Wire it to settings "adc" or "pin"."""
        if "pin" in settings:
            self._active_level = 0 if settings.get("active") == "low" else 1
            board.pins[settings["pin"]] = self
            return
        on_u16, off_u16 = settings["on_u16"], settings["off_u16"]
        gap_u16 = on_u16 - off_u16
        self._free_u16 = self.options.get("free_u16", off_u16 - gap_u16)
        self._loaded_u16 = self.options.get("loaded_u16", on_u16 + gap_u16)
        board.adcs[settings["adc"]] = self

    def power_on(self, now_us: int) -> None:
        """It has no state, but for the value that is stuck."""
        self._is_on = False
        self._voltage_u16 = 0

    def value(self, now_us: int) -> int:
        """Return the level of the pin."""
        if self.fault == "nack":
            return 1 - self._active_level
        if self.fault != "stuck_value":
            self._is_on = self.signal.sample(now_us) >= 0.5
        return self._active_level if self._is_on else 1 - self._active_level

    def value_u16(self, now_us: int) -> int:
        """Return the voltage as the converter reads it, 0..65535."""
        if self.fault == "nack":
            return 0xFFFF if self._free_u16 > self._loaded_u16 else 0
        if self.fault != "stuck_value":
            self._voltage_u16 = self._measure(now_us)
        return self._voltage_u16

    def _measure(self, now_us: int) -> int:
        voltage_u16: float = self._free_u16
        if self.signal.sample(now_us) >= 0.5:
            span_u16 = self._loaded_u16 - self._free_u16
            share = 0.75 if self.fault == "drift" else 1.0
            voltage_u16 += span_u16 * (share + self._stir())
        return min(max(round(voltage_u16 + self.noise(NOISE_U16)), 0), 0xFFFF)

    def _stir(self) -> float:
        return self.random.uniform(-MOVING_SHARE, MOVING_SHARE) if self.has_noise else 0.0
