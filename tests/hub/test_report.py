"""The inspection report: what it says of a damaged bridge, and its files by the real worker."""

import json
import resource
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub.modes import Change
from hub.report.assess import NodeResult, assess
from hub.report.evidence import Span, Trace, _Found, _take, _traces, read
from hub.report.inspections import NAME, QUIET_S, Inspections, report_name
from hub.report.picture import COLUMNS, Curve, plot, to_svg
from hub.report.words import WORDS
from hub.report.worker import FILES
from hub.rules.finding import EMERGENCY, WATCH, Finding
from protocols.batch import Series, encode_batch
from protocols.vocabulary import MODE_DISASTER, MODE_WATCH
from tests.hub.bridge_parts import S
from tests.hub.report_parts import AFTER_S, EVENT_US, OFFSET_US, fill, learned_rule, request
from tests.real_parts import need


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("store"))


def judged(store: Path, until_s: float = 200.0) -> dict[str, NodeResult]:
    """Return the results of the three nodes, in their order."""
    asked = request(store, Path("unused"), until_s=until_s)
    zero_us = EVENT_US - OFFSET_US
    spans = {
        device: Span(1, zero_us - 180 * S, zero_us + round(until_s * S), zero_us)
        for device in asked["nodes"]
    }
    results = assess(asked["nodes"], read(store, spans), until_s)
    return {one.device: one for one in results}


def test_the_damaged_place_comes_first_and_what_nobody_knows_before_what_is_well(
    store: Path,
) -> None:
    results = judged(store)
    assert list(results) == ["bridge-2", "bridge-3", "bridge-1"]
    damaged, silent, well = results.values()
    assert damaged.quantities["loss"].value == pytest.approx(6.0, abs=1.5)
    assert damaged.quantities["moved"].value == pytest.approx(0.014, abs=0.0005)
    assert damaged.quantities["peak"].value == pytest.approx(2.63, abs=0.1)
    assert damaged.shaking_s == pytest.approx((0.0, 20.0), abs=4.0)
    assert damaged.is_learned and not damaged.faults
    assert silent.is_unknown() and silent.score() == 1.0
    assert silent.faults[0].what == "silent"
    assert silent.faults[0].number == pytest.approx(175, abs=10)
    assert well.score() < 1 and well.quantities["moved"].value == 0.0
    assert well.quantities["loss"].value == pytest.approx(0.0, abs=1.5)


def test_too_little_after_the_shaking_is_not_computable(store: Path) -> None:
    results = judged(store, until_s=45.0)
    damaged = results["bridge-2"]
    assert results["bridge-1"].score() == 1.0  # well or not: nobody knows
    assert damaged.quantities["loss"].value is None
    assert damaged.quantities["loss"].reason == "too little after the shaking"
    assert damaged.quantities["moved"].value == pytest.approx(0.014, abs=0.001)


def test_a_node_without_data_is_judged_unknown_and_one_without_a_sensor_is_not() -> None:
    facts = learned_rule().facts("bridge-1", EVENT_US)
    (one,) = assess({"bridge-1": facts}, {}, 200.0)
    assert one.score() == 1.0 and one.is_unknown()
    assert one.quantities["strain"].reason == "" and not one.counts("strain")


def test_the_waveform_of_an_event_and_what_follows_it_are_one_trace() -> None:
    found = _Found()
    for second, channel in enumerate(("acc.z.event", "acc.z")):
        series = Series(channel, "m/s2", (-3, 1), second * S, spacing_ns=500_000_000,
                        values=[1, 2])  # fmt: skip
        _take(encode_batch((1, second, 3, second * S), [series]), Span(1, 0, 9 * S, 0), found)
    (trace,) = _traces(found).values()
    assert trace.times_s.tolist() == [0.0, 0.5, 1.0, 1.5]


