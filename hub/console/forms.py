"""The forms of the desk: what an operator types -> what hub.admin is asked. Pure.

One row for each form: the least role, the command of hub.admin.Admin.handlers and how its fields
are read. What has no row here the page cannot ask for.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hub.operators import OPERATOR, WATCH_OVER, Operator, plain
from hub.people.safety import STATES

TEXT_LENGTH_MAX = 200
PEOPLE_MAX = 10_000

Values = dict[str, str]

# What is typed to confirm; Japanese first.
CONFIRMATIONS = {
    "normal": ("平常", "normal"),
    "watch": ("警戒", "watch"),
    "disaster": ("災害", "disaster"),
    "drill": ("訓練", "drill"),
}


class FormError(Exception):
    """What was typed cannot be; str() is a key of DESK_TEXTS."""


@dataclass(frozen=True)
class Form:
    """level: the least role. done: key of what is said then. back: path that follows."""

    level: int
    command: str
    read: Callable[[Values, Operator], dict[str, Any]]
    done: str
    back: str = "/desk"


def _acknowledge(values: Values, who: Operator) -> dict[str, Any]:
    event = int(_number(values, "event", 1, 1e15))
    return {"event": event, "note": _line(values, "note"), "level": _line(values, "level"),
            "personal": who.may(WATCH_OVER)}  # fmt: skip


def _set_mode(values: Values, who: Operator) -> dict[str, Any]:
    mode = values.get("mode", "")
    if mode not in CONFIRMATIONS or mode == "drill":
        raise FormError("bad_field")
    reason = _line(values, "reason", missing="bad_reason")
    _confirm(values, mode)
    return {"mode": mode, "reason": reason, "hours": _number(values, "hours", 0, 168)}


def _start_drill(values: Values, who: Operator) -> dict[str, Any]:
    _confirm(values, "drill")
    minutes = int(_number(values, "minutes", 1, 1440))
    return {"mode": values.get("mode", ""), "kind": values.get("kind", ""),
            "minutes": minutes, "reason": _line(values, "reason")}  # fmt: skip


def _end_drill(values: Values, who: Operator) -> dict[str, Any]:
    return {}


def _put_safety(values: Values, who: Operator) -> dict[str, Any]:
    state = values.get("state", "")
    if state not in STATES:
        raise FormError("bad_field")
    source = _line(values, "source")
    row = {"id": _line(values, "id", missing="bad_field"), "state": state,
           "people": int(_number(values, "people", 0, PEOPLE_MAX)),
           "place": _line(values, "place"), "note": _line(values, "note")}  # fmt: skip
    by = f"{who.viewer}: {source}" if source else who.viewer
    return {"by": by[:TEXT_LENGTH_MAX], "rows": [row], "drill": values.get("drill") == "true"}


PEOPLE = "/desk/people"
FORMS = {
    "ack": Form(OPERATOR, "alerts ack", _acknowledge, "done_ack"),
    "ack-case": Form(WATCH_OVER, "alerts ack", _acknowledge, "done_ack", PEOPLE),
    "mode": Form(OPERATOR, "mode set", _set_mode, "done_mode"),
    "drill": Form(OPERATOR, "drill start", _start_drill, "done_drill"),
    "drill-end": Form(OPERATOR, "drill stop", _end_drill, "done_drill_end"),
    "safety": Form(WATCH_OVER, "safety put", _put_safety, "done_safety", PEOPLE),
}


def _confirm(values: Values, what: str) -> None:
    if plain(values.get("confirm", "")).casefold() not in CONFIRMATIONS[what]:
        raise FormError("bad_confirm")


def _line(values: Values, name: str, missing: str = "") -> str:
    """Return one line of text; FormError where it is too long, or is not there but must be."""
    text = values.get(name, "").strip()
    if len(text) > TEXT_LENGTH_MAX or not text.isprintable():
        raise FormError("bad_field")
    if missing and not text:
        raise FormError(missing)
    return text


def _number(values: Values, name: str, low: float, high: float) -> float:
    try:
        number = float(plain(values.get(name, "") or str(low)))
    except ValueError:
        raise FormError("bad_field") from None
    if not math.isfinite(number) or not low <= number <= high:
        raise FormError("bad_field")
    return number
