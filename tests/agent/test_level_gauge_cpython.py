"""The drivers of both gauges with a window: real parsing, models of the chips, levels in cm."""

from typing import Any

import pytest

from agent.drivers.errors import SensorError
from simulators.signals.basic import Constant
from tests.simulators.sensor_bench import SECOND_US, Bench

SETTINGS = {"name": "level", "uart": 0, "height_mm": 4800, "every_ms": 10_000, "window_ms": 20_000}
CHIPS = ("a02yyuw", "mb7389")


class Step:
    """A distance in m that changes at a time."""

    def __init__(self, before_m: float, after_m: float, at_us: int) -> None:
        self._values = (before_m, after_m)
        self._at_us = at_us

    def sample(self, t_us: int) -> float:
        return self._values[t_us >= self._at_us]


def bench_of(chip: str, signal: Any, **options: Any) -> Bench:
    return Bench({**SETTINGS, "driver": chip}, signal, **options)


@pytest.mark.parametrize("chip", CHIPS)
def test_levels_are_centimetres_from_twenty_seconds_on(chip: str) -> None:
    bench = bench_of(chip, Constant(3.2004))
    assert bench.driver.channels == (("", "m", -2, 1),)
    assert bench.driver.poll_us == 500_000
    rows = bench.run(65 * SECOND_US)
    assert [level for _, level in rows] == [160] * len(rows) and len(rows) in (4, 5)
    assert rows[0][0] - 5 * SECOND_US >= 20 * SECOND_US


def test_a_stuck_echo_is_an_error_and_no_level() -> None:
    bench = bench_of("a02yyuw", Step(3.2, 1.0, 70 * SECOND_US))
    bench.run(60 * SECOND_US)
    bench.chip._noise_mm = 0.0  # a plate: always the same distance
    refused = 0
    for _ in range(20):
        try:
            assert [level for _, level in bench.run(30 * SECOND_US) if level != 160] == []
        except SensorError as error:
            assert "stuck" in str(error)
            refused += 1
            bench.driver.start()
    assert refused >= 10
