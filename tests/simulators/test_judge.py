"""The judge: what must, may and must not be raised, and when; false alarms, delays, refusals."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub.rules.finding import EMERGENCY, INFO, WATCH
from hub.rules.seismic.intensity import intensity
from hub.settings import Document, SettingsError
from simulators.judge import (
    Demand,
    Demands,
    Raised,
    judge,
    read_demands,
    reasons,
    with_intensities,
)
from simulators.plain_intensity import plain_intensity
from simulators.signals.quake import Quake

RIVER = Raised(50.0, "river", "river", "river-1", WATCH, "reached Flood caution / 注意", "r1")
DAY_S = 86_400.0


def demands(text: str, scale: float = 1.0) -> Demands:
    return read_demands(Document(text, "mine.toml"), scale=scale, false_alarms_month=0.0)


def one(text: str) -> Demand:
    return demands(f'[[expect]]\nkind = "river"\n{text}').expect[0]


def judged(text: str, *raised: Raised, seconds: float = 100.0) -> dict[str, Any]:
    return judge(demands(text), raised, seconds)


def test_what_is_demanded_and_raised_in_time_is_met_with_its_delay() -> None:
    judgement = judged('[[expect]]\nkind = "river"\nfrom_s = 40\nuntil_s = 60', RIVER)
    assert judgement["ok"] and judgement["recall"] == judgement["precision"] == 1.0
    assert judgement["expected"][0]["delay_s"] == 10.0
    assert judgement["delay_s"] == {"p50": 10.0, "max": 10.0}


@pytest.mark.parametrize("at_s", [39.9, 60.1])
def test_too_early_and_too_late_are_not_met_and_a_false_alarm(at_s: float) -> None:
    judgement = judged(
        '[[expect]]\nkind = "river"\nfrom_s = 40\nuntil_s = 60', replace(RIVER, at_s=at_s)
    )
    assert not judgement["ok"] and judgement["recall"] == 0.0 and judgement["precision"] == 0.0
    assert len(judgement["false_alarms"]) == 1
    assert "never raised" in reasons(judgement)[0]


@pytest.mark.parametrize(
    ("row", "fits"),
    [
        ('place = "river-1"', True),
        ('place = "river-2"', False),
        ('words = "Flood caution"', True),
        ('words = "注意"', True),
        ('words = "Flood danger"', False),
        ('level = "watch"', True),
        ('level = "warning"', False),
        ('state = "over"', False),
        ('drill = "actual"', True),
        ('drill = "exercise"', False),
    ],
)
def test_a_demand_fits_by_place_words_level_state_and_drill(row: str, fits: bool) -> None:
    assert one(row).fits(RIVER) is fits


def test_a_drill_and_its_end_are_told_apart_from_what_is_real() -> None:
    assert one('drill = "exercise"').fits(replace(RIVER, drill=True))
    assert one('state = "over"').fits(replace(RIVER, is_over=True, level=INFO))
    assert not one("").fits(replace(RIVER, is_over=True))


def test_updates_of_one_episode_are_one_alarm_and_a_new_one_after_its_end_another() -> None:
    over = replace(RIVER, at_s=60.0, is_over=True, level=INFO)
    worse = replace(RIVER, at_s=55.0, level=EMERGENCY)
    again = replace(RIVER, at_s=70.0)
    judgement = judged("", RIVER, worse, over, again)
    assert [alarm["at_s"] for alarm in judgement["false_alarms"]] == [50.0, 70.0]


def test_an_episode_that_grows_into_what_is_demanded_is_true_as_a_whole() -> None:
    worse = replace(RIVER, at_s=55.0, level=EMERGENCY)
    judgement = judged('[[expect]]\nkind = "river"\nlevel = "emergency"', RIVER, worse)
    assert judgement["ok"] and judgement["alarms"] == 1


def test_what_is_allowed_is_neither_true_nor_false() -> None:
    judgement = judged('[[allow]]\nkind = "river"', RIVER)
    assert judgement["ok"] and judgement["alarms"] == 0 and judgement["precision"] == 1.0


def test_information_is_no_alarm() -> None:
    assert judged("", replace(RIVER, level=INFO))["ok"]


def test_what_is_forbidden_fails_even_where_it_is_allowed() -> None:
    text = '[[allow]]\nkind = "river"\n[[forbid]]\nkind = "river"\nuntil_s = 51'
    judgement = judged(text, RIVER)
    assert not judgement["ok"] and "forbidden" in reasons(judgement)[0]
    assert judged(text, replace(RIVER, at_s=52.0))["ok"]


def test_a_change_of_mode_is_judged_by_its_word_and_is_no_alarm() -> None:
    change = Raised(20.0, "mode", "mode", "disaster", 0, "disaster: rule:quake", "mode")
    assert judged('[[expect]]\nkind = "mode"\nplace = "disaster"', change)["ok"]
    assert judged("", change)["alarms"] == 0
    assert not judged('[[forbid]]\nkind = "mode"', change)["ok"]


@pytest.mark.parametrize(("count", "is_ok"), [(12, True), (13, False)])
def test_false_alarms_are_counted_by_the_month(count: int, is_ok: bool) -> None:
    alarms = [replace(RIVER, at_s=at * DAY_S, episode=str(at)) for at in range(count)]
    judgement = judge(Demands(false_alarms_month=1.0), alarms, 365 * DAY_S)
    assert judgement["ok"] is is_ok
    assert judgement["false_alarms_per_month"] == pytest.approx(count * 30 / 365, abs=0.001)
    assert is_ok or "false alarms" in reasons(judgement)[0]


@pytest.mark.parametrize(
    ("level", "word", "fits"),
    [("warning", "watch", False), ("warning", "disaster", True), ("watch", "watch", True),
     ("watch", "normal", False), ("info", "normal", True)],
)  # fmt: skip
def test_a_change_of_mode_has_the_level_of_its_word(level: str, word: str, fits: bool) -> None:
    change = Raised(50.0, "mode", "mode", word, INFO, f"{word}: rule:river", "mode")
    assert judged(f'[[forbid]]\nlevel = "{level}"', change)["ok"] == (not fits)


def test_a_demand_that_was_not_played_to_its_end_is_left_out() -> None:
    text = '[[expect]]\nkind = "river"\nfrom_s = 40\nuntil_s = 200\n[[expect]]\nfrom_s = 300'
    assert judged(text, seconds=100.0)["expected"] == []


def test_times_of_a_scaled_run_scale() -> None:
    expect = demands("[[expect]]\nfrom_s = 40\nuntil_s = 60", scale=0.5).expect[0]
    assert (expect.from_s, expect.until_s) == (20.0, 30.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[expect]]\nfrom_s = 60\nuntil_s = 40", ["line 3", "until_s is 40", "after from_s"]),
        ('[[forbid]]\nlevel = "loud"', ["line 2", "forbid.level", '"emergency"']),
        ("[[allow]]\nplaces = 1", ["allow.places", "is unknown"]),
    ],
)  # fmt: skip
def test_a_wrong_demand_is_named_by_line(text: str, words: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        demands(text)
    message = f"{caught.value.cause} {caught.value.remedy}"
    assert all(word in message for word in words), message


def test_every_scenario_demands_something() -> None:
    from simulators.scenario import FOLDER, read_scenario

    for path in Path(FOLDER).glob("*.toml"):
        found = read_scenario(path.stem).demands
        assert found.expect or found.forbid, path


SAID = Raised(70.0, "quake", "quake", "ground-1", INFO,
              "Largest equivalent intensity 5.3, class 5 upper: ground-1", "q1", True)  # fmt: skip
ASKED = '[[expect]]\nkind = "quake"\nplace = "ground-1"\nintensity_within = 0.2'


@pytest.mark.parametrize(
    ("made", "met"), [(5.11, True), (5.49, True), (5.09, False), (5.51, False), (None, False)]
)
def test_the_last_intensity_that_is_said_is_held_against_that_of_the_signal(
    made: float | None, met: bool
) -> None:
    values = {} if made is None else {"ground-1": made}
    earlier = replace(SAID, at_s=50.0, text="equivalent intensity 4.1, class 4: ground-1")
    other = replace(SAID, at_s=80.0, text="equivalent intensity 2.0: ground-2", place="ground-2")
    found = judge(with_intensities(demands(ASKED), values), [SAID, earlier, other], 100.0)
    assert found["expected"][0]["met"] == met and found["ok"] == met
    assert not judge(with_intensities(demands(ASKED), values), [other], 100.0)["ok"]


def test_a_run_of_another_length_is_not_judged_by_figures() -> None:
    assert demands(ASKED).measured == {"ground-1"} and demands(ASKED, 0.5).measured == set()


def test_the_plain_intensity_is_that_of_the_rules_arithmetic() -> None:
    quake = Quake(start_us=20_000_000, peak_m_s2=2.5, seed=4, duration_us=20_000_000)
    rows = [quake.sample(10_000_000 + at * 10_000) for at in range(4000)]
    said = intensity(np.array(rows).T * 100, 100_000)
    assert plain_intensity(quake, 20_000_000, 40_000_000) == pytest.approx(said, abs=1e-6)
