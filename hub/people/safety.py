"""The safety confirmation list (安否確認): who is safe, who needs help, of whom nothing is known.

Entered by staff. A drill has a list of its own that never mixes with the real one and goes with
the drill. Rows are people of the register (by pseudonym) and whatever households staff adds.
"""

import csv
import io
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any
from xml.sax.saxutils import escape

from hub.local_time import shown

SAFE, HELP, UNKNOWN = "safe", "needs-help", "unknown"
STATES = {SAFE: "無事", HELP: "要支援", UNKNOWN: "不明"}
ORDER = (HELP, UNKNOWN, SAFE)
ROWS_MAX = 50_000
DRILL_MARK = "【訓練】[EXERCISE] "
COLUMNS = ("id", "state", "people", "place", "note", "by", "time")
COLUMNS_JA = ("番号", "安否", "人数", "場所", "備考", "入力者", "時刻")
# A cell that a spreadsheet would take for a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Status:
    """What is known of a person or household. by: who entered it."""

    id: str
    state: str = UNKNOWN
    people: int = 1
    place: str = ""
    note: str = ""
    by: str = ""
    at_utc_us: int = 0

    def row(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return asdict(self)


class SafetyList:
    """One list. rows: by id."""

    def __init__(self, drill: bool) -> None:
        self.drill = drill
        self.rows: dict[str, Status] = {}

    def expect(self, names: list[str]) -> list[Status]:
        """Add those who are not on it yet, as unknown; return them."""
        new = [Status(name) for name in names if name not in self.rows]
        self.rows.update((one.id, one) for one in new)
        return new

    def put(self, status: Status) -> Status | None:
        """Take what is known now; return what was before. ValueError where it is full or wrong."""
        if status.state not in STATES:
            raise ValueError(f"a state is one of {', '.join(STATES)}")
        if status.id not in self.rows and len(self.rows) >= ROWS_MAX:
            raise ValueError(f"the list has {ROWS_MAX} rows already")
        before = self.rows.get(status.id)
        self.rows[status.id] = status
        return before

    def sorted(self) -> list[Status]:
        """Return the rows, who needs help first."""
        return sorted(self.rows.values(), key=lambda one: (ORDER.index(one.state), one.id))

    def counts(self) -> dict[str, int]:
        """Return how many people are in each state."""
        counts: Counter[str] = Counter()
        for one in self.rows.values():
            counts[one.state] += one.people
        return {state: counts[state] for state in ORDER}


def as_csv(rows: list[Status], drill: bool, utc_offset_min: int = 540) -> str:
    """Return a CSV (RFC 4180) with a byte order mark, as spreadsheets read Japanese."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow([*COLUMNS, "exercise"])
    for one in rows:
        cells = [one.id, one.state, one.people, one.place, one.note, one.by,
                 _time(one, utc_offset_min)]  # fmt: skip
        writer.writerow([*map(_harmless, cells), "EXERCISE" if drill else ""])
    return "\ufeff" + file.getvalue()


def as_page(rows: list[Status], drill: bool, at_utc_us: int, utc_offset_min: int = 540) -> str:
    """Return a page to print: A4, Japanese and English, nothing from outside."""
    mark = DRILL_MARK if drill else ""
    head = "".join(f"<th>{ja}<br>{en}</th>" for ja, en in zip(COLUMNS_JA, COLUMNS, strict=True))
    counts = Counter(one.state for one in rows)
    total = " / ".join(f"{STATES[state]} {state}: {counts[state]}" for state in ORDER)
    body = "".join(
        f'<tr class="{one.state}">'
        + "".join(f"<td>{escape(str(cell))}</td>" for cell in (
            one.id, f"{STATES[one.state]} {one.state}", one.people, one.place, one.note, one.by,
            _time(one, utc_offset_min)))
        + "</tr>\n"
        for one in rows
    )  # fmt: skip
    style = (
        "@page{size:A4;margin:12mm}body{font:11pt sans-serif}table{border-collapse:collapse;"
        "width:100%}td,th{border:1px solid #000;padding:2px 5px;text-align:left}"
        "thead{display:table-header-group}tr{break-inside:avoid}.needs-help td{font-weight:bold}"
    )
    title = f"{mark}安否確認表 Safety confirmation list"
    when = shown(at_utc_us, utc_offset_min)
    return (
        f'<!doctype html><html lang="ja"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{style}</style><h1>{title}</h1><p>{when}　{total}</p>"
        f"<table><thead><tr>{head}</tr></thead>\n{body}</table>"
        "<p>個人情報・取扱注意 / personal: handle with care</p></html>\n"
    )


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _time(one: Status, utc_offset_min: int) -> str:
    return shown(one.at_utc_us, utc_offset_min) if one.at_utc_us else ""
