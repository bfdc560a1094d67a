"""The signals of the world: pure functions of time and seed, in SI units."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from simulators.signals.basic import STANDARD_GRAVITY, Constant, Keyframes, Mix
from simulators.signals.bridge import Bridge
from simulators.signals.household import Held, Motion
from simulators.signals.quake import Quake
from simulators.signals.river import DistanceToWater, River
from simulators.signals.slope import SlopeTilt, SoilMoisture

SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
QUAKE_START_US = 10 * SECOND_US


def quake(seed: int = 1, peak_m_s2: float = 2.0) -> Quake:
    return Quake(start_us=QUAKE_START_US, peak_m_s2=peak_m_s2, seed=seed)


SIGNALS: dict[str, Callable[[int], Any]] = {
    "quake": quake,
    "acceleration": lambda seed: Bridge(seed=seed, ground=quake()).node(position=0.5).acceleration,
    "strain": lambda seed: Bridge(seed=seed, ground=quake(seed)).node(position=0.5).strain,
    "displacement": lambda seed: (
        Bridge(seed=seed, ground=quake(seed)).node(position=0.5).displacement
    ),
    "river": lambda seed: River(seed=seed),
    "motion": lambda seed: Motion(seed=seed),
}


def values(signal: Any, times_us: range) -> list[Any]:
    return [signal.sample(t_us) for t_us in times_us]


@pytest.mark.parametrize("name", SIGNALS)
def test_same_seed_gives_the_same_values_in_any_order(name: str) -> None:
    times_us = range(0, 120 * SECOND_US, 370_000)
    forwards = values(SIGNALS[name](7), times_us)
    backwards = values(SIGNALS[name](7), times_us[::-1])
    assert forwards == backwards[::-1]
    assert forwards != values(SIGNALS[name](8), times_us)


def test_quake_is_silent_before_and_after_and_peaks_as_told() -> None:
    shaking = quake(peak_m_s2=2.5)
    assert shaking.sample(QUAKE_START_US) == shaking.sample(40 * SECOND_US) == (0.0, 0.0, 0.0)
    rows = values(shaking, range(QUAKE_START_US, 40 * SECOND_US, 5_000))
    peak_m_s2 = max(max(map(abs, row)) for row in rows)
    assert 2.3 < peak_m_s2 < 2.6
    assert max(map(abs, rows[-1])) < 0.02  # it ends softly


def test_p_wave_is_vertical_and_comes_before_the_strong_sideways_s_wave() -> None:
    shaking = quake()
    p_rows = values(shaking, range(QUAKE_START_US, 13 * SECOND_US, 5_000))
    s_rows = values(shaking, range(14 * SECOND_US, 22 * SECOND_US, 5_000))
    p_peaks = [max(abs(row[axis]) for row in p_rows) for axis in range(3)]
    s_peaks = [max(abs(row[axis]) for row in s_rows) for axis in range(3)]
    assert p_peaks[2] > max(p_peaks[:2])
    assert max(s_peaks[:2]) > s_peaks[2]
    assert max(s_peaks) > 3 * max(p_peaks)


def test_quake_whose_s_wave_comes_after_its_end_is_refused() -> None:
    with pytest.raises(ValueError, match="s_delay_us"):
        Quake(start_us=0, peak_m_s2=1.0, seed=1, duration_us=5, s_delay_us=5)


def test_same_quake_reaches_a_far_node_later() -> None:
    bridge = Bridge(seed=1, ground=quake(), ambient_m_s2=0.0, vehicles_share=0.0)
    near = bridge.node(position=0.3).acceleration
    far = bridge.node(position=0.3, delay_us=25_000).acceleration
    for t_us in range(QUAKE_START_US, 30 * SECOND_US, 333_000):
        assert far.sample(t_us + 25_000) == near.sample(t_us)


def test_bridge_shakes_more_in_the_middle_than_the_ground_does() -> None:
    bridge = Bridge(seed=1, ground=quake(), ambient_m_s2=0.0, vehicles_share=0.0)
    times_us = range(QUAKE_START_US, 40 * SECOND_US, 10_000)

    def peak_up(position: float) -> float:
        rows = values(bridge.node(position=position).acceleration, times_us)
        return max(abs(float(row[2]) - STANDARD_GRAVITY) for row in rows)

    ground = max(abs(row[2]) for row in values(quake(), times_us))
    assert peak_up(0.0) == pytest.approx(ground)
    assert peak_up(0.5) > peak_up(0.2) > ground


def test_amplification_at_the_first_mode_is_what_its_damping_says() -> None:
    gains: dict[float, float] = {}

    class Probe(Quake):
        def through(self, gains_at: Any) -> Quake:
            for frequency_hz in (0.05, 2.4):
                gains.setdefault(frequency_hz, gains_at(frequency_hz)[2])
            return self

    ground = Probe(start_us=0, peak_m_s2=1.0, seed=1)
    Bridge(seed=1, ground=ground, bending_hz=2.4, damping=0.05).node(position=0.5)
    # 4/pi of 1 / (2 * 0.05), a quarter turn late, on top of the ground's own 1.
    assert gains[2.4] == pytest.approx(math.hypot(4 / math.pi * 10, 1), rel=0.02)
    assert gains[0.05] == pytest.approx(1.0, abs=0.01)  # so slow that the deck goes along


def test_still_bridge_carries_a_level_accelerometer() -> None:
    node = Bridge(seed=1, ambient_m_s2=0.0, vehicles_share=0.0).node(position=0.4)
    assert node.acceleration.sample(5 * SECOND_US) == (0.0, 0.0, STANDARD_GRAVITY)


def test_vehicles_bend_the_bridge_and_stretch_its_lower_edge() -> None:
    empty = Bridge(seed=3, vehicles_share=0.0).node(position=0.5)
    busy = Bridge(seed=3, vehicles_share=1.0).node(position=0.5)
    sags_m, stretches = [], []
    for t_us in range(0, 200 * SECOND_US, 100_000):
        sags_m.append(busy.displacement.sample(t_us) - empty.displacement.sample(t_us))
        stretches.append(busy.strain.sample(t_us) - empty.strain.sample(t_us))
    assert -0.007 < min(sags_m) < -0.001 and max(sags_m) <= 0.0
    assert max(stretches) == pytest.approx(-min(sags_m) * (math.pi / 40) ** 2)
    assert all(stretch >= 0 for stretch in stretches)


def test_vehicle_does_not_jolt_the_deck_when_it_comes_or_goes() -> None:
    """Neighbouring samples differ by no more than the first mode at its strongest can."""
    empty = Bridge(seed=3, vehicles_share=0.0, ambient_m_s2=0.0).node(position=0.5).acceleration
    busy = Bridge(seed=3, vehicles_share=1.0, ambient_m_s2=0.0).node(position=0.5).acceleration
    ups = [busy.sample(t)[2] - empty.sample(t)[2] for t in range(0, 100 * SECOND_US, 10_000)]
    assert max(map(abs, ups)) > 0.02
    steps = [abs(later - earlier) for earlier, later in pairwise(ups)]
    assert max(steps) < 3 * 0.06 * math.tau * 2.4 * 0.01


def test_temperature_is_warmest_at_two_in_the_afternoon() -> None:
    steel = Bridge(seed=1, day_offset_us=0).node(position=0.5).temperature
    assert steel.sample(14 * HOUR_US) == pytest.approx(24.0)
    assert steel.sample(2 * HOUR_US) == pytest.approx(12.0)
    assert steel.sample(38 * HOUR_US) == pytest.approx(24.0)


def test_river_is_normal_then_rises_then_stays() -> None:
    flood = ((30 * SECOND_US, 0.0), (60 * SECOND_US, 2.0))
    stage = River(seed=1, stage_m=0.8, flood=flood, wave_m=0.01)
    for second, expected_m in ((0, 0.8), (30, 0.8), (45, 1.8), (60, 2.8), (9999, 2.8)):
        assert stage.sample(second * SECOND_US) == pytest.approx(expected_m, abs=0.0051)


def test_flood_that_begins_high_does_not_reach_back() -> None:
    stage = River(seed=1, stage_m=1.0, flood=((SECOND_US, 3.0),), wave_m=0.0)
    assert (stage.sample(SECOND_US - 1), stage.sample(SECOND_US)) == (1.0, 4.0)


def test_distance_shrinks_as_the_water_rises() -> None:
    river = River(seed=1)
    distance = DistanceToWater(river, height_m=4.0)
    assert distance.sample(77) == 4.0 - river.sample(77)


def test_slope_turns_gravity_without_changing_it() -> None:
    slope = SlopeTilt(creep=((0, 0.0), (10 * SECOND_US, 2.0)), azimuth_deg=30.0)
    assert slope.sample(0) == (0.0, 0.0, STANDARD_GRAVITY)
    x, y, z = slope.sample(10 * SECOND_US)
    assert math.hypot(x, y, z) == pytest.approx(STANDARD_GRAVITY)
    assert math.degrees(math.atan2(math.hypot(x, y), z)) == pytest.approx(2.0)
    assert math.degrees(math.atan2(y, x)) == pytest.approx(30.0)


def test_slope_feels_the_quake_too() -> None:
    shaken = SlopeTilt(ground=Constant((1.0, 2.0, 3.0))).sample(0)
    assert shaken == (1.0, 2.0, STANDARD_GRAVITY + 3.0)


def test_soil_wets_fast_in_rain_and_drains_slowly_after_it() -> None:
    soil = SoilMoisture(rain=((HOUR_US, 50.0), (2 * HOUR_US, 0.0)), field_moisture=0.25)
    assert soil.sample(0) == soil.sample(HOUR_US) == 0.25
    after_rain = soil.sample(2 * HOUR_US)
    assert 0.99 < after_rain < 1.0
    assert soil.sample(2 * HOUR_US - 1) == pytest.approx(after_rain)
    assert 0.9 < soil.sample(3 * HOUR_US) < after_rain
    assert soil.sample(240 * HOUR_US) == pytest.approx(0.25, abs=0.001)


def test_motion_keeps_to_day_and_night_and_to_stillness() -> None:
    def share(**settings: Any) -> float:
        motion = Motion(seed=2, **settings)
        seen = values(motion, range(0, HOUR_US, 500_000))
        assert set(seen) <= {0.0, 1.0}
        return float(sum(seen) / len(seen))

    assert 0.05 < share(day_offset_us=9 * HOUR_US) < 0.2
    assert share(day_offset_us=2 * HOUR_US) < 0.01
    assert share(day_offset_us=9 * HOUR_US, still=((0, HOUR_US),)) == 0.0


def test_button_is_held_from_each_press_on() -> None:
    button = Held(at_us=(5_000, 90_000), hold_us=1_000)
    pressed = [t_us for t_us in range(0, 100_000, 500) if button.sample(t_us)]
    assert pressed == [5_000, 5_500, 90_000, 90_500]


def test_keyframes_refuse_what_is_no_line() -> None:
    for points in ((), ((5, 1.0), (5, 2.0)), ((5, 1.0), (4, 2.0))):
        with pytest.raises(ValueError, match="rising"):
            Keyframes(points)


def test_mix_adds_axis_by_axis() -> None:
    assert Mix(Constant((1.0, 2.0, 3.0)), Constant((0.5, 0.5, 0.5))).sample(0) == (1.5, 2.5, 3.5)
