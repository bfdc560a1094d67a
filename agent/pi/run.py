"""Runs the agent on Linux until it is told to stop."""

import asyncio
import fcntl
import signal
from pathlib import Path
from typing import Any

from agent.main import Agent
from agent.pi.notify import READY, STOPPING, Notifier
from agent.pi.problem import PiError


class Lock:
    """The log's file belongs to one agent at a time."""

    def __init__(self, flash: Path) -> None:
        path = flash.with_name(flash.name + ".lock")
        try:
            self._file = path.open("a")
        except OSError as error:
            raise PiError(
                f"{path} cannot be written: {error.strerror}.",
                f"Give this user its folder: sudo chown $USER {path.parent}",
            ) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise PiError(
                f"Another agent uses {flash}.", "Stop it: sudo systemctl stop hinomi-agent"
            ) from None

    def close(self) -> None:
        """Let it go."""
        self._file.close()


async def serve(board: Any, table: dict[str, Any], notifier: Notifier) -> None:
    """Run until SIGTERM or SIGINT; restart in place where the agent wants that."""
    agent = Agent(board, table)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, agent.stop)
    notifier.tell(READY)
    try:
        await agent.run()
    finally:
        notifier.tell(STOPPING)
