"""Modes: up at once, down step by step after a dwell, and as a person sets them."""

import json
from typing import Any

import pytest

from hub.modes import REQUESTS_MAX, RESTORED_US_MAX, ModeError, Modes
from hub.rules.finding import EMERGENCY, WARNING, Finding
from protocols.vocabulary import MODE_DISASTER, MODE_NORMAL, MODE_WATCH
from tests.hub.batches import S

DWELL_S = 100
DWELLS_S = (DWELL_S, DWELL_S)


def finding(
    mode: int, key: str = "river-1", is_over: bool = False, level: int = EMERGENCY
) -> Finding:
    """Return what a rule says."""
    return Finding("river", key, level, mode, "日本語", "English", is_over)


def test_a_finding_raises_the_mode_at_once_and_never_lowers_it() -> None:
    modes = Modes(MODE_NORMAL, False, DWELLS_S)
    change = modes.judge(finding(MODE_DISASTER), 0)
    assert change is not None
    assert (change.mode, change.drill, change.actor, change.reason) == (
        MODE_DISASTER, False, "rule:river", "日本語 / English",
    )  # fmt: skip
    assert modes.judge(finding(MODE_WATCH), S) is None
    assert modes.mode == MODE_DISASTER


def test_the_mode_falls_one_step_for_each_dwell_in_calm() -> None:
    modes = Modes(MODE_NORMAL, False, DWELLS_S)
    modes.judge(finding(MODE_DISASTER), 0)
    modes.judge(finding(MODE_NORMAL, is_over=True), 10 * S)
    changes = [(at, modes.tick(at * S)) for at in range(10, 400)]
    assert [(at, change.mode) for at, change in changes if change] == [
        (110, MODE_WATCH), (210, MODE_NORMAL),
    ]  # fmt: skip


def test_no_dwell_runs_while_a_finding_asks_for_the_mode() -> None:
    modes = Modes(MODE_NORMAL, False, DWELLS_S)
    modes.judge(finding(MODE_DISASTER, "river-1"), 0)
    modes.judge(finding(MODE_WATCH, "river-2"), 0)
    assert all(modes.tick(at * S) is None for at in range(1000))
    modes.judge(finding(MODE_NORMAL, "river-1", is_over=True), 1000 * S)
    modes.tick(1000 * S)
    change = modes.tick(1100 * S)
    assert change is not None and change.mode == MODE_WATCH
    assert all(modes.tick((1100 + at) * S) is None for at in range(1000))  # river-2 asks for watch


def test_a_finding_during_the_dwell_begins_it_anew() -> None:
    modes = Modes(MODE_DISASTER, False, DWELLS_S)
    modes.tick(0)
    modes.judge(finding(MODE_DISASTER), 90 * S)
    modes.judge(finding(MODE_DISASTER, is_over=True), 91 * S)
    assert modes.tick(100 * S) is None
    assert modes.tick(199 * S) is None
    assert modes.tick(200 * S) is not None


def test_a_hub_that_was_killed_in_a_disaster_comes_back_in_it_and_dwells_anew() -> None:
    modes = Modes(MODE_DISASTER, True, DWELLS_S)
    assert (modes.mode, modes.drill, modes.name()) == (MODE_DISASTER, True, "disaster")
    assert modes.tick(5000 * S) is None
    assert modes.tick(5099 * S) is None
    assert modes.tick(5100 * S) is not None


def test_each_mode_has_its_own_dwell() -> None:
    modes = Modes(MODE_NORMAL, False, (10, 50))
    modes.judge(finding(MODE_DISASTER), 0)
    modes.judge(finding(MODE_NORMAL, is_over=True), 0)
    changes = [(at, modes.tick(at * S)) for at in range(100)]
    assert [(at, change.mode) for at, change in changes if change] == [
        (50, MODE_WATCH), (60, MODE_NORMAL),
    ]  # fmt: skip


