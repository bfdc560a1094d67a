"""Keeps the agent's tasks alive, and tells the watchdog whether they are.

A task that crashes is started again, and counted; what it died of is kept (agent/survival.py). The
watchdog is fed only while every task keeps its promises: before it waits, a task says by when it
will be back. Where a task dies again and again without which a boot is worth nothing, the watchdog
is left to bite: another boot may help, and if none does they end in safe mode, which the hub sees.
"""

import asyncio

from agent.clock import sleep_ms
from agent.survival import last_lines
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agent.log import Log

RESTART_MS = const(1000)
FEED_MS = const(1000)
RESTART_GRACE_US = const(10_000_000)
CANCEL_AGAIN_MS = const(20)
DEATHS_MAX = 60  # in a row, none after a life of LIVED_US
LIVED_US = const(60_000_000)


async def end_tasks(tasks: "list[Any]") -> None:
    """Cancel tasks and return when all have ended, whatever they ended with.

    One cancel is not enough: asyncio.wait_for of CPython 3.11 swallows one that comes together
    with what it waits for.
    """
    while True:
        running = [task for task in tasks if not task.done()]
        if not running:
            break
        for task in running:
            task.cancel()
        await sleep_ms(CANCEL_AGAIN_MS)
    await asyncio.gather(*tasks, return_exceptions=True)


class Beats:
    """By when each task promised to be back, on the boot clock."""

    def __init__(self) -> None:
        self._promises: dict[str, int] = {}

    def expect(self, task: str, by_us: int) -> None:
        """The task will be back by then."""
        self._promises[task] = by_us

    def forget(self, task: str) -> None:
        """The task has come to its end."""
        self._promises.pop(task, None)

    def late(self, now_us: int) -> "list[str]":
        """Return the tasks that broke their promise."""
        return [task for task in self._promises if self._promises[task] < now_us]


class Supervisor:
    """Runs tasks of one board. on_crash(text): a task died, or hangs; called at once."""

    def __init__(
        self,
        board: "Any",
        log: "Log",
        beats: Beats,
        on_crash: "Callable[[str], None] | None" = None,
    ) -> None:
        self._board = board
        self._log = log
        self._beats = beats
        self.restarts_count = 0
        self._is_hopeless = False
        self._on_crash = on_crash if on_crash is not None else log.error
        self._late: list[str] = []

    async def keep_running(self, name: str, job: "Any", is_vital: bool = False) -> None:
        """Await job() until it returns; start it again when it raises.

        is_vital: after DEATHS_MAX in a row the watchdog is fed no more.
        """
        deaths_count = 0
        while True:
            began_us = self._board.clock.now_us()
            try:
                await job()
                self._beats.forget(name)
                return
            except Exception as error:
                # The one broad except: whatever a task dies of, the others and the data must live
                # on.
                self.restarts_count += 1
                self._log.error("%s: %s: %s" % (name, type(error).__name__, error))
                self._on_crash(name + ": " + last_lines(error))
            now_us = self._board.clock.now_us()
            deaths_count = 1 if now_us - began_us >= LIVED_US else deaths_count + 1
            if is_vital and deaths_count == DEATHS_MAX:
                self._log.error(name + " dies again and again: left to the watchdog")
                self._is_hopeless = True
            self._beats.expect(name, now_us + RESTART_MS * 1000 + RESTART_GRACE_US)
            await sleep_ms(RESTART_MS)

    async def feed_watchdog(self) -> None:
        """Feed the board's watchdog, if it has one, as long as every task beats."""
        watchdog = self._board.watchdog()
        while watchdog is not None:
            late = self._beats.late(self._board.clock.now_us())
            if not late and not self._is_hopeless:
                watchdog.feed()
            elif late != self._late:
                self._log.error("no beat of " + ", ".join(late))
                self._on_crash("no beat of " + ", ".join(late))
            self._late = late
            await sleep_ms(FEED_MS)
