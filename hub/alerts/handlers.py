"""What operators may do with alerts, behind hub.admin: fields in, what is so now out."""

from typing import Any

from hub.admin import AdminError, Handler
from hub.alerts.alerts import Alerts
from hub.alerts.event import Event
from hub.alerts.message import kind_of
from hub.alerts.outbox import ACK, Request
from hub.rules.finding import LEVEL_NAMES

NOTE_LENGTH_MAX = 200
ROWS_MAX = 200  # of open events at a time, those who must be acknowledged first


def handlers(alerts: Alerts) -> dict[str, Handler]:
    """Return what hub.admin can do with the alerts of this hub."""

    def show(fields: dict[str, Any], actor: str) -> dict[str, Any]:
        # The sort is stable: the most severe first among those who wait, and among the others.
        events = sorted(alerts.open_events(), key=lambda one: not one.needs_acknowledgement)
        waiting_count = sum(one.needs_acknowledgement for one in events)
        rows = [_row(one) for one in events[:ROWS_MAX]]
        return {"count": len(events), "waiting": waiting_count, "rows": rows}

    async def acknowledge(fields: dict[str, Any], actor: str) -> dict[str, Any]:
        number, note = fields.get("event"), str(fields.get("note", "")).strip()
        if type(number) is not int or number < 1:
            raise AdminError(f"{number!r} is no number of an alert", "Give the number of one.")
        if len(note) > NOTE_LENGTH_MAX or not note.isprintable():
            raise AdminError("The note is too long", "Write one short line.")
        for event in alerts.open_events():
            if event.id == number:
                _check(event, fields)
        outcome = await alerts.carry_out(Request(0, ACK, number, actor, note))
        if outcome != "acknowledged":
            remedy = "Look at the list again: somebody was faster, or it is over."
            raise AdminError(f"Not done: {outcome}", remedy)
        return {"event": number}

    return {"alerts open": show, "alerts ack": acknowledge}


def _check(event: Event, fields: dict[str, Any]) -> None:
    """Raise AdminError where who asks may not, or saw it while it was milder.

    personal: False where not; level: the word that was shown. The command line says neither.
    """
    if fields.get("personal") is False and kind_of(event.kind).is_personal:
        raise AdminError("It concerns a person", "Let watch-over acknowledge it.")
    seen = fields.get("level")
    if seen in LEVEL_NAMES and LEVEL_NAMES.index(seen) < event.level:
        raise AdminError("It is more severe by now", "Look at it again, then acknowledge it.")


def _row(event: Event) -> dict[str, Any]:
    """Return an open event; whom it concerns is left out: that is seen with a ground."""
    kind = kind_of(event.kind)
    texts = {"text_ja": event.text_ja, "text_en": event.text_en, "place": event.place}
    if kind.is_personal:
        texts = dict.fromkeys(texts, "")
    return {
        "id": event.id, "kind": event.kind, "level": LEVEL_NAMES[event.level],
        "drill": event.drill, "event_ja": kind.event_ja, "event_en": kind.event_en, **texts,
        "utc_us": event.started_utc_us, "step": event.step, "is_personal": kind.is_personal,
        "needs_ack": kind.needs_ack, "acknowledged_by": event.acknowledged_by,
        "acknowledged_utc_us": event.acknowledged_utc_us,
    }  # fmt: skip
