"""The time table: when it begins, once, how late it may."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub import config as configuration
from hub.settings import SettingsError
from hub.timetable import ROWS, Timetable

S = 1_000_000
JAPAN_MIN = 540


def row(**fields: Any) -> dict[str, Any]:
    """Return a row as it is read from hub.toml."""
    defaults = {one.name: one.default for one in ROWS}
    return {**defaults, "name": "weekly", "at": "10:00", **fields}


def at(text: str) -> int:
    """Return UTC of a local time in Japan."""
    local = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(local.timestamp()) * S - JAPAN_MIN * 60 * S


def names(table: Timetable, text: str) -> list[str]:
    """Return what is due, and let it begin."""
    due = table.due(at(text))
    for one in due:
        table.begin(one)
    return [one.mark for one in due]


def test_a_row_begins_once_on_its_days_by_local_time() -> None:
    table = Timetable([row(days="tue, fri")], JAPAN_MIN)
    assert names(table, "2026-11-24T09:59:59") == []  # a Tuesday
    assert names(table, "2026-11-24T10:00:00") == ["weekly 2026-11-24"]
    assert names(table, "2026-11-24T10:00:01") == []
    assert names(table, "2026-11-25T10:00:00") == []
    assert names(table, "2026-11-27T10:03:00") == ["weekly 2026-11-27"]


def test_a_clock_that_is_set_back_or_a_restart_begins_nothing_again() -> None:
    rows = [row()]
    table = Timetable(rows, JAPAN_MIN)
    names(table, "2026-11-24T10:00:00")
    assert names(table, "2026-11-24T09:59:00") == []
    assert names(Timetable(rows, JAPAN_MIN, table.begun()), "2026-11-24T10:01:00") == []
    assert names(Timetable(rows, JAPAN_MIN), "2026-11-24T10:01:00") != []


def test_a_drill_that_comes_late_is_left_out_and_another_mode_lasts_for_what_is_left() -> None:
    drill, night = row(), row(name="night", at="22:00", minutes=480, drill=False)
    table = Timetable([drill, night], JAPAN_MIN)
    assert names(table, "2026-11-24T10:05:01") == []
    (one,) = table.due(at("2026-11-25T05:00:00"))  # of the day before
    assert (one.day, one.left_us) == ("2026-11-24", 3600 * S)
    assert table.due(at("2026-11-25T06:00:00")) == []


def test_a_week_of_the_month_may_be_said() -> None:
    table = Timetable([row(days="sun", week=2)], JAPAN_MIN)
    days = [f"2026-11-{day:02}T10:00:00" for day in range(1, 31)]
    assert [day for day in days if names(table, day)] == ["2026-11-08T10:00:00"]


def test_what_has_begun_does_not_grow_for_ever() -> None:
    table = Timetable([row(), row(name="other")], JAPAN_MIN)
    for day in range(1, 31):
        assert len(names(table, f"2026-11-{day:02}T10:00:00")) == 2
    assert len(table.begun()) == 4


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('name = "a"\nat = "24:00"', "timetable.at"),
        ('name = "a"\nat = "9.30x"', "timetable.at"),
        ('name = "a"\nat = "09:60"', "timetable.at"),
        ('name = "a"\nat = "09:30"\ndays = "sunday"', "timetable.days"),
        ('name = "a"\nat = "09:30"\n[[timetable]]\nname = "a"\nat = "09:30"', "used twice"),
    ],
)
def test_a_row_that_is_wrong_is_named(tmp_path: Path, text: str, why: str) -> None:
    path = configuration.init(tmp_path / "hub")
    with path.open("a") as file:
        file.write(f"[[timetable]]\n{text}\n")
    with pytest.raises(SettingsError, match=why):
        configuration.load(path)
