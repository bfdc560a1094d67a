"""What operators may do with mode and drills, behind hub.admin: fields in, what is so now out."""

from typing import Any

from hub.admin import AdminError, Handler
from hub.modes import Texts
from hub.watch import Watch
from protocols.vocabulary import MODE_NAMES

TEXT_SIZE_MAX = 400  # of a reason, in bytes: actor and two languages of it fit a record
HOURS_MAX = 168
MINUTES_MAX = 1440


def handlers(watch: Watch) -> dict[str, Handler]:
    """Return what hub.admin can do with the mode of this hub."""

    def show(fields: dict[str, Any], actor: str) -> dict[str, Any]:
        return watch.mode_snapshot()

    def set_mode(fields: dict[str, Any], actor: str) -> dict[str, Any]:
        mode, hours = _mode(fields), _number(fields, "hours", 0, HOURS_MAX)
        texts = _texts(fields, ("操作員の指示", "by an operator"))
        watch.set_mode(mode, False, named(fields, actor), texts, hold_s=int(hours * 3600))
        return watch.mode_snapshot()

    def start(fields: dict[str, Any], actor: str) -> dict[str, Any]:
        minutes = int(_number(fields, "minutes", 1, MINUTES_MAX))
        texts = _texts(fields, ("防災訓練", "drill"))
        kind = str(fields.get("kind", "drill"))
        watch.start_drill(_mode(fields), named(fields, actor), texts, minutes=minutes, kind=kind)
        return watch.mode_snapshot()

    def stop(fields: dict[str, Any], actor: str) -> dict[str, Any]:
        texts = _texts(fields, ("訓練終了", "the drill is over"))
        if not watch.end_drill(named(fields, actor), texts):
            raise AdminError("There is no drill", "Start one: `hinomi hub drill start`.")
        return watch.mode_snapshot()

    return {"mode show": show, "mode set": set_mode, "drill start": start, "drill stop": stop}


def _mode(fields: dict[str, Any]) -> int:
    if fields.get("mode") not in MODE_NAMES:
        raise AdminError("There is no such mode", f"Known: {', '.join(MODE_NAMES)}.")
    return MODE_NAMES.index(fields["mode"])


def _number(fields: dict[str, Any], name: str, low: float, high: float) -> float:
    value = fields.get(name, low)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise AdminError(f"{name} is {value!r}", f"Allowed: {low:g} to {high:g}.")
    return value


def _texts(fields: dict[str, Any], default: Texts) -> Texts:
    reason = reason_of(fields)
    return (reason, reason) if reason else default


def reason_of(fields: dict[str, Any]) -> str:
    """Return why, as the operator wrote it, cut; or ""."""
    return _cut(str(fields.get("reason", "")).strip())


def named(fields: dict[str, Any], actor: str) -> str:
    """Return who: the user that the kernel names, and the person that this one says to be."""
    name = str(fields.get("by", "")).strip()
    return actor if not name else f"person:{_cut(name, 64)} ({actor.partition(':')[2]})"


def _cut(text: str, size_max: int = TEXT_SIZE_MAX) -> str:
    printable = "".join(one for one in text if one.isprintable())
    return printable.encode()[:size_max].decode(errors="ignore")
