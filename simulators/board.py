"""A simulated board: the hardware port of agent/hal over models of chips; its power can be cut.

Models hang on the board by their wiring. Each is duck-typed; world time (microseconds) comes with
every call:

    anywhere   power_on(now_us)                  supply came up: registers to power-up values
    I2C        fault, i2c_write(data, now_us), i2c_read_into(buf, now_us)
    SPI        fault, spi_transfer(out, into, now_us)
    UART       feed(now_us) -> bytes that came in since the last call; write(data)
    output pin level(value, now_us)              the board drives it to 0 or 1
    1-Wire     fault, onewire_reset, onewire_write, onewire_read: see simulators.onewire
    input pin  value(now_us) -> 0/1
    pulses     edges(now_us) -> times of the falling edges since the last call, bounces and all
    ADC        value_u16(now_us) -> 0..65535
    PWM pin    pulses(start_us, rate_nhz)        a square wave of so many nanohertz began; 0: ended

The board's own crystal may be off by `clock_error_ppm`: its boot clock and its PWM are then off
alike, as on a real board, while the chips live in world time.

Cutting the power makes every handle of that boot raise PowerLost for ever; `power_on` begins a new
boot. The flash body is kept, all else begins anew.
"""

import asyncio
import random
import weakref
from collections.abc import Sequence
from typing import Any

from agent.hal.shift_in import ShiftIn
from simulators.buses import I2c, SpiDevice
from simulators.onewire import OneWire
from simulators.pulses import Pulses
from simulators.stream import Stream

UART_BUFFER_SIZE = 256  # receive buffer of the rp2 and esp32 ports; what does not fit is lost
PPM = 1_000_000
WATCHDOG_US = 8_000_000


class PowerLost(BaseException):
    """The board has no power: no code of it runs on.

    Not an Exception, so that no driver survives it.
    """


class Power:
    """The supply of one boot: on until it is cut, then off for ever."""

    def __init__(self) -> None:
        self.is_on = True

    def check(self) -> None:
        """Raise PowerLost once the supply was cut."""
        if not self.is_on:
            raise PowerLost


class Clock:
    """Boot clock of the board: microseconds since power came up, by the board's own crystal."""

    def __init__(self, power: Power, world_clock: Any, error_ppm: int) -> None:
        self._power = power
        self._world_clock = world_clock
        self._boot_us = world_clock.now_us()
        self._error_ppm = error_ppm

    def now_us(self) -> int:
        """Return the microseconds since boot."""
        self._power.check()
        elapsed_us: int = self._world_clock.now_us() - self._boot_us
        return elapsed_us + elapsed_us * self._error_ppm // PPM

    def sleep_us(self, duration_us: int) -> None:
        """Hold the processor for duration_us."""
        self._power.check()
        self._world_clock.sleep_us(duration_us)


class Watchdog:
    """Restarts the board unless fed."""

    def __init__(self, power: Power, world_clock: Any) -> None:
        self._power = power
        self._world_clock = world_clock
        self.feed()

    def feed(self) -> None:
        """Have another WATCHDOG_US."""
        self._power.check()
        self.due_us = self._world_clock.now_us() + WATCHDOG_US


class Uart:
    """One serial port with a small receive buffer."""

    def __init__(self, power: Power, world_clock: Any, model: Any) -> None:
        self._power = power
        self._world_clock = world_clock
        self._model = model
        self._received = bytearray()
        self.overruns = 0

    def read_into(self, buf: bytearray) -> int:
        """Fill buf with what came in; return the count of bytes, 0 when none."""
        self._power.check()
        if self._model is not None:
            self._receive(self._model.feed(self._world_clock.now_us()))
        count = min(len(buf), len(self._received))
        buf[:count] = self._received[:count]
        del self._received[:count]
        return count

    def write(self, data: bytes) -> None:
        """Send data to the other end."""
        self._power.check()
        if self._model is not None:
            self._model.write(bytes(data))

    def _receive(self, data: bytes) -> None:
        free = UART_BUFFER_SIZE - len(self._received)
        if len(data) > free:
            self.overruns += 1
        self._received += data[:free]


class Pin:
    """One digital pin. An input with nothing attached reads its pull."""

    def __init__(self, board: "SimBoard", power: Power, number: int, pull: str) -> None:
        self._board = board
        self._power = power
        self._number = number
        self._idle = 1 if pull == "up" else 0

    def value(self) -> int:
        """Return the level, 0 or 1: as driven if this is an output."""
        self._power.check()
        model = self._board.pins.get(self._number)
        if model is not None:
            level: int = model.value(self._board.world_clock.now_us())
            return level
        return self._board.outputs.get(self._number, self._idle)

    def set(self, value: int) -> None:
        """Drive the pin to 0 or 1."""
        self._power.check()
        self._board.outputs[self._number] = 1 if value else 0
        listener = self._board.pin_listeners.get(self._number)
        if listener is not None:
            listener.level(1 if value else 0, self._board.world_clock.now_us())


