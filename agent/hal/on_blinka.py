"""The hardware port on Linux (Raspberry Pi) through Adafruit Blinka; serial ports by pyserial.

wiring: which names of Blinka's `board` a bus has, and what else is the machine's own:

    i2c     bus number -> (clock, data)            0: ("SCL", "SDA")
    spi     bus number -> (clock, MOSI, MISO)      0: ("SCK", "MOSI", "MISO")
    uart    port number -> device                  0: "/dev/serial0"
    adc     input number -> pin                    a Pi has none
    pin     how a pin's name follows its number    "D{}"
    onewire where the kernel shows its 1-Wire buses, which wants timing that only it has
    flash   file of the flash, and its sectors     ("hinomi-log.bin", 4096)

What this machine cannot do raises OSError ENODEV.
"""

import asyncio
import importlib
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from agent.hal.errors import ENODEV, ETIMEDOUT
from agent.hal.file_flash import FileFlash
from agent.hal.kernel_onewire import DEVICES, KernelFiles, KernelOneWire
from agent.hal.pin_watcher import PinWatcher, Pulses, Waker
from agent.hal.shift_in import ShiftIn
from agent.hal.stream import Stream

WIRING: dict[str, Any] = {
    "i2c": {0: ("SCL", "SDA")},
    "spi": {0: ("SCK", "MOSI", "MISO")},
    "uart": {0: "/dev/serial0"},
    "adc": {},
    "pin": "D{}",
    "onewire": DEVICES,
    "flash": ("hinomi-log.bin", 4096),
}
PARTS = ("analogio", "board", "busio", "digitalio", "pwmio", "serial")
MACHINE_ID = Path("/etc/machine-id")
UPTIME = Path("/proc/uptime")
YOUNG_S = 180
DUTY_HALF = 32_768


class Clock:
    """Boot clock: microseconds since the program started."""

    def __init__(self) -> None:
        self._start_ns = time.monotonic_ns()

    def now_us(self) -> int:
        """Return the microseconds since the start."""
        return (time.monotonic_ns() - self._start_ns) // 1000

    def sleep_us(self, duration_us: int) -> None:
        """Hold everything for duration_us."""
        time.sleep(duration_us / 1_000_000)


class I2c:
    """One I2C bus; the kernel names a missing acknowledge by the controller: here it is ENODEV."""

    def __init__(self, bus: Any) -> None:
        self._bus = bus

    def writeto(self, addr: int, buf: bytes) -> None:
        """Write buf to the chip at addr."""
        self._with_bus(self._bus.writeto, addr, buf)

    def readfrom_into(self, addr: int, buf: bytearray) -> None:
        """Fill buf from the chip at addr."""
        self._with_bus(self._bus.readfrom_into, addr, buf)

    def readfrom_mem_into(self, addr: int, register: int, buf: bytearray) -> None:
        """Write the register's number, then fill buf after a repeated start."""
        self._with_bus(self._bus.writeto_then_readfrom, addr, bytes((register,)), buf)

    def writeto_mem(self, addr: int, register: int, buf: bytes) -> None:
        """Write the register's number and buf in one message."""
        self._with_bus(self._bus.writeto, addr, bytes((register,)) + bytes(buf))

    def _with_bus(self, call: Any, *arguments: Any) -> None:
        _lock(self._bus)
        try:
            call(*arguments)
        except OSError as error:
            code = ETIMEDOUT if error.errno == ETIMEDOUT else ENODEV
            raise OSError(code, os.strerror(code)) from error
        finally:
            self._bus.unlock()


class SpiDevice:
    """One chip select on an SPI bus, which devices of other rates and modes may share."""

    def __init__(self, bus: Any, select: Any, baudrate: int, mode: int) -> None:
        self._bus = bus
        self._select = select
        self._settings = {"baudrate": baudrate, "polarity": mode >> 1, "phase": mode & 1}

    def transfer(self, out: Any, into: Any) -> None:
        """Clock out and into through each other, chip select low throughout; equal lengths."""
        _lock(self._bus)
        try:
            self._bus.configure(**self._settings)
            self._select.value = False
            self._bus.write_readinto(out, into)
        finally:
            self._select.value = True
            self._bus.unlock()


