"""The load generator: a few processes that send, for 50 devices, what was sealed beforehand.

Each connection keeps up to `window` frames unacknowledged (far more than a real device does) and
hands the kernel as many at a time as it takes, so that a frame costs the generator well under a
microsecond of sending. Acknowledgements are read but not verified: the session's code is checked
once, at its start.
"""

import os
import select
import socket
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

from protocols.cbor import decode
from protocols.cose import DeviceKeys
from protocols.framing import Splitter, prefixed
from protocols.messages import ACK
from protocols.session import OPEN, DeviceSession
from tests.bench import mqtt_wire
from tests.bench.frames import DEVICES_COUNT, Stream, device_name, sealed_stream, secret_of

FORK = get_context("fork")
PROCESSES_COUNT = 2
SEND_SIZE_MAX = 256 * 1024
STALLED_S = 20.0


@dataclass(frozen=True)
class Load:
    """What to send. kind: "hub", "mqtt" or "sink" (which never answers).

    count: frames of each device. window: unacknowledged frames of each device. ahead: frames that
    all together may be sent and not yet seen upstream (0: no bound).
    """

    port: int
    count: int
    kind: str = "hub"
    boot: int = 1
    window: int = 2000
    ahead: int = 0
    devices: int = DEVICES_COUNT


@dataclass
class Sent:
    """What one process has done. Times are monotonic seconds."""

    first_s: float
    last_ack_s: float
    acked: int
    cpu_s: float


