"""Readings -> findings; one file for each kind of watch.

A rule (hub.rules.rule.Rule) is given times and readings and has no clock and no I/O. Its settings
are the rows it declares; those of all rules are in hub.toml.
"""

from typing import Any

from hub.rules import quake, river
from hub.rules.finding import Finding
from hub.rules.rule import Rule
from hub.settings import Row

AGE_US_MAX = 600_000_000

ROWS: tuple[Row, ...] = (*quake.ROWS, *river.ROWS)


def make_rules(tables: dict[str, Any]) -> list[Rule]:
    """Return all rules. tables: those of hub.toml."""
    return [quake.QuakeRule(tables["quake"]), river.RiverRule(tables["river"])]


__all__ = ["AGE_US_MAX", "ROWS", "Finding", "Rule", "make_rules"]
