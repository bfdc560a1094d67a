"""What the runner must tell apart; run by tests/test_micropython.py only."""

import asyncio
import sys


async def test_asynchronous() -> None:
    await asyncio.sleep(0)


def test_wrong() -> None:
    assert sys.implementation.name != "micropython", "on " + sys.implementation.name
