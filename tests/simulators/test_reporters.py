"""What devices report in virtual time is what the agent's drivers and policy would send."""

from typing import Any

import numpy as np
import pytest
from scipy import signal as scipy_signal  # type: ignore[import-untyped]

from protocols.batch import Batch, decode_batch, encode_batch
from protocols.vocabulary import LANE_WAVE, MODE_DISASTER
from simulators.reporters import Reporter
from simulators.scenario import Placed
from simulators.signals.basic import LEVEL_AT_REST, STANDARD_GRAVITY, Constant, Keyframes
from simulators.signals.bridge import Bridge
from simulators.signals.deck_record import FREQUENCY_PER_K, RATE_HZ, DeckRecords
from simulators.signals.household import Held, Motion

S = 1_000_000
MINUTE = 60 * S
HOUR = 60 * MINUTE
SETTINGS = {"report_s_min": 1, "record_s": 20, "record_every_s": 600}


def records(loss: float = 0.0, **settings: Any) -> DeckRecords:
    bridge = Bridge(seed=3, temperature_swing_c=0.0, **settings)
    return DeckRecords(bridge, Keyframes([(0, 0.0), (HOUR, loss)]), seconds=120)


def reporter(profile: str, kind: str, **signals: Any) -> Reporter:
    place = Placed(f"{kind}-1", profile, kind, 0.5)
    found = Reporter(place, signals, seed=1, records=records(), settings=SETTINGS)
    found.start(0, 24 * HOUR)
    return found


def played(device: Reporter, until_us: int) -> list[tuple[int, Batch]]:
    made: list[tuple[int, Batch]] = []
    while (at_us := device.next_us()) is not None and at_us <= until_us:
        made += device.take(at_us)
    return made


def test_a_gauge_reports_as_its_policy_says_in_each_mode() -> None:
    gauge = reporter("river-gauge", "river", level=Constant(3.6))
    normal = played(gauge, 2 * HOUR)
    assert [at_us for at_us, _ in normal] == [count * 10 * MINUTE for count in range(1, 13)]
    gauge.follow(MODE_DISASTER, 2 * HOUR)
    urgent = played(gauge, 2 * HOUR + MINUTE)
    assert [at_us - 2 * HOUR for at_us, _ in urgent] == [count * 10 * S for count in range(1, 7)]
    for at_us, batch in normal + urgent:
        (series,) = batch.series or []
        assert series.time_us(len(series.values) - 1) == at_us
        assert series.values[-1] == pytest.approx(120, abs=2)  # 4.8 m - 3.6 m, in cm
    assert [batch.index for _, batch in normal + urgent] == list(range(18))


def test_what_it_makes_crosses_the_wire() -> None:
    home = reporter("home-node", "home", motion=Motion(seed=1), door=Held(), button=Held())
    gauge = reporter("river-gauge", "river", level=Constant(3.6))
    for _, batch in played(home, HOUR)[:20] + played(gauge, HOUR):
        head = (batch.boot, batch.index, batch.lane, batch.start_us)
        assert batch.series is not None
        assert decode_batch(encode_batch(head, batch.series)).series == batch.series


def test_events_are_said_at_once_and_each_boot_begins_with_the_state() -> None:
    home = reporter(
        "home-node", "home", motion=Held(), door=Held(at_us=[MINUTE], hold_us=S),
        button=Held(at_us=[2 * MINUTE]),
    )  # fmt: skip
    said = [(at_us, batch.series[0].channel, batch.series[0].values[0])
            for at_us, batch in played(home, HOUR) if batch.series]  # fmt: skip
    assert said[:3] == [(0, "motion", 0), (0, "door", 0), (0, "button", 0)]
    assert said[3:5] == [(MINUTE, "door", 1), (MINUTE + S, "door", 0)]
    assert said[5] == (2 * MINUTE, "button", 1)
    home.cut_power()
    assert home.next_us() is None
    home.start(2 * HOUR, 24 * HOUR)
    again = played(home, 3 * HOUR)
    assert [(batch.boot, batch.index) for _, batch in again] == [(2, 0), (2, 1), (2, 2)]
    assert again[0][0] == 2 * HOUR and (again[0][1].series or [])[0].time_us(0) == 0


def test_a_waveform_is_played_in_whole_pieces_of_each_period() -> None:
    node = reporter(
        "bridge-node", "bridge", acc=Constant(LEVEL_AT_REST), strain=Constant(0.0),
        displacement=Constant(0.0), temperature=Constant(18.0),
    )  # fmt: skip
    waves = [batch for _, batch in played(node, 700 * S) if batch.lane == LANE_WAVE]
    starts = [batch.start_us for batch in waves]
    assert starts == [0, 5 * S, 10 * S, 15 * S, *range(600 * S, 620 * S, 5 * S)]
    for batch in waves:
        assert [len(one.values) for one in batch.series or []] == [500, 500, 500]
    # One piece throughout: what follows a report is what the piece has there.
    whole = records().piece(0, 0.5)[2][:2000]
    told = [value for batch in waves[:4] for value in (batch.series or [])[2].values]
    series = (waves[0].series or [])[2]
    lsb = series.multiplier * 10.0**series.exponent
    assert lsb == pytest.approx(62.5e-6 * STANDARD_GRAVITY, rel=1e-3)
    assert np.abs(np.array(told) * lsb - whole).max() < lsb


@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_the_deck_trembles_at_the_frequency_that_is_left(loss: float) -> None:
    made = records(loss)
    assert made.frequency_hz(HOUR) == pytest.approx(2.4 * (1 - loss))
    spectra = []
    for number in range(12):
        piece = made.piece(HOUR + number * HOUR, 0.4)[2]
        axis_hz, power = scipy_signal.welch(piece, RATE_HZ, nperseg=4096, detrend="linear")
        spectra.append(power)
    mean = np.mean(spectra, axis=0)
    band = (axis_hz > 1.0) & (axis_hz < 4.0)
    found_hz = float(axis_hz[band][np.argmax(mean[band])])
    assert found_hz == pytest.approx(2.4 * (1 - loss), rel=0.02)


def test_a_warm_deck_is_softer_and_every_node_shares_the_modes() -> None:
    warm = records(temperature_c=18.0, swing_year_c=10.0, year_offset_us=219 * 24 * HOUR)
    assert warm.frequency_hz(0) == pytest.approx(2.4 * (1 + 10 * FREQUENCY_PER_K), rel=1e-3)
    here, there = (records().piece(0, position)[2] for position in (0.4, 0.6))
    assert np.corrcoef(here, there)[0, 1] > 0.5
    assert np.array_equal(here, records().piece(0, 0.4)[2])
