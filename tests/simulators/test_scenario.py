"""Scenario files: what is wrong in one is named by line, setting and what is allowed."""

from pathlib import Path

import pytest

from hub.settings import SettingsError
from simulators.scenario import FOLDER, MENDS, read_scenario, scenario_names

QUAKE_FLOOD = (FOLDER / "quake-flood.toml").read_text(encoding="utf-8")
LAST_EVENT = 'at_s = 70\naction = "restore_line"'


def refusal(folder: Path, *edits: tuple[str, str]) -> str:
    """Return cause and remedy with which quake-flood is refused after these edits."""
    text = QUAKE_FLOOD
    for before, after in edits:
        assert text.count(before) == 1
        text = text.replace(before, after)
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        read_scenario(str(path))
    return f"{caught.value.cause} {caught.value.remedy}"


def line_of(words: str) -> int:
    return QUAKE_FLOOD[: QUAKE_FLOOD.index(words)].count("\n") + 1


@pytest.mark.parametrize("name", scenario_names())
def test_every_scenario_that_comes_along_is_good_and_ends_mended(name: str) -> None:
    scenario = read_scenario(name)
    assert scenario.devices
    breaks = sum(one.action in MENDS.values() for one in scenario.events)
    assert len(scenario.events) == 2 * breaks


def test_all_times_scale_with_the_length_of_the_run() -> None:
    scenario = read_scenario("quake-flood", 30)
    assert [event.at_us for event in scenario.events][:2] == [8_333_333, 10_666_666]
    assert scenario.pairs("river", "flood")[0][0] == 16_666_666


def test_an_event_after_the_end_is_refused(tmp_path: Path) -> None:
    words = refusal(tmp_path, (LAST_EVENT, LAST_EVENT.replace("70", "91")))
    line = line_of(LAST_EVENT)
    assert f"line {line}: event.at_s is 91" in words and "which is 90" in words


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('at_s = 25\naction = "cut_line"', 'at_s = 25\naction = "restore_line"'),
        ('at_s = 38\naction = "power_on"', 'at_s = 30\naction = "power_on"'),
        ('at_s = 48\naction = "start_hub"', 'at_s = 44\naction = "start_hub"'),
        ('at_s = 48\naction = "start_hub"', 'at_s = 48\naction = "kill_hub"'),
    ],
)
def test_nothing_breaks_twice_or_is_mended_while_whole(
    tmp_path: Path, before: str, after: str
) -> None:
    words = refusal(tmp_path, (before, after))
    assert "event.action is" in words and "nothing to" in words
    assert "kill_hub and start_hub" in words


def test_a_fault_may_last_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(QUAKE_FLOOD.replace("[[event]]\n" + LAST_EVENT, ""), encoding="utf-8")
    assert read_scenario(str(path)).events[-1].action == "start_hub"


@pytest.mark.parametrize("number", ["inf", "nan", "true", '"50"'])
def test_a_flood_of_no_finite_numbers_is_refused(tmp_path: Path, number: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(QUAKE_FLOOD.replace("[66, 2.6]", f"[66, {number}]"), encoding="utf-8")
    with pytest.raises(SettingsError, match=r"river\.flood is no such list"):
        read_scenario(str(path)).pairs("river", "flood")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe[scenario]")
    with pytest.raises(SettingsError, match="UTF-8"):
        read_scenario(str(path))