def test_a_finding_that_flickers_makes_no_mode_swing() -> None:
    modes = Modes(MODE_NORMAL, False, DWELLS_S)
    changes = []
    for at in range(0, 3000, 30):
        changes += [modes.judge(finding(MODE_DISASTER, is_over=at // 30 % 2 == 1), at * S)]
        changes += [modes.tick(at * S)]
    assert [change.mode for change in changes if change] == [MODE_DISASTER]


def test_a_finding_that_tells_only_does_not_hold_the_mode() -> None:
    modes = Modes(MODE_WATCH, False, DWELLS_S)
    for at in range(DWELL_S + 1):
        modes.judge(finding(MODE_NORMAL, "health"), at * S)
        change = modes.tick(at * S)
    assert change is not None and change.mode == MODE_NORMAL


def test_a_person_sets_any_mode_and_it_falls_after_its_dwell() -> None:
    modes = Modes(MODE_NORMAL, False, DWELLS_S)
    change = modes.set(MODE_DISASTER, "person:sato", ("理由", "reason"))
    assert (change.mode, change.drill, change.actor) == (MODE_DISASTER, False, "person:sato")
    assert (change.reason, modes.reason) == ("理由 / reason", "理由 / reason")
    modes.tick(0)
    change_down = modes.tick(DWELL_S * S)
    assert change_down is not None and change_down.mode == MODE_WATCH


def test_a_person_may_hold_a_mode_for_a_time() -> None:
    modes = Modes(MODE_NORMAL, False, DWELLS_S)
    modes.set(MODE_WATCH, "person:sato", ("", ""), until_us=500 * S)
    assert [at for at in range(1000) if modes.tick(at * S)] == [500 + DWELL_S]


def test_a_person_overrules_what_stands_until_it_asks_for_more_or_comes_again() -> None:
    modes = Modes(MODE_NORMAL, False, DWELLS_S)
    modes.judge(finding(MODE_WATCH), 0)
    modes.set(MODE_NORMAL, "person:sato", ("", ""))
    assert modes.judge(finding(MODE_WATCH), S) is None and modes.mode == MODE_NORMAL
    more = modes.judge(finding(MODE_DISASTER), 2 * S)
    assert more is not None and more.mode == MODE_DISASTER
    modes.set(MODE_NORMAL, "person:sato", ("", ""))
    modes.judge(finding(MODE_DISASTER, is_over=True), 3 * S)
    again = modes.judge(finding(MODE_WATCH), 4 * S)
    assert again is not None and again.mode == MODE_WATCH


def drill(mode: int = MODE_DISASTER, until_us: int | None = None) -> Modes:
    """Return modes in a drill."""
    modes = Modes(MODE_NORMAL, False, DWELLS_S)
    change = modes.start_drill(mode, "person:sato", ("訓練", "drill"), until_us)
    assert (change.mode, change.drill, modes.drill) == (mode, True, True)
    return modes


def test_a_drill_steps_down_and_is_over_when_the_mode_is_normal_again() -> None:
    modes = drill()
    changes = [modes.tick(at * S) for at in range(3 * DWELL_S)]
    assert [(change.mode, change.drill) for change in changes if change] == [
        (MODE_WATCH, True), (MODE_NORMAL, False),
    ]  # fmt: skip


def test_findings_of_a_drill_hold_its_mode_and_leave_with_it() -> None:
    modes = drill(MODE_WATCH)
    change = modes.judge(finding(MODE_DISASTER), S, drill=True)
    assert change is not None and (change.mode, change.drill) == (MODE_DISASTER, True)
    assert all(modes.tick(at * S) is None for at in range(1000))
    assert [one.key for one in modes.exercised()] == ["river-1"]
    end = modes.end_drill("person:sato", ("終了", "over"))
    assert end is not None and (end.mode, end.drill) == (MODE_NORMAL, False)
    assert modes.exercised() == [] and modes.end_drill("person:sato", ("", "")) is None
    assert modes.judge(finding(MODE_DISASTER), S, drill=True) is None  # there is no drill
    assert modes.mode == MODE_NORMAL


@pytest.mark.parametrize("mode", [MODE_NORMAL, MODE_WATCH, MODE_DISASTER])
def test_a_real_finding_ends_a_drill_at_once_and_its_mode_is_the_real_one(mode: int) -> None:
    modes = drill()
    modes.judge(finding(MODE_DISASTER, "made-up"), S, drill=True)
    assert modes.ends_drill(finding(mode))
    change = modes.judge(finding(mode), 2 * S)
    assert change is not None and (change.mode, change.drill, modes.drill) == (mode, False, False)
    assert "実際" in change.reason and "real" in change.reason
    assert modes.exercised() == []


def test_what_is_no_emergency_and_asks_for_no_mode_ends_no_drill() -> None:
    modes = drill()
    calm = finding(MODE_NORMAL, level=WARNING)  # as of a gauge that is silent
    for one in (calm, finding(MODE_NORMAL, is_over=True), finding(MODE_DISASTER, is_over=True)):
        assert not modes.ends_drill(one)
        assert modes.judge(one, S) is None and modes.drill


def test_a_drill_begins_only_where_all_is_normal() -> None:
    for modes in (drill(), Modes(MODE_WATCH, False, DWELLS_S)):
        with pytest.raises(ModeError):
            modes.start_drill(MODE_WATCH, "person:sato", ("", ""))
    with pytest.raises(ModeError):
        Modes(MODE_NORMAL, False, DWELLS_S).start_drill(MODE_NORMAL, "person:sato", ("", ""))


def test_a_person_who_sets_a_mode_in_a_drill_ends_it() -> None:
    modes = drill()
    change = modes.set(MODE_WATCH, "person:sato", ("", ""))
    assert (change.mode, change.drill, modes.exercised()) == (MODE_WATCH, False, [])


def test_the_time_of_a_drill_is_over_when_it_was_said() -> None:
    modes = drill(until_us=60 * S)
    assert not modes.is_drill_over(59 * S) and modes.is_drill_over(60 * S)


def restarted(modes: Modes, at_us: int, then_us: int) -> Modes:
    """Return modes as a hub has them that ended at one time and began at another."""
    saved = json.loads(json.dumps(modes.save(at_us)))
    after = Modes(modes.mode, modes.drill, DWELLS_S)
    after.restore(saved, then_us)
    return after


def test_dwell_and_who_asked_outlive_a_restart() -> None:
    modes = Modes(MODE_NORMAL, False, DWELLS_S)
    modes.judge(finding(MODE_DISASTER), 0)
    after = restarted(modes, 50 * S, 7 * S)
    assert (after.actor, after.reason) == ("rule:river", "日本語 / English")
    assert all(after.tick(at * S) is None for at in range(7, 1000))
    after.judge(finding(MODE_DISASTER, is_over=True), 1000 * S)
    assert after.tick(1000 * S) is None
    later = restarted(after, 1060 * S, 3 * S)
    assert [at for at in range(3, 200) if later.tick(at * S)] == [43, 143]


def test_what_asked_before_a_restart_and_is_not_heard_of_again_is_forgotten_in_a_day() -> None:
    modes = Modes(MODE_NORMAL, False, DWELLS_S)
    modes.judge(finding(MODE_WATCH), 0)
    after = restarted(modes, S, 0)
    assert after.tick(RESTORED_US_MAX - 1) is None
    after.judge(finding(MODE_WATCH, "river-2"), RESTORED_US_MAX - 1)
    assert after.tick(2 * RESTORED_US_MAX) is None  # that one was heard of
    after.judge(finding(MODE_WATCH, "river-2", is_over=True), 2 * RESTORED_US_MAX)
    after.tick(2 * RESTORED_US_MAX)
    assert after.tick(2 * RESTORED_US_MAX + DWELL_S * S) is not None


def test_what_its_rule_knows_to_stand_outlives_a_restart_for_as_long_as_it_stands() -> None:
    modes = Modes(MODE_NORMAL, False, DWELLS_S)
    modes.judge(finding(MODE_DISASTER, "river-1"), 0)
    modes.judge(finding(MODE_WATCH, "river-2"), 0)
    again = Modes(MODE_DISASTER, False, DWELLS_S)
    again.restore(modes.save(0), 0, {("river", "river-1")})
    for hour in range(100):
        assert again.tick(hour * 3600 * S) is None
    again.judge(finding(MODE_NORMAL, "river-1", is_over=True), 400_000 * S)
    again.tick(400_000 * S)
    assert again.tick(500_000 * S) is not None


def test_a_restart_in_a_drill_is_one_in_a_drill_and_its_time_goes_on() -> None:
    modes = drill(until_us=100 * S)
    modes.judge(finding(MODE_DISASTER), 10 * S, drill=True)
    after = restarted(modes, 40 * S, 0)
    assert after.drill and [one.key for one in after.exercised()] == ["river-1"]
    assert not after.is_drill_over(59 * S) and after.is_drill_over(60 * S)


def test_memory_that_is_unsound_is_said_so() -> None:
    unsound: list[dict[str, Any]] = [{}, {"requests": [{}]}, {"requests": 3}]
    for saved in unsound:
        with pytest.raises((KeyError, TypeError, ValueError)):
            Modes(MODE_NORMAL, False, DWELLS_S).restore(saved, 0)


def test_whoever_asks_is_bounded() -> None:
    modes = Modes(MODE_NORMAL, False, DWELLS_S)
    for number in range(REQUESTS_MAX + 10):
        modes.judge(finding(MODE_WATCH, f"river-{number}"), 0)
    assert len(modes.save(0)["requests"]) == REQUESTS_MAX
