"""Events: one for each thing that happens, with storm control. No I/O, given times.

    finding --> open --(level up: at once; else every update_s)--> Update ..
                  |--over for settle_s, or a person cancels--> Cancel, closed
                  '--drill ends (of a drill's event)---------> Cancel, closed

A drill and what is real never share an event. What exceeds the limit per minute waits in its event
and is joined there, the most severe first; a quarter of the limit is for emergencies alone. Every
finding is also a notice record of the hub (hub.watch), so nothing of it is lost in the log.

An acknowledgement holds for the level that the person saw: a higher one needs another.
"""

from collections import deque
from collections.abc import Container, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from hub.alerts.message import (
    ACTUAL,
    ALERT,
    CANCEL,
    EXERCISE,
    TEST,
    TEST_KIND,
    UPDATE,
    Message,
    kind_of,
)
from hub.rules.finding import EMERGENCY, INFO, WATCH, Finding

MINUTE_US = 60_000_000
STEPS_MAX = 3
REFERENCES_MAX = 50  # of a long event the first and the newest: 4 KB of text
OPEN, OVER, CANCELLED, EXPIRED = "open", "over", "cancelled", "expired"

Key = tuple[str, str, bool]  # rule, key, drill


@dataclass(frozen=True)
class Limits:
    """Of the table `alerts`; times in us."""

    per_minute: int
    update_us: int
    settle_us: int
    valid_us: int
    escalate_us: int
    is_test: bool = False

    @staticmethod
    def of(row: dict[str, Any]) -> "Limits":
        """Return the limits of the settings."""
        second_us = 1_000_000
        return Limits(
            row["per_minute"],
            update_us=row["update_s"] * second_us,
            settle_us=row["settle_s"] * second_us,
            valid_us=row["valid_s"] * second_us,
            escalate_us=row["escalate_s"] * second_us,
            is_test=row["status"] == "test",
        )


@dataclass
class Event:
    """One event; what a restart must not forget, and below it what it may.

    sent: (identifier, UTC) of its messages. acknowledged_by: empty while nobody has.
    step: how often it was escalated. is_sounded: its sirens have confirmed, or it wants none.
    """

    id: int
    rule: str
    key: str
    kind: str
    drill: bool
    level: int
    place: str
    text_ja: str
    text_en: str
    values: dict[str, float]
    started_utc_us: int
    state: str = OPEN
    findings: int = 1
    sent: list[tuple[str, int]] = field(default_factory=list)
    acknowledged_by: str = ""
    acknowledged_utc_us: int = 0
    step: int = 0
    note: str = ""
    said_over_in_drill: bool = False
    risen_utc_us: int = 0  # when it reached its level; 0: as it began

    def __post_init__(self) -> None:
        self.is_pending = True
        self.is_urgent = True
        self.last_us: int | None = None
        self.over_us: int | None = None  # when it was over
        self.waiting_since_us: int | None = None  # for an acknowledgement
        self.is_fresh = True  # a finding of this run stands behind it

    @property
    def needs_acknowledgement(self) -> bool:
        """Whether somebody must still acknowledge it."""
        return kind_of(self.kind).needs_ack and not self.acknowledged_by

    def encode(self) -> dict[str, Any]:
        """Return what a restart must not forget."""
        return asdict(self)


@dataclass(frozen=True)
class Escalation:
    """Nobody has acknowledged for so many steps: tell those of this step, too."""

    event: Event
    identifier: str
    step: int


