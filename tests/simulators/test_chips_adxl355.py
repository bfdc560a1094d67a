"""The accelerometer's model and driver: what the other sensors do not have."""

import math
import random
from array import array
from typing import Any

import pytest

from agent.drivers.adxl355 import Adxl355
from simulators.board import SimBoard
from simulators.chips.adxl355 import Adxl355Chip
from simulators.clock import HandClock
from simulators.signals.basic import Constant

SECOND_US = 1_000_000
STANDARD_GRAVITY = 9.80665
STEP = STANDARD_GRAVITY / 256_000
SYNCED = {"name": "acc", "spi": 0, "cs": 5, "sync_pin": 6, "rate_mhz": 100_000, "shift": 0}
TILT = {"name": "tilt", "spi": 0, "cs": 5, "rate_mhz": 31_250, "shift": 0}


class Ramp:
    """A signal that tells the time: world microseconds on x, and again on z."""

    def sample(self, t_us: int) -> tuple[float, float, float]:
        return (t_us * 1e-8, 0.0, t_us * 1e-8)


class Bench:
    """A chip, its board and its driver."""

    def __init__(self, settings: dict[str, Any], signal: Any, **options: Any) -> None:
        self.clock = HandClock(SECOND_US)
        self.chip = Adxl355Chip(self.clock, signal, 5, {"noise": False, **options})
        ppm = options.pop("clock_error_ppm", 0)
        self.board = SimBoard(self.clock, [(self.chip, settings)], clock_error_ppm=ppm)
        self.driver = Adxl355(self.board, settings)
        self.driver.start()
        self.out = array("i", bytes(4 * 96))

    def read(self) -> list[tuple[int, ...]]:
        count = self.driver.read(self.out, self.board.clock.now_us())
        return [tuple(self.out[3 * k : 3 * k + 3]) for k in range(count)]

    def run(self, duration_us: int) -> list[tuple[int, ...]]:
        samples = []
        end_us = self.clock.now_us() + duration_us
        while self.clock.now_us() < end_us:
            self.clock.advance(self.driver.poll_us)
            samples += self.read()
        return samples

    def transfer(self, *out: int) -> bytes:
        """Talk to the chip beside the driver."""
        into = bytearray(len(out))
        self.board.spi(0, 5, 1_000_000, 0).transfer(bytes(out), into)
        return bytes(into[1:])


def read_at(register: int, size: int = 1) -> tuple[int, ...]:
    return (register << 1 | 1, *bytes(size))


def test_synced_samples_lie_exactly_on_the_pulses() -> None:
    bench = Bench(SYNCED, Ramp())
    for k, (x, y, z) in enumerate(bench.run(30 * SECOND_US), 1):
        t_us = SECOND_US + k * 10_000
        assert (x, y, z) == (round(t_us * 1e-8 / STEP), 0, round(t_us * 1e-8 / STEP))


def test_free_running_samples_come_at_the_chips_own_rate() -> None:
    bench = Bench(TILT, Ramp(), rate_error_ppm=30_000)
    samples = bench.run(30 * SECOND_US)
    seconds = (samples[-1][0] - samples[0][0]) * STEP / 1e-8 / SECOND_US
    assert abs((len(samples) - 1) / seconds - 31.25 * 1.03) < 0.001


def test_pulses_come_from_the_boards_crystal() -> None:
    clock = HandClock()
    chip = Adxl355Chip(clock, Ramp(), 5, {"noise": False})
    board = SimBoard(clock, [(chip, SYNCED)], clock_error_ppm=100)
    driver, out = Adxl355(board, SYNCED), array("i", bytes(4 * 96))
    driver.start()
    made = 0
    for _ in range(1000):
        clock.advance(100_000)
        made += driver.read(out, board.clock.now_us())
    assert made == 10_001
    assert board.clock.now_us() == 100_010_000


