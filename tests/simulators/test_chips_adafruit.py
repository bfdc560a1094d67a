"""An independent check of the models: other people's drivers on them, and what ours read there.

Each test reads the same noiseless signal twice, on the same kind of chip: once through Adafruit's
CircuitPython driver (for the NAU7802, Cedar Grove's), once through ours.
"""

from typing import Any

import adafruit_adxl34x
import adafruit_hx711.hx711 as adafruit_hx711
import adafruit_mpu6050
import adafruit_tmp117
import cedargrove_nau7802
import pytest
from adafruit_ads1x15 import ads1x15
from adafruit_ads1x15.ads1115 import ADS1115
from adafruit_ads1x15.analog_in import AnalogIn

from simulators.signals.basic import Constant
from tests.adafruit_bus import I2C, DigitalPin, Processor, Time
from tests.simulators.block_bench import SECOND_US, STANDARD_GRAVITY, BlockBench

SHAKEN = Constant((1.25, -3.5, STANDARD_GRAVITY))
TRANSDUCER = {
    "driver": "ads1115",
    "i2c": 0,
    "rate_mhz": 8_000,
    "zero_uv": 660_000,
    "full_uv": 3_300_000,
    "full_um": 100_000,
}
CELL = {
    "driver": "hx711",
    "data_pin": 2,
    "clock_pin": 3,
    "rate_mhz": 80_000,
    "full_n": 1000,
    "rated_uv_per_v": 2000,
    "shift": 0,
}


def bench_for_others(settings: dict[str, Any], signal: Any) -> tuple[BlockBench, I2C]:
    bench = BlockBench(settings, signal)
    return bench, I2C(bench.board, bench.clock)


def ours(settings: dict[str, Any], signal: Any) -> tuple[float, ...]:
    """Return what our driver reads of that signal, in SI units."""
    bench = BlockBench(settings, signal).start()
    return bench.to_si(bench.run(8 * SECOND_US)[-1])


def agree(found: Any, wanted: Any, tolerance: float) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert abs(one - other) <= tolerance


@pytest.mark.parametrize("range_g", [2, 4, 8, 16])
def test_adxl345(range_g: int) -> None:
    settings = {"driver": "adxl345", "i2c": 0, "rate_mhz": 100_000, "range_g": range_g}
    bench, bus = bench_for_others(settings, SHAKEN)
    other = adafruit_adxl34x.ADXL345(bus)
    other.range = {2: 0, 4: 1, 8: 2, 16: 3}[range_g]
    other.data_rate = adafruit_adxl34x.DataRate.RATE_400_HZ
    bench.clock.advance(10_000)
    assert other.range == {2: 0, 4: 1, 8: 2, 16: 3}[range_g]
    # Theirs takes 4 mg for a step, which is 1/256 g = 3.90625 mg.
    found = [value / (0.004 * 256) for value in other.acceleration]
    agree(found, ours(settings, SHAKEN), 1e-6)


def test_mpu6050(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"driver": "mpu6050", "i2c": 0, "rate_mhz": 100_000, "range_g": 4}
    bench, bus = bench_for_others(settings, SHAKEN)
    monkeypatch.setattr(adafruit_mpu6050, "sleep", Time(bench.clock).sleep)
    other = adafruit_mpu6050.MPU6050(bus)
    other.accelerometer_range = adafruit_mpu6050.Range.RANGE_4_G
    other.filter_bandwidth = adafruit_mpu6050.Bandwidth.BAND_44_HZ
    bench.clock.advance(10_000)
    agree(other.acceleration, ours(settings, SHAKEN), 1e-6)
    assert other.gyro == (0.0, 0.0, 0.0)
    assert abs(other.temperature - 25.0) < 0.01
    other.sample_rate_divisor = 9
    other.accel_fifo_en = other.fifo_en = True
    bench.clock.advance(104_000)
    assert other.fifo_count == 60


@pytest.mark.parametrize("celsius", [21.37, -12.5, 0.0])
def test_tmp117(monkeypatch: pytest.MonkeyPatch, celsius: float) -> None:
    settings = {"driver": "tmp117", "i2c": 0, "rate_mhz": 1_000}
    bench, bus = bench_for_others(settings, Constant(celsius))
    monkeypatch.setattr(adafruit_tmp117, "time", Time(bench.clock))
    other = adafruit_tmp117.TMP117(bus, 0x49)
    agree((other.temperature,), ours(settings, Constant(celsius)), 1e-9)
    assert abs(other.take_single_measurement() - celsius) <= 0.0078125 / 2
    other.temperature_offset = 10.0
    bench.clock.advance(2 * SECOND_US)
    assert abs(other.take_single_measurement() - celsius - 10) <= 0.0078125 / 2


def test_ads1115(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, bus = bench_for_others(TRANSDUCER, Constant(0.0123))
    monkeypatch.setattr(ads1x15, "time", Time(bench.clock))
    other = ADS1115(bus, gain=1)
    displacement_m = (AnalogIn(other, 0).voltage - 0.66) / 2.64 * 0.1
    agree((displacement_m,), ours(TRANSDUCER, Constant(0.0123)), 1e-9)


@pytest.mark.parametrize("gain", [128, 64, 1])
def test_nau7802(monkeypatch: pytest.MonkeyPatch, gain: int) -> None:
    strain = Constant(-123.4e-6)
    settings = {"driver": "nau7802", "i2c": 0, "rate_mhz": 10_000, "gain": gain, "shift": 0}
    bench, bus = bench_for_others(settings, strain)
    monkeypatch.setattr(cedargrove_nau7802, "time", Time(bench.clock))
    other = cedargrove_nau7802.NAU7802(bus)
    other.gain = gain
    # Theirs never sets the bit for it; the data sheet has nothing convert before (9.1, step 5).
    other._pu_cycle_start = True
    assert other.calibrate("INTERNAL")
    while not other.available():
        bench.clock.advance(10_000)
    # Theirs is twice the code: it divides 32 bits by 2^7 to get 24.
    found = other.read() / 2 / (1 << 23) * 0.5 / gain * 2
    agree((found,), ours(settings, strain), 1e-12)
    assert other.chip_revision == 0xF


@pytest.mark.parametrize(("gain", "pulses"), [(128, 25), (32, 26), (64, 27)])
def test_hx711(monkeypatch: pytest.MonkeyPatch, gain: int, pulses: int) -> None:
    settings = {**CELL, "gain": gain}
    load = Constant(345.6)
    bench = BlockBench(settings, load)
    monkeypatch.setattr(adafruit_hx711, "time", Time(bench.clock))
    monkeypatch.setattr(adafruit_hx711, "microcontroller", Processor(bench.clock))
    data = DigitalPin(bench.board.pin(2, "in", "up"), bench.clock)
    clock = DigitalPin(bench.board.pin(3, "out"), bench.clock)
    other = adafruit_hx711.HX711(data, clock)
    code = other.read_channel_blocking(pulses)
    agree((code / (1 << 23) * 0.5 / gain / 2e-3 * 1000,), ours(settings, load), 1e-6)
