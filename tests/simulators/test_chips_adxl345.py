"""The ADXL345's model: registers, FIFO, self-test, and statistics against the data sheet."""

import statistics
from typing import Any

import pytest

from simulators.chips.adxl345 import Adxl345Chip
from simulators.clock import HandClock
from simulators.signals.basic import Constant
from tests.simulators.block_bench import (
    LEVEL,
    REST,
    SECOND_US,
    STANDARD_GRAVITY,
    BlockBench,
    Counting,
    check_stalls_are_seen,
)

ON_I2C = {"driver": "adxl345", "i2c": 0, "rate_mhz": 100_000}
ON_SPI = {"driver": "adxl345", "spi": 0, "cs": 5, "rate_mhz": 3_200_000}


def on_i2c(signal: Any = LEVEL, **options: Any) -> BlockBench:
    return BlockBench(ON_I2C, signal, rate_error_ppm=0, **options)


def test_power_up_values() -> None:
    bench = on_i2c()
    expected = bytearray(0x3A)
    expected[0x00], expected[0x2C] = 0xE5, 0x0A
    found = b"".join(bench.read(register) for register in range(0x3A))
    assert found == bytes(expected)


def test_reserved_bits_and_read_only_registers_cannot_be_written() -> None:
    bench = on_i2c()
    for register, kept in ((0x00, 0xE5), (0x2A, 0x0F), (0x2B, 0), (0x2C, 0x1F), (0x31, 0xEF)):
        bench.write(register, 0xFF)
        assert bench.read(register) == bytes([kept])
    bench.write(0x39, 0xFF)
    assert bench.read(0x39) == b"\x00"


def test_it_sleeps_until_told_to_measure_and_without_fifo_keeps_the_newest() -> None:
    bench = on_i2c()
    bench.clock.advance(SECOND_US)
    assert bench.read(0x30) == b"\x00"
    bench.write(0x2D, 0x08)
    bench.clock.advance(10_000)
    assert bench.read(0x30) == b"\x80"
    bench.clock.advance(10_000)
    assert bench.read(0x30) == b"\x81"
    assert bench.read(0x32, 6) == b"\x00\x00\x00\x00\x00\x01"
    assert bench.read(0x30) == b"\x00"


