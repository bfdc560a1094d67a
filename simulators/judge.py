"""What a scenario demands of the rules, and how far they met it: expect, allow, forbid.

A finding and its updates are one episode: an alarm of WATCH or more that is raised, perhaps grows,
and ends. An episode is true where one of its findings meets an [[expect]], neutral where one meets
an [[allow]] only (it may be said, and need not be), else it is a false alarm.

    recall = expectations met / expectations    precision = true episodes / (true + false ones)

A delay is counted from the expectation's `from_s`, which is when the thing itself begins in the
world. A change of mode is judged like a finding of the kind "mode" whose place is the mode's word;
where a row names no kind, watch is of level watch and disaster of level emergency.

`intensity_within` judges a figure: the last equivalent intensity that was said of the place,
against what simulators.plain_intensity makes of the signal there. It is said when the shaking is
over, half a minute after it, which does not scale: a run of another length leaves it out.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hub.rules.finding import EMERGENCY, INFO, LEVEL_NAMES, WATCH
from hub.settings import Document, Row

MODE = "mode"
MONTH_S = 30 * 86_400
LEVELS_OF_MODES = {"watch": WATCH, "disaster": EMERGENCY}
SAID_INTENSITY = re.compile(r"quivalent intensity (\d+\.\d)")
RAISED, OVER = "raised", "over"
ANY, ACTUAL, EXERCISE = "any", "actual", "exercise"
TABLES = {
    "expect": "Must be raised (or over) between from_s and until_s.",
    "allow": "May be raised: neither demanded nor a false alarm.",
    "forbid": "Must not be raised between from_s and until_s.",
}
SECONDS_MAX = 400 * 86_400


def _rows(table: str) -> tuple[Row, ...]:
    low = LEVEL_NAMES[WATCH] if table == "expect" else LEVEL_NAMES[0]
    return (
        Row(table, "kind", "", "", f"{TABLES[table]} Kind of finding, rule or mode; empty: any.",
            0, 32),
        Row(table, "place", "", "", "Device or site that it is about; empty: any.", 0, 64),
        Row(table, "level", low, "", "It is of this level or more.", choices=LEVEL_NAMES),
        Row(table, "words", "", "", "Words of its English or Japanese text.", 0, 200),
        Row(table, "state", RAISED, "", "Whether it is raised, or over.",
            choices=(RAISED, OVER)),
        Row(table, "drill", ANY, "", "Whether it is of a drill.", choices=(ANY, ACTUAL, EXERCISE)),
        *([Row(table, "intensity_within", 0.0, "",
               "The last intensity said of the place is that of its signal to within this; "
               "0: not judged.", 0, 3)] if table == "expect" else []),
        Row(table, "from_s", 0.0, "s", "From then on.", 0, SECONDS_MAX),
        Row(table, "until_s", -1.0, "s", "Until then; -1: the end.", -1, SECONDS_MAX),
    )  # fmt: skip


ROWS = tuple(row for table in TABLES for row in _rows(table))


@dataclass(frozen=True)
class Raised:
    """One finding, or one change of mode, as somebody outside of the rules saw it.

    episode: the same for a finding and its updates. at_s: of the scenario.
    """

    at_s: float
    kind: str
    rule: str
    place: str
    level: int
    text: str
    episode: str
    is_over: bool = False
    drill: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return it for the report."""
        return {
            "at_s": round(self.at_s, 3), "kind": self.kind, "place": self.place,
            "level": LEVEL_NAMES[self.level], "text": self.text, "is_over": self.is_over,
            "drill": self.drill,
        }  # fmt: skip


