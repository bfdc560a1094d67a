"""Water levels: real drivers on their models on the simulated board, with the same river."""

from itertools import pairwise
from typing import Any

import pytest

from agent.drivers.errors import SensorError
from simulators.signals.basic import Constant
from simulators.signals.river import DistanceToWater, River
from tests.simulators.sensor_bench import SECOND_US, Bench

PRESSURE = {
    "name": "level",
    "driver": "pressure_level",
    "i2c": 0,
    "rate_mhz": 1000,
    "full_pa": 49_033,
    "zero_mm": -500,
}
ECHO = {"name": "level", "driver": "mb7389", "uart": 0, "height_mm": 4000, "every_ms": 1000}
FLOOD = ((15 * SECOND_US, 0.0), (45 * SECOND_US, 2.0))


def levels_m(bench: Bench, duration_us: int) -> list[tuple[int, float]]:
    _, _, exponent, multiplier = bench.driver.channels[0]
    made = bench.run(duration_us)
    return [(row[0], row[1] * multiplier * 10.0**exponent) for row in made]


def test_pressure_follows_the_river_within_the_transducers_class() -> None:
    river = River(seed=1, stage_m=0.8, flood=FLOOD)
    for seed in range(4):
        made = levels_m(Bench(PRESSURE, river, seed=seed), 60 * SECOND_US)
        assert len(made) == 60
        for t_us, level_m in made:
            # 0.25 % of 5 m; a conversion is up to 140 ms old, the flood rises 67 mm/s.
            assert abs(level_m - river.sample(t_us)) < 0.0125 + 0.14 * 0.067 + 0.003


def test_pressure_is_exact_to_a_step_without_noise() -> None:
    bench = Bench(PRESSURE, Constant(1.2345), noise=False, accuracy=False)
    assert all(abs(level - 1.2345) < 0.0005 for _, level in levels_m(bench, 10 * SECOND_US))


def test_transducer_in_the_air_reads_its_own_height() -> None:
    bench = Bench(PRESSURE, Constant(-2.0), noise=False, accuracy=False)
    assert abs(levels_m(bench, SECOND_US)[0][1] + 0.5) < 0.0005


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("nack", "nothing answers"),
        ("stuck_bus", "held low"),
        ("open", "3.6 mA"),
        ("short", "21 mA"),
    ],
)
def test_pressure_fault_is_told_and_heals(fault: str, words: str) -> None:
    bench = Bench(PRESSURE, Constant(1.0))
    assert bench.run(2 * SECOND_US)
    bench.chip.fault = fault
    with pytest.raises(SensorError, match=words):
        bench.run(3 * SECOND_US)
    bench.chip.fault = None
    bench.clock.advance(SECOND_US)
    assert abs(levels_m(bench, 2 * SECOND_US)[-1][1] - 1.0) < 0.016


def test_water_beyond_the_transducers_range_is_an_error_and_not_a_level() -> None:
    bench = Bench(PRESSURE, Constant(6.0))
    with pytest.raises(SensorError, match="21 mA"):
        bench.run(2 * SECOND_US)


def test_echo_follows_the_same_river() -> None:
    river = River(seed=1, stage_m=0.8, flood=FLOOD)
    made = levels_m(Bench(ECHO, DistanceToWater(river, height_m=4.0)), 60 * SECOND_US)
    assert 59 <= len(made) <= 60
    for t_us, level_m in made:
        assert abs(level_m - river.sample(t_us)) < 0.016 * 0.67 + 0.006


def test_echo_model_talks_as_the_data_sheet_says() -> None:
    chip = Bench(ECHO, Constant(1.0), noise=False, rate_error_ppm=0).chip
    chip.power_on(0)
    assert chip.feed(50_000) == b""
    lines = chip.feed(50_000 + 60_000).split(b"\r")
    assert lines[0] == b"HRXL-MaxSonar-WRMT"
    times_us = []
    for t_us in range(110_000, 2_000_000, 500):
        data = chip.feed(t_us)
        assert len(data) <= 1  # 1.04 ms each
        if data == b"R":
            times_us.append(t_us)
    assert len(times_us) == 13
    assert all(abs(b - a - 148_000) <= 500 for a, b in pairwise(times_us))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("nack", "nothing readable"),
        ("stuck_bus", "nothing readable"),
        ("wrong_checksum", "nothing readable"),
        ("garbage", "nothing readable"),
        ("no_echo", "no echo"),
    ],
)
def test_echo_fault_is_told_within_five_seconds_and_heals(fault: str, words: str) -> None:
    bench = Bench(ECHO, Constant(1.0), noise=False)
    assert bench.run(3 * SECOND_US)
    bench.chip.fault = fault
    with pytest.raises(SensorError, match=words):
        bench.run(5 * SECOND_US)
    bench.chip.fault = None
    bench.clock.advance(SECOND_US)
    assert bench.values(10 * SECOND_US) == [3000] * 10


def test_echo_survives_a_brown_out_in_the_middle_of_a_line() -> None:
    bench = Bench(ECHO, Constant(1.0), noise=False)
    bench.run(3 * SECOND_US)
    bench.chip.fault = "brown_out"
    assert bench.values(10 * SECOND_US) == [3000] * 10
    assert bench.chip.fault is None
    assert bench.driver.frame_errors >= 1


def test_echo_beyond_its_limits() -> None:
    assert Bench(ECHO, Constant(0.1), noise=False).values(2 * SECOND_US)[-1] == 3700
    with pytest.raises(SensorError, match="no echo"):
        Bench(ECHO, Constant(6.0)).run(5 * SECOND_US)


def test_converter_that_lost_its_settings_is_told() -> None:
    bench = Bench(PRESSURE, Constant(1.0))
    bench.run(SECOND_US)
    bench.chip.power_on(bench.clock.now_us())
    with pytest.raises(SensorError, match="lost its settings"):
        bench.run(2 * SECOND_US)


@pytest.mark.parametrize("settings", [PRESSURE, ECHO])
def test_level_works_again_after_a_power_cut(settings: dict[str, Any]) -> None:
    bench = Bench(settings, Constant(1.0))
    bench.run(3 * SECOND_US)
    bench.power_cycle()
    assert bench.run(3 * SECOND_US)
    assert bench.driver.overflows == 0
