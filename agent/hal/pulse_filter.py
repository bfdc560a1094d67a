"""Which falling edges of a bouncing contact count: those that come late enough after the last."""


class PulseFilter:
    """count: the edges that counted so far. Allocates nothing: an interrupt may call it."""

    def __init__(self, debounce_us: int) -> None:
        self._debounce_us = debounce_us
        self.count = 0

    def see(self, since_us: int) -> None:
        """Take an edge, since_us after the one before it; a negative number: long after.

        An edge sooner than debounce_us after the one before it, counted or not, is a bounce.
        """
        if not 0 <= since_us < self._debounce_us:
            self.count += 1
