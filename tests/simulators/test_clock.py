"""World clocks."""

import asyncio
import time

from simulators.clock import SteadyClock


async def test_a_busy_machine_does_not_make_a_board_miss_its_turn() -> None:
    clock = SteadyClock()
    beating = asyncio.create_task(clock.keep_running())
    await asyncio.sleep(0.05)
    before_us = clock.now_us()
    for _ in range(10):  # one long turn of the loop, in which many look at the clock
        time.sleep(0.01)  # noqa: ASYNC251  (a stall is what is tested)
        assert clock.now_us() - before_us <= 2 * clock.BEAT_US_MAX
    await asyncio.sleep(0.01)
    assert clock.stalled_us >= 80_000
    beating.cancel()


async def test_time_passes_at_the_machines_pace_while_it_gets_on() -> None:
    clock = SteadyClock()
    beating = asyncio.create_task(clock.keep_running())
    began_us = time.monotonic_ns() // 1000
    last_us = 0
    for _ in range(100):
        await asyncio.sleep(0.001)
        now_us = clock.now_us()
        assert now_us >= last_us
        last_us = now_us
    took_us = time.monotonic_ns() // 1000 - began_us
    assert abs(took_us - clock.stalled_us - last_us) < 10_000
    beating.cancel()
