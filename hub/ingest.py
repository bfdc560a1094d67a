"""Frames of devices into the store: one `Peer` for each connection, whatever link it came by.

A peer is given whole frames and a time, and gives back bytes through its link. Only what the store
has committed is acknowledged; a welcome, too, waits for a commit, so that what it calls durable
is.
"""

import logging
import os
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from hub.clock import Clock, HostClock
from hub.config import Device
from hub.store import Group, Store
from protocols.batch import read_record_head
from protocols.cose import DeviceKeys, sender_of
from protocols.errors import RemoteProtocolError
from protocols.limits import RANGES_MAX, SESSION_SILENCE_MS_MAX, TIME_EXCHANGE_INTERVAL_MS
from protocols.messages import ACK, BYE, COMMAND, HELLO, RESULT, TIME_REPLY, WANT
from protocols.session import OPEN, WAITING, HubSession
from protocols.vocabulary import (
    BYE_OVERLOADED,
    BYE_PROTOCOL,
    BYE_STOPPING,
    BYE_SUPERSEDED,
    KIND_GAP,
    KIND_SESSION_FIRST,
)

log = logging.getLogger(__name__)

RETRY_AFTER_MS = 5000
ANSWERS_MAX = 64  # commands of one session that wait for a result
Answer = Callable[[str, dict[str, Any]], None]  # device, fields
# device_us, and the hub's monotonic times around that reading: sent_us, received_us.
Exchange = tuple[int, int, int]
# A device that sends but does not read: twice the silence, for its answer queues behind its
# frames.
UNANSWERED_MS_MAX = 2 * SESSION_SILENCE_MS_MAX
_BYE_OF_REASON = {
    "superseded": BYE_SUPERSEDED,
    "overloaded": BYE_OVERLOADED,
    "stopping": BYE_STOPPING,
}


class Link(Protocol):
    """What a peer needs of the link it came by."""

    def write(self, frames: list[bytes]) -> None:
        """Send whole frames."""

    def close(self) -> None:
        """Send what is written, then close."""

    def resume(self) -> None:
        """Read again after take() answered that reading should pause."""


class Ingest:
    """All peers, the refusals, and what the rest of the hub wants to hear.

    is_wanted(device, lane): whether a rule reads every such frame behind the commit.
    may_show(): whether another of the newest may be read just to be shown.
    on_time(device, boot, exchange); on_result(device, fields); on_hello(device, fields);
    on_want(device, fields).
    """

    def __init__(
        self,
        store: Store,
        devices: dict[str, Device],
        mode: Callable[[], tuple[int, bool]],
        *,
        clock: Clock | None = None,
    ) -> None:
        self.store = store
        self.clock = clock or HostClock()
        self.devices = devices
        self.mode = mode
        self._keys: dict[str, DeviceKeys] = {}
        self.peers: dict[str, Peer] = {}
        self.waiting: set[Peer] = set()
        self.paused: list[Link] = []
        self.refused: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        self.is_wanted: Callable[[str, int], bool] = lambda device, lane: False
        self.may_show: Callable[[], bool] = lambda: False
        self.on_time: Callable[[str, int, Exchange], None] = lambda *_: None
        self.on_result: Callable[[str, dict[str, Any]], None] = lambda *_: None
        self.on_want: Callable[[str, dict[str, Any]], None] = lambda *_: None
        self.on_hello: Callable[[str, dict[str, Any]], None] = lambda *_: None
        self.on_frames: Callable[[str, int], None] = lambda *_: None
        self.on_gap: Callable[[bytes], None] = lambda _: None
        store.on_commit.append(self._committed)
        store.on_relief.append(self._relieved)
        store.on_failure.append(self._failed)

    def keys_of(self, device: str) -> DeviceKeys:
        """Return the keys of an enrolled device.

        RemoteProtocolError("unknown_device") otherwise.
        """
        keys = self._keys.get(device)
        if keys is None:
            enrolled = self.devices.get(device)
            if enrolled is None:
                raise RemoteProtocolError("unknown_device", device)
            keys = self._keys[device] = DeviceKeys(device, enrolled.secret)
        return keys

    def refuse(self, reason: str, detail: str, who: str) -> None:
        """Count a refusal."""
        self.refused[reason] += 1
        fields = {"event": "refused", "device": who, "reason": reason}
        log.warning("refused %s: %s %s", who or "a connection", reason, detail[:64], extra=fields)

    def _committed(self, group: Group) -> None:
        for peer, flat in group.waiting.items():
            peer.committed(flat)
        self._relieved()

    def _relieved(self) -> None:
        if self.paused and not self.store.is_busy():
            self._resume()

    def _resume(self) -> None:
        paused, self.paused = self.paused, []
        for link in paused:
            link.resume()

    def _failed(self, reason: str) -> None:
        for peer in [*self.peers.values(), *self.waiting]:
            peer.refuse("overloaded", reason)
        self._resume()

    def tick(self, now_us: int) -> None:
        """Ask for the time where it is due, end what went silent.

        To be called about once a second.
        """
        for peer in [*self.peers.values(), *self.waiting]:
            peer.tick(now_us)

    def stop(self) -> None:
        """Say good-bye to all."""
        for peer in [*self.peers.values(), *self.waiting]:
            peer.end("stopping")

    def statistics(self) -> dict[str, Any]:
        """Return counters for the console."""
        return {
            "connections": len(self.peers) + len(self.waiting),
            "accepted": sum(self.accepted.values()),
            "duplicates": self.store.counters["duplicates"],
            "refused": dict(self.refused),
        }


