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
    """World time that follows the machine's, but waits while this process does not get on.

    A board's processor does not stop because the machine that simulates it is busy. So between two
    beats of `keep_running`, which come with every turn of the event loop, at most BEAT_US_MAX
    pass, however long the turn took; the rest is counted in stalled_us. Without beats it stands.
    """

    BEAT_S = 0.002
    BEAT_US_MAX = 8_000  # a converter of 40 samples a second without a FIFO bears 12 ms

    def __init__(self) -> None:
        self._beat_us = 0  # world time of the last beat
        self._beat_machine_us = time.monotonic_ns() // 1000
        self.stalled_us = 0

    def now_us(self) -> int:
        """Return the microseconds since the world began."""
        since_us = time.monotonic_ns() // 1000 - self._beat_machine_us
        return self._beat_us + min(since_us, self.BEAT_US_MAX)

    def sleep_us(self, duration_us: int) -> None:
        """Hold everything for duration_us, which pass."""
        time.sleep(duration_us / 1_000_000)
        self._beat_us += duration_us
        self._beat_machine_us += duration_us

    def beat(self) -> None:
        """Let time pass on from now."""
        machine_us = time.monotonic_ns() // 1000
        since_us = machine_us - self._beat_machine_us
        passed_us = min(since_us, self.BEAT_US_MAX)
        self._beat_us += passed_us
        self.stalled_us += since_us - passed_us
        self._beat_machine_us = machine_us

    async def keep_running(self) -> None:
        """Beat until cancelled."""
        while True:
            self.beat()
            await asyncio.sleep(self.BEAT_S)


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
