"""One sensor on a board, with and without its driver; signals that tell samples apart."""

from array import array
from typing import Any

from agent.drivers import create as create_driver
from simulators import chips
from simulators.board import SimBoard
from simulators.clock import HandClock
from simulators.signals.basic import Constant

SECOND_US = 1_000_000
STANDARD_GRAVITY = 9.80665
LEVEL = Constant((0.0, 0.0, STANDARD_GRAVITY))
REST = Constant((0.0, 0.0, 0.0))
COUNTS = 400


class Counting:
    """Samples numbered on x: number k at a nominal rate is (k mod 400) times 2/256 g."""

    def __init__(self, rate_mhz: int) -> None:
        self._rate_mhz = rate_mhz

    def sample(self, t_us: int) -> tuple[float, float, float]:
        number = (t_us - SECOND_US) * self._rate_mhz // 1_000_000_000
        return (number % COUNTS * 2 / 256 * STANDARD_GRAVITY, 0.0, 0.0)


class BlockBench:
    """A chip and its driver, not started; world time begins at one second."""

    def __init__(self, settings: dict[str, Any], signal: Any, seed: int = 1, **options: Any):
        self.settings = {"name": "x", **settings}
        self.clock = HandClock(SECOND_US)
        options = {"noise": False, **options}
        self.chip = chips.create(
            settings["driver"], self.clock, signal, seed=seed, options=options
        )
        self.board = SimBoard(self.clock, [(self.chip, self.settings)])
        self.driver = create_driver(settings["driver"], self.board, self.settings)
        self.width = len(self.driver.channels)
        self.out = array("i", bytes(4 * self.width * self.driver.samples_max))

    def start(self) -> "BlockBench":
        self.driver.start()
        return self

    def read_driver(self) -> list[tuple[int, ...]]:
        """Return the samples of one read."""
        count, width = self.driver.read(self.out, self.board.clock.now_us()), self.width
        return [tuple(self.out[width * k : width * (k + 1)]) for k in range(count)]

    def run(self, duration_us: int) -> list[tuple[int, ...]]:
        """Return the samples of that time."""
        samples = []
        for _ in range(duration_us // self.driver.poll_us):
            self.clock.advance(self.driver.poll_us)
            samples += self.read_driver()
        return samples

    def to_si(self, sample: tuple[int, ...]) -> tuple[float, ...]:
        """Return a sample in SI units."""
        scales = [factor * 10.0**power for *_, power, factor in self.driver.channels]
        return tuple(raw * scale for raw, scale in zip(sample, scales, strict=True))

    def read(self, register: int, size: int = 1) -> bytes:
        """Read the chip's registers beside the driver, on I2C."""
        data = bytearray(size)
        address = next(iter(self.board.i2c_chips[0]))
        self.board.i2c(0).readfrom_mem_into(address, register, data)
        return bytes(data)

    def write(self, register: int, *values: int) -> None:
        """Write the chip's registers beside the driver, on I2C."""
        address = next(iter(self.board.i2c_chips[0]))
        self.board.i2c(0).writeto_mem(address, register, bytes(values))


def check_stalls_are_seen(bench: BlockBench, steps_a_count: int) -> int:
    """Poll unevenly, each 50th time 100 ms late; every sample missing must have been counted.

    The signal counts its samples. Returns how many losses the driver counted.
    """
    last = None
    for poll in range(600):
        bench.clock.advance(100_000 if poll % 50 == 49 else poll % 7 * bench.driver.poll_us // 4)
        overflows = bench.driver.overflows
        samples = bench.read_driver()
        if bench.driver.overflows > overflows:
            last = None
        for x, *_ in samples:
            number = round(x / steps_a_count)
            assert last is None or number == (last + 1) % COUNTS
            last = number
    overflows = bench.driver.overflows
    assert isinstance(overflows, int)
    return overflows
