"""From chip to ring nothing is made on the heap: on a real MicroPython, with its heap locked."""

from collections.abc import Iterator

import pytest

from tests.far_board import FarDriver, Interpreter
from tests.simulators.pairs import PAIRS, Bench

# Half a day: beyond the small integers of a board, 2**30 us, so that times are objects.
UPTIME_US = 43_200_000_000
FIFO = ("adxl355-sync", "adxl355-tilt", "adxl355-i2c", "adxl345-i2c", "adxl345-spi", "mpu6050")
READS = 12
# A position and a clock have no onset; the sum of their numbers is a large integer.
UNWATCHED = ("gnss",)


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Interpreter]:
    started = Interpreter()
    yield started
    started.close()


def locked_reads(
    name: str, interpreter: Interpreter, uptime_us: int
) -> list[tuple[int, int, int]]:
    """Return (samples, samples with the heap locked, heap asked for) of some reads."""
    bench = Bench(name, "micropython", lambda: interpreter).start()
    driver: FarDriver = bench.driver
    made = []
    for _ in range(READS):
        bench.clock.advance(driver.poll_us)
        driver.interrupts()
        made.append(tuple(driver._do("read_locked", uptime_us, name not in UNWATCHED)))
    return made


@pytest.mark.parametrize("name", FIFO)
def test_draining_a_fifo_asks_for_no_heap_at_any_uptime(
    name: str, interpreter: Interpreter
) -> None:
    made = locked_reads(name, interpreter, UPTIME_US)
    assert [asked for _, _, asked in made] == [0] * READS
    assert all(first == second for first, second, _ in made)
    assert sum(first for first, _, _ in made) >= READS


@pytest.mark.parametrize("name", list(PAIRS))
def test_reading_asks_for_no_heap_while_times_are_small(
    name: str, interpreter: Interpreter
) -> None:
    made = locked_reads(name, interpreter, 0)
    assert [asked for _, _, asked in made] == [0] * READS
    assert all(first == second for first, second, _ in made)


def test_a_reading_that_makes_objects_is_seen(interpreter: Interpreter) -> None:
    assert any(asked for _, _, asked in locked_reads("ds18b20", interpreter, UPTIME_US))
