"""Model of a tipping bucket gauge with a reed contact to ground.

Signal: depth of rain in m since the world began, never falling. A bucket tips when it is full; the
contact closes for CLOSED_US and bounces for BOUNCE_US when it closes and when it opens. Without
power it tips on, uncounted. Not modelled: the rain that is lost while a bucket swings.
"""

from typing import Any

from simulators.chips.chip import Chip

CLOSED_US = 100_000
BOUNCE_US = 2_000
BOUNCES_MAX = 4
ACCURACY_SHARE = 0.03  # of one tip: a usual class of gauges
CHATTER_US = 400_000  # between the false edges of a loose wire: "garbage"
EXACT_US = 1_000


class TippingBucketChip(Chip):
    """One gauge.

    fault: None, "nack" (wire off), "stuck_value" (clogged), "garbage" (a loose wire makes edges of
    its own).
    """

    def attach(self, board: Any, settings: dict[str, Any]) -> None:
        """Wire it to settings "pin"."""
        accuracy = self.piece_error(ACCURACY_SHARE / 2, ACCURACY_SHARE)
        self._tip_m = settings.get("tip_um", 500) * 1e-6 * (1 + accuracy)
        board.pins[settings["pin"]] = self

    def power_on(self, now_us: int) -> None:
        """Nobody has looked before now."""
        self._seen_us = now_us
        self._late: list[int] = []  # edges of bounces that are still to come

    def value(self, now_us: int) -> int:
        """Return the level of the pin: 0 while the contact is closed."""
        closed = self._tips(now_us - CLOSED_US) != self._tips(now_us) and self.fault is None
        return 0 if closed else 1

    def edges(self, now_us: int) -> list[int]:
        """Return the times of the falling edges since the last call."""
        since_us, self._seen_us = self._seen_us, now_us
        made = self._late
        if self.fault == "garbage":
            made += range(since_us + 1, now_us + 1, CHATTER_US)
        elif self.fault is None:
            for tip_us in self._tip_times(since_us, now_us):
                made += self._contact(tip_us)
        self._late = sorted(edge_us for edge_us in made if edge_us > now_us)
        return sorted(edge_us for edge_us in made if edge_us <= now_us)

    def _contact(self, tip_us: int) -> list[int]:
        """Return the falling edges of one tip."""
        opens_us = tip_us + CLOSED_US
        bounces = [
            start_us + self.random.randrange(1, BOUNCE_US)
            for start_us in (tip_us, opens_us)
            for _ in range(self.random.randint(0, BOUNCES_MAX) if self.has_noise else 0)
        ]
        return [tip_us, *bounces]

    def _tips(self, t_us: int) -> int:
        return int(self.signal.sample(t_us) / self._tip_m)

    def _tip_times(self, since_us: int, until_us: int) -> list[int]:
        """Return when the tips in since_us < t <= until_us happen, to EXACT_US."""
        tips = self._tips(until_us) - self._tips(since_us)
        if tips == 0:
            return []
        if until_us - since_us <= EXACT_US:
            return [until_us] * tips
        middle_us = (since_us + until_us) // 2
        return self._tip_times(since_us, middle_us) + self._tip_times(middle_us, until_us)
