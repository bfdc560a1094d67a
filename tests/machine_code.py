"""Every loop that boards/build.py makes machine code of, with blocks to run it on."""

import ast
import copy
import importlib
import random
from array import array
from collections.abc import Callable
from functools import cache
from typing import Any

from agent.detector import Detector
from boards.build import ARCHITECTURES, compile_module
from tests.arm_machine import ArmModule
from tests.sources import PORTABLE, python_files, read

PROCESSORS = ("rp2040", "rp2350")  # both ARM: what the emulator can run
DETECTOR = {"sta_ms": 200, "lta_ms": 1000, "on_percent": 200, "off_percent": 120}


def marked_loops() -> list[tuple[str, str]]:
    """Return (module, function) of every function that is marked `@viper`."""
    found = []
    for file in python_files(*PORTABLE):
        for node in ast.parse(read(file)).body:
            if isinstance(node, ast.FunctionDef):
                marks = [mark.id for mark in node.decorator_list if isinstance(mark, ast.Name)]
                if "viper" in marks:
                    found.append((file.removesuffix(".py").replace("/", "."), node.name))
    return found


@cache
def arm_module(module: str, processor: str) -> ArmModule:
    """Return the machine code of a module, as the build makes it for one of PROCESSORS."""
    tree = ast.parse(read(module.replace(".", "/") + ".py"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = [node.name for node in tree.body if isinstance(node, kinds)]
    return ArmModule(compile_module(module, ARCHITECTURES[processor]), names)


def run_both(
    module: str, function: str, arguments: list[Any], processor: str = PROCESSORS[0]
) -> int:
    """Run a loop as Python and as machine code, compare all they leave; return instructions."""
    for_arm = copy.deepcopy(arguments)
    expected = getattr(importlib.import_module(module), function)(*arguments)
    result, instructions = arm_module(module, processor).call(function, *for_arm)
    assert int(expected) == result, (function, expected, result)
    # What a loop refuses it may leave half done.
    assert expected is False or for_arm == arguments, function
    return instructions


def noise(draw: random.Random, count: int, bits: int) -> "array[int]":
    """Return numbers of so many bits, sign included."""
    limit = 1 << bits - 1
    return array("i", [draw.randrange(-limit, limit) for _ in range(count)])


def _unpack_sets(draw: random.Random) -> list[Any]:
    buffer = bytearray(draw.randbytes(1 + 9 * 32))
    for entry in range(96):
        buffer[3 * entry + 3] = buffer[3 * entry + 3] & 0xFC | (entry % 3 == 0)
    if draw.random() < 0.2:
        buffer[3 * draw.randrange(96) + 3] ^= 1 << draw.randrange(2)
    return [buffer, array("i", [0] * 96), draw.randrange(33), draw.randrange(4, 21)]


def _bytes(draw: random.Random) -> list[Any]:
    count = draw.randrange(33)
    return [bytearray(draw.randbytes(1 + 7 * 96)), array("i", [0] * 96), count]


def _run(draw: random.Random) -> list[Any]:
    values = noise(draw, 600, draw.choice((2, 8, 16, 24, 30, 32)))
    first = draw.randrange(300)
    last = draw.choice((0, 0, 1000, -1 << 29))
    job = array("i", [first, 3, first + 3 * draw.randrange(101), draw.randrange(9), last])
    return [values, bytearray(3000), job]


def _copy_round(draw: random.Random) -> list[Any]:
    count = draw.randrange(97)
    job = array("i", [draw.randrange(300), count, 300])
    return [noise(draw, 96, 32), noise(draw, 300, 32), job]


def _sum_block(draw: random.Random) -> list[Any]:
    width = draw.randrange(1, 4)
    count = draw.randrange(1, 128)
    block = noise(draw, width * count, draw.choice((4, 16, 25)))
    return [block, array("i", [width, count]), array("i", [0] * (6 * width))]


def _watch(draw: random.Random) -> list[Any]:
    detector = Detector(3, 10_000, DETECTOR)
    for _ in range(draw.randrange(12)):
        detector.feed(noise(draw, 48, draw.choice((4, 4, 4, 12, 25))), 16)
    state = vars(detector)["_state"]
    state[1] = 32
    return [noise(draw, 96, draw.choice((4, 25))), state]


CASES: dict[str, Callable[[random.Random], list[Any]]] = {
    "unpack_sets": _unpack_sets,
    "unpack_big16": _bytes,
    "unpack_slots": _bytes,
    "pack_run": _run,
    "write_run16": _run,
    "write_run32": _run,
    "copy_round": _copy_round,
    "sum_block": _sum_block,
    "watch": _watch,
}
