"""The ADS1220's model: commands, registers, DRDY, self-test, and figures of the data sheet."""

import statistics
from typing import Any

import pytest

from simulators.chips.ads1220 import Ads1220Chip
from simulators.clock import HandClock
from simulators.signals.basic import Constant
from tests.simulators.block_bench import SECOND_US, BlockBench

SETTINGS = {
    "driver": "ads1220",
    "spi": 0,
    "cs": 5,
    "drdy_pin": 7,
    "rate_mhz": 20_000,
    "shift": 0,
}
STRAIN = Constant(100e-6)


class Alone:
    """A chip without a driver."""

    def __init__(self, signal: Any = STRAIN, **options: Any) -> None:
        self.bench = BlockBench(SETTINGS, signal, rate_error_ppm=0, **options)
        self._spi = self.bench.board.spi(0, 5, 1_000_000, 1)

    def send(self, *data: int) -> bytes:
        into = bytearray(len(data))
        self._spi.transfer(bytes(data), into)
        return bytes(into[1:])

    def is_ready(self) -> bool:
        return self.bench.board.pin(7, "in", "up").value() == 0


def test_registers_power_up_at_0_and_keep_what_is_written_but_for_the_reserved_bit() -> None:
    chip = Alone()
    assert chip.send(0x23, 0, 0, 0, 0) == bytes(4)
    chip.send(0x43, 0xFF, 0xFF, 0xFF, 0xFF)
    assert chip.send(0x23, 0, 0, 0, 0) == b"\xff\xff\xff\xfe"
    chip.send(0x44, 0x12)  # one register: number 1
    assert chip.send(0x25, 0, 0) == b"\x12\xff"
    chip.send(0x06)
    assert chip.send(0x23, 0, 0, 0, 0) == bytes(4)


def test_it_converts_only_after_start_and_once_in_single_shot_mode() -> None:
    chip = Alone()
    chip.bench.clock.advance(SECOND_US)
    assert not chip.is_ready()
    chip.send(0x08)
    chip.bench.clock.advance(49_999)
    assert not chip.is_ready()
    chip.bench.clock.advance(1)
    assert chip.is_ready()
    chip.send(0x10, 0, 0, 0)
    chip.bench.clock.advance(SECOND_US)
    assert not chip.is_ready()


def test_continuous_conversion_power_down_and_turbo_mode() -> None:
    chip = Alone()
    chip.send(0x41, 0x00, 0x14)  # turbo: 40/s
    chip.send(0x08)
    for _ in range(3):
        chip.bench.clock.advance(25_000)
        assert chip.is_ready()
        chip.send(0x10, 0, 0, 0)
        assert not chip.is_ready()
    chip.send(0x02)
    chip.bench.clock.advance(SECOND_US)
    assert not chip.is_ready()


@pytest.mark.parametrize(
    ("register_0", "register_2", "expected"),
    [
        (0x0E, 0x40, 50e-6 * 128),  # 100e-6 strain, gauge factor 2, a quarter bridge
        (0x6E, 0x40, -50e-6 * 128),
        (0x08, 0x40, 50e-6 * 16),
        (0x0E, 0x00, 50e-6 * 3.3 * 128 / 2.048),  # against the internal reference
        (0xEE, 0x40, 0.0),
        (0xCE, 0x40, 3.3 / 4 / 2.048),
        (0xDE, 0x00, 3.3 / 4 / 2.048),
    ],
)
def test_codes_of_inputs_gains_and_references(
    register_0: int, register_2: int, expected: float
) -> None:
    chip = Alone()
    chip.send(0x43, register_0, 0x04, register_2, 0x00)
    chip.send(0x08)
    chip.bench.clock.advance(60_000)
    code = int.from_bytes(chip.send(0x10, 0, 0, 0), "big", signed=True)
    assert abs(code - expected * (1 << 23)) <= 0.5001


def test_saturation() -> None:
    bench = BlockBench(SETTINGS, Constant(1.0)).start()
    assert bench.run(SECOND_US)[-1] == (0x7FFFFF,)
    bench.chip.signal = Constant(-1.0)
    assert bench.run(SECOND_US)[-1] == (-0x800000,)


def test_self_test_finds_a_bridge_without_supply() -> None:
    assert BlockBench(SETTINGS, STRAIN, noise=True).driver.self_test()
    assert not BlockBench(SETTINGS, STRAIN, wire="supply").driver.self_test()


@pytest.mark.parametrize(
    ("offset_uv", "supply_v", "passes"),
    [
        (49.0, 3.3, True),
        (-49.0, 3.3, True),
        (51.0, 3.3, False),
        (-51.0, 3.3, False),
        (0.0, 0.751, True),
        (0.0, 0.749, False),
    ],
)
def test_self_test_has_its_limits(offset_uv: float, supply_v: float, passes: bool) -> None:
    bench = BlockBench(SETTINGS, STRAIN, supply_v=supply_v)
    bench.chip.offset_v = offset_uv * 1e-6
    assert bench.driver.self_test() == passes


@pytest.mark.parametrize(("rate_mhz", "noise_v"), [(20_000, 0.0945e-6), (330_000, 0.384e-6)])
def test_noise_at_gain_128(rate_mhz: int, noise_v: float) -> None:
    bench = BlockBench({**SETTINGS, "rate_mhz": rate_mhz}, STRAIN, noise=True).start()
    codes = [code for (code,) in bench.run(20_000_000 * SECOND_US // rate_mhz)]
    assert len(codes) > 900
    assert abs(statistics.pstdev(codes) * 3.3 / 128 / (1 << 23) / noise_v - 1) < 0.08


def test_offset_and_rate_over_many_pieces_are_within_section_6_5() -> None:
    pieces = [Ads1220Chip(HandClock(), STRAIN, seed) for seed in range(400)]
    offsets = [piece.offset_v for piece in pieces]
    assert abs(statistics.pstdev(offsets) / 4e-6 - 1) < 0.12
    rates = [piece.rate_error_ppm for piece in pieces]
    assert 19_000 < max(abs(ppm) for ppm in rates) <= 20_000


@pytest.mark.parametrize("rate_mhz", [20_000, 1_000_000])
def test_stalls_lose_nothing_unseen(rate_mhz: int) -> None:
    class Time:
        def sample(self, t_us: int) -> float:
            return t_us * 1e-11

    bench = BlockBench({**SETTINGS, "rate_mhz": rate_mhz}, Time(), rate_error_ppm=0).start()
    spacing_us, last_us = bench.driver.spacing_us, None
    for poll in range(400):
        bench.clock.advance(100_000 if poll % 50 == 49 else bench.driver.poll_us)
        overflows = bench.driver.overflows
        for sample in bench.read_driver():
            now_us = bench.to_si(sample)[0] * 1e11
            is_next = last_us is not None and abs(now_us - last_us - spacing_us) < spacing_us / 2
            assert is_next or bench.driver.overflows > overflows or last_us is None
            last_us = now_us
    assert bench.driver.overflows == 8
