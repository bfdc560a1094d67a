"""A pressure mat in a bed, on a chair or before a door: is somebody on it?

A resistive mat (setting `adc`) changes the voltage of a divider; one that lies near the threshold
would chatter, so there are two: occupied from `on_u16`, free from `off_u16`, in whichever
direction the divider is wired. A mat with a contact (setting `pin`) is a yes or no.

Readings: 1 occupied, 0 free, at the start and at each change.
"""

from agent.drivers.errors import SensorError
from agent.drivers.state_input import Contact, StateInput, Voltage
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Someone who turns over leaves the mat for a moment.
_DEBOUNCE_MS = const(500)
_GAP_U16_MIN = const(500)  # several times the noise of the boards' converters


class PressureMat(StateInput):
    """One mat.

    settings: either adc (number), on_u16 and off_u16 (0..65535); or pin (number), active, pull as
    of a digital input. open_above_u16 (a higher voltage means a broken wire; default: none does),
    debounce_ms (default 500).
    """

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        """ValueError: not just one of adc and pin, or thresholds without a gap."""
        super().__init__(settings, _DEBOUNCE_MS)
        if ("adc" in settings) == ("pin" in settings):
            raise ValueError("a pressure mat has either adc or pin")
        self._is_analogue = "adc" in settings
        self._is_occupied = False
        self._input: Any = None
        if self._is_analogue:
            self._input = Voltage(board, settings["adc"])
            self._take_thresholds(settings)
        else:
            self._input = Contact(board, settings)

    def self_test(self) -> bool:
        """Return whether the wire is whole, as far as can be told."""
        try:
            self._state()
        except SensorError:
            return False
        return True

    def _take_thresholds(self, settings: "dict[str, Any]") -> None:
        on_u16, off_u16 = settings.get("on_u16", 0), settings.get("off_u16", 0)
        if abs(on_u16 - off_u16) < _GAP_U16_MIN:
            raise ValueError("on_u16 and off_u16 must be 500 or more apart")
        self._sign = 1 if on_u16 > off_u16 else -1
        self._on = on_u16 * self._sign
        self._off = off_u16 * self._sign
        self._open_above_u16 = settings.get("open_above_u16", 0xFFFF)

    def _open(self) -> bool:
        self._is_occupied = False
        is_woken: bool = self._input.open()
        if self._is_analogue:
            # Between the thresholds nothing was said yet: more likely somebody is there.
            self._is_occupied = self._voltage() > self._off
        return is_woken

    def _state(self) -> int:
        if not self._is_analogue:
            state: int = self._input.state()
            return state
        voltage = self._voltage()
        if voltage >= self._on:
            self._is_occupied = True
        elif voltage <= self._off:
            self._is_occupied = False
        return 1 if self._is_occupied else 0

    def _voltage(self) -> int:
        """Return the voltage, turned so that more means occupied."""
        voltage_u16: int = self._input.u16()
        if voltage_u16 > self._open_above_u16:
            raise SensorError(
                self._name + ": the mat's wire is broken.",
                "Check the mat's cable and its plug.",
            )
        return voltage_u16 * self._sign
