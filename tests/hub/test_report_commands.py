"""`hinomi hub report` and `weigh`, against the hub's own handlers."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hub.admin import AdminError
from hub.commands import CommandError
from hub.report.handlers import handlers
from hub.report.inspections import Inspections
from hub.report_commands import _calibrated
from hub.rules.bridge import BridgeRule
from hub.rules.structure.weight import Passage, calibrated
from tests.hub.bridge_parts import ROW, S
from tests.hub.report_parts import learned_rule


def desk(folder: Path, rule: BridgeRule) -> Inspections:
    settings = {"delay_s": 180, "keep_count": 2}
    return Inspections(rule, folder, settings, hub="hub-1", utc_us=lambda now_us: now_us)


def test_an_operator_orders_a_report_on_a_bridge_that_is_there(tmp_path: Path) -> None:
    rule = learned_rule()
    inspections = desk(tmp_path, rule)
    make = handlers(inspections, rule)["report make"]
    (name,) = make({"bridge": "ohashi", "minutes": 5}, "person:root")["names"]
    assert name.endswith("-ohashi") and len(inspections._waiting) == 1
    for wrong in ({"bridge": "nobody"}, {"minutes": 0}, {"minutes": True}):
        with pytest.raises(AdminError):
            make(wrong, "person:root")
    with pytest.raises(AdminError):
        handlers(desk(tmp_path, BridgeRule([])), BridgeRule([]))["report make"]({}, "x")


def test_passages_are_listed_with_their_weights() -> None:
    rule = BridgeRule([{**ROW, "tonnes_per_um_m": 0.1}])
    rule.nodes["bridge-1"].passages_kept.append(Passage(5 * S, 200.0, 60.0, 2.5))
    found = handlers(desk(Path("unused"), rule), rule)["passages"]({"device": "bridge-1"}, "x")
    assert found["rows"][0]["tonnes"] == pytest.approx(20.0)
    assert json.dumps(found)
    with pytest.raises(AdminError):
        handlers(desk(Path("unused"), rule), rule)["passages"]({"device": "nobody"}, "x")


def test_after_a_repair_a_node_learns_anew() -> None:
    rule = learned_rule()
    done = handlers(desk(Path("unused"), rule), rule)["relearn"]({"device": "bridge-2"}, "x")
    assert done == {"baseline_h": 24.0}
    assert rule.nodes["bridge-2"].frequency.line.count == 0
    assert rule.nodes["bridge-2"].references == [] != rule.nodes["bridge-1"].references


def test_trucks_of_known_weight_give_the_factor() -> None:
    noon = datetime.now().astimezone().replace(hour=12, minute=0, second=0, microsecond=0)
    rows = [
        {"utc_us": (noon + timedelta(minutes=at)).timestamp() * 1e6, "measure": measure}
        for at, measure in enumerate((200.0, 210.0, 50.0))
    ]
    found = _calibrated(rows, ["12:00:03=20", "12:01:00=20.5"])
    assert found["factor"] == pytest.approx(calibrated([200, 210], [20, 20.5])[0])
    assert 0 < found["percent_95"] < 10
    for wrong in (["12:00:00=20"], ["12:00:00=20", "13:00:00=20"], ["12:00:00=20", "12:01:00=0"]):
        with pytest.raises(CommandError):
            _calibrated(rows, wrong)
