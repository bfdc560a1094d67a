"""Sirens: sounded at once, confirmed or said not to sound; silent in drills, whatever comes."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.alerts.siren import GIVE_UP_US, Answer, Sirens
from hub.rules.finding import EMERGENCY, WARNING, WATCH
from protocols.vocabulary import RESULT_DONE, RESULT_DRILL, RESULT_FAILED

S = 1_000_000


def row(device: str, **changes: Any) -> dict[str, Any]:
    return {"device": device, "output": "siren", "kinds": "", "level": "emergency",
            "sound_s": 60, "practice": False, **changes}  # fmt: skip


class Town:
    """Devices that take commands. present: those that are connected."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.commands: list[tuple[str, list[Any]]] = []
        self.answers: list[Answer] = []
        self.present = {one["device"] for one in rows}
        self.troubles: list[str] = []
        self.sirens = Sirens(list(rows), self._command)
        self.sirens.on_trouble = lambda device, output, why: self.troubles.append(why)
        self.now_us = 0

    def _command(self, device: str, arguments: list[Any], answer: Answer) -> bool:
        if device not in self.present:
            return False
        self.commands.append((device, arguments))
        self.answers.append(answer)
        return True

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now_us += S
            self.sirens.tick(self.now_us)

    def sound(self, event: int = 1, drill: bool = False, kind: str = "river") -> None:
        self.sirens.sound(event, drill, self.sirens.wants(kind, EMERGENCY), self.now_us)


def test_a_siren_is_commanded_at_once_and_once_when_it_confirms() -> None:
    town = Town(row("a"))
    town.sound()
    assert town.commands == [("a", ["siren", 60_000, False])]
    town.answers[0](RESULT_DONE, "")
    town.wait(200)
    assert len(town.commands) == 1 and town.troubles == []


def test_without_a_confirmation_it_is_commanded_again_and_people_are_told_once() -> None:
    town = Town(row("a"))
    town.sound()
    town.wait(GIVE_UP_US // S + 60)
    assert len(town.commands) == 40 and town.troubles == ["no answer"]
    assert town.sirens.counts["given_up"] == 1


def test_a_device_that_comes_back_in_time_sounds() -> None:
    town = Town(row("a"))
    town.present = set()
    town.sound()
    town.wait(20)
    assert town.commands == [] and town.troubles == ["not connected"]
    town.present = {"a"}
    town.wait(3)
    town.answers[0](RESULT_DONE, "")
    town.wait(30)
    assert len(town.commands) == 1


def test_a_device_that_comes_back_too_late_stays_silent() -> None:
    town = Town(row("a"))
    town.present = set()
    town.sound()
    town.wait(GIVE_UP_US // S + 1)
    town.present = {"a"}
    town.wait(60)
    assert town.commands == []


def test_a_device_that_refuses_is_named() -> None:
    town = Town(row("a"))
    town.sound()
    town.answers[0](RESULT_FAILED, "no output siren")
    assert town.troubles == ["no output siren"]


def test_a_device_that_still_takes_it_for_a_drill_is_told_again_at_once() -> None:
    town = Town(row("a"))
    town.sound()
    town.answers[0](RESULT_DRILL, "stays off in a drill")
    assert len(town.commands) == 2 and town.troubles == []
    town.answers[1](RESULT_DRILL, "stays off in a drill")
    assert len(town.commands) == 2 and town.troubles


def test_the_end_of_the_last_event_silences_it() -> None:
    town = Town(row("a"))
    town.sound(1)
    town.sound(2)
    town.sirens.hush(1)
    assert [arguments[1] for _, arguments in town.commands] == [60_000, 60_000]
    town.sirens.hush(2)
    assert town.commands[-1] == ("a", ["siren", 0, False])
    town.wait(60)
    assert len(town.commands) == 3


@pytest.mark.parametrize(
    ("kinds", "level", "kind", "found", "sounds"),
    [
        ("", "emergency", "river", EMERGENCY, True),
        ("", "emergency", "river", WARNING, False),
        ("", "watch", "river", WATCH, True),
        ("", "emergency", "bridge", EMERGENCY, False),  # not for the public
        ("bridge", "emergency", "bridge", EMERGENCY, True),
        ("slope-wire, slope", "warning", "slope", WARNING, True),
        ("slope-wire", "warning", "river", EMERGENCY, False),
        ("", "emergency", "nobody knows it", EMERGENCY, False),
    ],
)
def test_what_it_sounds_for(
    kinds: str, level: str, *, kind: str, found: int, sounds: bool
) -> None:
    sirens = Sirens([row("a", kinds=kinds, level=level)], lambda *_: True)
    assert sirens.wants(kind, found) == ([0] if sounds else [])


def test_what_is_real_goes_over_a_drill_and_never_the_other_way_round() -> None:
    lamp = row("a", practice=True)
    town = Town(lamp)
    town.sound(1, drill=True)
    town.sound(2)
    town.sound(3, drill=True)
    assert [arguments[2] for _, arguments in town.commands] == [True, False, False]


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["sound", "hush", "wait", "done", "drill", "failed", "away", "back"]),
        st.integers(1, 4),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=100)
@given(ACTS)
def test_no_order_of_drill_and_answers_moves_a_real_siren(acts: list[tuple[str, int]]) -> None:
    """All that is found is of a drill: the siren must never be told to sound."""
    town = Town(row("siren"), row("lamp", practice=True))
    statuses = {"done": RESULT_DONE, "drill": RESULT_DRILL, "failed": RESULT_FAILED}
    for act, number in acts:
        if act == "sound":
            town.sound(number, drill=True)
        elif act == "hush":
            town.sirens.hush(number)
        elif act == "wait":
            town.wait(number * 2)
        elif act in ("away", "back"):
            town.present = {"siren", "lamp"} if act == "back" else set()
        elif town.answers:
            town.answers[-number % len(town.answers)](statuses[act], "")
    assert all(device == "lamp" for device, _ in town.commands)
    assert all(arguments[2] is True for _, arguments in town.commands)
