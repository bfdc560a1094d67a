"""The networks in between: `Line`, a TCP relay on loopback, and `Pipe`, a connection in memory.

Up is from who connects (a device, a hub) to who listens (a hub, a platform); down is the way back.

Two ways in which a line is cut:

    reset      both ends of every connection get a reset at once; so does who connects meanwhile
    blackhole  no byte, no FIN and no reset passes any more: connections stay ESTABLISHED at both
               ends, and who connects meanwhile hangs in the handshake. After restore() the old
               ones stay dead, as behind a router that restarted and forgot them; new ones work.

Of a blackhole a TCP stack still sees acknowledgements, for its peer is the relay in the same
machine: only a keepalive of the application notices it. That is the harder case to be ready for.
"""

import asyncio
import socket
import struct
from typing import Self

UP = 0
DOWN = 1
RESET = "reset"
BLACKHOLE = "blackhole"
MODES = (RESET, BLACKHOLE)

CHUNK_SIZE = 16384
CHUNKS_MAX = 32  # on the way in each direction of a connection; then the sender has to wait
PIECE_S = 0.02  # a slow line passes what it can in this time at once
PIECE_SIZE_MIN = 16
BACKLOG = 128
LINGER_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close() sends RST instead of FIN
NOISE = 0xA5  # what spoiled bytes are XORed with


