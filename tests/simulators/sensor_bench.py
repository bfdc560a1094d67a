"""One sensor of a town on a simulated board, polled as its driver asks to be."""

from array import array
from typing import Any

from agent.drivers import create as create_driver
from simulators import chips
from simulators.board import SimBoard
from simulators.clock import HandClock

SECOND_US = 1_000_000


class Bench:
    """settings: the sensor's row, with its "driver". options: of the chip."""

    def __init__(self, settings: dict[str, Any], signal: Any, *, seed: int = 1, **options: Any):
        self.settings = settings
        self.clock = HandClock(5 * SECOND_US)
        self.chip = chips.create(
            settings["driver"], self.clock, signal, seed=seed, options=options
        )
        self.board = SimBoard(self.clock, [(self.chip, settings)])
        self.boot()

    def boot(self) -> None:
        """Start a new driver, as a new boot of the agent does."""
        self.driver = create_driver(self.settings["driver"], self.board, self.settings)
        self.driver.start()
        self.clock.advance(self.driver.poll_us)  # the agent reads first one poll after the start
        self.width = len(self.driver.channels)
        self.out = array("i", [0] * (self.width * self.driver.samples_max))

    def run(self, duration_us: int) -> list[tuple[int, ...]]:
        """Return (world time, raw value of each channel) of each sample made in that time."""
        made = []
        end_us = self.clock.now_us() + duration_us
        while self.clock.now_us() < end_us:
            if self.driver.read(self.out, self.board.clock.now_us()):
                made.append((self.clock.now_us(), *self.out[: self.width]))
            self.clock.advance(self.driver.poll_us)
        return made

    def values(self, duration_us: int) -> list[int]:
        """Return the raw values of the first channel of that time."""
        return [row[1] for row in self.run(duration_us)]

    def power_cycle(self) -> None:
        """Take the power away for some seconds, then boot."""
        self.board.power_off()
        self.clock.advance(7 * SECOND_US)
        self.board.power_on()
        self.boot()