@dataclass(frozen=True)
class Demand:
    """A row of [[expect]], [[allow]] or [[forbid]]; from_s and until_s in seconds of the run."""

    kind: str
    place: str
    level: int
    words: str
    state: str
    drill: str
    from_s: float
    until_s: float
    intensity_within: float = 0.0
    intensity: float | None = None  # of the signal at the place

    def fits(self, one: Raised) -> bool:
        """Tell whether a finding is what this row speaks of."""
        is_over = one.is_over and one.kind != MODE
        if self.intensity_within:  # said of it, growing or at the end
            says = SAID_INTENSITY.search(one.text) is not None
            return one.place == self.place and says and self.from_s <= one.at_s <= self.until_s
        return (
            self.kind in ("", one.kind, one.rule)
            and self.place in ("", one.place)
            and (one.level >= self.level or is_over or self._is_mode(one))
            and is_over == (self.state == OVER)
            and self.words in one.text
            and self.drill in (ANY, EXERCISE if one.drill else ACTUAL)
            and self.from_s <= one.at_s <= self.until_s
        )

    def _is_mode(self, one: Raised) -> bool:
        """Tell whether it is a change of mode that this row speaks of, or of its level."""
        if one.kind != MODE:
            return False
        return self.kind == MODE or LEVELS_OF_MODES.get(one.place, INFO) >= self.level

    def is_near(self, one: Raised) -> bool:
        """Tell whether the intensity that a finding says, if it has to, is that of the signal."""
        if not self.intensity_within:
            return True
        said = SAID_INTENSITY.search(one.text)
        return (
            said is not None
            and self.intensity is not None
            and abs(float(said[1]) - self.intensity) <= self.intensity_within
        )

    def as_json(self) -> dict[str, Any]:
        """Return what it asks for, for the report."""
        figures = {"intensity": round(self.intensity, 2)} if self.intensity is not None else {}
        return figures | {
            "kind": self.kind, "place": self.place, "level": LEVEL_NAMES[self.level],
            "words": self.words, "state": self.state, "from_s": round(self.from_s, 1),
            "until_s": None if math.isinf(self.until_s) else round(self.until_s, 1),
        }  # fmt: skip

    def text(self) -> str:
        """Say it in a few words."""
        words = [self.kind or "anything", self.place, f'"{self.words}"' if self.words else ""]
        asked = " ".join(word for word in words if word)
        end = "the end" if math.isinf(self.until_s) else f"{self.until_s:.0f} s"
        return f"{asked} {self.state} between {self.from_s:.0f} s and {end}"


@dataclass(frozen=True)
class Demands:
    """All of a scenario. false_alarms_month: so many a month are borne, and in a shorter run."""

    expect: Sequence[Demand] = ()
    allow: Sequence[Demand] = ()
    forbid: Sequence[Demand] = ()
    false_alarms_month: float = 0.0

    @property
    def measured(self) -> set[str]:
        """Places whose intensity is judged."""
        return {one.place for one in self.expect if one.intensity_within}


def read_demands(document: Document, *, scale: float, false_alarms_month: float) -> Demands:
    """Read the three tables. scale: seconds of the run for each of the file."""
    tables: dict[str, list[Demand]] = {}
    for table in TABLES:
        rows = document.read_tables(ROWS, table)
        for at, row in enumerate(rows):
            if 0 <= row["until_s"] <= row["from_s"]:
                why, remedy = f"is {row['until_s']:g}", "Allowed: after from_s, or -1."
                raise document.error(table, "until_s", why, remedy, at=at)
        tables[table] = [
            _demand(row, scale) for row in rows if scale == 1 or not row.get("intensity_within")
        ]
    return Demands(**tables, false_alarms_month=false_alarms_month)


def with_intensities(demands: Demands, values: Mapping[str, float]) -> Demands:
    """Return them with the intensity of the signal at each place that is judged by it."""
    expect = [
        replace(one, intensity=values.get(one.place)) if one.intensity_within else one
        for one in demands.expect
    ]
    return replace(demands, expect=expect)


def _demand(row: dict[str, Any], scale: float) -> Demand:
    is_open = row["until_s"] < 0
    level = LEVEL_NAMES.index(row["level"])
    # What is raised because of the last second of the world is said while the run drains.
    until_s = math.inf if is_open else row["until_s"] * scale
    limits = {"level": level, "from_s": row["from_s"] * scale, "until_s": until_s}
    return Demand(**{**row, **limits})


