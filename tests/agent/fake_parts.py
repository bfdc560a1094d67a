"""Real small stand-ins for what the agent's core works with:

A clock moved by hand, a board, two chips.
"""

from agent.config import Config
from agent.drivers.errors import SensorError
from agent.flashlog import FlashLog
from agent.log import Log
from agent.operation import Operation
from agent.outputs import Outputs
from agent.own_rule import OwnRule
from agent.policy_order import PolicyOrder
from agent.sampler import Sampler
from agent.sealer import Sealer
from agent.sensor import Sensor
from protocols.batch import decode_batch, read_record_head
from protocols.cose import DeviceKeys
from protocols.records import decode_record
from protocols.vocabulary import KIND_BATCH
from simulators.storage import SimFlash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any

SECRET = "5a" * 32
FIFO_DEPTH = 32


def neighbours(items: "list[Any]") -> "list[tuple[Any, Any]]":
    """Return each item with the one after it; a board has no itertools.pairwise."""
    return list(zip(items, items[1:]))  # noqa: B905, RUF007


class Pin:
    """An output. level: as it was set last, -1: never."""

    def __init__(self) -> None:
        self.level = -1

    def set(self, level: int) -> None:
        self.level = level


class Board:
    """A board that has a clock and chips. faults: sensor names that fail."""

    def __init__(self) -> None:
        self.clock = self
        self.time_us = 0
        self.faults: set[str] = set()
        self.levels: dict[str, int] = {}
        self.pins: dict[int, Pin] = {}
        self.period_ns = 10_000_000  # of Counting's oscillator
        self.quake_us = 1 << 60
        self.random_count = 0
        self.reset_cause = "power_on"
        self.dog: Any = None

    def watchdog(self) -> "Any":
        return self.dog

    def now_us(self) -> int:
        return self.time_us

    def pin(self, number: int, mode: str, pull: str) -> "Pin":
        return self.pins.setdefault(number, Pin())

    def random(self, n: int) -> bytes:
        self.random_count += 1
        return bytes([self.random_count & 0xFF]) * n


class Counting:
    """A chip with a FIFO whose samples count up: x = index, y = -index; nominal 100 Hz."""

    channels = (("x", "m/s2", -3, 1), ("y", "m/s2", -3, 1))
    spacing_us = 10_000
    poll_us = 160_000
    samples_max = FIFO_DEPTH

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        self.board = board
        self.name = settings["name"]
        self.spacing_exact = "sync_pin" in settings
        self.overflows = 0

    def start(self) -> None:
        self.check()
        self.began_us = self.paced_from_us = self.board.time_us
        self.read_count = 0

    def read(self, out: "array[int]", now_us: int) -> int:
        self.check()
        made = (now_us - self.began_us) * 1000 // self.board.period_ns
        if made - self.read_count > FIFO_DEPTH:
            self.overflows += 1
            self.read_count = made - FIFO_DEPTH
        count: int = made - self.read_count
        for slot in range(count):
            out[2 * slot] = self.read_count + slot
            out[2 * slot + 1] = -(self.read_count + slot)
        self.read_count = made
        return count

    def self_test(self) -> bool:
        return True

    def stop(self) -> None:
        self.check()

    def check(self) -> None:
        if self.name in self.board.faults:
            raise SensorError(self.name + " is dead.", "Bury it.")


