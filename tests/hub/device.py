"""A device for tests of the hub: like a real one it keeps every frame until it is acknowledged.

It is small on purpose: protocols.session over asyncio streams, no sampling, no flash.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from protocols.batch import Series, encode_batch
from protocols.cose import DeviceKeys
from protocols.framing import Splitter, prefixed
from protocols.messages import ACK, BYE, WELCOME
from protocols.ranges import Ranges
from protocols.session import OPEN, DeviceSession
from protocols.vocabulary import LANE_STATE

WAIT_S = 20.0
WINDOW_MAX = 64  # frames without an acknowledgement, as on a board
REDIAL_S = 0.05


def now_us() -> int:
    """Return the device's boot clock."""
    return time.monotonic_ns() // 1000


class Device:
    """made: how many frames; held: index -> frame that no acknowledgement came for."""

    def __init__(self, name: str, secret: bytes, port: int, boot: int = 1) -> None:
        self.keys = DeviceKeys(name, secret)
        self.port = port
        self.boot = boot
        self.made = 0
        self.held: dict[int, bytes] = {}
        self.acknowledged = Ranges()
        self.byes: list[int] = []
        self.connects = 0
        self.ended = asyncio.Event()
        self.is_open = False
        self._reading: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self.session = DeviceSession(self.keys, bytes(8), 0)

    def make(self, lane: int = LANE_STATE, value: int = 0, size: int = 3) -> bytes:
        """Seal the next frame and hold it; size: readings in it."""
        at_us = now_us()
        values = [value + at * 7919 % 65536 for at in range(size)]
        series = Series("level", "m", (-3, 1), at_us, spacing_ns=10**6, values=values)
        payload = encode_batch((self.boot, self.made, lane, at_us), [series])
        frame = self.held[self.made] = self.keys.up.seal(payload)
        self.made += 1
        return frame

    def extents(self) -> list[list[int]]:
        """Return what is held as the log of a hello."""
        ranges = Ranges()
        for index in sorted(self.held):
            ranges.add(index)
        return [[self.boot, first, following] for first, following in ranges.pairs()]

    def hello(self) -> dict[str, Any]:
        """Return the fields of a hello."""
        return {"boot": self.boot, "firmware": "0.1", "profile": "test", "mode": 0, "drill": False,
                "reset_cause": "power", "log": self.extents()[:64]}  # fmt: skip

    async def dial(self) -> None:
        """Connect; OSError where nobody listens."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.connects += 1
        self.ended.clear()
        self._reading = asyncio.create_task(self._read())

    async def open(self) -> None:
        """Connect and come to an open session; ConnectionError when the hub refuses."""
        await self.dial()
        self.session = DeviceSession(self.keys, os.urandom(8), now_us())
        self.session.start(self.hello())
        self._flush()
        await self.wait_until(lambda: self.is_open or self.ended.is_set())
        if not self.is_open:
            await self.close()
            raise ConnectionError("the hub ended the connection")

    def write(self, *frames: bytes) -> None:
        """Send whole frames as they are."""
        self.writer.write(b"".join(map(prefixed, frames)))

    async def wait_until(self, is_true: Any, timeout_s: float = WAIT_S) -> None:
        """Wait until something that the connection changes is true."""
        async with asyncio.timeout(timeout_s):
            while not is_true():
                self._changed.clear()
                await self._changed.wait()

    async def wait_acknowledged(self, timeout_s: float = WAIT_S) -> None:
        """Wait until the hub has all."""
        await self.wait_until(lambda: not self.held, timeout_s)

    async def close(self) -> None:
        """Hang up."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            self.writer.close()
            await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)
            self._reading = None
        self.is_open = False

    async def stream(self, stop: asyncio.Event, interval_s: float, lanes: tuple[int, ...]) -> None:
        """Make frames until `stop`, wait until all are acknowledged; dial again when needed."""
        sent: set[int] = set()
        while not (stop.is_set() and not self.held):
            if not self.is_open or self.ended.is_set():
                sent.clear()
                await self._redial()
                continue
            if not stop.is_set():
                self.make(lanes[self.made % len(lanes)], self.made)
            for index in sorted(self.held.keys() - sent)[:WINDOW_MAX]:
                self.write(self.held[index])
                sent.add(index)
            await asyncio.sleep(interval_s)
        await self.close()

    async def _redial(self) -> None:
        await self.close()
        try:
            await self.open()
        except (OSError, TimeoutError):
            await asyncio.sleep(REDIAL_S)

    async def _read(self) -> None:
        splitter = Splitter()
        try:
            while data := await self.reader.read(65536):
                for frame in splitter.feed(data):
                    for kind, fields in self.session.receive(frame, now_us()):
                        self._handle(kind, fields)
                self._flush()
                self._changed.set()
        except OSError:
            pass
        finally:
            self.is_open = False
            self.ended.set()
            self._changed.set()

    def _handle(self, kind: int, fields: dict[str, Any]) -> None:
        if kind in (WELCOME, ACK):
            for boot, first, following in fields["durable"]:
                assert boot == self.boot and following <= self.made
                for index in range(first, following):
                    self.held.pop(index, None)
                    self.acknowledged.add(index)
        elif kind == BYE:
            self.byes.append(fields["reason"])
        self.is_open = self.session.state == OPEN

    def _flush(self) -> None:
        if not self.writer.is_closing():
            for frame in self.session.take_output():
                self.write(frame)


@asynccontextmanager
async def streaming(
    *devices: Device, interval_s: float = 0.01, lanes: tuple[int, ...] = (LANE_STATE,)
) -> AsyncIterator[None]:
    """Let devices stream during the block; after it all they made is acknowledged."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(one.stream(stop, interval_s, lanes)) for one in devices]
    try:
        yield
        stop.set()
        async with asyncio.timeout(3 * WAIT_S):
            await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for one in devices:
            await one.close()
