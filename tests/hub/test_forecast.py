"""When the store will be full, within a fifth: the forecast against what happens then."""

import math
from collections.abc import Callable

import pytest

from hub.forecast import Forecast, LaneSizes

STEP_S = 30
Rate = Callable[[float], float]  # hours -> bytes an hour
GIB = 1 << 30


def steady(hour: float) -> float:
    return 100e6


def diurnal(hour: float) -> float:
    """Six in the evening sees three times what six in the morning does."""
    return 100e6 * (1 + 0.5 * math.sin(2 * math.pi * (hour - 12) / 24))


def bursts(hour: float) -> float:
    """A report of all devices every ten minutes, in half a minute."""
    return 2000e6 if int(hour * 120) % 20 == 0 else 0.0


def disaster(hour: float) -> float:
    """Boards speed up tenfold a while after the line is cut."""
    return 100e6 if hour < 31 else 1000e6


class Line:
    """A hub whose line is cut after `cut_h`, or carries `carries` bytes an hour at most."""

    def __init__(self, rate: Rate, *, cut_h: float, carries: float = 0.0) -> None:
        self.rate = rate
        self.cut_h = cut_h
        self.carries = carries
        self.hour = 0.0
        self.inflow = 0.0
        self.waiting = 0.0
        self.forecast = Forecast()

    def run(self, until_h: float, size_max: float = math.inf) -> None:
        """Go on until then, or until so much waits."""
        while self.hour < until_h and self.waiting < size_max:
            self.forecast.feed(int(self.hour * 3.6e9), int(self.inflow), int(self.waiting))
            gained = self.rate(self.hour) * STEP_S / 3600
            self.inflow += gained
            limit = math.inf if self.hour < self.cut_h else self.carries * STEP_S / 3600
            self.waiting = max(0.0, self.waiting + gained - limit)
            self.hour += STEP_S / 3600


@pytest.mark.parametrize(
    ("rate", "after_h", "carries"),
    [
        (steady, 0.1, 0.0),
        (steady, 5.0, 0.0),
        (steady, 2.0, 60e6),
        (bursts, 2.0, 0.0),
        (diurnal, 0.1, 0.0),
        (diurnal, 4.0, 0.0),
        (diurnal, 9.0, 0.0),
        (diurnal, 17.0, 0.0),
        (diurnal, 7.0, 40e6),
        (disaster, 2.0, 0.0),
    ],
)
@pytest.mark.parametrize("size_max", [2 * GIB, 5 * GIB])
def test_hours_to_full_are_right_within_a_fifth(
    rate: Rate, after_h: float, carries: float, *, size_max: int
) -> None:
    cut_h = 30.0  # more than a day is known by then
    line = Line(rate, cut_h=cut_h, carries=carries)
    line.run(cut_h + after_h)
    foretold = line.forecast.hours_to_full(size_max - int(line.waiting))
    begin_h = line.hour
    line.run(math.inf, size_max)
    assert foretold is not None
    assert abs(foretold - (line.hour - begin_h)) <= 0.2 * (line.hour - begin_h)


def test_a_hub_that_began_an_hour_ago_goes_by_that_hour() -> None:
    line = Line(steady, cut_h=0.5)
    line.run(1.0)
    foretold = line.forecast.hours_to_full(GIB)
    assert foretold is not None and abs(foretold - GIB / 100e6) < 0.2 * GIB / 100e6


def test_nothing_is_foretold_while_nothing_piles_up() -> None:
    line = Line(steady, cut_h=math.inf)
    assert line.forecast.hours_to_full(GIB) is None
    line.run(3.0)
    assert line.forecast.hours_to_full(GIB) is None
    line.waiting = 50e6
    line.cut_h, line.carries = 3.0, 150e6  # the line is back: what waits becomes less
    line.run(3.5)
    assert 0 < line.waiting < 50e6 and line.forecast.hours_to_full(GIB) is None
    assert line.forecast.hours_to_full(0) == 0.0


def test_a_line_that_carries_a_day_never_fills_the_store_by_its_evenings() -> None:
    line = Line(diurnal, cut_h=30.0, carries=120e6)
    line.run(66.0)  # the evening's excess is not yet gone
    assert line.waiting > 0 and line.forecast.hours_to_full(5 * GIB) is None


def test_sizes_of_ranges_are_known_well_however_many_commits_there_were() -> None:
    sizes = LaneSizes(100, 200, 1000)
    exact = [0] * 200
    exact[100:200] = [10] * 100
    for number in range(20_000):
        sizes.add(200 + number + 1, 10 + number % 7 + number // 1000)
        exact.append(10 + number % 7 + number // 1000)
    assert sizes.total == sum(exact)
    for first, following in ((0, 20_200), (100, 150), (5000, 5001), (200, 9000), (20_000, 20_200)):
        about = sizes.between([first, following])
        wanted = sum(exact[first:following])
        assert abs(about - wanted) <= 0.02 * wanted + 700
