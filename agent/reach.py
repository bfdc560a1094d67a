"""When a network that stays silent is started anew, and when the whole board is.

A Wi-Fi chip may say that it is connected for weeks while no packet passes. Only an answer of the
hub, or of its machine (a connection that came about, or was refused), proves that the way is open:
a hub that hangs or knows no such device is not cured from here. So the interface is
started anew NETWORK_US after the last such proof, then after twice that, up to NETWORK_US_MAX: the
hub may be what is missing. After RESTART_US the board itself is, in good order.
"""

from protocols.portable import const

NETWORK_US = const(90_000_000)
NETWORK_US_MAX = const(3_600_000_000)
RESTART_US = const(21_600_000_000)

NOTHING = const(0)
NETWORK = const(1)
RESTART = const(2)


class Reach:
    """now_us: of the start."""

    def __init__(self, now_us: int) -> None:
        self.network_resets_count = 0
        self.heard(now_us)

    def heard(self, now_us: int) -> None:
        """The way is open."""
        self._open_us = now_us
        self._wait_us = NETWORK_US
        self._due_us = now_us + NETWORK_US

    def failed(self, now_us: int) -> int:
        """An attempt failed; return what to start anew: NOTHING, NETWORK or RESTART."""
        if now_us - self._open_us >= RESTART_US:
            return RESTART
        if now_us < self._due_us:
            return NOTHING
        self._wait_us = min(2 * self._wait_us, NETWORK_US_MAX)
        self._due_us = now_us + self._wait_us
        self.network_resets_count += 1
        return NETWORK
