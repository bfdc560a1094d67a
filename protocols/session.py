"""The session between a device and its hub: both state machines, no I/O.

Theory of operation. A device dials and says hello under its long-lived up key; the hub answers
welcome under the down key, echoing the device's nonce. From then on every session message is
sealed with keys derived from both nonces and carries a counter, so that neither an old
acknowledgement nor an old command can be played back. The hub's first message after welcome
is a time request; the device's reply proves that it holds the secret *now* (a recorded hello
cannot). Only then does the hub take frames and let this connection replace an older one of the
same device. Records (batches, gaps, ..) are sealed with the up key itself, because they are
stored and relayed as they are; sending one twice is harmless, their identity is (device, boot,
index).

    device:  idle --start--> greeting --welcome--> welcomed --time request--> open
    hub:     waiting --hello--> greeted --time reply--> open
    both:    any --bye, silence, broken rule--> closed

Each `receive` takes one frame and returns what happened as a list of (kind, fields) events;
replies that the protocol itself demands are in `take_output()`. A broken rule raises
RemoteProtocolError; the caller counts its reason and closes the link. Times are microseconds of
the caller's monotonic clock.
"""

from protocols import messages
from protocols.cose import DeviceKeys
from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.limits import HELLO_TIMEOUT_MS, SESSION_SILENCE_MS_MAX
from protocols.messages import (
    ACK,
    BYE,
    COMMAND,
    HELLO,
    PIECE,
    RESULT,
    TIME_REPLY,
    TIME_REQUEST,
    WANT,
    WELCOME,
)
from protocols.vocabulary import KIND_SESSION_FIRST

IDLE = "idle"
GREETING = "greeting"
WELCOMED = "welcomed"
WAITING = "waiting"
GREETED = "greeted"
OPEN = "open"
CLOSED = "closed"

# (state, kind received) -> next state. What is not here is "unexpected".
DEVICE_TABLE = {
    (GREETING, WELCOME): WELCOMED,
    (WELCOMED, TIME_REQUEST): OPEN,
    (WELCOMED, BYE): CLOSED,
    (OPEN, TIME_REQUEST): OPEN,
    (OPEN, ACK): OPEN,
    (OPEN, COMMAND): OPEN,
    (OPEN, PIECE): OPEN,
    (OPEN, BYE): CLOSED,
}
HUB_TABLE = {
    (WAITING, HELLO): GREETED,
    (GREETED, TIME_REPLY): OPEN,
    (OPEN, TIME_REPLY): OPEN,
    (OPEN, RESULT): OPEN,
    (OPEN, WANT): OPEN,
    (OPEN, BYE): CLOSED,
}


class _Session:
    """What both sides share: counters, keys by phase, the deadline."""

    def __init__(self, keys: DeviceKeys, table: dict, state: str, now_us: int) -> None:
        self.keys = keys
        self.state = state
        self._table = table
        self._heard_us = now_us
        self._send_mac = None
        self._receive_mac = None
        self._sent_count = 0
        self._received_count = 0
        self._output: list = []

    def take_output(self) -> list:
        """Return and forget the frames to send."""
        output = self._output
        self._output = []
        return output

    def deadline_us(self) -> int:
        """Return when this session is dead unless a frame arrives before."""
        limit_ms: int = SESSION_SILENCE_MS_MAX if self.state == OPEN else HELLO_TIMEOUT_MS
        return self._heard_us + limit_ms * 1000

    def heard(self, now_us: int) -> None:
        """Note that a good frame arrived."""
        self._heard_us = now_us

    def send(self, kind: int, fields: dict) -> None:
        """Queue a message of this session for take_output()."""
        if self._send_mac is None or self.state == CLOSED:
            raise LocalProtocolError("no session to send " + messages.MESSAGES[kind][0])
        payload = messages.encode_message(kind, self._sent_count, fields)
        self._sent_count += 1
        self._output.append(self._send_mac.seal(payload))

    def _accept(self, frame: bytes, mac: object) -> tuple:
        kind, counter, fields = messages.decode_message(mac.open(frame))  # type: ignore[attr-defined]
        following = self._table.get((self.state, kind))
        if following is None:
            name = messages.MESSAGES[kind][0]
            raise RemoteProtocolError("unexpected", name + " while " + self.state)
        return kind, counter, fields, following

    def _accept_in_session(self, frame: bytes) -> tuple:
        if self._receive_mac is None:
            raise RemoteProtocolError("unexpected", "message while " + self.state)
        kind, counter, fields, following = self._accept(frame, self._receive_mac)
        if counter != self._received_count:
            raise RemoteProtocolError("replayed", messages.MESSAGES[kind][0])
        self._received_count += 1
        self.state = following
        return kind, fields


