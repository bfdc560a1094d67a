"""A yes or no on a pin: motion detector, door contact, emergency button.

There is a reading at the start and at each change, none between.
"""

from agent.drivers.state_input import Contact, StateInput
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DEBOUNCE_MS = const(20)


class DigitalInput(StateInput):
    """One input: 1 (active) or 0.

    settings: pin (number), active ("high" or "low": the level that means 1; default "high"),
    pull ("up", "down", "none"; default against the active level), debounce_ms (default 20).
    """

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        """ValueError: active is neither "high" nor "low"."""
        super().__init__(settings, _DEBOUNCE_MS)
        self._contact = Contact(board, settings)

    def _open(self) -> bool:
        is_woken: bool = self._contact.open()
        return is_woken

    def _state(self) -> int:
        return self._contact.state()
