"""World clocks: microseconds since the world began, which never go back and never wrap."""

import asyncio
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


class SteadyClock:
    """World time that follows the machine's, but stands still while this process does not get on.

    A board's processor does not stop because the machine that simulates it is busy. So of any time
    between two looks at the clock only STALL_US_MAX pass; the rest is counted in stalled_us. Somebody must look
    at least that often: see `keep_running`.
    """

    STALL_US_MAX = 8_000
    LOOK_S = 0.002

    def __init__(self) -> None:
        self._seen_us = time.monotonic_ns() // 1000
        self._start_us = self._seen_us
        self.stalled_us = 0

    def now_us(self) -> int:
        """Return the microseconds since the world began."""
        now_us = time.monotonic_ns() // 1000
        stall_us = now_us - self._seen_us - self.STALL_US_MAX
        if stall_us > 0:
            self.stalled_us += stall_us
        self._seen_us = now_us
        return now_us - self._start_us - self.stalled_us

    def sleep_us(self, duration_us: int) -> None:
        """Hold everything for duration_us, which pass."""
        time.sleep(duration_us / 1_000_000)
        self._seen_us += duration_us

    async def keep_running(self) -> None:
        """Look at the clock often, until cancelled."""
        while True:
            await asyncio.sleep(self.LOOK_S)
            self.now_us()


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
