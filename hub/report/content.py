"""The report as blocks: headings, lines, tables and pictures, which HTML and PDF set alike."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hub.local_time import shown
from hub.report.assess import BEFORE_S, LOOK_FIRST, LOOK_NEXT, Fault, NodeResult
from hub.report.evidence import Trace
from hub.report.picture import INK, QUIET, Curve, Picture, plot
from hub.report.words import word

QUANTITIES = {  # name: (factor to what is shown, unit, digits)
    "loss": (1.0, "%", 1),
    "moved": (1000.0, "mm", 1),
    "peak": (1.0, "m/s²", 2),
    "strain": (1e6, "μm/m", 0),
}
SPECTRUM_HZ_MAX = 12.0


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the report's own."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Line:
    """A paragraph. is_loud: as a bar across the page."""

    text: str
    is_loud: bool = False


@dataclass(frozen=True)
class Grid:
    """A table. grades: of each row 0..2, 2 being what to look at first; widths: shares."""

    head: list[str]
    rows: list[list[str]]
    widths: list[float]
    grades: list[int] = field(default_factory=list)


Block = Heading | Line | Grid | Picture


def blocks(request: dict[str, Any], results: list[NodeResult], language: str) -> list[Block]:
    """Return the report on one bridge. request: what hub.report.inspections asked for."""
    name = results[0].row["name_" + language] or request["bridge"]
    found: list[Block] = [Heading(f"{word('title', language)}: {name}", 1)]
    if request["drill"]:
        found.append(Line(word("exercise", language), is_loud=True))
    offset_min = request["utc_offset_min"]
    facts = [
        [word("cause", language), request["cause_" + language]],
        [word("event", language), shown(request["event_utc_us"], offset_min)],
        [word("made", language), shown(request["made_utc_us"], offset_min)],
        [word("until", language), word("until_text", language, BEFORE_S, request["until_s"])],
        [word("made_by", language), f"Hinomi {request['hub']}"],
    ]
    found.append(Grid([], facts, [0.22, 0.78]))
    found.append(Heading(word("verdict", language)))
    count = sum(one.score() >= LOOK_FIRST for one in results)
    text = word("verdict_first", language, count) if count else word("verdict_none", language)
    found += [Line(text), _ranking(results, language)]
    for one in results:
        found += _node(one, language, (-BEFORE_S, request["until_s"]))
    found.append(Heading(word("notes", language)))
    for key in ("note_people", "note_first", "note_temperature"):
        found.append(Line(word(key, language)))
    return found


def grade(result: NodeResult) -> int:
    """Return 2 for what to look at first, 1 for next, 0."""
    return (result.score() >= LOOK_FIRST) + (result.score() >= LOOK_NEXT)


def _ranking(results: list[NodeResult], language: str) -> Grid:
    head = [word("rank", language), word("place", language), word("look", language)]
    head += [word(name, language) for name in QUANTITIES] + [word("sensors", language)]
    rows = []
    for rank, one in enumerate(results, 1):
        look = word(("look_later", "look_next", "look_first")[grade(one)], language)
        cells = [str(rank), _place(one, language), look]
        cells += [_value(one, name, language) for name in QUANTITIES]
        rows.append([*cells, _sensors(one.faults, language)])
    widths = [0.065, 0.155, 0.085, 0.135, 0.135, 0.135, 0.135, 0.155]
    return Grid(head, rows, widths, [grade(one) for one in results])


def _node(result: NodeResult, language: str, span: tuple[float, float]) -> list[Block]:
    found: list[Block] = [Heading(f"{_place(result, language)} ({result.device})", 3)]
    head = [word("quantity", language), word("measured", language), word("limit", language)]
    rows = []
    for name, (factor, unit, digits) in QUANTITIES.items():
        limit = f"{result.quantities[name].limit * factor:.{digits}f} {unit}"
        rows.append([word(name, language), _value(result, name, language), limit])
    found.append(Grid(head, rows, [0.34, 0.4, 0.26]))
    expected_hz, after_hz = result.frequencies_hz
    if expected_hz is not None:
        key = "frequency_learned" if result.is_learned else "frequency_before"
        after = word("unknown", language) if after_hz is None else f"{after_hz:.3f} Hz"
        found.append(Line(word(key, language, expected_hz, after)))
    if result.facts["cycles"]:
        damage = result.facts["damage"]
        found.append(Line(word("fatigue", language, result.row["fatigue_class"], damage)))
    return found + list(_pictures(result, language, span))


def _pictures(result: NodeResult, language: str, span: tuple[float, float]) -> list[Picture]:
    row, found = result.row, []
    for key, channel, factor, unit in (
        ("wave", f"{row['acc']}.{row['up']}", 1.0, "m/s²"),
        ("displacement", row["displacement"], 1000.0, "mm"),
        ("strain_wave", row["strain"], 1e6, "μm/m"),
    ):
        trace = result.traces.get(channel)
        if trace is not None and len(trace.values) > 1:
            curve = _curve(trace, factor)  # what it was just before is 0
            units = (word("time_axis", language), unit)
            title = word(key, language)
            shaken = result.shaking_s
            found.append(plot(title, [curve], units, shaded=shaken, span=span))
    if result.spectra:
        found.append(_spectrum(result, language))
    return found


def _curve(trace: Trace, factor: float) -> Curve:
    """Return the trace about its median before the event, with its holes as holes."""
    before = trace.between(-BEFORE_S, 0.0).values
    values = (trace.values - np.median(before if len(before) else trace.values)) * factor
    holes = np.flatnonzero(np.diff(trace.times_s) > 1.6 * trace.spacing_s) + 1
    return Curve(np.insert(trace.times_s, holes, trace.times_s[holes]),
                 np.insert(values, holes, np.nan))  # fmt: skip


def _spectrum(result: NodeResult, language: str) -> Picture:
    curves = []
    for (frequencies, density), colour in zip(result.spectra, (QUIET, INK), strict=False):
        part = (frequencies > 0.3) & (frequencies <= SPECTRUM_HZ_MAX) & (density > 0)
        curves.append(Curve(frequencies[part], np.log10(density[part]), colour, 0.9))
    expected_hz, _ = result.frequencies_hz
    marks = []
    if expected_hz is not None:
        marks.append((expected_hz, word("mark_expected", language, expected_hz)))
    units = ("Hz", "log10 (m/s²)²/Hz")
    return plot(word("spectrum", language), curves, units, marks=marks)


def _place(result: NodeResult, language: str) -> str:
    return str(result.row["place_" + language] or result.device)


def _value(result: NodeResult, name: str, language: str) -> str:
    quantity = result.quantities[name]
    if not result.counts(name):
        return "–"
    if quantity.value is None:
        return f"{word('unknown', language)}: {word(quantity.reason, language)}"
    factor, unit, digits = QUANTITIES[name]
    return f"{quantity.value * factor:.{digits}f} {unit}".replace("-", "−")


def _sensors(faults: list[Fault], language: str) -> str:
    if not faults:
        return word("sensors_good", language)
    parts = [f"{one.channel} {word(one.what, language, one.number)}".strip() for one in faults]
    return "; ".join(parts)
