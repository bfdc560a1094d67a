"""When a slow sensor owes its next sample: a grid of even spacing that never drifts."""

from protocols.portable import const

# A scheduler that means to poll on the dot may wake a little early.
_EARLY_US_MAX = const(20_000)


class Pace:
    """Says at which polls to sample. One may come early by 20 ms or a quarter of the spacing."""

    def __init__(self, spacing_us: int) -> None:
        """spacing_us: 1 or more."""
        self.restart(spacing_us)

    def restart(self, spacing_us: int) -> None:
        """Begin a new grid at the next poll."""
        self.spacing_us = spacing_us
        self._early_us = min(spacing_us // 4, _EARLY_US_MAX)
        self._next_us: int | None = None

    def is_due(self, now_us: int) -> bool:
        """Return whether a sample is due now."""
        return self._next_us is None or now_us + self._early_us >= self._next_us

    def take(self, now_us: int) -> int:
        """Note that the sample that is due was taken; return how many before it were missed."""
        due_us = now_us if self._next_us is None else self._next_us
        missed = (now_us + self._early_us - due_us) // self.spacing_us
        self._next_us = due_us + (missed + 1) * self.spacing_us
        return missed


def spacing_of_rate(rate_mhz: int, rate_mhz_max: int) -> int:
    """Return the spacing in us of a rate in millihertz; ValueError outside of 1..rate_mhz_max."""
    if not 1 <= rate_mhz <= rate_mhz_max:
        raise ValueError("rate_mhz must be 1.." + str(rate_mhz_max) + ", not " + str(rate_mhz))
    return 1_000_000_000 // rate_mhz
