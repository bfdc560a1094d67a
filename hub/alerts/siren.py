"""Sirens and lamps on devices: commanded at once, confirmed by the device, silent by themselves.

    wanted --command--> sent --result done--> sounding (the device switches off after sound_s)
                          |--no result in CONFIRM_US, no connection, or refused--> sent again
                          '--GIVE_UP_US after it was wanted--> given up, and said so

In a drill only an output that is declared a practice one is commanded, and the command says that
it is a drill: the device refuses by itself whatever it has not declared so. A test sounds nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hub.alerts.message import kind_of
from hub.alerts.rows import kinds_of
from hub.rules.finding import LEVEL_NAMES
from protocols.vocabulary import RESULT_DONE

CONFIRM_US = 3_000_000
GIVE_UP_US = 120_000_000  # a siren that begins later than this would mean something else
TROUBLE_TRIES = 3  # without a confirmation: then people are told

# device, [output, hold_ms, drill] -> the command's number; None where it is not connected.
Command = Callable[[str, list[Any]], int | None]


@dataclass
class _Wanted:
    """What one output is to do. number: of the command that waits for its result."""

    until_us: int
    drill: bool
    hold_ms: int
    events: set[int] = field(default_factory=set)
    number: int | None = None
    tries: int = 0
    due_us: int = 0
    is_confirmed: bool = False


class Sirens:
    """rows: [[siren]]. on_trouble(device, output, why): an output that should sound and does not.

    on_confirmed(event): all that the event wants have confirmed.
    """

    def __init__(self, rows: list[dict[str, Any]], command: Command) -> None:
        self._rows = rows
        self._command = command
        self._wanted: dict[int, _Wanted] = {}  # index of the row
        self.on_trouble: Callable[[str, str, str], None] = lambda *_: None
        self.counts = {"commands": 0, "confirmed": 0, "refused_in_drill": 0, "given_up": 0}

    def wants(self, kind: str, level: int) -> list[int]:
        """Return the numbers of the rows that sound for such an event."""
        return [at for at, row in enumerate(self._rows) if _is_for(row, kind, level)]

    def sound(self, event: int, drill: bool, rows: list[int], now_us: int) -> None:
        """Sound these for an event."""
        for at in rows:
            row = self._rows[at]
            if drill and not row["practice"]:
                self.counts["refused_in_drill"] += 1
                continue
            until_us = now_us + GIVE_UP_US
            # What is real goes over a drill, never the other way round.
            before = self._wanted.get(at)
            drill_now = drill and (before is None or before.drill)
            wanted = _Wanted(until_us, drill_now, row["sound_s"] * 1000, due_us=now_us)
            wanted.events = {event} | (before.events if before else set())
            self._wanted[at] = wanted
            self._send(at, wanted, now_us)

    def hush(self, event: int) -> None:
        """The event is closed: silence what no other event wants."""
        for at, wanted in list(self._wanted.items()):
            wanted.events.discard(event)
            if not wanted.events:
                del self._wanted[at]
                row = self._rows[at]
                self._command(row["device"], [row["output"], 0, wanted.drill])

    def result(self, device: str, number: int, status: int, detail: str) -> None:
        """Take the result of a command."""
        for at, wanted in self._wanted.items():
            if self._rows[at]["device"] != device or wanted.number != number:
                continue
            wanted.number = None
            if status == RESULT_DONE:
                wanted.is_confirmed = True
                self.counts["confirmed"] += 1
            else:
                # Also where the device still takes it for a drill: the mode is on its way.
                wanted.due_us -= CONFIRM_US - 1_000_000
                self._trouble(at, wanted, detail or f"status {status}")

    def tick(self, now_us: int) -> None:
        """Command again what has not confirmed; forget what is over. Once a second."""
        for at, wanted in list(self._wanted.items()):
            if wanted.is_confirmed:
                if now_us >= wanted.until_us - GIVE_UP_US + wanted.hold_ms * 1000:
                    del self._wanted[at]
            elif now_us >= wanted.until_us:
                self.counts["given_up"] += 1
                del self._wanted[at]
            elif now_us >= wanted.due_us:
                self._send(at, wanted, now_us)

    def _send(self, at: int, wanted: _Wanted, now_us: int) -> None:
        row = self._rows[at]
        arguments = [row["output"], wanted.hold_ms, wanted.drill]
        wanted.number = self._command(row["device"], arguments)
        wanted.tries += 1
        self.counts["commands"] += wanted.number is not None
        wanted.due_us = now_us + CONFIRM_US
        self._trouble(at, wanted, "no answer" if wanted.number is not None else "not connected")

    def _trouble(self, at: int, wanted: _Wanted, why: str) -> None:
        if wanted.tries == TROUBLE_TRIES:
            wanted.tries += 1  # said once
            self.on_trouble(self._rows[at]["device"], self._rows[at]["output"], why)


def _is_for(row: dict[str, Any], kind: str, level: int) -> bool:
    kinds = kinds_of(row["kinds"])
    is_of_kind = kind in kinds if kinds else kind_of(kind).is_public
    return is_of_kind and level >= LEVEL_NAMES.index(row["level"])
