"""What every device must go by, mode and policy: sent, confirmed, and sent again.

    wanted == held    nothing to do
    wanted != held    command --result done--> held; else again after RESEND_US, while it is there

A device says in its hello what it holds; one that was away gets what is new as soon as it is back.
One that refuses is not asked again until it comes anew or the order is another: it cannot obey,
and people see why.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hub.ingest import Ingest, Peer
from hub.policy import Order
from protocols.session import OPEN
from protocols.vocabulary import COMMAND_MODE, COMMAND_POLICY, RESULT_DONE

log = logging.getLogger(__name__)

RESEND_US = 30_000_000
SHOWN_MAX = 50
# About 30 us each with its answer's way back: frames of devices do not wait for long behind them.
SENT_PER_TICK_MAX = 2000
MODE, POLICY = "mode", "policy"
_CODES = {MODE: COMMAND_MODE, POLICY: COMMAND_POLICY}

# Why a device has not confirmed.
AWAY, WAITING, REFUSED = "away", "waiting", "refused"


@dataclass
class _Ordered:
    """What one device was told of one thing, as a value that says all of it."""

    held: Any = None
    sent: Any = None
    sent_us: int = 0
    peer: Peer | None = None
    refused: Any = None
    detail: str = ""


@dataclass
class _Device:
    """Both things of one device."""

    kind: str
    things: dict[str, _Ordered] = field(
        default_factory=lambda: {MODE: _Ordered(), POLICY: _Ordered()}
    )


class Orders:
    """mode: () -> (mode, drill). policies: kind of device -> arguments of its command policy."""

    def __init__(
        self, ingest: Ingest, mode: Callable[[], tuple[int, bool]], policies: dict[str, Order]
    ) -> None:
        self._ingest = ingest
        self._mode = mode
        self._policies = policies
        self._devices = {name: _Device(one.kind) for name, one in ingest.devices.items()}
        self._due = dict.fromkeys(self._devices)  # may have to be told something
        self.sent_count = 0

    def greeted(self, device: str, hello: dict[str, Any]) -> None:
        """Note what a device holds that has come."""
        things = self._devices[device].things
        things[MODE] = _Ordered(held=(hello["mode"], hello["drill"]))
        things[POLICY] = _Ordered(held=hello["policy"])
        self._due[device] = None

    def mode_changed(self, now_us: int) -> None:
        """Tell all devices at once."""
        self._due = dict.fromkeys(self._devices)
        self.tick(now_us)

    def tick(self, now_us: int) -> None:
        """Send what is due, some of it where it is much; about once a second."""
        sent_max = self.sent_count + SENT_PER_TICK_MAX
        for device in list(self._due):
            if self.sent_count >= sent_max:
                break
            peer = self._ingest.peers.get(device)
            if peer is None or peer.state != OPEN:
                continue
            open_count = 0
            for name, one in self._devices[device].things.items():
                wanted, arguments = self._wanted(device, name)
                if one.held != wanted:
                    open_count += 1
                    if one.refused != wanted:
                        self._tell(peer, name, (one, wanted, arguments), now_us)
            if not open_count:
                del self._due[device]

    def _wanted(self, device: str, name: str) -> tuple[Any, list[Any]]:
        """Return (what is to be held, arguments of the command)."""
        if name == MODE:
            mode = self._mode()
            return mode, list(mode)
        order = self._policies[self._devices[device].kind]
        return order[0], order

    def _tell(
        self, peer: Peer, name: str, what: tuple[_Ordered, Any, list[Any]], now_us: int
    ) -> None:
        one, wanted, arguments = what
        is_under_way = one.peer is peer and one.sent == wanted
        if is_under_way and now_us - one.sent_us < RESEND_US:
            return
        one.peer, one.sent, one.sent_us = peer, wanted, now_us
        one.held = None  # whichever of the two, until it says so
        self.sent_count += 1

        def answered(device: str, fields: dict[str, Any]) -> None:
            # Of an older session: `one` is then nobody's any more.
            self._answered((device, name), one, wanted, fields)

        peer.command(_CODES[name], arguments, answered)

    def _answered(
        self, about: tuple[str, str], one: _Ordered, wanted: Any, fields: dict[str, Any]
    ) -> None:
        if fields["status"] == RESULT_DONE:
            one.held, one.refused, one.detail = wanted, None, ""
            return
        one.refused, one.detail = wanted, fields["detail"]
        log.warning("%s refuses the %s: %s", *about, fields["detail"][:200])

    def unconfirmed(self) -> dict[str, Any]:
        """Return who has not confirmed: counts by reason, and the first SHOWN_MAX, worst first."""
        by_reason: dict[str, list[dict[str, str]]] = {REFUSED: [], WAITING: [], AWAY: []}
        for device in self._due:
            row = self._row(device)
            if row is not None:
                by_reason[row["why"]].append(row)
        rows = [row for some in by_reason.values() for row in some]
        counts = {why: len(some) for why, some in by_reason.items()}
        return {"counts": counts, "rows": rows[:SHOWN_MAX], "sent": self.sent_count}

    def _row(self, device: str) -> dict[str, str] | None:
        """Return what a device has not confirmed, the worse of both."""
        found = None
        for name, one in self._devices[device].things.items():
            wanted, _ = self._wanted(device, name)
            if one.held == wanted:
                continue
            is_refused = one.refused == wanted
            if found is None or is_refused:
                why = REFUSED if is_refused else WAITING
                if device not in self._ingest.peers:
                    why = AWAY
                found = {"device": device, "what": name, "why": why, "detail": one.detail}
        return found