class Adc:
    """One analogue input."""

    def __init__(self, power: Power, world_clock: Any, model: Any) -> None:
        self._power = power
        self._world_clock = world_clock
        self._model = model

    def read_u16(self) -> int:
        """Return the voltage as 0..65535 of full scale; 0 with nothing attached."""
        self._power.check()
        if self._model is None:
            return 0
        value: int = self._model.value_u16(self._world_clock.now_us())
        return value


class BoardFlash:
    """The board's flash as one boot sees it: the lasting body behind the boot's power."""

    def __init__(self, power: Power, body: Any) -> None:
        self._power = power
        self._body = body
        self.sector_size = body.sector_size
        self.sector_count = body.sector_count

    def read_into(self, offset: int, buf: bytearray) -> None:
        """Fill buf from offset."""
        self._power.check()
        self._body.read_into(offset, buf)

    def program(self, offset: int, data: bytes) -> None:
        """Clear bits at offset: NOR flash only goes from 1 to 0."""
        self._power.check()
        self._body.program(offset, data)

    def erase(self, sector: int) -> None:
        """Set every byte of the sector to 0xFF."""
        self._power.check()
        self._body.erase(sector)

    def sync(self) -> None:
        """Return once all that was programmed would survive a power cut."""
        self._power.check()
        sync = getattr(self._body, "sync", None)
        if sync is not None:
            sync()


