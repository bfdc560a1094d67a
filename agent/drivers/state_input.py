"""What drivers of a state share: a small number that is read at the start and at each change.

Contacts bounce and lines crackle for milliseconds, so a new state counts once it has held for
`debounce_ms`. The first state counts at once.

Where the board wakes the agent at an edge (board.wake_at), whoever reads need only look now and
then while nothing happens, but often while `is_settling` says that a change waits to have held.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any

_UNKNOWN = -1
_POLL_US_MIN = 1000
_POLL_US_WOKEN = 250_000  # between edges, in case that one was lost


class StateInput:
    """One state of a thing; a subclass says how to open it and what `_state()` is."""

    channels = (("", "1", 0, 1),)
    samples_max = 1
    spacing_us = 0
    overflows = 0

    def __init__(self, settings: "dict[str, Any]", debounce_ms: int) -> None:
        """debounce_ms: where the settings say none."""
        self._name = settings["name"]
        self._debounce_us = settings.get("debounce_ms", debounce_ms) * 1000
        self._quick_us = self.poll_us = max(_POLL_US_MIN, self._debounce_us // 2)
        self._rest_us = self._quick_us
        self.is_settling = False
        self._settled = _UNKNOWN
        self._candidate = _UNKNOWN
        self._since_us = 0

    def start(self) -> None:
        """Open the input; SensorError where it can be told to be broken."""
        is_woken = self._open()
        self._rest_us = max(self._quick_us, _POLL_US_WOKEN) if is_woken else self._quick_us
        self.poll_us = self._quick_us
        self._settled = _UNKNOWN
        self._candidate = _UNKNOWN

    def read(self, out: "array[int]", now_us: int) -> int:
        """Write the state at the first call and when the settled state has changed."""
        state = self._state()
        if state != self._candidate:
            self._candidate = state
            self._since_us = now_us
        has_held = now_us - self._since_us >= self._debounce_us
        is_news = state != self._settled and (has_held or self._settled == _UNKNOWN)
        if is_news:
            self._settled = state
            out[0] = state
        self.is_settling = state != self._settled
        self.poll_us = self._quick_us if self.is_settling else self._rest_us
        return 1 if is_news else 0

    def self_test(self) -> bool:
        """Return True: at rest, a sound input and a broken one look the same."""
        return True

    def stop(self) -> None:
        """Nothing to do."""

    def _open(self) -> bool:
        """Open the input; return whether its changes wake the agent."""
        raise NotImplementedError

    def _state(self) -> int:
        """Return the state now, 0 or more."""
        raise NotImplementedError


class Contact:
    """A contact on the pin of the settings: pin, active, pull."""

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        """ValueError: active is neither "high" nor "low"."""
        self._board = board
        self._number = settings["pin"]
        active = settings.get("active", "high")
        if active not in ("high", "low"):
            raise ValueError('active must be "high" or "low", not ' + repr(active))
        self._active_level = 1 if active == "high" else 0
        self._pull = settings.get("pull", "down" if self._active_level else "up")
        self._pin: Any = None

    def open(self) -> bool:
        """Open the pin; return whether its edges wake the agent.

        What hangs on it cannot be told from an open wire.
        """
        self._pin = self._board.pin(self._number, "in", self._pull)
        is_woken: bool = self._board.wake_at(self._number, self._pull)
        return is_woken

    def state(self) -> int:
        """Return 1 where the level is the active one, else 0."""
        return 1 if self._pin.value() == self._active_level else 0


class Voltage:
    """The analogue input of that number, averaged: its noise is several LSB at 12 bit."""

    CONVERSIONS = 16

    def __init__(self, board: "Any", number: int) -> None:
        self._board = board
        self._number = number
        self._adc: Any = None

    def open(self) -> bool:
        """Open the input; return False: no change of a voltage wakes anybody."""
        self._adc = self._board.adc(self._number)
        return False

    def u16(self) -> int:
        """Return the mean of some conversions, 0..65535 of full scale."""
        total: int = 0
        for _ in range(self.CONVERSIONS):
            total += self._adc.read_u16()
        return total // self.CONVERSIONS
