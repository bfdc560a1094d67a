"""The bridge rule: what it finds, what it leaves alone, and what it says it cannot know."""

import json

import numpy as np
import pytest

from hub.rules.bridge import BridgeRule, fatigue_classes, problems
from hub.rules.finding import WARNING, WATCH
from hub.rules.structure.node import LEARNING, NO_MODE, NO_TEMPERATURE, NO_WAVE
from protocols.batch import Batch
from protocols.vocabulary import LANE_ALERT, LANE_LIFE, LANE_WAVE, MODE_NORMAL, MODE_WATCH
from tests.hub.bridge_parts import ROW, Deck, S, series, trembling, wave_batch


def test_a_loss_of_five_percent_is_found_within_hours_and_weather_is_not() -> None:
    deck = Deck()
    assert deck.lasts(24) == []
    deck.mean_c = 21.0  # a warm spell: 1.2 % softer on the mean, warmer than ever learned
    assert deck.lasts(24) == []
    found = deck.lasts(4, share=0.95)
    ((hour, finding),) = found
    assert hour - 48 <= 1.5
    assert finding.key == "bridge-1/frequency" and finding.kind == "bridge"
    assert (finding.level, finding.mode) == (WARNING, MODE_WATCH)
    # The median of its hour has just passed the limit; soon it is what was lost.
    assert 3.0 <= finding.values["frequency_percent"] <= 6.5
    assert deck.rule.nodes["bridge-1"].loss_percent() == pytest.approx(5.0, abs=1.0)
    over = deck.lasts(2)
    assert [one.is_over for _, one in over] == [True]


def test_a_deck_that_stays_moved_is_found_and_its_thermal_travel_is_not() -> None:
    deck = Deck(seed=3)
    assert deck.lasts(30) == []
    found = deck.lasts(2, moved_m=0.015)
    assert [one.key for _, one in found] == ["bridge-1/displacement"]
    assert found[0][1].values["displacement_mm"] == pytest.approx(15, abs=1.5)


def test_without_a_thermometer_nothing_is_judged_and_that_is_said() -> None:
    deck = Deck(seed=4)
    deck.has_thermometer = False
    found = deck.lasts(9)
    node = deck.rule.nodes["bridge-1"]
    assert node.loss_percent() is None and node.frequency.reason == NO_TEMPERATURE
    assert [(one.key, one.mode, one.kind) for _, one in found] == [
        ("bridge-1/fault", MODE_NORMAL, "bridge-fault")
    ]
    deck.has_thermometer = True
    assert [one.is_over for _, one in deck.lasts(1)] == [True]


def test_what_has_no_wave_or_no_mode_has_no_frequency() -> None:
    rule = BridgeRule([ROW])
    for at in range(11):
        rms = series("acc.z.rms", "m/s2", [0.003] * 6, at * 60 * S, spacing_ns=10_000_000_000)
        rule.feed("bridge-1", Batch((1, 0, 2, at * 60 * S), [rms]), (at + 1) * 60 * S)
        rule.tick((at + 1) * 60 * S, 0)
    facts = rule.facts("bridge-1", 660 * S)
    assert facts["loss_percent"] is None and facts["loss_reason"] == NO_WAVE
    assert facts["rms_m_s2"] == pytest.approx(0.003)
    dice = np.random.default_rng(1)
    for at in range(11, 23):
        noise = 0.003 * dice.standard_normal(1500)
        rule.feed("bridge-1", wave_batch(noise, at * 60 * S), (at + 1) * 60 * S)
        rule.tick((at + 1) * 60 * S, 0)
    assert rule.nodes["bridge-1"].mode_reason == NO_MODE


def test_a_peak_is_said_at_once_again_when_worse_and_over_when_it_is() -> None:
    rule = BridgeRule([ROW])
    swing = np.tile([1.0, -1.0], 50)
    (first,) = rule.feed("bridge-1", wave_batch(4 * swing, 0), 4 * S)
    assert (first.level, first.mode, first.place) == (WATCH, MODE_NORMAL, "bridge-1")
    assert first.values["peak_m_s2"] == pytest.approx(4.0, abs=0.01)
    assert rule.feed("bridge-1", wave_batch(4.1 * swing, 4 * S), 8 * S) == []
    assert len(rule.feed("bridge-1", wave_batch(7 * swing, 8 * S), 12 * S)) == 1
    assert rule.tick(500 * S, 0) == []
    (over,) = rule.tick(613 * S, 0)
    assert over.is_over
    peak = series("acc.peak", "m/s2", [3.5], 700 * S, spacing_ns=1_000_000_000)
    assert len(rule.feed("bridge-1", Batch((1, 1, LANE_ALERT, 0), [peak]), 700 * S)) == 1


