"""The bridge's sensors: real drivers on register-level models on the simulated board."""

from array import array
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.drivers import create as create_driver
from agent.drivers.errors import SensorError
from simulators import chips
from simulators.board import PowerLost, SimBoard
from simulators.chips.chip import Ticker
from simulators.clock import HandClock
from simulators.signals.basic import Constant

SECOND_US = 1_000_000
STANDARD_GRAVITY = 9.80665


class Row(NamedTuple):
    """One kind of sensor. quantum: largest error of a noiseless sample in SI units."""

    settings: dict[str, Any]
    value: Any
    quantum: float
    is_paced: bool = False  # by the board's clock: the rate is exact
    keeps_newest: bool = True  # a FIFO that overflowed still gives its newest samples


ROWS = {
    "adxl355-sync": Row(
        {"driver": "adxl355", "spi": 0, "cs": 5, "sync_pin": 6, "rate_mhz": 100_000},
        (0.25, -1.5, STANDARD_GRAVITY),
        62.5e-6 * STANDARD_GRAVITY,
        True,
    ),
    "adxl355-tilt": Row(
        {"driver": "adxl355", "spi": 0, "cs": 5, "rate_mhz": 31_250, "shift": 0},
        (0.25, -1.5, STANDARD_GRAVITY),
        2e-6 * STANDARD_GRAVITY,
    ),
    "adxl355-i2c": Row(
        {"driver": "adxl355", "i2c": 0, "rate_mhz": 125_000, "shift": 0},
        (0.25, -1.5, STANDARD_GRAVITY),
        2e-6 * STANDARD_GRAVITY,
    ),
    "adxl345-i2c": Row(
        {"driver": "adxl345", "i2c": 0, "rate_mhz": 100_000},
        (0.25, -1.5, STANDARD_GRAVITY),
        STANDARD_GRAVITY / 512 + 1e-9,
    ),
    "adxl345-spi": Row(
        {"driver": "adxl345", "spi": 0, "cs": 5, "rate_mhz": 800_000, "range_g": 2},
        (0.25, -1.5, STANDARD_GRAVITY),
        STANDARD_GRAVITY / 512 + 1e-9,
    ),
    "mpu6050": Row(
        {"driver": "mpu6050", "i2c": 0, "rate_mhz": 100_000},
        (0.25, -1.5, STANDARD_GRAVITY),
        STANDARD_GRAVITY / 32768 + 1e-9,
        keeps_newest=False,
    ),
    "nau7802": Row(
        {"driver": "nau7802", "i2c": 0, "rate_mhz": 40_000},
        123.4e-6,
        16 * 2.0 / 128 / 4 / (1 << 23),
    ),
    "ads1220": Row(
        {"driver": "ads1220", "spi": 0, "cs": 5, "drdy_pin": 7, "rate_mhz": 90_000},
        123.4e-6,
        16 * 2.0 / 128 / (1 << 23),
    ),
    "ads1115": Row(
        {
            "driver": "ads1115",
            "i2c": 0,
            "rate_mhz": 8_000,
            "broken_below_uv": 594_000,
            "zero_uv": 660_000,
            "full_uv": 3_300_000,
            "full_um": 100_000,
        },
        0.0123,
        125e-6 / 2.64 * 0.1,
        True,
    ),
    "tmp117": Row({"driver": "tmp117", "i2c": 0, "rate_mhz": 2_000}, 21.37, 0.0078125 / 2 + 1e-9),
    "tmp117-1": Row(  # the cycle that it powers up with
        {"driver": "tmp117", "i2c": 0, "rate_mhz": 1_000}, 21.37, 0.0078125 / 2 + 1e-9
    ),
}
EACH = pytest.mark.parametrize("name", ROWS)
ON_I2C = pytest.mark.parametrize("name", [name for name in ROWS if "i2c" in ROWS[name].settings])


