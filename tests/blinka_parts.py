"""Adafruit Blinka on its OS-agnostic board, with our models of chips in place of its pins.

Blinka's own busio and digitalio run; only what they hand bytes and levels to is replaced: the
layer that is the kernel's on a Raspberry Pi.
"""

import importlib
import os
import struct
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from agent.drivers.ds18b20 import crc8
from agent.hal.pin_watcher import PinWatcher
from simulators.board import PowerLost, SimBoard

# Blinka finds out at import what it runs on.
os.environ["BLINKA_OS_AGNOSTIC"] = "1"

import analogio
import busio
import digitalio

# By name: `board` is what a file of ours is called as well.
PINS = importlib.import_module("board")

CS_PINS = range(64)


class KernelI2c:
    """Where Blinka's I2C ends. As Linux: a missing acknowledge is EREMOTEIO."""

    def __init__(self, simulated: SimBoard, bus: int) -> None:
        self._bus = simulated.i2c(bus)

    def writeto(self, address: int, buffer: bytes, *, stop: bool) -> None:
        """Write one message."""
        self._named(self._bus.writeto, address, bytes(buffer))

    def readfrom_into(self, address: int, buffer: bytearray, *, stop: bool) -> None:
        """Read one message."""
        self._named(self._bus.readfrom_into, address, buffer)

    def writeto_then_readfrom(
        self, address: int, buffer_out: bytes, buffer_in: bytearray, **slices: Any
    ) -> None:
        """Write, then read after a repeated start."""
        self._named(self._bus.readfrom_mem_into, address, buffer_out[0], buffer_in)

    def _named(self, call: Any, *arguments: Any) -> None:
        try:
            call(*arguments)
        except OSError as error:
            raise OSError(121 if error.args[0] == 19 else error.args[0], "kernel") from error


class KernelSpi:
    """Where Blinka's SPI ends: the chip whose select pin is low answers."""

    def __init__(self, simulated: SimBoard, bus: int) -> None:
        self._simulated = simulated
        self._bus = bus
        self._mode = 0

    def init(self, *, baudrate: int, polarity: int, phase: int, **rest: int) -> None:
        """Set rate and mode."""
        self._mode = polarity << 1 | phase

    def write_readinto(self, out: bytes, into: bytearray, *slices: Any) -> None:
        """Clock both through each other."""
        low = [number for number, level in self._simulated.outputs.items() if not level]
        assert len(low) == 1, "one chip select must be low"
        self._simulated.spi(self._bus, low[0], 1_000_000, self._mode).transfer(out, into)


class KernelPin:
    """Where Blinka's digital pin ends."""

    def __init__(self, simulated: SimBoard, number: int) -> None:
        self._simulated = simulated
        self._number = number
        self._pin: Any = None

    def init(self, mode: int, pull: int | None = None) -> None:
        """Set direction and pull."""
        pulls = {digitalio.Pin.PULL_UP: "up", digitalio.Pin.PULL_DOWN: "down"}
        name = "out" if mode == digitalio.Pin.OUT else "in"
        self._pin = self._simulated.pin(self._number, name, pulls.get(pull, "none"))

    def value(self, level: int | None = None) -> int:
        """Return or set the level."""
        if level is not None:
            self._pin.set(level)
        found: int = self._pin.value()
        return found


class SimDigital(digitalio.DigitalInOut):  # type: ignore[misc]
    """Blinka's DigitalInOut on a simulated pin."""

    def __init__(self, pin: Any) -> None:
        self._pin = KernelPin(pin.simulated, pin.id)
        self.direction = digitalio.Direction.INPUT


class SimAnalog(analogio.AnalogIn):  # type: ignore[misc]
    """Blinka's AnalogIn on a simulated input."""

    def __init__(self, pin: Any) -> None:
        simulated, number = pin.simulated, pin.id
        self._pin = SimpleNamespace(value=lambda: simulated.adc(number).read_u16())


class SimSerial:
    """The part of pyserial's Serial that we use."""

    def __init__(self, simulated: SimBoard, number: int, baudrate: int) -> None:
        self._port = simulated.uart(number, baudrate)
        self._received = bytearray()

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read."""
        buffer = bytearray(512)
        self._received += buffer[: self._port.read_into(buffer)]
        return len(self._received)

    def read(self, size: int) -> bytes:
        """Return up to size bytes."""
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def write(self, data: bytes) -> None:
        """Send."""
        self._port.write(data)

    def close(self) -> None:
        """Close it."""


class SimWave:
    """The part of Blinka's PWMOut that we use."""

    def __init__(self, pin: Any, *, frequency: float, duty_cycle: int) -> None:
        assert duty_cycle == 32768
        self._pin = pin
        pin.simulated.pwm(pin.id, round(frequency * 1000))

    def deinit(self) -> None:
        """End it."""
        self._pin.simulated.pwm(self._pin.id, 0)


class KernelReading:
    """A reading of w1_slave: the conversion goes on in the world's time."""

    def __init__(self, files: "SimKernelFiles", rom: bytes) -> None:
        self._files = files
        self._rom = rom
        self._data: bytes | None = None
        self._begun = files.ask(rom, 0x44)
        self._done_us = files.simulated.clock.now_us() + files.conversion_us(rom)

    def finish(self, wait_s: float) -> bytes:
        """Return the file's text."""
        late_us = self._done_us - self._files.simulated.clock.now_us()
        assert late_us <= wait_s * 1_000_000
        if late_us > 0:
            self._files.simulated.clock.sleep_us(late_us)
        if self._data is None:
            self._data = self._files.scratchpad(self._rom) if self._begun else b""
        return self._data


