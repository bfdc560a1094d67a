"""The presence radar: the real driver on its model on the simulated board."""

import pytest

from agent.drivers.errors import SensorError
from simulators.signals.household import Motion, Presence
from tests.simulators.sensor_bench import SECOND_US, Bench

SETTINGS = {"name": "room", "driver": "ld2410", "uart": 0, "every_ms": 1000}
MOVING, STILL = 1, 2


class Still:
    """Somebody sits at a place."""

    def __init__(self, distance_m: float = 2.0) -> None:
        self._distance_m = distance_m

    def sample(self, t_us: int) -> tuple[float, float, float]:
        return 1.0, 0.0, self._distance_m


def test_radar_tells_when_the_person_is_there_and_moves() -> None:
    away = ((20 * SECOND_US, 40 * SECOND_US),)
    motion = Motion(seed=2)
    bench = Bench(SETTINGS, Presence(motion, seed=2, away=away))
    made = bench.run(120 * SECOND_US)
    assert len(made) >= 119
    for t_us, state, moving_cm, still_cm in made:
        if 26.5 * SECOND_US < t_us < 40 * SECOND_US:
            assert (state, moving_cm, still_cm) == (0, 0, 0)
        elif not 20 * SECOND_US <= t_us < 41.2 * SECOND_US:
            assert state & STILL
            assert 50 < still_cm < 480
            seen = any(motion.sample(t_us - back) for back in range(0, 1_400_000, 50_000))
            assert seen or not state & MOVING
    assert any(row[1] & MOVING for row in made)


def test_distance_is_right_within_the_noise() -> None:
    made = Bench(SETTINGS, Still(3.2)).run(60 * SECOND_US)
    assert all(abs(row[3] - 320) < 40 for row in made)
    mean_cm = sum(row[3] for row in made) / len(made)
    assert abs(mean_cm - 320) < 4


def test_radar_sees_no_farther_than_its_range() -> None:
    assert set(Bench(SETTINGS, Still(6.5)).values(10 * SECOND_US)) == {0}


def test_model_reports_ten_times_a_second_at_the_speed_of_the_line() -> None:
    chip = Bench(SETTINGS, Still(), rate_error_ppm=0).chip
    chip.power_on(0)
    assert len(chip.feed(10 * SECOND_US)) == 23 * 99
    assert len(chip.feed(10 * SECOND_US + 500)) == 12  # 39 us each


@pytest.mark.parametrize("fault", ["nack", "stuck_bus", "garbage", "wrong_checksum"])
def test_fault_is_told_and_heals(fault: str) -> None:
    bench = Bench(SETTINGS, Still())
    assert bench.values(3 * SECOND_US)
    bench.chip.fault = fault
    with pytest.raises(SensorError, match="no report"):
        bench.run(5 * SECOND_US)
    bench.chip.fault = None
    bench.driver.start()
    assert set(bench.values(5 * SECOND_US)) == {STILL}


def test_brown_out_in_the_middle_of_a_report_does_no_harm() -> None:
    bench = Bench(SETTINGS, Still())
    bench.values(3 * SECOND_US)
    bench.chip.fault = "brown_out"
    assert set(bench.values(5 * SECOND_US)) == {STILL}
    assert bench.chip.fault is None


def test_stuck_radar_repeats_itself() -> None:
    bench = Bench(SETTINGS, Still())
    bench.values(2 * SECOND_US)
    bench.chip.fault = "stuck_value"
    assert len(set(bench.run(10 * SECOND_US)[1:])) == 9  # only the time differs
    assert len({row[1:] for row in bench.run(10 * SECOND_US)}) == 1


def test_sensor_works_again_after_a_power_cut() -> None:
    bench = Bench(SETTINGS, Still())
    bench.run(3 * SECOND_US)
    bench.power_cycle()
    assert bench.run(3 * SECOND_US)
    assert bench.driver.overflows == 0


def test_nobody_is_seen_while_away_and_the_place_changes() -> None:
    person = Presence(Motion(seed=1), seed=1, away=((5, 10),))
    assert person.sample(5) == person.sample(9) == (0.0, 0.0, 0.0)
    places = {person.sample(slot * 10 * SECOND_US + 20)[2] for slot in range(20)}
    assert len(places) == 20 and 0.8 <= min(places) and max(places) <= 4.5