class Desk:
    """Takes findings and what people decide; gives messages, events to save and escalations.

    name: begins every identifier. following: numbers of the next event and the next message.
    """

    def __init__(self, name: str, limits: Limits, following: tuple[int, int] = (1, 1)) -> None:
        self._name = name
        self._limits = limits
        self._next_event, self._next_sequence = following
        self._open: dict[Key, Event] = {}
        self._left_us: deque[int] = deque()
        self._is_crowded = False  # some wait for their turn
        self._output: list[Message | Event | Escalation] = []
        self.joined_count = 0  # findings that made no message of their own

    def restore(self, events: Iterable[Event], now_us: int) -> None:
        """Go on with events of an earlier run; ages begin anew."""
        for event in events:
            event.is_fresh = False
            event.is_pending = event.is_urgent = not event.sent
            event.last_us = now_us if event.sent else None
            if event.sent and event.needs_acknowledgement:
                event.waiting_since_us = now_us
            self._open[event.rule, event.key, event.drill] = event

    def stand(self, keys: Container[tuple[str, str]]) -> None:
        """Take that these findings, (rule, key), of an earlier run are not over: rules know it."""
        for event in self._open.values():
            if not event.drill and event.over_us is None and (event.rule, event.key) in keys:
                event.is_fresh = True

    def open_events(self) -> list[Event]:
        """Return the events that last, the most severe first."""
        return sorted(self._open.values(), key=lambda event: (-event.level, event.id))

    def take_output(self) -> list[Message | Event | Escalation]:
        """Return what came of all since the last call, in order."""
        output, self._output = self._output, []
        return output

    def waiting_count(self) -> int:
        """Return how many events have something to say that must wait."""
        return sum(event.is_pending for event in self._open.values())

    # Findings

    def take(self, finding: Finding, drill: bool, now_us: int, utc_us: int) -> Event | None:
        """Take a finding; return its event, None where it opens or changes none."""
        event = self._open.get((finding.rule, finding.key, drill))
        if finding.is_over:
            self._over(event, finding, drill, now_us)
            return None
        if event is None:
            if finding.level < WATCH:
                return None
            event = self._opened(finding, drill, utc_us)
        else:
            self._changed(event, finding, utc_us)
        # At once; but where others wait already, each in its turn.
        if not self._is_crowded or event.level >= EMERGENCY:
            self._forget_old(now_us)
            self._advance(event, now_us, utc_us)
        return event

    def _opened(self, finding: Finding, drill: bool, utc_us: int) -> Event:
        kind = finding.kind or finding.rule
        event = Event(self._next_event, finding.rule, finding.key, kind, drill,
                      finding.level, finding.place, finding.text_ja, finding.text_en,
                      dict(finding.values), utc_us)  # fmt: skip
        self._next_event += 1
        self._open[finding.rule, finding.key, drill] = event
        self._output.append(event)
        return event

    def _changed(self, event: Event, finding: Finding, utc_us: int) -> None:
        event.findings += 1
        event.over_us = None
        event.is_fresh = True
        event.said_over_in_drill = False
        before = (event.level, event.text_ja, event.text_en)
        now = (finding.level, finding.text_ja, finding.text_en)
        event.values = dict(finding.values)
        if now == before:
            self.joined_count += 1
            return
        if finding.level > event.level:
            event.is_urgent, event.risen_utc_us = True, utc_us
            event.acknowledged_by, event.acknowledged_utc_us, event.step = "", 0, 0
            event.waiting_since_us = None
        elif event.is_pending:
            self.joined_count += 1
        event.level, event.text_ja, event.text_en = now
        event.is_pending = True
        self._output.append(event)

    def _over(self, event: Event | None, finding: Finding, drill: bool, now_us: int) -> None:
        if event is None:
            # What ends in a drill may be the drill's: the real event stays until it is over.
            real = self._open.get((finding.rule, finding.key, False)) if drill else None
            if real is not None:
                real.said_over_in_drill = True
                self._output.append(real)
        elif event.over_us is None:
            event.over_us = now_us
            event.text_ja, event.text_en = finding.text_ja, finding.text_en
            event.values = dict(finding.values)

    def drill_ended(self, now_us: int, utc_us: int) -> None:
        """Close what was the drill's, as fast as the limit allows."""
        for event in self._open.values():
            if event.drill:
                event.over_us = now_us - self._limits.settle_us
            elif event.said_over_in_drill and event.over_us is None:
                event.over_us = now_us
        self.tick(now_us, utc_us)

    # People

    def acknowledge(self, event: Event, who: str, utc_us: int) -> bool:
        """Note who has seen it; False where that is known, or where nobody must."""
        if not event.needs_acknowledgement or (event.drill and event.state != OPEN):
            return False
        event.acknowledged_by, event.acknowledged_utc_us = who, utc_us
        self._output.append(event)
        return True

    def cancel(self, event: Event, reason: str, *, now_us: int, utc_us: int) -> bool:
        """Take an alert back; False where it is closed already."""
        if event.state != OPEN:
            return False
        self._close(event, CANCELLED, reason, now_us=now_us, utc_us=utc_us)
        return True

    def test(self, texts: tuple[str, str], now_us: int, utc_us: int) -> Message:
        """Return a message that tries the channels; it is of no event."""
        message = Message(self._identifier(), self._next_sequence, 0, ALERT, TEST, utc_us,
                          utc_us + 10 * MINUTE_US, TEST_KIND, INFO, "", *texts)  # fmt: skip
        self._next_sequence += 1
        self._left_us.append(now_us)
        self._output.append(message)
        return message

    def find(self, number: int) -> Event | None:
        """Return the open event of that number."""
        return next((one for one in self._open.values() if one.id == number), None)

    # Time

    def tick(self, now_us: int, utc_us: int) -> None:
        """Say what is due, the most severe first; to be called about once a second."""
        self._forget_old(now_us)
        self._is_crowded = False
        for event in self.open_events():
            self._advance(event, now_us, utc_us)
            self._escalate(event, now_us)

    def _forget_old(self, now_us: int) -> None:
        while self._left_us and now_us - self._left_us[0] >= MINUTE_US:
            self._left_us.popleft()

    def _advance(self, event: Event, now_us: int, utc_us: int) -> None:
        """Say of one event what is due, as far as the limit allows."""
        if event.over_us is not None and now_us - event.over_us >= self._limits.settle_us:
            if not event.sent or self._may_leave(event.level):
                self._close(event, OVER, "", now_us=now_us, utc_us=utc_us)
        elif self._is_expired(event, now_us):
            event.state = EXPIRED
            self._forget(event)
        elif self._is_due(event, now_us) and self._may_leave(event.level):
            self._publish(event, UPDATE if event.sent else ALERT, now_us, utc_us)

    def _is_due(self, event: Event, now_us: int) -> bool:
        if event.over_us is not None and event.sent:
            return False
        if event.is_urgent or event.last_us is None:
            return True
        age_us = now_us - event.last_us
        if event.is_pending:
            return age_us >= self._limits.update_us
        return event.is_fresh and age_us >= self._limits.valid_us // 2

    def _is_expired(self, event: Event, now_us: int) -> bool:
        # Of an earlier run, and no rule has spoken of it since: it ends as its message does. A
        # pressed button speaks once only: what concerns a person stays until somebody sees to it.
        is_owed = event.needs_acknowledgement and kind_of(event.kind).is_personal
        return (
            not event.is_fresh
            and not is_owed
            and event.last_us is not None
            and now_us - event.last_us >= self._limits.valid_us
        )

    def _may_leave(self, level: int) -> bool:
        limit = self._limits.per_minute
        may = len(self._left_us) < (limit if level >= EMERGENCY else limit - limit // 4)
        self._is_crowded |= not may
        return may

    def _escalate(self, event: Event, now_us: int) -> None:
        since_us = event.waiting_since_us
        if event.state != OPEN or since_us is None or not event.needs_acknowledgement:
            return
        if event.step < STEPS_MAX and now_us - since_us >= self._limits.escalate_us:
            event.step += 1
            event.waiting_since_us = now_us
            self._output += [event, Escalation(event, event.sent[-1][0], event.step)]

    # Messages

    def _identifier(self) -> str:
        return f"{self._name}-{self._next_sequence}"

    def _close(self, event: Event, state: str, note: str, *, now_us: int, utc_us: int) -> None:
        event.state, event.note = state, note
        if event.sent:
            self._publish(event, CANCEL, now_us, utc_us)
        self._forget(event)

    def _forget(self, event: Event) -> None:
        del self._open[event.rule, event.key, event.drill]
        self._output.append(event)

    def _publish(self, event: Event, kind: str, now_us: int, utc_us: int) -> None:
        status = EXERCISE if event.drill else TEST if self._limits.is_test else ACTUAL
        message = Message(self._identifier(), self._next_sequence, event.id, kind, status, utc_us,
                          utc_us + self._limits.valid_us, event.kind, event.level, event.place,
                          event.text_ja, event.text_en, dict(event.values),
                          _references(event.sent), event.findings, event.note)  # fmt: skip
        self._next_sequence += 1
        self._left_us.append(now_us)
        event.sent.append((message.identifier, utc_us))
        event.is_pending = event.is_urgent = False
        event.last_us = now_us
        if event.waiting_since_us is None and event.needs_acknowledgement:
            event.waiting_since_us = now_us
        self._output += [message, event]


def _references(sent: list[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    newest = sent[1:][-(REFERENCES_MAX - 1) :]
    return tuple(sent[:1] + newest)
