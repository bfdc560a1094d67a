"""A water level never alarms for what is no water, and always for a river that rises."""

from agent.level import LevelWindow
from tests.agent.draws import Draw

HALF_S = 500_000
MINUTE = 120  # echoes
WINDOW_US = 20_000_000
REST_MM = 3000
ALARM_MM = 500  # of rise
SEEDS = (1, 2, 3, 4)


class Gauge:
    """A window that is fed an echo each half second and asked for a level each 10 s."""

    def __init__(self) -> None:
        self.window = LevelWindow(WINDOW_US)
        self.now_us = 0
        self.levels: list[tuple[int, int]] = []  # (time, rise above REST_MM in mm)
        self.refusals = 0

    def feed(self, distances: "list[int]") -> None:
        window = self.window
        for distance in distances:
            self.now_us += HALF_S
            window.add(distance, self.now_us)
            if self.now_us % 10_000_000 == 0 and window.is_full():
                total, count = window.take(self.now_us)
                if count:
                    self.levels.append((self.now_us, REST_MM - total // count))
                elif window.is_stuck:
                    self.refusals += 1
                    window.restart()  # as a driver does that starts again

    def alarms(self) -> "list[int]":
        return [rise for _, rise in self.levels if rise >= ALARM_MM]


def water(
    draw: Draw, count: int, rise_from: int = 0, rise_to: int = 0, *, wave: int = 4
) -> "list[int]":
    """Return echoes of a river that rises evenly."""
    return [
        REST_MM - rise_from - (rise_to - rise_from) * index // count + draw.noise(wave)
        for index in range(count)
    ]


def test_the_mean_of_a_window_is_the_level() -> None:
    gauge = Gauge()
    gauge.feed(water(Draw(1), 10 * MINUTE, wave=15))
    assert len(gauge.levels) == 59 and gauge.levels[0][0] == WINDOW_US
    assert max([abs(rise) for _, rise in gauge.levels]) <= 10


def test_spikes_change_nothing() -> None:
    for seed in SEEDS:
        draw = Draw(seed)
        gauge = Gauge()
        echoes = water(draw, 20 * MINUTE)
        for index in range(len(echoes)):
            if draw.below(5) == 0:  # one in five
                echoes[index] = draw.between(300, 4500)
        gauge.feed(echoes)
        assert gauge.alarms() == [] and gauge.refusals == 0
        assert max([abs(rise) for _, rise in gauge.levels]) <= 10


def test_a_single_spike_is_not_seen_at_all() -> None:
    for distance in (30, 1000, REST_MM - 300, REST_MM + 300, 4500):
        calm, spiked = Gauge(), Gauge()
        echoes = water(Draw(5), 4 * MINUTE, wave=1)
        calm.feed(echoes)
        echoes[2 * MINUTE] = distance
        spiked.feed(echoes)
        for (_, left), (_, right) in zip(calm.levels, spiked.levels):  # noqa: B905
            assert abs(left - right) <= 1


def test_a_stuck_echo_never_alarms_and_is_refused() -> None:
    for seed in SEEDS:
        for jitter in (0, 1):
            draw = Draw(seed)
            gauge = Gauge()
            gauge.feed(water(draw, 5 * MINUTE))
            known = len(gauge.levels)
            stuck_mm = draw.between(300, REST_MM - ALARM_MM)
            gauge.feed([stuck_mm + draw.between(-jitter, jitter) for _ in range(60 * MINUTE)])
            assert gauge.alarms() == []
            assert gauge.refusals > 100
            # Until the window is mostly of the new place, the old one is told.
            assert len(gauge.levels) - known <= 2
            gauge.feed(water(draw, 5 * MINUTE))
            assert gauge.levels[-1][0] == gauge.now_us and abs(gauge.levels[-1][1]) <= 10


def test_an_echo_that_sticks_where_the_water_was_is_refused_after_ten_minutes() -> None:
    gauge = Gauge()
    gauge.feed(water(Draw(1), 5 * MINUTE))
    gauge.feed([REST_MM] * (30 * MINUTE))
    assert gauge.alarms() == [] and gauge.refusals > 30
    assert 14 * 60_000_000 <= gauge.levels[-1][0] <= 16 * 60_000_000


def test_a_sensor_that_starts_before_a_wall_says_no_level() -> None:
    gauge = Gauge()
    gauge.feed([1000] * (30 * MINUTE))
    assert gauge.levels == [] and gauge.refusals > 30


def test_a_rise_of_a_metre_in_ten_minutes_always_alarms() -> None:
    for seed in SEEDS:
        for wave in (1, 10, 60):
            draw = Draw(seed)
            gauge = Gauge()
            echoes = water(draw, 3 * MINUTE, wave=wave)
            echoes += water(draw, 10 * MINUTE, 0, 1000, wave=wave)
            echoes += water(draw, 2 * MINUTE, 1000, 1000, wave=wave)
            for index in range(len(echoes)):
                if draw.below(10) == 0:
                    echoes[index] = draw.between(30, 4500)
            gauge.feed(echoes)
            assert gauge.refusals == 0, (seed, wave)
            first_us = min([at_us for at_us, rise in gauge.levels if rise >= ALARM_MM])
            # 0.5 m is reached 8 minutes after the start; half a window, and a report, later.
            assert 470_000_000 <= first_us <= 510_000_000, (seed, wave)
            assert abs(gauge.levels[-1][1] - 1000) <= 30


def test_a_flood_wave_that_jumps_is_believed_within_a_minute() -> None:
    for seed in SEEDS:
        draw = Draw(seed)
        gauge = Gauge()
        gauge.feed(water(draw, 5 * MINUTE))
        gauge.feed(water(draw, 5 * MINUTE, 1200, 1200, wave=20))
        rises = [at_us for at_us, rise in gauge.levels if rise >= ALARM_MM]
        assert rises[0] <= 6 * 60_000_000
        assert abs(gauge.levels[-1][1] - 1200) <= 20
