"""Stages of a rollout: who is next, when it stops."""

import json

from hub.rollout import (
    FAILED,
    FETCHING,
    HEALTHY,
    PACKAGE,
    SWITCHING,
    Limits,
    Rollout,
)

NAMES = [f"device-{number:02}" for number in range(30)]
LIMITS = Limits(share_percent=10, failures_max=2, parallel=4)


def begun(names: list[str] = NAMES) -> Rollout:
    """Return a rollout in its first stage."""
    rollout = Rollout("a.release", "0.2.0", list(names))
    assert rollout.advance(names, LIMITS)
    return rollout


def finish(rollout: Rollout, state: str = HEALTHY) -> None:
    """Let all members come to this state, and go on."""
    for device in rollout.members:
        if rollout.state(device) not in (HEALTHY, FAILED, PACKAGE):
            rollout.note(device, state)
    rollout.advance(rollout.devices, LIMITS)


def test_one_device_then_a_tenth_then_all() -> None:
    rollout = begun()
    counts = []
    while not rollout.is_over():
        counts.append((rollout.stage, len(rollout.members)))
        finish(rollout)
    assert counts == [(0, 1), (1, 3), (2, 30)]
    assert rollout.count(HEALTHY) == 30 and rollout.stopped == ""


def test_a_stage_waits_for_its_slowest_device() -> None:
    rollout = begun()
    for state in (FETCHING, SWITCHING):
        rollout.note(rollout.members[0], state)
        assert not rollout.advance(NAMES, LIMITS) and rollout.stage == 0
    finish(rollout)
    rollout.note(rollout.members[1], HEALTHY)
    assert not rollout.advance(NAMES, LIMITS) and rollout.stage == 1


def test_a_failure_in_the_first_stages_stops_all() -> None:
    for stages in (0, 1):
        rollout = begun()
        for _ in range(stages):
            finish(rollout)
        rollout.note(rollout.members[-1], FAILED, "went back")
        assert rollout.advance(NAMES, LIMITS) and rollout.is_over()
        assert rollout.stopped == f"{rollout.members[-1]}: went back"
        assert rollout.stage == stages and not rollout.advance(NAMES, LIMITS)


def test_the_last_stage_bears_as_many_failures_as_are_set() -> None:
    rollout = begun()
    finish(rollout)
    finish(rollout)
    rollout.note(rollout.members[10], FAILED, "x")
    assert not rollout.advance(NAMES, LIMITS) and not rollout.is_over()
    rollout.note(rollout.members[11], FAILED, "y")
    assert rollout.advance(NAMES, LIMITS) and rollout.stopped.endswith(": y")


def test_the_first_stages_take_only_devices_that_are_there() -> None:
    rollout = Rollout("a.release", "0.2.0", list(NAMES))
    assert not rollout.advance([], LIMITS) and rollout.members == []
    assert rollout.advance([NAMES[7]], LIMITS) and rollout.members == [NAMES[7]]
    finish(rollout)
    assert len(rollout.members) == 3


def test_a_device_with_its_own_package_does_not_count() -> None:
    rollout = begun()
    rollout.note(rollout.members[0], PACKAGE, "updated by its own package")
    assert rollout.advance(NAMES, LIMITS)
    assert rollout.stage == 0 and len(rollout.members) == 2
    all_of_them = begun(NAMES[:3])
    for _ in range(3):
        finish(all_of_them, PACKAGE)
    assert all_of_them.is_over() and not all_of_them.stopped


def test_so_many_fetch_at_a_time() -> None:
    rollout = begun()
    finish(rollout)
    finish(rollout)
    first = rollout.active(LIMITS)
    assert len(first) == 4
    for device in first:
        rollout.note(device, FETCHING)
    assert rollout.active(LIMITS) == first
    rollout.note(first[0], SWITCHING)
    assert len(rollout.active(LIMITS)) == 5


def test_few_devices_have_all_stages_too() -> None:
    for count in (1, 2, 3):
        rollout = begun(NAMES[:count])
        assert len(rollout.members) == 1
        for _ in range(3):
            finish(rollout)
        assert rollout.is_over() and rollout.count(HEALTHY) == count


def test_it_comes_back_from_json_as_it_was() -> None:
    rollout = begun()
    finish(rollout)
    rollout.note(rollout.members[1], FETCHING)
    rollout.boots["device-00"] = 7
    again = Rollout.from_json(json.loads(json.dumps(rollout.to_json())))
    assert again == rollout and again.active(LIMITS) == rollout.active(LIMITS)


def test_the_same_state_twice_is_no_news() -> None:
    rollout = begun()
    assert rollout.note("device-00", FETCHING) and not rollout.note("device-00", FETCHING)
    assert rollout.note("device-00", FAILED, "a") and rollout.note("device-00", FAILED, "b")
