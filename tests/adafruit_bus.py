"""The simulated board as Adafruit's drivers want it: busio's I2C, digitalio's pins, time.

Nothing waits: a transfer takes the time that its bits take at 400 kHz, and sleep passes at once.
"""

from typing import Any

BIT_NS = 2_500  # at 400 kHz
PIN_US = 1


class Time:
    """What those drivers use of the module `time`, in world time."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock

    def sleep(self, duration_s: float) -> None:
        self._clock.advance(round(duration_s * 1_000_000))

    def monotonic(self) -> float:
        return float(self._clock.now_us()) / 1_000_000


class I2C:
    """busio.I2C on a bus of a simulated board."""

    def __init__(self, board: Any, clock: Any, bus: int = 0) -> None:
        self._bus = board.i2c(bus)
        self._clock = clock

    def try_lock(self) -> bool:
        return True

    def unlock(self) -> None:
        pass

    def writeto(
        self, address: int, buffer: bytes, *, start: int = 0, end: int | None = None
    ) -> None:
        data = bytes(buffer)[start:end]
        self._pass(1 + len(data))
        self._bus.writeto(address, data)

    def readfrom_into(
        self, address: int, buffer: bytearray, *, start: int = 0, end: int | None = None
    ) -> None:
        data = bytearray(len(bytes(buffer)[start:end]))
        self._pass(1 + len(data))
        self._bus.readfrom_into(address, data)
        buffer[start : start + len(data)] = data

    def writeto_then_readfrom(
        self,
        address: int,
        buffer_out: bytes,
        buffer_in: bytearray,
        *,
        out_start: int = 0,
        out_end: int | None = None,
        in_start: int = 0,
        in_end: int | None = None,
    ) -> None:
        self.writeto(address, buffer_out, start=out_start, end=out_end)
        self.readfrom_into(address, buffer_in, start=in_start, end=in_end)

    def _pass(self, count: int) -> None:
        self._clock.advance(-(-count * 9 * BIT_NS // 1000))


class DigitalPin:
    """digitalio.DigitalInOut on a pin of a simulated board."""

    def __init__(self, pin: Any, clock: Any) -> None:
        self._pin = pin
        self._clock = clock

    @property
    def value(self) -> bool:
        self._clock.advance(PIN_US)
        return bool(self._pin.value())

    @value.setter
    def value(self, level: bool) -> None:
        self._clock.advance(PIN_US)
        self._pin.set(1 if level else 0)


class Processor:
    """What the HX711's driver uses of the module `microcontroller`."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock

    def disable_interrupts(self) -> None:
        pass

    def enable_interrupts(self) -> None:
        pass

    def delay_us(self, duration_us: int) -> None:
        self._clock.advance(duration_us)