class Shaking(Counting):
    """The same chip on ground that rests, with a noise of a few steps, and shakes at a time.

    The board's quake_us is when it begins; it lasts 4 s. x is the ground, y the mark of the
    sample.
    """

    def read(self, out: "array[int]", now_us: int) -> int:
        count = Counting.read(self, out, now_us)
        for slot in range(count):
            index = out[2 * slot]
            out[2 * slot + 1] = mark_of(index)
            out[2 * slot] = self.ground(index)
        return count

    def ground(self, index: int) -> int:
        at_us = (index + 1) * self.board.period_ns // 1000 - self.board.quake_us
        noise = index * 7919 % 7 - 3
        shakes = 0 <= at_us < 4_000_000
        return 16_000 + noise + ((300, -300, 120, -120)[index // 5 % 4] if shakes else 0)


def mark_of(index: int) -> int:
    """Return a small number by which a run of samples can be told from any other run."""
    return (index * index * 40503 + index * 3571 >> 7) % 7 - 3


class Paced:
    """A chip read when it is due; its value is the time in s."""

    channels = (("", "1", 0, 1),)
    samples_max = 1
    overflows = 0

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        self.board = board
        self.name = settings["name"]
        self.spacing_us = self.poll_us = settings["every_ms"] * 1000

    def start(self) -> None:
        self.check()

    def read(self, out: "array[int]", now_us: int) -> int:
        self.check()
        out[0] = now_us // 1_000_000
        return 1

    def self_test(self) -> bool:
        return self.name not in self.board.faults

    def stop(self) -> None:
        pass

    def check(self) -> None:
        if self.name in self.board.faults:
            raise SensorError(self.name + " is dead.", "Bury it.")


class Switch:
    """A contact: a sample at the start and at each change of board.levels[name]."""

    channels = (("", "1", 0, 1),)
    samples_max = 1
    spacing_us = 0
    poll_us = 10_000
    overflows = 0

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        self.board = board
        self.name = settings["name"]

    def start(self) -> None:
        self.last = -1

    def read(self, out: "array[int]", now_us: int) -> int:
        level = self.board.levels.get(self.name, 0)
        if level == self.last:
            return 0
        self.last = out[0] = level
        return 1

    def self_test(self) -> bool:
        return True

    def stop(self) -> None:
        pass


class Sluggish(Counting):
    """A chip of one sample in 8 s."""

    spacing_us = 8_000_000
    poll_us = 4_000_000


FAKES = {
    "adxl355": Counting,
    "mpu6050": Shaking,
    "tmp117": Sluggish,
    "soil_moisture": Paced,
    "digital_input": Switch,
}


def create(name: str, board: Board, settings: "dict[str, Any]") -> "Any":
    """Return the stand-in for a driver."""
    return FAKES[name](board, settings)


ACC = {"name": "acc", "driver": "adxl355", "spi": 0, "cs": 1, "rate_mhz": 100_000, "lane": 3}
GROUND = {"name": "acc", "driver": "mpu6050", "i2c": 0, "rate_mhz": 100_000, "lane": 3}
SOIL = {"name": "soil", "driver": "soil_moisture", "adc": 0, "dry_u16": 1, "wet_u16": 2}
BUTTON = {"name": "button", "driver": "digital_input", "pin": 3, "lane": 0, "personal": True}


def table(sensors: "list[dict[str, Any]]", **modes: "Any") -> "dict[str, Any]":
    """Return a config.json with these sensors and policies."""
    return {
        "device": "device-1",
        "secret": SECRET,
        "hub": {"host": "hub.example", "port": 4620},
        "sensors": sensors,
        "policy": modes,
    }


class Core:
    """The agent's core on a fake board, without tasks: run(until) plays the sampler's task."""

    def __init__(self, config: "dict[str, Any]", flash: "Any" = None) -> None:
        checked = Config(config)
        self.board = Board()
        self.flash = flash or SimFlash(sector_count=256)
        self.flashlog = FlashLog(self.flash)
        self.flashlog.mount()
        self.keys = DeviceKeys(checked.device, checked.secret)
        boot = self.flashlog.next_boot()
        self.sealer = Sealer(self.keys, self.flashlog, boot, self.board.random)
        self.log = Log(self.board, echo=False)
        self.sensors = [Sensor(self.board, row, self.log, create) for row in checked.sensors]
        self.sampler = Sampler(self.sensors, checked.policy, self.sealer)
        self.outputs = Outputs(self.board, checked.outputs, self.log)
        self.operation = Operation(
            self.sampler,
            self.flashlog,
            self.log,
            None,
            policy_order=PolicyOrder(checked, self.board, self.flashlog, self.log, create=create),
            outputs=self.outputs,
            own_rule=OwnRule(self.sensors, self.outputs, checked.alone_after_ms),
        )
        self.sampler.follow(self.operation.followed_mode(), 0)

    def run(self, until_us: int, late_us: int = 0) -> None:
        """Run the sampler to this time; each call of it comes up to late_us late."""
        turn = 0
        while True:
            next_us = self.sampler.run_due(self.board.time_us)
            self.operation.run_due(self.board.time_us)
            turn += 1
            next_us += turn * 7919 % (late_us + 1)
            if next_us > until_us:
                break
            self.board.time_us = max(next_us, self.board.time_us)
        self.board.time_us = until_us

    def records(self) -> "list[Any]":
        """Return all frames that are held and not in flight:

        Batch, or the tuple of decode_record.
        """
        records: list[Any] = []
        for frame in self.frames():
            payload = self.keys.up.open(frame)
            if read_record_head(payload)[0] == KIND_BATCH:
                records.append(decode_batch(payload, self.keys.seal_key))
            else:
                records.append(decode_record(payload))
        return records

    def frames(self) -> "list[bytes]":
        """Return all frames that are held, most urgent first."""
        frames = []
        self.flashlog.reset_in_flight()
        handle = self.flashlog.next_unsent()
        while handle is not None:
            frames.append(self.flashlog.read_frame(handle))
            self.flashlog.mark_in_flight(handle)
            handle = self.flashlog.next_unsent()
        self.flashlog.reset_in_flight()
        return frames

    def series(self, channel: str) -> "list[Any]":
        """Return all series of a channel, oldest first."""
        batches = [record for record in self.records() if not isinstance(record, tuple)]
        batches.sort(key=lambda batch: batch.index)
        return [one for batch in batches for one in batch.series if one.channel == channel]

    def gaps(self) -> "list[Any]":
        """Return (channel, reason, from_us, until_us) of all gap records."""
        found = [record[5] for record in self.records() if isinstance(record, tuple)]
        return [(gap["channel"], gap["reason"], gap["from_us"], gap["until_us"]) for gap in found]
