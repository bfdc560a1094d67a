"""A pin on every body: an edge wakes the reader, and no tip of a gauge is lost."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agent.drivers import state_input
from agent.hal.pin_watcher import Waker
from agent.main import Agent
from agent.sampler import EVENT_POLL_MS, EVENT_WATCH_US
from simulators import chips
from simulators.board import SimBoard
from simulators.clock import RunningClock
from tests.agent.fake_parts import table
from tests.far_board import Interpreter
from tests.simulators.pairs import BODIES, SECOND_US, Bench, FreeSignal

MS_US = 1000
DEBOUNCE_MS = 20
BOUNCE_US = 5_000
# The debounce time counts from the last bounce; then a look of a thread, and the reader's step.
LATENCY_US_MAX = DEBOUNCE_MS * MS_US + BOUNCE_US + 1 * MS_US + EVENT_POLL_MS * MS_US
STALL_US = 100_000


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Callable[[], Interpreter]]:
    """Start MicroPython when it is first needed."""
    started: list[Interpreter] = []

    def get() -> Interpreter:
        if not started:
            started.append(Interpreter())
        return started[0]

    yield get
    for each in started:
        each.close()


@pytest.fixture(params=BODIES)
def make(request: pytest.FixtureRequest, interpreter: Callable[[], Interpreter]) -> Any:
    """Make benches on each body."""
    return lambda name, **changes: Bench(name, request.param, interpreter, **changes)


class Reader:
    """Reads as the agent does: at the driver's polls, and often for a while once woken."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.reads = 0
        self._due_us = bench.clock.now_us()
        self._watch_until_us = 0

    def wait_reading(self, duration_us: int) -> tuple[int, int] | None:
        """Return (value, after how many us) of the first reading within that time."""
        bench, began_us = self.bench, self.bench.clock.now_us()
        for step in range(duration_us // MS_US):
            bench.clock.advance(MS_US)
            now_us = bench.clock.now_us()
            if bench.take_wake():
                self._watch_until_us = now_us + EVENT_WATCH_US
            is_watching = bench.driver.is_settling or now_us < self._watch_until_us
            if (is_watching and step % EVENT_POLL_MS == 0) or now_us >= self._due_us:
                self.reads += 1
                samples = bench.read()
                self._due_us = now_us + bench.driver.poll_us
                if samples:
                    return samples[0][0], now_us - began_us
        return None


@pytest.mark.parametrize("active", ["high", "low"])
def test_an_edge_wakes_the_reader_and_bounces_are_waited_for(make: Any, active: str) -> None:
    signal = FreeSignal(0.0)
    options = {"bounce_us": BOUNCE_US}
    bench = make("digital_input", signal=signal, settings={"active": active}, options=options)
    reader = Reader(bench.start())
    assert reader.wait_reading(SECOND_US) == (0, MS_US)
    for number in range(12):
        assert reader.wait_reading((311 + 17 * number) * MS_US) is None
        signal.value = 1.0 - signal.value
        found = reader.wait_reading(SECOND_US)
        assert found is not None
        value, latency_us = found
        assert value == signal.value
        assert DEBOUNCE_MS * MS_US <= latency_us <= LATENCY_US_MAX


def test_while_nothing_happens_it_is_read_four_times_a_second(make: Any) -> None:
    bench = make("digital_input", signal=FreeSignal(0.0), options={"bounce_us": 0})
    reader = Reader(bench.start())
    reader.wait_reading(SECOND_US)
    reader.reads = 0
    assert reader.wait_reading(10 * SECOND_US) is None
    assert 38 <= reader.reads <= 42


def test_an_edge_that_wakes_nobody_is_still_read(make: Any) -> None:
    signal = FreeSignal(0.0)
    bench = make("digital_input", signal=signal, options={"bounce_us": 0})
    reader = Reader(bench.start())
    reader.wait_reading(SECOND_US)
    bench.clock.watchers.clear()  # no interrupt comes any more
    signal.value = 1.0
    found = reader.wait_reading(SECOND_US)
    assert found is not None and found[0] == 1
    assert found[1] <= 250 * MS_US + LATENCY_US_MAX


@pytest.mark.parametrize("name", ["wire_loop-plain", "digital_input"])
def test_a_start_anew_wakes_as_before(make: Any, name: str) -> None:
    signal = FreeSignal(0.0)
    options = {"bounce_us": 0} if name == "digital_input" else {}
    bench = make(name, signal=signal, options=options)
    for _ in range(3):
        reader = Reader(bench.start())
        found = reader.wait_reading(SECOND_US)
        assert found is not None
        signal.value = 1.0 - signal.value
        again = reader.wait_reading(SECOND_US)
        assert again is not None and again[0] == 1 - found[0]


class Downpour:
    """Rain of 1000 mm/h from the first second on, in m: the most that the driver believes."""

    def sample(self, t_us: int) -> float:
        """Return the depth so far."""
        return max(0, t_us - 8 * SECOND_US) / SECOND_US / 3600


def test_every_tip_of_the_heaviest_rain_counts_once(make: Any) -> None:
    # 0.2 mm a tip: one each 0.72 s; the contact is closed for 0.1 s and bounces.
    settings = {"tip_um": 200, "every_ms": 1000}
    bench = make("tipping_bucket", signal=Downpour(), settings=settings, options={})
    bench.start()
    samples = []
    for _ in range(60):
        bench.clock.advance(bench.driver.poll_us - STALL_US)
        samples += bench.read()
        bench.clock.advance(STALL_US)
        samples += bench.read()
    tip_m = bench.chip._tip_m  # this piece's own
    tips = int(bench.clock.now_us() - 8 * SECOND_US) / SECOND_US / 3600 / tip_m
    assert tips > 80
    assert tips - 3 <= samples[-1][0] <= tips
    assert bench.driver.overflows == 0


async def test_an_agent_whose_pin_changes_makes_its_frame_without_waiting_for_a_poll(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(state_input, "_POLL_US_WOKEN", 3600 * SECOND_US)
    signal, waker = FreeSignal(0.0), Waker()
    clock = RunningClock()
    row = {"name": "button", "driver": "digital_input", "pin": 3}
    chip = chips.create("digital_input", clock, signal, options={"bounce_us": 2000})
    board = SimBoard(clock, [(chip, row)], waker=waker, dial=refuse)
    agent = Agent(board, table([row]), echo=False)
    running = asyncio.create_task(agent.run())
    looking = asyncio.create_task(look_at_pins(board))
    await wait_frames(agent, 1)  # the state at the start
    for count in range(2, 6):
        signal.value = 1.0 - signal.value
        await wait_frames(agent, count)
    assert agent.statistics()["sensors"]["button"]["stalls"] == 0
    assert agent.statistics()["restarts"] == 0
    for task in (running, looking):
        task.cancel()
    await asyncio.gather(running, looking, return_exceptions=True)


async def refuse(host: str, port: int) -> tuple[Any, Any]:
    """There is no network."""
    raise OSError(113)


async def look_at_pins(board: SimBoard) -> None:
    """Play the interrupts."""
    while True:
        board.look_at_pins()
        await asyncio.sleep(0.001)


async def wait_frames(agent: Agent, count: int) -> None:
    """Wait until so many batches were made; a minute is far longer than an edge takes."""
    deadline_s = time.monotonic() + 60
    while agent.sealer.next_index < count:
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.002)
