"""The wires between devices and hub: ordered bytes with a delay, and what wires do to them.

A connection ends by a close (the other end reads what was sent, then the end), or is

    cut         both ends are told at once
    left        the device is told; what it had sent still reaches the hub, late, and then the end
    swallowed   nobody is told and no byte passes any more (a half-open connection)
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from protocols.cose import DeviceKeys
from protocols.framing import Splitter, prefixed
from protocols.messages import kind_of
from protocols.vocabulary import KIND_SESSION_FIRST
from tests.world.virtual_time import VirtualLoop

HUB_PORT = 4620
HANDSHAKE_US = 3_000_000  # a dial that nobody answers
LATE_US_MAX = 8_000_000  # what a `left` connection still carried may come so late
DELAY_US_MAX = 40_000
SLOW_US_MAX = 3_000_000


class Network:
    """All wires. refuses, swallows: names of devices whose dials fail now; repeats: who says
    every record twice."""

    def __init__(self, loop: VirtualLoop, chance: random.Random) -> None:
        self.loop = loop
        self.chance = chance
        self.connections: dict[str, Connection] = {}
        self.refuses: set[str] = set()
        self.swallows: set[str] = set()
        self.repeats: set[str] = set()
        self.slow: set[str] = set()
        self.hub_is_up = False

    def dialer(self, keys: DeviceKeys) -> Callable[[str, int], Any]:
        """Return a device's way to dial: async (host, port) -> its end."""

        async def dial(host: str, port: int) -> "NearEnd":
            return await self._dial(keys, port)

        return dial

    async def _dial(self, keys: DeviceKeys, port: int) -> "NearEnd":
        name = keys.device
        await asyncio.sleep(self.chance.randrange(DELAY_US_MAX) / 1e6)
        if name in self.swallows or not self.hub_is_up:
            await asyncio.sleep(HANDSHAKE_US / 1e6)
            raise OSError("timed out")
        factory = self.loop.servers.get(port)
        if name in self.refuses or factory is None:
            raise ConnectionRefusedError("refused")
        most_us = SLOW_US_MAX if name in self.slow else DELAY_US_MAX
        connection = Connection(self, keys, self.chance.randrange(most_us))
        self.connections[name] = connection
        protocol = factory()
        connection.far.protocol = protocol
        protocol.connection_made(connection.far)
        return connection.near

    def lose(self, name: str, how: str) -> None:
        """Do something to the connection of a device, if it has one. how: see above."""
        connection = self.connections.pop(name, None)
        if connection is not None:
            getattr(connection, how)()

    def lose_all(self, how: str) -> None:
        """Do it to all."""
        for name in list(self.connections):
            self.lose(name, how)


class Connection:
    """One connection; near: the device's end, far: the hub's."""

    def __init__(self, network: Network, keys: DeviceKeys, delay_us: int) -> None:
        self.network = network
        self.loop = network.loop
        self.delay_us = delay_us
        self.keys = keys
        self.near = NearEnd(self)
        self.far = FarEnd(self)
        self.due_us = [0, 0]
        self.is_swallowed = False

    def send(self, end: "NearEnd | FarEnd", data: bytes | None, delay_us: int = -1) -> None:
        """Let data (None: the end) arrive at that end, behind what is on its way already."""
        if self.is_swallowed:
            return
        way = int(end is self.far)
        due_us = self.loop.now_us + (self.delay_us if delay_us < 0 else delay_us)
        self.due_us[way] = due_us = max(
            due_us, self.due_us[way] + 1
        )  # timers of one time have no order
        self.loop.at(due_us, self._arrive, end, data)

    def _arrive(self, end: "NearEnd | FarEnd", data: bytes | None) -> None:
        if not self.is_swallowed:
            end.arrived(data)

    def cut(self) -> None:
        """Tell both ends now."""
        self.near.reset()
        self.far.reset()
        self.is_swallowed = True

    def left(self) -> None:
        """The device is told, the hub gets the rest late."""
        self.near.reset()
        self.send(self.far, None, self.network.chance.randrange(LATE_US_MAX))

    def swallowed(self) -> None:
        """Nobody is told."""
        self.is_swallowed = True