@pytest.mark.parametrize("seed", range(5))
def test_a_record_is_played_back_as_it_is(seed: int) -> None:
    dice = random.Random(seed)
    record = [tuple(dice.uniform(-25, 25) for _ in range(3)) for _ in range(500)]

    class Record:
        def sample(self, t_us: int) -> tuple[float, ...]:
            return record[(t_us - SECOND_US) // 10_000 - 1]

    samples = Bench(SYNCED, Record()).run(4 * SECOND_US)
    assert samples == [
        tuple(max(-524288, min(524287, round(value / STEP))) for value in row)
        for row in record[: len(samples)]
    ]


def test_random_polls_lose_and_double_nothing() -> None:
    bench = Bench(SYNCED, Ramp())
    dice = random.Random(1)
    samples = []
    for _ in range(300):
        bench.clock.advance(dice.randrange(300_000))
        samples += bench.read()
    assert bench.driver.overflows == 0
    assert [x for x, _, _ in samples] == [
        round((SECOND_US + k * 10_000) * 1e-8 / STEP) for k in range(1, len(samples) + 1)
    ]


def test_an_overflow_keeps_the_newest_32_samples() -> None:
    bench = Bench(SYNCED, Ramp())
    bench.clock.advance(10 * SECOND_US)
    samples = bench.read()
    newest_us = bench.clock.now_us()
    assert bench.driver.overflows == 1
    assert [round(x * STEP / 1e-8 / 10_000) for x, _, _ in samples] == [
        newest_us // 10_000 - 31 + k for k in range(32)
    ]


def test_a_full_fifo_is_no_overflow_yet() -> None:
    bench = Bench(SYNCED, Constant((0.0, 0.0, 0.0)))
    bench.clock.advance(320_000)
    assert len(bench.read()) == 32
    assert bench.driver.overflows == 0
    bench.clock.advance(330_000)
    assert len(bench.read()) == 32
    assert bench.driver.overflows == 1


@pytest.mark.parametrize("entries", [1, 2])
def test_a_fifo_out_of_step_is_thrown_away_and_counted(entries: int) -> None:
    bench = Bench(SYNCED, Constant((1.0, 2.0, 3.0)))
    bench.run(SECOND_US)
    bench.clock.advance(50_000)
    bench.transfer(*read_at(0x11, 3 * entries))
    assert bench.read() == []
    assert bench.driver.overflows == 1
    good = tuple(round(value / STEP) for value in (1.0, 2.0, 3.0))
    assert set(bench.run(SECOND_US)) == {good}
    assert bench.driver.overflows == 1


def test_saturation_at_20_bits() -> None:
    bench = Bench(SYNCED, Constant((100.0, -100.0, 0.0)))
    assert set(bench.run(SECOND_US)) == {(524287, -524288, 0)}


def test_range_8_g_holds_what_2_g_does_not() -> None:
    bench = Bench({**SYNCED, "range_g": 8}, Constant((50.0, -50.0, 0.0)))
    _, _, exponent, multiplier = bench.driver.channels[0]
    x, y, _ = bench.run(SECOND_US)[-1]
    assert abs(x * multiplier * 10.0**exponent - 50.0) < 1e-4
    assert y == -x


def test_self_test_fails_when_the_proof_mass_does_not_move() -> None:
    bench = Bench(SYNCED, Constant((0.0, 0.0, STANDARD_GRAVITY)))
    assert bench.driver.self_test()
    bench.chip.fault = "stuck_value"
    assert not bench.driver.self_test()


def test_a_pulse_wire_that_broke_is_noticed() -> None:
    bench = Bench(SYNCED, Constant((0.0, 0.0, 0.0)))
    bench.run(SECOND_US)
    bench.chip.pulses(bench.clock.now_us(), 0)
    with pytest.raises(Exception, match="makes no samples"):
        bench.run(3 * SECOND_US)


def test_rate_changes_on_command() -> None:
    bench = Bench(SYNCED, Ramp())
    bench.run(SECOND_US)
    bench.driver.set_rate(200_000)
    started_us = bench.clock.now_us()
    samples = bench.run(5 * SECOND_US)
    assert [x for x, _, _ in samples] == [
        round((started_us + k * 5_000) * 1e-8 / STEP) for k in range(1, len(samples) + 1)
    ]


def test_noise_has_the_density_of_the_data_sheet() -> None:
    bench = Bench({**SYNCED, "rate_mhz": 100_000}, Constant((0.0, 0.0, 0.0)), noise=True)
    values = [value * STEP for row in bench.run(100 * SECOND_US) for value in row]
    rms_g = math.sqrt(sum(value * value for value in values) / len(values)) / STANDARD_GRAVITY
    # The driver sets 125 Hz for a sync of 100 Hz: the corner is at 31.25 Hz.
    assert abs(rms_g / (22.5e-6 * math.sqrt(31.25)) - 1) < 0.03


# The register map.


def chip_alone() -> Bench:
    bench = Bench(TILT, Constant((0.0, 0.0, STANDARD_GRAVITY)), rate_error_ppm=0)
    bench.transfer(0x2F << 1, 0x52)
    return bench


def test_identity_and_power_up_values() -> None:
    bench = chip_alone()
    assert bench.transfer(*read_at(0x00, 4)) == b"\xad\x1d\xed\x01"
    found = {register: bench.transfer(*read_at(register))[0] for register in range(0x24, 0x2F)}
    assert found == {
        0x24: 0x00,
        0x25: 0x00,
        0x26: 0x00,
        0x27: 0x01,
        0x28: 0x00,
        0x29: 0x60,
        0x2A: 0x00,
        0x2B: 0x00,
        0x2C: 0x81,
        0x2D: 0x01,
        0x2E: 0x00,
    }


def test_reserved_bits_and_registers_cannot_be_written() -> None:
    bench = chip_alone()
    for register, kept in ((0x28, 0x7F), (0x2B, 0x07), (0x2C, 0xC3), (0x12, 0x00), (0x00, 0xAD)):
        bench.transfer(register << 1, 0xFF)
        assert bench.transfer(*read_at(register)) == bytes([kept])


def test_it_sleeps_until_told_to_measure() -> None:
    bench = chip_alone()
    bench.clock.advance(SECOND_US)
    assert bench.transfer(*read_at(0x04, 2)) == b"\x00\x00"
    bench.transfer(0x2D << 1, 0x00)
    bench.clock.advance(2_500)  # 4000 Hz after power-up
    assert bench.transfer(*read_at(0x04, 2)) == bytes([0x01, 30])


def test_status_clears_on_read() -> None:
    bench = chip_alone()
    bench.transfer(0x2D << 1, 0x00)
    bench.clock.advance(SECOND_US)
    assert bench.transfer(*read_at(0x04)) == b"\x07"
    assert bench.transfer(*read_at(0x04)) == b"\x00"


def test_data_registers_hold_the_newest_sample_and_an_empty_fifo_says_so() -> None:
    bench = chip_alone()
    bench.transfer(0x2D << 1, 0x00)
    bench.clock.advance(1_000)
    one_g = (256_000 << 4).to_bytes(3, "big")
    assert bench.transfer(*read_at(0x08, 9)) == bytes(6) + one_g
    assert bench.transfer(*read_at(0x11, 9)) == b"\x00\x00\x01" + bytes(3) + one_g
    bench.transfer(*read_at(0x11, 96 * 3))
    assert bench.transfer(*read_at(0x11, 6)) == b"\x00\x00\x02" * 2


def test_offset_registers_are_added_at_their_weight() -> None:
    bench = chip_alone()
    bench.transfer(0x1E << 1, 0xFF, 0xFE)  # -2 of 16 steps each
    bench.transfer(0x2D << 1, 0x00)
    bench.clock.advance(1_000)
    assert bench.transfer(*read_at(0x08, 3)) == ((-32 & 0xFFFFF) << 4).to_bytes(3, "big")
