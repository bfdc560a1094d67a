"""Which conversions were lost, of a chip that keeps only its newest and says when it is fresh.

A chip's oscillator is off by percents, so that counting by the clock cannot be exact. Where it is
in doubt whether a conversion was lost, it counts as lost: a gap too many, but never a silent one.
"""

from protocols.portable import const

_RATE_ERROR_MAX_PERCENT = const(15)


class Conversions:
    """Follows the polls of one chip; every spacing / 2 or faster, nothing is ever in doubt."""

    def __init__(self, spacing_us: int) -> None:
        self.restart(spacing_us)

    def restart(self, spacing_us: int) -> None:
        """Begin anew: what came before is nobody's loss."""
        self._shortest_us = spacing_us * (100 - _RATE_ERROR_MAX_PERCENT) // 100
        self._polled_us = -1  # the last poll
        self._earliest_us = -1  # the last conversion that was seen is younger than this

    def is_loss(self, now_us: int, *, is_fresh: bool) -> bool:
        """Note a poll; return whether conversions before the fresh one may have been lost."""
        before_us = self._polled_us
        self._polled_us = now_us
        if not is_fresh:
            return False
        earliest_us = self._earliest_us
        self._earliest_us = before_us
        if earliest_us < 0 or now_us - before_us < self._shortest_us:
            return False
        return now_us - earliest_us >= 2 * self._shortest_us
