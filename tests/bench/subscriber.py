"""The far end of the line: a process that counts what arrives at the upstream broker, and when.

It keeps the messages and looks into the frames only when all is over, so that it takes little of
the machine while the clock runs.
"""

import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from protocols.bundle import decode_bundle
from protocols.cbor import TEXT, read_head
from tests.bench import mqtt_wire
from tests.bench.frames import identity_of

FORK = get_context("fork")
Identity = tuple[bytes, int, int]


@dataclass
class Arrivals:
    """What arrived. first_s, last_s: monotonic times of the first and last frame of a device."""

    first_s: float
    last_s: float
    arrived_s: dict[Identity, float]
    repeated: int


class Subscriber:
    """Subscribed to all of a broker once made. `seen` counts frames (bundled) or messages."""

    def __init__(self, port: int, *, bundled: bool = True, keep: bool = True) -> None:
        self._seen = FORK.RawValue("q", 0)
        self._pipe, theirs = FORK.Pipe()
        arguments = (port, (bundled, keep), self._seen, theirs)
        self._process = FORK.Process(target=_count, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        self._pipe.recv()

    @property
    def seen(self) -> Any:
        """The shared counter."""
        return self._seen

    def wait(self, count: int, quiet_s: float = 5.0) -> None:
        """Wait until count were seen; TimeoutError when nothing came for quiet_s."""
        last, changed_s = -1, time.monotonic()
        while self._seen.value < count:
            now_s = time.monotonic()
            if self._seen.value != last:
                last, changed_s = self._seen.value, now_s
            elif now_s - changed_s > quiet_s:
                raise TimeoutError(f"{last} of {count} arrived upstream")
            time.sleep(0.005)

    def arrivals(self, sender_prefix: bytes) -> Arrivals:
        """End it; return which frames arrived of senders whose head holds this prefix."""
        self._pipe.send(sender_prefix)
        found: Arrivals = self._pipe.recv()
        self.end()
        return found

    def last_s(self) -> float:
        """End it; return when the last message arrived."""
        return self.arrivals(b"").last_s

    def end(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.join()
        self._pipe.close()


def _count(port: int, how: tuple[bool, bool], seen: Any, pipe: Any) -> None:
    bundled, keep = how
    link = mqtt_wire.connect(port, "bench-subscriber")
    mqtt_wire.subscribe(link, "hinomi/v1/+/frames/#" if bundled else "#")
    pipe.send("ready")
    messages: list[tuple[float, bytes]] = []
    link.settimeout(0.02)
    buffer, block = bytearray(), bytearray(1 << 20)
    last_s = 0.0
    while not pipe.poll():
        try:
            size = link.recv_into(block)
        except TimeoutError:
            continue
        if not size:
            break
        buffer += memoryview(block)[:size]
        now_s = time.monotonic()
        for payload in mqtt_wire.take_publishes(buffer):
            last_s = now_s
            seen.value += _frames_count(payload) if bundled else 1
            if bundled and keep:
                messages.append((now_s, payload))
    pipe.send(_sorted_out(messages, pipe.recv(), last_s))


def _frames_count(payload: bytes) -> int:
    """Return the count of a bundle from its head alone; see protocols.bundle."""
    at = 2
    for _ in range(4):
        major, value, at = read_head(payload, at)
        at += value if major == TEXT else 0
    return int(read_head(payload, at)[1])


def _sorted_out(messages: list[tuple[float, bytes]], prefix: bytes, last_s: float) -> Arrivals:
    counts: Counter[Identity] = Counter()
    arrived_s: dict[Identity, float] = {}
    for now_s, payload in messages:
        for frame in decode_bundle(payload).frames():
            identity = identity_of(frame)
            if prefix in identity[0]:
                counts[identity] += 1
                arrived_s.setdefault(identity, now_s)
    times = list(arrived_s.values()) or [last_s]
    return Arrivals(min(times), max(times), arrived_s, counts.total() - len(counts))