class SimKernelFiles:
    """What the kernel's w1_therm makes of a bus, as KernelFiles shows it."""

    TRIES = 5

    def __init__(self, simulated: SimBoard, number: int) -> None:
        self.simulated = simulated
        self._bus = simulated.onewire(number)
        self._found: list[bytes] = []
        self._bits: dict[bytes, int] = {}

    def has_bus(self) -> bool:
        """Return True."""
        return True

    def search(self) -> list[bytes]:
        """Return all whose address was once heard whole: who is gone stays for minutes."""
        new = [rom for rom in self._bus.search() if rom not in self._found]
        self._found += [rom for rom in new if rom[0] and crc8(rom) == 0]
        return self._found

    def read(self, rom: bytes, name: str) -> bytes:
        """Read ext_power."""
        assert name == "ext_power"
        answer = bytearray(1)
        if not self.ask(rom, 0xB4):
            return b"-19\n"
        self._bus.read_into(answer)
        return b"%d\n" % (answer[0] & 1)

    def write(self, rom: bytes, name: str, text: str) -> None:
        """Write alarms or resolution: the registers as they are, with one of both changed."""
        shown = self.scratchpad(rom)
        if not shown:
            return
        registers = bytearray(bytes.fromhex(shown.split(b" :")[0].decode())[2:5])
        if name == "alarms":
            low, high = text.split()
            registers[:2] = struct.pack("bb", int(high), int(low))
        else:
            assert name == "resolution"
            self._bits[rom] = int(text)
            registers[2] = int(text) - 9 << 5 | 0x1F
        self.ask(rom, 0x4E)
        self._bus.write(registers)

    def begin(self, rom: bytes) -> KernelReading:
        """Convert."""
        return KernelReading(self, rom)

    def conversion_us(self, rom: bytes) -> int:
        """Return how long the kernel waits."""
        return 750_000 >> 12 - self._bits.get(rom, 12)

    def ask(self, rom: bytes, command: int) -> bool:
        """Say something to one; return whether anybody was present."""
        if not self._bus.reset():
            return False
        self._bus.write(b"\x55" + rom + bytes((command,)))
        return True

    def scratchpad(self, rom: bytes) -> bytes:
        """Return the text of w1_slave; b"" where nobody was present."""
        scratchpad = bytearray(9)
        for _ in range(self.TRIES):
            if not self.ask(rom, 0xBE):
                return b""
            self._bus.read_into(scratchpad)
            if crc8(scratchpad) == 0:
                break
        crc, digits = crc8(scratchpad[:8]), scratchpad.hex(" ")
        verdict = "YES" if crc == scratchpad[8] else "NO"
        return f"{digits} : crc={crc:02x} {verdict}\n{digits} t=0\n".encode()


class SimPinWatcher(PinWatcher):
    """Looks at the pins as the world's time passes, if its clock tells (WatchedClock)."""

    def __init__(self, simulated: SimBoard) -> None:
        super().__init__()
        self._simulated = simulated

    def start(self) -> None:
        """Begin to look."""
        watchers = getattr(self._simulated.world_clock, "watchers", None)
        if watchers is not None:
            watchers.append(self._look_now)

    def _look_now(self) -> None:
        with suppress(PowerLost):
            self.look(self._simulated.world_clock.now_us())


WIRING = {
    "i2c": {0: ("SCL", "SDA")},
    "spi": {0: ("SCK", "MOSI", "MISO")},
    "uart": {number: number for number in range(2)},
    "adc": {number: f"D{number}" for number in range(3)},
    "onewire": 6,
}


def parts_of(simulated: SimBoard) -> Any:
    """Return Blinka's modules as a board with this hardware would have them."""
    pins = {f"D{n}": SimpleNamespace(id=n, simulated=simulated) for n in CS_PINS}
    buses = {name: getattr(PINS, name) for name in ("SCL", "SDA", "SCK", "MOSI", "MISO")}
    return SimpleNamespace(
        board=SimpleNamespace(**pins, **buses),
        busio=SimpleNamespace(
            I2C=lambda *pins: _ending(busio.I2C(*pins), "_i2c", KernelI2c(simulated, 0)),
            SPI=lambda *pins: _ending(busio.SPI(*pins), "_spi", KernelSpi(simulated, 0)),
        ),
        digitalio=SimpleNamespace(DigitalInOut=SimDigital, Pull=digitalio.Pull),
        analogio=SimpleNamespace(AnalogIn=SimAnalog),
        pwmio=SimpleNamespace(PWMOut=SimWave),
        PinWatcher=lambda: SimPinWatcher(simulated),
        KernelFiles=lambda number: SimKernelFiles(simulated, number),
        serial=SimpleNamespace(
            Serial=lambda device, baudrate, timeout: SimSerial(simulated, device, baudrate)
        ),
    )


def _ending(bus: Any, name: str, end: Any) -> Any:
    setattr(bus, name, end)
    return bus
