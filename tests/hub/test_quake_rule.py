"""The quake rule on waveforms: what it gives, what it refuses to give, and how soon."""

import json
from typing import Any

import numpy as np
import pytest

from hub.rules.finding import EMERGENCY, INFO, WATCH, Finding
from hub.rules.problem import Problem
from hub.rules.quake import QUIET_WINDOWS, VOTES_MAX, QuakeRule, problems
from hub.rules.seismic.intensity import intensity, rounded
from protocols.batch import Batch, Series
from protocols.vocabulary import (
    LANE_ALERT,
    LANE_LIFE,
    LANE_STATE,
    LANE_WAVE,
    MODE_DISASTER,
    MODE_WATCH,
)
from simulators.signals.quake import Quake
from tests.hub.batches import S, batch

SETTINGS = {"peak_m_s2": 0.3, "devices_min": 3, "window_ms": 3000, "watch_class": "4",
            "disaster_class": "5-"}  # fmt: skip
ROW = {"device": "ground-1", "sensor": "acc", "up": "z", "noise_intensity": 0.3}
RATE_HZ = 100
LSB_M_S2 = 612915625e-12  # of the ADXL355 as bridge nodes send it
LAG_US = 20_000


def motion(seconds: int, peak_m_s2: float, seed: int, start_s: int = 20) -> np.ndarray:
    """Return readings, shape (3, n): a quake, gravity and a little noise."""
    quake = Quake(start_us=start_s * S, peak_m_s2=peak_m_s2, seed=seed, duration_us=20 * S)
    rows = [quake.sample(at * S // RATE_HZ) for at in range(seconds * RATE_HZ)]
    noise = np.random.default_rng(seed).normal(0, 0.002, (3, len(rows)))
    values = np.array(rows).T + noise + np.array([[0.1], [-0.2], [9.8]])
    return np.asarray(np.round(values / LSB_M_S2), dtype=int)


def waves(readings: np.ndarray, seconds_each: int = 1) -> list[Batch]:
    """Return batches as a node sends them."""
    count = seconds_each * RATE_HZ
    batches = []
    for at in range(0, readings.shape[1], count):
        start_us = at * S // RATE_HZ
        series = [
            Series(f"acc.{axis}", "m/s2", (-12, 612915625), start_us,
                   spacing_ns=10_000_000, values=[int(v) for v in row[at : at + count]])
            for axis, row in zip("xyz", readings, strict=True)
        ]  # fmt: skip
        batches.append(Batch((1, at // count, LANE_WAVE, start_us), series))
    return batches


class Player:
    """Feeds one seismometer's batches, with peaks of two neighbours when it shakes."""

    def __init__(self, rule: QuakeRule, device: str = "ground-1") -> None:
        self.rule = rule
        self.device = device
        self.said: list[tuple[int, Finding]] = []

    def play(self, batches: list[Batch], confirmed_s: int | None = 24) -> list[Finding]:
        for one in batches:
            assert one.series is not None
            end_us = one.series[0].time_us(len(one.series[0].values)) + LAG_US
            if confirmed_s is not None and one.start_us == confirmed_s * S:
                for name in ("bridge-1", "bridge-2", "bridge-3"):
                    peak = batch("acc.peak", [2.0], unit="m/s2")
                    self._note(self.rule.feed(name, peak, end_us), end_us)
            self._note(self.rule.feed(self.device, one, end_us), end_us)
            self._note(self.rule.tick(end_us, 0), end_us)
        return [finding for _, finding in self.said]

    def _note(self, findings: list[Finding], now_us: int) -> None:
        self.said += [(now_us, finding) for finding in findings]

    def of_device(self) -> list[Finding]:
        return [finding for _, finding in self.said if finding.key == self.device]


def rule() -> QuakeRule:
    return QuakeRule(SETTINGS, [ROW])


@pytest.mark.parametrize(("peak", "seed"), [(1.0, 1), (3.0, 2), (6.0, 3)])
def test_the_largest_rolling_value_is_that_of_the_whole_record(peak: float, seed: int) -> None:
    readings = motion(80, peak, seed)
    player = Player(rule())
    player.play(waves(readings))
    whole = intensity(readings * LSB_M_S2 * 100, RATE_HZ * 1000)
    last = player.of_device()[-1]
    assert last.is_over and "計測震度相当値" in last.text_ja
    assert last.values["intensity_unrounded"] == pytest.approx(whole, abs=0.1)
    assert last.values["intensity"] == rounded(last.values["intensity_unrounded"])


def test_the_value_is_there_within_a_second_of_the_strong_motion() -> None:
    readings = motion(80, 3.0, 2)
    player = Player(rule())
    player.play(waves(readings))
    whole = intensity(readings * LSB_M_S2 * 100, RATE_HZ * 1000)
    classes = [(when_us, one.mode) for when_us, one in player.said if one.key == "ground-1"]
    assert whole > 4.5
    assert next(when_us for when_us, mode in classes if mode == MODE_DISASTER) < 30 * S


def test_batches_of_five_seconds_in_any_order_end_at_the_same_value() -> None:
    readings = motion(80, 3.0, 4)
    ordered, mixed = Player(rule()), Player(rule())
    batches = waves(readings, 5)
    ordered.play(batches, 25)
    shuffled = [*batches]
    shuffled[6], shuffled[7] = shuffled[7], shuffled[6]
    mixed.play(shuffled, 25)
    first, second = (one.of_device()[-1].values for one in (ordered, mixed))
    assert second["intensity_unrounded"] == pytest.approx(first["intensity_unrounded"], abs=0.02)


def test_a_gap_in_the_window_is_not_computable_and_said_so() -> None:
    batches = waves(motion(60, 3.0, 6))
    player = Player(rule())
    player.play(batches[:22] + batches[23:])
    assert not any("intensity" in one.values for one in player.of_device())
    said = player.of_device()[0]
    assert said.level == INFO and "欠測" in said.text_ja and "not computable" in said.text_en


def test_what_is_below_the_sensors_noise_is_not_given() -> None:
    player = Player(QuakeRule(SETTINGS, [{**ROW, "noise_intensity": 2.0}]))
    player.play(waves(motion(60, 0.01, 7)))
    assert ["noise" in one.text_en for one in player.of_device()] == [True, True]
    assert [one.is_over for one in player.of_device()] == [False, True]


def test_no_intensity_without_a_confirmed_quake() -> None:
    player = Player(rule())
    assert player.play(waves(motion(60, 3.0, 8)), confirmed_s=None) == []


def test_onsets_of_three_seismometers_confirm_each_other() -> None:
    rows: list[dict[str, Any]] = [{**ROW, "device": f"ground-{at}"} for at in (1, 2, 3)]
    together = QuakeRule(SETTINGS, rows)
    found: list[Finding] = []
    for batches in zip(*(waves(motion(40, 2.5, seed)) for seed in (1, 2, 3)), strict=True):
        for at, one in enumerate(batches, 1):
            found += together.feed(f"ground-{at}", one, one.start_us + S + LAG_US)
    assert found[0].key == "quake" and found[0].level == EMERGENCY
    assert {one.place for one in found} == {"", "ground-1", "ground-2", "ground-3"}


def test_when_it_is_over_each_finding_ends() -> None:
    player = Player(rule())
    player.play(waves(motion(40, 3.0, 2)))
    player.said.clear()
    player._note(player.rule.tick(200 * S, 0), 200 * S)
    assert [(one.key, one.is_over) for _, one in player.said] == [
        ("quake", True), ("ground-1", True),
    ]  # fmt: skip


def test_a_device_that_starts_anew_begins_a_new_record() -> None:
    player = Player(rule())
    player.play(waves(motion(30, 3.0, 2)), confirmed_s=None)
    for one in (batches := waves(motion(60, 3.0, 3))):
        one.boot = 2
    player.play(batches)
    assert player.rule.strengths()["ground-1"].value is not None


def test_more_than_can_be_computed_between_two_ticks_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hub.rules.quake.VALUES_PER_TICK_MAX", 0)
    player = Player(rule())
    player.play(waves(motion(40, 3.0, 2)))
    assert player.rule.put_off_count > 0 and player.of_device() == []


def test_it_wants_waveforms_of_seismometers_only() -> None:
    one = rule()
    assert one.wants("ground-1", "other", LANE_WAVE) and one.wants("b", "bridge", LANE_ALERT)
    assert not one.wants("b", "bridge", LANE_WAVE)
    assert one.wants("ground-1", "other", LANE_STATE)  # events, of a node on a thin line
    assert not one.wants("ground-1", "other", LANE_LIFE)


# Nodes with a trigger of their own


def onset(at_us: int, boot: int = 1) -> Batch:
    """Return what such a node sends on lane 0 at once."""
    series = Series("acc.onset", "1", (-2, 1), at_us, spacing_ns=0, values=[812], times_us=[at_us])
    return Batch((boot, 0, LANE_ALERT, at_us), [series])


def event(readings: np.ndarray, from_s: int) -> list[Batch]:
    """Return a waveform from a second on, as a node that sends events only names it."""
    batches = waves(readings)[from_s:]
    for one in batches:
        for series in one.series or ():
            series.channel += ".event"
    return batches


def grounds(count: int = 3) -> QuakeRule:
    return QuakeRule(SETTINGS, [{**ROW, "device": f"ground-{at + 1}"} for at in range(count)])


def test_triggers_of_enough_seismometers_ask_for_watch_before_any_waveform_has_come() -> None:
    one = grounds()
    assert one.feed("ground-1", onset(20 * S), 20 * S) == []
    assert one.feed("ground-2", onset(21 * S), 21 * S) == []
    (begun,) = one.feed("ground-3", onset(22 * S), 22 * S)
    assert (begun.key, begun.level, begun.mode) == ("quake", WATCH, MODE_WATCH)
    assert "3 地点" in begun.text_ja and not begun.is_over
    (worse,) = [
        finding
        for at in range(1, 4)
        for finding in one.feed(f"ground-{at}", batch("acc.peak", [2.0], unit="m/s2"), 23 * S)
    ]
    assert (worse.key, worse.level, worse.mode) == ("quake", EMERGENCY, MODE_DISASTER)
    assert one.tick(23 * S + QUIET_WINDOWS * 3 * S, 0) == []
    assert [over.is_over for over in one.tick(24 * S + QUIET_WINDOWS * 3 * S, 0)] == [True]


def test_one_trigger_however_often_or_those_of_a_bridge_are_no_quake() -> None:
    one = grounds()
    for second in range(20):
        assert one.feed("ground-1", onset(second * S), second * S) == []
        for at in range(4):
            assert one.feed(f"bridge-{at}", onset(second * S), second * S) == []
    apart = [one.feed(f"ground-{at}", onset(at * 4 * S), at * 4 * S) for at in (10, 2, 3)]
    assert apart == [[], [], []]


def test_an_onset_counts_from_when_it_was_not_from_when_its_batch_ends() -> None:
    one = grounds()
    for at in (1, 2):
        late = onset(20 * S)
        late.series += batch("temperature", [18.0], 60 * S).series or []  # type: ignore[operator]
        assert one.feed(f"ground-{at}", late, 60 * S) == []
    assert one.feed("ground-3", onset(60 * S), 60 * S) == []


@pytest.mark.parametrize("lag_s", [0, 25, 90])
def test_the_waveform_of_an_event_gives_the_intensity_of_the_whole_record(lag_s: int) -> None:
    readings, one = motion(70, 3.0, 2), grounds()
    whole = intensity(readings * LSB_M_S2 * 100, RATE_HZ * 1000)
    found: list[Finding] = []
    for at in (1, 2, 3):
        found += one.feed(f"ground-{at}", onset(20 * S + at), 20 * S + at)
    arrived = {second: [] for second in range(20, 300)}  # type: ignore[var-annotated]
    for piece in event(readings, 16):
        arrived[piece.start_us // S + 5 + lag_s].append(piece)
    for second, pieces in arrived.items():
        for piece in pieces:
            found += one.feed("ground-1", piece, piece.start_us + S + LAG_US)
        found += one.tick(second * S, 0)
    last = [finding for finding in found if finding.key == "ground-1"][-1]
    assert last.is_over and last.values["intensity_unrounded"] == pytest.approx(whole, abs=0.1)
    assert [finding.key for finding in found if finding.is_over].count("ground-1") == 1


def test_a_hole_in_an_event_is_a_loss_and_no_new_record() -> None:
    one, pieces = grounds(), event(motion(70, 3.0, 2), 16)
    for at in (1, 2, 3):
        one.feed(f"ground-{at}", onset(20 * S + at), 20 * S + at)
    found = [
        finding
        for piece in pieces[:7] + pieces[8:]
        for finding in one.feed("ground-1", piece, piece.start_us + S + LAG_US)
    ]
    assert not any("intensity" in finding.values for finding in found)
    assert "samples are missing" in found[-1].text_en


def test_a_second_event_is_a_record_of_its_own() -> None:
    readings, one = motion(400, 3.0, 2, start_s=320), grounds()
    whole = intensity(readings * LSB_M_S2 * 100, RATE_HZ * 1000)
    one.feed("ground-1", onset(22 * S + 5), 22 * S)  # a truck
    for piece in event(readings, 16)[:20]:
        one.feed("ground-1", piece, piece.start_us + S + LAG_US)
    for at in (1, 2, 3):
        one.feed(f"ground-{at}", onset(320 * S + at), 320 * S + at)
    for piece in event(readings, 316)[:60]:
        one.feed("ground-1", piece, piece.start_us + S + LAG_US)
    assert one.strengths()["ground-1"].value == pytest.approx(whole, abs=0.1)


def test_an_event_that_has_come_before_others_confirm_it_is_measured_then() -> None:
    one = grounds()
    for at in (1, 2):
        one.feed(f"ground-{at}", onset(20 * S + at), 20 * S + at)
    for piece in event(motion(40, 3.0, 2), 16):
        assert one.feed("ground-1", piece, piece.start_us + S + LAG_US) == []
    other = onset(20 * S)
    other.series[0].channel = "gyro.onset"  # type: ignore[index]
    assert one.feed("ground-3", other, 20 * S) == []
    found = one.feed("ground-3", onset(20 * S), 20 * S)
    assert [(finding.key, bool(finding.values)) for finding in found] == [
        ("quake", False), ("ground-1", True),
    ]  # fmt: skip


def test_peaks_of_windows_that_are_over_are_no_votes() -> None:
    one = grounds()
    for at in (1, 2, 3):
        assert one.feed(f"ground-{at}", batch("acc.x.peak", [5.0], unit="m/s2"), 0) == []


def test_settings_that_do_not_fit_together() -> None:
    tables = {"quake": {**SETTINGS, "watch_class": "6-"}, "seismometer": [ROW, ROW]}
    found: list[Problem] = list(problems(tables, {"ground-1"}))
    assert [(one.table, one.name, one.at) for one in found] == [
        ("seismometer", "device", 1), ("quake", "disaster_class", 0),
    ]  # fmt: skip
    assert "not enrolled" in next(problems(tables, set())).why


# That it is there, from the peaks that nodes report


def peak(rule: QuakeRule, device: str, at_us: int, value: float = 0.8) -> list[Finding]:
    """Feed one peak."""
    return rule.feed(device, batch("acc.peak", [value], unit="m/s2"), at_us)


def test_one_truck_is_no_quake_however_often_it_passes() -> None:
    rule = QuakeRule({**SETTINGS, "peak_m_s2": 0.5}, [])
    assert [peak(rule, "bridge-1", at * S) for at in range(20)] == [[]] * 20


def test_enough_nodes_within_the_window_are_a_quake() -> None:
    rule = QuakeRule({**SETTINGS, "peak_m_s2": 0.5}, [])
    assert peak(rule, "bridge-1", 0) == [] and peak(rule, "bridge-2", S) == []
    (finding,) = peak(rule, "bridge-3", 3 * S)
    assert (finding.mode, finding.level, finding.is_over) == (MODE_DISASTER, EMERGENCY, False)
    assert "0.80 m/s²" in finding.text_en and "3 地点" in finding.text_ja


def test_the_same_nodes_spread_over_more_than_the_window_are_none() -> None:
    rule = QuakeRule({**SETTINGS, "peak_m_s2": 0.5}, [])
    assert [peak(rule, f"bridge-{at}", at * 2 * S) for at in range(1, 8)] == [[]] * 7


def test_weak_shaking_and_other_channels_do_not_count() -> None:
    rule = QuakeRule({**SETTINGS, "peak_m_s2": 0.5}, [])
    for number in range(5):
        assert peak(rule, f"bridge-{number}", 0, 0.49) == []
        assert rule.feed(f"bridge-{number}", batch("acc.x", [9.8]), 0) == []


def test_peaks_count_by_when_they_were_measured_not_by_when_they_came() -> None:
    rule = QuakeRule({**SETTINGS, "peak_m_s2": 0.5}, [])
    assert peak(rule, "bridge-1", 100 * S) == []
    assert peak(rule, "bridge-2", 10 * S) == []  # of the past: it came late
    assert peak(rule, "bridge-3", 101 * S) == []


def test_a_quake_that_grows_is_said_again_and_one_that_does_not_is_not() -> None:
    rule = QuakeRule({**SETTINGS, "peak_m_s2": 0.5}, [])
    found = [len(peak(rule, f"bridge-{number}", 0)) for number in range(3)]
    found += [len(peak(rule, "bridge-1", S, value)) for value in (0.9, 1.19, 1.3, 1.4, 9.0)]
    assert found == [0, 0, 1, 0, 0, 1, 0, 1]


def test_a_quake_is_over_when_nobody_has_reported_for_some_windows() -> None:
    rule = QuakeRule({**SETTINGS, "peak_m_s2": 0.5}, [])
    for number in range(3):
        peak(rule, f"bridge-{number}", 0)
    quiet_us = QUIET_WINDOWS * 3 * S
    assert rule.tick(quiet_us, 0) == []
    (finding,) = rule.tick(quiet_us + 1, 0)
    assert finding.is_over and finding.key == "quake"
    assert rule.tick(quiet_us + 2, 0) == []
    assert peak(rule, "bridge-1", quiet_us + S) == []  # it starts from nothing


def test_one_truck_that_goes_on_passing_does_not_keep_a_quake_on() -> None:
    rule = QuakeRule({**SETTINGS, "peak_m_s2": 0.5}, [])
    for number in range(3):
        peak(rule, f"bridge-{number}", 0)
    over_s = []
    for second in range(1, 120):
        if second % 20 == 0:
            peak(rule, "bridge-1", second * S)
        over_s += [second for one in rule.tick(second * S, 0) if one.is_over]
    assert over_s == [QUIET_WINDOWS * 3 + 1]


def test_votes_of_long_ago_are_forgotten_and_young_ones_are_not() -> None:
    rule = QuakeRule({**SETTINGS, "peak_m_s2": 0.5}, [])
    for number in range(3 * VOTES_MAX):
        assert peak(rule, f"bridge-{number}", number * 60 * S) == []
    assert len(rule._peaks) <= VOTES_MAX + 1
    newest_us = (3 * VOTES_MAX - 1) * 60 * S
    assert peak(rule, "late-1", newest_us) == []
    assert len(peak(rule, "late-2", newest_us)) == 1


def test_peaks_of_bridges_are_wanted() -> None:
    one = QuakeRule(SETTINGS, [])
    assert one.wants("any", "bridge", LANE_ALERT)
    assert not one.wants("any", "bridge", LANE_WAVE) and not one.wants("any", "river", LANE_ALERT)


# Restarts


def test_a_hub_that_dies_while_it_shakes_ends_afterwards_what_it_said() -> None:
    player = Player(rule())
    player.play(waves(motion(32, 3.0, 2)))
    measured = player.of_device()[-1].values["intensity"]
    saved = json.loads(json.dumps(player.rule.save(33 * S)))
    again = rule()
    again.restore(saved, 5 * S)
    assert again.tick(6 * S, 0) == [] and peak(again, "bridge-1", 6 * S, 2.0) == []
    quiet_us = QUIET_WINDOWS * 3 * S
    found = [one for second in range(7, 80) for one in again.tick(second * S, 0)]
    assert [(one.key, one.is_over) for one in found] == [("quake", True), ("ground-1", True)]
    assert found[1].values["intensity"] >= measured
    anew = rule()
    anew.restore(json.loads(json.dumps(again.save(80 * S))), 0)
    assert anew.tick(quiet_us, 0) == [] and not anew.strengths()["ground-1"].value
