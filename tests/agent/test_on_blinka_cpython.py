"""The hardware port on Blinka: what no driver of the table asks of it."""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.hal.errors import ENODEV, ETIMEDOUT
from agent.hal.on_blinka import BlinkaBoard, Clock, Pin, SpiDevice
from agent.hal.pin_watcher import PinWatcher, Pulses, Waker
from simulators import chips
from simulators.board import SimBoard
from simulators.clock import HandClock
from simulators.signals.basic import Constant
from tests.blinka_parts import WIRING, parts_of


def simulated() -> SimBoard:
    return SimBoard(HandClock())


def board_of(board: SimBoard, **wiring: object) -> BlinkaBoard:
    return BlinkaBoard({**WIRING, **wiring}, parts=parts_of(board))


def test_clock_starts_at_0_and_runs() -> None:
    clock = Clock()
    assert 0 <= clock.now_us() < 1_000_000
    began_us = clock.now_us()
    clock.sleep_us(2_000)
    assert clock.now_us() - began_us >= 2_000


@pytest.mark.parametrize(("fault", "code"), [("nack", ENODEV), ("stuck_bus", ETIMEDOUT)])
def test_the_kernels_errors_become_those_of_the_port(fault: str, code: int) -> None:
    board = simulated()
    chip = chips.create("tmp117", board.world_clock, Constant(20.0))
    board.add(chip, {"i2c": 0})
    bus = board_of(board).i2c(0)
    chip.fault = fault
    calls: list[tuple[Any, ...]] = [
        (bus.writeto, 0x49, b"\x01"),
        (bus.readfrom_into, 0x49, bytearray(2)),
        (bus.readfrom_mem_into, 0x49, 1, bytearray(2)),
        (bus.writeto_mem, 0x49, 1, b"\x02\x20"),
    ]
    for call, *arguments in calls:
        with pytest.raises(OSError) as caught:
            call(*arguments)
        assert caught.value.errno == code
    chip.fault = None
    bus.writeto(0x49, b"\x0f")  # the bus is free again
    found = bytearray(2)
    bus.readfrom_into(0x49, found)
    assert found == b"\x01\x17"


def test_pins_are_driven_and_read() -> None:
    board = simulated()
    ours = board_of(board)
    pin = ours.pin(7, "out")
    pin.set(1)
    assert board.outputs[7] == 1 and pin.value() == 1
    assert [ours.pin(8, "in", pull).value() for pull in ("up", "down", "none")] == [1, 0, 0]


def test_flash_is_a_file_and_survives_the_program(tmp_path: Path) -> None:
    path = tmp_path / "log.bin"
    flash = board_of(simulated(), flash=(path, 4)).flash()
    flash.erase(0)
    flash.program(3, b"abc")
    flash.sync()
    flash.close()
    found = bytearray(3)
    again = board_of(simulated(), flash=(path, 4)).flash()
    again.read_into(3, found)
    again.close()
    assert found == b"abc"


def test_random_bytes_differ_and_the_identity_does_not() -> None:
    board = board_of(simulated())
    assert len(board.random(16)) == 16 and board.random(16) != board.random(16)
    assert len(board.unique_id) == 8 and board.unique_id == board_of(simulated()).unique_id


def test_pulses_are_falling_edges_without_their_bounces() -> None:
    contact = SimpleNamespace(value=True)
    pulses = Pulses(250_000)
    watcher = PinWatcher()
    watcher.watch(Pin(contact), pulses.see)
    watcher.stop()
    for at_ms, level in ((0, 0), (5, 1), (9, 0), (100, 1), (700, 0), (800, 1), (900, 0)):
        contact.value = bool(level)
        watcher.look(at_ms * 1000)
    assert pulses.count() == 2


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.002)


def test_pulses_and_changes_are_seen_by_one_thread_of_the_board() -> None:
    contact, door = SimpleNamespace(value=True), SimpleNamespace(value=False)
    watcher, pulses, waker = PinWatcher(), Pulses(0), Waker()
    before = set(threading.enumerate())  # one of an earlier test may just be ending
    watcher.watch(Pin(contact), pulses.see)
    watcher.watch(Pin(door), lambda level, now_us: waker.set())
    assert len(set(threading.enumerate()) - before) == 1
    for count in range(1, 4):
        contact.value = False
        wait_until(partial(lambda wanted: pulses.count() == wanted, count))
        contact.value = True
        time.sleep(0.02)
    door.value = True
    asyncio.run(asyncio.wait_for(waker.wait(), 10))
    watcher.stop()
    wait_until(lambda: set(threading.enumerate()) <= before)


async def test_a_waker_is_heard_before_and_during_the_wait_and_once() -> None:
    waker = Waker()
    waker.set()
    waker.set()
    await asyncio.wait_for(waker.wait(), 10)
    waiting = asyncio.create_task(waker.wait())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    threading.Thread(target=waker.set).start()
    await asyncio.wait_for(waiting, 10)
    waiting = asyncio.create_task(waker.wait())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    waiting.cancel()


def test_a_waker_outlives_the_loop_that_waited() -> None:
    waker = Waker()
    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(asyncio.wait_for(waker.wait(), 0.01))
    waker.set()
    asyncio.run(asyncio.wait_for(waker.wait(), 10))


async def test_a_connection_carries_both_ways_and_ends() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        stream = await board_of(simulated()).connect("127.0.0.1", port)
        stream.write(b"hello")
        await stream.drain()
        assert await stream.read(100) == b"hello"
        assert await stream.read(100) == b""
        stream.close()


def test_a_real_serial_port_is_opened_and_opened_again() -> None:
    ours, theirs = os.openpty()
    board = BlinkaBoard({"uart": {0: os.ttyname(theirs)}})
    for word in (b"first", b"again"):
        uart, buffer = board.uart(0, 9600), bytearray(16)
        assert uart.read_into(buffer) == 0
        os.write(ours, word)
        deadline_s = time.monotonic() + 5
        count = 0
        while count < len(word) and time.monotonic() < deadline_s:
            count += uart.read_into(memoryview(buffer)[count:])
        assert bytes(buffer[:count]) == word
        uart.write(b"heard")
        assert os.read(ours, 16) == b"heard"
    os.close(ours)
    os.close(theirs)


class SpiBus:
    """A bus that notes how it was configured."""

    def __init__(self) -> None:
        self.seen: list[dict[str, int]] = []

    def try_lock(self) -> bool:
        """Lock."""
        return True

    def unlock(self) -> None:
        """Unlock."""

    def configure(self, **settings: int) -> None:
        """Note."""
        self.seen.append(settings)

    def write_readinto(self, out: bytes, into: bytearray) -> None:
        """Echo."""
        into[:] = out


@pytest.mark.parametrize(
    ("mode", "polarity", "phase"), [(0, 0, 0), (1, 0, 1), (2, 1, 0), (3, 1, 1)]
)
def test_spi_modes_are_polarity_and_phase(mode: int, polarity: int, phase: int) -> None:
    bus, select = SpiBus(), SimpleNamespace(value=True)
    SpiDevice(bus, select, 5_000_000, mode).transfer(b"ab", bytearray(2))
    assert bus.seen == [{"baudrate": 5_000_000, "polarity": polarity, "phase": phase}]
    assert select.value is True
