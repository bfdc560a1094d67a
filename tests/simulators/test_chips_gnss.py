"""The satellite receiver: the real driver on its model, in a bus on its route."""

import math

import pytest

from agent.drivers.errors import SensorError
from simulators.signals.basic import Constant
from simulators.signals.route import BusRoute, distance_m
from tests.simulators.sensor_bench import SECOND_US, Bench

SETTINGS = {"name": "bus", "driver": "gnss", "uart": 0, "every_ms": 1000}
STOPS = ((35.6600, 139.7000), (35.6650, 139.7000), (35.6650, 139.7080))
HERE = Constant((-33.856781, -70.123456, 0.0))
BEGINS_S = 9497 * 86_400  # 2026-01-01, since 2000-01-01


def test_positions_follow_the_bus() -> None:
    route = BusRoute(STOPS, speed_m_s=10.0)
    made = Bench(SETTINGS, route, first_fix_us=0).run(600 * SECOND_US)
    assert len(made) >= 595
    for t_us, lat, lon, height_cm, speed_mm_s, satellites, utc_s in made:
        second_us = (utc_s - BEGINS_S) * SECOND_US
        assert 0 < t_us - second_us < 1_500_000
        latitude, longitude, speed_m_s = route.sample(second_us)
        assert distance_m((latitude, longitude), (lat * 4e-7, lon * 4e-7)) < 12
        assert abs(speed_mm_s / 1000 - speed_m_s) < 0.3
        assert (height_cm, satellites) == (2000, 9)


def test_half_of_all_positions_err_by_less_than_the_data_sheet_says() -> None:
    errors = []
    for seed in range(12):
        for row in Bench(SETTINGS, HERE, seed=seed, first_fix_us=0).run(300 * SECOND_US):
            north, east = row[1] * 4e-7 + 33.856781, row[2] * 4e-7 + 70.123456
            errors.append(111_195 * math.hypot(north, east * math.cos(math.radians(33.86))))
    assert 1.8 < sorted(errors)[len(errors) // 2] < 3.3


def test_position_is_exact_to_four_centimetres_without_noise() -> None:
    made = Bench(SETTINGS, HERE, noise=False, first_fix_us=0).run(5 * SECOND_US)
    for row in made:
        assert abs(row[1] + 84_641_952) <= 1 and abs(row[2] + 175_308_640) <= 1


@pytest.mark.parametrize("talker", ["GP", "GL", "GQ", "QZ"])
def test_talkers(talker: str) -> None:
    assert Bench(SETTINGS, HERE, first_fix_us=0, talker=talker).run(3 * SECOND_US)


def test_cold_start_takes_half_a_minute_and_is_no_error() -> None:
    bench = Bench(SETTINGS, HERE)
    assert bench.run(25 * SECOND_US) == []
    assert not bench.driver.self_test()
    assert bench.run(5 * SECOND_US) != []
    assert bench.driver.self_test()
    assert bench.driver.sentence_errors == 0


def test_tunnel_is_counted_as_missing_and_a_lost_antenna_is_told() -> None:
    bench = Bench(SETTINGS, HERE, first_fix_us=0)
    bench.run(5 * SECOND_US)
    bench.chip.fault = "no_fix"
    assert bench.run(60 * SECOND_US)[2:] == []
    bench.chip.fault = None
    assert len(bench.run(10 * SECOND_US)) >= 9
    assert bench.driver.overflows == 1
    bench.chip.fault = "no_fix"
    with pytest.raises(SensorError, match="antenna"):
        bench.run(620 * SECOND_US)


@pytest.mark.parametrize(
    "fault", ["nack", "stuck_bus", "garbage", "wrong_checksum", "stuck_value"]
)
def test_fault_is_told_and_heals(fault: str) -> None:
    bench = Bench(SETTINGS, HERE, first_fix_us=0, noise=False)
    assert bench.run(5 * SECOND_US)
    bench.chip.fault = fault
    with pytest.raises(SensorError, match="nothing readable and new"):
        bench.run(10 * SECOND_US)
    bench.chip.fault = None
    bench.driver.start()
    assert {row[1] for row in bench.run(5 * SECOND_US)} <= {-84_641_952, -84_641_953}


def test_brown_out_in_the_middle_of_a_sentence_does_no_harm() -> None:
    bench = Bench(SETTINGS, HERE, first_fix_us=0)
    bench.run(5 * SECOND_US)
    bench.chip.fault = "brown_out"
    assert len(bench.run(10 * SECOND_US)) >= 8
    assert bench.chip.fault is None


def test_no_byte_is_lost_at_the_polls_of_the_driver() -> None:
    bench = Bench(SETTINGS, HERE, first_fix_us=0)
    bench.run(60 * SECOND_US)
    assert bench.driver._bytes._uart.overruns == 0
    assert bench.driver.sentence_errors == 0


def test_sensor_works_again_after_a_power_cut() -> None:
    bench = Bench(SETTINGS, HERE, first_fix_us=0)
    bench.run(3 * SECOND_US)
    bench.power_cycle()
    assert bench.run(3 * SECOND_US)
    assert bench.driver.overflows == 0


def test_bus_waits_at_its_stops_drives_between_them_and_goes_round() -> None:
    route = BusRoute(STOPS, speed_m_s=10.0, dwell_us=20 * SECOND_US)
    assert route.sample(19 * SECOND_US) == (*STOPS[0], 0.0)
    leg_us = round(distance_m(STOPS[0], STOPS[1]) / 10.0 * 1e6)
    latitude, longitude, speed_m_s = route.sample(20 * SECOND_US + leg_us // 2)
    assert latitude == pytest.approx(35.6625, abs=1e-6)
    assert (longitude, speed_m_s) == (139.7, 10.0)
    assert route.sample(21 * SECOND_US + leg_us) == (*STOPS[1], 0.0)
    one_round_us = 60 * SECOND_US + sum(
        round(distance_m(here, there) / 10.0 * 1e6)
        for here, there in zip(STOPS, (*STOPS[1:], STOPS[0]), strict=True)
    )
    assert route.sample(5 + one_round_us) == route.sample(5)
    with pytest.raises(ValueError, match="two or more"):
        BusRoute((STOPS[0], STOPS[0]))


def test_distance_of_a_minute_of_latitude_is_a_nautical_mile() -> None:
    assert distance_m((35.0, 139.0), (35.0 + 1 / 60, 139.0)) == pytest.approx(1852, rel=0.002)
    assert distance_m((60.0, 10.0), (60.0, 10.0 + 1 / 60)) == pytest.approx(926, rel=0.002)
