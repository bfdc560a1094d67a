"""DS18B20: the real driver on models that share a simulated 1-Wire bus."""

from array import array
from typing import Any

import pytest

from agent.drivers import create as create_driver
from agent.drivers.ds18b20 import crc8
from agent.drivers.errors import SensorError
from simulators import chips
from simulators.board import SimBoard
from simulators.chips.ds18b20 import Ds18b20Chip
from simulators.clock import HandClock
from simulators.signals.basic import Constant
from tests.simulators.sensor_bench import SECOND_US, Bench

SETTINGS = {"name": "air", "driver": "ds18b20", "pin": 6, "every_ms": 1000}
NAMES = ("a", "b", "c", "d", "e")


def shared_bus(seeds: range) -> tuple[HandClock, SimBoard, list[Ds18b20Chip]]:
    clock = HandClock(SECOND_US)
    models = [
        chips.create("ds18b20", clock, Constant(10.0 * seed), seed=seed, options={"noise": False})
        for seed in seeds
    ]
    return clock, SimBoard(clock, [(model, {"pin": 6}) for model in models]), models


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10])
def test_search_finds_everybody_once(count: int) -> None:
    _, board, models = shared_bus(range(count))
    found = board.onewire(6).search()
    assert sorted(found) == sorted(model.rom for model in models)
    assert all(crc8(rom) == 0 and rom[0] == 0x28 for rom in found)


def test_search_tells_addresses_that_differ_in_one_bit_only() -> None:
    _, board, models = shared_bus(range(3))
    for at, model in enumerate(models):
        model.rom = bytes((0x28, 0, 0, 0, 0, 0, 0x80 >> at, 0))
    assert len(set(board.onewire(6).search())) == 3


def test_each_driver_reads_its_own_chip() -> None:
    clock, board, models = shared_bus(range(1, 6))
    drivers = []
    for name, model in zip(NAMES, models, strict=True):
        row = {"name": name, "pin": 6, "rom": model.rom.hex(), "every_ms": 1000}
        drivers.append(create_driver("ds18b20", board, row))
        drivers[-1].start()
    out = array("i", [0])
    for driver in drivers:
        assert driver.read(out, board.clock.now_us()) == 0
    clock.advance(drivers[0].poll_us)
    values = []
    for driver in drivers:
        assert driver.read(out, board.clock.now_us()) == 1
        values.append(out[0])
    assert values == [160, 320, 480, 640, 800]


def test_one_that_is_unplugged_does_not_disturb_the_others() -> None:
    _, board, models = shared_bus(range(3))
    models[1].fault = "nack"
    assert sorted(board.onewire(6).search()) == sorted((models[0].rom, models[2].rom))


@pytest.mark.parametrize("seed", range(8))
def test_temperature_is_within_the_accuracy_of_the_data_sheet(seed: int) -> None:
    values = Bench(SETTINGS, Constant(21.3), seed=seed).values(20 * SECOND_US)
    assert 18 <= len(values) <= 20
    assert all(abs(value / 16 - 21.3) <= 0.5 + 1 / 32 for value in values)


@pytest.mark.parametrize(("bits", "step"), [(9, 8), (10, 4), (11, 2), (12, 1)])
def test_resolution_and_time_of_a_conversion(bits: int, step: int) -> None:
    bench = Bench({**SETTINGS, "bits": bits}, Constant(21.4375), noise=False)
    assert set(bench.values(5 * SECOND_US)) == {343 // step * step}
    bus = bench.board.onewire(6)
    bus.reset()
    bus.write(b"\xcc\x44")
    busy_us, slots = 0, bytearray(1)
    while slots[0] != 0xFF:
        bench.clock.advance(1000)
        busy_us += 1000
        bus.read_into(slots)
    assert 0.6 <= busy_us / (750_000 >> 12 - bits) <= 1.02


def test_model_has_the_power_up_scratchpad_of_the_data_sheet() -> None:
    _, board, models = shared_bus(range(1))
    bus, scratchpad = board.onewire(6), bytearray(9)
    bus.reset()
    bus.write(b"\xcc\xbe")
    bus.read_into(scratchpad)
    assert scratchpad[:8] == b"\x50\x05\x4b\x46\x7f\xff\x0c\x10"
    assert crc8(scratchpad) == 0
    bus.reset()
    bus.write(b"\x33")
    bus.read_into(scratchpad)
    assert scratchpad == models[0].rom + b"\xff"


def test_eeprom_keeps_what_was_copied() -> None:
    clock, board, models = shared_bus(range(1))
    bus, scratchpad = board.onewire(6), bytearray(9)
    for said in (b"\x4e\x11\x22\x00", b"\x48", b"\x4e\x33\x44\xff"):
        bus.reset()
        bus.write(b"\xcc" + said)
    models[0].power_on(clock.now_us())
    bus.reset()
    bus.write(b"\xcc\xbe")
    bus.read_into(scratchpad)
    assert scratchpad[2:5] == b"\x11\x22\x1f"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("nack", "no DS18B20"),
        ("stuck_bus", "damaged"),
        ("wrong_checksum", "damaged"),
        ("wrong_identity", "no DS18B20"),
    ],
)
def test_fault_is_told_and_heals(fault: str, words: str) -> None:
    bench = Bench(SETTINGS, Constant(21.0), noise=False)
    assert bench.values(3 * SECOND_US)
    bench.chip.fault = fault
    with pytest.raises(SensorError, match=words):
        bench.run(3 * SECOND_US)
    with pytest.raises(SensorError):
        bench.driver.start()
    bench.chip.fault = None
    bench.driver.start()
    assert set(bench.values(5 * SECOND_US)) == {336}


def test_brown_out_in_the_middle_of_a_reading_is_told_and_is_no_85_degrees() -> None:
    bench = Bench(SETTINGS, Constant(21.0), noise=False)
    bench.values(2 * SECOND_US)
    bench.chip.fault = "brown_out"
    made: list[Any] = []
    with pytest.raises(SensorError, match="lost its settings"):
        for _ in range(100):
            made += bench.values(SECOND_US // 10)
    assert 85 * 16 not in made
    bench.driver.start()
    assert set(bench.values(5 * SECOND_US)) == {336}


def test_stuck_value_stays_and_drift_shows() -> None:
    bench = Bench(SETTINGS, Constant(21.0), noise=False)
    bench.chip.drift(0.5, bench.clock.now_us())
    assert bench.values(60 * SECOND_US)[-1] > 336 + 16 * 25
    bench.chip.fault = "stuck_value"
    assert len(set(bench.values(10 * SECOND_US)[1:])) == 1


def test_parasite_power_is_refused() -> None:
    with pytest.raises(SensorError, match="data wire"):
        Bench(SETTINGS, Constant(21.0), parasite=True)


def test_sensor_works_again_after_a_power_cut() -> None:
    bench = Bench(SETTINGS, Constant(21.0), noise=False)
    bench.run(3 * SECOND_US)
    bench.power_cycle()
    assert set(bench.values(3 * SECOND_US)) == {336}
    assert bench.driver.overflows == 0
