"""Readings -> findings; one file for each kind of watch.

A rule is an object with `name`, `wants(kind, lane)`, `feed(device, batch, at_us)` and
`tick(now_us)`; the last two return findings. It is given times and readings and has no clock and
no I/O. at_us: when the newest reading of the batch was taken, on the hub's monotonic clock; what
is older than AGE_US_MAX is history and no rule hears of it.
"""

from typing import Any

from hub.rules.finding import Finding
from hub.rules.quake import QuakeRule
from hub.rules.river import RiverRule

Rule = QuakeRule | RiverRule

AGE_US_MAX = 600_000_000


def make_rules(tables: dict[str, dict[str, Any]]) -> list[Rule]:
    """Return all rules. tables: those of hub.toml."""
    return [QuakeRule(tables["quake"]), RiverRule(tables["river"])]


__all__ = ["Finding", "Rule", "make_rules"]