class DeviceSession(_Session):
    """The device's side. nonce: 8 random bytes, new for each session."""

    def __init__(self, keys: DeviceKeys, nonce: bytes, now_us: int) -> None:
        _Session.__init__(self, keys, DEVICE_TABLE, IDLE, now_us)
        self._nonce = nonce

    def start(self, hello: dict) -> None:
        """Queue the hello. hello: its fields but for the nonce; policy may be missing: none."""
        if self.state != IDLE:
            raise LocalProtocolError("started twice")
        fields = {"nonce": self._nonce, "policy": 0}
        fields.update(hello)
        self._output.append(self.keys.up.seal(messages.encode_message(HELLO, 0, fields)))
        self.state = GREETING

    def receive(self, frame: bytes, now_us: int) -> list:
        """Take one frame; return events. Answers time requests by itself."""
        if self.state == GREETING:
            kind, _, fields, following = self._accept(frame, self.keys.down)
            if fields["device_nonce"] != self._nonce:
                raise RemoteProtocolError("replayed", "welcome")
            self._send_mac, self._receive_mac = self.keys.session(self._nonce, fields["nonce"])
            self.state = following
        else:
            kind, fields = self._accept_in_session(frame)
        self._heard_us = now_us
        if kind == TIME_REQUEST:
            self.send(TIME_REPLY, {"hub_us": fields["hub_us"], "device_us": now_us})
        return [(kind, fields)]


class HubSession(_Session):
    """The hub's side of one connection, made when the first frame named its device.

    nonce: 8 random bytes, new for each session.
    """

    def __init__(self, keys: DeviceKeys, nonce: bytes, now_us: int) -> None:
        _Session.__init__(self, keys, HUB_TABLE, WAITING, now_us)
        self._nonce = nonce
        self._device_nonce = b""
        self._asked_us = -1

    def receive(self, frame: bytes, now_us: int) -> list:
        """Take one frame; return events. A record comes back as (kind < 16, its payload)."""
        if self.state == WAITING:
            kind, _, fields, following = self._accept(frame, self.keys.up)
            self._device_nonce = fields["nonce"]
            self.state = following
        elif messages.kind_of(self.keys.up.peek(frame)) < KIND_SESSION_FIRST:
            if self.state != OPEN:
                raise RemoteProtocolError("unexpected", "record while " + self.state)
            fields = self.keys.up.open(frame)
            kind = messages.kind_of(fields)
        else:
            kind, fields = self._accept_in_session(frame)
            if kind == TIME_REPLY:
                self._check_time(fields)
        self._heard_us = now_us
        return [(kind, fields)]

    def welcome(self, fields: dict, now_us: int) -> None:
        """Queue the welcome and the first time request. fields: mode, drill, durable."""
        if self.state != GREETED or self._send_mac is not None:
            raise LocalProtocolError("welcome while " + self.state)
        whole = {"device_nonce": self._device_nonce, "nonce": self._nonce}
        whole.update(fields)
        self._output.append(self.keys.down.seal(messages.encode_message(WELCOME, 0, whole)))
        up, down = self.keys.session(self._device_nonce, self._nonce)
        self._send_mac, self._receive_mac = down, up
        self.ask_time(now_us)

    def ask_time(self, now_us: int) -> None:
        """Queue a time request stamped now_us; at most one is open at a time."""
        if self._asked_us >= 0:
            return
        self._asked_us = now_us
        self.send(TIME_REQUEST, {"hub_us": now_us})

    def _check_time(self, fields: dict) -> None:
        if fields["hub_us"] != self._asked_us:
            raise RemoteProtocolError("replayed", "time reply")
        self._asked_us = -1
