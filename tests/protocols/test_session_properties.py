"""Both machines of a session over a wire that drops, repeats, reorders, flips and replays.

The model: a message counts only if it is the very next one that its sender sealed in this
session. Whatever the wire does, each side's accepted messages are a prefix of what the other
side said, and records are only such as the device sealed.
"""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.batch import Series, encode_batch
from protocols.cose import DeviceKeys
from protocols.errors import REASONS, RemoteProtocolError
from protocols.messages import ACK, COMMAND, RESULT
from protocols.session import GREETED, OPEN, DeviceSession, HubSession

KEYS = DeviceKeys("bridge-01", bytes(range(32)))
OTHER_KEYS = DeviceKeys("bridge-01", bytes(32))
FAULTS = ("pass", "pass", "pass", "drop", "repeat", "reorder", "flip", "cut", "replay", "reflect")


def record(index: int) -> bytes:
    """Return a sealed batch."""
    series = Series("level", "m", (-3, 1), 0, spacing_ns=1, values=[index])
    return KEYS.up.seal(encode_batch((1, index, 2, 0), [series]))


class Talk:
    """A session whose wire is driven by a seed; it keeps what each side said and took."""

    def __init__(self, seed: int, keys: DeviceKeys = KEYS) -> None:
        self.draw = random.Random(seed)
        self.device = DeviceSession(keys, self.draw.randbytes(8), 0)
        self.hub = HubSession(KEYS, self.draw.randbytes(8), 0)
        self.now_us = 0
        self.records: set[bytes] = set()
        self.said: dict[str, list[Any]] = {"device": [], "hub": []}
        self.taken: dict[str, list[Any]] = {"device": [], "hub": []}
        self.heard_before: list[bytes] = []
        self.refused = 0

    def greet(self) -> None:
        """Open the session over a good wire."""
        hello = {"boot": 1, "firmware": "1", "profile": "p", "mode": 0, "drill": False}
        self.device.start({**hello, "reset_cause": "power", "log": []})
        self._carry_all(("pass",))
        self.hub.welcome({"mode": 0, "drill": False, "durable": []}, self.now_us)
        self._carry_all(("pass",))
        self._carry_all(("pass",))

    def chat(self, count: int) -> None:
        """Let both sides talk over a bad wire."""
        for number in range(count):
            self._say(number)
            self._carry_all(FAULTS)

    def _say(self, number: int) -> None:
        kind = self.draw.choice((ACK, COMMAND, RESULT, "record"))
        if kind == ACK:
            self._send("hub", ACK, {"durable": [[1, number, number + 1]]})
        elif kind == COMMAND:
            self._send("hub", COMMAND, {"id": number, "code": 1, "arguments": [2, False]})
        elif kind == RESULT:
            self._send("device", RESULT, {"id": number, "status": 0, "detail": ""})
        else:
            self.records.add(record(number))
            self._carry("hub", record(number), FAULTS)

    def _send(self, side: str, kind: int, fields: dict[str, Any]) -> None:
        (self.device if side == "device" else self.hub).send(kind, fields)
        self.said[side].append((kind, fields))

    def _carry_all(self, faults: tuple[str, ...]) -> None:
        upward, downward = self.device.take_output(), self.hub.take_output()
        if "reorder" in faults and self.draw.random() < 0.2:
            upward.reverse()
            downward.reverse()
        for frame in upward:
            self._carry("hub", frame, faults)
        for frame in downward:
            self._carry("device", frame, faults)

    def _carry(self, side: str, frame: bytes, faults: tuple[str, ...]) -> None:
        fault = self.draw.choice(faults)
        if fault == "flip":
            changed = bytearray(frame)
            changed[self.draw.randrange(len(frame))] ^= 1 << self.draw.randrange(8)
            self._deliver(side, bytes(changed), is_genuine=False)
        elif fault == "cut":
            self._deliver(side, frame[: self.draw.randrange(len(frame))], is_genuine=False)
        elif fault == "reflect":
            self._deliver("hub" if side == "device" else "device", frame, is_genuine=False)
        elif fault == "replay" and self.heard_before:
            self._deliver(side, self.draw.choice(self.heard_before))
        elif fault != "drop":
            for _ in range(2 if fault == "repeat" else 1):
                self._deliver(side, frame)
        self.heard_before.append(frame)

    def _deliver(self, side: str, frame: bytes, *, is_genuine: bool = True) -> None:
        self.now_us += 1
        machine: Any = self.hub if side == "hub" else self.device
        try:
            events = machine.receive(frame, self.now_us)
        except RemoteProtocolError as error:
            assert error.reason in REASONS
            self.refused += 1
            return
        # A reflected record is genuine for a hub; nothing else that was changed may be taken.
        assert is_genuine or frame in self.records
        self.taken[side] += [(frame, *event) for event in events]


@settings(max_examples=60)
@given(st.integers(0, 1 << 32))
def test_whatever_the_wire_does_no_message_is_taken_twice_or_out_of_order(seed: int) -> None:
    talk = Talk(seed)
    talk.greet()
    assert talk.device.state == talk.hub.state == OPEN
    del talk.taken["device"][:], talk.taken["hub"][:]
    talk.chat(60)
    for side, other in (("device", "hub"), ("hub", "device")):
        taken = [event[1:] for event in talk.taken[side] if event[0] not in talk.records]
        assert taken == talk.said[other][: len(taken)], side
    for frame, kind, payload in talk.taken["hub"]:
        if frame in talk.records:
            assert kind == 1 and payload == KEYS.up.open(frame)


def test_the_bad_wire_does_its_work() -> None:
    talk = Talk(1)
    talk.greet()
    talk.chat(200)
    assert talk.refused > 50 and len(talk.taken["hub"]) > 10


@given(st.integers(0, 1 << 32))
def test_a_device_with_another_secret_gets_nowhere(seed: int) -> None:
    talk = Talk(seed, OTHER_KEYS)
    talk.device.start(
        {
            "boot": 1,
            "firmware": "1",
            "profile": "p",
            "mode": 0,
            "drill": False,
            "reset_cause": "",
            "log": [],
        }
    )
    (hello,) = talk.device.take_output()
    with pytest.raises(RemoteProtocolError, match="wrong_key"):
        talk.hub.receive(hello, 1)


@settings(max_examples=30)
@given(st.integers(0, 1 << 32))
def test_all_of_a_recorded_session_never_opens_a_new_one(seed: int) -> None:
    old = Talk(seed)
    old.greet()
    old.chat(10)
    recorded = list(old.heard_before)
    hub = HubSession(KEYS, old.draw.randbytes(8), 0)
    hub.receive(recorded[0], 1)
    hub.welcome({"mode": 0, "drill": False, "durable": []}, 2)
    old.draw.shuffle(recorded)
    for frame in recorded:
        with pytest.raises(RemoteProtocolError):
            hub.receive(frame, 3)
        assert hub.state == GREETED


@given(st.binary(max_size=80), st.booleans())
def test_noise_changes_nothing(noise: bytes, has_start: bool) -> None:
    talk = Talk(3)
    talk.greet()
    frame = KEYS.up.head + noise if has_start else noise
    before = (talk.device.deadline_us(), talk.hub.deadline_us())
    for machine in (talk.device, talk.hub):
        with pytest.raises(RemoteProtocolError):
            machine.receive(frame, 1_000_000)
        assert machine.state == OPEN
    assert before == (talk.device.deadline_us(), talk.hub.deadline_us())
    talk.device.send(RESULT, {"id": 1, "status": 0, "detail": ""})
    assert talk.hub.receive(talk.device.take_output()[0], 9)[0][0] == RESULT
