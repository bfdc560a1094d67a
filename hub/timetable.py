"""The time table: modes and drills that begin by the clock of people.

A row of [[timetable]] begins at a local time on given days, and lasts for some minutes. A drill
that could not begin within LATE_US_MAX is left out; another mode begins as late as it must while
its minutes last, so that a hub that starts in the night takes part in the rest of its watch. Each
begins once: days that have begun are kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hub.rules.problem import Problem
from hub.settings import Row
from protocols.vocabulary import MODE_NAMES

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ROWS = (
    Row("timetable", "name", None, "", "Name of what begins.", 1, 64),
    Row("timetable", "days", "daily", "",
        "Days, with commas: mon, tue, wed, thu, fri, sat, sun; or daily.", 3, 32),
    Row("timetable", "week", 0, "", "Only in this week of the month; 0: in every one.", 0, 5),
    Row("timetable", "at", None, "", "Local time that it begins, as 09:30.", 5, 5),
    Row("timetable", "minutes", 30, "min", "So long it lasts.", 1, 1440),
    Row("timetable", "mode", "watch", "", "Mode that it asks for.", choices=MODE_NAMES[1:]),
    Row("timetable", "drill", True, "", "It is a drill; it begins only where all is normal."),
    Row("timetable", "text_ja", "予定された運用", "", "What is said of it, in Japanese.", 1, 240),
    Row("timetable", "text_en", "as scheduled", "", "What is said of it, in English.", 1, 240),
)  # fmt: skip
LISTS = ("timetable",)

MINUTE_US = 60_000_000
LATE_US_MAX = 5 * MINUTE_US


@dataclass(frozen=True)
class Occurrence:
    """A row that is on. day: its local date; left_us: until it ends."""

    row: dict[str, Any]
    day: str
    left_us: int

    @property
    def mark(self) -> str:
        """What tells it from every other."""
        return f"{self.row['name']} {self.day}"


class Timetable:
    """rows: of [[timetable]]. utc_offset_min: of local time. begun: marks, as begun() gave."""

    def __init__(
        self, rows: list[dict[str, Any]], utc_offset_min: int, begun: list[str] | None = None
    ) -> None:
        self._rows = rows
        self._offset = timedelta(minutes=utc_offset_min)
        self._begun = dict.fromkeys(begun or [])

    def due(self, utc_us: int) -> list[Occurrence]:
        """Return what is on now and has not begun."""
        return [
            one
            for row in self._rows
            for one in self._on(row, utc_us)
            if one.mark not in self._begun
        ]

    def begin(self, one: Occurrence) -> None:
        """Note that it has begun, or that it is left out."""
        self._begun[one.mark] = None
        while len(self._begun) > 2 * len(self._rows):  # yesterday's and today's
            del self._begun[next(iter(self._begun))]

    def begun(self) -> list[str]:
        """Return what a restart must not begin again."""
        return list(self._begun)

    def _on(self, row: dict[str, Any], utc_us: int) -> Iterator[Occurrence]:
        local = datetime.fromtimestamp(utc_us // 1_000_000, UTC) + self._offset
        hour, minute = _hour_minute(row["at"]) or (0, 0)
        midnight = local.replace(hour=0, minute=0, second=0)
        for day in (midnight - timedelta(days=1), midnight):
            start = day + timedelta(hours=hour, minutes=minute)
            late_us = int((local - start).total_seconds()) * 1_000_000
            left_us = row["minutes"] * MINUTE_US - late_us
            late_max_us = min(LATE_US_MAX, row["minutes"] * MINUTE_US) if row["drill"] else None
            is_late = left_us <= 0 or (late_max_us is not None and late_us > late_max_us)
            if late_us >= 0 and not is_late and _is_day(row, day):
                yield Occurrence(row, day.date().isoformat(), left_us)


def _is_day(row: dict[str, Any], day: datetime) -> bool:
    is_week = row["week"] in (0, (day.day + 6) // 7)
    return is_week and (row["days"] == "daily" or DAYS[day.weekday()] in _days(row["days"]))


def _days(text: str) -> list[str]:
    return [one.strip() for one in text.split(",")]


def _hour_minute(text: str) -> tuple[int, int] | None:
    hour, colon, minute = text.partition(":")
    if not colon or not (hour + minute).isascii() or not (hour + minute).isdigit():
        return None
    at = int(hour), int(minute)
    return at if at < (24, 0) and at[1] < 60 else None


def problems(tables: dict[str, Any]) -> Iterator[Problem]:
    """Say what is wrong with [[timetable]]."""
    names: set[str] = set()
    for at, row in enumerate(tables["timetable"]):
        if _hour_minute(row["at"]) is None:
            yield Problem("timetable", "at", f"is {row['at']!r}", "Write a time as 09:30.", at)
        if row["days"] != "daily" and not set(_days(row["days"])) <= set(DAYS):
            remedy = f"Write daily, or some of {', '.join(DAYS)}."
            yield Problem("timetable", "days", f"is {row['days']!r}", remedy, at)
        if row["name"] in names:
            yield Problem("timetable", "name", "is used twice", "Give each its own.", at)
        names.add(row["name"])
