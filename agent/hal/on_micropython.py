"""The hardware port on MicroPython's `machine` (RP2040, RP2350, ESP32).

wiring: the tables spi, i2c, uart and adc of the board's profile (boards/boards), by number:

    {"i2c": {"0": {"sda": 4, "scl": 5}}, "spi": {"0": {"sck": 18, "mosi": 19, "miso": 16}},
     "uart": {"0": {"tx": 0, "rx": 1}}, "adc": {"0": {"pin": 26}},
     "flash": {"kind": "file", "path": "/log.bin", "sectors": 128}}

flash, kind "partition" (ESP32: label), "rp2" (start, size in bytes of the storage that the
firmware's file system leaves free) or "file" (path, sectors; slower, and a power cut may cost what
was not synced). slots: a list of two such tables, for images (agent/slots.py). watchdog: false
while somebody works at the serial console, whom it would cut off.
"""

# mypy: disable-error-code="attr-defined"
# CPython's `time` has no ticks.

import asyncio
import os
import time

import machine

from agent.hal.errors import EINVAL, ENODEV, ETIMEDOUT
from agent.hal.open_flash import open_flash
from agent.hal.pulse_filter import PulseFilter
from agent.hal.shift_in import ShiftIn
from agent.hal.stream import Stream
from agent.hal.wifi import Wifi
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_I2C_RATE_HZ = const(400_000)
_I2C_TIMEOUT_US = const(50_000)
_UART_BUFFER_SIZE = const(512)
_DUTY_HALF = const(32_768)
_WATCHDOG_MS = const(8000)  # the RP2040's longest is 8388
_LONG_STEP_MS = const(500_000)  # less than half a round of the ticks of 1 us
_LONG_MS = const(60_000)  # longer than any contact bounces
_TIMEOUT_ERRNOS = (ETIMEDOUT, 116)  # 116: as ESP-IDF's C library numbers it
_FLASH_DEFAULT = {"kind": "file", "path": "/log.bin", "sectors": 128}
_RESET_CAUSES = (
    ("PWRON_RESET", "power_on"),
    ("HARD_RESET", "reset_pin"),
    ("WDT_RESET", "watchdog"),
    ("DEEPSLEEP_RESET", "deep_sleep"),
    ("SOFT_RESET", "software"),
)


class Clock:
    """Boot clock, of ticks of 1 us that wrap in 17.9 minutes (30 bits).

    Whole rounds that nobody saw are told by the ticks of 1 ms, which wrap in 12 days: only half
    of that may pass between two looks.
    """

    def __init__(self) -> None:
        self._ticks = time.ticks_us()
        self._ticks_ms = time.ticks_ms()
        self._round_us = time.ticks_add(0, -1) + 1
        self._now_us = 0

    def now_us(self) -> int:
        """Return the microseconds since boot."""
        ticks = time.ticks_us()
        ticks_ms = time.ticks_ms()
        step_us = time.ticks_diff(ticks, self._ticks)
        step_ms = time.ticks_diff(ticks_ms, self._ticks_ms)
        if step_ms >= _LONG_STEP_MS:
            # Both have seen the same time pass, but for whole rounds and some ms.
            missed_us = step_ms * 1000 - step_us + self._round_us // 2
            step_us += missed_us // self._round_us * self._round_us
        self._now_us += step_us
        self._ticks = ticks
        self._ticks_ms = ticks_ms
        return self._now_us

    def sleep_us(self, duration_us: int) -> None:
        """Hold the processor for duration_us."""
        time.sleep_us(duration_us)


class I2c:
    """One I2C bus; ports name a missing acknowledge EIO or ENODEV: here it is always ENODEV."""

    def __init__(self, bus: "Any") -> None:
        self._bus = bus

    def writeto(self, addr: int, buf: bytes) -> None:
        """Write buf to the chip at addr."""
        try:
            self._bus.writeto(addr, buf)
        except OSError as error:
            raise bus_error(error)

    def readfrom_into(self, addr: int, buf: bytearray) -> None:
        """Fill buf from the chip at addr."""
        try:
            self._bus.readfrom_into(addr, buf)
        except OSError as error:
            raise bus_error(error)

    def readfrom_mem_into(self, addr: int, register: int, buf: bytearray) -> None:
        """Write the register's number, then fill buf after a repeated start."""
        try:
            self._bus.readfrom_mem_into(addr, register, buf)
        except OSError as error:
            raise bus_error(error)

    def writeto_mem(self, addr: int, register: int, buf: bytes) -> None:
        """Write the register's number and buf in one message."""
        try:
            self._bus.writeto_mem(addr, register, buf)
        except OSError as error:
            raise bus_error(error)


class SpiDevice:
    """One chip select on an SPI bus, which devices of other rates and modes may share."""

    def __init__(self, bus: "Any", cs: int, baudrate: int, mode: int) -> None:
        self._bus = bus
        self._select = machine.Pin(cs, machine.Pin.OUT, value=1)
        self._baudrate = baudrate
        self._polarity = mode >> 1
        self._phase = mode & 1

    def transfer(self, out: bytes, into: bytearray) -> None:
        """Clock out and into through each other, chip select low throughout; equal lengths."""
        self._bus.init(baudrate=self._baudrate, polarity=self._polarity, phase=self._phase)
        self._select.value(0)
        try:
            self._bus.write_readinto(out, into)
        finally:
            self._select.value(1)


