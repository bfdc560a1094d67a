"""An event loop whose time jumps to its next timer, and whose threads are turns of its own."""

import asyncio
import contextvars
import heapq
import random
import selectors
import weakref
from collections.abc import Callable
from typing import Any

JOB_US_MAX = 4000  # a commit or a read of the hub takes up to this, and as long to be told of
START_US = 1_000_000_000  # of the monotonic clock: a machine is up for a while when a hub starts

UTC_OFFSET_US = 1_790_000_000_000_000  # of the wall clock where it is right


class WorldStopped(Exception):
    """Nothing is left to wait for: everybody waits for everybody."""


class _Jump(selectors.SelectSelector):
    """Waits for nothing but lets time pass."""

    def __init__(self, loop: "VirtualLoop") -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise WorldStopped
        if timeout > 0:
            self._loop.now_us += -int(-timeout * 1_000_000 // 1)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """now_us: the time, in whole microseconds.

    What is handed to a thread runs as a turn of the loop a moment later, and a moment after that
    whoever waits is told: each executor does one job after the other, as its one thread would.
    after_job(): called between the two; False where the process is gone, and nobody is told.
    servers: port -> factory of the protocols of those who dial it.
    """

    def __init__(self, chance: random.Random) -> None:
        self.now_us = START_US
        super().__init__(_Jump(self))
        self._chance = chance
        self._free_us: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._timers_count = 0
        self.after_job: Callable[[], bool] = lambda: True
        self.servers: dict[int, Callable[[], Any]] = {}

    def time(self) -> float:
        """Return the time in seconds, as asyncio wants it."""
        return self.now_us / 1_000_000

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *values: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:  # fmt: skip
        """Call then; whoever asked first is called first."""
        self._timers_count += 1
        timer = _Timer(when, callback, values, self, context)
        timer.number = self._timers_count
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def at(self, at_us: int, callback: Callable[..., Any], *values: Any) -> asyncio.TimerHandle:
        """Call at a time of now_us."""
        return self.call_at(at_us / 1_000_000, callback, *values)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """Run func on the loop, a moment later."""
        future: asyncio.Future[Any] = self.create_future()
        begin_us = max(self.now_us, self._free_us.get(executor or self, 0))
        begin_us += self._chance.randrange(JOB_US_MAX)
        end_us = begin_us + self._chance.randrange(JOB_US_MAX)
        self._free_us[executor or self] = end_us
        self.at(begin_us, self._run, future, end_us, func, args)
        return future

    def _run(
        self, future: "asyncio.Future[Any]", end_us: int, func: Callable[..., Any], args: Any
    ) -> None:
        if future.cancelled():
            return
        try:
            result, error = contextvars.copy_context().run(func, *args), None
        except Exception as raised:
            result, error = None, raised
        if self.after_job():
            self.at(end_us, _tell, future, result, error)

    async def create_server(  # type: ignore[override]
        self, protocol_factory: Callable[[], Any], host: Any = None, port: Any = None, **_: Any
    ) -> "Listener":
        """Let the world's devices dial this port."""
        self.servers[port] = protocol_factory
        return Listener(self, port)


class _Timer(asyncio.TimerHandle):
    """A timer with a place among those of its time: a heap alone keeps no order of equals."""

    number = 0

    def __lt__(self, other: Any) -> bool:
        return (self.when(), self.number) < (other.when(), other.number)


def _tell(future: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


class Listener:
    """A server of the world, with the face of asyncio's."""

    def __init__(self, loop: VirtualLoop, port: int) -> None:
        self._loop = loop
        self.port = port
        self.sockets = [self]

    def getsockname(self) -> tuple[str, int]:
        """Return its address."""
        return "world", self.port

    def close(self) -> None:
        """Take no more connections."""
        self._loop.servers.pop(self.port, None)


class WorldClock:
    """The machine's two clocks (hub.clock.Clock), and the world clock of simulated boards.

    utc_offset_us: what somebody sets when the wall clock jumps.
    """

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.utc_offset_us = UTC_OFFSET_US
        self.runs = 1  # of the machine

    def now_us(self) -> int:
        """Return the monotonic clock."""
        return self._loop.now_us

    def utc_us(self) -> int:
        """Return the wall clock, right or wrong."""
        return self._loop.now_us + self.utc_offset_us

    def is_synchronised(self) -> bool:
        """Tell what the machine thinks of its wall clock: it is kept right unless it jumped."""
        return self.utc_offset_us == UTC_OFFSET_US

    def run(self) -> str:
        """Return the name of the machine's run; another one after its power was gone."""
        return f"run-{self.runs}"

    def sleep_us(self, duration_us: int) -> None:
        """A processor holds: time passes."""
        self._loop.now_us += duration_us