class Bench:
    """One sensor on a board, polled as its driver asks to be; signal: what it measures."""

    def __init__(self, name: str, signal: Any = None, **options: Any) -> None:
        row = ROWS[name]
        self.settings = {"name": "x", **row.settings}
        self.clock = HandClock(7 * SECOND_US)
        options.setdefault("noise", False)
        signal = Constant(row.value) if signal is None else signal
        driver = self.settings["driver"]
        self.chip = chips.create(driver, self.clock, signal, seed=3, options=options)
        self.board = SimBoard(self.clock, [(self.chip, self.settings)])
        self.boot()

    def boot(self) -> None:
        """Make a new driver, as a new boot of the agent does."""
        self.driver = create_driver(self.settings["driver"], self.board, self.settings)
        self.width = len(self.driver.channels)
        self.out = array("i", bytes(4 * self.driver.samples_max * self.width))

    def read(self) -> list[tuple[int, ...]]:
        """Return the samples of one read."""
        count = self.driver.read(self.out, self.board.clock.now_us())
        width = self.width
        return [tuple(self.out[k * width : (k + 1) * width]) for k in range(count)]

    def run(self, duration_us: int) -> list[tuple[int, ...]]:
        """Return the samples made in that time."""
        made = []
        end_us = self.clock.now_us() + duration_us
        while self.clock.now_us() < end_us:
            self.clock.advance(self.driver.poll_us)
            made += self.read()
        return made

    def to_si(self, sample: tuple[int, ...]) -> list[float]:
        """Return a sample in SI units."""
        scales = [multiplier * 10.0**exponent for *_, exponent, multiplier in self.driver.channels]
        return [raw * scale for raw, scale in zip(sample, scales, strict=True)]


def started(name: str, signal: Any = None, **options: Any) -> Bench:
    bench = Bench(name, signal, **options)
    bench.driver.start()
    return bench


def error_of(call: Callable[[], Any]) -> SensorError:
    with pytest.raises(SensorError) as caught:
        call()
    assert caught.value.cause.startswith("x: ") and caught.value.cause.endswith(".")
    assert caught.value.remedy.endswith(".")
    return caught.value


@EACH
def test_values_are_the_signal_within_the_quantisation(name: str) -> None:
    bench = started(name)
    samples = bench.run(4 * SECOND_US)
    value = ROWS[name].value
    expected = value if isinstance(value, tuple) else (value,)
    for sample in samples[1:]:
        for found, wanted in zip(bench.to_si(sample), expected, strict=True):
            assert abs(found - wanted) <= ROWS[name].quantum
    assert bench.driver.overflows == 0


