"""A town in virtual time: the rules hear what happens, a dead hub misses nothing, seeds repeat."""

import re
from pathlib import Path
from typing import Any

import pytest

from hub.settings import SettingsError
from simulators.fast import FastRun
from simulators.scenario import Scenario, read_scenario

HEAD = """
[scenario]
title_ja = "試験"
title_en = "Test"
seconds = 43200
pace = "virtual"
begins = "2026-06-01T06:00"
tick_s = 20

[[device]]
name = "river-1"
profile = "river-gauge"
[[device]]
name = "home-1"
profile = "home-node"
"""
FLOOD = """
[river]
stage_m = 0.6
flood = [[10800, 0.0], [18000, 2.2], [25200, 0.0]]
"""
HUB_DIES = """
[[event]]
at_s = {dies}
action = "kill_hub"
[[event]]
at_s = {lives}
action = "start_hub"
"""
PERSON = """
[home]
button_at_s = [15000]
[[watch]]
table = "person"
settings = { pseudonym = "p-001", consent = "2026-01-01", devices = ["home-1"] }
"""


def play(folder: Path, *parts: str, seconds: int | None = None, seed: int = 1) -> FastRun:
    path = folder / "mine.toml"
    path.write_text(HEAD + "".join(parts), encoding="utf-8")
    run = FastRun(read_scenario(str(path), seconds), seed=seed)
    run.report = run.run()  # type: ignore[attr-defined]
    return run


def said(run: FastRun, kind: str) -> list[tuple[float, str]]:
    return [(one.at_s, one.text) for one in run.hub.raised if one.kind == kind]


def in_words(run: FastRun, kind: str) -> list[str]:
    """Return what was said in English, without its numbers and how long ago it was."""
    texts = [text.partition(" /")[0].partition(", 2 min")[0] for _, text in said(run, kind)]
    return [re.sub(r"[-+]?\d+\.\d+", "", text) for text in texts]


def test_a_flood_is_heard_and_the_town_speeds_up_and_calms_down(tmp_path: Path) -> None:
    run = play(tmp_path, FLOOD)
    reached = [text for _, text in said(run, "river") if "reached" in text]
    words = ("standby", "caution", "decision", "danger")
    assert len(reached) == 4
    assert all(word in text for text, word in zip(reached, words, strict=True))
    assert [one["mode"] for one in run.hub.mode_changes] == [
        "watch", "disaster", "watch", "normal",
    ]  # fmt: skip
    # 2.5 m is reached at 17018 s; in watch the gauge is read every minute and heard every two.
    danger_s = next(at_s for at_s, text in said(run, "river") if "reached Flood danger" in text)
    assert 16900 < danger_s < 17018 + 180
    counts = run.reporters["river-1"].batches_count
    assert counts > 43200 / 600 + 100


def test_a_hub_that_dies_rings_no_bell_twice_and_hears_afterwards_what_it_missed(
    tmp_path: Path,
) -> None:
    whole = play(tmp_path, FLOOD, PERSON)
    broken = play(tmp_path, FLOOD, PERSON, HUB_DIES.format(dies=14700, lives=15120))
    for kind in ("river", "watch-over"):
        assert in_words(broken, kind) == in_words(whole, kind)
    pressed_s = next(at_s for at_s, text in said(broken, "watch-over") if "button" in text)
    assert pressed_s == pytest.approx(15120, abs=1)


def test_the_same_seed_makes_the_same_world_and_another_one_another(tmp_path: Path) -> None:
    runs = [play(tmp_path, FLOOD, seed=seed, seconds=20000) for seed in (4, 4, 5)]
    same, again, other = (run.hub.raised for run in runs)
    assert same == again and same
    assert [one.text for one in same] != [one.text for one in other]


def test_a_device_without_power_is_silent_and_heard_again(tmp_path: Path) -> None:
    power = """
[[event]]
at_s = 9000
action = "power_cut"
device = "river-1"
[[event]]
at_s = 12000
action = "power_on"
device = "river-1"
"""
    run = play(tmp_path, power, seconds=14400)
    times = [at_s for at_s, text in said(run, "health") if "silent" in text]
    assert len(times) == 2 and 9000 < times[0] < 9100 and 12000 <= times[1] < 12100
    assert run.reporters["river-1"].boot == 2


def test_the_report_has_the_keys_of_every_run_and_its_accounts_balance(tmp_path: Path) -> None:
    run = play(tmp_path, seconds=3600)
    report: dict[str, Any] = run.report  # type: ignore[attr-defined]
    frames = report["frames"]
    assert frames["accepted"] == frames["delivered"] + frames["stored"] + frames["evicted"]
    assert frames["sent"] > 100 and frames["lost"] == 0
    assert report["ok"] and report["pace"] == "virtual" and report["seconds"] == 3600
    fed = report["rules"]
    assert fed["river"]["batches"] == 5  # the sixth is due at the end
    assert fed["watch-over"]["batches"] <= 5, "the home is closed: nobody has consented"


@pytest.mark.parametrize("action", ["cut_line", "start_drill"])
def test_what_virtual_time_has_not_is_refused(tmp_path: Path, action: str) -> None:
    with pytest.raises(SettingsError, match="virtual time does not have"):
        play(tmp_path, f'[[event]]\nat_s = 5\naction = "{action}"\n')


def test_a_wrong_setting_of_the_hub_is_refused_as_the_hub_would(tmp_path: Path) -> None:
    watch = '[[watch]]\ntable = "river"\nsettings = { device = "river-1", levels_m = [3, 2] }\n'
    with pytest.raises(SettingsError, match=r"river\.levels_m"):
        play(tmp_path, watch)


def quickened(name: str, seconds: int) -> Scenario:
    """Return the beginning of a scenario, with its rules asked by time once a minute."""
    scenario = read_scenario(name, seconds)
    scenario.tables["scenario"]["tick_s"] = 60
    return scenario


def test_the_first_days_of_a_typhoon_are_judged() -> None:
    run = FastRun(quickened("typhoon", 153_000), seed=2)
    judgement = run.run()["judgement"]
    assert judgement["ok"] and judgement["alarms"] <= 2
    assert [one.rule for one in run.hub.raised if one.kind != "mode"][:2] == ["river", "river"]


def test_a_person_who_falls_is_found_and_nobody_else() -> None:
    scenario = quickened("household-month", 208_800)
    scenario.tables["home"]["fallen"] = [[86_400 + 32_400, 208_800]]
    run = FastRun(scenario, seed=9)
    run.run()
    assert [text.partition(" /")[0] for _, text in said(run, "watch-over")] == [
        "Watch-over p-001: no activity for 12 h",
        "Watch-over p-001: no activity for 24 h",
    ]
