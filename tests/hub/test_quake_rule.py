"""The quake rule on waveforms: what it gives, what it refuses to give, and how soon."""

from typing import Any

import numpy as np
import pytest

from hub.rules.finding import EMERGENCY, INFO, Finding
from hub.rules.problem import Problem
from hub.rules.quake import QUIET_WINDOWS, QuakeRule, problems
from hub.rules.seismic.intensity import intensity, rounded
from protocols.batch import Batch, Series
from protocols.vocabulary import LANE_ALERT, LANE_STATE, LANE_WAVE, MODE_DISASTER
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
    assert not one.wants("ground-1", "other", LANE_STATE)


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


def test_peaks_of_bridges_are_wanted() -> None:
    one = QuakeRule(SETTINGS, [])
    assert one.wants("any", "bridge", LANE_ALERT)
    assert not one.wants("any", "bridge", LANE_WAVE) and not one.wants("any", "river", LANE_ALERT)
