"""The agent as a process on Blinka's OS-agnostic board, its chips simulated beneath.

    python -m tests.agent.pi_process agent.toml

What `hinomi agent run` does, but for the devices below /dev, which no other machine has.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

from agent.hal.on_blinka import BlinkaBoard
from agent.pi import notify, settings
from agent.pi.run import Lock, serve
from simulators import chips
from simulators.board import SimBoard
from simulators.clock import RunningClock
from simulators.signals.basic import Constant
from tests.blinka_parts import WIRING, parts_of


def board_of(loaded: settings.Settings, notifier: Any = None) -> BlinkaBoard:
    """Return the board with a chip for each sensor."""
    clock = RunningClock()
    simulated = SimBoard(clock)
    for row in loaded.table["sensors"]:
        simulated.add(chips.create(row["driver"], clock, Constant(20.0)), row)
    wiring = {**WIRING, "flash": loaded.wiring["flash"]}
    return BlinkaBoard(wiring, parts=parts_of(simulated), watchdog=notifier)


def main(path: Path) -> None:
    """Run until SIGTERM."""
    loaded = settings.load(path)
    notifier = notify.from_environment()
    lock = Lock(loaded.wiring["flash"][0])
    board = board_of(loaded, notifier)
    try:
        asyncio.run(serve(board, loaded.table, notifier))
    finally:
        board.close()
        lock.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
