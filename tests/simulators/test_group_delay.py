"""The ADXL355's filter delays the signal: its model does so, the agent's times allow for it."""

from types import SimpleNamespace
from typing import Any

import pytest

from agent.config import Config
from agent.log import Log
from agent.sensor import Sensor
from simulators import chips
from simulators.board import SimBoard
from simulators.clock import HandClock
from tests.agent.fake_parts import table
from tests.simulators.block_bench import SECOND_US, STANDARD_GRAVITY, BlockBench

# The data sheet's table in ms, by the code of the rate.
DELAYS_MS = (0.63, 1.00, 1.78, 3.26, 6.27, 12.34, 24.18, 47.59, 96.25, 189.58, 384.31)


class Ramp:
    """x grows evenly from the beginning of the world: each value tells its own time."""

    def __init__(self, slope_g_per_s: float) -> None:
        self._slope = slope_g_per_s * STANDARD_GRAVITY / 1e6

    def sample(self, t_us: int) -> tuple[float, float, float]:
        """Return (x, y, z)."""
        return (self._slope * t_us, 0.0, 0.0)

    def time_of_us(self, x: float) -> float:
        """Return when x in m/s2 was, on the world's clock."""
        return x / self._slope


@pytest.mark.parametrize("code", range(11))
def test_the_model_is_as_late_as_the_data_sheet_says(code: int) -> None:
    settings = {"driver": "adxl355", "spi": 0, "cs": 1, "rate_mhz": 4_000_000 >> code, "shift": 0}
    ramp = Ramp(0.5)  # a step of the chip in 8 us
    bench = BlockBench(settings, ramp, rate_error_ppm=0, delay=True).start()
    began_us = bench.clock.now_us()  # the chip's first sample comes one spacing after this
    samples: list[tuple[int, ...]] = []
    while len(samples) < 8:
        bench.clock.advance(bench.driver.spacing_us)
        samples += bench.read_driver()
    first_us = began_us + 1e9 / (4_000_000 / (1 << code))
    delay_us = first_us - ramp.time_of_us(bench.to_si(samples[0])[0])
    assert abs(delay_us / 1e3 - DELAYS_MS[code]) < 0.02 * DELAYS_MS[code]
    assert abs(bench.driver.lag_us / 1e3 - DELAYS_MS[code]) < 1e-9


@pytest.mark.parametrize("settings", [{"sync_pin": 2, "rate_mhz": 100_000}, {"rate_mhz": 125_000}])
def test_a_readings_time_is_that_of_the_signal(settings: dict[str, Any]) -> None:
    row = {"name": "acc", "driver": "adxl355", "spi": 0, "cs": 1, "shift": 0, **settings}
    ramp = Ramp(0.08)
    samples = recorded(row, ramp, 20 * SECOND_US)
    settled = samples[len(samples) // 2 :]
    # The board came up when the world was a second old.
    errors_us = [t_us + SECOND_US - ramp.time_of_us(x) for t_us, x in settled]
    mean_us = sum(errors_us) / len(errors_us)
    # Paced by the board, a time is exact but for the rounding; else the newest sample's age at a
    # read is known to half of a spacing only. Without the lag allowed for, 12 ms would be missing.
    assert abs(mean_us) < (1_000 if "sync_pin" in settings else 5_000)


class SlowBoard(SimBoard):
    """A board whose transfers take their time, so that a start takes some ms."""

    TRANSFER_US = 400

    def spi(self, bus: int, cs: int, baudrate: int, mode: int) -> Any:
        """Return the device, slow."""
        device = super().spi(bus, cs, baudrate, mode)

        def transfer(out: Any, into: Any) -> None:
            self.clock.sleep_us(self.TRANSFER_US)
            device.transfer(out, into)

        return SimpleNamespace(transfer=transfer)


def test_the_time_that_a_start_takes_does_not_make_the_times_late() -> None:
    row = {"name": "acc", "driver": "adxl355", "spi": 0, "cs": 1, "shift": 0}
    row |= {"sync_pin": 2, "rate_mhz": 100_000}
    ramp = Ramp(0.08)
    errors_us = [
        t_us + SECOND_US - ramp.time_of_us(x)
        for t_us, x in recorded(row, ramp, 5 * SECOND_US, SlowBoard)[2:]
    ]
    assert max(errors_us) - min(errors_us) < 200
    assert abs(sum(errors_us) / len(errors_us)) < 200


def recorded(
    row: dict[str, Any], ramp: Ramp, duration_us: int, make: type[SimBoard] = SimBoard
) -> list[tuple[int, float]]:
    """Return (time, x in m/s2) of each sample that an agent's sensor makes of the ramp."""
    clock = HandClock(SECOND_US)
    options = {"noise": False, "rate_error_ppm": 0, "delay": True}
    chip = chips.create("adxl355", clock, ramp, options=options)
    board = make(clock, [(chip, row)])
    config = Config(table([row], normal={"acc": {"report_ms": 2000}}))
    sensor = Sensor(board, config.sensors[0], Log(board.clock, echo=False))
    sensor.follow(config.policy.rule(0, "acc"), board.clock.now_us())
    made = []
    while board.clock.now_us() < duration_us:
        clock.advance(sensor.due_us - board.clock.now_us())
        sensor.poll(board.clock.now_us())
        for series in sensor.take_series():
            if series.channel == "acc.x":
                scale = series.multiplier * 10.0**series.exponent
                for position in range(len(series.values)):
                    made.append((series.time_us(position), series.values[position] * scale))
    return made
