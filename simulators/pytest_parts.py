"""What the fixtures of simulators/pytest_plugin hand out; also for use without pytest."""

import asyncio
import threading
from array import array
from collections.abc import Coroutine
from typing import Any

from agent.drivers import create as create_driver
from boards.profiles import read_device
from simulators import chips
from simulators.board import SimBoard
from simulators.clock import HandClock
from simulators.network import BLACKHOLE, RESET, Line
from simulators.scenario import read_scenario
from simulators.signals.basic import Constant
from simulators.town import Town

START_S_MAX = 10.0


def make_chip(clock: Any, driver: str, value: Any, *, seed: int, options: dict[str, Any]) -> Any:
    """Return the model of the chip of a driver; KeyError, ValueError: no such one, no such option.

    value: a number, (x, y, z), or a signal with sample(t_us); SI units.
    """
    signal = value if hasattr(value, "sample") else Constant(value)
    return chips.create(driver, clock, signal, seed=seed, options=options)


class SimBus:
    """An I2C bus of a simulated board, as CircuitPython's busio.I2C has it."""

    def __init__(self, board: SimBoard, number: int = 0) -> None:
        self.board = board
        self._number = number
        self._is_locked = False

    def attach(self, chip: Any, **settings: Any) -> Any:
        """Hang a chip on it; settings as in the driver's row, such as address. Return the chip."""
        self.board.add(chip, {"name": "chip", "i2c": self._number, **settings})
        return chip

    def scan(self) -> list[int]:
        """Return the addresses that acknowledge."""
        attached = self.board.i2c_chips.get(self._number, {})
        return sorted(address for address, chip in attached.items() if chip.fault != "nack")

    def try_lock(self) -> bool:
        """Take the bus; False where somebody has it."""
        if self._is_locked:
            return False
        self._is_locked = True
        return True

    def unlock(self) -> None:
        """Give the bus back."""
        self._is_locked = False

    def writeto(
        self, address: int, buffer: Any, *, start: int = 0, end: int | None = None
    ) -> None:
        """Write to a chip; OSError ENODEV, ETIMEDOUT."""
        self.board.i2c(self._number).writeto(address, bytes(buffer)[start:end])

    def readfrom_into(
        self, address: int, buffer: Any, *, start: int = 0, end: int | None = None
    ) -> None:
        """Fill the buffer from a chip; OSError ENODEV, ETIMEDOUT."""
        part = bytearray(len(buffer[start:end]))
        self.board.i2c(self._number).readfrom_into(address, part)
        buffer[start : start + len(part)] = part

    def writeto_then_readfrom(
        self,
        address: int,
        out_buffer: Any,
        in_buffer: Any,
        *,
        out_start: int = 0,
        out_end: int | None = None,
        in_start: int = 0,
        in_end: int | None = None,
    ) -> None:
        """Write, then read after a repeated start."""
        self.writeto(address, out_buffer, start=out_start, end=out_end)
        self.readfrom_into(address, in_buffer, start=in_start, end=in_end)


class SimDevice:
    """A board of the town with the chips of its profile, and a driver for each of them."""

    def __init__(self, clock: HandClock, profile: str, signals: dict[str, Any], seed: int) -> None:
        self.rows = {row["name"]: row for row in read_device(profile)["sensors"]}
        self.chips = {
            name: chips.create(row["driver"], clock, signals[name], seed=seed + number)
            for number, (name, row) in enumerate(self.rows.items())
        }
        self._clock = clock
        self.board = SimBoard(clock, [(self.chips[name], self.rows[name]) for name in self.rows])
        self.drivers = {name: self._driver(row) for name, row in self.rows.items()}
        started_us = clock.now_us()
        self._due_us = {name: started_us + each.poll_us for name, each in self.drivers.items()}

    def run(self, seconds: float) -> dict[str, list[tuple[float, ...]]]:
        """Return channel name -> (seconds of the world, SI value) of what is read in that time.

        The time of a sample is that of the read that brought it. SensorError: a sensor fails.
        """
        until_us = self._clock.now_us() + round(seconds * 1_000_000)
        made: dict[str, list[tuple[float, ...]]] = {}
        due_us = self._due_us
        while (next_us := min(due_us.values())) <= until_us:
            self._clock.advance(max(0, next_us - self._clock.now_us()))
            for name, driver in self.drivers.items():
                if due_us[name] <= next_us:
                    self._read(name, made)
                    due_us[name] += driver.poll_us
        self._clock.advance(max(0, until_us - self._clock.now_us()))
        return made

    def _driver(self, row: dict[str, Any]) -> Any:
        # What a row leaves to the policy, such as every_ms, keeps the driver's default.
        driver = create_driver(row["driver"], self.board, row)
        driver.start()
        return driver

    def _read(self, name: str, made: dict[str, list[tuple[float, ...]]]) -> None:
        driver = self.drivers[name]
        channels = driver.channels
        out = array("i", bytes(4 * driver.samples_max * len(channels)))
        count = driver.read(out, self.board.clock.now_us())
        now_s = self._clock.now_us() / 1_000_000
        for index, (suffix, _, exponent, multiplier) in enumerate(channels):
            channel = f"{name}.{suffix}" if suffix else name
            rows = made.setdefault(channel, [])
            for k in range(count):
                raw = out[k * len(channels) + index]
                rows.append((now_s, raw * multiplier * 10.0**exponent))


class SimTown:
    """The world of a scenario, in which one clock and one set of signals serve every board."""

    def __init__(self, clock: HandClock, scenario: str = "quake-flood", seed: int = 1) -> None:
        self.clock = clock
        self.scenario = read_scenario(scenario)
        self._town = Town(self.scenario, seed)
        self._seed = seed

    def device(self, profile: str, number: int = 0) -> SimDevice:
        """Return the number-th device of that profile; IndexError if there is none."""
        placed = [each for each in self.scenario.devices if each.profile == profile][number]
        return SimDevice(self.clock, profile, self._town.signals(placed), self._seed + number)


class FaultyLink:
    """A relay on loopback in front of a TCP server, whose line a test cuts and heals.

    It runs in a thread of its own, so that blocking clients can be tested as well.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faulty-link")
        self._thread.start()
        self._line: Line | None = None

    def open(self, host: str, port: int, **quality: Any) -> int:
        """Relay to host:port; return the port of 127.0.0.1 to connect to.

        quality: as of simulators.network.Line, such as delay_ms.
        """
        line = Line(host, port, **quality)
        self._run(line.start())
        self._line = line
        return line.port

    def cut(self, *, silently: bool = False) -> None:
        """Cut the line: connections are reset, or silently swallow all that is sent."""
        self._call(lambda line: line.cut(BLACKHOLE if silently else RESET))

    def heal(self) -> None:
        """Carry new connections again."""
        self._call(lambda line: line.restore())

    def corrupt_next(self, count: int) -> None:
        """Spoil the next count bytes that go to the server."""
        self._call(lambda line: line.corrupt_next(count))

    def close(self) -> None:
        """Reset every connection and end the thread."""
        if self._line is not None:
            self._run(self._line.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_S_MAX)
        self._loop.close()

    def _call(self, action: Any) -> None:
        assert self._line is not None, "open() comes first"
        line = self._line

        async def run() -> None:
            action(line)

        self._run(run())

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_S_MAX)