class NearEnd:
    """The device's end: the stream of the hardware port, and asyncio's for a simulated board."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._buffer = bytearray()
        self._is_ended = False
        self._is_reset = False
        self._is_closed = False
        self._changed = asyncio.Event()
        self._splitter = Splitter()
        self.transport = self

    async def read(self, size: int) -> bytes:
        """Return 1..size bytes, or b"" at the end; ConnectionResetError after a reset."""
        while not self._buffer:
            if self._is_reset:
                raise ConnectionResetError("reset")
            if self._is_ended:
                return b""
            self._changed.clear()
            await self._changed.wait()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def write(self, data: bytes) -> None:
        """Send; a wire that repeats says each record twice."""
        if self._is_closed or self._is_reset:
            return
        connection = self._connection
        if connection.keys.device in connection.network.repeats:
            data = b"".join(map(self._repeated, self._splitter.feed(data)))
        connection.send(connection.far, data)

    def _repeated(self, frame: bytes) -> bytes:
        is_record = kind_of(self._connection.keys.up.peek(frame)) < KIND_SESSION_FIRST
        return prefixed(frame) * (2 if is_record else 1)

    async def drain(self) -> None:
        """Let others run; ConnectionResetError after a reset."""
        await asyncio.sleep(0)
        if self._is_reset:
            raise ConnectionResetError("reset")

    def close(self) -> None:
        """Send the end."""
        if not self._is_closed:
            self._is_closed = True
            self._connection.send(self._connection.far, None)

    def abort(self) -> None:
        """Reset the connection."""
        self._connection.cut()

    async def wait_closed(self) -> None:
        """Return: there is nothing to wait for."""

    def arrived(self, data: bytes | None) -> None:
        """Take what the wire brought."""
        if data is None:
            self._is_ended = True
        else:
            self._buffer += data
        self._changed.set()

    def reset(self) -> None:
        """Be told of the cut."""
        self._is_reset = True
        self._buffer.clear()
        self._changed.set()


class FarEnd(asyncio.Transport):
    """The hub's end: the transport of hub.links.tcp.TcpLink."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        self._held: list[bytes | None] = []
        self._is_paused = False
        self._is_over = False
        self.protocol: Any = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return something that takes socket options."""
        return self

    def setsockopt(self, *_: Any) -> None:
        """Take a socket option."""

    def write(self, data: Any) -> None:
        """Send."""
        if not self._is_over:
            self._connection.send(self._connection.near, bytes(data))

    def is_closing(self) -> bool:
        """Tell whether it is closed."""
        return self._is_over

    def get_write_buffer_size(self) -> int:
        """Return 0: the kernel has it."""
        return 0

    def pause_reading(self) -> None:
        """Hold what arrives."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """Hand out what was held."""
        self._is_paused = False
        while self._held and not self._is_paused:
            self._take(self._held.pop(0))

    def close(self) -> None:
        """Send the end; the protocol is told later, as by asyncio."""
        if not self._is_over:
            self._connection.send(self._connection.near, None)
            self._lost()

    def abort(self) -> None:
        """Reset the connection."""
        self._connection.cut()

    def arrived(self, data: bytes | None) -> None:
        """Take what the wire brought."""
        if self._is_paused:
            self._held.append(data)
        else:
            self._take(data)

    def reset(self) -> None:
        """Be told of the cut."""
        self._lost()

    def _lost(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._connection.loop.call_soon(self.protocol.connection_lost, None)

    def _take(self, data: bytes | None) -> None:
        if self._is_over:
            return
        if data is None:
            self.close()
            return
        view = memoryview(data)
        while len(view) and not self._is_over:
            if self._is_paused:
                self._held.insert(0, bytes(view))
                return
            buffer = self.protocol.get_buffer(-1)
            size = min(len(buffer), len(view))
            buffer[:size] = view[:size]
            self.protocol.buffer_updated(size)
            view = view[size:]
