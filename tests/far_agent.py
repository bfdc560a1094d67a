"""A whole profile on a real MicroPython interpreter and on this one, in two equal worlds."""

from typing import Any, Protocol

from boards.profiles import make_config, read_device
from simulators import chips
from simulators.board import SimBoard
from simulators.clock import HandClock
from simulators.signals.basic import Constant
from tests.far_board import WIRING, Hardware, Interpreter
from tests.micropython.board.agent_core import AgentCore
from tests.simulators.pairs import PAIRS, Flag

SECOND_US = 1_000_000
VALUES = {pair.settings["driver"]: pair.value for pair in PAIRS.values()}


def config_of(profile: str) -> dict[str, Any]:
    """Return the config.json of a device of that profile."""
    return make_config(profile, "device-1", "5a" * 32, host="hub.example", port=4620)


def modules_at_start(profile: str) -> list[str]:
    """Return what a board imports when it starts; the rest comes when it is asked for."""
    drivers = {f"agent.drivers.{row['driver']}" for row in read_device(profile)["sensors"]}
    return ["agent.start", *sorted(drivers)]


class World:
    """The chips of a profile on a board, with their noise, from a seed."""

    def __init__(self, profile: str, seed: int) -> None:
        self.clock = HandClock(7 * SECOND_US)
        self.profile = profile
        self.table = config_of(profile)
        made = []
        for position, row in enumerate(read_device(profile)["sensors"]):
            signal = Constant(VALUES[row["driver"]])
            options: dict[str, Any] = {}
            chip = chips.create(
                row["driver"], self.clock, signal, seed=seed + position, options=options
            )
            made.append((chip, row))
        self.board = SimBoard(self.clock, made, waker=Flag())


class Side(Protocol):
    """One of the two interpreters, with the world that it sees."""

    world: World

    def run_due(self) -> tuple[int, int]: ...

    def take_frames(self) -> list[str]: ...

    def close(self) -> None: ...


class NearSide:
    """The agent's core on this interpreter."""

    def __init__(self, world: World, path: str) -> None:
        self.world = world
        self._core = AgentCore(world.board, world.table, path)
        self.run_due = self._core.run_due
        self.take_frames = self._core.take_frames
        self.close = self._core.flash.close


class FarSide:
    """The agent's core on MicroPython. arguments: of serve.mjs, after the module.

    code_size: heap in bytes that the modules of the profile take once they are imported.
    """

    def __init__(self, world: World, *arguments: str) -> None:
        self.world = world
        self._interpreter = Interpreter("far_agent", *arguments)
        self._interpreter.hardware = Hardware(world.board)
        self._heap_before = self._heap()
        self._do("load", modules_at_start(world.profile))
        self.code_size = self.heap()
        self._do("begin", WIRING, world.table)

    def run_due(self) -> tuple[int, int]:
        """Read and report what is due; return the time, and when to call again."""
        now_us, next_us = self._do("run_due")
        return now_us, next_us

    def take_frames(self) -> list[str]:
        """Return the frames since the last call."""
        frames: list[str] = self._do("take_frames")
        return frames

    def heap(self) -> int:
        """Return the bytes of heap that the agent holds, code included."""
        return self._heap() - self._heap_before

    def _heap(self) -> int:
        self._do("collect")
        return int(self._do("heap"))

    def close(self) -> None:
        """End the interpreter."""
        self._interpreter.close()

    def _do(self, name: str, *arguments: Any) -> Any:
        return self._interpreter.command(name, *arguments)["result"]


def play(side: Side, until_us: int) -> list[str]:
    """Run an agent until this world time, and end it; return its frames, as hexadecimal digits."""
    try:
        return run_until(side, until_us)
    finally:
        side.close()


def run_until(side: Side, until_us: int) -> list[str]:
    """The same of an agent that goes on afterwards."""
    frames: list[str] = []
    clock = side.world.clock
    while clock.now_us() < until_us:
        now_us, next_us = side.run_due()
        clock.advance(max(1, next_us - now_us))
    return frames + side.take_frames()
