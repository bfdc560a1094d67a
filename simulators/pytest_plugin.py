"""A pytest plugin: the simulated hardware for anyone's test suite.

Installed with Hinomi, it is there without a line of configuration; docs/simulators.md has
examples. All fixtures stand on a clock that moves only when a test says so; nothing sleeps and
nothing leaves the machine.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from simulators.board import SimBoard
    from simulators.clock import HandClock
    from simulators.pytest_parts import FaultyLink, SimBus, SimTown

# Heavy imports are inside the fixtures: a test suite that uses none of them pays for none.


@pytest.fixture
def virtual_clock() -> "HandClock":
    """Return world time in microseconds that moves only by advance(); all fixtures share it."""
    from simulators.clock import HandClock

    return HandClock()


@pytest.fixture
def chip(virtual_clock: "HandClock") -> Callable[..., Any]:
    """Return make(driver, value, *, seed=1, **options): the model of the chip of that driver.

    value: what it measures, SI, a number or (x, y, z); or a signal with sample(t_us).
    """
    from simulators.pytest_parts import make_chip

    def make(driver: str, value: Any, *, seed: int = 1, **options: Any) -> Any:
        return make_chip(virtual_clock, driver, value, seed=seed, options=options)

    return make


@pytest.fixture
def virtual_board(virtual_clock: "HandClock") -> "SimBoard":
    """Return a board without chips, just switched on; board.add(chip, settings) wires one."""
    from simulators.board import SimBoard

    return SimBoard(virtual_clock)


@pytest.fixture
def bus(virtual_board: "SimBoard") -> "SimBus":
    """Return the I2C bus 0 of virtual_board as CircuitPython's busio.I2C: for your own drivers."""
    from simulators.pytest_parts import SimBus

    return SimBus(virtual_board)


@pytest.fixture
def faulty_link() -> "Iterator[FaultyLink]":
    """Return a TCP relay before a server of yours, whose line can be cut, slowed and healed."""
    from simulators.pytest_parts import FaultyLink

    link = FaultyLink()
    yield link
    link.close()


@pytest.fixture
def virtual_town(virtual_clock: "HandClock") -> "SimTown":
    """Return a town of boards with all their chips: town.device("bridge-node") and the like."""
    from simulators.pytest_parts import SimTown

    return SimTown(virtual_clock)