def test_heavy_vehicles_are_said_only_with_a_calibration() -> None:
    pulse = 80 * np.sin(np.linspace(0, np.pi, 120))
    strain = np.concatenate([np.zeros(40), pulse, np.zeros(40)]) * 1e-6

    def findings(**settings: float) -> list[str]:
        rule = BridgeRule([{**ROW, **settings}])
        one = series("strain", "m/m", strain, 0, spacing_ns=25_000_000)
        return [f.key for f in rule.feed("bridge-1", Batch((1, 0, LANE_WAVE, 0), [one]), 5 * S)]

    assert findings() == []
    assert findings(tonnes_per_um_m=0.1, vehicle_t_max=15.0) == ["bridge-1/weight"]
    assert findings(tonnes_per_um_m=0.01, vehicle_t_max=15.0) == []
    assert findings(strain_um_m=60.0) == ["bridge-1/strain"]


def test_late_series_are_counted_and_change_nothing() -> None:
    rule, other = BridgeRule([ROW]), BridgeRule([ROW])
    dice = np.random.default_rng(2)
    batches = [wave_batch(trembling(2.4, 60, dice), at * 60 * S) for at in range(10)]
    for at, one in enumerate(batches):
        rule.feed("bridge-1", one, (at + 1) * 60 * S)
        other.feed("bridge-1", one, (at + 1) * 60 * S)
    for at in (3, 1, 7):
        other.feed("bridge-1", batches[at], (at + 1) * 60 * S)
    for each in (rule, other):
        each.tick(700 * S, 0)
    nodes = rule.nodes["bridge-1"], other.nodes["bridge-1"]
    assert nodes[0].mode is not None and nodes[0].mode == nodes[1].mode
    assert nodes[1].late_count == 9
    other.feed("bridge-1", wave_batch(trembling(2.4, 60, dice), 0, boot=0), 800 * S)
    assert nodes[1].late_count == 10


def test_a_restart_forgets_neither_the_baseline_nor_what_was_said() -> None:
    deck = Deck(seed=6)
    deck.lasts(26)
    deck.lasts(2, share=0.94)
    saved = json.loads(json.dumps(deck.rule.save(deck.second * S)))
    again = BridgeRule([ROW])
    again.restore(saved, 5 * S)
    before, after = deck.rule.nodes["bridge-1"], again.nodes["bridge-1"]
    assert after.frequency.line == before.frequency.line
    assert after.references == before.references
    assert again._said == deck.rule._said != {}
    deck.rule = again
    assert [one.is_over for _, one in deck.lasts(2)] == [True]


def test_nothing_of_another_version_is_taken_and_no_table_costs_no_numpy() -> None:
    rule = BridgeRule([])
    rule.restore({}, 0)
    assert rule.save(0) == {} and rule.tick(0, 0) == []
    assert not rule.wants("bridge-1", "bridge", LANE_WAVE)
    own = BridgeRule([ROW])
    assert own.wants("bridge-1", "other", LANE_WAVE)
    assert not own.wants("bridge-1", "bridge", LANE_LIFE)
    assert own.nodes["bridge-1"].frequency.reason == LEARNING


def test_settings_that_do_not_fit_together_are_named() -> None:
    rows = [{**ROW, "vehicle_t_max": 20.0}, {**ROW, "device": "nobody", "endurance_mpa": 20.0}]
    found = [(one.name, one.at) for one in problems({"bridge": rows}, {"bridge-1"})]
    assert found == [("device", 1), ("vehicle_t_max", 0), ("cut_off_mpa", 1)]


def test_stress_ranges_of_the_design_come_before_those_of_the_class() -> None:
    rules = [
        BridgeRule([{**ROW, **settings}])
        for settings in ({}, {"endurance_mpa": 40.0, "cut_off_mpa": 14.5})
    ]
    for rule in rules:
        rule.nodes["bridge-1"].cycles.put([0.0, 500.0] * 50)
    plain, own = (rule.facts("bridge-1", 0)["damage"] for rule in rules)
    assert own == pytest.approx(8 * plain) and plain > 0


def test_classes_of_fatigue_fall_and_have_a_cut_off_below() -> None:
    rows = list(fatigue_classes().values())
    assert [row["endurance_mpa"] for row in rows] == sorted(
        (row["endurance_mpa"] for row in rows), reverse=True
    )
    assert all(0 < row["cut_off_mpa"] < row["endurance_mpa"] for row in rows)
