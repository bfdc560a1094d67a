"""What a rule says of readings: a finding, for the mode and for people."""

from collections.abc import Mapping
from dataclasses import dataclass, field

INFO, WATCH, WARNING, EMERGENCY = range(4)
LEVEL_NAMES = ("info", "watch", "warning", "emergency")


@dataclass(frozen=True)
class Finding:
    """One finding.

    key: what it is about, the same while it lasts; a new finding of the same rule and key is an
    update of the one before. mode: the least mode it asks for. kind: its row of hub.rules.kinds;
    the rule's name where empty. place: device or site that it is about, for the area of an alert.
    values: what was measured or computed, by name with its unit last (`stage_m`, `rise_m_per_h`).
    at_us: when the newest reading behind it was taken, on the hub's monotonic clock; 0: unknown.
    """

    rule: str
    key: str
    level: int
    mode: int
    text_ja: str
    text_en: str
    is_over: bool = False
    kind: str = ""
    place: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    at_us: int = 0