class SimBoard:
    """The body of the hardware port over simulated chips.

    world_clock: `now_us()` and `sleep_us(n)` in world time (simulators.clock). chips: (model,
    settings) pairs, each wired by model.attach(board, settings). flash: the lasting flash body
    (sector_size, sector_count, read_into, program, erase, maybe sync); None: a fresh simulated NOR
    flash. dial: async (host, port) -> (reader, writer); a scenario puts its faulty network here.
    slots: the lasting bodies of two slots for images. seed: fixes random(), unique_id.
    clock_error_ppm: how far off the board's crystal is.
    waker: what a change of a watched pin sets, if look_at_pins() comes often enough; None: no pin
    wakes anybody.
    """

    def __init__(
        self,
        world_clock: Any,
        chips: Sequence[tuple[Any, dict[str, Any]]] = (),
        *,
        flash: Any = None,
        dial: Any = asyncio.open_connection,
        seed: int = 0,
        clock_error_ppm: int = 0,
        slots: Sequence[Any] = (),
        waker: Any = None,
    ) -> None:
        self.waker = waker
        self._watched: dict[int, tuple[Pin, int]] = {}  # and its level at the last look
        self.world_clock = world_clock
        self.clock_error_ppm = clock_error_ppm
        self._slots = slots
        self.i2c_chips: dict[int, dict[int, Any]] = {}
        self.spi_chips: dict[tuple[int, int], Any] = {}
        self.uarts: dict[int, Any] = {}
        self.pins: dict[int, Any] = {}
        self.adcs: dict[int, Any] = {}
        self.onewires: dict[int, list[Any]] = {}
        self._counters: dict[int, Pulses] = {}
        self.pwm_listeners: dict[int, Any] = {}
        self.pin_listeners: dict[int, Any] = {}
        self.outputs: dict[int, int] = {}
        self.chips: list[Any] = []
        self.boots_count = 0
        self.reset_cause = "power_on"
        self._random = random.Random(seed)
        self.unique_id = self._random.randbytes(8)
        self._flash = flash
        self._dial = dial
        self._streams: weakref.WeakSet[Stream] = weakref.WeakSet()
        self._next_cause = "power_on"
        self._power = Power()
        self._watchdog: Watchdog | None = None
        self.wireless: Any = None  # is_up(), reset()
        for model, settings in chips:
            self.add(model, settings)
        self.power_on()

    def add(self, model: Any, settings: dict[str, Any]) -> None:
        """Wire one more model as `settings`, the sensor's row of config.json, says."""
        model.attach(self, settings)
        self.chips.append(model)
        if self.boots_count:
            model.power_on(self.world_clock.now_us())

    # What the agent sees.

    def i2c(self, bus: int) -> I2c:
        """Return the I2C bus of that number."""
        self._power.check()
        return I2c(self._power, self.world_clock, self.i2c_chips.setdefault(bus, {}))

    def spi(self, bus: int, cs: int, baudrate: int, mode: int) -> SpiDevice:
        """Return the device at chip select `cs`; a model has no opinion on baudrate and mode."""
        self._power.check()
        return SpiDevice(self._power, self.world_clock, self.spi_chips.get((bus, cs)))

    def uart(self, number: int, baudrate: int) -> Uart:
        """Return the serial port of that number; a model has no opinion on the baudrate."""
        self._power.check()
        return Uart(self._power, self.world_clock, self.uarts.get(number))

    def pin(self, number: int, mode: str, pull: str = "none") -> Pin:
        """Return a pin; mode "in" or "out", pull "up", "down" or "none"."""
        self._power.check()
        assert mode in ("in", "out") and pull in ("up", "down", "none")
        return Pin(self, self._power, number, pull)

    def shift_in(self, data: int, clock: int) -> ShiftIn:
        """Return two pins that shift bits in."""
        clock_pin = self.pin(clock, "out")
        clock_pin.set(0)
        return ShiftIn(self.pin(data, "in", "up"), clock_pin, self.clock.now_us)

    def pulses(self, number: int, pull: str, debounce_us: int) -> Pulses:
        """Return the counter of that pin's falling edges: always the same one in a boot."""
        self._power.check()
        if number not in self._counters:
            model = self.pins.get(number)
            self._counters[number] = Pulses(self._power, self.world_clock, model, debounce_us)
        return self._counters[number]

    def wake_at(self, number: int, pull: str) -> bool:
        """Set the waker at each change of that pin; return whether there is one."""
        pin = self.pin(number, "in", pull)
        if self.waker is not None:
            self._watched[number] = (pin, pin.value())
        return self.waker is not None

    def onewire(self, number: int) -> OneWire:
        """Return the 1-Wire bus on that pin."""
        self._power.check()
        return OneWire(self._power, self.world_clock, self.onewires.get(number, []))

    def pwm(self, number: int, rate_mhz: int) -> None:
        """Put a square wave of rate_mhz millihertz on a pin, first edge now; 0 ends it."""
        self._power.check()
        listener = self.pwm_listeners.get(number)
        if listener is not None:
            listener.pulses(self.world_clock.now_us(), rate_mhz * (PPM + self.clock_error_ppm))

    def adc(self, number: int) -> Adc:
        """Return the analogue input of that number."""
        self._power.check()
        return Adc(self._power, self.world_clock, self.adcs.get(number))

    def flash(self) -> BoardFlash:
        """Return the flash."""
        self._power.check()
        if self._flash is None:
            from simulators.storage import SimFlash

            self._flash = SimFlash()
        return BoardFlash(self._power, self._flash)

    def slots(self) -> list[BoardFlash]:
        """Return the two slots for images, or none."""
        self._power.check()
        return [BoardFlash(self._power, body) for body in self._slots]

    def random(self, n: int) -> bytes:
        """Return n random bytes; the same for the same seed."""
        self._power.check()
        return self._random.randbytes(n)

    def watchdog(self) -> Watchdog:
        """Return the watchdog, awake from now on: who runs the board asks whether it starves."""
        self._power.check()
        if self._watchdog is None:
            self._watchdog = Watchdog(self._power, self.world_clock)
        return self._watchdog

    def network(self, wifi: Any) -> Any:
        """Return the network that the scenario has given the board, or None."""
        self._power.check()
        return self.wireless

    def reset(self) -> None:
        """Restart: raises PowerLost; whoever runs the board then calls power_on."""
        self._next_cause = "software"
        self.power_off()
        raise PowerLost

    async def connect(self, host: str, port: int) -> Stream:
        """Open a connection; OSError where that fails."""
        power = self._power
        power.check()
        reader, writer = await self._dial(host, port)
        stream = Stream(power, reader, writer)
        if not power.is_on:
            stream.cut()
            raise PowerLost
        self._streams.add(stream)
        return stream

    # What the scenario does to it.

    def starves_in_us(self) -> int:
        """Return how long until the watchdog bites; WATCHDOG_US where it sleeps."""
        if self._watchdog is None:
            return WATCHDOG_US
        left_us: int = self._watchdog.due_us - self.world_clock.now_us()
        return left_us

    def bite(self) -> None:
        """The watchdog restarts the board."""
        self._next_cause = "watchdog"
        self.power_off()

    def power_off(self) -> None:
        """Cut the power: streams break, every handle of this boot raises PowerLost from now on."""
        self._power.is_on = False
        self._watched.clear()
        for stream in list(self._streams):
            stream.cut()
        self._streams.clear()

    def power_on(self) -> None:
        """Begin a new boot: chips at power-up values, boot clock at 0, flash as it was left."""
        self._power.is_on = False
        self._power = Power()
        self._watchdog = None
        self.boots_count += 1
        self.reset_cause, self._next_cause = self._next_cause, "power_on"
        self.clock = Clock(self._power, self.world_clock, self.clock_error_ppm)
        self.outputs.clear()
        self._counters.clear()
        self._watched.clear()
        for chip in self.chips:
            chip.power_on(self.world_clock.now_us())

    @property
    def is_on(self) -> bool:
        """Whether it has power."""
        return self._power.is_on

    def look_at_pins(self) -> None:
        """Set the waker if a watched pin has changed since the last look."""
        for number, (pin, before) in self._watched.items():
            level = pin.value()
            if level != before:
                self._watched[number] = (pin, level)
                self.waker.set()

    # Wiring, called by the models' attach().

    def attach_i2c(self, bus: int, address: int, chip: Any) -> None:
        """Hang chip on an I2C bus."""
        chips = self.i2c_chips.setdefault(bus, {})
        assert address not in chips, "two chips at one I2C address"
        chips[address] = chip
