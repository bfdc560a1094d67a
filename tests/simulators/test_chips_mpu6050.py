"""The MPU-6050's model: registers, FIFO, self-test, and statistics against the data sheet."""

import statistics
from typing import Any

import pytest

from simulators.chips.mpu6050 import Mpu6050Chip
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

SETTINGS = {"driver": "mpu6050", "i2c": 0, "rate_mhz": 100_000}
ONE_G = b"\x00\x00\x00\x00\x40\x00"


def bench_of(signal: Any = LEVEL, **options: Any) -> BlockBench:
    return BlockBench(SETTINGS, signal, rate_error_ppm=0, **options)


def awake(signal: Any = LEVEL) -> BlockBench:
    """Return a chip at 100 Hz with its FIFO on, set up by hand."""
    bench = bench_of(signal)
    for register, value in (
        (0x6B, 1),
        (0x19, 9),
        (0x1A, 3),
        (0x38, 0x11),
        (0x23, 8),
        (0x6A, 0x40),
    ):
        bench.write(register, value)
    return bench


def test_power_up_values() -> None:
    bench = bench_of()
    expected = bytearray(0x76)
    expected[0x6B], expected[0x75] = 0x40, 0x68
    expected[0x0D:0x11] = bench.read(0x0D, 4)
    assert bench.read(0x00, 0x74) == bytes(expected[:0x74])
    assert bench.read(0x75) == b"\x68"


def test_reserved_bits_and_read_only_registers_cannot_be_written() -> None:
    bench = bench_of()
    for register, kept in ((0x19, 0xFF), (0x1A, 0x3F), (0x1C, 0xF8), (0x38, 0x19), (0x75, 0x68)):
        bench.write(register, 0xFF)
        assert bench.read(register) == bytes([kept])
    bench.write(0x0D, 0x00)
    assert bench.read(0x0D) != b"\x00"


def test_it_sleeps_until_woken_and_again_after_reset() -> None:
    bench = bench_of()
    bench.clock.advance(SECOND_US)
    assert bench.read(0x3B, 6) == bytes(6)
    bench.write(0x6B, 0x00)
    bench.clock.advance(10_000)
    assert bench.read(0x3B, 6) == ONE_G
    bench.write(0x6B, 0x80)
    assert bench.read(0x6B) == b"\x40"
    bench.clock.advance(SECOND_US)
    assert bench.read(0x3B, 6) == bytes(6)


def test_fifo_counts_its_bytes_and_goes_on_coming_from_one_register() -> None:
    bench = awake()
    bench.clock.advance(35_000)
    assert bench.read(0x72, 2) == b"\x00\x12"
    assert bench.read(0x74, 12) == ONE_G * 2
    assert bench.read(0x72, 2) == b"\x00\x06"
    assert bench.read(0x74, 8) == ONE_G + b"\x00\x00"
    assert bench.read(0x3A) == b"\x01"
    assert bench.read(0x3A) == b"\x00"


def test_fifo_that_overflows_loses_its_oldest_bytes_and_says_so() -> None:
    bench = awake()
    bench.clock.advance(1_700_000)
    assert (bench.read(0x72, 2), bench.read(0x3A)) == (b"\x03\xfc", b"\x01")
    bench.clock.advance(10_000)
    assert (bench.read(0x72, 2), bench.read(0x3A)) == (b"\x04\x00", b"\x11")
    assert bench.read(0x74, 10) == ONE_G[2:] + ONE_G


def test_fifo_resets_only_while_it_is_off() -> None:
    bench = awake()
    bench.clock.advance(50_000)
    bench.write(0x6A, 0x44)
    assert bench.read(0x72, 2) == b"\x00\x1e"
    bench.write(0x6A, 0x04)
    assert bench.read(0x72, 2) == b"\x00\x00"
    assert bench.read(0x6A) == b"\x00"


@pytest.mark.parametrize(("code", "steps"), [(0, 16384), (1, 8192), (2, 4096), (3, 2048)])
def test_ranges(code: int, steps: int) -> None:
    bench = awake()
    bench.write(0x1C, code << 3)
    bench.clock.advance(10_000)
    assert int.from_bytes(bench.read(0x3F, 2), "big") == steps


