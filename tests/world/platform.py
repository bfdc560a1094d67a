"""The common platform and the line to it, at the seam where the hub's MQTT uplink has its client.

The line works, refuses (nobody listens), or is swallowed (half-open: nobody is told, a ping is not
answered). A message under way when a line ends may have reached the platform or not; then the
platform has it and the hub does not know.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Self

import aiomqtt

from hub.relay.mqtt import MqttUplink
from hub.relay.pacing import BUNDLE_BYTES_MAX
from protocols.bundle import decode_bundle
from tests.world.observer import Observer
from tests.world.virtual_time import VirtualLoop

WORKS, REFUSED, SWALLOWED = "works", "refused", "swallowed"
WAY_US_MAX = 60_000
CONNECT_S = 0.05
PING_S = 15.0  # until a client finds that nobody answers
REFUSAL = 0x97  # quota exceeded


class Platform:
    """line: how it is now. refuses_next: so many messages are answered with a refusal."""

    def __init__(self, loop: VirtualLoop, observer: Observer, chance: random.Random) -> None:
        self.loop = loop
        self.chance = chance
        self.observer = observer
        self.line = WORKS
        self.refuses_next = 0
        self.client: Client | None = None
        self.make_client = Client

    def set_line(self, line: str) -> None:
        """Let the line be so from now on; whoever is connected loses it."""
        self.line = line
        client, self.client = self.client, None
        if client is None:
            return
        if line == SWALLOWED:
            client.is_swallowed = True
            self.loop.call_later(PING_S, client.end, False)
        else:
            client.end(True)

    def take(self, message: bytes) -> int:
        """Take a message; return the reason code of its acknowledgement."""
        if self.refuses_next:
            self.refuses_next -= 1
            return REFUSAL
        self.observer.saw_bundle(decode_bundle(message))
        return 0


class Client:
    """What hub.relay.mqtt wants of its client."""

    timeout = 0.0
    receive_max = 65535
    packet_max = 0
    bundle_bytes_max = BUNDLE_BYTES_MAX

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._loop = platform.loop
        self._error: aiomqtt.MqttError | None = None
        self._on_end: Callable[[], None] = lambda: None
        self.on_answer: Callable[[int, int, str], None] = lambda *_: None
        self.is_ended_by_peer = False
        self.is_swallowed = False
        self._sent = 0
        self._due_us = [0, 0]

    async def __aenter__(self) -> Self:
        await asyncio.sleep(CONNECT_S)
        if self._platform.line == SWALLOWED:
            await asyncio.sleep(PING_S)
        if self._platform.line != WORKS:
            raise aiomqtt.MqttError("nobody answers")
        self._platform.client = self
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._platform.client is self:
            self._platform.client = None
        self.is_swallowed = True

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call back when the line ends."""
        self._on_end = callback

    def check(self) -> None:
        """Raise why the line ended, if it did."""
        if self._error is not None:
            raise self._error

    def end(self, by_peer: bool) -> None:
        """The line ends, and the hub is told."""
        self.is_swallowed = True
        self.is_ended_by_peer = by_peer
        self._error = aiomqtt.MqttError("the line ended")
        self._on_end()

    def send(self, topic: str, message: bytes) -> int:
        """Send a message; return its number, which on_answer gets."""
        self._sent += 1
        self._platform.observer.saw_sent(decode_bundle(message))
        self._later(0, self._arrive, self._sent, message)
        return self._sent

    def _later(self, way: int, callback: Callable[..., None], *values: Any) -> None:
        due_us = self._loop.now_us + self._platform.chance.randrange(WAY_US_MAX)
        self._due_us[way] = due_us = max(
            due_us, self._due_us[way] + 1
        )  # timers of one time have no order
        self._loop.at(due_us, callback, *values)

    def _arrive(self, number: int, message: bytes) -> None:
        if self.is_swallowed:
            return
        self._later(1, self._answer, number, self._platform.take(message))

    def _answer(self, number: int, code: int) -> None:
        if not self.is_swallowed:
            self.on_answer(number, code, "quota" if code else "")


def uplinks_to(platform: Platform) -> type[MqttUplink]:
    """Return the class of MQTT uplinks whose client is the world's."""

    class Uplink(MqttUplink):
        def _client(self) -> Any:
            return platform.make_client(platform)

    return Uplink