class Line:
    """A relay: start() listens on `port` of loopback and carries every connection to the target.

    delay_ms: each way. rate_bits_per_s: of each direction, shared by all connections; 0: no limit.
    Both may be set at any time.
    """

    def __init__(
        self, host: str, port: int, *, delay_ms: int = 0, rate_bits_per_s: int = 0
    ) -> None:
        self.target = (host, port)
        self.delay_ms = delay_ms
        self.rate_bits_per_s = rate_bits_per_s
        self.port = 0
        self._cut: str | None = None
        self._paths: set[_Path] = set()
        self._dead: list[_Path] = []
        self._plugs: list[socket.socket] = []
        self._plug_names: set[object] = set()
        self._free_at_s = [0.0, 0.0]
        self._to_spoil = [0, 0]
        self._sizes = [0, 0]
        self._counts = {"connections": 0, "refused": 0, "spoiled": 0}

    async def start(self, port: int = 0) -> None:
        """Listen on this port of 127.0.0.1; 0: on a free one."""
        self._listener = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._listener, self._on_connection)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Reset every connection and stop listening."""
        self.restore()
        self.cut(RESET)
        for path in self._dead:
            path.reset()
        self._dead = []
        self._loop.remove_reader(self._listener)
        self._listener.close()
        await asyncio.sleep(0)  # cancelled relays end

    def cut(self, mode: str = RESET) -> None:
        """Cut the line, if it is not cut already. mode: RESET or BLACKHOLE."""
        assert mode in MODES
        if self._cut is not None:
            return
        self._cut = mode
        paths, self._paths = self._paths, set()
        for path in paths:
            path.task.cancel()
            if mode == RESET:
                path.reset()
            else:
                path.ignore()
                self._dead.append(path)
        if mode == BLACKHOLE:
            self._plug()

    def restore(self) -> None:
        """Carry new connections again."""
        if self._cut == BLACKHOLE:
            self._unplug()
        self._cut = None

    def corrupt_next(self, count: int, direction: int = UP) -> None:
        """Spoil the next `count` bytes that go in this direction, of whichever connection."""
        self._to_spoil[direction] += count

    def statistics(self) -> dict[str, int]:
        """Return counts since the start. dead: connections that a blackhole has swallowed."""
        return self._counts | {
            "open": len(self._paths),
            "dead": len(self._dead),
            "bytes_up": self._sizes[UP],
            "bytes_down": self._sizes[DOWN],
        }

    def _plug(self) -> None:
        # With a backlog of 0 Linux queues one connection that nobody accepts and then drops every
        # SYN, as a dead network does. The one in the queue is ours.
        self._loop.remove_reader(self._listener)
        self._listener.listen(0)
        plug = socket.socket()
        plug.setblocking(False)
        plug.connect_ex(("127.0.0.1", self.port))
        self._plugs.append(plug)
        self._plug_names.add(plug.getsockname())

    def _unplug(self) -> None:
        for plug in self._plugs:
            plug.close()
        self._plugs = []
        self._listener.listen(BACKLOG)
        self._loop.add_reader(self._listener, self._on_connection)

    def _on_connection(self) -> None:
        try:
            near, name = self._listener.accept()
        except OSError:
            return  # gone before it was accepted
        if name in self._plug_names:
            self._plug_names.discard(name)
            near.close()
            return
        path = _Path(near)
        if self._cut is not None:
            self._counts["refused"] += 1
            path.reset()
            return
        self._counts["connections"] += 1
        self._paths.add(path)
        path.task = self._loop.create_task(self._carry(path))

    async def _carry(self, path: "_Path") -> None:
        try:
            await self._loop.sock_connect(path.far, self.target)
            async with asyncio.TaskGroup() as group:
                for source, sink, direction in (
                    (path.near, path.far, UP),
                    (path.far, path.near, DOWN),
                ):
                    queue: _Chunks = asyncio.Queue(CHUNKS_MAX)
                    group.create_task(self._take_in(source, queue, direction))
                    group.create_task(self._put_out(sink, queue, direction))
        except* OSError:
            path.reset()  # the target refused, or one end was reset: so is the other
        else:
            path.close()
        self._paths.discard(path)

    async def _take_in(self, source: socket.socket, queue: "_Chunks", direction: int) -> None:
        while True:
            data = await self._loop.sock_recv(source, CHUNK_SIZE)
            due_s = self._loop.time() + self.delay_ms / 1000
            await queue.put((due_s, self._spoil(data, direction)))
            if not data:
                return

    async def _put_out(self, sink: socket.socket, queue: "_Chunks", direction: int) -> None:
        while True:
            due_s, data = await queue.get()
            await asyncio.sleep(due_s - self._loop.time())
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            while data:
                size = await self._wait_turn(len(data), direction)
                await self._loop.sock_sendall(sink, data[:size])
                self._sizes[direction] += size
                data = data[size:]

    async def _wait_turn(self, size: int, direction: int) -> int:
        """Return how many of the bytes may go now."""
        rate = self.rate_bits_per_s
        if not rate:
            return size
        size = min(size, max(PIECE_SIZE_MIN, int(rate / 8 * PIECE_S)))
        now_s = self._loop.time()
        free_at_s = max(now_s, self._free_at_s[direction]) + size * 8 / rate
        self._free_at_s[direction] = free_at_s
        await asyncio.sleep(free_at_s - now_s)
        return size

    def _spoil(self, data: bytes, direction: int) -> bytes:
        size = min(self._to_spoil[direction], len(data))
        self._to_spoil[direction] -= size
        self._counts["spoiled"] += size
        return bytes(byte ^ NOISE for byte in data[:size]) + data[size:]


_Chunks = asyncio.Queue[tuple[float, bytes]]


class _Path:
    """One connection: its two sockets and the task that carries between them."""

    task: asyncio.Task[None]

    def __init__(self, near: socket.socket) -> None:
        self.near = near
        self.far = socket.socket()
        for end in (self.near, self.far):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ignore(self) -> None:
        """Look at neither end any more."""
        loop = asyncio.get_running_loop()
        for end in (self.near, self.far):
            if end.fileno() >= 0:
                loop.remove_reader(end)
                loop.remove_writer(end)

    def reset(self) -> None:
        """Close both ends with a reset."""
        for end in (self.near, self.far):
            if end.fileno() >= 0:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
        self.close()

    def close(self) -> None:
        """Close both ends."""
        self.ignore()
        self.near.close()
        self.far.close()


class Pipe:
    """A connection in memory that can be cut at any byte; `near` and `far` are its ends.

    An end has the face of a link's stream (read, write, drain, close), and as much of asyncio's
    StreamReader and StreamWriter as a board's `dial` needs: return (pipe.near, pipe.near).
    chunk_size: most bytes that one read returns; 0: no limit. What comes out when depends on
    nothing but the order of the calls.
    """

    def __init__(self, chunk_size: int = 0) -> None:
        up, down = _Way(chunk_size), _Way(chunk_size)
        self.near = PipeEnd(self, incoming=down, outgoing=up)
        self.far = PipeEnd(self, incoming=up, outgoing=down)
        self._ways = (up, down)

    def cut(self, mode: str = RESET) -> None:
        """Cut it for ever. What has crossed can still be read."""
        assert mode in MODES
        for way in self._ways:
            way.cut(mode)

    def cut_after(self, count: int, direction: int = UP, mode: str = RESET) -> None:
        """Cut it when exactly `count` bytes have crossed in this direction since it was made."""
        assert mode in MODES
        self._ways[direction].limit = count
        self._ways[direction].limit_mode = mode
        self.check_limits()

    def check_limits(self) -> None:
        """Cut where a limit is reached; the ends call this."""
        for way in self._ways:
            if way.crossed == way.limit:
                self.cut(way.limit_mode)

    def crossed(self, direction: int = UP) -> int:
        """Return how many bytes have crossed."""
        return self._ways[direction].crossed


class PipeEnd:
    """One end of a Pipe."""

    def __init__(self, pipe: Pipe, *, incoming: "_Way", outgoing: "_Way") -> None:
        self._pipe = pipe
        self._incoming = incoming
        self._outgoing = outgoing
        self.transport = self  # for abort()

    async def read(self, n: int) -> bytes:
        """Return 1..n bytes, or b"" at the end; ConnectionResetError after a reset."""
        return await self._incoming.take(n)

    def write(self, data: bytes) -> None:
        """Send data, as much of it as crosses."""
        self._outgoing.put(data)
        self._pipe.check_limits()

    async def drain(self) -> None:
        """Let others run; ConnectionResetError after a reset."""
        await asyncio.sleep(0)
        if self._outgoing.is_cut == RESET:
            raise ConnectionResetError("the pipe was cut")

    def close(self) -> None:
        """End both directions in order: the other end reads what was sent, then b""."""
        self._outgoing.end()
        self._incoming.end()

    async def wait_closed(self) -> None:
        """Return: there is nothing to wait for."""

    def abort(self) -> None:
        """Reset the connection."""
        self._pipe.cut(RESET)


class _Way:
    """One direction of a pipe."""

    def __init__(self, chunk_size: int) -> None:
        self.crossed = 0
        self.limit: int | None = None
        self.limit_mode = RESET
        self.is_cut: str | None = None
        self._is_ended = False
        self._chunk_size = chunk_size
        self._buffer = bytearray()
        self._changed = asyncio.Event()

    def put(self, data: bytes) -> None:
        if self.is_cut or self._is_ended:
            return
        if self.limit is not None:
            data = data[: self.limit - self.crossed]
        self.crossed += len(data)
        self._buffer += data
        self._changed.set()

    async def take(self, size: int) -> bytes:
        while not self._buffer:
            if self.is_cut == RESET:
                raise ConnectionResetError("the pipe was cut")
            if self._is_ended:
                return b""
            self._changed.clear()
            await self._changed.wait()
        size = min(size, self._chunk_size or size)
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def end(self) -> None:
        if self.is_cut is None:
            self._is_ended = True
            self._changed.set()

    def cut(self, mode: str) -> None:
        if self.is_cut is None:
            self.is_cut = mode
            self._changed.set()
