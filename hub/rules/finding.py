"""What a rule says of readings: a finding, for the mode and for people."""

from dataclasses import dataclass

INFO, WATCH, WARNING, EMERGENCY = range(4)
LEVEL_NAMES = ("info", "watch", "warning", "emergency")


@dataclass(frozen=True)
class Finding:
    """One finding.

    key: what it is about, the same while it lasts; mode: the least mode it asks for.
    """

    rule: str
    key: str
    level: int
    mode: int
    text_ja: str
    text_en: str
    is_over: bool = False