class Uart:
    """One serial port."""

    def __init__(self, port: "Any") -> None:
        self._port = port

    def read_into(self, buf: bytearray) -> int:
        """Fill buf with what came in; return the count of bytes, 0 when none."""
        return self._port.readinto(buf, min(len(buf), self._port.any())) or 0

    def write(self, data: bytes) -> None:
        """Send data to the other end."""
        self._port.write(data)


class Pin:
    """One digital pin."""

    def __init__(self, pin: "Any") -> None:
        self._pin = pin

    def value(self) -> int:
        """Return the level, 0 or 1."""
        return self._pin.value()

    def set(self, value: int) -> None:
        """Drive the pin to 0 or 1."""
        self._pin.value(value)


class Pulses:
    """Counts the falling edges of a pin by interrupt."""

    def __init__(self, pin: "Any", debounce_us: int) -> None:
        self._filter = PulseFilter(debounce_us)
        # Before the first edge: long ago on the clock of either.
        self._seen_us = time.ticks_us()
        self._seen_ms = time.ticks_add(time.ticks_ms(), -_LONG_MS)
        try:
            # Within the interrupt, so that no full queue of the scheduler loses an edge.
            pin.irq(handler=self._see, trigger=machine.Pin.IRQ_FALLING, hard=True)
        except TypeError:  # the ESP32 port has only the queue
            pin.irq(handler=self._see, trigger=machine.Pin.IRQ_FALLING)

    def count(self) -> int:
        """Return the edges since the counter was made."""
        return self._filter.count

    def _see(self, pin: "Any") -> None:
        """Take an edge; small integers only, for an interrupt may not allocate."""
        now_us = time.ticks_us()
        now_ms = time.ticks_ms()
        # Microseconds wrap in 18 minutes, milliseconds in 12 days.
        is_near = 0 <= time.ticks_diff(now_ms, self._seen_ms) < _LONG_MS
        self._filter.see(time.ticks_diff(now_us, self._seen_us) if is_near else -1)
        self._seen_us = now_us
        self._seen_ms = now_ms


class OneWire:
    """A 1-Wire bus on a pin, by MicroPython's own `onewire`."""

    def __init__(self, pin: "Any") -> None:
        self._bus = __import__("onewire").OneWire(pin)  # only where it is needed

    def reset(self) -> bool:
        """Reset the bus; return whether somebody is present."""
        return bool(self._bus.reset())

    def write(self, buf: bytes) -> None:
        """Send bytes, least bit first."""
        self._bus.write(buf)

    def read_into(self, buf: bytearray) -> None:
        """Fill buf."""
        self._bus.readinto(buf)

    def search(self) -> "list[bytes]":
        """Return the addresses of all on the bus."""
        return [bytes(address) for address in self._bus.scan()]


