"""Rows of [[policy]] -> what devices of a kind are told, which an agent takes."""

from pathlib import Path
from typing import Any

import pytest

from agent.policy_order import PolicyOrder
from hub import config as configuration
from hub.policy import DEVICE_KINDS, ROWS, orders
from hub.settings import SettingsError
from protocols.vocabulary import POLICY_FIELDS, RESULT_DONE
from tests.agent.fake_parts import ACC, SOIL, Core, table


def row(mode: str, kind: str, sensor: str, **fields: Any) -> dict[str, Any]:
    """Return a row as it is read from hub.toml."""
    defaults = {one.name: one.default for one in ROWS}
    return {**defaults, "mode": mode, "kind": kind, "sensor": sensor, **fields}


ALL = [
    row("normal", "river", "level", every_ms=600_000, report_ms=600_000, on="yes"),
    row("watch", "river", "level", every_ms=60_000, window_ms=0),
    row("disaster", "river", "level", every_ms=10_000, lane="life", on="yes"),
    row("disaster", "bridge", "adxl355", rate_mhz=250_000, waveform="yes", features="no"),
    row("disaster", "bridge", "acc", trigger_raw=0),
]


def test_each_kind_gets_its_own_rows_and_without_any_none() -> None:
    found = orders(ALL)
    assert sorted(found) == sorted(DEVICE_KINDS)
    assert found["home"] == [0, []]
    version, rows = found["river"]
    assert 0 < version < 1 << 32
    assert [(mode, sensor) for mode, sensor, _ in rows] == [
        (0, "level"),
        (1, "level"),
        (2, "level"),
    ]
    names = [{POLICY_FIELDS[number]: value for number, value in fields} for *_, fields in rows]
    assert names == [
        {"every_ms": 600_000, "report_ms": 600_000, "on": True},
        {"every_ms": 60_000, "window_ms": 0},
        {"every_ms": 10_000, "lane": 1, "on": True},
    ]


def test_the_version_is_that_of_the_rows_whatever_was_before() -> None:
    first, other = orders(ALL)["river"], orders(ALL[1:])["river"]
    assert first[0] != other[0]
    assert orders(ALL)["river"] == first
    assert orders([*ALL, row("watch", "slope", "tilt", report_ms=1000)])["river"] == first


def test_every_field_of_a_row_reaches_a_sensor_of_an_agent() -> None:
    values: dict[str, Any] = {
        "on": "no", "waveform": "no", "features": "yes", "lane": "alert", "report_ms": 1000,
        "rate_mhz": 50_000, "trigger_raw": 5,
    }  # fmt: skip
    rows = [
        row("watch", "bridge", "acc", **values),
        row("watch", "bridge", "soil", every_ms=1000, report_ms=2000),
    ]
    device = Core(table([ACC, SOIL], normal={"soil": {"every_ms": 60_000}}))
    order = device.operation._policy_order
    assert isinstance(order, PolicyOrder)
    assert order.take(orders(rows)["bridge"]) == (RESULT_DONE, "")
    rule = order._policy.rule(1, "acc")
    assert (rule.on, rule.waveform, rule.features, rule.lane) == (False, False, True, 0)
    assert (rule.report_us, rule.pace, rule.trigger_raw) == (1_000_000, {"rate_mhz": 50_000}, 5)
    assert order._policy.rule(1, "soil").pace == {"every_ms": 1000}
    assert {*values, "every_ms", "window_ms"} == set(POLICY_FIELDS)


WRONG = {
    "keeps everything": 'mode = "watch"\nkind = "river"\nsensor = "level"\n',
    "two rows of one mode": 'mode = "watch"\nkind = "river"\nsensor = "level"\non = "no"\n',
    "is missing": 'mode = "watch"\nkind = "river"\n',
    "is row 33": "",
}


@pytest.mark.parametrize("why", WRONG)
def test_rows_that_mean_nothing_are_named(tmp_path: Path, why: str) -> None:
    path = configuration.init(tmp_path / "hub")
    rows = [WRONG[why]]
    if why.startswith("two"):
        rows *= 2
    elif why.startswith("is row"):
        rows = [f'mode = "watch"\nkind = "river"\nsensor = "s{n}"\non = "no"\n' for n in range(33)]
    with path.open("a") as file:
        file.write("".join("[[policy]]\n" + one for one in rows))
    with pytest.raises(SettingsError, match=why):
        configuration.load(path)
