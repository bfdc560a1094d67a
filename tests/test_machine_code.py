"""The loops that a board runs as machine code do there what they do as Python."""

import random

import pytest

from boards.build import ARCHITECTURES, build, compile_module, modules_of
from boards.profiles import device_profiles
from tests.arm_machine import MpyReader
from tests.machine_code import CASES, PROCESSORS, arm_module, marked_loops, run_both

ROUNDS = 30


@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize(("module", "function"), marked_loops())
def test_machine_code_does_what_python_does(module: str, function: str, processor: str) -> None:
    draw = random.Random(function)
    for _ in range(ROUNDS):
        run_both(module, function, CASES[function](draw), processor)


@pytest.mark.parametrize("architecture", ARCHITECTURES.values())
def test_marked_loops_compile_for_every_processor(architecture: str) -> None:
    for module in sorted({module for module, _ in marked_loops()}):
        assert compile_module(module, architecture) != compile_module(
            module, architecture, machine_code=False
        )


def test_every_marked_loop_of_a_module_is_machine_code() -> None:
    by_module: dict[str, list[str]] = {}
    for module, function in marked_loops():
        by_module.setdefault(module, []).append(function)
    for module, functions in by_module.items():
        assert sorted(arm_module(module, PROCESSORS[0]).functions) == sorted(functions)
    assert len(by_module) >= 7


@pytest.mark.parametrize("profile", device_profiles())
def test_a_profile_is_built_whole_and_carries_no_other_driver(profile: str) -> None:
    modules = modules_of(profile)
    assert {"agent", "agent.main", "agent.hal.on_micropython", "protocols.cose"} <= set(modules)
    assert ("agent.drivers.adxl355" in modules) == (profile not in ("river-gauge", "home-node"))
    assert not any(name.startswith("agent.drivers.ld2410") for name in modules)
    files = build(profile)
    assert sum(map(len, files.values())) <= 120 * 1024
    assert len(files) == len(modules)
    assert all(MpyReader(data).outer.kind == 0 for data in files.values())
