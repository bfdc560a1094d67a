"""The level, soil and contact sensors: real drivers on their models on the simulated board."""

from array import array
from typing import Any

import pytest

from agent.drivers import create as create_driver
from agent.drivers.errors import SensorError
from simulators import chips
from simulators.board import SimBoard
from simulators.clock import HandClock
from simulators.signals.basic import Constant, Scalar
from simulators.signals.household import Held
from simulators.signals.river import DistanceToWater, River

MS_US = 1000
SECOND_US = 1_000_000
SETTINGS: dict[str, dict[str, Any]] = {
    "a02yyuw": {"name": "level", "uart": 0, "height_mm": 4000, "every_ms": 1000},
    "soil_moisture": {
        "name": "soil",
        "adc": 0,
        "dry_u16": 50_000,
        "wet_u16": 25_000,
        "every_ms": 1000,
    },
    "digital_input": {"name": "door", "pin": 3, "active": "low"},
}


def new_driver(name: str, board: SimBoard) -> Any:
    return create_driver(name, board, SETTINGS[name])


class Bench:
    """One sensor on a board, polled as its driver asks to be."""

    def __init__(self, name: str, signal: Scalar, **options: Any) -> None:
        self.clock = HandClock(5 * SECOND_US)
        self.chip = chips.create(name, self.clock, signal, seed=1, options=options)
        self.board = SimBoard(self.clock, [(self.chip, SETTINGS[name])])
        self.name = name
        self.out = array("i", [0])
        self.boot()

    def boot(self) -> None:
        """Start a new driver, as a new boot of the agent does."""
        self.driver = new_driver(self.name, self.board)
        self.driver.start()

    def run(self, duration_us: int) -> list[tuple[int, int]]:
        """Return (world time, raw value) of each reading made in that time."""
        made = []
        end_us = self.clock.now_us() + duration_us
        while self.clock.now_us() < end_us:
            if self.driver.read(self.out, self.board.clock.now_us()):
                made.append((self.clock.now_us(), self.out[0]))
            self.clock.advance(self.driver.poll_us)
        return made


def test_level_follows_the_river_within_the_sensors_noise() -> None:
    river = River(seed=1, stage_m=0.8, flood=((15 * SECOND_US, 0.0), (45 * SECOND_US, 2.0)))
    bench = Bench("a02yyuw", DistanceToWater(river, height_m=4.0))
    made = bench.run(60 * SECOND_US)
    assert 59 <= len(made) <= 60
    for t_us, level_mm in made:
        # A frame is at most 300 ms old; the flood rises 67 mm/s.
        assert abs(level_mm - 1000 * river.sample(t_us)) < 12 + 0.3 * 67 + 5
    assert bench.driver.frame_errors == bench.driver.overflows == 0


def test_level_is_exact_to_the_millimetre_without_noise() -> None:
    bench = Bench("a02yyuw", Constant(1.2345), noise_mm=0)
    assert {level_mm for _, level_mm in bench.run(10 * SECOND_US)} == {4000 - 1234}


def test_level_model_talks_at_its_pace_and_not_faster_than_the_line() -> None:
    chip = chips.create("a02yyuw", HandClock(), Constant(1.0))
    received, bytes_at = b"", []
    for t_us in range(0, 60 * SECOND_US, 500):
        data = chip.feed(t_us)
        assert len(data) <= 1  # 1.04 ms each
        received += data
        bytes_at += [t_us] * len(data)
    spacings = [later - earlier for earlier, later in zip(bytes_at, bytes_at[4:], strict=False)]
    assert len(received) % 4 == 0 and received[0] == 0xFF
    assert 99_000 <= min(spacings) < 120_000 and 280_000 < max(spacings) <= 306_000


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("nack", "nothing readable"),
        ("stuck_bus", "nothing readable"),
        ("wrong_checksum", "nothing readable"),
        ("no_echo", "no echo"),
    ],
)
def test_level_fault_is_told_within_five_seconds_and_heals(fault: str, words: str) -> None:
    bench = Bench("a02yyuw", Constant(1.0))
    assert bench.run(3 * SECOND_US)
    bench.chip.fault = fault
    with pytest.raises(SensorError, match=words):
        bench.run(5 * SECOND_US)
    bench.chip.fault = None
    bench.clock.advance(SECOND_US)
    assert len(bench.run(10 * SECOND_US)) == 10


