"""Every driver with the model of its chip, on every body of the hardware port: table and bench.

Bodies: "simulated" is the simulated board itself; "micropython" a real MicroPython interpreter
with agent/hal/on_micropython; "blinka" agent/hal/on_blinka over Blinka's busio. Behind all three
stand the same models.
"""

from array import array
from collections.abc import Callable
from typing import Any, NamedTuple

from agent.drivers import create as create_driver
from agent.drivers.errors import SensorError
from agent.hal.on_blinka import BlinkaBoard
from simulators import chips
from simulators.board import SimBoard
from simulators.clock import HandClock
from simulators.signals.basic import Constant
from tests import blinka_parts
from tests.far_board import FarDriver, Interpreter
from tests.simulators.test_chips_bridge import ROWS

SECOND_US = 1_000_000
BODIES = ("simulated", "micropython", "blinka")
KINDS = ("i2c", "spi", "uart", "adc", "pin", "data_pin")
# What a technician has to see of a fault of the wire, by how the sensor is wired.
WIRE_FAULTS: dict[str, dict[str, str]] = {
    "i2c": {"nack": "nothing answers", "stuck_bus": "held low"},
    "spi": {"nack": "answer", "stuck_bus": "answer"},
    "uart": dict.fromkeys(("nack", "stuck_bus", "garbage"), " s."),  # for so many seconds nothing
    "adc": {},
    "pin": {},
    "data_pin": {"nack": "", "stuck_bus": ""},
}


class Pair(NamedTuple):
    """One driver and its chip.

    settings: the sensor's row. value: what the signal is, SI. quantum: largest error of a
    noiseless sample. reads: what the driver should make of value (None: value; None of a channel:
    anything). exact: the options of a chip without noise. fastest: settings at the chip's highest
    rate; None: it reads only at changes. faults: beside those of WIRE_FAULTS, or with other words.
    bodies: that can do it.
    """

    settings: dict[str, Any]
    value: Any
    quantum: float
    reads: Any = None
    exact: dict[str, Any] = {"noise": False}
    fastest: dict[str, Any] | None = None
    faults: dict[str, str] = {}
    bodies: tuple[str, ...] = BODIES

    @property
    def kind(self) -> str:
        """How it is wired."""
        return next(kind for kind in KINDS if kind in self.settings)

    @property
    def has_identity(self) -> bool:
        """Whether the chip can say what it is."""
        return self.kind in ("i2c", "spi")

    @property
    def is_periodic(self) -> bool:
        """Whether it makes samples evenly, and not at changes only."""
        return self.fastest is not None

    def wire_faults(self) -> dict[str, str]:
        """Return fault -> words of the error's cause."""
        return {**WIRE_FAULTS[self.kind], **self.faults}


FASTEST: dict[str, dict[str, Any]] = {
    "adxl355-sync": {"rate_mhz": 1_000_000},
    "adxl355-tilt": {"rate_mhz": 4_000_000},
    "adxl355-i2c": {"rate_mhz": 4_000_000},
    "adxl345-i2c": {"rate_mhz": 800_000},
    "adxl345-spi": {"rate_mhz": 3_200_000},
    "mpu6050": {"rate_mhz": 1_000_000},
    "nau7802": {"rate_mhz": 320_000},
    "ads1220": {"rate_mhz": 1_000_000},
    "ads1115": {"rate_mhz": 100_000},
    "tmp117": {"rate_mhz": 8_000},
}
# The bridge's rows, and those of the rest of the town.
PAIRS = {
    name: Pair(row.settings, row.value, row.quantum, fastest=FASTEST.get(name, {}))
    for name, row in ROWS.items()
} | {
    "a02yyuw": Pair(
        {"driver": "a02yyuw", "uart": 0, "height_mm": 4800, "every_ms": 1000},
        3.2,
        0.0005,
        reads=1.6,
        exact={"noise_mm": 0.0},
        fastest={"every_ms": 100},
    ),
    "mb7389": Pair(
        {"driver": "mb7389", "uart": 0, "height_mm": 4800, "every_ms": 1000},
        3.2,
        0.0005,
        reads=1.6,
        fastest={"every_ms": 150},
    ),
    "pressure_level": Pair(
        {
            "driver": "pressure_level",
            "i2c": 0,
            "rate_mhz": 1000,
            "full_pa": 49_033,
            "zero_mm": -500,
        },
        1.2345,
        0.0005,
        exact={"noise": False, "accuracy": False},
        fastest={"rate_mhz": 100_000},
    ),
    "soil_moisture": Pair(
        {"driver": "soil_moisture", "adc": 0, "dry_u16": 52_000, "wet_u16": 24_000},
        0.35,
        0.0002,
        exact={"noise_u16": 0},
        fastest={"every_ms": 100},
        faults={"nack": "dry_u16", "stuck_bus": "dry_u16"},
    ),
    "hx711": Pair(
        {
            "driver": "hx711",
            "data_pin": 2,
            "clock_pin": 3,
            "rate_mhz": 10_000,
            "full_n": 1000,
            "rated_uv_per_v": 2000,
        },
        250.0,
        0.03,
        fastest={"rate_mhz": 80_000},
    ),
    "ds18b20": Pair(
        {"driver": "ds18b20", "pin": 6, "every_ms": 1000},
        21.5,
        0.03125,
        fastest={"bits": 9},
        faults={"nack": "", "stuck_bus": "", "wrong_checksum": ""},
    ),
    "tipping_bucket": Pair(
        {"driver": "tipping_bucket", "pin": 4, "every_ms": 1000},
        0.0,
        0.0,
        fastest={"every_ms": 100},
    ),
    "ld2410": Pair(
        {"driver": "ld2410", "uart": 0, "every_ms": 1000},
        (1.0, 1.0, 2.5),
        0.005,
        reads=(3.0, 2.5, 2.5),
        fastest={"every_ms": 100},
    ),
    "gnss": Pair(
        {"driver": "gnss", "uart": 0, "every_ms": 1000},
        (35.66, 139.7, 8.0),
        0.001,
        reads=(35.66, 139.7, 20.0, 8.0, 9.0, None),
        exact={"noise": False, "first_fix_us": 0},
        fastest={"every_ms": 1000},
    ),
    "digital_input": Pair({"driver": "digital_input", "pin": 3}, 1.0, 0.0, exact={"bounce_us": 0}),
    "wire_loop": Pair({"driver": "wire_loop", "adc": 0}, 0.0, 0.0),
    "wire_loop-plain": Pair({"driver": "wire_loop", "pin": 2}, 0.0, 0.0),
    "pressure_mat": Pair(
        {"driver": "pressure_mat", "adc": 1, "on_u16": 34_000, "off_u16": 28_000}, 1.0, 0.0
    ),
}


