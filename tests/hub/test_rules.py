"""What holds for every rule."""

import json
from typing import Any

import pytest

from hub.rules import LISTS, ROWS, make_rules
from hub.rules.kinds import KINDS
from hub.rules.rule import Rule
from hub.rules.watch_over import WatchOverRule


def tables() -> dict[str, Any]:
    """Return the tables of all rules as a hub.toml with one site of each has them."""
    rows: dict[str, Any] = {}
    for row in ROWS:
        rows.setdefault(row.table, {})[row.name] = (
            "device-1" if row.default is None else row.default
        )
    found = {table: [values] if table in LISTS else values for table, values in rows.items()}
    return {**found, "mode": {"utc_offset_min": 540}}


@pytest.mark.parametrize(("offset_min", "hour"), [(540, 23), (0, 14), (-300, 9)])
def test_schedules_of_people_go_by_the_offset_of_the_town(offset_min: int, hour: int) -> None:
    made = make_rules({**tables(), "mode": {"utc_offset_min": offset_min}})
    rule = next(one for one in made if isinstance(one, WatchOverRule))
    rule.tick(1, 14 * 3_600_000_000)
    assert rule._local is not None and rule._local.hour == hour


@pytest.mark.parametrize("rule", make_rules(tables()), ids=lambda rule: rule.name)
def test_a_rule_has_a_name_for_people_and_a_memory_of_json(rule: Rule) -> None:
    assert rule.name in KINDS
    rule.tick(1_000_000, 0)
    saved = json.loads(json.dumps(rule.save(2_000_000)))
    rule.restore(saved, 1_000_000)
    rule.restore({}, 1_000_000)
    assert rule.tick(2_000_000, 0) == []