def test_garbage_on_the_line_does_not_pass_for_levels() -> None:
    bench = Bench("a02yyuw", Constant(1.0), noise_mm=0)
    bench.run(2 * SECOND_US)
    bench.chip.fault = "garbage"
    made = []
    with pytest.raises(SensorError, match="nothing readable"):
        for _ in range(30):
            made += bench.run(SECOND_US)
    assert {level_mm for _, level_mm in made} == {3000}


def test_water_in_the_blind_zone_is_no_level() -> None:
    bench = Bench("a02yyuw", Constant(0.02), noise_mm=0)
    with pytest.raises(SensorError, match="no echo"):
        bench.run(5 * SECOND_US)


def test_moisture_is_the_soils_within_the_adcs_noise() -> None:
    bench = Bench("soil_moisture", Constant(0.37))
    made = bench.run(20 * SECOND_US)
    assert len(made) == 20
    assert all(abs(value - 3700) < 40 for _, value in made)


@pytest.mark.parametrize("fault", ["nack", "stuck_bus"])
def test_lost_soil_probe_is_told(fault: str) -> None:
    bench = Bench("soil_moisture", Constant(0.37))
    bench.chip.fault = fault
    with pytest.raises(SensorError, match="wires"):
        bench.run(2 * SECOND_US)


def test_bouncing_contact_gives_one_reading_a_change() -> None:
    door = Held(at_us=(6 * SECOND_US, 9 * SECOND_US), hold_us=SECOND_US)
    bench = Bench("digital_input", door, bounce_us=15 * MS_US)
    made = bench.run(10 * SECOND_US)
    assert [value for _, value in made] == [0, 1, 0, 1, 0]
    for (t_us, _), changed_us in zip(made[1:], (6, 7, 9, 10), strict=True):
        assert 0 <= t_us - changed_us * SECOND_US <= 60 * MS_US


def test_motion_detector_holds_its_output_and_then_is_blind() -> None:
    moves = Held(at_us=tuple(second * SECOND_US for second in (6, 7, 12, 20)), hold_us=MS_US * 300)
    bench = Bench("digital_input", moves, hold_us=3 * SECOND_US, block_us=2_500_000, bounce_us=0)
    made = bench.run(20 * SECOND_US)
    assert [value for _, value in made] == [0, 1, 0, 1, 0]  # the one at 12 s falls into the block
    on_us, off_us = made[1][0], made[2][0]
    assert abs(on_us - 6 * SECOND_US) < 50 * MS_US
    assert abs(off_us - 10_300 * MS_US) < 60 * MS_US
    assert abs(made[3][0] - 20 * SECOND_US) < 50 * MS_US


def test_contact_with_its_wire_off_reads_inactive() -> None:
    bench = Bench("digital_input", Constant(1.0))
    assert [value for _, value in bench.run(SECOND_US)][-1] == 1
    bench.chip.fault = "nack"
    assert [value for _, value in bench.run(SECOND_US)] == [0]


@pytest.mark.parametrize("name", SETTINGS)
def test_sensor_works_again_after_a_power_cut(name: str) -> None:
    bench = Bench(name, Constant(0.5))
    bench.run(3 * SECOND_US)
    bench.board.power_off()
    bench.clock.advance(7 * SECOND_US)
    bench.board.power_on()
    bench.boot()
    assert bench.run(3 * SECOND_US)
    assert bench.driver.overflows == 0