class HubConnection:
    """A device's session at the hub."""

    def __init__(self, number: int, load: Load) -> None:
        self._keys = DeviceKeys(device_name(number), secret_of(number))
        self.link = socket.create_connection(("127.0.0.1", load.port), timeout=10)
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._splitter = Splitter()
        self._greet(load.boot)
        self.stream = sealed_stream(number, load.boot, load.count)

    def _greet(self, boot: int) -> None:
        session = DeviceSession(self._keys, os.urandom(8), 0)
        hello = {"boot": boot, "firmware": "bench", "profile": "bench", "mode": 0, "drill": False,
                 "reset_cause": "power", "log": []}  # fmt: skip
        session.start(hello)
        while session.state != OPEN:
            self.link.sendall(b"".join(map(prefixed, session.take_output())))
            for frame in self._splitter.feed(self.link.recv(4096)):
                session.receive(frame, time.monotonic_ns() // 1000)
        self.link.sendall(b"".join(map(prefixed, session.take_output())))
        self._mac = session.keys.session(b"", b"")[1]

    def take_acks(self, data: bytes) -> int:
        """Return how many frames data acknowledges."""
        count = 0
        for frame in self._splitter.feed(data):
            payload = self._mac.peek(frame)
            if payload[1] == ACK:
                fields: Any = decode(payload)
                count += sum(following - first for _, first, following in fields[2])
        return count


class MqttConnection:
    """A device that publishes each frame by itself, QoS 1."""

    def __init__(self, number: int, load: Load) -> None:
        self.link = mqtt_wire.connect(load.port, device_name(number))
        self.stream = Stream(bytearray(), [])
        frames = Splitter().feed(bytes(sealed_stream(number, load.boot, load.count).blob))
        for at, frame in enumerate(frames):
            topic = f"hinomi/{device_name(number)}"
            self.stream.blob += mqtt_wire.publish(topic, at % 0xFFFF + 1, frame)
            self.stream.ends.append(len(self.stream.blob))
        self._rest = 0

    def take_acks(self, data: bytes) -> int:
        """Return how many PUBACKs data completes."""
        count, self._rest = divmod(self._rest + len(data), mqtt_wire.PUBACK_SIZE)
        return count


class SinkConnection:
    """A bare connection to something that only reads."""

    def __init__(self, number: int, load: Load) -> None:
        self.link = socket.create_connection(("127.0.0.1", load.port), timeout=10)
        self.stream = sealed_stream(number, load.boot, load.count)

    def take_acks(self, data: bytes) -> int:
        """Return 0: a sink says nothing."""
        return 0


Connection = HubConnection | MqttConnection | SinkConnection
CONNECTIONS: dict[str, Callable[[int, Load], Connection]] = {
    "hub": HubConnection,
    "mqtt": MqttConnection,
    "sink": SinkConnection,
}


@dataclass
class _Sender:
    """How far one connection is."""

    connection: Connection
    sent_size: int = 0
    acked: int = 0
    view: memoryview = field(init=False)

    def __post_init__(self) -> None:
        self.view = memoryview(self.connection.stream.blob)
        self.connection.link.setblocking(False)

    def send(self, frames_max: int) -> int:
        """Send up to frame frames_max, as the kernel takes them; return how many became whole."""
        ends = self.connection.stream.ends
        end = ends[min(frames_max, len(ends)) - 1] if frames_max > 0 else 0
        before = bisect_right(ends, self.sent_size)
        try:
            while self.sent_size < end:
                last = min(end, self.sent_size + SEND_SIZE_MAX)
                self.sent_size += self.connection.link.send(self.view[self.sent_size : last])
        except BlockingIOError:
            pass
        return bisect_right(ends, self.sent_size) - before

    def sent(self) -> int:
        """Return how many whole frames are sent."""
        return bisect_right(self.connection.stream.ends, self.sent_size)


class Generator:
    """The processes of one load, connected and ready once made."""

    def __init__(self, load: Load, seen: Any = None) -> None:
        self._go = FORK.Event()
        self._sent = FORK.RawArray("q", PROCESSES_COUNT)
        self._pipes: list[Any] = []
        self._processes = []
        for share in range(PROCESSES_COUNT):
            ours, theirs = FORK.Pipe()
            arguments = (load, share, theirs, (self._go, self._sent, seen))
            process = FORK.Process(target=_drive, args=arguments, daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
        for pipe in self._pipes:
            pipe.recv()

    def run(self) -> Sent:
        """Send everything; return when all is acknowledged."""
        self._go.set()
        parts: list[Sent] = [pipe.recv() for pipe in self._pipes]
        for process in self._processes:
            process.join()
        return Sent(
            min(part.first_s for part in parts),
            max(part.last_ack_s for part in parts),
            sum(part.acked for part in parts),
            sum(part.cpu_s for part in parts),
        )


def _drive(load: Load, share: int, pipe: Any, shared: tuple[Any, Any, Any]) -> None:
    numbers = range(share, load.devices, PROCESSES_COUNT)
    make = CONNECTIONS[load.kind]
    senders = [_Sender(make(number, load)) for number in numbers]
    pipe.send("ready")
    shared[0].wait()
    cpu_s, first_s = time.process_time(), time.monotonic()
    last_ack_s = _send_all(load, senders, share, shared[1:])
    acked = sum(sender.acked for sender in senders)
    pipe.send(Sent(first_s, last_ack_s, acked, time.process_time() - cpu_s))
    for sender in senders:
        sender.view.release()
        sender.connection.link.close()


def _send_all(load: Load, senders: list[_Sender], share: int, shared: tuple[Any, Any]) -> float:
    poll = select.epoll()
    by_number = {sender.connection.link.fileno(): sender for sender in senders}
    for number in by_number:
        poll.register(number, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
    last_ack_s = time.monotonic()
    while not _is_done(load, senders):
        for sender in senders:
            _push(load, sender, share, shared)
        for number, event in poll.poll(0.001 if load.ahead else 1.0):
            if event & select.EPOLLIN:
                sender = by_number[number]
                while (data := _receive(sender.connection.link)) is not None:
                    sender.acked += sender.connection.take_acks(data)
                last_ack_s = time.monotonic()
        if time.monotonic() - last_ack_s > STALLED_S:
            break
    return last_ack_s


def _push(load: Load, sender: _Sender, share: int, shared: tuple[Any, Any]) -> None:
    sent, seen = shared
    limit = load.count if load.kind == "sink" else sender.acked + load.window
    if load.ahead:
        # Each process by itself: what is divided cannot be taken twice.
        room = load.ahead - (sum(sent) - seen.value)
        limit = min(limit, sender.sent() + max(0, room // PROCESSES_COUNT))
    sent[share] += sender.send(limit)


def _is_done(load: Load, senders: list[_Sender]) -> bool:
    if load.kind == "sink":
        return all(sender.sent() == load.count for sender in senders)
    return all(sender.acked == load.count for sender in senders)


def _receive(link: socket.socket) -> bytes | None:
    try:
        data = link.recv(65536)
    except BlockingIOError:
        return None
    if not data:
        raise ConnectionError("the other side closed the connection")
    return data
