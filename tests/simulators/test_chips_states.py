"""The wire loop and the pressure mat: real drivers on their models on the simulated board."""

from typing import Any

import pytest

from agent.drivers.wire_loop import CUT, INTACT, SHORT
from simulators.signals.basic import Constant
from simulators.signals.household import Held
from tests.simulators.sensor_bench import SECOND_US, Bench

SUPERVISED = {"name": "wire", "driver": "wire_loop", "adc": 0}
PLAIN = {"name": "wire", "driver": "wire_loop", "pin": 2}
MAT = {"name": "bed", "driver": "pressure_mat", "adc": 1, "on_u16": 34_000, "off_u16": 28_000}
MAT_CONTACT = {"name": "bed", "driver": "pressure_mat", "pin": 3, "active": "low"}
TORN = Held(at_us=(10 * SECOND_US,), hold_us=3600 * SECOND_US)


@pytest.mark.parametrize("settings", [SUPERVISED, PLAIN])
@pytest.mark.parametrize("seed", range(5))
def test_torn_wire_alarms_once(settings: dict[str, Any], seed: int) -> None:
    made = Bench(settings, TORN, seed=seed).run(60 * SECOND_US)
    assert [row[1] for row in made] == [INTACT, CUT]
    assert 0 <= made[1][0] - 10 * SECOND_US <= 200_000


@pytest.mark.parametrize(
    ("settings", "fault", "state"),
    [
        (SUPERVISED, "cut", CUT),
        (SUPERVISED, "signal_cut", CUT),
        (SUPERVISED, "short", SHORT),
        (SUPERVISED, "drift", None),
        (SUPERVISED, "stuck_value", None),
        (PLAIN, "signal_cut", CUT),
        (PLAIN, "short", None),
    ],
)
def test_faults_of_the_line(settings: dict[str, Any], fault: str, state: int | None) -> None:
    bench = Bench(settings, Constant(0.0))
    assert bench.values(SECOND_US) == [INTACT]
    bench.chip.fault = fault
    assert bench.values(5 * SECOND_US) == ([] if state is None else [state])
    bench.chip.fault = None
    assert bench.values(SECOND_US) == ([] if state is None else [INTACT])


def test_wet_joint_of_a_few_kilohm_shows_as_a_short_and_a_weak_leak_does_not() -> None:
    assert Bench(SUPERVISED, Constant(0.0), leak_ohm=2_000).values(SECOND_US) == [SHORT]
    assert Bench(SUPERVISED, Constant(0.0), leak_ohm=50_000).values(SECOND_US) == [INTACT]


def test_loop_model_divides_as_resistors_do() -> None:
    bench = Bench(SUPERVISED, Constant(0.0), noise=False, end_ohm=5_000.0)
    share = bench.chip.value_u16(0) / 65_535
    assert share == pytest.approx(1 / 3, rel=0.02)
    bench = Bench(dict(SUPERVISED, intact_u16=20_000), Constant(0.0), noise=False)
    assert bench.chip.value_u16(0) == pytest.approx(20_000, rel=0.02)


@pytest.mark.parametrize("settings", [MAT, MAT_CONTACT])
def test_mat_tells_who_gets_up_and_lies_down(settings: dict[str, Any]) -> None:
    lies = Held(at_us=(10 * SECOND_US, 30 * SECOND_US), hold_us=10 * SECOND_US)
    made = Bench(settings, lies).run(60 * SECOND_US)
    assert [row[1] for row in made] == [0, 1, 0, 1, 0]
    for row, changed_s in zip(made[1:], (10, 20, 30, 40), strict=True):
        assert 0 <= row[0] - changed_s * SECOND_US <= 1_100_000


def test_mat_that_creeps_does_not_chatter() -> None:
    bench = Bench(MAT, Constant(1.0), loaded_u16=40_000, free_u16=20_000)
    assert bench.values(10 * SECOND_US) == [1]
    bench.chip.fault = "drift"
    assert bench.values(600 * SECOND_US) == []


@pytest.mark.parametrize("settings", [MAT, MAT_CONTACT])
def test_mat_with_its_wire_off_reads_free(settings: dict[str, Any]) -> None:
    bench = Bench(settings, Constant(1.0))
    assert bench.values(SECOND_US) == [1]
    bench.chip.fault = "nack"
    assert bench.values(2 * SECOND_US) == [0]


def test_stuck_mat_says_nothing_new() -> None:
    bench = Bench(MAT, Held(at_us=(10 * SECOND_US,), hold_us=SECOND_US))
    assert bench.values(SECOND_US) == [0]
    bench.chip.fault = "stuck_value"
    assert bench.values(20 * SECOND_US) == []


@pytest.mark.parametrize("settings", [SUPERVISED, PLAIN, MAT, MAT_CONTACT])
def test_state_is_told_again_after_a_power_cut(settings: dict[str, Any]) -> None:
    bench = Bench(settings, Constant(0.0))
    assert bench.values(SECOND_US) == [0]
    bench.power_cycle()
    assert bench.values(2 * SECOND_US) == [0]
