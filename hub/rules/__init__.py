"""Readings -> findings; one file for each kind of watch.

A rule (hub.rules.rule.Rule) is given times and readings and has no clock and no I/O. Its settings
are the rows it declares; those of all rules are in hub.toml.
"""

from collections.abc import Iterator
from typing import Any

from hub.people.seal import Seal
from hub.rules import bridge, health, quake, river, slope, watch_over
from hub.rules.finding import Finding
from hub.rules.problem import Problem
from hub.rules.rule import Rule
from hub.rules.vitals import Vitals
from hub.settings import Row

AGE_US_MAX = 600_000_000

ROWS: tuple[Row, ...] = (
    *quake.ROWS,
    *river.ROWS,
    *slope.ROWS,
    *bridge.ROWS,
    *watch_over.ROWS,
    *health.ROWS,
)
LISTS = (
    *quake.LISTS,
    *river.LISTS,
    *slope.LISTS,
    *bridge.LISTS,
    *health.LISTS,
)  # tables that are written [[name]], once for each site


def make_rules(
    tables: dict[str, Any], vitals: Vitals | None = None, secret: bytes = bytes(32)
) -> list[Rule]:
    """Return all rules. tables: those of hub.toml; secret: the hub's, for what is personal."""
    vitals = vitals or Vitals()
    offset_min = tables["mode"]["utc_offset_min"]
    return [
        quake.QuakeRule(tables["quake"], tables["seismometer"]),
        river.RiverRule(tables["river"]),
        slope.SlopeRule(tables["slope"]),
        bridge.BridgeRule(tables["bridge"]),
        watch_over.WatchOverRule(
            tables["people"], vitals, Seal(secret), utc_offset_min=offset_min
        ),
        health.HealthRule(tables["health"], tables["battery"], vitals),
    ]


def problems(tables: dict[str, Any], devices: set[str]) -> Iterator[Problem]:
    """Say what is wrong with settings that are each allowed. devices: names of those enrolled."""
    yield from quake.problems(tables, devices)
    yield from river.problems(tables, devices)
    yield from slope.problems(tables, devices)
    yield from bridge.problems(tables, devices)
    yield from health.problems(tables, devices)


__all__ = ["AGE_US_MAX", "LISTS", "ROWS", "Finding", "Rule", "make_rules", "problems"]