def test_traces_tell_their_holes() -> None:
    times_s = np.concatenate([np.arange(0, 10, 0.1), np.arange(15, 20, 0.1)])
    trace = Trace(times_s, np.ones(len(times_s)), 0.1)
    assert [len(run) for run in trace.runs()] == [100, 50]
    assert trace.share(0, 20) == pytest.approx(0.75)


def test_only_the_boot_and_time_asked_for_is_read(store: Path) -> None:
    zero_us = EVENT_US - OFFSET_US
    span = Span(1, zero_us - 20 * S, zero_us - 10 * S, zero_us)
    traces = read(store, {"bridge-1": span})["bridge-1"]
    times_s = traces["acc.z"].times_s
    assert times_s[0] >= -20 and times_s[-1] <= -10 and np.all(np.diff(times_s) > 0)
    assert set(traces) == {"acc.x", "acc.y", "acc.z", "displacement", "strain"}
    assert read(store, {"bridge-1": span._replace(boot=2)}) == {"bridge-1": {}}


class Tags(HTMLParser):
    """What an HTML file is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        if tag not in ("meta", "rect", "polyline"):
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def made(store: Path, folder: Path, *, drill: bool) -> Path:
    """Make a report by the worker as the hub does; return its folder."""
    asked = request(store, folder / "reports" / "20261123-010203-ohashi", drill=drill)
    path = folder / "request.json"
    path.write_text(json.dumps(asked), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "hub.report.worker", str(path)], timeout=60, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    return Path(asked["folder"])


def test_worker_makes_whole_files_in_both_languages_within_its_memory(
    store: Path, tmp_path: Path
) -> None:
    # Of all children of this process so far: tells only where none before took more.
    before_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    folder = made(store, tmp_path, drill=True)
    assert {one.name for one in folder.iterdir()} == {*FILES, "report.json"}
    for language, words in (("ja", "はじめに見る場所"), ("en", "Where to look first")):
        text = (folder / f"{language}.html").read_text(encoding="utf-8")
        tags = Tags(text)
        assert tags.open == [] and tags.links == [] and "script" not in tags.names
        assert tags.names.count("svg") >= 9 and words in text and "Exercise" in text
        assert (folder / f"{language}.pdf").read_bytes().startswith(b"%PDF-")
    summary = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert summary["drill"] and summary["grade"] == 2
    assert [one["device"] for one in summary["places"]] == ["bridge-2", "bridge-3", "bridge-1"]
    used_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert used_kib < 400 * 1024 or used_kib == before_kib


def test_pdf_shows_japanese(store: Path, tmp_path: Path) -> None:
    """Poppler reads the words back, and the first page has ink where they stand."""
    need("pdftotext")
    folder = made(store, tmp_path, drill=True)
    text = subprocess.run(
        ["pdftotext", "-layout", str(folder / "ja.pdf"), "-"], capture_output=True, timeout=30
    ).stdout.decode()
    for words in ("橋りょう点検資料", "大橋", "最優先", "訓練", "判定不能", "μm/m"):
        assert words in text, words
    assert text.count("Exercise") >= text.count("\f")  # on every page
    fonts = subprocess.run(
        ["pdffonts", str(folder / "ja.pdf")], capture_output=True, timeout=30
    ).stdout.decode()
    assert "IPA" in fonts or "Heisei" in fonts, fonts


def test_without_a_drill_nothing_says_exercise(store: Path, tmp_path: Path) -> None:
    folder = made(store, tmp_path, drill=False)
    assert "Exercise" not in (folder / "ja.html").read_text(encoding="utf-8")


def test_a_worker_without_a_store_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    asked = request(tmp_path / "none.sqlite", tmp_path / "reports" / "20261123-010203-x")
    path = tmp_path / "request.json"
    path.write_text(json.dumps(asked), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "hub.report.worker", str(path)], timeout=60, capture_output=True
    )
    assert done.returncode == 1 and b"no report on ohashi" in done.stderr
    assert not (tmp_path / "reports").exists()


def test_every_word_is_in_both_languages() -> None:
    for key, (ja, en) in WORDS.items():
        assert ja and en and ja.count("{") == en.count("{"), key


def test_a_plot_stays_within_its_frame_and_is_thinned() -> None:
    xs = np.linspace(-180, 180, 90_000)
    curve = Curve(xs, np.sin(xs) * 1e-3)
    picture = plot("<wave> & more", [curve], ("s", "m"), marks=[(0.0, "0")], shaded=(-5.0, 9.0))
    assert sum(len(points) for points, _, _ in picture.lines) < 3 * COLUMNS
    for points, _, _ in picture.lines:
        assert all(0 <= x <= 520 and 0 <= y <= 130 for x, y in points)
    assert "<wave>" not in to_svg(picture)
    holes = plot("t", [Curve(xs[:5], np.array([1, 2, np.nan, 3, 4.0]))], ("s", "m"))
    assert sum(colour == "#1a2733" for _, colour, _ in holes.lines) == 2
    assert plot("empty", [], ("s", "m")).texts


# When a report is ordered


def test_an_onset_alone_orders_no_report(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    onset = Finding("quake", "quake", WATCH, MODE_WATCH, "揺れ始め", "Onset", kind="quake")
    desk.desk.heard(onset, False, 0)
    assert desk.ordered(400) == []


def quake(is_over: bool = False) -> Finding:
    return Finding("quake", "quake", EMERGENCY, MODE_DISASTER, "地震", "Quake", is_over)


class Desk:
    """Inspections on a clock that the test moves; what they order stays in the queue."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.desk = Inspections(
            learned_rule(), folder, {"delay_s": 180, "keep_count": 2, **settings}, hub="hub-1",
            utc_us=lambda now_us: 1_795_000_000 * S + now_us,
        )  # fmt: skip
        self.desk._running = (None, {}, 1 << 60)  # type: ignore[assignment]
        self.desk._look_after = lambda now_us: None  # type: ignore[method-assign]

    def ordered(self, until_s: int) -> list[tuple[int, str]]:
        """Let time pass; return when which bridge was ordered."""
        found = []
        for second in range(until_s):
            before = len(self.desk._waiting)
            self.desk.tick(second * S)
            found += [(second, one["bridge"]) for one in list(self.desk._waiting)[before:]]
        return found


