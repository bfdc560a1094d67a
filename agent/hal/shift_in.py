"""Shifts bits in over two plain pins, for chips whose clock must never stay high for long.

One portable body of the face `board.shift_in`: a board gives it its pins and, where it can, what
keeps interrupts away, for a pulse that is stretched beyond 60 us switches such a chip off.
"""

from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_PULSE_US_MAX = const(50)


class ShiftIn:
    """The chip drives the data pin; the clock pin rests low."""

    def __init__(
        self,
        data: "Any",
        clock: "Any",
        now_us: "Callable[[], int]",
        *,
        hold: "Callable[[], Any] | None" = None,
        release: "Callable[[Any], Any] | None" = None,
    ) -> None:
        """data, clock: pins of the hardware port. now_us: a clock; it may wrap.

        hold, release: keep interrupts away, as machine.disable_irq and enable_irq do; without,
        pulses are measured all the same.
        """
        # Bound once: that costs heap, and a pulse is short.
        self._get_data = data.value
        self._set_clock = clock.set
        self._now_us = now_us
        self._hold = hold
        self._release = release

    def data(self) -> int:
        """Return the level of the data pin."""
        level: int = self._get_data()
        return level

    def rest(self, level: int) -> None:
        """Leave the clock pin at that level."""
        self._set_clock(level)

    def read(self, pulses: int) -> int:
        """Clock so many bits in (1..30), the first the highest; -1 if a pulse was over 50 us."""
        hold, release = self._hold, self._release
        if hold is None or release is None:
            return self._read(pulses)
        state = hold()
        try:
            return self._read(pulses)
        finally:
            release(state)

    def _read(self, pulses: int) -> int:
        set_clock, get_data, now_us = self._set_clock, self._get_data, self._now_us
        bits = 0
        longest_us = 0
        for _ in range(pulses):
            began_us = now_us()
            set_clock(1)
            bits = bits << 1 | get_data()
            set_clock(0)
            pulse_us = now_us() - began_us
            if pulse_us > longest_us:
                longest_us = pulse_us
        return bits if longest_us <= _PULSE_US_MAX else -1
