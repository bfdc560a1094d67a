"""Intensity and long-period class against the notice's text done plainly, and against SciPy."""

import cmath
import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import lsim  # type: ignore[import-untyped]

from hub.rules.seismic import long_period
from hub.rules.seismic.intensity import (
    CLASSES,
    class_of,
    held_count,
    held_level,
    intensity,
    is_boundary,
    rounded,
)
from hub.rules.seismic.onset import Onset
from simulators.signals.quake import Quake
from simulators.signals.recording import read_recording


def plainly(axes: list[list[float]], rate_hz: float) -> float:
    """The notice word for word: a slow transform of every component, then counting."""
    count = len(axes[0])
    magnitudes = [0.0] * count
    for axis in axes:
        turned = [cmath.exp(-2j * math.pi * at / count) for at in range(count)]
        filtered = [0j] * count
        for k in range(1, count):
            f = min(k, count - k) * rate_hz / count
            y = f / 10
            high = 1 + 0.694 * y**2 + 0.241 * y**4 + 0.0557 * y**6
            high += 0.009664 * y**8 + 0.00134 * y**10 + 0.000155 * y**12
            gain = (1 / f) ** 0.5 * high**-0.5 * (1 - math.exp(-((f / 0.5) ** 3))) ** 0.5
            component = sum(axis[n] * turned[k * n % count] for n in range(count))
            for n in range(count):
                filtered[n] += gain * component * turned[k * n % count].conjugate() / count
        for n in range(count):
            magnitudes[n] += filtered[n].real ** 2
    levels = sorted({math.sqrt(value) for value in magnitudes}, reverse=True)
    a0 = next(
        level
        for level in levels
        if sum(math.sqrt(value) >= level for value in magnitudes) / rate_hz >= 0.3 - 1e-9
    )
    return 2 * math.log10(a0) + 0.94


def shaking(rate_hz: int, seconds: int, seed: int, peak_m_s2: float = 2.5) -> np.ndarray:
    quake = Quake(start_us=1_000_000, peak_m_s2=peak_m_s2, seed=seed, duration_us=20_000_000)
    rows = [quake.sample(round(at * 1e6 / rate_hz)) for at in range(seconds * rate_hz)]
    return np.array(rows).T * 100


@pytest.mark.parametrize(("rate_hz", "seconds", "seed"), [(20, 12, 1), (25, 11, 2), (31, 9, 3)])
def test_it_is_what_the_notice_says_done_plainly(rate_hz: int, seconds: int, seed: int) -> None:
    axes = shaking(rate_hz, seconds, seed)
    assert intensity(axes, rate_hz * 1000) == pytest.approx(
        plainly(axes.tolist(), rate_hz), abs=1e-9
    )


@pytest.mark.parametrize("frequency", [0.6, 1.0, 2.0, 5.0, 9.0])
def test_a_lasting_sine_has_the_value_of_its_filtered_amplitude(frequency: float) -> None:
    at = np.arange(6000) / 100
    axes = np.zeros((3, 6000))
    axes[0] = 100 * np.sin(2 * math.pi * frequency * at)
    y = frequency / 10
    polynomial = [1, 0.694, 0.241, 0.0557, 0.009664, 0.00134, 0.000155]
    high = sum(factor * y ** (2 * power) for power, factor in enumerate(polynomial)) ** -0.5
    gain = frequency**-0.5 * high * (1 - math.exp(-((frequency / 0.5) ** 3))) ** 0.5
    assert intensity(axes, 100_000) == pytest.approx(2 * math.log10(100 * gain) + 0.94, abs=0.002)


def test_gravity_and_the_axes_order_and_signs_change_nothing() -> None:
    axes = shaking(100, 30, 4)
    tilted = np.array([[12.0], [-3.0], [980.0]]) - axes[[2, 0, 1]]
    assert intensity(tilted, 100_000) == pytest.approx(intensity(axes, 100_000), abs=1e-9)


def test_twice_the_motion_is_six_tenths_more() -> None:
    axes = shaking(100, 30, 5)
    assert intensity(2 * axes, 100_000) - intensity(axes, 100_000) == pytest.approx(
        2 * math.log10(2)
    )


