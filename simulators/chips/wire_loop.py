"""Model of a wire loop: pulled up, closed to ground at its far end; see agent.drivers.wire_loop.

Signal: 1.0 while the wire is torn. The pull-up and the end-of-line resistor (of 1 % each) make a
divider; a wet joint beside the line leaks to ground.
"""

from typing import Any

from simulators.chips.chip import Chip

PULL_UP_OHM = 10_000.0
RESISTOR_TOLERANCE = 0.01
NOISE_U16 = 60.0  # the converter's 4 LSB at 12 bit
LEAK_OPEN_OHM = 1e9


class WireLoopChip(Chip):
    """One loop.

    options: leak_ohm (beside the line; default none), end_ohm (default: what makes the
    driver's intact_u16). fault: None, "cut", "signal_cut" (at the board), "short", "stuck_value",
    "drift" (the far resistor has grown by a fifth).
    """

    options_known = ("leak_ohm", "end_ohm")

    def attach(self, board: Any, settings: dict[str, Any]) -> None:
        """Wire it to settings "adc" (supervised) or "pin" (plain)."""
        intact = settings.get("intact_u16", 32_768) / 65_535
        nominal_ohm = self.options.get("end_ohm", PULL_UP_OHM * intact / (1 - intact))
        self._end_ohm = nominal_ohm * self._tolerance()
        self._pull_up_ohm = PULL_UP_OHM * self._tolerance()
        if "adc" in settings:
            board.adcs[settings["adc"]] = self
        else:
            self._end_ohm = 0.0
            board.pins[settings["pin"]] = self

    def power_on(self, now_us: int) -> None:
        """It has no state, but for the value that is stuck."""
        self._share = 0.0

    def value(self, now_us: int) -> int:
        """Return the level of the pin."""
        return 1 if self._look(now_us) > 0.5 else 0

    def value_u16(self, now_us: int) -> int:
        """Return the voltage as the converter reads it, 0..65535."""
        return min(max(round(self._look(now_us) * 65_535 + self.noise(NOISE_U16)), 0), 65_535)

    def _look(self, now_us: int) -> float:
        """Return the voltage at the board as a share of full scale."""
        if self.fault != "stuck_value":
            self._share = self._divide(now_us)
        return self._share

    def _divide(self, now_us: int) -> float:
        if self.fault == "signal_cut":
            return 1.0
        if self.fault == "short":
            return 0.0
        is_torn = self.fault == "cut" or self.signal.sample(now_us) >= 0.5
        grown = 1.2 if self.fault == "drift" else 1.0
        end_ohm = LEAK_OPEN_OHM if is_torn else self._end_ohm * grown
        leak_ohm = self.options.get("leak_ohm", LEAK_OPEN_OHM)
        to_ground_ohm = end_ohm * leak_ohm / (end_ohm + leak_ohm)
        return float(to_ground_ohm / (to_ground_ohm + self._pull_up_ohm))

    def _tolerance(self) -> float:
        return self.random.uniform(1 - RESISTOR_TOLERANCE, 1 + RESISTOR_TOLERANCE)
