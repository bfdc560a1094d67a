"""World clocks: microseconds since the world began, which never go back and never wrap."""

import time


class RunningClock:
    """World time that follows the machine's monotonic clock from the moment of its making."""

    def __init__(self, start_us: int = 0) -> None:
        self._start_us = start_us - time.monotonic_ns() // 1000

    def now_us(self) -> int:
        """Return the microseconds since the world began."""
        return self._start_us + time.monotonic_ns() // 1000

    def sleep_us(self, duration_us: int) -> None:
        """Hold everything for duration_us."""
        time.sleep(duration_us / 1_000_000)


class HandClock:
    """World time that moves only when it is told to: for tests."""

    def __init__(self, start_us: int = 0) -> None:
        self._now_us = start_us

    def now_us(self) -> int:
        """Return the microseconds since the world began."""
        return self._now_us

    def advance(self, duration_us: int) -> None:
        """Let duration_us >= 0 pass."""
        assert duration_us >= 0
        self._now_us += duration_us

    def sleep_us(self, duration_us: int) -> None:
        """Somebody waits: time passes at once."""
        self.advance(duration_us)
