"""The session: both machines wired together, replays, order, deadlines."""

from protocols import messages
from protocols.cose import DeviceKeys
from protocols.limits import HELLO_TIMEOUT_MS, SESSION_SILENCE_MS_MAX
from protocols.messages import ACK, BYE, COMMAND, RESULT, TIME_REPLY, TIME_REQUEST
from protocols.session import CLOSED, GREETED, OPEN, WAITING, DeviceSession, HubSession
from tests.protocols.refusals import is_our_fault, reason_of

KEYS = DeviceKeys("bridge-01", bytes(range(32)))
HELLO_FIELDS = {
    "boot": 3,
    "firmware": "0.1.0",
    "profile": "bridge",
    "mode": 0,
    "drill": False,
    "reset_cause": "power",
    "log": [],
}
WELCOME_FIELDS = {"mode": 0, "drill": False, "durable": []}
RECORD = KEYS.up.seal(bytes.fromhex("8604000000008400f46060"))
COMMAND_FIELDS = {"id": 1, "code": 2, "arguments": []}


class Wire:
    """A device and its hub, and all frames that passed between them."""

    def __init__(self, number: int = 1, keys: DeviceKeys = KEYS) -> None:
        self.device = DeviceSession(KEYS, bytes([number]) * 8, 0)
        self.hub = HubSession(keys, bytes([number + 100]) * 8, 0)
        self.up: list[bytes] = []
        self.down: list[bytes] = []

    def open(self) -> "Wire":
        """Run the greeting to its end."""
        self.greet()
        self.hub.welcome(WELCOME_FIELDS, 20)
        self.to_device(30)
        self.to_hub(40)
        return self

    def greet(self) -> None:
        """Run up to the hub's having heard the hello."""
        self.device.start(HELLO_FIELDS)
        self.to_hub(10)

    def to_hub(self, now_us: int) -> list:  # type: ignore[type-arg]
        """Deliver what the device wants to say."""
        frames = self.device.take_output()
        self.up.extend(frames)
        return [event for frame in frames for event in self.hub.receive(frame, now_us)]

    def to_device(self, now_us: int) -> list:  # type: ignore[type-arg]
        """Deliver what the hub wants to say."""
        frames = self.hub.take_output()
        self.down.extend(frames)
        return [event for frame in frames for event in self.device.receive(frame, now_us)]


def test_the_greeting_opens_both_sides() -> None:
    wire = Wire()
    wire.greet()
    assert wire.hub.state == GREETED
    wire.hub.welcome(WELCOME_FIELDS, 20)
    welcomed = wire.to_device(30)
    assert [kind for kind, _ in welcomed] == [messages.WELCOME, TIME_REQUEST]
    assert wire.to_hub(40) == [(TIME_REPLY, {"hub_us": 20, "device_us": 30})]
    assert wire.device.state == OPEN and wire.hub.state == OPEN


def test_records_acks_commands_and_results_flow_when_open() -> None:
    wire = Wire().open()
    kind, payload = wire.hub.receive(RECORD, 50)[0]
    assert kind == 4 and payload == KEYS.up.open(RECORD)
    wire.hub.send(ACK, {"durable": [[0, 0, 1]]})
    wire.hub.send(COMMAND, COMMAND_FIELDS)
    assert wire.to_device(60) == [(ACK, {"durable": [[0, 0, 1]]}), (COMMAND, COMMAND_FIELDS)]
    wire.device.send(RESULT, {"id": 1, "status": 0, "detail": ""})
    assert wire.to_hub(70)[0][0] == RESULT


def test_a_record_may_be_sent_twice() -> None:
    wire = Wire().open()
    assert wire.hub.receive(RECORD, 50) == wire.hub.receive(RECORD, 51)


def test_a_record_is_not_taken_before_the_device_proved_itself() -> None:
    wire = Wire()
    assert reason_of(wire.hub.receive, RECORD, 5) != "accepted"
    wire.greet()
    assert reason_of(wire.hub.receive, RECORD, 15) == "unexpected"
    wire.hub.welcome(WELCOME_FIELDS, 20)
    assert reason_of(wire.hub.receive, RECORD, 25) == "unexpected"


def test_a_recorded_hello_gets_no_further_than_greeted() -> None:
    # What an attacker has: every frame of an earlier session. What it must not get: state OPEN,
    # in which the hub takes frames and lets the connection replace that of the real device.
    recorded = Wire(1).open()
    hub = HubSession(KEYS, b"new-one!", 0)
    hub.receive(recorded.up[0], 10)
    hub.welcome(WELCOME_FIELDS, 20)
    for frame in recorded.up + recorded.down + [RECORD]:
        assert reason_of(hub.receive, frame, 30) != "accepted"
        assert hub.state == GREETED


def test_a_recorded_welcome_is_refused() -> None:
    recorded = Wire(1).open()
    device = DeviceSession(KEYS, b"\x02" * 8, 0)
    device.start(HELLO_FIELDS)
    assert reason_of(device.receive, recorded.down[0], 10) == "replayed"


