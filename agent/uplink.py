"""Keeps a conversation with the hub going over a link, for ever: connect, talk, wait, again.

The wait doubles from 250 ms to 30 s, less a random part, so that the devices of a town do not all
call at once when their hub comes back; it starts anew once a session was open. The same after the
power came back for all of them. Where nothing is heard for long, agent/reach.py says what to do.
"""

import asyncio

from agent.clock import US_PER_MS, US_PER_S, sleep_us
from agent.conversation import Conversation
from agent.links import Refused
from agent.reach import NETWORK, RESTART, Reach
from agent.supervisor import end_tasks
from protocols.errors import LinkError, ProtocolError
from protocols.limits import HELLO_TIMEOUT_MS, NONCE_SIZE
from protocols.portable import const
from protocols.session import DeviceSession

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.flashlog import FlashLog
    from agent.log import Log
    from agent.operation import Operation
    from agent.supervisor import Beats
    from agent.update import Update
    from protocols.cose import DeviceKeys

RETRY_US_MIN = const(250_000)
RETRY_US_MAX = const(30_000_000)
START_US_MAX = const(500_000)
_TURN_US_MAX = const(
    2_000_000
)  # how long to sleep at most, so that the watchdog hears of this task
_BEAT_MARGIN_US = const(5_000_000)


class Uplink:
    """One way to one hub.

    board: for its clock and random numbers. greeting: () -> (boot, firmware, profile,
    reset_cause). on_open(): the hub has heard the greeting; restart(): end this boot in good
    order; network: the board's, or None.
    """

    def __init__(self, board: "Any", link: "Any", keys: "DeviceKeys", **parts: "Any") -> None:
        self._board = board
        self._link = link
        self._keys = keys
        self._flashlog: FlashLog = parts["flashlog"]
        self._operation: Operation = parts["operation"]
        self._update: Update | None = parts.get("update")
        self._beats: Beats = parts["beats"]
        self._log: Log = parts["log"]
        self._greeting = parts["greeting"]
        self._on_open = parts.get("on_open", _nothing)
        self._restart = parts.get("restart", _nothing)
        self._network: Any = parts.get("network")
        self._reach = Reach(self._now_us())
        self._wake = asyncio.Event()
        self._failures_count = 0
        self.connects_count = 0
        self.sessions_count = 0
        self.frames_sent = 0

    def wake(self) -> None:
        """There is a new frame in the flash log."""
        self._wake.set()

    def statistics(self) -> "dict[str, int]":
        """Return the counters of this uplink."""
        return {
            "connects": self.connects_count,
            "sessions": self.sessions_count,
            "frames_sent": self.frames_sent,
            "network_resets": self._reach.network_resets_count,
        }

    async def run(self) -> None:
        """Talk to the hub until cancelled."""
        if self._board.reset_cause == "power_on":
            await self._pause(START_US_MAX * self._board.random(1)[0] // 256)
        while True:
            retry_after_us = await self._attempt()
            wait_us = retry_delay_us(self._failures_count, self._board.random(2))
            await self._pause(max(wait_us, retry_after_us))

    async def _attempt(self) -> int:
        """Hold one conversation; return how long the hub asked to wait before the next, in us."""
        self._failures_count += 1
        connection = None
        conversation = None
        is_refused = False
        try:
            connection = await self._connect()
            conversation = self._begin()
            await self._talk(connection, conversation)
        except (LinkError, ProtocolError, asyncio.TimeoutError) as error:
            is_refused = isinstance(error, Refused)
            self._log.info("%s: %s %s" % (self._link.name, type(error).__name__, error))
        finally:
            if connection is not None:
                connection.close()
            if conversation is not None:
                self.frames_sent += conversation.frames_sent
        if is_refused or connection is not None:  # somebody answered, if only the hub's machine
            self._reach.heard(self._now_us())
        elif self._network is not None:
            self._recover(self._reach.failed(self._now_us()))
        return conversation.retry_after_ms * US_PER_MS if conversation is not None else 0

    def _recover(self, action: int) -> None:
        if action == NETWORK:
            self._log.warning("nothing is heard: the network is started anew")
            self._network.reset()
        elif action == RESTART:
            self._log.error("nothing is heard for hours: the board is started anew")
            self._restart()

    async def _connect(self) -> "Any":
        timeout_s = HELLO_TIMEOUT_MS // 1000
        self._expect(timeout_s * US_PER_S)
        self.connects_count += 1
        return await asyncio.wait_for(self._link.open(), timeout_s)

    def _begin(self) -> Conversation:
        self._flashlog.reset_in_flight()
        session = DeviceSession(self._keys, self._board.random(NONCE_SIZE), self._now_us())
        conversation = Conversation(session, self._flashlog, self._operation, self._update)
        conversation.restart = self._restart
        conversation.start(*self._greeting())
        return conversation

    async def _talk(self, connection: "Any", conversation: Conversation) -> None:
        listener = asyncio.create_task(self._listen(connection, conversation))
        try:
            await self._send(connection, conversation, listener)
        finally:
            await end_tasks([listener])

    async def _listen(self, connection: "Any", conversation: Conversation) -> None:
        try:
            while not conversation.is_over():
                for frame in await connection.receive():
                    conversation.receive(frame, self._now_us())
                self._wake.set()
        finally:
            self._wake.set()

    async def _send(self, connection: "Any", conversation: Conversation, listener: "Any") -> None:
        was_open = False
        while not listener.done():
            self._wake.clear()
            if conversation.is_open() and not was_open:
                was_open = True
                self._failures_count = 0
                self.sessions_count += 1
                self._on_open()
            for frame in conversation.take_output():
                connection.send(frame)
            await self._within(connection.drain(), conversation.deadline_us())
            if not listener.done():
                await self._wait_for_news(conversation.deadline_us())
        await listener

    async def _wait_for_news(self, deadline_us: int) -> None:
        now_us = self._now_us()
        if now_us >= deadline_us:
            raise LinkError("silent")
        turn_us = min(deadline_us - now_us, _TURN_US_MAX)
        self._expect(turn_us)
        try:
            await asyncio.wait_for(self._wake.wait(), turn_us / US_PER_S)
        except asyncio.TimeoutError:
            pass

    async def _within(self, job: "Any", deadline_us: int) -> None:
        """Await job; asyncio.TimeoutError when it takes until deadline_us."""
        left_us = max(1000, deadline_us - self._now_us())
        self._expect(left_us)
        await asyncio.wait_for(job, left_us / US_PER_S)

    async def _pause(self, duration_us: int) -> None:
        until_us = self._now_us() + duration_us
        while True:
            left_us = until_us - self._now_us()
            if left_us <= 0:
                return
            self._expect(left_us)
            await sleep_us(min(left_us, _TURN_US_MAX))

    def _expect(self, within_us: int) -> None:
        self._beats.expect("uplink", self._now_us() + within_us + _BEAT_MARGIN_US)

    def _now_us(self) -> int:
        now_us: int = self._board.clock.now_us()
        return now_us


def _nothing() -> None:
    """Stand in for what a caller does not care for."""


def retry_delay_us(failures_count: int, noise: bytes) -> int:
    """Return how long to wait before the next attempt, in us.

    failures_count: attempts since a session was last open. noise: two random bytes.
    """
    most_us = min(RETRY_US_MIN << min(failures_count, 8), RETRY_US_MAX)
    # Half of it is certain, half is chance: (noise / 65536) of the second half.
    return most_us // 2 + (most_us // 2) * (noise[0] << 8 | noise[1]) // 65536
