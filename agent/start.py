"""The front door of an image: what the board's boot file calls once it has mounted one.

/config.json is the device's own, /wiring.json the board's (agent/hal/on_micropython.py); both lie
beside the boot file and outlast every update.
"""

import asyncio
import json

from agent.hal.on_micropython import MicropythonBoard
from agent.main import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main(slot: "int | None" = None) -> None:
    """Run the agent until it wants a restart. slot: the one that it was started from."""
    asyncio.run(run(MicropythonBoard(_read("/wiring.json")), _read("/config.json"), slot))


def _read(path: str) -> "dict[str, Any]":
    with open(path) as file:
        table: dict[str, Any] = json.load(file)
    return table
