"""The device's session against the hub's own state machine, in memory, with cuts at every byte."""

from agent.conversation import RETRY_AFTER_MS_MAX, Conversation
from protocols.batch import read_record_head
from protocols.cose import DeviceKeys
from protocols.errors import RemoteProtocolError
from protocols.framing import Splitter, prefixed
from protocols.limits import SESSION_SILENCE_MS_MAX, WINDOW_FRAMES_MAX
from protocols.messages import ACK, BYE, COMMAND, HELLO, RESULT
from protocols.session import DeviceSession, HubSession
from protocols.vocabulary import (
    COMMAND_IDENTIFY,
    COMMAND_MODE,
    COMMAND_SELF_TEST,
    RESULT_DONE,
    RESULT_FAILED,
    RESULT_UNKNOWN,
)
from simulators.storage import SimFlash
from tests.agent.fake_parts import SECRET, SOIL, Core, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

S = 1_000_000
POLICY = {"soil": {"every_ms": 1000, "report_ms": 1000}}


class Hub:
    """A hub that outlives its connections.

    Stored: (boot, index) in order of arrival, each time.
    """

    def __init__(self) -> None:
        self.keys = DeviceKeys("device-1", bytes.fromhex(SECRET))
        self.stored: list[tuple[int, int]] = []
        self.hellos: list[dict[str, Any]] = []
        self.results: list[dict[str, Any]] = []
        self.commands: list[tuple[int, list[Any]]] = []
        self.mode = (0, False)
        self.acks = True
        self.sessions_count = 0

    def connect(self) -> None:
        """Take a new connection."""
        self.sessions_count += 1
        nonce = bytes([self.sessions_count & 0xFF]) * 8
        self.session = HubSession(self.keys, nonce, 0)
        self.splitter = Splitter()

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the device; return the answer."""
        acks = []
        for frame in self.splitter.feed(data):
            for kind, fields in self.session.receive(frame, 7):
                if kind == HELLO:
                    self.welcome(fields)
                elif kind == RESULT:
                    self.results.append(fields)
                elif kind < 16:
                    _, boot, index, _, _, _ = read_record_head(fields)
                    self.stored.append((boot, index))
                    acks.append([boot, index, index + 1])
        if acks and self.acks:
            self.session.send(ACK, {"durable": acks})
        if self.session.state == "open":
            while self.commands:
                code, arguments = self.commands.pop(0)
                fields = {"id": code, "code": code, "arguments": arguments}
                self.session.send(COMMAND, fields)
        return b"".join(prefixed(frame) for frame in self.session.take_output())

    def welcome(self, hello: "dict[str, Any]") -> None:
        self.hellos.append(hello)
        durable = []
        for boot, first, following in hello["log"]:
            for index in range(first, following):
                if (boot, index) in self.stored and self.acks:
                    durable.append([boot, index, index + 1])
        mode, drill = self.mode
        self.session.welcome({"mode": mode, "drill": drill, "durable": durable[:64]}, 7)


class Line:
    """A connection between a core and a hub that dies after so many bytes, of both directions."""

    def __init__(self, core: Core, hub: Hub, bytes_max: int = 1 << 30) -> None:
        self.core = core
        self.hub = hub
        self.left = bytes_max
        core.flashlog.reset_in_flight()
        hub.connect()
        nonce = core.board.random(8)
        session = DeviceSession(core.keys, nonce, core.board.time_us)
        self.conversation = Conversation(session, core.flashlog, core.operation)
        self.conversation.start(core.sealer.boot, "test", "", "power_on")
        self.splitter = Splitter()

    def pump(self) -> bool:
        """Carry bytes to and fro until nobody has more to say; False once the line is dead."""
        while True:
            output = b"".join(prefixed(frame) for frame in self.conversation.take_output())
            answer = self.hub.feed(self.carried(output))
            for frame in self.splitter.feed(self.carried(answer)):
                self.conversation.receive(frame, self.core.board.time_us)
            if not self.left or not (output or answer):
                return self.left > 0

    def carried(self, data: bytes) -> bytes:
        data = data[: self.left]
        self.left -= len(data)
        return data


def core_with_frames(count: int, flash: "Any" = None) -> Core:
    core = Core(table([SOIL], normal=POLICY, disaster={"soil": {"report_ms": 5000}}), flash)
    core.run(count * S + S // 2)
    return core


def report_us(core: Core) -> int:
    rule = core.sensors[0].rule
    assert rule is not None
    return rule.report_us


def test_every_frame_arrives_once_and_is_freed() -> None:
    core = core_with_frames(100)
    hub = Hub()
    assert Line(core, hub).pump()
    assert hub.stored == [(1, index) for index in range(core.sealer.next_index)]
    assert core.sealer.next_index >= 99
    assert core.flashlog.pending_count() == 0


def test_a_cut_at_any_byte_loses_nothing() -> None:
    whole = 0
    cut = 1
    while not whole:
        core = core_with_frames(3)
        hub = Hub()
        if Line(core, hub, cut).pump():
            whole = cut
        held = {head_of(frame) for frame in core.frames()}
        assert held | set(hub.stored) == {(1, index) for index in range(core.sealer.next_index)}
        assert Line(core, hub).pump()
        assert set(hub.stored) == {(1, index) for index in range(core.sealer.next_index)}
        assert core.flashlog.pending_count() == 0
        cut += 1
    assert whole > 400


def head_of(frame: bytes) -> "tuple[int, int]":
    head = read_record_head(DeviceKeys("device-1", bytes.fromhex(SECRET)).up.open(frame))
    return head[1], head[2]


def test_what_the_hub_has_already_is_not_sent_again() -> None:
    core = core_with_frames(10)
    hub = Hub()
    whole = Line(core, hub, 1 << 20)
    hub.acks = False  # the hub dies between its fsync and its ack
    whole.pump()
    assert core.flashlog.pending_count() == core.sealer.next_index
    count = len(hub.stored)
    hub.acks = True
    Line(core, hub).pump()
    assert len(hub.stored) == count
    assert core.flashlog.pending_count() == 0


def test_a_power_cut_while_sending_loses_nothing() -> None:
    for cut in range(1, 900, 37):
        flash = SimFlash(sector_count=64)
        core = core_with_frames(5, flash)
        hub = Hub()
        Line(core, hub, cut).pump()
        again = Core(table([SOIL], normal=POLICY), flash)
        assert again.sealer.boot == 2
        again.run(3 * S)
        assert Line(again, hub).pump()
        first = {(1, index) for index in range(core.sealer.next_index)}
        second = {(2, index) for index in range(again.sealer.next_index)}
        assert set(hub.stored) == first | second


def test_never_more_than_the_window_is_unacknowledged() -> None:
    core = core_with_frames(200)
    hub = Hub()
    hub.acks = False
    Line(core, hub).pump()
    assert len(hub.stored) == WINDOW_FRAMES_MAX - 16


def test_an_alert_overtakes_and_finds_room_in_a_full_window() -> None:
    core = core_with_frames(200)
    hub = Hub()
    hub.acks = False
    line = Line(core, hub)
    line.pump()
    core.sealer.append_batch(0, core.sensors[0].take_series() or alert(core), False)
    line.pump()
    assert hub.stored[-1] == (1, core.sealer.next_index - 1)


def alert(core: Core) -> "list[Any]":
    return [core.sensors[0].peak_series(7, core.board.time_us)]


def test_the_most_urgent_lane_goes_first() -> None:
    core = core_with_frames(20)
    core.sealer.append_batch(0, alert(core), False)
    hub = Hub()
    Line(core, hub).pump()
    assert hub.stored[0] == (1, core.sealer.next_index - 1)
    assert hub.stored[1:] == sorted(hub.stored[1:])


def test_the_hello_says_who_and_what_is_held() -> None:
    core = core_with_frames(5)
    hub = Hub()
    Line(core, hub).pump()
    hello = hub.hellos[0]
    assert (hello["boot"], hello["firmware"], hello["reset_cause"]) == (1, "test", "power_on")
    assert hello["log"] == [[1, 0, core.sealer.next_index]]


def test_a_mode_command_works_at_once_and_survives_a_restart() -> None:
    flash = SimFlash(sector_count=64)
    core = core_with_frames(3, flash)
    hub = Hub()
    line = Line(core, hub)
    hub.commands.append((COMMAND_MODE, [2, True]))
    line.pump()
    assert hub.results == [{"id": COMMAND_MODE, "status": RESULT_DONE, "detail": ""}]
    assert (core.operation.mode, core.operation.drill) == (2, True)
    assert report_us(core) == 5 * S
    again = core_with_frames(1, flash)
    assert (again.operation.mode, again.operation.drill) == (2, True)
    assert report_us(again) == 5 * S


def test_the_welcome_brings_the_mode() -> None:
    core = core_with_frames(1)
    hub = Hub()
    hub.mode = (1, False)
    Line(core, hub).pump()
    assert core.operation.mode == 1


def test_wrong_commands_are_answered_and_change_nothing() -> None:
    core = core_with_frames(1)
    hub = Hub()
    wrong: list[list[Any]] = [
        [],
        [3, False],
        [1, 1],
        [True, False],
        ["2", False],
        [1, False, 0],
        [-1, False],
    ]
    hub.commands = [(COMMAND_MODE, arguments) for arguments in wrong]
    hub.commands += [(99, []), (COMMAND_IDENTIFY, []), (COMMAND_SELF_TEST, [])]
    line = Line(core, hub)
    line.pump()
    line.pump()
    statuses = [result["status"] for result in hub.results]
    assert statuses == [RESULT_FAILED] * 7 + [RESULT_UNKNOWN, RESULT_FAILED, RESULT_DONE]
    assert core.operation.mode == 0


def test_a_failed_self_test_names_the_sensor() -> None:
    core = core_with_frames(1)
    hub = Hub()
    core.board.faults.add("soil")
    hub.commands = [(COMMAND_SELF_TEST, [])]
    Line(core, hub).pump()
    assert hub.results == [{"id": COMMAND_SELF_TEST, "status": RESULT_FAILED, "detail": "soil"}]


def test_a_good_bye_ends_the_conversation_and_says_when_to_come_back() -> None:
    for asked_ms, wait_ms in ((1500, 1500), (1 << 40, RETRY_AFTER_MS_MAX)):
        core = core_with_frames(1)
        hub = Hub()
        line = Line(core, hub)
        line.pump()
        hub.session.send(BYE, {"reason": 2, "retry_after_ms": asked_ms})
        line.pump()
        assert line.conversation.is_over() and line.conversation.retry_after_ms == wait_ms


def test_silence_has_a_deadline() -> None:
    core = core_with_frames(1)
    line = Line(core, Hub())
    line.pump()
    expected_us = core.board.time_us + SESSION_SILENCE_MS_MAX * 1000
    assert line.conversation.deadline_us() == expected_us


def test_a_hub_with_another_key_is_not_listened_to() -> None:
    core = core_with_frames(1)
    hub = Hub()
    hub.keys = DeviceKeys("device-1", bytes(32))
    hub.connect()
    stranger = HubSession(hub.keys, bytes(8), 0)
    stranger.state = "greeted"
    stranger._device_nonce = bytes(8)
    stranger.welcome({"mode": 2, "drill": False, "durable": [[1, 0, 99]]}, 7)
    line = Line(core, hub)
    held = core.flashlog.pending_count()
    try:
        line.conversation.receive(stranger.take_output()[0], 7)
        raise AssertionError("it was")
    except RemoteProtocolError as error:
        assert error.reason == "wrong_key"
    assert core.flashlog.pending_count() == held and core.operation.mode == 0
