"""Who sets the mode, in words of people: "rule:quake" -> "自動判定 (地震の揺れ)"."""

from hub.rules.kinds import KINDS

_ACTORS = {
    "rule": ("自動判定", "rule"),
    "person": ("操作員", "operator"),
    "platform": ("共通基盤", "platform"),
    "timetable": ("予定表", "time table"),
    "start": ("起動", "start"),
}


def actor_texts(actor: str) -> tuple[str, str]:
    """Return who set the mode in words. actor: as in the audit log, "rule:quake"."""
    word, _, name = actor.partition(":")
    kind = KINDS.get(name)
    names = (kind.event_ja, kind.event_en) if word == "rule" and kind else (name, name)
    if name == "calm":
        names = ("平穏", "calm")
    words = _ACTORS.get(word, (word, word))
    return (
        f"{words[0]} ({names[0]})" if name else words[0],
        f"{words[1]} ({names[1]})" if name else words[1],
    )
