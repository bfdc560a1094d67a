"""The rain gauge: the real driver on its model on the simulated board, in the world's rain."""

import pytest

from agent.drivers.errors import SensorError
from simulators.signals.basic import Constant
from simulators.signals.rain import HOUR_US, RainTotal
from tests.simulators.sensor_bench import SECOND_US, Bench

SETTINGS = {"name": "rain", "driver": "tipping_bucket", "pin": 4, "every_ms": 60_000}
STORM = RainTotal(((60 * SECOND_US, 120.0), (HOUR_US, 0.0)))


@pytest.mark.parametrize("seed", range(5))
def test_no_tip_is_lost_or_doubled_by_bounces(seed: int) -> None:
    bench = Bench(SETTINGS, STORM, seed=seed)
    made = bench.values(HOUR_US)
    assert made == sorted(made)
    # 59 minutes of 120 mm/h: 236 tips, within the gauge's 3 %.
    assert abs(made[-1] - 236) <= 0.03 * 236 + 1
    assert bench.driver.overflows == 0


def test_gauge_without_error_is_exact() -> None:
    bench = Bench(SETTINGS, STORM, noise=False)
    for t_us, tips in bench.run(HOUR_US):
        assert tips == int(STORM.sample(t_us) / 0.0005)


def test_tips_between_two_reads_are_all_counted() -> None:
    bench = Bench({**SETTINGS, "every_ms": 600_000}, STORM, noise=False)
    assert bench.values(HOUR_US)[-1] == int(
        STORM.sample(bench.clock.now_us() - 600_000_000) / 5e-4
    )


def test_another_driver_of_the_same_boot_goes_on_counting() -> None:
    bench = Bench(SETTINGS, STORM, noise=False)
    bench.run(HOUR_US // 4)
    bench.driver.stop()
    bench.clock.advance(HOUR_US // 4)
    bench.boot()
    t_us, tips = bench.run(HOUR_US // 4)[-1]
    assert tips == int(STORM.sample(t_us) / 0.0005)


def test_count_begins_anew_with_the_boot() -> None:
    bench = Bench(SETTINGS, STORM, noise=False)
    before = bench.values(HOUR_US // 2)[-1]
    bench.power_cycle()
    assert 0 <= bench.values(60 * SECOND_US)[0] <= 5 < before


@pytest.mark.parametrize("fault", ["nack", "stuck_value"])
def test_clogged_gauge_counts_nothing_and_heals(fault: str) -> None:
    bench = Bench(SETTINGS, STORM)
    bench.chip.fault = fault
    assert set(bench.values(600 * SECOND_US)) == {0}
    bench.chip.fault = None
    assert bench.values(600 * SECOND_US)[-1] > 30


def test_loose_wire_is_told() -> None:
    bench = Bench(SETTINGS, Constant(0.0))
    assert bench.values(120 * SECOND_US) == [0, 0]
    bench.chip.fault = "garbage"
    with pytest.raises(SensorError, match="more than rain"):
        bench.run(180 * SECOND_US)


def test_contact_is_closed_for_a_tenth_of_a_second() -> None:
    bench = Bench(SETTINGS, STORM, noise=False)
    pin = bench.board.pin(4, "in", "up")
    bench.clock.advance(60 * SECOND_US)
    closed = 0
    for _ in range(60_000):
        bench.clock.advance(1000)
        closed += 1 - pin.value()
    assert abs(closed - 4 * 100) <= 100


def test_rain_adds_up_and_never_falls() -> None:
    rain = RainTotal(((HOUR_US, 10.0), (2 * HOUR_US, 0.0), (3 * HOUR_US, 5.0)))
    depths_mm = [1000 * rain.sample(hour * HOUR_US) for hour in range(6)]
    assert depths_mm == pytest.approx([0, 0, 10, 10, 15, 20])
    with pytest.raises(ValueError, match="rising"):
        RainTotal(((5, 1.0), (5, 2.0)))
    assert RainTotal(()).sample(5) == 0.0
