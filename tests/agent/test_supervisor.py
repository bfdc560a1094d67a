"""Tasks that die and come back, promises that are kept or not, notes, waiting times."""

import asyncio

from agent.log import Log
from agent.supervisor import Beats, Supervisor, end_tasks
from agent.survival import Survival
from agent.uplink import RETRY_US_MAX, RETRY_US_MIN, retry_delay_us
from simulators.storage import SimFlash
from tests.agent.fake_parts import Board
from tests.agent.flash_bench import mounted


class Watchdog:
    """Counts how often it was fed."""

    def __init__(self) -> None:
        self.fed_count = 0

    def feed(self) -> None:
        self.fed_count += 1


async def test_a_task_that_crashes_is_started_again_and_counted() -> None:
    board = Board()
    log = Log(board, echo=False)
    crashes: list[str] = []
    supervisor = Supervisor(board, log, Beats(), crashes.append)
    starts = []

    async def job() -> None:
        starts.append(1)
        if len(starts) == 1:
            raise ValueError("boom")

    await supervisor.keep_running("job", job)
    assert len(starts) == 2 and supervisor.restarts_count == 1
    [crash] = crashes
    assert crash.startswith("job: ") and crash.endswith("ValueError: boom") and ", in job" in crash
    assert log.lines() == ["0 ms error job: ValueError: boom"]


async def test_the_watchdog_starves_when_a_promise_is_broken() -> None:
    board = Board()
    board.dog = watchdog = Watchdog()
    crashes: list[str] = []
    beats = Beats()
    beats.expect("sampler", 5)
    supervisor = Supervisor(board, Log(board, echo=False), beats, crashes.append)
    feeding = asyncio.create_task(supervisor.feed_watchdog())
    await asyncio.sleep(0.01)
    assert watchdog.fed_count == 1
    board.time_us = 6
    assert beats.late(6) == ["sampler"]
    await asyncio.sleep(1.05)
    assert watchdog.fed_count == 1
    assert crashes == ["no beat of sampler"]  # once, not at each turn
    await end_tasks([feeding])


async def test_a_task_that_swallows_a_cancel_ends_all_the_same() -> None:
    swallowed: list[int] = []

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if len(swallowed) == 2:
                    raise
                swallowed.append(1)

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await end_tasks([task])
    assert task.done() and len(swallowed) == 2


def test_the_log_keeps_the_newest_lines() -> None:
    log = Log(Board(), size=3, echo=False)
    for number in range(5):
        log.info(f"line {number}")
    assert log.lines() == ["0 ms info line 2", "0 ms info line 3", "0 ms info line 4"]
    log.warning("x" * 500)
    assert len(log.lines()[-1]) == 120


def test_waiting_doubles_with_chance_up_to_half_a_minute() -> None:
    assert retry_delay_us(1, b"\x00\x00") == RETRY_US_MIN
    for failures in range(1, 100):
        least = retry_delay_us(failures, b"\x00\x00")
        most = retry_delay_us(failures, b"\xff\xff")
        assert RETRY_US_MIN <= least < most <= RETRY_US_MAX
        assert most >= min(2 * least - 1000, RETRY_US_MAX - 1000)
    assert retry_delay_us(99, b"\xff\xff") > 29_000_000


async def test_a_crash_that_cannot_be_noted_is_survived_all_the_same() -> None:
    flash = SimFlash()
    survival = Survival(mounted(flash), "power_on", False)

    def worn(offset: int, data: bytes) -> None:
        raise OSError(5)

    flash.program = worn  # type: ignore[assignment]
    board = Board()
    log = Log(board, echo=False)
    supervisor = Supervisor(board, log, Beats(), lambda text: survival.note_crash(1, text))
    starts = []

    async def job() -> None:
        starts.append(1)
        if len(starts) == 1:
            raise ValueError("boom")

    await supervisor.keep_running("job", job)
    assert len(starts) == 2 and "boom" in survival.crash() and survival.failed_count == 1
    survival.told()
    assert survival.crash() == "" and survival.failed_count == 2
