"""What the desk shows: rows of hub.admin's handlers -> what its templates need. Pure."""

from hashlib import sha256
from json import dumps
from typing import Any

from hub.console.desk_texts import refusal
from hub.console.forms import CONFIRMATIONS
from hub.local_time import shown
from hub.operators import OPERATOR, WATCH_OVER, Operator
from hub.people.safety import STATES
from hub.rules.kinds import KINDS

SIGNS = {"info": "i", "watch": "!", "warning": "!!", "emergency": "!!!"}
MODES = ("normal", "watch", "disaster")
# What a drill may be of: what the public would hear of.
DRILL_KINDS = [name for name, kind in KINDS.items() if kind.is_public]

NO_LIST = "There is no safety list"  # that is no refusal: the mode is normal

Row = dict[str, Any]


def desk_context(alerts: Row, mode: Row, who: Operator, *, offset_min: int) -> dict[str, Any]:
    """Return what desk.html needs beside texts and session."""
    is_calm = mode.get("mode") == "normal"
    return {
        "alerts": [_alert(one, who, offset_min) for one in alerts["rows"]],
        "more_count": alerts["count"] - len(alerts["rows"]),
        "waiting_count": alerts["waiting"],
        "mode": {**mode, "since": _time(mode.get("since_utc_us", 0), offset_min)},
        "modes": [one for one in MODES if mode.get("drill") or one != mode.get("mode")],
        "kinds": [(name, KINDS[name]) for name in DRILL_KINDS],
        "confirmations": CONFIRMATIONS,
        "may_act": who.may(OPERATOR),
        "may_drill": is_calm and not mode.get("drill"),
        "stamp": stamp_of(alerts, mode),
    }


def people_context(cases: Row, listed: Row, *, offset_min: int) -> dict[str, Any]:
    """Return what people.html needs; cases, listed: answers of hub.admin."""
    refusals: list[tuple[str, str]] = []
    for answer in (cases, listed):
        if "error" in answer and NO_LIST not in answer["error"]:
            told = refusal(answer["error"], answer["remedy"])
            refusals += [told] if told not in refusals else []
    rows = [{**one, "time": _time(one["utc_us"], offset_min), "sign": SIGNS[one["level"]],
             "by": _person(one["acknowledged_by"])} for one in cases.get("done", [])]  # fmt: skip
    safety = listed.get("done")
    if safety is not None:
        people = [{**one, "time": _time(one["at_utc_us"], offset_min)} for one in safety["rows"]]
        safety = {**safety, "rows": people}
    return {"cases": rows, "safety": safety, "refusals": refusals, "states": list(STATES)}


def stamp_of(alerts: Row, mode: Row) -> str:
    """Return a word that is another one as soon as a view of these would be."""
    shown_now = [[mode.get(name) for name in ("mode", "drill", "since_utc_us", "reason")], alerts]
    text = dumps(shown_now, ensure_ascii=False, sort_keys=True)
    return sha256(text.encode()).hexdigest()[:16]


def _alert(one: Row, who: Operator, offset_min: int) -> Row:
    is_waiting = one["needs_ack"] and not one["acknowledged_by"]
    level = WATCH_OVER if one["is_personal"] else OPERATOR
    return {
        **one,
        "sign": SIGNS[one["level"]],
        "time": _time(one["utc_us"], offset_min),
        "is_waiting": is_waiting,
        "may_ack": is_waiting and not one["is_personal"] and who.may(level),
        "by": _person(one["acknowledged_by"]),
        "by_time": _time(one["acknowledged_utc_us"], offset_min),
    }


def _person(actor: str) -> str:
    return actor.removeprefix("person:").removesuffix("@desk")


def _time(utc_us: int, offset_min: int) -> str:
    """Return month, day and time; the year and the offset are the town's own."""
    return shown(utc_us, offset_min)[5:16] if utc_us else ""
