"""Rules: what becomes a finding, and what does not."""

from hub.rules import make_rules
from hub.rules.finding import EMERGENCY, WARNING, Finding
from hub.rules.kinds import KINDS
from hub.rules.quake import QUIET_WINDOWS, QuakeRule
from hub.rules.river import RiverRule
from protocols.vocabulary import (
    LANE_ALERT,
    LANE_STATE,
    LANE_WAVE,
    MODE_DISASTER,
    MODE_NORMAL,
    MODE_WATCH,
)
from tests.hub.batches import S, batch

RIVER = {"watch_m": 2.0, "danger_m": 3.0, "hysteresis_m": 0.2}
QUAKE = {
    "peak_m_s2": 0.5, "devices_min": 3, "window_ms": 3000, "watch_class": "4",
    "disaster_class": "5-",
}  # fmt: skip


def stages(rule: RiverRule, *values: float, device: str = "river-1") -> list[list[Finding]]:
    """Return the findings of each stage, one second apart."""
    first_us = getattr(stages, "now_us", 0) + S
    found = []
    for at, value in enumerate(values):
        found.append(rule.feed(device, batch("level", [value]), first_us + at * S))
    stages.now_us = first_us + len(values) * S  # type: ignore[attr-defined]
    return found


def asked(found: list[list[Finding]]) -> list[int | None]:
    """Return the mode that each step asks for; None where it says nothing."""
    return [findings[0].mode if findings else None for findings in found]


def test_a_river_that_rises_step_by_step_asks_for_watch_and_then_for_disaster() -> None:
    found = stages(RiverRule(RIVER), 1.0, 1.999, 2.0, 2.5, 3.0, 3.5)
    assert asked(found) == [None, None, MODE_WATCH, None, MODE_DISASTER, None]
    assert [one[0].level for one in found if one] == [WARNING, EMERGENCY]
    assert "2.00 m に達しました" in found[2][0].text_ja


def test_a_river_that_rises_through_both_levels_at_once_asks_for_disaster_at_once() -> None:
    assert asked(stages(RiverRule(RIVER), 1.0, 3.4)) == [None, MODE_DISASTER]


def test_waves_around_a_level_ring_once() -> None:
    assert asked(stages(RiverRule(RIVER), 2.0, 1.9, 2.1, 1.81, 2.0)) == [MODE_WATCH] + [None] * 4


def test_a_falling_river_asks_for_less_each_time_and_ends() -> None:
    found = stages(RiverRule(RIVER), 3.2, 2.81, 2.79, 1.81, 1.79)
    assert asked(found) == [MODE_DISASTER, None, MODE_WATCH, None, MODE_NORMAL]
    assert [one[0].is_over for one in found if one] == [False, False, True]


def test_a_river_that_falls_fast_keeps_the_hysteresis_of_the_lower_level() -> None:
    assert asked(stages(RiverRule(RIVER), 3.2, 1.9, 1.7)) == [
        MODE_DISASTER, MODE_WATCH, MODE_NORMAL,
    ]  # fmt: skip


def test_each_river_has_its_own_state() -> None:
    rule = RiverRule(RIVER)
    assert asked(stages(rule, 2.5)) == [MODE_WATCH]
    assert asked(stages(rule, 2.5, device="river-2")) == [MODE_WATCH]


def test_an_old_stage_that_comes_late_says_nothing() -> None:
    rule = RiverRule(RIVER)
    assert asked([rule.feed("river-1", batch("level", [1.0]), 100 * S)]) == [None]
    assert rule.feed("river-1", batch("level", [3.5]), 50 * S) == []


def test_the_newest_stage_of_a_batch_decides() -> None:
    rule = RiverRule(RIVER)
    assert rule.feed("river-1", batch("level", [3.5, 3.5, 1.0]), S) == []


def peak(rule: QuakeRule, device: str, at_us: int, value: float = 0.8) -> list[Finding]:
    """Feed one peak."""
    return rule.feed(device, batch("acc.peak", [value], unit="m/s2"), at_us)


def test_one_truck_is_no_quake_however_often_it_passes() -> None:
    rule = QuakeRule(QUAKE, [])
    assert [peak(rule, "bridge-1", at * S) for at in range(20)] == [[]] * 20


def test_enough_nodes_within_the_window_are_a_quake() -> None:
    rule = QuakeRule(QUAKE, [])
    assert peak(rule, "bridge-1", 0) == [] and peak(rule, "bridge-2", S) == []
    (finding,) = peak(rule, "bridge-3", 3 * S)
    assert (finding.mode, finding.level, finding.is_over) == (MODE_DISASTER, EMERGENCY, False)
    assert "0.80 m/s²" in finding.text_en and "3 地点" in finding.text_ja


def test_the_same_nodes_spread_over_more_than_the_window_are_none() -> None:
    rule = QuakeRule(QUAKE, [])
    assert [peak(rule, f"bridge-{at}", at * 2 * S) for at in range(1, 8)] == [[]] * 7


def test_weak_shaking_and_other_channels_do_not_count() -> None:
    rule = QuakeRule(QUAKE, [])
    for number in range(5):
        assert peak(rule, f"bridge-{number}", 0, 0.49) == []
        assert rule.feed(f"bridge-{number}", batch("acc.x", [9.8]), 0) == []


def test_peaks_count_by_when_they_were_measured_not_by_when_they_came() -> None:
    rule = QuakeRule(QUAKE, [])
    assert peak(rule, "bridge-1", 100 * S) == []
    assert peak(rule, "bridge-2", 10 * S) == []  # of the past: it came late
    assert peak(rule, "bridge-3", 101 * S) == []


def test_a_quake_that_grows_is_said_again_and_one_that_does_not_is_not() -> None:
    rule = QuakeRule(QUAKE, [])
    found = [len(peak(rule, f"bridge-{number}", 0)) for number in range(3)]
    found += [len(peak(rule, "bridge-1", S, value)) for value in (0.9, 1.19, 1.3, 1.4, 9.0)]
    assert found == [0, 0, 1, 0, 0, 1, 0, 1]


def test_a_quake_is_over_when_nobody_has_reported_for_some_windows() -> None:
    rule = QuakeRule(QUAKE, [])
    for number in range(3):
        peak(rule, f"bridge-{number}", 0)
    quiet_us = QUIET_WINDOWS * 3 * S
    assert rule.tick(quiet_us, 0) == []
    (finding,) = rule.tick(quiet_us + 1, 0)
    assert finding.is_over and finding.key == "quake"
    assert rule.tick(quiet_us + 2, 0) == []
    assert peak(rule, "bridge-1", quiet_us + S) == []  # it starts from nothing


def test_rules_want_only_what_concerns_them() -> None:
    quake, river = make_rules({"quake": QUAKE, "seismometer": [], "river": RIVER})
    assert quake.wants("any", "bridge", LANE_ALERT)
    assert not quake.wants("any", "bridge", LANE_WAVE)
    assert not quake.wants("any", "river", LANE_ALERT)
    assert river.wants("any", "river", LANE_STATE) and river.wants("any", "river", LANE_ALERT)
    assert not river.wants("any", "river", LANE_WAVE)
    assert not river.wants("any", "home", LANE_STATE)


def test_every_rule_has_a_name_for_people() -> None:
    assert all(
        rule.name in KINDS
        for rule in make_rules({"quake": QUAKE, "seismometer": [], "river": RIVER})
    )
