"""A yes or no on a pin: motion detector, door contact, emergency button.

Contacts bounce for milliseconds, so a new level counts once it has held for `debounce_ms`. There
is a reading at the start and at each change, none between.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any

_UNKNOWN = -1


class DigitalInput:
    """One input.

    settings: pin (number), active ("high" or "low": the level that means 1; default "high"),
    pull ("up", "down", "none"; default against the active level), debounce_ms (default 20).
    """

    channels = (("", "1", 0, 1),)
    samples_max = 1
    spacing_us = 0
    overflows = 0

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        """ValueError: active is neither "high" nor "low"."""
        self._board = board
        self._pin_number = settings["pin"]
        active = settings.get("active", "high")
        if active not in ("high", "low"):
            raise ValueError('active must be "high" or "low", not ' + repr(active))
        self._active_level = 1 if active == "high" else 0
        self._pull = settings.get("pull", "down" if self._active_level else "up")
        self._debounce_us = settings.get("debounce_ms", 20) * 1000
        self.poll_us = max(1000, self._debounce_us // 2)
        self._pin: Any = None
        self._settled = _UNKNOWN
        self._candidate = _UNKNOWN
        self._since_us = 0

    def start(self) -> None:
        """Open the pin. What hangs on it cannot be told from an open wire."""
        self._pin = self._board.pin(self._pin_number, "in", self._pull)
        self._settled = _UNKNOWN
        self._candidate = _UNKNOWN

    def read(self, out: "array[int]", now_us: int) -> int:
        """Write 1 (active) or 0 at the first call and when the settled state has changed."""
        state = self._state()
        if state != self._candidate:
            self._candidate = state
            self._since_us = now_us
        is_settled = now_us - self._since_us >= self._debounce_us
        if state == self._settled or not (is_settled or self._settled == _UNKNOWN):
            return 0
        self._settled = state
        out[0] = state
        return 1

    def self_test(self) -> bool:
        """Return True: a contact at rest and a broken wire look the same."""
        return True

    def stop(self) -> None:
        """Nothing to do."""

    def _state(self) -> int:
        return 1 if self._pin.value() == self._active_level else 0