def test_fifo_holds_33_samples_and_stream_mode_keeps_the_newest() -> None:
    bench = on_i2c(Counting(100_000))
    bench.write(0x31, 0x0B)
    bench.write(0x38, 0x90)  # stream, watermark 16
    bench.write(0x2D, 0x08)
    bench.clock.advance(150_000)
    assert (bench.read(0x30), bench.read(0x39)) == (b"\x80", b"\x0f")
    bench.clock.advance(180_000)
    assert (bench.read(0x30), bench.read(0x39)) == (b"\x82", b"\x20")
    bench.clock.advance(70_000)
    assert bench.read(0x30) == b"\x83"
    numbers = [int.from_bytes(bench.read(0x32, 6)[:2], "little") // 2 for _ in range(33)]
    assert numbers == list(range(8, 41))
    assert bench.read(0x39) == b"\x00"
    bench.write(0x38, 0x50)  # fifo mode keeps the oldest
    bench.clock.advance(SECOND_US)
    assert int.from_bytes(bench.read(0x32, 6)[:2], "little") // 2 == 41


@pytest.mark.parametrize(
    ("data_format", "expected"),
    [
        (0x00, 256),
        (0x01, 128),
        (0x02, 64),
        (0x03, 32),
        (0x0B, 256),
        (0x04, 256 << 6),
        (0x0F, 2048),
    ],
)
def test_ranges_resolutions_and_justification(data_format: int, expected: int) -> None:
    bench = on_i2c()
    bench.write(0x31, data_format)
    bench.write(0x2D, 0x08)
    bench.clock.advance(20_000)
    assert int.from_bytes(bench.read(0x36, 2), "little") == expected


def test_saturation_and_the_lowest_bit_at_the_highest_rates() -> None:
    bench = on_i2c(Constant((200.0, -200.0, 3 * STANDARD_GRAVITY / 256)))
    bench.write(0x31, 0x0B)
    bench.write(0x2D, 0x08)
    bench.clock.advance(20_000)
    assert bench.read(0x32, 6) == b"\xff\x0f\x00\xf0\x03\x00"
    bench.write(0x2C, 0x0F)
    bench.clock.advance(20_000)
    assert bench.read(0x32, 6) == b"\xfe\x0f\x00\xf0\x02\x00"


def test_offset_registers_weigh_four_steps() -> None:
    bench = on_i2c()
    bench.write(0x1E, 0xFF, 0x02, 0x00)
    bench.write(0x2D, 0x08)
    bench.clock.advance(20_000)
    assert bench.read(0x32, 6) == b"\xfc\xff\x08\x00\x00\x01"


@pytest.mark.parametrize("settings", [ON_SPI, {**ON_I2C, "rate_mhz": 800_000}])
def test_stalls_at_the_highest_rate_lose_nothing_unseen(settings: dict[str, Any]) -> None:
    bench = BlockBench(settings, Counting(settings["rate_mhz"]), rate_error_ppm=0).start()
    assert check_stalls_are_seen(bench, 2) == 12


def test_self_test_fails_where_the_mass_does_not_move() -> None:
    bench = on_i2c()
    assert bench.driver.self_test()
    bench.chip.fault = "stuck_value"
    assert not bench.driver.self_test()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_self_test_passes_within_the_limits_of_tables_14_and_15_only(
    axis: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = ((32, 1140), (-1140, -32), (60, 1479))[axis]
    for steps, passes in ((limits[0] - 1, 0), (limits[0], 1), (limits[1], 1), (limits[1] + 1, 0)):
        moved = [354, -354, 588]
        moved[axis] = steps
        monkeypatch.setattr("simulators.chips.adxl345.SELF_TEST_STEPS", tuple(moved))
        assert on_i2c(LEVEL).driver.self_test() == bool(passes)


def test_noise_is_that_of_table_1() -> None:
    bench = on_i2c(REST, noise=True)
    bench.driver.start()
    samples = bench.run(200 * SECOND_US)
    # Rounding to a step adds 1/12 to the variance.
    for axis, rms in enumerate((0.75, 0.75, 1.1)):
        found = statistics.pvariance([sample[axis] for sample in samples])
        assert abs(((found - 1 / 12) ** 0.5) / rms - 1) < 0.04


def test_bias_over_many_pieces_is_that_of_table_1() -> None:
    pieces = [Adxl345Chip(HandClock(), LEVEL, seed).bias_g for seed in range(400)]
    for axis, (typical, most) in enumerate(((0.035, 0.15), (0.035, 0.15), (0.04, 0.25))):
        biases = [piece[axis] for piece in pieces]
        assert abs(statistics.pstdev(biases) / typical - 1) < 0.12
        assert max(abs(bias) for bias in biases) <= most


def test_rate_is_off_by_percents_and_differs_between_pieces() -> None:
    rates = []
    for seed in range(5):
        bench = BlockBench(ON_I2C, LEVEL, seed)
        bench.driver.start()
        rates.append(len(bench.run(100 * SECOND_US)) / 100)
        assert abs(rates[-1] / (100 * (1 + bench.chip.rate_error_ppm / 1e6)) - 1) < 0.002
    assert len(set(rates)) == 5 and all(95 <= rate <= 105 for rate in rates)


def test_drift_wanders_off_at_its_rate() -> None:
    bench = on_i2c()
    bench.driver.start()
    before = bench.run(SECOND_US)[-1][2]
    bench.chip.drift((0.0, 0.0, STANDARD_GRAVITY / 100), bench.clock.now_us())
    after = bench.run(10 * SECOND_US)[-1][2]
    assert abs((after - before) / 256 - 0.1) < 0.005
