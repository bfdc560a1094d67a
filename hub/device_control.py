"""What an operator may have one device do, behind hub.admin: a row for each command of the wire.

A device that is away is not told later: a siren that sounds, or a board that starts anew, hours
after somebody wanted it and has gone home is worse than to be told now that it could not be. What
every device must hold, mode and policy, is another matter (hub.orders), and so are updates.

The order stands in the audit log before it goes out, with who and why, and so does the answer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from hub.admin import AdminError, Handler
from hub.device_health import Start
from hub.ingest import Ingest, Peer
from hub.mode_control import named, reason_of
from protocols.session import OPEN
from protocols.vocabulary import (
    COMMAND_ACTUATE,
    COMMAND_IDENTIFY,
    COMMAND_RESTART,
    COMMAND_SELF_TEST,
    RESULT_DONE,
    RESULT_DRILL,
    RESULT_FAILED,
    RESULT_UNKNOWN,
)

ANSWER_S = 8.0  # of a self-test of all sensors too; below the patience of hub.admin
OUTPUT_SIZE_MAX = 32
HOLD_S_MAX = 3600
_WORDS = {
    RESULT_DONE: "done",
    RESULT_FAILED: "failed",
    RESULT_UNKNOWN: "unknown to the device",
    RESULT_DRILL: "not done: drill",
}

# (actor, command, what, after) into the audit log.
Note = Callable[[str, str, str, str], None]
Fields = dict[str, Any]


class Row(NamedTuple):
    """One command. arguments: (fields of the request, whether a drill is on) -> its arguments."""

    code: int
    arguments: Callable[[Fields, bool], list[Any]]


def _none(fields: Fields, drill: bool) -> list[Any]:
    return []


def _actuate(fields: Fields, drill: bool) -> list[Any]:
    """Return [output, hold_ms, drill]; 0 s switches off."""
    output, hold_s = str(fields.get("output", "")), fields.get("seconds", 0)
    if not 0 < len(output.encode()) <= OUTPUT_SIZE_MAX:
        raise AdminError("No output is named", "Name one of the device's config.json.")
    if isinstance(hold_s, bool) or not isinstance(hold_s, int | float):
        hold_s = -1
    if not 0 <= hold_s <= HOLD_S_MAX:
        raise AdminError("seconds is not allowed", f"Allowed: 0 to {HOLD_S_MAX}.")
    return [output, round(hold_s * 1000), drill or bool(fields.get("drill"))]


ROWS = {
    "restart": Row(COMMAND_RESTART, _none),
    "identify": Row(COMMAND_IDENTIFY, _none),
    "self-test": Row(COMMAND_SELF_TEST, _none),
    "actuate": Row(COMMAND_ACTUATE, _actuate),
}


class DeviceControl:
    """is_drill: () -> whether one is on. note: audit. start: of a device's present boot."""

    def __init__(
        self,
        ingest: Ingest,
        is_drill: Callable[[], bool],
        note: Note,
        start: Callable[[str], Start],
    ) -> None:
        self._start = start
        self._ingest = ingest
        self._is_drill = is_drill
        self._note = note

    def handlers(self) -> dict[str, Handler]:
        """Return what hub.admin can do with devices: a handler for each row, and `device show`."""

        def handler(name: str) -> Handler:
            return lambda fields, actor: self._do(name, fields, actor)

        return {f"device {name}": handler(name) for name in ROWS} | {"device show": self._show}

    def _show(self, fields: Fields, actor: str) -> Fields:
        device = self._known(fields)
        peer = self._ingest.peers.get(device)
        if peer is None or peer.state != OPEN:
            return {"device": device, "is_here": False}
        hello = peer.hello
        begun = self._start(device)._asdict()
        return {"device": device, "is_here": True, "boot": hello["boot"],
                "firmware": hello["firmware"], "profile": hello["profile"], **begun}  # fmt: skip

    def _do(self, name: str, fields: Fields, actor: str) -> Awaitable[Fields]:
        device, row = self._known(fields), ROWS[name]
        arguments = row.arguments(fields, self._is_drill())
        peer = self._ingest.peers.get(device)
        if peer is None or peer.state != OPEN:
            raise AdminError(
                f"{device} is away, and was not told",
                "Give it again when `hinomi hub status` shows the device; nothing is kept for it.",
            )
        words = " ".join([device, *map(str, arguments)])
        self._note(named(fields, actor), f"device {name}", words, reason_of(fields))
        return self._answered(peer, row.code, arguments, (name, words))

    async def _answered(
        self, peer: Peer, code: int, arguments: list[Any], about: tuple[str, str]
    ) -> Fields:
        heard: asyncio.Future[Fields] = asyncio.get_running_loop().create_future()

        def answered(_: str, fields: Fields) -> None:
            if not heard.done():
                heard.set_result(fields)

        name, words = about
        boot = peer.hello["boot"]
        peer.command(code, arguments, answered)
        try:
            async with asyncio.timeout(ANSWER_S):
                fields = await heard
        except TimeoutError:
            self._note(f"device:{peer.device}", f"device {name}", words, "no answer")
            raise AdminError(
                f"{peer.device} has not answered within {ANSWER_S:.0f} s",
                "It may have obeyed: look at it before giving the command again.",
            ) from None
        said = _WORDS.get(fields["status"], f"result {fields['status']}")
        after = f"{said} {fields['detail']}".strip()
        self._note(f"device:{peer.device}", f"device {name}", words, after)
        is_done = fields["status"] == RESULT_DONE
        return {"device": peer.device, "boot": boot, "done": is_done, "answer": after}

    def _known(self, fields: Fields) -> str:
        device = str(fields.get("device", ""))
        if device not in self._ingest.devices:
            raise AdminError(
                f"{device[:64] or 'A device without a name'} is not enrolled",
                "See devices.toml for the names.",
            )
        return device
