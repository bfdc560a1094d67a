"""Runs one real driver on the real hardware port of MicroPython, as another process commands."""

import asyncio  # before `time` is replaced: its own clock has no part in this
import os
import sys
import time as real_time
from array import array

import micropython

from tests.micropython.board import fake_machine, fake_onewire, fake_time
from tests.micropython.board.far_wire import PowerLost, tape, tell

sys.modules["machine"] = fake_machine
sys.modules["onewire"] = fake_onewire
sys.modules["time"] = fake_time

from agent import drivers  # noqa: E402
from agent.detector import Detector  # noqa: E402
from agent.drivers.errors import SensorError  # noqa: E402
from agent.features import BlockSums  # noqa: E402
from agent.hal.on_micropython import MicropythonBoard, bus_error  # noqa: E402
from agent.ring import Ring  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DETECTOR = {"sta_ms": 200, "lta_ms": 1000, "on_percent": 200, "off_percent": 120}
STATE = (
    "channels",
    "spacing_us",
    "poll_us",
    "samples_max",
    "overflows",
    "spacing_exact",
    "is_settling",
)


class Flag:
    """The part of asyncio.ThreadSafeFlag that an interrupt uses; this interpreter lacks it."""

    def __init__(self) -> None:
        self.is_set = False

    def set(self) -> None:
        self.is_set = True


asyncio.ThreadSafeFlag = Flag  # type: ignore[attr-defined]


class Device:
    """One boot: the board, and the driver once it is made."""

    def __init__(self) -> None:
        self.board: Any = None
        self.driver: Any = None
        self.out = array("i")
        self.ring: Any = None

    def boot(self, wiring: "dict[str, Any]") -> None:
        self.board = MicropythonBoard(wiring)
        self.driver = None

    def create(self, name: str, settings: "dict[str, Any]") -> None:
        self.driver = drivers.create(name, self.board, settings)
        self.out = array("i", bytes(4 * self.driver.samples_max * len(self.driver.channels)))

    def read(self) -> "list[int]":
        count = self.driver.read(self.out, self.board.clock.now_us())
        return list(self.out[: count * len(self.driver.channels)])

    def read_locked(self, uptime_us: int, is_watched: bool) -> "tuple[int, int, int]":
        """Read twice from the same state and the same answers, the second time without a heap.

        uptime_us: what the board has run longer than the models of its chips. The samples then go
        to a ring, and, is_watched, through what watches them. Return the samples of the first
        read and of the second, and whether the second asked for heap.
        """
        driver, out, width = self.driver, self.out, len(self.driver.channels)
        ring = Ring(width, driver.samples_max)
        sums = BlockSums(width)
        detector = Detector(width, driver.spacing_us or 1000, DETECTOR)
        before = attributes(driver, {})
        now_us = self.board.clock.now_us() + uptime_us
        tape.record()
        expected = driver.read(out, now_us)
        for owner, names in before.values():
            for name in names:
                setattr(owner, name, names[name])
        count = asked = 0
        tape.play()
        micropython.heap_lock()
        try:
            count = driver.read(out, now_us)
            if count:
                ring.append(out, count)
            if count and is_watched:
                sums.take(out, count)
                detector.feed(out, count)
        except MemoryError:
            asked = 1
        micropython.heap_unlock()
        tape.stop()
        return expected, count, asked

    def work_wave(self, blocks: int, rounds: int) -> None:
        """Take rounds * blocks blocks from the bytes of a FIFO to the columns of frames.

        Blocks of 16 samples of three axes, as an ADXL355 at 100 Hz has them at each poll.
        """
        from agent.drivers.adxl355 import unpack_sets

        ring = Ring(3, 16 * blocks)
        raw = bytearray(1 + 9 * 32)
        for entry in range(0, 96, 3):
            raw[3 * entry + 3] = 1
        block = array("i", bytes(4 * 96))
        out = bytearray(4000)
        for _ in range(rounds):
            for _ in range(blocks):
                unpack_sets(raw, block, 16, 8)
                ring.append(block, 16)
            for axis in range(3):
                ring.column(axis, 16 * blocks, 0).pack_into(out, 0)

    def work_slow(self, readings: int, rounds: int) -> None:
        """Take slow readings through sensor, sampler and sealer.

        readings: of one batch; rounds: batches.
        """
        from agent.sampler import Sampler
        from agent.sealer import Sealer
        from agent.sensor import Sensor
        from protocols.cose import DeviceKeys
        from tests.micropython.board.slow_parts import Kept, Slow, config

        checked = config()
        kept: Any = Kept()
        sealer = Sealer(DeviceKeys("device-1", bytes(32)), kept, 1, bytes)
        sensor = Sensor(self.board, checked.sensors[0], kept, Slow)
        sampler = Sampler([sensor], checked.policy, sealer)
        sampler.follow(0, 0)
        now_us = 0
        for _ in range(rounds):
            for _ in range(readings):
                now_us = sampler.run_due(now_us)
            sampler.flush(now_us)
        assert kept.count == rounds

    def time_mount(self, frame_size: int) -> "tuple[int, float]":
        """Return how many frames a full log of 512 KiB holds, and its mount in milliseconds."""
        from agent.flashlog import FlashLog
        from agent.hal.file_flash import FileFlash

        flash = FileFlash("/mount.bin")
        log = FlashLog(flash)
        log.mount()
        for index in range(500_000 // frame_size):
            log.append(1, index, 3, bytes(frame_size))
        began_us = real_time.ticks_us()  # type: ignore[attr-defined]
        log = FlashLog(flash)
        log.mount()
        spent_us: int = real_time.ticks_diff(real_time.ticks_us(), began_us)  # type: ignore[attr-defined]
        flash.close()
        os.remove("/mount.bin")
        return log.pending_count(), spent_us / 1000

    def edge(self, number: int) -> None:
        fake_machine.Pin.handlers[number]()

    def take_wake(self) -> bool:
        flag = self.board.waker
        was_set, flag.is_set = flag.is_set, False
        return bool(was_set)

    def call(self, name: str, *arguments: "Any") -> "Any":
        return getattr(self.driver, name)(*arguments)

    def evaluate(self, code: str) -> "Any":
        names = {"board": self.board, "bus_error": bus_error, "errno_of": errno_of}
        return eval(code, names)

    def state(self) -> "dict[str, Any]":
        driver = self.driver
        return {name: getattr(driver, name) for name in STATE if hasattr(driver, name)}


def attributes(owner: "Any", found: "dict[int, Any]") -> "dict[int, Any]":
    """Return all attributes of an object and of the objects that it has: id -> (it, names)."""
    if id(owner) not in found and hasattr(owner, "__dict__") and not isinstance(owner, type):
        names = dict(owner.__dict__)
        found[id(owner)] = (owner, names)
        for value in names.values():
            attributes(value, found)
    return found


def errno_of(call: "Any") -> int:
    try:
        call()
    except OSError as error:
        return int(error.args[0])
    return 0


def serve() -> None:
    """Obey until the other process ends."""
    device = Device()
    result: dict[str, Any] = {"ready": sys.implementation.name}
    while True:
        name, arguments = tell(result)
        try:
            result = {"result": getattr(device, name)(*arguments)}
        except SensorError as error:
            result = {"sensor_error": (error.cause, error.remedy)}
        except PowerLost:
            device = Device()
            result = {"power_lost": True}
        except (ValueError, KeyError) as error:
            result = {type(error).__name__: str(error)}
        except Exception as error:
            sys.print_exception(error, sys.stderr)  # type: ignore[attr-defined]
            result = {"failed": repr(error)}
        result["state"] = device.state()