def judge(demands: Demands, raised: Iterable[Raised], seconds: float) -> dict[str, Any]:
    """Return the judgement as JSON takes it. seconds: how much of the scenario was played.

    Expectations whose time was not played to its end are left out.
    """
    found = sorted(raised, key=lambda one: one.at_s)
    played = [
        one
        for one in demands.expect
        if one.from_s < seconds and (one.until_s <= seconds or math.isinf(one.until_s))
    ]
    expected = [_expected(demand, found) for demand in played]
    forbidden = [
        {**one.as_json(), "forbidden": demand.text()}
        for demand in demands.forbid
        for one in found
        if demand.fits(one)
    ]
    true, false = _episodes(demands, found)
    met = sum(one["met"] for one in expected)
    months = max(1.0, seconds / MONTH_S)
    delays = sorted(one["delay_s"] for one in expected if one["met"])
    is_few = len(false) <= demands.false_alarms_month * months
    return {
        "expected": expected,
        "forbidden": forbidden,
        "false_alarms": [one.as_json() for one in false],
        "false_alarms_by_kind": dict(Counter(one.kind for one in false)),
        "false_alarms_per_month": round(len(false) * MONTH_S / seconds, 3),
        "alarms": len(true) + len(false),
        "recall": round(met / len(expected), 4) if expected else 1.0,
        "precision": round(len(true) / (len(true) + len(false)), 4) if true or false else 1.0,
        "delay_s": {"p50": delays[len(delays) // 2], "max": delays[-1]} if delays else None,
        "ok": met == len(expected) and not forbidden and is_few,
    }


def _expected(demand: Demand, found: Sequence[Raised]) -> dict[str, Any]:
    fitting = [one for one in found if demand.fits(one)]
    first = fitting[-1 if demand.intensity_within else 0] if fitting else None
    if first is not None and not demand.is_near(first):
        return {**demand.as_json(), "met": False, "text": first.text}
    result = {**demand.as_json(), "met": first is not None}
    if first is not None:
        at_s = round(first.at_s, 3)
        result |= {"at_s": at_s, "delay_s": round(first.at_s - demand.from_s, 3),
                   "text": first.text}  # fmt: skip
    return result


def _episodes(demands: Demands, found: Sequence[Raised]) -> tuple[list[Raised], list[Raised]]:
    """Return the first finding of each true, and of each false episode."""
    true: list[Raised] = []
    false: list[Raised] = []
    running: dict[str, list[Raised]] = {}
    ended: list[list[Raised]] = []
    for one in found:
        if one.kind == MODE:
            continue
        running.setdefault(one.episode, []).append(one)
        if one.is_over:
            ended.append(running.pop(one.episode))
    for findings in sorted([*ended, *running.values()], key=lambda one: one[0].at_s):
        alarms = [one for one in findings if one.level >= WATCH and not one.is_over]
        if not alarms:
            continue
        if _meets(demands.expect, findings):
            true.append(alarms[0])
        elif not _meets(demands.allow, findings):
            false.append(alarms[0])
    return true, false


def _meets(demands: Sequence[Demand], findings: Sequence[Raised]) -> bool:
    return any(demand.fits(one) for demand in demands for one in findings)


def reasons(judgement: dict[str, Any]) -> list[str]:
    """Return why it is not ok, in English and Japanese; nothing where it is."""
    if judgement["ok"]:
        return []
    words = [
        f"never raised / 未検出: {one['kind']} {one['place']} {one['words']}".rstrip()
        for one in judgement["expected"]
        if not one["met"]
    ]
    words += [
        f"forbidden / 禁止: {one['text']} ({one['at_s']:.0f} s)" for one in judgement["forbidden"]
    ]
    false = judgement["false_alarms"]
    rate = judgement["false_alarms_per_month"]
    return words or [f"{len(false)} false alarms / 誤報, {rate} a month"]
