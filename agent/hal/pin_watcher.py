"""Pins of a Linux machine, looked at every millisecond by one thread: pulses and changes.

An edge shorter than the looks are apart is not seen. A thread of a busy program is late by
some ms (the interpreter hands over every 5 ms): contacts stay closed for tens of ms.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

from agent.hal.pulse_filter import PulseFilter

LOOK_S = 0.001


class PinWatcher:
    """Calls what was asked for at each change of a pin's level; from its thread."""

    def __init__(self) -> None:
        self._watched: list[list[Any]] = []  # [pin, level at the last look, see]
        self._is_watching = False

    def watch(self, pin: Any, see: Callable[[int, int], None]) -> None:
        """Call see(level, now_us) at each change from now on."""
        self._watched.append([pin, pin.value(), see])
        if not self._is_watching:
            self._is_watching = True
            self.start()

    def look(self, now_us: int) -> None:
        """Compare all levels with those of the last look."""
        for row in self._watched:
            pin, before, see = row
            level = pin.value()
            if level != before:
                row[1] = level
                see(level, now_us)

    def start(self) -> None:
        """Begin to look, until stop() or the program's end."""
        threading.Thread(target=self._keep_looking, name="pins", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._is_watching = False

    def _keep_looking(self) -> None:
        while self._is_watching:
            self.look(time.monotonic_ns() // 1000)
            time.sleep(LOOK_S)


class Pulses:
    """Counts falling edges."""

    def __init__(self, debounce_us: int) -> None:
        self._filter = PulseFilter(debounce_us)
        self._seen_us = -(1 << 62)

    def count(self) -> int:
        """Return the edges since the counter was made."""
        return self._filter.count

    def see(self, level: int, now_us: int) -> None:
        """Take a change."""
        if not level:
            self._filter.see(now_us - self._seen_us)
            self._seen_us = now_us


class Waker:
    """Ends the wait of one task, from any thread; what came before the wait ends it at once."""

    def __init__(self) -> None:
        self._is_set = False
        self._event = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def set(self) -> None:
        """End the wait."""
        self._is_set = True
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        """Return once it was set since the last wait."""
        self._event.clear()
        self._loop = asyncio.get_running_loop()
        if not self._is_set:
            await self._event.wait()
        self._is_set = False