class Peer:
    """One connection of one device, from its first frame to its end."""

    def __init__(self, ingest: Ingest, link: Link, now_us: int) -> None:
        self._ingest = ingest
        self._link = link
        self._made_us = now_us
        self._session: HubSession | None = None
        self._asked_us = now_us
        self._answered_us = now_us
        self._owed: list[list[int]] = []  # durable ranges that the welcome had no room for
        self.hello: dict[str, Any] = {}
        self._commands = 0
        self._answers: dict[int, Answer] = {}  # of commands without a result yet
        self.device = ""
        self.is_over = False
        ingest.waiting.add(self)

    def take(self, frames: list[bytes], now_us: int) -> bool:
        """Take whole frames in order; False when the link should stop reading until resume()."""
        ingest = self._ingest
        try:
            at = 0
            while at < len(frames) and not self.is_over:
                if self._session is not None and self._session.state == OPEN:
                    at = self._take_records(frames, at, now_us)
                if at < len(frames) and not self.is_over:
                    self._take_message(frames[at], now_us)
                    at += 1
        except RemoteProtocolError as error:
            self.refuse(error.reason, str(error))
        ingest.store.flush()
        if ingest.store.is_busy() and not self.is_over:
            ingest.paused.append(self._link)
            return False
        return True

    def _take_records(self, frames: list[bytes], at: int, now_us: int) -> int:
        """Take records up to the first message; return its position. The hot path of the hub."""
        ingest, session = self._ingest, self._session
        assert session is not None
        store, device = ingest.store, self.device
        mac = session.keys.up
        open_frame, append, waiting = mac.open_record, store.append, store.group.waiting
        flat = waiting.get(self)
        if flat is None:
            flat = []
        taken = 0
        start = at
        unread: list[tuple[str, int, bytes]] = []
        wanted = [ingest.is_wanted(device, lane) for lane in range(4)]
        refused_from = store.refused_from
        try:
            for frame in frames[at:] if at else frames:
                payload = open_frame(frame)
                if payload is None:
                    break
                boot, index, lane = identity = read_record_head(payload)[1:4]
                if lane >= refused_from:
                    self.refuse("overloaded", "the store is full of what no uplink has yet")
                    break
                if append(device, identity, frame):
                    taken += 1
                    if payload[1] == KIND_GAP:
                        ingest.on_gap(payload)
                    readings = store.group.readings if wanted[lane] else unread
                    readings.append((device, lane, payload))
                if flat and flat[-1] == index and flat[-3] == boot:
                    flat[-1] = index + 1
                else:
                    flat += (boot, index, index + 1)
                at += 1
        finally:  # A bad frame ends the connection; what came before it is taken all the same.
            if at > start:
                waiting[self] = flat
                session.heard(now_us)
                ingest.accepted[device] += taken
                ingest.on_frames(device, taken)
                self._show(unread)
        return at

    def _show(self, unread: list[tuple[str, int, bytes]]) -> None:
        # The newest first: a device that catches up sends hundreds at once.
        count = 0
        while count < len(unread) and self._ingest.may_show():
            count += 1
        self._ingest.store.group.readings += unread[len(unread) - count :]

    def _take_message(self, frame: bytes, now_us: int) -> None:
        if self._session is None:
            self.device = sender_of(frame)
            keys = self._ingest.keys_of(self.device)
            self._session = HubSession(keys, os.urandom(8), now_us)
        for kind, fields in self._session.receive(frame, now_us):
            if kind < KIND_SESSION_FIRST:
                raise RemoteProtocolError("unexpected", "record")
            self._handle(kind, fields, now_us)
        self._flush()

    def _handle(self, kind: int, fields: dict[str, Any], now_us: int) -> None:
        if kind == HELLO:
            self.hello = fields
            self._ingest.store.group.waiting[self] = self._held(fields["log"])
        elif kind == TIME_REPLY:
            if self._ingest.peers.get(self.device) is not self:
                self._replace()
                self._ingest.on_hello(self.device, self.hello)
            exchange = (fields["device_us"], fields["hub_us"], now_us)
            self._answered_us = now_us
            self._ingest.on_time(self.device, self.hello["boot"], exchange)
            self._acknowledge(self._owed)
            self._owed = []
        elif kind == RESULT:
            answer = self._answers.pop(fields["id"], self._ingest.on_result)
            answer(self.device, fields)
        elif kind == WANT:
            self._ingest.on_want(self.device, fields)
        elif kind == BYE:
            self.end("")

    def _held(self, extents: list[list[int]]) -> list[int]:
        """Return the flat (boot, first, next) of what a device holds and the store has."""
        held: list[int] = []
        for boot, first, following in extents:
            ranges = self._ingest.store.seen.get((self.device, boot))
            for low, high in ranges.pairs() if ranges else ():
                low, high = max(low, first), min(high, following)
                if low < high:
                    held += (boot, low, high)
        return held

    def _replace(self) -> None:
        # Only now is it proven that this peer holds the secret and is no recording.
        ingest = self._ingest
        older = ingest.peers.get(self.device)
        if older is not None:
            ingest.refused["superseded"] += 1
            older.end("superseded")
        ingest.waiting.discard(self)
        ingest.peers[self.device] = self

    def committed(self, flat: list[int]) -> None:
        """Acknowledge what a commit made durable. flat: boot, first, next, .."""
        session = self._session
        if self.is_over or session is None:
            return
        ranges = [flat[at : at + 3] for at in range(0, len(flat), 3)]
        if session.state != OPEN:
            mode, drill = self._ingest.mode()
            fields = {"mode": mode, "drill": drill, "durable": ranges[:RANGES_MAX]}
            session.welcome(fields, self._ingest.clock.now_us())
            self._owed = ranges[RANGES_MAX:]
        else:
            self._acknowledge(ranges)
        self._flush()

    def _acknowledge(self, ranges: list[list[int]]) -> None:
        assert self._session is not None
        for at in range(0, len(ranges), RANGES_MAX):
            self._session.send(ACK, {"durable": ranges[at : at + RANGES_MAX]})

    @property
    def state(self) -> str:
        """The state of its session, a word of protocols.session."""
        return WAITING if self._session is None else self._session.state

    def command(self, code: int, arguments: list[Any], answer: "Answer | None" = None) -> int:
        """Send a command; return its number in this session.

        answer: gets the device and the fields of the result; by default the ingest's on_result.
        """
        assert self._session is not None
        self._commands += 1
        if answer is not None:
            self._answers[self._commands] = answer
            if len(self._answers) > ANSWERS_MAX:
                del self._answers[next(iter(self._answers))]
        self.send(COMMAND, {"id": self._commands, "code": code, "arguments": arguments})
        return self._commands

    def send(self, kind: int, fields: dict[str, Any]) -> None:
        """Send a message of the session."""
        assert self._session is not None
        self._session.send(kind, fields)
        self._flush()

    def tick(self, now_us: int) -> None:
        """Ask for the time when due; end a silent peer."""
        session = self._session
        if session is None:
            if now_us - self._made_us > TIME_EXCHANGE_INTERVAL_MS * 1000:
                self.refuse("silent", "no hello")
        elif now_us > session.deadline_us():
            self.refuse("silent", "")
        elif now_us - self._answered_us > UNANSWERED_MS_MAX * 1000:
            self.refuse("silent", "does not answer")
        elif session.state == OPEN and now_us - self._asked_us > TIME_EXCHANGE_INTERVAL_MS * 1000:
            self._asked_us = now_us
            session.ask_time(now_us)
            self._flush()

    def refuse(self, reason: str, detail: str) -> None:
        """Count the reason and end the connection."""
        if not self.is_over:
            self._ingest.refuse(reason, detail, self.device)
            self.end(reason)

    def end(self, reason: str) -> None:
        """Say good-bye where there is a session, and close."""
        if self.is_over:
            return
        self.is_over = True
        session = self._session
        if session is not None and session.state == OPEN and reason:
            code = _BYE_OF_REASON.get(reason, BYE_PROTOCOL)
            session.send(BYE, {"reason": code, "retry_after_ms": RETRY_AFTER_MS})
            self._flush()
        self._link.close()
        self.gone()

    def gone(self, is_between_frames: bool = True) -> None:
        """Note that the link is closed."""
        if not self.is_over and not is_between_frames:
            self._ingest.refuse("truncated", "", self.device)
        self.is_over = True
        self._ingest.waiting.discard(self)
        if self._ingest.peers.get(self.device) is self:
            del self._ingest.peers[self.device]

    def _flush(self) -> None:
        if self._session is not None:
            output = self._session.take_output()
            if output:
                self._link.write(output)
