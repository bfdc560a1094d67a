"""The hardware port on MicroPython: what no driver of the table asks of it.

The real interpreter runs the real body; `machine` is a small one over the simulated board.
"""

from collections.abc import Iterator

import pytest

from simulators import chips
from simulators.board import SimBoard
from simulators.clock import HandClock
from simulators.signals.basic import Constant
from tests.far_board import FarDriver, Interpreter

HOUR_US = 3_600_000_000
TMP117 = {"name": "x", "driver": "tmp117", "i2c": 0}


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Interpreter]:
    started = Interpreter()
    yield started
    started.close()


class World:
    """One board with a thermometer, and its driver over there."""

    def __init__(self, interpreter: Interpreter) -> None:
        self.clock = HandClock(5)
        self.chip = chips.create("tmp117", self.clock, Constant(20.0))
        self.board = SimBoard(self.clock, [(self.chip, TMP117)])
        self.driver = FarDriver(interpreter, self.board, TMP117)
        self._interpreter = interpreter

    def ask(self, code: str) -> object:
        """Return what an expression over there is, with `board` in it."""
        return self._interpreter.command("evaluate", code)["result"]


def test_clock_starts_at_0_and_runs_on_through_every_wrap_of_the_ticks(
    interpreter: Interpreter,
) -> None:
    world = World(interpreter)
    assert world.ask("board.clock.now_us()") == 0
    for step in range(1, 20):
        world.clock.advance(500_000_000)  # 8.3 minutes; the ticks wrap in 17.9
        assert world.ask("board.clock.now_us()") == step * 500_000_000


def test_clock_bears_to_be_looked_at_rarely(interpreter: Interpreter) -> None:
    world = World(interpreter)
    assert world.ask("board.clock.now_us()") == 0
    for step_us in (536_870_911, 536_870_912, 600_000_000, 1 << 30, 3 * HOUR_US + 7, 70 * HOUR_US):
        before_us = world.ask("board.clock.now_us()")
        world.clock.advance(step_us)
        assert world.ask("board.clock.now_us()") == before_us + step_us  # type: ignore[operator]


def test_sleep_is_that_long(interpreter: Interpreter) -> None:
    world = World(interpreter)
    world.ask("board.clock.sleep_us(1234)")
    assert world.clock.now_us() == 5 + 1234


def test_a_chip_that_does_not_acknowledge_is_always_enodev(interpreter: Interpreter) -> None:
    world = World(interpreter)
    for fault, code in (("nack", 19), ("stuck_bus", 110)):
        world.chip.fault = fault
        for call in (
            "writeto(0x49, b'1')",
            "readfrom_into(0x49, bytearray(2))",
            "readfrom_mem_into(0x49, 0, bytearray(2))",
            "writeto_mem(0x49, 1, b'12')",
        ):
            assert world.ask(f"errno_of(lambda: board.i2c(0).{call})") == code


def test_errnos_of_all_ports_become_the_two_of_the_port(interpreter: Interpreter) -> None:
    world = World(interpreter)
    for raised, expected in ((5, 19), (19, 19), (116, 110), (110, 110)):
        assert world.ask(f"bus_error(OSError({raised})).args[0]") == expected


def test_identity_and_cause_of_the_boot(interpreter: Interpreter) -> None:
    world = World(interpreter)
    assert world.ask("[board.reset_cause, board.unique_id.hex()]") == ["power_on", "01020304"]


def test_the_watchdog_wakes_within_what_every_chip_can_wait(interpreter: Interpreter) -> None:
    world = World(interpreter)
    assert world.ask("[board.watchdog().feed(), board.watchdog().timeout]") == [None, 8000]


def test_there_is_no_network_to_join_without_an_access_point(interpreter: Interpreter) -> None:
    assert World(interpreter).ask("board.network(None)") is None


def test_a_hub_by_name_is_refused_because_its_look_up_would_hold_the_processor(
    interpreter: Interpreter,
) -> None:
    world = World(interpreter)
    assert world.ask("errno_of(lambda: board.connect('hub.example', 1).send(None))") == 22


def test_square_waves_are_of_whole_hertz(interpreter: Interpreter) -> None:
    world = World(interpreter)
    with pytest.raises(ValueError, match="whole hertz"):
        world.ask("board.pwm(3, 1500)")


def test_pins_are_driven_and_read(interpreter: Interpreter) -> None:
    world = World(interpreter)
    world.ask("board.pin(7, 'out').set(1)")
    assert world.board.outputs[7] == 1
    assert world.ask("[board.pin(8, 'in', pull).value() for pull in ('up', 'down')]") == [1, 0]


def test_a_bus_is_made_once_and_one_that_is_not_there_is_refused(
    interpreter: Interpreter,
) -> None:
    world = World(interpreter)
    assert world.ask("board.i2c(0) is board.i2c(0)") is True
    with pytest.raises(KeyError):
        world.ask("board.i2c(9)")


def test_the_default_flash_is_a_file(interpreter: Interpreter) -> None:
    world = World(interpreter)
    assert world.ask("[board.flash().sector_size, board.flash().sector_count]") == [4096, 128]


class TipModel:
    """A contact that closes at these times."""

    def __init__(self, *edges_us: int) -> None:
        self._edges_us = list(edges_us)

    def edges(self, now_us: int) -> list[int]:
        """Return the edges since the last call."""
        due = [edge_us for edge_us in self._edges_us if edge_us <= now_us]
        del self._edges_us[: len(due)]
        return due

    def value(self, now_us: int) -> int:
        """Return the level at rest."""
        return 1


def test_pulses_count_by_interrupt_whatever_lies_between_them(interpreter: Interpreter) -> None:
    world = World(interpreter)
    # Bounces at 0.1 and 0.2 s; then after one wrap of the microseconds, and after days.
    wrap_us = (1 << 30) + 1_000_000
    edges = (1_000_000, 1_100_000, 1_200_000, 1_000_000 + wrap_us, 200 * HOUR_US, 300 * HOUR_US)
    world.board.pins[4] = TipModel(*edges)
    assert world.ask("board.pulses(4, 'up', 250000).count()") == 0
    for edge_us in edges:
        world.clock.advance(edge_us - world.clock.now_us())
        world.driver.interrupts()
    assert world.ask("board.pulses(4, 'up', 250000).count()") == 4
