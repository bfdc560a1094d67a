"""Noise, bias and rate of the models, measured by statistics, against the data sheets' figures."""

import math
import statistics
from typing import Any, NamedTuple

import pytest

from simulators import chips
from simulators.clock import HandClock
from simulators.signals.basic import Constant
from tests.simulators.block_bench import REST, SECOND_US, STANDARD_GRAVITY, BlockBench

PIECES = 400


class Figure(NamedTuple):
    """One kind of chip. rms: of one sample in SI units, without what rounding adds."""

    settings: dict[str, Any]
    signal: Any
    rms: float
    rate_error_ppm_max: int


def accelerometer(range_g: int) -> Figure:
    # 125 Hz: the filter's corner is at a quarter of it; 22.5 ug/rtHz in every range.
    settings = {"driver": "adxl355", "i2c": 0, "rate_mhz": 125_000, "shift": 0, "range_g": range_g}
    return Figure(settings, REST, 22.5e-6 * math.sqrt(31.25) * STANDARD_GRAVITY, 40_000)


def bridge(rate_mhz: int) -> Figure:
    # 60 nV rms at 40/s and 3.0 V, growing with the root of the rate; one arm of gauge factor 2.
    settings = {"driver": "nau7802", "i2c": 0, "rate_mhz": rate_mhz, "shift": 0}
    rms = 60e-9 * math.sqrt(rate_mhz / 40_000) / 3.0 / (2.0 / 4)
    return Figure(settings, Constant(100e-6), rms, 40_000)


FIGURES = {
    "adxl355-2g": accelerometer(2),
    "adxl355-8g": accelerometer(8),
    "nau7802-40": bridge(40_000),
    "nau7802-320": bridge(320_000),
    "tmp117": Figure(
        {"driver": "tmp117", "i2c": 0, "rate_mhz": 8_000}, Constant(20.0), 0.6 * 0.0078125, 40_000
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_noise(name: str) -> None:
    figure = FIGURES[name]
    bench = BlockBench(figure.settings, figure.signal, noise=True).start()
    bench.run(2 * SECOND_US)
    values = [bench.to_si(sample) for sample in bench.run(3000 * bench.driver.spacing_us)]
    assert len(values) > 2500
    step = bench.to_si((1,) * bench.width)[0]
    for column in zip(*values, strict=True):
        found = math.sqrt(statistics.pvariance(column) - step * step / 12)
        assert abs(found / figure.rms - 1) < 0.08


@pytest.mark.parametrize("name", FIGURES)
def test_rates_of_many_pieces_fill_the_tolerance_and_average_to_nothing(name: str) -> None:
    figure = FIGURES[name]
    driver, most = figure.settings["driver"], figure.rate_error_ppm_max
    pieces = [chips.create(driver, HandClock(), figure.signal, seed=n) for n in range(PIECES)]
    errors = [piece.rate_error_ppm for piece in pieces]
    assert 0.97 * most < max(errors) <= most
    assert -most <= min(errors) < -0.97 * most
    assert abs(statistics.mean(errors)) < 0.12 * most


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("share", [-1, 1])
def test_samples_come_at_the_pieces_own_rate(name: str, share: int) -> None:
    figure = FIGURES[name]
    error_ppm = share * figure.rate_error_ppm_max
    bench = BlockBench(figure.settings, figure.signal, rate_error_ppm=error_ppm).start()
    bench.run(2 * SECOND_US)
    count = len(bench.run(2000 * bench.driver.spacing_us))
    # A poll may find up to half a FIFO more or less at each end.
    slack = max(1, bench.driver.samples_max)
    assert abs(count - 2000 * (1 + error_ppm / 1e6)) <= slack
    assert bench.driver.overflows == 0


def test_bias_of_many_accelerometers() -> None:
    for seed in range(3):
        assert chips.create("adxl355", HandClock(), REST, seed=seed).bias_g == (0.0, 0.0, 0.0)
    options = {"bias": True}
    pieces = [
        chips.create("adxl355", HandClock(), REST, seed=seed, options=options)
        for seed in range(PIECES)
    ]
    for axis in range(3):
        biases = [piece.bias_g[axis] for piece in pieces]
        assert abs(statistics.pstdev(biases) / 0.025 - 1) < 0.1
        assert max(abs(bias) for bias in biases) <= 0.075


def test_bias_shows_in_the_readings() -> None:
    settings = {"driver": "adxl355", "i2c": 0, "rate_mhz": 125_000, "shift": 0}
    bench = BlockBench(settings, REST, noise=True, bias=True).start()
    samples = [bench.to_si(sample) for sample in bench.run(10 * SECOND_US)]
    for axis in range(3):
        mean_g = statistics.mean(sample[axis] for sample in samples) / STANDARD_GRAVITY
        assert abs(mean_g - bench.chip.bias_g[axis]) < 2e-5
