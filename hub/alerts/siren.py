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
from protocols.vocabulary import RESULT_DONE, RESULT_DRILL

CONFIRM_US = 3_000_000
GIVE_UP_US = 120_000_000  # a siren that begins later than this would mean something else
TROUBLE_TRIES = 3  # without a confirmation: then people are told

Answer = Callable[[int, str], None]  # status, detail
# device, [output, hold_ms, drill], who hears the result -> False where it is not connected.
Command = Callable[[str, list[Any], Answer], bool]


@dataclass(eq=False)
class _Wanted:
    """What one output is to do."""

    since_us: int
    drill: bool
    hold_us: int
    events: set[int] = field(default_factory=set)
    tries: int = 0
    due_us: int = 0
    is_confirmed: bool = False
    is_said: bool = False  # that it does not sound


class Sirens:
    """rows: [[siren]]. on_trouble(device, output, why): one that should sound and does not."""

    def __init__(self, rows: list[dict[str, Any]], command: Command) -> None:
        self._rows = rows
        self._command = command
        self._wanted: dict[int, _Wanted] = {}  # index of the row
        self.on_trouble: Callable[[str, str, str], None] = lambda *_: None
        self.counts = {"commands": 0, "confirmed": 0, "refused_in_drill": 0, "given_up": 0}

    def devices(self) -> list[str]:
        """Return the boards that they are wired to, each once."""
        return list(dict.fromkeys(row["device"] for row in self._rows))

    def unconfirmed_count(self) -> int:
        """Return how many were told to sound and have not confirmed it."""
        return sum(not one.is_confirmed for one in self._wanted.values())

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
            before = self._wanted.get(at)
            # What is real goes over a drill, never the other way round.
            is_drill = drill and (before is None or before.drill)
            wanted = _Wanted(now_us, is_drill, row["sound_s"] * 1_000_000)
            wanted.events = {event} | (before.events if before else set())
            self._wanted[at] = wanted
            self._send(at, wanted, now_us)

    def hush(self, event: int) -> None:
        """The event is closed: silence what no other event wants."""
        for at, wanted in list(self._wanted.items()):
            if event not in wanted.events:
                continue
            wanted.events.discard(event)
            if not wanted.events:
                del self._wanted[at]
                row = self._rows[at]
                self._command(row["device"], [row["output"], 0, wanted.drill], lambda *_: None)

    def tick(self, now_us: int) -> None:
        """Command again what has not confirmed; forget what is over. Once a second."""
        for at, wanted in list(self._wanted.items()):
            age_us = now_us - wanted.since_us
            if wanted.is_confirmed:
                if age_us >= wanted.hold_us:
                    del self._wanted[at]
            elif age_us >= GIVE_UP_US:
                self.counts["given_up"] += 1
                del self._wanted[at]
            elif now_us >= wanted.due_us:
                self._send(at, wanted, now_us)

    def _send(self, at: int, wanted: _Wanted, now_us: int) -> None:
        row = self._rows[at]
        wanted.tries += 1
        wanted.due_us = now_us + CONFIRM_US

        def answer(status: int, detail: str) -> None:
            if self._wanted.get(at) is wanted:
                self._answered(at, wanted, status, detail)

        arguments = [row["output"], wanted.hold_us // 1000, wanted.drill]
        is_sent = self._command(row["device"], arguments, answer)
        self.counts["commands"] += is_sent
        if wanted.tries >= TROUBLE_TRIES:
            self._trouble(at, wanted, "no answer" if is_sent else "not connected")

    def _answered(self, at: int, wanted: _Wanted, status: int, detail: str) -> None:
        if status == RESULT_DONE:
            self.counts["confirmed"] += not wanted.is_confirmed
            wanted.is_confirmed = True
        elif status == RESULT_DRILL and not wanted.drill and wanted.tries == 1:
            # A real event has just ended a drill: the device has heard of that by now.
            self._send(at, wanted, wanted.due_us - CONFIRM_US)
        else:
            self._trouble(at, wanted, detail or f"status {status}")

    def _trouble(self, at: int, wanted: _Wanted, why: str) -> None:
        if not wanted.is_said:
            wanted.is_said = True
            self.on_trouble(self._rows[at]["device"], self._rows[at]["output"], why)


def _is_for(row: dict[str, Any], kind: str, level: int) -> bool:
    kinds = kinds_of(row["kinds"])
    is_of_kind = kind in kinds if kinds else kind_of(kind).is_public
    return is_of_kind and level >= LEVEL_NAMES.index(row["level"])