def test_messages_of_another_session_are_refused() -> None:
    old, new = Wire(1).open(), Wire(2).open()
    old.hub.send(ACK, {"durable": [[3, 0, 9]]})
    old.hub.send(COMMAND, COMMAND_FIELDS)
    for frame in old.hub.take_output():
        assert reason_of(new.device.receive, frame, 50) == "wrong_key"
    old.device.send(RESULT, {"id": 1, "status": 0, "detail": ""})
    assert reason_of(new.hub.receive, old.device.take_output()[0], 50) == "wrong_key"


def test_a_message_is_taken_once_and_in_order() -> None:
    wire = Wire().open()
    for index in range(3):
        wire.hub.send(ACK, {"durable": [[3, index, index + 1]]})
    first, second, third = wire.hub.take_output()
    assert reason_of(wire.device.receive, second, 50) == "replayed"
    assert reason_of(wire.device.receive, first, 50) == "accepted"
    assert reason_of(wire.device.receive, first, 50) == "replayed"
    assert reason_of(wire.device.receive, third, 50) == "replayed"
    assert reason_of(wire.device.receive, second, 50) == "accepted"
    assert reason_of(wire.device.receive, third, 50) == "accepted"


def test_frames_do_not_work_when_sent_back_to_their_sender() -> None:
    wire = Wire().open()
    wire.hub.send(ACK, {"durable": []})
    wire.device.send(RESULT, {"id": 1, "status": 0, "detail": ""})
    assert reason_of(wire.hub.receive, wire.hub.take_output()[0], 50) == "wrong_key"
    assert reason_of(wire.device.receive, wire.device.take_output()[0], 50) == "wrong_key"


def test_a_device_with_the_wrong_secret_is_refused() -> None:
    wire = Wire(keys=DeviceKeys("bridge-01", bytes(32)))
    wire.device.start(HELLO_FIELDS)
    assert reason_of(wire.to_hub, 10) == "wrong_key"
    assert wire.hub.state == WAITING


def test_what_a_state_does_not_allow_is_unexpected() -> None:
    wire = Wire()
    wire.greet()
    again = DeviceSession(KEYS, b"\x09" * 8, 0)
    again.start(HELLO_FIELDS)
    hello = again.take_output()[0]
    assert reason_of(wire.hub.receive, hello, 20) == "unexpected"
    assert reason_of(DeviceSession(KEYS, bytes(8), 0).receive, hello, 20) == "unexpected"
    opened = Wire().open()
    opened.hub.send(TIME_REPLY, {"hub_us": 0, "device_us": 0})
    assert reason_of(opened.to_device, 50) == "unexpected"


def test_after_bye_nothing_is_taken() -> None:
    wire = Wire().open()
    wire.hub.send(BYE, {"reason": 2, "retry_after_ms": 1000})
    wire.hub.send(ACK, {"durable": []})
    bye, ack = wire.hub.take_output()
    wire.device.receive(bye, 50)
    assert wire.device.state == CLOSED
    assert reason_of(wire.device.receive, ack, 60) == "unexpected"
    assert is_our_fault(wire.device.send, RESULT, {"id": 1, "status": 0, "detail": ""})


def test_a_time_reply_answers_the_one_open_request() -> None:
    wire = Wire().open()
    wire.device.send(TIME_REPLY, {"hub_us": 20, "device_us": 30})
    assert reason_of(wire.to_hub, 50) == "replayed"


def test_one_time_request_is_open_at_a_time() -> None:
    wire = Wire().open()
    wire.hub.ask_time(100)
    wire.hub.ask_time(200)
    assert len(wire.hub.take_output()) == 1


def test_what_is_said_in_the_wrong_order_is_our_fault() -> None:
    wire = Wire()
    assert is_our_fault(wire.hub.welcome, WELCOME_FIELDS, 0)
    assert is_our_fault(wire.hub.send, ACK, {"durable": []})
    assert is_our_fault(wire.device.send, RESULT, {"id": 1, "status": 0, "detail": ""})
    wire.open()
    assert is_our_fault(wire.hub.welcome, WELCOME_FIELDS, 0)
    assert is_our_fault(wire.device.start, HELLO_FIELDS)


def test_the_deadline_moves_with_good_frames_only() -> None:
    wire = Wire()
    assert wire.hub.deadline_us() == HELLO_TIMEOUT_MS * 1000
    wire.open()
    limit_us = 40 + SESSION_SILENCE_MS_MAX * 1000
    assert wire.hub.deadline_us() == limit_us
    assert reason_of(wire.hub.receive, RECORD[:-1] + b"\x00", 5000) == "wrong_key"
    assert wire.hub.deadline_us() == limit_us
    wire.hub.receive(RECORD, 5000)
    assert wire.hub.deadline_us() == limit_us + 4960