class WatchedClock(HandClock):
    """World time that passes in steps, so that interrupts and threads see the pins in between."""

    STEP_US = 1000

    def __init__(self, start_us: int) -> None:
        super().__init__(start_us)
        self.watchers: list[Callable[[], None]] = []

    def advance(self, duration_us: int) -> None:
        """Let duration_us pass."""
        end_us = self.now_us() + duration_us
        while self.watchers and self.now_us() + self.STEP_US <= end_us:
            super().advance(self.STEP_US)
            for look in self.watchers:
                look()
        super().advance(max(0, end_us - self.now_us()))


class Flag:
    """A waker that a test asks whether it was set."""

    def __init__(self) -> None:
        self.is_set = False

    def set(self) -> None:
        """Set it."""
        self.is_set = True


class FreeSignal:
    """A signal that a test changes while it runs."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def sample(self, t_us: int) -> Any:
        """Return the value."""
        return self.value


class Bench:
    """One pair on one body, polled as its driver asks to be. settings: laid over the pair's."""

    def __init__(
        self,
        name: str,
        body: str,
        interpreter: Callable[[], Interpreter],
        *,
        settings: dict[str, Any] | None = None,
        signal: Any = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        pair = PAIRS[name]
        self.settings = {"name": "x", **pair.settings, **(settings or {})}
        self.clock = WatchedClock(7 * SECOND_US)
        self.chip = chips.create(
            self.settings["driver"],
            self.clock,
            Constant(pair.value) if signal is None else signal,
            seed=3,
            options=pair.exact if options is None else options,
        )
        self.waker = Flag()
        self.board = SimBoard(self.clock, [(self.chip, self.settings)], waker=self.waker)
        self._body = body
        self._interpreter = interpreter
        self.boot()

    def boot(self) -> None:
        """Make a new driver, as a new boot of the agent does."""
        self.clock.watchers.clear()
        self.driver = self._make_driver()
        self.width = len(self.driver.channels)
        self.out = array("i", bytes(4 * self.driver.samples_max * self.width))

    def start(self) -> "Bench":
        """Start the driver; return self."""
        self.driver.start()
        return self

    def read(self) -> list[tuple[int, ...]]:
        """Return the samples of one read."""
        count = self.driver.read(self.out, self.board.clock.now_us())
        width = self.width
        return [tuple(self.out[k * width : (k + 1) * width]) for k in range(count)]

    def run(self, duration_us: int) -> list[tuple[int, ...]]:
        """Return the samples made in that time."""
        made = []
        end_us = self.clock.now_us() + duration_us
        while self.clock.now_us() < end_us:
            self.clock.advance(self.driver.poll_us)
            made += self.read()
        return made

    def settle(self) -> list[tuple[int, ...]]:
        """Return the samples of a time in which every sensor has said something."""
        return self.run(max(SECOND_US, 4 * self.driver.spacing_us))

    def to_si(self, sample: tuple[int, ...]) -> list[float]:
        """Return a sample in SI units."""
        scales = [multiplier * 10.0**exponent for *_, exponent, multiplier in self.driver.channels]
        return [raw * scale for raw, scale in zip(sample, scales, strict=True)]

    def take_wake(self) -> bool:
        """Return whether an edge has woken the agent since the last call."""
        if self._body == "micropython":
            return bool(self.driver.take_wake())
        was_set, self.waker.is_set = self.waker.is_set, False
        return was_set

    def _make_driver(self) -> Any:
        if self._body == "micropython":
            driver = FarDriver(self._interpreter(), self.board, self.settings)
            if "pin" in self.settings:
                self.clock.watchers.append(driver.look_at_pins)
            return driver
        body: Any = self.board
        if self._body == "simulated" and "pin" in self.settings:
            self.clock.watchers.append(self.board.look_at_pins)
        if self._body == "blinka":
            body = BlinkaBoard(
                blinka_parts.WIRING,
                parts=blinka_parts.parts_of(self.board),
                clock=self.board.clock,
            )
            body.waker = self.waker
        return create_driver(self.settings["driver"], body, self.settings)


def error_of(call: Callable[[], Any]) -> SensorError:
    """Return the SensorError that the call raises, written as a technician has to read it."""
    try:
        call()
    except SensorError as error:
        assert error.cause.startswith("x: ") and error.cause.endswith(".")
        assert error.remedy.endswith(".")
        return error
    raise AssertionError("no SensorError was raised")
