"""The simulated board: its ports, and what a power cut does to them."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from agent.hal.file_flash import FileFlash
from simulators.board import UART_BUFFER_SIZE, PowerLost, SimBoard
from simulators.clock import HandClock, RunningClock


class SerialModel:
    """The other end of a serial port: one byte a millisecond; remembers what it was told."""

    def __init__(self) -> None:
        self.heard = b""
        self._fed_us = 0

    def feed(self, now_us: int) -> bytes:
        count = (now_us - self._fed_us) // 1000
        self._fed_us += count * 1000
        return bytes(range(256)) * (count // 256) + bytes(range(count % 256))

    def write(self, data: bytes) -> None:
        self.heard += data


class LevelModel:
    """A pin that goes high, and a voltage that rises, with the time."""

    def value(self, now_us: int) -> int:
        return int(now_us >= 1_000_000)

    def value_u16(self, now_us: int) -> int:
        return now_us // 1000


class PulseModel:
    """Notes the square waves it is given."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def pulses(self, start_us: int, rate_nhz: int) -> None:
        self.seen.append((start_us, rate_nhz))


def test_uart_reads_what_came_and_does_not_wait() -> None:
    clock, model = HandClock(), SerialModel()
    board = SimBoard(clock)
    board.uarts[1] = model
    uart, buffer = board.uart(1, 9600), bytearray(8)
    assert uart.read_into(buffer) == 0
    clock.advance(10_000)
    assert uart.read_into(buffer) == 8 and buffer == bytes(range(8))
    assert uart.read_into(buffer) == 2
    uart.write(b"hello")
    assert model.heard == b"hello"


def test_uart_that_nobody_reads_loses_what_does_not_fit() -> None:
    clock = HandClock()
    board = SimBoard(clock)
    board.uarts[1] = SerialModel()
    uart, buffer = board.uart(1, 9600), bytearray(1000)
    clock.advance(300_000)
    assert uart.read_into(buffer) == UART_BUFFER_SIZE
    assert uart.overruns == 1


def test_pins_adc_and_what_nobody_is_attached_to() -> None:
    clock = HandClock()
    board = SimBoard(clock)
    board.pins[3] = board.adcs[0] = LevelModel()
    pin, adc = board.pin(3, "in", "none"), board.adc(0)
    assert (pin.value(), adc.read_u16()) == (0, 0)
    clock.advance(2_000_000)
    assert (pin.value(), adc.read_u16()) == (1, 2000)
    assert (board.pin(9, "in", "up").value(), board.pin(9, "in", "down").value()) == (1, 0)
    led = board.pin(25, "out")
    led.set(1)
    assert board.outputs[25] == 1 and led.value() == 1
    assert board.adc(7).read_u16() == 0
    assert board.uart(5, 9600).read_into(bytearray(4)) == 0


def test_boot_clock_and_pulses_share_the_crystal() -> None:
    clock, listener = HandClock(5_000_000), PulseModel()
    board = SimBoard(clock, clock_error_ppm=-200)
    board.pwm_listeners[6] = listener
    assert board.clock.now_us() == 0
    clock.advance(1_000_000_000)
    assert board.clock.now_us() == 999_800_000
    board.pwm(6, 100_000)
    board.pwm(6, 0)
    assert listener.seen == [(1_005_000_000, 99_980_000_000), (1_005_000_000, 0)]


def every_port(board: SimBoard) -> dict[str, Callable[[], Any]]:
    """Return one operation on each port, on handles taken now."""
    uart, pin, adc, flash = board.uart(0, 9600), board.pin(1, "in"), board.adc(0), board.flash()
    i2c, spi, clock = board.i2c(0), board.spi(0, 1, 1, 0), board.clock
    return {
        "uart.read": lambda: uart.read_into(bytearray(1)),
        "uart.write": lambda: uart.write(b"x"),
        "pin.value": pin.value,
        "pin.set": lambda: pin.set(1),
        "adc": adc.read_u16,
        "flash.read": lambda: flash.read_into(0, bytearray(1)),
        "flash.program": lambda: flash.program(0, b"\x00"),
        "flash.erase": lambda: flash.erase(0),
        "flash.sync": flash.sync,
        "i2c.write": lambda: i2c.writeto(1, b"x"),
        "i2c.read": lambda: i2c.readfrom_into(1, bytearray(1)),
        "i2c.write_mem": lambda: i2c.writeto_mem(1, 0, b"x"),
        "i2c.read_mem": lambda: i2c.readfrom_mem_into(1, 0, bytearray(1)),
        "spi": lambda: spi.transfer(bytearray(1), bytearray(1)),
        "clock": clock.now_us,
        "sleep": lambda: clock.sleep_us(1),
    }