def test_a_short_quake_makes_one_report_within_five_minutes(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.desk.heard(quake(), False, 0)
    desk.desk.changed(Change(MODE_DISASTER, False, "rule:quake", ("地震", "Quake")), 0)
    desk.desk.heard(quake(), False, 5 * S)
    desk.desk.heard(quake(is_over=True), False, 60 * S)
    assert desk.ordered(1000) == [(180, "ohashi")]
    (one,) = desk.desk._waiting
    assert one["drill"] is False and NAME.fullmatch(Path(one["folder"]).name)


def test_a_long_quake_makes_one_more_when_there_is_quiet_to_judge(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.desk.heard(quake(), False, 0)
    desk.desk.heard(quake(is_over=True), False, 150 * S)
    assert desk.ordered(1000) == [(180, "ohashi"), (150 + QUIET_S, "ohashi")]
    assert len({one["folder"] for one in desk.desk._waiting}) == 1


def test_a_disaster_by_hand_makes_one_too_and_a_drill_is_marked(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.desk.changed(Change(MODE_DISASTER, True, "operator", ("訓練開始", "drill")), 0)
    assert desk.ordered(400) == [(180, "ohashi")]
    assert desk.desk._waiting[0]["drill"] and desk.desk._waiting[0]["cause_en"] == "drill"


def test_names_of_reports_are_safe_and_sort_by_time() -> None:
    early, late = report_name(0, "ohashi"), report_name(10**15, "ohashi")
    assert early < late and NAME.fullmatch(early)
    for bad in ("../x", "20261123-010203-a/b", "20261123-010203-.."):
        assert not NAME.fullmatch(bad)
    assert AFTER_S >= 180