@EACH
@pytest.mark.parametrize("error_ppm", [-40_000, 0, 40_000])
def test_no_sample_is_missed_or_doubled_whatever_the_oscillator_does(
    name: str, error_ppm: int
) -> None:
    bench = started(name, rate_error_ppm=error_ppm)
    bench.run(2 * SECOND_US)
    made = len(bench.run(60 * SECOND_US))
    true_ppm = 0 if ROWS[name].is_paced else error_ppm
    expected = 60 * SECOND_US * (1_000_000 + true_ppm) / 1_000_000 / bench.driver.spacing_us
    # What a poll finds may be up to half a FIFO early or late.
    assert abs(made - expected) <= max(1, bench.driver.samples_max // 2)
    assert bench.driver.overflows == 0


@EACH
def test_a_stall_is_counted_and_the_newest_samples_are_kept(name: str) -> None:
    bench = started(name)
    bench.run(2 * SECOND_US)
    bench.clock.advance(200 * bench.driver.spacing_us)
    assert len(bench.read()) == (bench.driver.samples_max if ROWS[name].keeps_newest else 0)
    assert bench.driver.overflows == 1
    bench.run(5 * SECOND_US)
    assert bench.driver.overflows == 1


@EACH
def test_nobody_there_is_an_error_with_a_remedy(name: str) -> None:
    bench = Bench(name)
    bench.chip.fault = "nack"
    error = error_of(bench.driver.start)
    assert "nothing answers" in error.cause and "wires" in error.remedy


@EACH
def test_another_chip_is_an_error_with_a_remedy(name: str) -> None:
    bench = Bench(name)
    bench.chip.fault = "wrong_identity"
    error = error_of(bench.driver.start)
    assert "not a" in error.cause or "identity" in error.cause


@EACH
@pytest.mark.parametrize("fault", ["nack", "stuck_bus"])
def test_a_bus_that_fails_while_sampling_is_an_error_and_a_restart_heals_it(
    name: str, fault: str
) -> None:
    bench = started(name)
    bench.run(2 * SECOND_US)
    bench.chip.fault = fault
    error_of(lambda: bench.run(5 * SECOND_US))
    bench.chip.fault = None
    bench.driver.start()
    assert bench.run(3 * SECOND_US)


@ON_I2C
def test_a_stuck_bus_silences_every_chip_on_it(name: str) -> None:
    bench = started(name)
    neighbour = chips.create("tmp117", bench.clock, Constant(20.0))
    bench.board.add(neighbour, {"i2c": 0, "address": 0x4B})
    neighbour.fault = "stuck_bus"
    error = error_of(bench.driver.start)
    assert "I2C bus 0 is held low" in error.cause and "one by one" in error.remedy


@EACH
def test_a_chip_that_lost_power_alone_is_noticed(name: str) -> None:
    bench = started(name)
    bench.run(2 * SECOND_US)
    bench.chip.power_on(bench.clock.now_us())
    if bench.settings["driver"] == "tmp117":
        bench.clock.advance(SECOND_US)
    error_of(lambda: bench.run(5 * SECOND_US))
    bench.driver.start()


@EACH
def test_a_supply_that_dips_in_the_middle_of_a_transfer_makes_no_false_reading(name: str) -> None:
    bench = started(name)
    good = set(bench.run(4 * SECOND_US)[1:])
    for transfers in range(40):
        bench.chip.brown_out_after = transfers % 10
        bench.chip.fault = "brown_out"
        overflows = bench.driver.overflows
        with suppress(SensorError):
            for _ in range(20):
                bench.clock.advance(bench.driver.poll_us)
                assert set(bench.read()) <= good
            assert bench.chip.fault or bench.driver.overflows > overflows
        bench.chip.fault = None
        bench.driver.start()
        bench.clock.advance(SECOND_US)
        bench.read()


@EACH
def test_self_test_passes_and_sampling_goes_on(name: str) -> None:
    bench = started(name)
    bench.run(SECOND_US)
    assert bench.driver.self_test()
    overflows = bench.driver.overflows
    assert bench.run(3 * SECOND_US)
    assert bench.driver.overflows == overflows


@EACH
def test_power_cut_ends_every_handle_and_the_next_boot_works(name: str) -> None:
    bench = started(name)
    bench.run(2 * SECOND_US)
    old = bench.driver
    bench.board.power_off()
    with pytest.raises(PowerLost):
        old.read(bench.out, 60 * SECOND_US)
    bench.clock.advance(3 * SECOND_US)
    bench.board.power_on()
    bench.boot()
    with pytest.raises(PowerLost):
        old.start()
    assert bench.board.clock.now_us() == 0
    bench.driver.start()
    samples = bench.run(3 * SECOND_US)
    value = ROWS[name].value
    found = bench.to_si(samples[-1])[0]
    wanted = value[0] if isinstance(value, tuple) else value
    assert abs(found - wanted) <= ROWS[name].quantum


@EACH
def test_noise_is_repeatable_and_depends_on_the_seed(name: str) -> None:
    first, second = (started(name, noise=True).run(20 * SECOND_US) for _ in range(2))
    assert first == second
    assert len(set(first)) > 1


@EACH
def test_stop_ends_sampling(name: str) -> None:
    bench = started(name)
    bench.run(2 * SECOND_US)
    bench.driver.stop()
    try:
        assert bench.run(bench.driver.poll_us) == []
    except SensorError:
        pass  # it says that the chip no longer runs


def test_options_that_a_chip_does_not_have_are_refused() -> None:
    with pytest.raises(ValueError, match="no option"):
        chips.create("tmp117", HandClock(), Constant(20.0), options={"gauge_factor": 2})


@given(st.integers(0, 10**12), st.integers(1, 5 * 10**15), st.integers(1, 10**9))
def test_oscillators_tick_exactly_however_long_they_run(
    start_us: int, rate_nhz: int, k: int
) -> None:
    ticker = Ticker(start_us, rate_nhz)
    instant_us = ticker.instant_us(k)
    assert ticker.count(instant_us) >= k > ticker.count(instant_us - 1)


# What only one of them has.


def test_open_gauge_wire_saturates_and_fails_the_self_test() -> None:
    bench = started("nau7802", wire="open")
    assert bench.run(SECOND_US)[-1] == (0x7FFFFF >> 4,)
    assert not bench.driver.self_test()


def test_failed_calibration_is_an_error() -> None:
    bench = Bench("nau7802")
    bench.chip.fault = "calibration"
    bench.driver.start()
    assert "calibrate" in error_of(lambda: bench.run(SECOND_US)).cause
    assert not bench.driver.self_test()


def test_calibration_takes_the_amplifiers_offset_away() -> None:
    bench = started("nau7802", Constant(0.0))
    assert set(bench.run(2 * SECOND_US)) == {(0,)}


def test_strain_of_a_full_bridge_at_another_gain_and_rate() -> None:
    bench = Bench("nau7802", arms=4, gauge_factor=2.1)
    bench.settings.update({"arms": 4, "gauge_factor_milli": 2100, "gain": 64, "rate_mhz": 80_000})
    bench.boot()
    bench.driver.start()
    assert abs(bench.to_si(bench.run(SECOND_US)[-1])[0] - 123.4e-6) < 7.2e-9


def test_broken_current_loop_is_an_error() -> None:
    bench = started("ads1115", wire="open")
    assert "broken_below_uv" in error_of(lambda: bench.run(SECOND_US)).cause
    assert not bench.driver.self_test()


def test_displacement_saturates_at_the_converters_full_scale() -> None:
    bench = started("ads1115", Constant(1.0))
    zero = round(0.66 / 125e-6)
    assert bench.run(2 * SECOND_US)[-1] == (32767 - zero,)


def test_temperature_below_zero_and_saturation() -> None:
    bench = started("tmp117", Constant(-12.5))
    assert bench.run(2 * SECOND_US)[-1] == (-1600,)
    bench.chip.signal = Constant(1000.0)
    assert bench.run(2 * SECOND_US)[-1] == (32767,)
    assert not bench.driver.self_test()


def test_one_shot_is_one_result() -> None:
    bench = started("tmp117")
    i2c, buffer = bench.board.i2c(0), bytearray(2)
    i2c.writeto_mem(0x49, 1, b"\x0c\x00")
    for expected in (0x2400, 0x0400):  # ready and shut down, then only shut down
        bench.clock.advance(SECOND_US)
        i2c.readfrom_mem_into(0x49, 1, buffer)
        assert int.from_bytes(buffer, "big") == expected


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [("nau7802", 80_000, 50_000), ("ads1115", 20_000, 0), ("tmp117", 8_000, 3_000)],
)
def test_rate_changes_on_command_and_a_wrong_one_is_refused(
    name: str, good: int, bad: int
) -> None:
    bench = started(name, rate_error_ppm=0)
    with pytest.raises(ValueError, match="rate_mhz"):
        bench.driver.set_rate(bad)
    bench.driver.set_rate(good)
    bench.run(SECOND_US)
    assert abs(len(bench.run(10 * SECOND_US)) - good / 100) <= 1
