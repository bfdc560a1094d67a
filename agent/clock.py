"""Waiting, in whole milliseconds; what time it is, the board's clock says."""

import asyncio

US_PER_MS = 1000
US_PER_S = 1_000_000


async def sleep_ms(duration_ms: int) -> None:
    """Let other tasks run for duration_ms >= 0."""
    # The one float: a short duration, rounded to ms again by MicroPython.
    await asyncio.sleep(duration_ms / 1000)


async def sleep_us(duration_us: int) -> None:
    """Let other tasks run for duration_us, rounded up to whole milliseconds; negative: 0."""
    await sleep_ms(max(0, (duration_us + US_PER_MS - 1) // US_PER_MS))