@pytest.mark.parametrize("rate_hz", [50, 125, 200, 250])
def test_the_rate_of_the_sensor_hardly_matters(rate_hz: int) -> None:
    expected = intensity(shaking(100, 30, 6), 100_000)
    assert intensity(shaking(rate_hz, 30, 6), rate_hz * 1000) == pytest.approx(expected, abs=0.03)


def test_a_recorded_quake_on_one_axis() -> None:
    obspy = find_spec("obspy")
    assert obspy is not None and obspy.submodule_search_locations
    folder = Path(obspy.submodule_search_locations[0])
    record = np.array(read_recording(folder / "io/nied/tests/data/test.knet").x)
    count, rate_hz = 600, 100  # the strongest six seconds, for the plain way is slow
    middle = int(np.abs(record).argmax())
    axis = record[middle - 300 : middle + 300] * 100
    axes = np.vstack([axis, np.zeros(count), np.zeros(count)])
    expected = plainly([axis.tolist()], rate_hz)
    assert intensity(axes, rate_hz * 1000) == pytest.approx(expected, abs=1e-9)


def test_samples_that_last_three_tenths_of_a_second() -> None:
    assert [held_count(rate) for rate in (100_000, 50_000, 33_000, 62_500, 125_000)] == [
        30, 15, 10, 19, 38,
    ]  # fmt: skip
    levels = np.array([5.0] * 29 + [4.0] + [1.0] * 70)
    assert held_level(levels, 100_000) == 4.0
    assert held_level(np.array([5.0] * 30 + [1.0] * 70), 100_000) == 5.0


def test_rounding_and_classes() -> None:
    assert [rounded(value) for value in (4.444, 4.445, 4.494, 4.495, 4.5, -1.0)] == [
        4.4, 4.4, 4.4, 4.5, 4.5, -1.0,
    ]  # fmt: skip
    shown = [CLASSES[class_of(value)].ja for value in (-2, 0.494, 0.496, 4.49, 4.5, 5.2, 5.5, 9)]
    assert shown == ["0", "0", "1", "4", "5弱", "5強", "6弱", "7"]
    assert is_boundary(4.485) and is_boundary(4.515) and not is_boundary(4.4)


@pytest.mark.parametrize("rate_hz", [50, 100])
def test_long_period_response_is_that_of_pendulums_integrated_in_time(rate_hz: int) -> None:
    random = np.random.default_rng(7)
    count = 90 * rate_hz
    at = np.arange(count) / rate_hz
    frequencies = np.fft.rfftfreq(count, 1 / rate_hz)
    band = np.exp(-((np.log(np.maximum(frequencies, 1e-3) / 0.3)) ** 2))
    motion = np.fft.irfft(np.fft.rfft(random.normal(0, 1, (2, count))) * band, count)
    motion *= np.where(at > 20, (at - 20) * np.exp(-(at - 20) / 6), 0)
    motion = np.fft.irfft(np.fft.rfft(motion) * (frequencies > 0.06), count)
    motion *= 60 / np.abs(motion).max()
    found = long_period.velocity_response(motion, rate_hz * 1000)
    for period, response in [*zip(long_period.PERIODS_S, found, strict=True)][::6]:
        natural = 2 * math.pi / period
        system = ([[0, 1, 0], [-(natural**2), -0.1 * natural, 0], [0, 0, 0]],
                  [[0], [-1], [1]], [[0, 1, 1]], [[0]])  # fmt: skip
        swings = [lsim(system, axis, at)[1] for axis in motion]
        assert response == pytest.approx(np.hypot(*swings).max(), rel=0.025)
    assert [long_period.class_of(value) for value in (4.9, 5, 15, 50, 100)] == [0, 1, 2, 3, 4]


def test_onset_knows_a_beginning_from_lasting_noise_and_a_hole() -> None:
    random = np.random.default_rng(7)
    noise = random.normal(0, 0.5, (3, 6000))
    onset = Onset(100_000)
    assert not any(onset.feed(noise[:, at : at + 100]) for at in range(0, 6000, 100))
    assert onset.feed(random.normal(0, 5, (3, 100)))
    assert not onset.feed(np.full((3, 100), np.nan))
    assert not onset.feed(random.normal(0, 50, (3, 100)))  # begins anew after the hole
