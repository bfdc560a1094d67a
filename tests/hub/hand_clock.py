"""A hub's clocks that move by hand: implements hub.clock.Clock."""

from hub.timekeeping import MADE_UTC_US

S = 1_000_000
START_UTC_US = MADE_UTC_US + 30 * 24 * 3600 * S


class HandClock:
    """Monotonic time and, apart from it, what UTC is taken for; both in us."""

    def __init__(self, now_us: int = 1000 * S, *, run: str = "run-1") -> None:
        self._now_us = now_us
        self.true_offset_us = START_UTC_US - now_us
        self.error_us = 0
        self.synchronised = False
        self.machine_run = run

    def advance(self, span_us: int) -> None:
        """Let time pass on both."""
        self._now_us += span_us

    def set_to(self, utc_us: int) -> None:
        """Set UTC, as `date -s` does."""
        self.error_us = utc_us - self._now_us - self.true_offset_us

    def restart_machine(self) -> None:
        """Begin another run of the monotonic clock; UTC goes on."""
        self.true_offset_us += self._now_us
        self._now_us = 0
        self.machine_run += "'"

    def true_utc_us(self) -> int:
        """Return what UTC really is."""
        return self._now_us + self.true_offset_us

    def now_us(self) -> int:
        """Return the monotonic clock."""
        return self._now_us

    def utc_us(self) -> int:
        """Return what UTC is taken for."""
        return self.true_utc_us() + self.error_us

    def is_synchronised(self) -> bool:
        """Return what was set."""
        return self.synchronised

    def run(self) -> str:
        """Return the name of the run."""
        return self.machine_run
