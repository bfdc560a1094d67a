"""Updates of devices: serves the image of a release, stage by stage.

What an operator orders lies as a file in the store's folder (`update/order.json`, written by
`hinomi hub update`), so that it needs no door into the running hub but the rights on that folder,
and waits where the hub is down. How far the rollout is lies in the store, so that it goes on after
a restart. In disaster mode nothing is offered, served or switched; in watch, too, unless the order
was forced.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.ingest import Ingest, Peer
from hub.rollout import (
    FAILED,
    FETCHING,
    HEALTHY,
    PACKAGE,
    STATES,
    SWITCHING,
    WAITING,
    Limits,
    Rollout,
)
from protocols.errors import RemoteProtocolError
from protocols.limits import PIECE_SIZE_MAX
from protocols.manifest import split_release
from protocols.messages import PIECE
from protocols.session import OPEN
from protocols.vocabulary import (
    COMMAND_SWITCH,
    COMMAND_UPDATE,
    MODE_DISASTER,
    MODE_NORMAL,
    RESULT_DONE,
    RESULT_PACKAGE,
)

log = logging.getLogger(__name__)

META_KEY = "update"
FOLDER = "update"
ORDER = "order.json"
SHOWN_MAX = 50  # devices of a status, those at work first; how many there are is told of all
FIRMWARE_NAME = "hinomi-agent "

SHOWN = (FETCHING, SWITCHING, FAILED, WAITING, HEALTHY, PACKAGE)
# (actor, command, what, after) into the audit log.
Note = Callable[[str, str, str, str], None]


@dataclass
class _Talk:
    """What is said with one device in one session. number: of the last command."""

    peer: Peer
    number: int = -1
    code: int = 0
    offset: int = 0
    wanted: dict[str, Any] | None = None  # a want that waits for calmer times
    progress_us: int = 0


class Update:
    """At most one rollout at a time.

    mode: () -> the mode of operation. save(key, text): into the store's meta. note: audit.
    """

    def __init__(self, folder: Path, ingest: Ingest, limits: Limits, **ports: Any) -> None:
        self._folder = folder / FOLDER
        self._ingest = ingest
        self._limits = limits
        self._timeout_us: int = ports["timeout_s"] * 1_000_000
        self._mode: Callable[[], int] = ports["mode"]
        self._save: Callable[[str, str], None] = ports["save"]
        self._note: Note = ports["note"]
        self._message = b""
        self._image = b""
        self._talks: dict[str, _Talk] = {}
        self._since_us: dict[str, int] = {}
        self.rollout: Rollout | None = None
        ingest.on_result = self.result
        ingest.on_want = self.want
        kept = ports["kept"]
        if kept:
            self._resume(Rollout.from_json(json.loads(kept)))

    def status(self) -> dict[str, Any] | None:
        """Return what `hinomi hub update status` shows, or None."""
        rollout = self.rollout
        if rollout is None:
            return None
        shown = rollout.devices
        if len(shown) > SHOWN_MAX:
            shown = sorted(shown, key=lambda device: SHOWN.index(rollout.state(device)))
        rows = [self._row(rollout, device) for device in shown[:SHOWN_MAX]]
        return {
            "version": rollout.version,
            "file": rollout.file,
            "size": len(self._image),
            "stage": rollout.stage + 1,
            "stopped": rollout.stopped,
            "is_stopped": bool(rollout.stopped),
            "is_over": rollout.is_over(),
            "is_frozen": self.is_frozen(),
            "is_forced": rollout.is_forced,
            "counts": {state: rollout.count(state) for state in STATES},
            "devices": rows,
        }

    def _row(self, rollout: Rollout, device: str) -> dict[str, Any]:
        state, detail = rollout.states.get(device, (WAITING, ""))
        talk = self._talks.get(device)
        offset = talk.offset if talk is not None and state == FETCHING else 0
        return {"device": device, "state": state, "detail": detail, "offset": offset}

    def is_frozen(self) -> bool:
        """Tell whether the mode of operation forbids updates now."""
        mode = self._mode()
        forced = self.rollout is not None and self.rollout.is_forced
        return mode == MODE_DISASTER or (mode != MODE_NORMAL and not forced)

    def tick(self, now_us: int) -> None:
        """Take an order, offer the release, notice who came back; once a second."""
        self._take_order()
        rollout = self.rollout
        if rollout is None or rollout.is_over():
            return
        for device in rollout.members:
            self._look(rollout, device, now_us)
        is_news = False if self.is_frozen() else rollout.advance(self._open(), self._limits)
        if is_news:
            self._keep()
        if rollout.stopped:
            self._say_stopped(rollout)
        elif not self.is_frozen():
            for device in rollout.active(self._limits):
                self._work(rollout, device, now_us)
        else:
            for talk in self._talks.values():
                talk.progress_us = now_us  # this time counts against nobody

    def result(self, device: str, fields: dict[str, Any]) -> None:
        """Take the result of a command; those that are not ours do not count."""
        talk, rollout = self._talk(device), self.rollout
        if talk is None or rollout is None or fields["id"] != talk.number:
            return
        status, detail = fields["status"], fields["detail"]
        if status == RESULT_PACKAGE:
            self._set(device, PACKAGE, detail)
        elif status != RESULT_DONE:
            self._set(device, FAILED, detail or "refused")
        elif talk.code == COMMAND_SWITCH:
            rollout.boots[device] = talk.peer.hello["boot"]
            self._since_us.pop(device, None)
            self._set(device, SWITCHING)

    def want(self, device: str, fields: dict[str, Any]) -> None:
        """Answer a device that wants a piece; when it has all, let it switch."""
        talk = self._talk(device)
        if talk is None or fields["id"] != talk.number or talk.code != COMMAND_UPDATE:
            return
        talk.offset = fields["offset"]
        talk.progress_us = -1
        talk.wanted = fields
        if not self.is_frozen() and self.rollout is not None and not self.rollout.stopped:
            self._serve(talk)

    def _serve(self, talk: _Talk) -> None:
        fields, talk.wanted = talk.wanted, None
        assert fields is not None
        offset = fields["offset"]
        data = self._image[offset : offset + PIECE_SIZE_MAX]
        if data:
            talk.peer.send(PIECE, {"id": fields["id"], "offset": offset, "data": data})
        else:
            self._command(talk, COMMAND_SWITCH, [])

    def _look(self, rollout: Rollout, device: str, now_us: int) -> None:
        """Notice what became of a device that was told to switch."""
        if rollout.state(device) != SWITCHING:
            return
        since_us = self._since_us.setdefault(device, now_us)
        peer = self._ingest.peers.get(device)
        if peer is not None and peer.hello["boot"] > rollout.boots[device]:
            firmware = peer.hello["firmware"]
            if firmware != FIRMWARE_NAME + rollout.version:
                self._set(device, FAILED, f"went back to {firmware}")
            elif self._has_frames(device, peer):
                self._set(device, HEALTHY)
        if rollout.state(device) == SWITCHING and now_us - since_us > self._timeout_us:
            self._set(device, FAILED, f"not healthy within {self._timeout_us // 1_000_000} s")

    def _work(self, rollout: Rollout, device: str, now_us: int) -> None:
        peer = self._ingest.peers.get(device)
        if peer is None or rollout.state(device) == SWITCHING:
            return
        if peer.hello["firmware"] == FIRMWARE_NAME + rollout.version:
            if self._has_frames(device, peer):
                self._set(device, HEALTHY)
            return
        talk = self._talk(device)
        if talk is None:
            talk = self._talks[device] = _Talk(peer, progress_us=now_us)
            self._set(device, FETCHING)
            self._command(talk, COMMAND_UPDATE, [self._message])
        elif talk.wanted is not None:
            self._serve(talk)
        if talk.progress_us < 0:
            talk.progress_us = now_us
        if now_us - talk.progress_us > self._timeout_us:
            self._set(device, FAILED, f"silent for {self._timeout_us // 1_000_000} s")

    def _has_frames(self, device: str, peer: Peer) -> bool:
        """Tell whether frames of the device's present boot were taken."""
        return (device, peer.hello["boot"]) in self._ingest.store.seen

    def _command(self, talk: _Talk, code: int, arguments: list[Any]) -> None:
        talk.code = code
        talk.number = talk.peer.command(code, arguments)

    def _talk(self, device: str) -> _Talk | None:
        """Return what is said in the session that the device has now."""
        talk = self._talks.get(device)
        is_now = talk is not None and self._ingest.peers.get(device) is talk.peer
        return talk if is_now else None

    def _open(self) -> list[str]:
        return [name for name, peer in self._ingest.peers.items() if peer.state == OPEN]

    def _set(self, device: str, state: str, detail: str = "") -> None:
        rollout = self.rollout
        if rollout is None or not rollout.note(device, state, detail):
            return
        log.info("update %s of %s: %s %s", rollout.version, device, state, detail)
        if state in (HEALTHY, FAILED, PACKAGE):
            self._talks.pop(device, None)
            after = f"{rollout.version} {state} {detail}".strip()
            self._note("hub", "update", device, after)
        self._keep()

    def _say_stopped(self, rollout: Rollout) -> None:
        log.error("update %s stopped: %s", rollout.version, rollout.stopped)
        self._note("hub", "update stop", rollout.version, rollout.stopped)

    def _keep(self) -> None:
        if self.rollout is not None:
            self._save(META_KEY, json.dumps(self.rollout.to_json(), ensure_ascii=False))

    def _take_order(self) -> None:
        path = self._folder / ORDER
        if not path.exists():
            return
        try:
            order = json.loads(path.read_text(encoding="utf-8"))
            if order["command"] == "stop":
                self._stop(order["actor"])
            else:
                rollout = Rollout(order["file"], order["version"], order["devices"])
                rollout.is_forced, rollout.actor = order["force"], order["actor"]
                self._resume(rollout)
                words = f"{rollout.version} for {len(rollout.devices)} devices"
                forced = " --force" if rollout.is_forced else ""
                self._note(rollout.actor, "update start" + forced, rollout.file, words)
                self._keep()
        except (OSError, ValueError, KeyError, TypeError, UnicodeError) as error:
            log.error("the order in %s cannot be read: %s", path, error)
        path.unlink(missing_ok=True)

    def _stop(self, actor: str) -> None:
        if self.rollout is not None and not self.rollout.is_over():
            self.rollout.stopped = "by an operator"  # who, the audit log tells; this is public
            self._note(actor, "update stop", self.rollout.version, "")
            self._keep()

    def _resume(self, rollout: Rollout) -> None:
        """Take a rollout up, and its release into memory while it is going on."""
        self.rollout = rollout
        self._talks.clear()
        self._since_us.clear()
        self._message, self._image = b"", b""
        if rollout.is_over():
            return
        try:
            data = (self._folder / rollout.file).read_bytes()
            self._message, _, self._image = split_release(data)
        except (OSError, RemoteProtocolError) as error:
            rollout.stopped = f"the release cannot be read: {error}"
            log.error("update %s stopped: %s", rollout.version, rollout.stopped)
