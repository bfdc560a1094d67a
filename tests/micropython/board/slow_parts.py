"""A sensor without a bus and a flash log without a flash, to time what lies between them."""

from agent.config import Config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any

SENSOR = {"name": "soil", "driver": "soil_moisture", "adc": 0, "dry_u16": 1, "wet_u16": 2}


def config() -> Config:
    """Return a device with one slow sensor, which reports when it is told to."""
    return Config(
        {
            "device": "device-1",
            "secret": "5a" * 32,
            "hub": {"host": "hub.example", "port": 4620},
            "sensors": [SENSOR],
            "policy": {"normal": {"soil": {"every_ms": 1000, "report_ms": 86_400_000}}},
        }
    )


class Slow:
    """A driver that reads a number once a second."""

    channels = (("", "1", 0, 1),)
    spacing_us = poll_us = 1_000_000
    samples_max = 1
    overflows = 0

    def __init__(self, name: str, board: "Any", settings: "dict[str, Any]") -> None:
        self._value = 1000

    def start(self) -> None:
        pass

    def read(self, out: "array[int]", now_us: int) -> int:
        self._value += 1
        out[0] = self._value
        return 1

    def stop(self) -> None:
        pass


class Kept:
    """Counts the frames; logs nothing."""

    def __init__(self) -> None:
        self.count = 0

    def append(self, boot: int, index: int, lane: int, frame: bytes) -> None:
        self.count += 1

    def take_gaps(self) -> "list[Any]":
        return []

    def warning(self, text: str) -> None:
        pass