def test_saturation_and_temperature() -> None:
    bench = awake(Constant((100.0, -100.0, 0.0)))
    bench.clock.advance(10_000)
    words = bench.read(0x3B, 8)
    assert words[:6] == b"\x7f\xff\x80\x00\x00\x00"
    temperature = int.from_bytes(words[6:], "big", signed=True)
    assert abs(temperature / 340 + 36.53 - 25) < 0.01


def test_stalls_at_the_highest_rate_lose_nothing_unseen() -> None:
    settings = {**SETTINGS, "rate_mhz": 1_000_000, "range_g": 16}
    bench = BlockBench(settings, Counting(1_000_000), rate_error_ppm=0).start()
    assert check_stalls_are_seen(bench, 16) == 0  # its FIFO holds 170 ms
    for _ in range(10):
        bench.clock.advance(200_000)
        assert bench.read_driver() == []
    assert bench.driver.overflows == 10


def test_self_test_fails_where_the_mass_does_not_move() -> None:
    bench = bench_of()
    assert bench.driver.self_test()
    bench.chip.fault = "stuck_value"
    assert not bench.driver.self_test()


@pytest.mark.parametrize(("aged", "passes"), [(3, True), (4, False), (-4, True), (-5, False)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_self_test_allows_14_percent_of_change(axis: int, aged: int, passes: bool) -> None:
    # Each step of the trim code is worth 3.4 %: +10.5, +14.2, -12.4 and -15.3 %.
    bench = bench_of()
    codes = list(bench.chip.trim_codes)
    codes[axis] += aged
    bench.chip.trim_codes = tuple(codes)
    assert bench.driver.self_test() == passes


@pytest.mark.parametrize("seed", range(5))
def test_self_test_of_each_noisy_piece_passes(seed: int) -> None:
    assert BlockBench(SETTINGS, LEVEL, seed, noise=True).driver.self_test()


def test_noise_is_that_of_section_6_2() -> None:
    bench = bench_of(REST, noise=True).start()
    samples = bench.run(60 * SECOND_US)
    # The driver sets the filter of 44 Hz for 100 Hz.
    for axis in range(3):
        found = statistics.pstdev(sample[axis] for sample in samples) / 16384
        assert abs(found / (400e-6 * 44**0.5) - 1) < 0.04


def test_bias_over_many_pieces_is_that_of_section_6_2() -> None:
    pieces = [Mpu6050Chip(HandClock(), LEVEL, seed).bias_g for seed in range(400)]
    for axis, typical in enumerate((0.05, 0.05, 0.08)):
        assert abs(statistics.pstdev(piece[axis] for piece in pieces) / typical - 1) < 0.12


def test_rate_is_within_one_percent_by_the_gyroscope_and_five_by_itself() -> None:
    rates = [Mpu6050Chip(HandClock(), LEVEL, seed).rate_error_ppm for seed in range(200)]
    assert 9_000 < max(abs(ppm) for ppm in rates) <= 10_000
    for source, error in ((1, 0.01), (0, 0.05)):
        bench = BlockBench(SETTINGS, LEVEL, rate_error_ppm=10_000)
        for register, value in ((0x6B, source), (0x19, 9), (0x1A, 3), (0x23, 8), (0x6A, 0x40)):
            bench.write(register, value)
        made = 0
        for _ in range(100):
            bench.clock.advance(SECOND_US)
            made += int.from_bytes(bench.read(0x72, 2), "big") // 6
            bench.write(0x6A, 0x04)
            bench.write(0x6A, 0x40)
        assert abs(made / 10_000 - 1 - error) < 0.002


def test_acceleration_is_read_in_si_units() -> None:
    bench = bench_of(Constant((1.0, -2.0, STANDARD_GRAVITY))).start()
    for found, wanted in zip(
        bench.to_si(bench.run(SECOND_US)[-1]), (1.0, -2.0, 9.80665), strict=True
    ):
        assert abs(found - wanted) < 3.1e-4