class Uart:
    """One serial port."""

    def __init__(self, port: Any) -> None:
        self._port = port

    def read_into(self, buf: "bytearray | memoryview[int]") -> int:
        """Fill buf with what came in; return the count of bytes, 0 when none."""
        data: bytes = self._port.read(min(len(buf), self._port.in_waiting))
        buf[: len(data)] = data
        return len(data)

    def write(self, data: bytes) -> None:
        """Send data to the other end."""
        self._port.write(data)


class Pin:
    """One digital pin."""

    def __init__(self, pin: Any) -> None:
        self._pin = pin

    def value(self) -> int:
        """Return the level, 0 or 1."""
        return int(self._pin.value)

    def set(self, value: int) -> None:
        """Drive the pin to 0 or 1."""
        self._pin.value = bool(value)


class Adc:
    """One analogue input."""

    def __init__(self, pin: Any) -> None:
        self._pin = pin

    def read_u16(self) -> int:
        """Return the voltage as 0..65535 of full scale."""
        return int(self._pin.value)


class BlinkaBoard:
    """The Linux machine that this runs on.

    wiring: laid over WIRING. parts: Blinka's modules by name; None: imported when first needed, of
    which OSError ENODEV with how to get them where they are missing. clock: None: the machine's.
    watchdog: whom to feed, or None. Call close() at the end.
    """

    def __init__(
        self,
        wiring: dict[str, Any] | None = None,
        *,
        parts: Any = None,
        clock: Any = None,
        watchdog: Any = None,
    ) -> None:
        self._wiring = {**WIRING, **(wiring or {})}
        self._parts = parts if parts is not None else _import_parts()
        self._buses: dict[tuple[str, int], Any] = {}
        self._opened: dict[tuple[str, int], Any] = {}
        self.clock = Clock() if clock is None else clock
        self.unique_id = _unique_id()
        self.reset_cause = _reset_cause()
        self._watchdog = watchdog
        self.waker = Waker()
        self._watcher = self._parts.PinWatcher()

    def i2c(self, bus: int) -> I2c:
        """Return the I2C bus of that number; KeyError if the wiring has none."""
        return I2c(self._bus("i2c", bus, self._parts.busio.I2C))

    def spi(self, bus: int, cs: int, baudrate: int, mode: int) -> SpiDevice:
        """Return the device at chip select `cs`; KeyError if the wiring has no such bus."""
        select = self._digital(cs)
        select.switch_to_output(value=True)
        return SpiDevice(self._bus("spi", bus, self._parts.busio.SPI), select, baudrate, mode)

    def uart(self, number: int, baudrate: int) -> Uart:
        """Return the serial port of that number; OSError where it cannot be opened."""
        device = self._wiring["uart"][number]
        old = self._opened.pop(("uart", number), None)
        if old is not None:
            old.close()
        port = self._parts.serial.Serial(device, baudrate, timeout=0)
        self._opened["uart", number] = port
        return Uart(port)

    def pin(self, number: int, mode: str, pull: str = "none") -> Pin:
        """Return a pin; mode "in" or "out", pull "up", "down" or "none"."""
        pin = self._digital(number)
        if mode == "out":
            pin.switch_to_output()
        else:
            pulls = self._parts.digitalio.Pull
            pin.switch_to_input({"up": pulls.UP, "down": pulls.DOWN, "none": None}[pull])
        return Pin(pin)

    def pulses(self, number: int, pull: str, debounce_us: int) -> Pulses:
        """Return the counter of that pin's falling edges: always the same one."""
        key = "pulses", number
        if key not in self._opened:
            self._opened[key] = Pulses(debounce_us)
            self._watcher.watch(self.pin(number, "in", pull), self._opened[key].see)
        counter: Pulses = self._opened[key]
        return counter

    def wake_at(self, number: int, pull: str) -> bool:
        """Set the waker at each change of that pin from now on; return True."""
        key = "wake", number
        if key not in self._opened:
            self._opened[key] = self.pin(number, "in", pull)
            self._watcher.watch(self._opened[key], lambda level, now_us: self.waker.set())
        return True

    def onewire(self, number: int) -> KernelOneWire:
        """Return the kernel's buses, whatever pins they are on; OSError ENODEV where it has none.

        The error's words say how to get one on that pin.
        """
        key = "onewire", 0
        if key not in self._opened:
            self._opened[key] = self._parts.KernelFiles(self._wiring["onewire"])
        if not self._opened[key].has_bus():
            overlay = f"dtoverlay=w1-gpio,gpiopin={number}"
            raise OSError(
                ENODEV, f"Add the line {overlay} to /boot/firmware/config.txt and start anew."
            )
        return KernelOneWire(self._opened[key])

    def shift_in(self, data: int, clock: int) -> ShiftIn:
        """Return two pins that shift bits in; what Linux stretches too far reads -1."""
        clock_pin = self.pin(clock, "out")
        clock_pin.set(0)
        return ShiftIn(self.pin(data, "in", "up"), clock_pin, self.clock.now_us)

    def pwm(self, number: int, rate_mhz: int) -> None:
        """Put a square wave of rate_mhz millihertz on a pin; 0 ends it."""
        old = self._opened.pop(("pwm", number), None)
        if old is not None:
            old.deinit()
        if rate_mhz:
            self._opened["pwm", number] = self._parts.pwmio.PWMOut(
                self._pin_of(number), frequency=rate_mhz / 1000, duty_cycle=DUTY_HALF
            )

    def adc(self, number: int) -> Adc:
        """Return the analogue input of that number; KeyError if the wiring has none."""
        pin = getattr(self._parts.board, self._wiring["adc"][number])
        return Adc(self._parts.analogio.AnalogIn(pin))

    def check(self) -> None:
        """Raise OSError ENODEV, with what to do, where Blinka is missing or knows no board."""
        _ = self._parts.board, self._parts.busio

    def watchdog(self) -> Any:
        """Return who restarts the agent unless fed, as the service manager does; None: nobody."""
        return self._watchdog

    def network(self, wifi: Any) -> None:
        """Return None: Linux looks after its interfaces itself."""
        return None

    def close(self) -> None:
        """Look at no pin any more."""
        self._watcher.stop()

    def flash(self) -> FileFlash:
        """Return the flash, which is a file; OSError where it cannot be used."""
        path, sector_count = self._wiring["flash"]
        return FileFlash(str(path), sector_count=sector_count)

    def slots(self) -> None:
        """Return None: the agent is updated by its own package here."""
        return None

    def random(self, n: int) -> bytes:
        """Return n random bytes, fit for keys."""
        return os.urandom(n)

    def reset(self) -> None:
        """Start this program again, in place."""
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])

    async def connect(self, host: str, port: int) -> Stream:
        """Open a connection; OSError where that fails."""
        return Stream(*await asyncio.open_connection(host, port))

    def _bus(self, kind: str, number: int, make: Any) -> Any:
        """Return the bus; made at first only, for its pins can be claimed once."""
        if (kind, number) not in self._buses:
            names = self._wiring[kind][number]
            pins = [getattr(self._parts.board, name) for name in names]
            self._buses[kind, number] = make(*pins)
        return self._buses[kind, number]

    def _digital(self, number: int) -> Any:
        """Return the pin; opened at first only, for it can be claimed once."""
        key = "pin", number
        if key not in self._opened:
            self._opened[key] = self._parts.digitalio.DigitalInOut(self._pin_of(number))
        return self._opened[key]

    def _pin_of(self, number: int) -> Any:
        return getattr(self._parts.board, self._wiring["pin"].format(number))


def _lock(bus: Any) -> None:
    while not bus.try_lock():
        time.sleep(0)


def _reset_cause() -> str:
    """Return power_on while the machine is young, else software: the program alone began anew."""
    try:
        uptime_s = float(UPTIME.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return "power_on"
    return "power_on" if uptime_s < YOUNG_S else "software"


def _unique_id() -> bytes:
    try:
        return bytes.fromhex(MACHINE_ID.read_text(encoding="ascii"))[:8]
    except (OSError, ValueError):
        return bytes(8)


class _Parts(SimpleNamespace):
    """Imports a module of PARTS when it is first asked for: analogue pins are not everywhere."""

    KernelFiles = KernelFiles
    PinWatcher = PinWatcher

    def __getattr__(self, name: str) -> Any:
        if name not in PARTS:
            raise AttributeError(name)
        try:
            module = importlib.import_module(name)
        except (ImportError, NotImplementedError) as error:
            reason = (
                f"{name} cannot be used here ({error}); install with: pip install 'hinomi[pi]'"
            )
            raise OSError(ENODEV, reason) from error
        setattr(self, name, module)
        return module


def _import_parts() -> Any:
    return _Parts()
