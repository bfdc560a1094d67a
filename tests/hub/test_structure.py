"""What a structure's readings say: each computation against an independent one."""

import math
import random
import warnings
from collections import Counter
from statistics import median
from typing import Any

import numpy as np
import pytest
import rainflow  # type: ignore[import-untyped]
from scipy import signal  # type: ignore[import-untyped]

from hub.rules.structure.cycles import Cycles, damage
from hub.rules.structure.modal import Array, Spectrum, find_mode
from hub.rules.structure.regression import Line, restored
from hub.rules.structure.weight import Passages, calibrated


def oscillator(
    frequency_hz: float, damping: float, *, rate_hz: float = 100.0, seconds: float = 600.0,
    seed: int = 1, noise: float = 0.0,
) -> Array:  # fmt: skip
    """Return the acceleration of an oscillator under a white force, by SciPy's own simulation."""
    dice = np.random.default_rng(seed)
    angular = 2 * math.pi * frequency_hz
    above, below = signal.bilinear([1, 0, 0], [1, 2 * damping * angular, angular**2], 4 * rate_hz)
    force = dice.standard_normal(int(seconds * rate_hz) * 4)
    values = signal.lfilter(above, below, force)
    values = np.asarray(signal.decimate(values, 4))
    values += noise * values.std() * dice.standard_normal(len(values))
    return values


def tracked(values: Array, rate_hz: float = 100.0) -> Any:
    spectrum = Spectrum(rate_hz)
    for at in range(0, len(values), 500):
        spectrum.feed(values[at : at + 500])
    return spectrum.mode(0.8, 20.0)


@pytest.mark.parametrize("frequency_hz", [1.3, 2.4, 3.71, 7.9])
@pytest.mark.parametrize("damping", [0.004, 0.01, 0.03, 0.05])
def test_frequency_is_that_of_the_structure_within_one_and_a_half_percent(
    frequency_hz: float, damping: float
) -> None:
    values = oscillator(frequency_hz, damping, seed=round(1000 * frequency_hz), noise=0.3)
    mode = tracked(values)
    assert mode.frequency_hz == pytest.approx(frequency_hz, rel=0.015)
    if damping >= 0.03 and frequency_hz > 2:
        assert mode.damping == pytest.approx(damping, rel=0.5)


def test_density_is_that_of_scipys_welch() -> None:
    values = oscillator(2.4, 0.03, seconds=120, seed=5)
    spectrum = Spectrum(100.0)
    for at in range(0, len(values), 333):
        spectrum.feed(values[at : at + 333])
    frequencies, density = spectrum.density()
    expected_hz, expected = signal.welch(
        values, 100.0, window="hann", nperseg=spectrum.size, detrend="constant"
    )
    assert np.allclose(frequencies, expected_hz)
    # The first and the last bin have no mirror image; nobody looks at them.
    assert np.allclose(density[1:-1], expected[1:-1], rtol=1e-9)


