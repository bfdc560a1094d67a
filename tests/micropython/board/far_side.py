"""Runs one real driver on the real hardware port of MicroPython, as another process commands."""

import asyncio  # before `time` is replaced: its own clock has no part in this
import sys
from array import array

from tests.micropython.board import fake_machine, fake_onewire, fake_time
from tests.micropython.board.far_wire import PowerLost, tell

sys.modules["machine"] = fake_machine
sys.modules["onewire"] = fake_onewire
sys.modules["time"] = fake_time

from agent import drivers  # noqa: E402
from agent.drivers.errors import SensorError  # noqa: E402
from agent.hal.on_micropython import MicropythonBoard, bus_error  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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

    def boot(self, wiring: "dict[str, Any]") -> None:
        self.board = MicropythonBoard(wiring)
        self.driver = None

    def create(self, name: str, settings: "dict[str, Any]") -> None:
        self.driver = drivers.create(name, self.board, settings)
        self.out = array("i", bytes(4 * self.driver.samples_max * len(self.driver.channels)))

    def read(self) -> "list[int]":
        count = self.driver.read(self.out, self.board.clock.now_us())
        return list(self.out[: count * len(self.driver.channels)])

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