class MicropythonBoard:
    """The board that this interpreter runs on. wiring: see the module."""

    def __init__(self, wiring: "dict[str, Any]") -> None:
        self._wiring = wiring
        self._buses: dict[tuple[str, int], Any] = {}
        self._waves: dict[int, Any] = {}
        self._counters: dict[int, Pulses] = {}
        self.clock = Clock()
        self.unique_id = bytes(machine.unique_id())
        self.reset_cause = _reset_cause()
        self.waker = asyncio.ThreadSafeFlag()

    def i2c(self, bus: int) -> I2c:
        """Return the I2C bus of that number; KeyError if the board has none."""
        return self._once("i2c", bus, self._make_i2c)

    def spi(self, bus: int, cs: int, baudrate: int, mode: int) -> SpiDevice:
        """Return the device at chip select `cs`; KeyError if the board has no such bus."""
        return SpiDevice(self._once("spi", bus, self._make_spi), cs, baudrate, mode)

    def uart(self, number: int, baudrate: int) -> Uart:
        """Return the serial port of that number; KeyError if the board has none."""
        pins = self._pins("uart", number)
        port = machine.UART(
            number,
            baudrate,
            tx=machine.Pin(pins["tx"]),
            rx=machine.Pin(pins["rx"]),
            rxbuf=_UART_BUFFER_SIZE,
            timeout=0,
        )
        return Uart(port)

    def pin(self, number: int, mode: str, pull: str = "none") -> Pin:
        """Return a pin; mode "in" or "out", pull "up", "down" or "none"."""
        if mode == "out":
            return Pin(machine.Pin(number, machine.Pin.OUT))
        return Pin(_input(number, pull))

    def pulses(self, number: int, pull: str, debounce_us: int) -> Pulses:
        """Return the counter of that pin's falling edges: always the same one."""
        if number not in self._counters:
            self._counters[number] = Pulses(_input(number, pull), debounce_us)
        return self._counters[number]

    def wake_at(self, number: int, pull: str) -> bool:
        """Set the waker at each change of that pin from now on; return True."""
        both = machine.Pin.IRQ_FALLING | machine.Pin.IRQ_RISING
        _input(number, pull).irq(handler=self._wake, trigger=both)
        return True

    def onewire(self, number: int) -> OneWire:
        """Return the 1-Wire bus on that pin."""
        return OneWire(machine.Pin(number))

    def shift_in(self, data: int, clock: int) -> ShiftIn:
        """Return two pins that shift bits in, without an interrupt in between."""
        clock_pin = Pin(machine.Pin(clock, machine.Pin.OUT, value=0))
        return ShiftIn(
            self.pin(data, "in", "up"),
            clock_pin,
            time.ticks_us,
            hold=machine.disable_irq,
            release=machine.enable_irq,
        )

    def pwm(self, number: int, rate_mhz: int) -> None:
        """Put a square wave on a pin; 0 ends it. ValueError: not whole Hz, as `machine` needs."""
        if rate_mhz % 1000:
            raise ValueError("this board makes square waves of whole hertz only")
        if number in self._waves:
            self._waves.pop(number).deinit()
        if rate_mhz:
            wave = machine.PWM(machine.Pin(number))
            wave.freq(rate_mhz // 1000)
            wave.duty_u16(_DUTY_HALF)
            self._waves[number] = wave

    def adc(self, number: int) -> "Any":
        """Return the analogue input of that number; KeyError if the board has none."""
        return machine.ADC(machine.Pin(self._pins("adc", number)["pin"]))

    def flash(self) -> "Any":
        """Return the flash that the wiring says; OSError or ValueError where there is none."""
        return open_flash(self._wiring.get("flash", _FLASH_DEFAULT))

    def slots(self) -> "list[Any]":
        """Return the two slots for images, or none; errors as flash()."""
        return [open_flash(table) for table in self._wiring.get("slots", [])]

    def random(self, n: int) -> bytes:
        """Return n random bytes, of the chip's own source."""
        return os.urandom(n)

    def watchdog(self) -> "Any":
        """Return the watchdog, which nothing stops any more; None where the wiring says so."""
        if not self._wiring.get("watchdog", True):
            return None
        return machine.WDT(timeout=_WATCHDOG_MS)

    def network(self, wifi: "dict[str, Any] | None") -> "Wifi | None":
        """Join an access point and return the interface; None where there is none to join."""
        if wifi is None:
            return None
        network = __import__("network")
        return Wifi(network.WLAN(network.STA_IF), wifi["ssid"], wifi["password"])

    def reset(self) -> None:
        """Restart."""
        machine.reset()

    async def connect(self, host: str, port: int) -> Stream:
        """Open a connection; OSError where that fails, EINVAL where host is no address.

        Looking a name up holds the processor: for seconds while no name server answers, for ever
        while the RP2's Wi-Fi is on and not joined (micropython/micropython issue 18797), so in a
        disaster the watchdog would bite at each attempt.
        """
        if ":" not in host and host.strip("0123456789."):
            raise OSError(EINVAL, "hub.host is a name; give this board an address")
        reader, writer = await asyncio.open_connection(host, port)
        return Stream(reader, writer)

    def _wake(self, pin: "Any") -> None:
        self.waker.set()

    def _make_i2c(self, bus: int, pins: "dict[str, int]") -> I2c:
        scl, sda = machine.Pin(pins["scl"]), machine.Pin(pins["sda"])
        return I2c(machine.I2C(bus, scl=scl, sda=sda, freq=_I2C_RATE_HZ, timeout=_I2C_TIMEOUT_US))

    def _make_spi(self, bus: int, pins: "dict[str, int]") -> "Any":
        sck, mosi, miso = (machine.Pin(pins[name]) for name in ("sck", "mosi", "miso"))
        return machine.SPI(bus, sck=sck, mosi=mosi, miso=miso)

    def _once(self, kind: str, number: int, make: "Any") -> "Any":
        """Return the bus; made at first: a second I2C of the same pins would reset the first."""
        if (kind, number) not in self._buses:
            self._buses[kind, number] = make(number, self._pins(kind, number))
        return self._buses[kind, number]

    def _pins(self, kind: str, number: int) -> "dict[str, int]":
        return self._wiring[kind][str(number)]


def _input(number: int, pull: str) -> "Any":
    if pull == "none":
        return machine.Pin(number, machine.Pin.IN)
    way = machine.Pin.PULL_UP if pull == "up" else machine.Pin.PULL_DOWN
    return machine.Pin(number, machine.Pin.IN, way)


def bus_error(error: OSError) -> OSError:
    """Return the error with the errno that the port promises, whatever this chip's calls it."""
    code = error.args[0] if error.args else 0
    return OSError(ETIMEDOUT if code in _TIMEOUT_ERRNOS else ENODEV)


def _reset_cause() -> str:
    """Return the cause's name; ports have different ones of these constants."""
    cause = machine.reset_cause()
    for name, word in _RESET_CAUSES:
        if getattr(machine, name, None) == cause:
            return word
    return str(cause)
