"""Runs the agent's core on the real hardware port of MicroPython, as another process commands.

The heap is measured before the agent's first module too, so that what the stand-ins for the
hardware need can be taken off.
"""

import asyncio  # before `time` is replaced: its own clock has no part in this
import gc
import json
import sys

from tests.micropython.board import fake_cryptolib, fake_machine, fake_onewire, fake_time

sys.modules["cryptolib"] = fake_cryptolib
sys.modules["machine"] = fake_machine
sys.modules["onewire"] = fake_onewire
sys.modules["time"] = fake_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Flag:
    """What asyncio.ThreadSafeFlag is to an interrupt; nobody waits for this one."""

    def set(self) -> None:
        pass


asyncio.ThreadSafeFlag = Flag  # type: ignore[attr-defined]


class Device:
    """The one boot of a board."""

    def __init__(self) -> None:
        self._core: Any = None

    def load(self, modules: "list[str]") -> None:
        """Import the modules of a profile."""
        for name in modules:
            __import__(name)

    def begin(self, wiring: "dict[str, Any]", table: "dict[str, Any]") -> None:
        """Start the agent."""
        from agent.hal.on_micropython import MicropythonBoard
        from tests.micropython.board.agent_core import AgentCore

        self._core = AgentCore(MicropythonBoard(wiring), table, "/log.bin")

    def run_due(self) -> "list[int]":
        """Read and report what is due; return the time, and when to call again."""
        now_us, next_us = self._core.run_due()
        return [now_us, next_us]

    def take_frames(self) -> "list[str]":
        return self._core.take_frames()  # type: ignore[no-any-return]

    def collect(self) -> None:
        """Collect the garbage; this interpreter does so once the command is done."""
        gc.collect()

    def heap(self) -> int:
        """Return the bytes of the heap that are in use."""
        return gc.mem_alloc()  # type: ignore[attr-defined,no-any-return]


DEVICE = Device()


def handle(line: str) -> str:
    """Obey one command; return what came of it. Garbage is collected between two of them."""
    name, arguments = json.loads(line)
    try:
        return json.dumps({"result": getattr(DEVICE, name)(*arguments)})
    except Exception as error:
        sys.print_exception(error, sys.stderr)  # type: ignore[attr-defined]
        return json.dumps({"failed": repr(error)})