def test_without_power_every_operation_is_lost_also_in_the_next_boot() -> None:
    board = SimBoard(HandClock())
    old = every_port(board)
    board.power_off()
    for name, call in old.items():
        with pytest.raises(PowerLost):
            pytest.fail(f"{name}: {call()}")
    for call in (lambda: board.random(1), lambda: board.pwm(1, 1), board.flash):
        with pytest.raises(PowerLost):
            call()
    board.power_on()
    for name, call in old.items():
        with pytest.raises(PowerLost):
            pytest.fail(f"{name}: {call()}")
    assert every_port(board)["clock"]() == 0


def test_flash_outlasts_the_power_and_outputs_do_not() -> None:
    board = SimBoard(HandClock())
    board.flash().program(10, b"\x12")
    board.pin(4, "out").set(1)
    board.power_off()
    board.power_on()
    buffer = bytearray(2)
    board.flash().read_into(10, buffer)
    assert buffer == b"\x12\xff"
    assert board.outputs == {}
    assert board.boots_count == 2


def test_flash_in_a_file(tmp_path: Any) -> None:
    path = str(tmp_path / "flash.bin")
    body = FileFlash(path, 4096, 2)
    flash = SimBoard(HandClock(), flash=body).flash()
    assert (flash.sector_size, flash.sector_count) == (4096, 2)
    flash.program(4096, b"kept")
    flash.sync()
    body.close()
    body = FileFlash(path, 4096, 2)
    buffer = bytearray(4)
    SimBoard(HandClock(), flash=body).flash().read_into(4096, buffer)
    body.close()
    assert buffer == b"kept"


def test_reset_is_a_new_boot_with_its_cause() -> None:
    board = SimBoard(HandClock())
    assert board.reset_cause == "power_on"
    with pytest.raises(PowerLost):
        board.reset()
    board.power_on()
    assert board.reset_cause == "software"
    board.power_off()
    board.power_on()
    assert board.reset_cause == "power_on"


def test_seed_fixes_identity_and_randomness() -> None:
    first, same, other = (SimBoard(HandClock(), seed=seed) for seed in (1, 1, 2))
    assert first.unique_id == same.unique_id != other.unique_id
    assert first.random(16) == same.random(16) != other.random(16)


async def test_connection_carries_bytes_and_breaks_with_the_power() -> None:
    ended = asyncio.Event()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(100):
                writer.write(data)
        except ConnectionError:
            pass
        writer.close()
        ended.set()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        board = SimBoard(RunningClock())
        stream = await board.connect("127.0.0.1", server.sockets[0].getsockname()[1])
        stream.write(b"ping")
        await stream.drain()
        assert await stream.read(10) == b"ping"
        reading = asyncio.create_task(stream.read(10))
        await asyncio.sleep(0)
        board.power_off()
        with pytest.raises(PowerLost):
            await reading
        with pytest.raises(PowerLost):
            stream.write(b"more")
        await asyncio.wait_for(ended.wait(), 5)


async def test_connection_refused_is_an_error_of_the_system() -> None:
    async def refuse(host: str, port: int) -> Any:
        raise ConnectionRefusedError

    with pytest.raises(OSError):
        await SimBoard(HandClock(), dial=refuse).connect("hub", 1)


async def test_power_lost_while_connecting_leaves_no_connection() -> None:
    cut = []

    class Transport:
        def abort(self) -> None:
            cut.append(True)

    class Writer:
        transport = Transport()

    async def dial(host: str, port: int) -> Any:
        board.power_off()
        return None, Writer()

    board = SimBoard(HandClock(), dial=dial)
    with pytest.raises(PowerLost):
        await board.connect("hub", 1)
    assert cut == [True]
