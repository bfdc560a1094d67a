"""The part of MicroPython's `machine` that our hardware port uses, over models of chips.

The names and signatures are those of MicroPython's documentation of `machine` (1.24).
"""

from tests.micropython.board.far_wire import ask, tape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5


def reset_cause() -> int:
    return PWRON_RESET


def unique_id() -> bytes:
    return b"\x01\x02\x03\x04"


def reset() -> None:
    ask("reset")


def disable_irq() -> int:
    return 7


def enable_irq(state: int) -> None:
    assert state == 7


class WDT:
    """Does not bite; timeout: what it was asked for."""

    def __init__(self, *, timeout: int) -> None:
        self.timeout = timeout

    def feed(self) -> None:
        pass


class Pin:
    IN = 0
    OUT = 1
    PULL_UP = 1
    PULL_DOWN = 2
    IRQ_FALLING = 4
    IRQ_RISING = 8
    handlers: "dict[int, Any]" = {}

    def __init__(self, number: int, mode: int = -1, pull: int = -1, *, value: int = -1) -> None:
        self.number = number
        self._pull = {-1: "none", 1: "up", 2: "down"}[pull]
        if value >= 0:
            self.value(value)

    def value(self, level: "int | None" = None) -> "Any":
        if tape.is_playing:
            return tape.next() if level is None else None
        if level is None:
            return tape.note(ask("pin", self.number, self._pull))
        ask("set_pin", self.number, level)
        return None

    def irq(self, handler: "Any", trigger: int, hard: bool = False) -> None:
        both = trigger == Pin.IRQ_FALLING | Pin.IRQ_RISING
        assert both or trigger == Pin.IRQ_FALLING
        Pin.handlers[self.number] = lambda: handler(self)
        ask("watch_pin", self.number, self._pull, both)


class I2C:
    def __init__(self, bus: int, *, scl: Pin, sda: Pin, freq: int, timeout: int) -> None:
        assert scl.number != sda.number and freq > 0 and timeout > 0
        self._bus = bus

    def writeto(self, addr: int, buf: bytes) -> None:
        if not tape.is_playing:
            ask("i2c_write", self._bus, addr, bytes(buf).hex())

    def readfrom_into(self, addr: int, buf: bytearray) -> None:
        if tape.is_playing:
            tape.fill(buf)
        else:
            buf[:] = tape.note(bytes.fromhex(ask("i2c_read", self._bus, addr, -1, len(buf))))

    def readfrom_mem_into(self, addr: int, register: int, buf: bytearray) -> None:
        if tape.is_playing:
            tape.fill(buf)
        else:
            data = bytes.fromhex(ask("i2c_read", self._bus, addr, register, len(buf)))
            buf[:] = tape.note(data)

    def writeto_mem(self, addr: int, register: int, buf: bytes) -> None:
        if not tape.is_playing:
            ask("i2c_write", self._bus, addr, (bytes((register,)) + bytes(buf)).hex())


class SPI:
    def __init__(self, bus: int, *, sck: Pin, mosi: Pin, miso: Pin) -> None:
        assert len({sck.number, mosi.number, miso.number}) == 3
        self._bus = bus
        self._mode = -1

    def init(self, *, baudrate: int, polarity: int, phase: int) -> None:
        assert baudrate > 0
        self._mode = polarity << 1 | phase

    def write_readinto(self, out: bytes, into: bytearray) -> None:
        assert len(out) == len(into) and self._mode >= 0
        if tape.is_playing:
            tape.fill(into)
        else:
            data = bytes.fromhex(ask("spi", self._bus, self._mode, bytes(out).hex()))
            into[:] = tape.note(data)


class UART:
    def __init__(
        self, number: int, baudrate: int, *, tx: Pin, rx: Pin, rxbuf: int, timeout: int
    ) -> None:
        assert tx.number != rx.number and rxbuf >= 256 and timeout == 0
        self._number = number
        ask("uart_open", number, baudrate)

    def any(self) -> "Any":
        return tape.next() if tape.is_playing else tape.note(ask("uart_any", self._number))

    def readinto(self, buf: bytearray, size: int) -> "int | None":
        if tape.is_playing:
            return tape.fill(buf) or None
        data = tape.note(bytes.fromhex(ask("uart_read", self._number, size)))
        buf[: len(data)] = data
        return len(data) or None

    def write(self, data: bytes) -> int:
        ask("uart_write", self._number, bytes(data).hex())
        return len(data)


class ADC:
    def __init__(self, pin: Pin) -> None:
        self._pin = pin

    def read_u16(self) -> "Any":
        return tape.next() if tape.is_playing else tape.note(ask("adc", self._pin.number))


class PWM:
    def __init__(self, pin: Pin) -> None:
        self._pin = pin

    def freq(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz

    def duty_u16(self, duty: int) -> None:
        assert duty == 32768
        ask("pwm", self._pin.number, self._rate_hz * 1000)

    def deinit(self) -> None:
        ask("pwm", self._pin.number, 0)
