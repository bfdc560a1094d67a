"""The HX711 and its driver: pulses, power-down by a stretched clock, settling, faults, figures."""

import statistics
from contextlib import suppress
from typing import Any

import pytest

from agent.drivers.errors import SensorError
from simulators.clock import HandClock
from simulators.signals.basic import Constant
from tests.simulators.block_bench import SECOND_US, BlockBench

SETTINGS = {
    "driver": "hx711",
    "data_pin": 2,
    "clock_pin": 3,
    "rate_mhz": 10_000,
    "full_n": 1000,
    "rated_uv_per_v": 2000,
    "shift": 0,
}
LOAD = Constant(123.4)
STEP_N = 1000 * 0.5 / 128 / 2e-3 / (1 << 23)


class SlowClock(HandClock):
    """Each look at the clock takes a while: a processor that others interrupt."""

    look_us = 0

    def now_us(self) -> int:
        self.advance(self.look_us)
        return super().now_us()


def bench_of(signal: Any = LOAD, **options: Any) -> BlockBench:
    return BlockBench(SETTINGS, signal, **options)


def test_loads_are_read_in_newton_within_a_step() -> None:
    for load_n in (123.4, -987.6, 0.0):
        bench = bench_of(Constant(load_n)).start()
        samples = bench.run(3 * SECOND_US)
        assert len(samples) > 20 and len(set(samples)) == 1
        assert abs(bench.to_si(samples[0])[0] - load_n) <= STEP_N / 2 + 1e-9 * abs(load_n)
        assert bench.driver.overflows == 0


@pytest.mark.parametrize("gain", [128, 64, 32])
def test_gain_is_chosen_by_the_number_of_pulses(gain: int) -> None:
    bench = BlockBench({**SETTINGS, "gain": gain}, LOAD).start()
    samples = bench.run(5 * SECOND_US)
    assert samples[0] == (round(123.4 / STEP_N * gain / 128),)
    assert len(set(samples)) == 1
    assert bench.driver.overflows == 0


@pytest.mark.parametrize("error_ppm", [-100_000, 0, 100_000])
def test_no_conversion_is_missed_or_doubled_whatever_the_oscillator_does(error_ppm: int) -> None:
    bench = bench_of(rate_error_ppm=error_ppm).start()
    bench.run(SECOND_US)
    assert abs(len(bench.run(60 * SECOND_US)) - 600 * (1 + error_ppm / 1e6)) <= 1
    assert bench.driver.overflows == 0


def test_the_first_conversion_comes_when_it_has_settled() -> None:
    bench = bench_of(rate_error_ppm=0).start()
    bench.clock.advance(399_000)
    assert bench.read_driver() == []
    bench.clock.advance(1_000)
    assert len(bench.read_driver()) == 1


def test_a_stall_is_counted() -> None:
    bench = bench_of().start()
    bench.run(2 * SECOND_US)
    bench.clock.advance(SECOND_US)
    assert len(bench.read_driver()) == 1
    assert bench.driver.overflows == 1


def test_a_stretched_pulse_switches_it_off_and_the_reading_is_thrown_away() -> None:
    bench = bench_of()
    clock = SlowClock(SECOND_US)
    bench.clock = bench.board.world_clock = clock
    bench.board.power_on()
    bench = rebooted(bench)
    good = bench.run(2 * SECOND_US)
    clock.look_us = 70
    for _ in range(2):
        clock.advance(50_000)
        assert bench.read_driver() == []
    assert bench.driver.overflows == 1
    clock.look_us = 0
    assert set(bench.run(3 * SECOND_US)) == set(good)
    assert bench.driver.overflows == 1


def rebooted(bench: BlockBench) -> BlockBench:
    bench.driver = type(bench.driver)(bench.board, bench.settings)
    return bench.start()


@pytest.mark.parametrize(("fault", "cause"), [("nack", "nothing answers"), ("stuck_bus", "low")])
def test_a_wire_that_fails_is_an_error_and_a_restart_heals_it(fault: str, cause: str) -> None:
    bench = bench_of().start()
    bench.run(SECOND_US)
    bench.chip.fault = fault
    with pytest.raises(SensorError, match=cause) as caught:
        bench.run(3 * SECOND_US)
    assert "wires" in caught.value.remedy
    bench.chip.fault = None
    bench.start()
    assert bench.run(2 * SECOND_US)


def test_a_wire_held_low_is_found_at_the_start() -> None:
    bench = bench_of()
    bench.chip.fault = "stuck_bus"
    with pytest.raises(SensorError, match="held low"):
        bench.start()
    assert not bench.driver.self_test()


def test_a_dip_of_the_supply_while_reading_is_counted_as_loss() -> None:
    bench = bench_of().start()
    bench.run(2 * SECOND_US)
    bench.chip.fault = "brown_out"
    bench.run(2 * SECOND_US)
    assert bench.chip.fault is None
    assert bench.driver.overflows == 1


def test_self_test_finds_an_open_wire_and_sampling_goes_on() -> None:
    bench = bench_of().start()
    bench.run(SECOND_US)
    assert bench.driver.self_test()
    assert bench.run(2 * SECOND_US)
    broken = bench_of(wire="open").start()
    assert broken.run(SECOND_US)[-1] == (0x7FFFFF,)
    assert not broken.driver.self_test()


def test_stop_switches_it_off() -> None:
    bench = bench_of().start()
    bench.run(SECOND_US)
    bench.driver.stop()
    bench.clock.advance(SECOND_US)
    with suppress(SensorError):
        assert bench.read_driver() == []


@pytest.mark.parametrize(("rate_mhz", "noise_v"), [(10_000, 50e-9), (80_000, 90e-9)])
def test_noise_is_that_of_page_3(rate_mhz: int, noise_v: float) -> None:
    bench = BlockBench({**SETTINGS, "rate_mhz": rate_mhz}, LOAD, noise=True).start()
    codes = [code for (code,) in bench.run(20_000_000 * SECOND_US // rate_mhz)]
    step_v = 0.5 * 5.0 / 128 / (1 << 23)
    assert abs(statistics.pstdev(codes) * step_v / noise_v - 1) < 0.06


def test_what_it_cannot_do_is_refused() -> None:
    with pytest.raises(ValueError, match="rate_mhz"):
        BlockBench({**SETTINGS, "rate_mhz": 20_000}, LOAD)
