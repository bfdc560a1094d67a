"""One session with the hub over one connection: frames out, acknowledgements in. No I/O.

A frame that was sent stays in the flash log until the hub acknowledges it: a hub that dies at any
byte loses nothing, the next conversation sends it again.
"""

from protocols.batch import read_record_head
from protocols.limits import RANGES_MAX, WINDOW_FRAMES_MAX
from protocols.messages import ACK, BYE, COMMAND, PIECE, RESULT, WELCOME
from protocols.portable import const
from protocols.session import CLOSED, OPEN
from protocols.vocabulary import (
    COMMAND_RESTART,
    COMMAND_SWITCH,
    COMMAND_UPDATE,
    LANE_LIFE,
    LANE_WAVE,
    RESULT_DONE,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agent.flashlog import FlashLog
    from agent.operation import Operation
    from agent.update import Update
    from protocols.session import DeviceSession

# Places in the window that bulk frames leave free, so that an alert need not wait for an ack.
WINDOW_URGENT = const(16)
RETRY_AFTER_MS_MAX = const(600_000)  # however long the hub asks to wait


class Conversation:
    """session: new. flashlog: mounted. operation: obeys commands. update: those of update."""

    def __init__(
        self,
        session: "DeviceSession",
        flashlog: "FlashLog",
        operation: "Operation",
        update: "Update | None" = None,
    ) -> None:
        self._update = update
        if update is not None:
            update.new_session()
        self._session = session
        self._flashlog = flashlog
        self._operation = operation
        self._in_flight: list[tuple[int, int]] = []  # (boot, index), at most WINDOW_FRAMES_MAX
        self.retry_after_ms = 0
        self.restart: Callable[[], None] | None = None  # what the hub's command calls
        self.frames_sent = 0

    def start(self, boot: int, firmware: str, profile: str, reset_cause: str) -> None:
        """Say hello."""
        self._session.start(
            {
                "boot": boot,
                "firmware": firmware,
                "profile": profile,
                "mode": self._operation.mode,
                "drill": self._operation.drill,
                "reset_cause": reset_cause,
                "log": self._flashlog.extent()[:RANGES_MAX],
                "policy": self._operation.policy_version(),
            }
        )

    def is_open(self) -> bool:
        """Tell whether the hub takes frames."""
        return self._session.state == OPEN

    def is_over(self) -> bool:
        """Tell whether the hub said good-bye."""
        return self._session.state == CLOSED

    def deadline_us(self) -> int:
        """Return when the connection is dead unless a frame arrives before."""
        return self._session.deadline_us()

    def receive(self, frame: bytes, now_us: int) -> None:
        """Take a frame of the hub; RemoteProtocolError ends the conversation."""
        events = self._session.receive(frame, now_us)
        self._operation.heard(now_us)
        for kind, fields in events:
            if kind == WELCOME:
                self._free(fields["durable"])
                self._operation.change_mode(fields["mode"], fields["drill"], now_us)
            elif kind == ACK:
                self._free(fields["durable"])
                if self._update is not None:
                    self._update.acknowledged()
            elif kind == PIECE and self._update is not None:
                self._update.piece(fields)
            elif kind == COMMAND:
                self._obey(fields, now_us)
            elif kind == BYE:
                self.retry_after_ms = min(fields["retry_after_ms"], RETRY_AFTER_MS_MAX)

    def take_output(self) -> "list[bytes]":
        """Return what to send now:

        The session's own messages, then frames, most urgent lane first.
        """
        if self._update is not None and self.is_open():
            for kind, fields in self._update.take_messages():
                self._session.send(kind, fields)
        output = self._session.take_output()
        while self.is_open():
            frame = self._next_frame()
            if frame is None:
                break
            output.append(frame)
        return output

    def _next_frame(self) -> "bytes | None":
        count = len(self._in_flight)
        if count >= WINDOW_FRAMES_MAX:
            return None
        lane_max = LANE_WAVE if count < WINDOW_FRAMES_MAX - WINDOW_URGENT else LANE_LIFE
        handle = self._flashlog.next_unsent(lane_max)
        if handle is None:
            return None
        frame = self._flashlog.read_frame(handle)
        self._flashlog.mark_in_flight(handle)
        head = read_record_head(self._session.keys.up.peek(frame))
        self._in_flight.append((head[1], head[2]))
        self.frames_sent += 1
        return frame

    def _free(self, ranges: "list[Any]") -> None:
        for boot, first, following in ranges:
            self._flashlog.free(boot, first, following)
            self._in_flight = [
                sent
                for sent in self._in_flight
                if sent[0] != boot or not first <= sent[1] < following
            ]

    def _obey(self, fields: "dict[str, Any]", now_us: int) -> None:
        if self._update is not None and fields["code"] in (COMMAND_UPDATE, COMMAND_SWITCH):
            self._update.command(fields["id"], fields["code"], fields["arguments"])
            return
        if fields["code"] == COMMAND_RESTART and self.restart is not None:
            self._session.send(RESULT, {"id": fields["id"], "status": RESULT_DONE, "detail": ""})
            self.restart()
            return
        status, detail = self._operation.obey(fields["code"], fields["arguments"], now_us)
        self._session.send(RESULT, {"id": fields["id"], "status": status, "detail": detail})
