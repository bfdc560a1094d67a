"""Modes: up at once, down step by step after a dwell, and as a person sets them."""

from hub.modes import Modes
from hub.rules.finding import EMERGENCY, Finding
from protocols.vocabulary import MODE_DISASTER, MODE_NORMAL, MODE_WATCH
from tests.hub.batches import S

DWELL_S = 100


def finding(mode: int, key: str = "river-1", is_over: bool = False) -> Finding:
    """Return what a rule says."""
    return Finding("river", key, EMERGENCY, mode, "日本語", "English", is_over)


def test_a_finding_raises_the_mode_at_once_and_never_lowers_it() -> None:
    modes = Modes(MODE_NORMAL, False, DWELL_S)
    change = modes.judge(finding(MODE_DISASTER), 0)
    assert change is not None
    assert (change.mode, change.drill, change.actor, change.reason) == (
        MODE_DISASTER, False, "rule:river", "日本語 / English",
    )  # fmt: skip
    assert modes.judge(finding(MODE_WATCH), S) is None
    assert modes.mode == MODE_DISASTER


def test_the_mode_falls_one_step_for_each_dwell_in_calm() -> None:
    modes = Modes(MODE_NORMAL, False, DWELL_S)
    modes.judge(finding(MODE_DISASTER), 0)
    modes.judge(finding(MODE_NORMAL, is_over=True), 10 * S)
    changes = [(at, modes.tick(at * S)) for at in range(10, 400)]
    assert [(at, change.mode) for at, change in changes if change] == [
        (110, MODE_WATCH), (210, MODE_NORMAL),
    ]  # fmt: skip


def test_no_dwell_runs_while_a_finding_asks_for_the_mode() -> None:
    modes = Modes(MODE_NORMAL, False, DWELL_S)
    modes.judge(finding(MODE_DISASTER, "river-1"), 0)
    modes.judge(finding(MODE_WATCH, "river-2"), 0)
    assert all(modes.tick(at * S) is None for at in range(1000))
    modes.judge(finding(MODE_NORMAL, "river-1", is_over=True), 1000 * S)
    modes.tick(1000 * S)
    change = modes.tick(1100 * S)
    assert change is not None and change.mode == MODE_WATCH
    assert all(modes.tick((1100 + at) * S) is None for at in range(1000))  # river-2 asks for watch


def test_a_finding_during_the_dwell_begins_it_anew() -> None:
    modes = Modes(MODE_DISASTER, False, DWELL_S)
    modes.tick(0)
    modes.judge(finding(MODE_DISASTER), 90 * S)
    modes.judge(finding(MODE_DISASTER, is_over=True), 91 * S)
    assert modes.tick(100 * S) is None
    assert modes.tick(199 * S) is None
    assert modes.tick(200 * S) is not None


def test_a_hub_that_was_killed_in_a_disaster_comes_back_in_it_and_dwells_anew() -> None:
    modes = Modes(MODE_DISASTER, True, DWELL_S)
    assert (modes.mode, modes.drill, modes.name()) == (MODE_DISASTER, True, "disaster")
    assert modes.tick(5000 * S) is None
    assert modes.tick(5099 * S) is None
    assert modes.tick(5100 * S) is not None


def test_a_person_sets_any_mode_and_who_and_why_is_kept() -> None:
    modes = Modes(MODE_NORMAL, False, DWELL_S)
    change = modes.set(MODE_DISASTER, True, "person:sato", "drill of September")
    assert (change.mode, change.drill, change.actor) == (MODE_DISASTER, True, "person:sato")
    assert modes.reason == "drill of September"
    modes.tick(0)
    change_down = modes.tick(DWELL_S * S)
    assert change_down is not None and change_down.drill


def test_a_drill_is_over_when_the_mode_is_normal_again() -> None:
    modes = Modes(MODE_NORMAL, False, DWELL_S)
    modes.set(MODE_WATCH, True, "person:sato", "drill")
    modes.tick(0)
    change = modes.tick(DWELL_S * S)
    assert change is not None
    assert (change.mode, change.drill) == (MODE_NORMAL, False)
