"""What holds for every driver with the model of its chip, on every body of the hardware port."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from agent.drivers import DRIVERS
from agent.drivers.errors import SensorError
from simulators.board import PowerLost
from simulators.chips import CHIPS
from tests.far_board import Interpreter
from tests.simulators.pairs import PAIRS, SECOND_US, Bench, FreeSignal, error_of

MakeBench = Callable[..., Bench]
STALL_US = 100_000
PERIODIC = [name for name, pair in PAIRS.items() if pair.is_periodic]
WITH_IDENTITY = [name for name, pair in PAIRS.items() if pair.has_identity]
ON_A_BUS = WITH_IDENTITY
# Count tips or say what they say at once: of them a stall loses nothing, or it is told as silence.
SUMS = ("gnss",)
DRIFTING = [
    name
    for name, pair in PAIRS.items()
    if pair.is_periodic and pair.value and name not in ("gnss", "ld2410")
]
FAULTS = [(name, fault) for name, pair in PAIRS.items() for fault in pair.wire_faults()]


def on_bodies(names: Iterable[str]) -> pytest.MarkDecorator:
    """Run a test for each of these pairs, on every body that can do it."""
    cases = [(name, body) for name in names for body in PAIRS[name].bodies]
    return pytest.mark.parametrize(("name", "make"), cases, indirect=["make"])


EACH = on_bodies(PAIRS)


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Callable[[], Interpreter]]:
    """Start MicroPython when it is first needed."""
    started: list[Interpreter] = []

    def get() -> Interpreter:
        if not started:
            started.append(Interpreter())
        return started[0]

    yield get
    for each in started:
        each.close()


@pytest.fixture
def make(request: pytest.FixtureRequest, interpreter: Callable[[], Interpreter]) -> MakeBench:
    """Make benches on the body that on_bodies says."""

    def make_bench(name: str, **changes: Any) -> Bench:
        return Bench(name, request.param, interpreter, **changes)

    return make_bench


def assert_reads_the_value(bench: Bench, name: str, sample: tuple[int, ...]) -> None:
    pair = PAIRS[name]
    wanted = pair.value if pair.reads is None else pair.reads
    expected = wanted if isinstance(wanted, tuple) else (wanted,)
    for found, value in zip(bench.to_si(sample), expected, strict=True):
        assert value is None or abs(found - value) <= pair.quantum + 1e-12


def test_every_driver_and_every_chip_is_in_the_table() -> None:
    assert {pair.settings["driver"] for pair in PAIRS.values()} == set(DRIVERS) == set(CHIPS)


@EACH
def test_reads_the_signal_within_the_quantisation(name: str, make: MakeBench) -> None:
    bench = make(name).start()
    samples = bench.settle()
    assert samples
    assert_reads_the_value(bench, name, samples[-1])
    assert bench.driver.overflows == 0


# Every code of a table of the chip's: settings, and how much coarser than in PAIRS a step is.
VARIANTS = [
    *(("nau7802", {"gain": 1 << n}, 256 >> n) for n in range(8)),
    *(("nau7802", {"rate_mhz": rate_mhz}, 1) for rate_mhz in (10_000, 20_000, 80_000, 320_000)),
    *(("ads1220", {"gain": 1 << n}, 128 >> n) for n in range(8)),
    *(("ads1115", {"range_mv": range_mv}, 2) for range_mv in (6144, 2048, 1024)),
    *(("tmp117", {"rate_mhz": rate_mhz}, 1) for rate_mhz in (8_000, 4_000, 1_000, 250, 125)),
    *(("adxl355-sync", {"range_g": range_g}, 4) for range_g in (4, 8)),
    *(("adxl345-i2c", {"range_g": range_g}, 1) for range_g in (2, 4, 8)),
    *(("mpu6050", {"range_g": range_g}, 8) for range_g in (2, 4, 8, 16)),
]


@pytest.mark.parametrize(("name", "settings", "coarser"), VARIANTS)
@pytest.mark.parametrize("make", ["simulated"], indirect=True)
def test_every_gain_range_and_rate_reads_the_same_signal(
    name: str, settings: dict[str, int], coarser: int, make: MakeBench
) -> None:
    bench = make(name, settings=settings).start()
    samples = bench.settle()
    value = PAIRS[name].value
    expected = value if isinstance(value, tuple) else (value,)
    for found, wanted in zip(bench.to_si(samples[-1]), expected, strict=True):
        assert abs(found - wanted) <= PAIRS[name].quantum * coarser
    due = max(SECOND_US, 4 * bench.driver.spacing_us) / bench.driver.spacing_us
    assert (
        due * 0.85 - bench.driver.samples_max - 5
        <= len(samples)
        <= due * 1.15 + bench.driver.samples_max
    )


@on_bodies(WITH_IDENTITY)
def test_another_chip_is_an_error_at_the_start(name: str, make: MakeBench) -> None:
    bench = make(name)
    bench.chip.fault = "wrong_identity"
    cause = error_of(bench.driver.start).cause
    assert "not a" in cause or "identity" in cause


@on_bodies(ON_A_BUS)
@pytest.mark.parametrize("fault", ["nack", "stuck_bus"])
def test_nobody_there_is_an_error_at_the_start(name: str, fault: str, make: MakeBench) -> None:
    bench = make(name)
    bench.chip.fault = fault
    cause = error_of(bench.driver.start).cause
    assert PAIRS[name].wire_faults()[fault] in cause


@pytest.mark.parametrize(
    ("name", "fault", "make"),
    [(name, fault, body) for name, fault in FAULTS for body in PAIRS[name].bodies],
    indirect=["make"],
)
def test_fault_while_sampling_is_an_error_and_heals(
    name: str, fault: str, make: MakeBench
) -> None:
    bench = make(name).start()
    bench.settle()
    bench.chip.fault = fault
    cause = error_of(lambda: [bench.settle() for _ in range(20)]).cause
    assert PAIRS[name].wire_faults()[fault] in cause or PAIRS[name].kind == "spi"
    bench.chip.fault = None
    bench.driver.start()
    assert_reads_the_value(bench, name, bench.settle()[-1])


@on_bodies(name for name in PERIODIC if PAIRS[name].value != 0.0)
def test_a_stuck_value_stays_and_nothing_else_breaks(name: str, make: MakeBench) -> None:
    signal = FreeSignal(PAIRS[name].value)
    bench = make(name, signal=signal).start()
    bench.settle()
    bench.chip.fault = "stuck_value"
    before = bench.settle()
    value = PAIRS[name].value
    signal.value = tuple(part / 2 for part in value) if isinstance(value, tuple) else value * 0.9
    with suppress(SensorError):  # what tells the time is seen to be stuck
        assert set(bench.settle()) <= set(before)
    bench.chip.fault = None
    bench.driver.start()
    assert bench.settle()[-1] not in before


@on_bodies(PERIODIC)
def test_no_loss_is_undetected_at_the_highest_rate_with_stalls(name: str, make: MakeBench) -> None:
    options = dict(PAIRS[name].exact)
    if "noise" in options:
        options["rate_error_ppm"] = 0
    bench = make(name, settings=PAIRS[name].fastest, options=options).start()
    spacing_us = bench.driver.spacing_us
    received = len(bench.run(max(SECOND_US, 4 * spacing_us)))
    began_us, overflows = bench.clock.now_us(), bench.driver.overflows
    received = 0
    for _ in range(6):
        received += len(bench.run(max(300_000, 3 * spacing_us)))
        bench.clock.advance(STALL_US)
        received += len(bench.read()) + len(bench.read())
        due = (bench.clock.now_us() - began_us) / spacing_us
        assert received <= due + bench.driver.samples_max + 1
        if bench.driver.overflows == overflows:
            assert received >= due - 1, "readings were lost and nobody knows"
        began_us, overflows, received = bench.clock.now_us(), bench.driver.overflows, 0


@on_bodies(PERIODIC)
def test_a_stall_of_seconds_is_a_counted_loss_and_reading_goes_on(
    name: str, make: MakeBench
) -> None:
    bench = make(name).start()
    bench.settle()
    overflows = bench.driver.overflows
    bench.clock.advance(max(12 * SECOND_US, 3 * bench.driver.spacing_us))
    with suppress(SensorError):  # a talker's time may be seen to have stood still
        bench.read()
        bench.read()
        bench.settle()
    assert bench.driver.overflows > overflows or name in SUMS
    bench.driver.start()
    assert bench.settle()


@on_bodies(DRIFTING)
def test_drift_shows_as_it_is(name: str, make: MakeBench) -> None:
    value = PAIRS[name].value
    bench = make(name).start()
    duration_us = max(5 * SECOND_US, 5 * bench.driver.spacing_us)
    share = 0.05 * SECOND_US / duration_us  # 5 % in all
    per_second = (0.0, 0.0, -0.1) if isinstance(value, tuple) else value * share
    before = bench.to_si(bench.settle()[-1])[-1]
    bench.chip.drift(per_second, bench.clock.now_us())
    began_us = bench.clock.now_us()
    after = bench.to_si(bench.run(duration_us)[-1])[-1]
    seconds = (bench.clock.now_us() - began_us) / SECOND_US
    expected = abs(per_second[-1] if isinstance(per_second, tuple) else per_second) * seconds
    late = 1.5 * bench.driver.poll_us / SECOND_US / seconds  # how old the newest sample may be
    assert (0.9 - late) * expected <= abs(after - before) <= 1.1 * expected
    assert bench.driver.overflows == 0


@on_bodies(ON_A_BUS)
def test_a_supply_that_dips_within_a_transfer_makes_no_false_reading(
    name: str, make: MakeBench
) -> None:
    bench = make(name).start()
    good = set(bench.settle()[1:])
    for transfers in range(8):
        bench.chip.brown_out_after = transfers
        bench.chip.fault = "brown_out"
        overflows = bench.driver.overflows
        with suppress(SensorError):
            for _ in range(12):
                bench.clock.advance(bench.driver.poll_us)
                assert set(bench.read()) <= good
            assert bench.chip.fault or bench.driver.overflows > overflows
        bench.chip.fault = None
        bench.driver.start()
        bench.clock.advance(SECOND_US)
        bench.read()


@on_bodies(name for name in PAIRS if name not in ON_A_BUS)
def test_a_sensor_that_begins_anew_amid_its_words_makes_no_false_reading(
    name: str, make: MakeBench
) -> None:
    bench = make(name).start()
    bench.settle()
    for step_us in range(1_000, 60_000, 3_700):
        bench.clock.advance(step_us)
        with suppress(SensorError):
            bench.read()
        bench.chip.power_on(bench.clock.now_us())
        try:
            samples = bench.settle()
        except SensorError:  # it has noticed
            bench.driver.start()
            samples = bench.settle()
        if PAIRS[name].is_periodic:
            assert samples
        for sample in samples[-1:]:
            assert_reads_the_value(bench, name, sample)


@EACH
def test_self_test_passes_and_sampling_goes_on(name: str, make: MakeBench) -> None:
    bench = make(name).start()
    bench.settle()
    assert bench.driver.self_test()
    overflows = bench.driver.overflows
    assert bench.settle() or not PAIRS[name].is_periodic
    assert bench.driver.overflows == overflows


@EACH
def test_power_cycle_ends_every_handle_and_the_next_boot_works(name: str, make: MakeBench) -> None:
    bench = make(name).start()
    bench.settle()
    old = bench.driver
    bench.board.power_off()
    bench.clock.advance(3 * SECOND_US)
    with pytest.raises(PowerLost):
        for _ in range(4):
            old.read(bench.out, 60 * SECOND_US)
            old.start()
    bench.board.power_on()
    bench.boot()
    bench.start()
    assert_reads_the_value(bench, name, bench.settle()[-1])


@on_bodies(ON_A_BUS)
def test_stop_ends_sampling(name: str, make: MakeBench) -> None:
    bench = make(name).start()
    bench.settle()
    bench.driver.stop()
    with suppress(SensorError):  # it may say that the chip no longer runs
        assert bench.run(bench.driver.poll_us) == []
