"""When something holds, in the words of people: nights, days at day care, a stay in hospital.

    22:00-06:00               every day; may pass midnight
    tue,fri 09:00-16:00       on these days of the week (that of the beginning)
    mon-fri 07:00-08:30       likewise
    2026-05-01/2026-05-07     whole days, both included

Times are local; pure functions of a local time that is given.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY = frozenset(range(7))
EXAMPLES = '"22:00-06:00", "tue,fri 09:00-16:00" or "2026-05-01/2026-05-07"'
_SPAN = re.compile(r"(?:([a-z,-]+) )?(\d\d):(\d\d)-(\d\d):(\d\d)")
_DATES = re.compile(r"(\d{4}-\d\d-\d\d)/(\d{4}-\d\d-\d\d)")


@dataclass(frozen=True)
class Schedule:
    """Minutes of a day, from inclusive to exclusive, on days of the week; or whole dates."""

    from_min: int = 0
    until_min: int = 0
    days: frozenset[int] = EVERY_DAY
    dates: tuple[date, date] | None = None

    def holds(self, local: datetime) -> bool:
        """Tell whether it holds at a local time."""
        if self.dates is not None:
            return self.dates[0] <= local.date() <= self.dates[1]
        minute, day = local.hour * 60 + local.minute, local.weekday()
        if self.from_min <= self.until_min:
            return day in self.days and self.from_min <= minute < self.until_min
        if minute >= self.from_min:
            return day in self.days
        return minute < self.until_min and (day - 1) % 7 in self.days


def parse(text: str) -> Schedule:
    """Return what a text says; ValueError with examples where it says nothing."""
    found = _DATES.fullmatch(text)
    if found is not None:
        first, last = (date.fromisoformat(one) for one in found.groups())
        if first <= last:
            return Schedule(dates=(first, last))
    found = _SPAN.fullmatch(text)
    if found is not None:
        days, *numbers = found.groups()
        from_h, from_min, until_h, until_min = map(int, numbers)
        if max(from_h, until_h) <= 24 and max(from_min, until_min) <= 59:
            return Schedule(
                from_h * 60 + from_min,
                until_h * 60 + until_min,
                _days(days) if days else EVERY_DAY,
            )
    raise ValueError(f"write {EXAMPLES}")


def _days(text: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        ends = [name in DAY_NAMES for name in ([first, last] if dash else [first])]
        if not all(ends):
            raise ValueError(f"write {EXAMPLES}")
        low = DAY_NAMES.index(first)
        high = DAY_NAMES.index(last) if dash else low
        days |= {(low + step) % 7 for step in range((high - low) % 7 + 1)}
    return frozenset(days)


def local_time(utc_us: int, offset_min: int) -> datetime:
    """Return the local time of a UTC; its zone is left out."""
    return datetime(1970, 1, 1) + timedelta(microseconds=utc_us, minutes=offset_min)