def test_frequency_agrees_with_stochastic_subspace_identification() -> None:
    """pyOMA-2's SSI on the same record of two modes, on three sensors of a beam."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pyoma2.algorithms import SSI  # type: ignore[attr-defined]
        from pyoma2.setup import SingleSetup  # type: ignore[attr-defined]

    first, second = (
        oscillator(frequency_hz, 0.02, rate_hz=50.0, seconds=400, seed=at)
        for at, frequency_hz in enumerate((2.37, 6.11))
    )
    noise = np.random.default_rng(9).standard_normal((3, len(first)))
    shapes = np.sin(np.outer([0.25, 0.5, 0.7], [math.pi, 2 * math.pi]))
    sensors = shapes @ np.vstack([first, 0.5 * second]) + 0.2 * first.std() * noise
    mode = tracked(sensors[1], 50.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        setup = SingleSetup(sensors.T, fs=50.0)
        method = SSI(name="ssi", br=30, ordmax=16)
        setup.add_algorithms(method)
        setup.run_by_name("ssi")
        setup.mpe("ssi", sel_freq=[2.37], order_in=12)
    result: Any = method.result
    assert mode.frequency_hz == pytest.approx(float(result.Fn[0]), rel=0.015)


def test_what_has_no_clear_mode_is_not_computable() -> None:
    noise = np.random.default_rng(4).standard_normal(60_000)
    assert tracked(noise) is None
    assert tracked(oscillator(2.4, 0.02, seconds=30)) is None
    ramp = find_mode(np.arange(100) / 10, np.arange(100, 0, -1.0) ** 4, 1.0, 5.0)
    assert ramp is None


def test_a_hole_makes_no_false_samples() -> None:
    values = oscillator(2.4, 0.02, seconds=900, seed=8)
    whole = tracked(values)
    spectrum = Spectrum(100.0)
    for at in range(0, 90_000, 500):
        if at % 10_000 == 9_500:
            spectrum.cut()
        else:
            spectrum.feed(values[at : at + 500])
    holed = spectrum.mode(0.8, 20.0)
    assert whole is not None and holed is not None
    assert holed.frequency_hz == pytest.approx(whole.frequency_hz, rel=0.01)


# Temperature


def test_the_line_is_numpys() -> None:
    dice = random.Random(3)
    xs = [dice.uniform(-5, 35) for _ in range(300)]
    ys = [2.4 - 0.003 * x + dice.gauss(0, 0.01) for x in xs]
    line = Line()
    for x, y in zip(xs, ys, strict=True):
        line.put(x, y)
    again = restored(line.save())
    slope, intercept = np.polyfit(xs, ys, 1)
    assert again.slope() == pytest.approx(slope)
    assert again.at(40.0) == pytest.approx(intercept + 40 * slope)
    residuals = np.array(ys) - np.polyval([slope, intercept], xs)
    assert again.scatter() == pytest.approx(math.sqrt((residuals**2).sum() / 298))
    assert again.error(60.0) > 3 * again.error(15.0)


def test_a_line_of_one_temperature_claims_little_elsewhere() -> None:
    line = Line()
    for at in range(100):
        line.put(20 + 0.1 * (at % 2), 2.4 + 0.01 * (-1) ** (at // 2))
    assert line.slope() == 0.0 and line.error(35.0) > 0.01
    assert Line().error(20.0) == math.inf


# Cycles


def by_rainflow(values: list[float], step: float) -> dict[int, float]:
    halves: Counter[int] = Counter()
    for size, _, count, _, _ in rainflow.extract_cycles(values):
        halves[int(size / step)] += round(2 * count)
    return {at: halves[at] / 2 for at in sorted(halves) if halves[at]}


def counted(values: list[float], block: int) -> dict[int, float]:
    cycles = Cycles(gate=1.0, step=1.0)
    for at in range(0, len(values), block):
        cycles.put(values[at : at + block])
    return cycles.counts()


def test_cycles_are_those_of_the_standards_example() -> None:
    """ASTM E1049-85 figure 6: ranges 3, 4 (1.5), 6 (0.5), 8 (1), 9 (0.5)."""
    values = [-2.0, 1.0, -3.0, 5.0, -1.0, 3.0, -4.0, 4.0, -2.0]
    assert counted(values, 4) == {3: 0.5, 4: 1.5, 6: 0.5, 8: 1.0, 9: 0.5}


def test_cycles_of_a_day_of_traffic_are_rainflows() -> None:
    dice = random.Random(7)
    values = [float(round(40 * math.sin(at / 300) + dice.gauss(0, 12))) for at in range(40_000)]
    assert counted(values, 160) == by_rainflow(values, 1.0)


def test_cycles_survive_a_restart_and_cost_a_bounded_memory() -> None:
    dice = random.Random(11)
    values = [float(dice.randrange(-50, 50)) for _ in range(4000)]
    one, other = Cycles(1.0, 1.0), Cycles(1.0, 1.0)
    one.put(values[:1500])
    other.restore(one.save())
    one.put(values[1500:])
    other.put(values[1500:])
    assert one.counts() == other.counts() == by_rainflow(values, 1.0)
    growing = Cycles(1.0, 1.0)
    growing.put([(-1.0) ** at * (at + 2) for at in range(3000)])
    assert len(growing.save()["open"]) <= 513 and growing.cut_count > 0  # type: ignore[arg-type]
    assert sum(growing.counts().values()) == pytest.approx(sum(by_rainflow(
        [(-1.0) ** at * (at + 2) for at in range(3000)], 1.0).values()))  # fmt: skip


def test_damage_is_one_after_two_million_cycles_of_the_class() -> None:
    assert damage({79: 2e6}, 1.0, endurance=80.0, cut_off=29.0) == pytest.approx(1.0)
    assert damage({20: 1e9}, 1.0, endurance=80.0, cut_off=29.0) == 0.0


# Vehicles: a simulation, and no more than that


AXLES = (  # (metres behind the first, share of the weight); Japanese rigid and semi-trailer trucks
    ((0.0, 0.33), (5.3, 0.67)),
    ((0.0, 0.26), (5.0, 0.37), (6.3, 0.37)),
    ((0.0, 0.17), (3.2, 0.33), (9.5, 0.25), (10.8, 0.25)),
)


def crossing(
    tonnes: float, *, axles: tuple[tuple[float, float], ...], speed_m_s: float, span_m: float,
    noise: random.Random, rate_hz: float = 40.0,
) -> list[float]:  # fmt: skip
    """Return the strain at mid-span of a simple beam: each axle walks over a triangle."""
    values = []
    for at in range(int(rate_hz * 20)):
        seconds = at / rate_hz - 4.0
        strain = 0.0
        for behind_m, share in axles:
            where = (speed_m_s * seconds - behind_m) / span_m
            if 0.0 < where < 1.0:
                strain += share * min(where, 1 - where) * 2
        # The bridge swings under the truck, and the gauge has its own noise and drift.
        swing = 0.12 * strain * math.sin(2 * math.pi * 2.9 * seconds + 1.0)
        values.append(4e-6 * tonnes * (strain + swing) + noise.gauss(0, 0.4e-6) + 1e-9 * at)
    return values


def weighed(span_m: float, seed: int) -> tuple[list[float], int]:
    """Return the share each of 200 trucks is off by, and how many were no weight."""
    dice = random.Random(seed)
    scale = random.Random(seed + 1)
    rows = []
    for at in range(212):
        tonnes = 20.0 if at < 12 else scale.uniform(8.0, 40.0)
        passages = Passages(threshold=8e-6, rate_hz=40.0)
        axles = AXLES[at % 3] if at >= 12 else AXLES[at % 2 + 1]
        # Where in its lane it drives decides how much of it this girder bears.
        speed_m_s, felt_t = scale.uniform(8.0, 22.0), tonnes * scale.gauss(1.0, 0.04)
        values = crossing(felt_t, axles=axles, speed_m_s=speed_m_s, span_m=span_m, noise=dice)
        found = []
        for start in range(0, len(values), 160):
            found += passages.put(start * 25_000, values[start : start + 160])
        rows.append((tonnes, found))
    known = [(tonnes, found[0].measure) for tonnes, found in rows[:12] if len(found) == 1]
    factor, _ = calibrated([one for _, one in known], [tonnes for tonnes, _ in known])
    rest = [(tonnes, found) for tonnes, found in rows[12:]]
    errors = [factor * found[0].measure / tonnes - 1 for tonnes, found in rest if len(found) == 1]
    return errors, len(rest) - len(errors)


def test_trucks_weigh_within_fifteen_percent_in_simulation() -> None:
    errors, missed = weighed(40.0, 21)
    share = sum(abs(error) <= 0.15 for error in errors) / len(errors)
    assert share >= 0.95 and missed <= 10
    assert abs(median(errors)) < 0.08


def test_two_trucks_in_a_row_are_no_weight() -> None:
    dice = random.Random(2)
    one = crossing(20.0, axles=AXLES[0], speed_m_s=15.0, span_m=40.0, noise=dice)
    both = [a + b for a, b in zip(one, [*[0.0] * 96, *one[:-96]], strict=True)]
    passages = Passages(threshold=8e-6, rate_hz=40.0)
    assert passages.put(0, both) == [] and passages.refused_count == 1
    apart = Passages(threshold=8e-6, rate_hz=40.0)
    assert len(apart.put(0, one)) == 1
    assert apart.put(20_000_000, one)[0].at_us > 24_000_000
