"""Model of what hangs on a digital input: motion detector, door contact, emergency button.

A detector of the HC-SR501 kind holds its output for `hold_us` after the last motion (its
potentiometer: 0.3..200 s) and then sees nothing for `block_us` (2.5 s). A contact has neither, but
it bounces for `bounce_us` at each change.
"""

import random
from typing import Any

from simulators.signals.basic import Scalar

BOUNCE_US = 5_000
LONG_AGO_US = -(1 << 62)


class DigitalInputChip:
    """The contact. signal: 1.0 while active, else 0.0; it is looked at when the pin is read.

    options: hold_us (default 0), block_us (0), bounce_us (5000). fault: None, "nack" (wire
    off: the inactive level), "stuck_value".
    """

    def __init__(
        self, clock: Any, signal: Scalar, seed: int = 0, options: dict[str, Any] | None = None
    ) -> None:
        self._clock = clock
        self._signal = signal
        self._dice = random.Random(seed)
        options = options or {}
        self._hold_us = options.get("hold_us", 0)
        self._block_us = options.get("block_us", 0)
        self._bounce_us = options.get("bounce_us", BOUNCE_US)
        self._active_level = 1
        self.fault: str | None = None
        self.power_on(clock.now_us())

    def attach(self, board: Any, settings: dict[str, Any]) -> None:
        """Wire it to the pin of the driver's settings, with that active level."""
        self._active_level = 0 if settings.get("active") == "low" else 1
        board.pins[settings["pin"]] = self

    def power_on(self, now_us: int) -> None:
        """Come up inactive."""
        self._is_active = False
        self._triggered_us = LONG_AGO_US
        self._changed_us = LONG_AGO_US

    def value(self, now_us: int) -> int:
        """Return the level of the pin, 0 or 1."""
        if self.fault == "nack":
            return 1 - self._active_level
        if self.fault != "stuck_value":
            self._advance(now_us)
        is_active = self._is_active
        if now_us - self._changed_us < self._bounce_us and self.fault is None:
            is_active = self._dice.random() < 0.5
        return self._active_level if is_active else 1 - self._active_level

    def _advance(self, now_us: int) -> None:
        is_blocked = not self._is_active and now_us - self._changed_us < self._block_us
        if self._signal.sample(now_us) >= 0.5 and not is_blocked:
            self._triggered_us = now_us
        is_active = 0 <= now_us - self._triggered_us <= self._hold_us
        if is_active != self._is_active:
            self._is_active = is_active
            self._changed_us = now_us
