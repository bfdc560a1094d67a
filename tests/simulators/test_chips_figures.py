"""Noise, bias and rate of the models, measured by statistics, against the data sheets' figures."""

import math
import statistics
from typing import Any, NamedTuple

import pytest

from simulators import chips
from simulators.board import SimBoard
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


def load_cell(rate_mhz: int, rms_v: float) -> Figure:
    # 50 nV rms at 10/s, 90 nV at 80/s, of an input of 5 V * 2 mV/V at 1000 N.
    settings = {
        "driver": "hx711",
        "data_pin": 2,
        "clock_pin": 3,
        "rate_mhz": rate_mhz,
        "full_n": 1000,
        "rated_uv_per_v": 2000,
        "shift": 0,
    }
    return Figure(settings, Constant(100.0), rms_v / (5.0 * 2e-3) * 1000, 100_000)


FIGURES = {
    "adxl355-2g": accelerometer(2),
    "adxl355-8g": accelerometer(8),
    "nau7802-40": bridge(40_000),
    "nau7802-320": bridge(320_000),
    "tmp117": Figure(
        {"driver": "tmp117", "i2c": 0, "rate_mhz": 8_000}, Constant(20.0), 0.6 * 0.0078125, 110_000
    ),
    "hx711-10": load_cell(10_000, 50e-9),
    "hx711-80": load_cell(80_000, 90e-9),
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


def test_offset_of_many_load_cell_converters() -> None:
    # 0.2 mV at gain 128, referred to the output (data sheet, table 2); drawn as one sigma.
    offsets = [
        chips.create("hx711", HandClock(), Constant(0.0), seed=seed).offset_v
        for seed in range(PIECES)
    ]
    assert abs(statistics.pstdev(offsets) / (0.2e-3 / 128) - 1) < 0.1
    assert max(abs(offset) for offset in offsets) <= 3 * 0.2e-3 / 128
    assert abs(statistics.mean(offsets)) < 0.2 * 0.2e-3 / 128


def test_offset_of_a_load_cell_converter_shows_in_its_readings() -> None:
    settings = load_cell(80_000, 0.0).settings
    bench = BlockBench(settings, Constant(100.0), noise=True).start()
    loads = [bench.to_si(sample)[0] for sample in bench.run(30 * SECOND_US)]
    offset_n = bench.chip.offset_v / (5.0 * 2e-3) * 1000
    assert abs(offset_n) > 0.01
    assert abs(statistics.mean(loads) - 100.0 - offset_n) < 4 * 0.009 / math.sqrt(len(loads))


# Peak to peak in steps: data sheet SBAS444, section "Noise Performance", in uV over one step's.
CONVERTER_RATES_MHZ = (8_000, 128_000, 250_000, 475_000, 860_000)
CONVERTER_PEAKS_UV = {
    6144: (187.5, 187.5, 252.09, 266.92, 430.06),
    4096: (125.0, 125.0, 148.28, 227.38, 266.93),
    2048: (62.5, 62.5, 84.03, 79.08, 118.63),
    1024: (31.25, 31.25, 39.54, 56.84, 64.26),
    512: (15.62, 15.62, 16.06, 32.13, 40.78),
    256: (7.81, 7.81, 18.53, 25.95, 35.83),
}


@pytest.mark.parametrize("range_mv", CONVERTER_PEAKS_UV)
@pytest.mark.parametrize("rate", range(len(CONVERTER_RATES_MHZ)))
def test_noise_of_the_converter_by_rate_and_range(range_mv: int, rate: int) -> None:
    # Smaller than a step, noise cannot be seen as a spread. But one sigma above the edge between
    # two codes, 84.1 % of the conversions come out above it, whatever sigma is.
    sigma_uv = CONVERTER_PEAKS_UV[range_mv][rate] / 6.6
    step_uv = range_mv * 1000 / 32768
    line = {"zero_uv": 0, "full_uv": 200_000, "full_um": 200_000}  # 1 m a volt
    voltage_uv = 1000.5 * step_uv + sigma_uv
    clock = HandClock(SECOND_US)
    chip = chips.create("ads1115", clock, Constant(voltage_uv * 1e-6), seed=9)
    settings = {"i2c": 0, **line}
    board = SimBoard(clock, [(chip, settings)])
    bus, code = board.i2c(0), bytearray(2)
    range_code = list(CONVERTER_PEAKS_UV).index(range_mv)
    rate_code = (8, 16, 32, 64, 128, 250, 475, 860).index(CONVERTER_RATES_MHZ[rate] // 1000)
    config = 0x4003 | range_code << 9 | rate_code << 5
    bus.writeto_mem(0x48, 1, config.to_bytes(2, "big"))
    above = 0
    for _ in range(4000):
        clock.advance(2_000_000_000 // CONVERTER_RATES_MHZ[rate])
        bus.readfrom_mem_into(0x48, 0, code)
        above += int.from_bytes(code, "big") >= 1001
    assert abs(above / 4000 - 0.8413) < 0.025  # four times what chance allows for


@pytest.mark.parametrize(
    ("driver", "most"), [("ads1115", 100_000), ("ads1220", 20_000), ("adxl345", 50_000)]
)
def test_rates_of_other_pieces_fill_the_tolerance(driver: str, most: int) -> None:
    pieces = [chips.create(driver, HandClock(), REST, seed=seed) for seed in range(PIECES)]
    errors = [piece.rate_error_ppm for piece in pieces]
    assert 0.97 * most < max(errors) <= most and -most <= min(errors) < -0.97 * most
