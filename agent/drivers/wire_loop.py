"""A wire across a slope or a fence, which a slide or a falling rock tears.

Supervised (setting `adc`): the board pulls the line up through a resistor to the converter's full
scale, and a resistor of the same value closes it to ground at its far end. Intact, the converter
reads the middle; a cut anywhere, the signal line to the board included, lets it rise to full
scale; a short pulls it to 0. EN 50131-1 calls this an end-of-line resistor. The line between two
states is drawn in the middle between them, so either resistor may drift by tens of percent.

Plain (setting `pin`): the loop closes the pin to ground. Cut and signal line cut read 1; a short
cannot be told from an intact loop.

Readings: 0 intact, 1 cut, 2 short.
"""

from agent.drivers.state_input import Contact, StateInput, Voltage
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

INTACT = const(0)
CUT = const(1)
SHORT = const(2)

_DEBOUNCE_MS = const(100)
_INTACT_U16 = const(32_768)
_FULL_U16 = const(65_535)


class WireLoop(StateInput):
    """One loop.

    settings: either adc (number; supervised) or pin (number; plain); intact_u16 (what the
    converter reads of the intact loop; default 32768), debounce_ms (default 100).
    """

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        """ValueError: not just one of adc and pin, or an intact_u16 near a rail."""
        super().__init__(settings, _DEBOUNCE_MS)
        if ("adc" in settings) == ("pin" in settings):
            raise ValueError("a wire loop has either adc or pin")
        intact_u16 = settings.get("intact_u16", _INTACT_U16)
        if not _FULL_U16 // 4 <= intact_u16 <= _FULL_U16 * 3 // 4:
            raise ValueError("intact_u16 must be 16383..49151, not " + str(intact_u16))
        self._short_below = intact_u16 // 2
        self._cut_above = (intact_u16 + _FULL_U16) // 2
        self._is_supervised = "adc" in settings
        self._input: Any = None
        if self._is_supervised:
            self._input = Voltage(board, settings["adc"])
        else:
            self._input = Contact(board, {"pin": settings["pin"], "pull": "up"})

    def self_test(self) -> bool:
        """Return whether the loop is intact."""
        return self._state() == INTACT

    def _open(self) -> bool:
        is_woken: bool = self._input.open()
        return is_woken

    def _state(self) -> int:
        if not self._is_supervised:
            level: int = self._input.state()
            return CUT if level else INTACT
        voltage_u16 = self._input.u16()
        if voltage_u16 < self._short_below:
            return SHORT
        return CUT if voltage_u16 > self._cut_above else INTACT
