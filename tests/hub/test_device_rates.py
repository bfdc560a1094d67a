"""The rate of a device's clock: what is promised of it holds, through days without the hub."""

import math
import random
from dataclasses import dataclass

from hub.device_clocks import ClockRow, Clocks
from hub.device_rates import DAY_US, STEP_US, Bracket, Rates
from protocols.utc import RATE_PPM_MAX, UtcReader
from protocols.vocabulary import UTC_SYNCHRONISED
from tests.hub.batches import S

HUB, DEVICE = "hub-1", "bridge-1"
UTC_US = 1_790_000_000 * S
TURN_S = 600
AWAY_S = 72 * 3600
LAN_US, RADIO_US = 1_500, 30_000  # the least of a way of a message is nothing, this the mean
CUBIC = 1e-4  # ppm/K**3 of an AT cut about its inflection


@dataclass
class Crystal:
    """Of a board outdoors, through a week whose weather turns. rate: at a time, a plain ratio."""

    chance: random.Random

    def __post_init__(self) -> None:
        draw = self.chance.uniform
        self.offset_ppm, self.slope = draw(-50, 50), draw(-0.3, 0.05)
        self.mean_c, self.day_k, self.turn_k = draw(0, 26), draw(2, 7), draw(-6, 6)
        self.phase_s, self.inflection_c = draw(0, 86_400), draw(25, 30)

    def rate(self, at_s: float) -> float:
        day = math.sin(2 * math.pi * (at_s + self.phase_s) / 86_400)
        turned = self.turn_k * min(1.0, max(0.0, (at_s - 2 * 86_400) / 86_400))
        apart_k = self.mean_c + turned + self.day_k * day - self.inflection_c
        return 1e-6 * (self.offset_ppm + self.slope * apart_k + CUBIC * apart_k**3)


class Week:
    """Two days and a bit with the hub, AWAY_S without, an hour with it again."""

    def __init__(self, seed: int, way_us: int) -> None:
        self.chance = random.Random(seed)
        self.way_us = way_us
        self.crystal = Crystal(self.chance)
        self.clocks, self.reader = Clocks(), UtcReader()
        self.device_us, self.now_s, self.records = 5e6, 0, 0
        self.readings: list[tuple[int, int]] = []  # device's time, true UTC

    def pass_time(self, span_s: int, *, is_here: bool) -> None:
        """Let time pass, with readings, and with exchanges where the hub is there."""
        for _ in range(0, span_s, TURN_S):
            self.device_us += TURN_S * 1e6 * (1 + self.crystal.rate(self.now_s + TURN_S / 2))
            self.now_s += TURN_S
            if is_here:
                self._exchange()
            if self.now_s % (6 * 3600) == 0:
                self.readings.append((round(self.device_us), self.now_s * S))

    def _exchange(self) -> None:
        up_us, down_us = (self.chance.expovariate(1 / self.way_us) for _ in range(2))
        there_us = self.now_s * S
        ways = (there_us - round(up_us), there_us + round(down_us))
        row = self.clocks.exchange((DEVICE, 1), round(self.device_us), *ways)
        if row is None:
            return
        self.records += 1
        fields = {"device": DEVICE, "boot": 1, "device_us": row.device_us,
                  "utc_us": row.hub_us + UTC_US, "uncertainty_us": row.uncertainty_us,
                  "rate_ppb": row.rate_ppb, "quality": UTC_SYNCHRONISED}  # fmt: skip
        self.reader.feed(HUB, (1, self.records, 2, row.hub_us), fields)

    def check(self) -> tuple[int, int]:
        """Every reading is within its uncertainty; return the greatest error and uncertainty."""
        errors, said = [], []
        for device_us, true_us in self.readings:
            found = self.reader.utc_us(DEVICE, 1, device_us)
            assert found is not None
            errors.append(abs(found[0] - UTC_US - true_us))
            said.append(found[1])
            assert errors[-1] <= said[-1] + 2, (device_us, errors[-1], said[-1])
        return max(errors), max(said)


def test_what_is_said_of_72_h_without_the_hub_is_true_and_within_seconds() -> None:
    worst = {"away": (0, 0), "back": (0, 0)}
    for seed in range(12):
        week = Week(seed, (LAN_US, RADIO_US)[seed % 2])
        week.pass_time(3 * 86_400, is_here=True)
        assert next(week.clocks.rows())[1].rate_ppb, seed
        week.pass_time(AWAY_S, is_here=False)
        for when in worst:
            found = week.check()
            worst[when] = (max(worst[when][0], found[0]), max(worst[when][1], found[1]))
            week.pass_time(3600, is_here=True)
    print({when: [us / 1e6 for us in found] for when, found in worst.items()})
    assert worst["away"][1] <= 3 * S and worst["back"][1] <= 3 * S // 2


def fed(rates: Rates, boot: int, ppm: int, *, start_us: int = 0, half_us: int = 300) -> int:
    """Let a boot exchange for an hour and a bit at this rate; return when that was over."""
    end_us = start_us + STEP_US + STEP_US // 10
    for at_us in range(start_us, end_us + 1, STEP_US // 20):
        device_us = (at_us - start_us) * (1_000_000 + ppm) // 1_000_000
        rates.exchange(DEVICE, boot, Bracket(device_us, at_us, half_us))
    return end_us


def of_days(*ppm: int) -> Rates:
    """Return rates of a boot that was watched for 1.1 days at these rates in turn."""
    rates = Rates()
    now_us, device_us = 0, 0
    for turn in range(27 * 20):
        rates.exchange(DEVICE, 1, Bracket(device_us, now_us, 300))
        now_us += STEP_US // 20
        device_us += STEP_US // 20 * (1_000_000 + ppm[turn // 20 % len(ppm)]) // 1_000_000
    return rates


def test_nothing_is_promised_before_a_day_was_watched() -> None:
    rates = Rates()
    for at_us in range(0, DAY_US + STEP_US, STEP_US // 6):
        rates.exchange(DEVICE, 1, Bracket(at_us, at_us, 300))
        assert at_us >= DAY_US or not rates.rate_ppb(DEVICE, 1)
    assert abs(rates.rate_ppb(DEVICE, 1)) <= 1  # 0 would be "not known"
    assert rates.rate_ppb(DEVICE, 1) != 0 == rates.rate_ppb("other", 1)


def test_a_clock_that_goes_now_fast_now_slow_is_promised_nothing() -> None:
    assert abs(of_days(30, 34).rate_ppb(DEVICE, 1) - 32_000) < 1500
    assert of_days(30, 30 + RATE_PPM_MAX + 1).rate_ppb(DEVICE, 1) == 0


def test_exchanges_that_say_too_little_and_long_absences_are_no_rates() -> None:
    rates = Rates()
    for at_us in range(0, 3 * DAY_US, STEP_US // 2):
        rates.exchange(DEVICE, 1, Bracket(at_us, at_us, 60_000))
    assert rates.rate_ppb(DEVICE, 1) == 0
    for at_us in range(3 * DAY_US, 30 * DAY_US, DAY_US):
        rates.exchange(DEVICE, 1, Bracket(at_us, at_us, 300))
    assert rates.rate_ppb(DEVICE, 1) == 0


def test_after_a_restart_an_hour_confirms_the_board_and_another_board_begins_anew() -> None:
    for ppm, is_same in ((32, True), (60, False)):
        rates = of_days(30)
        assert abs(rates.rate_ppb(DEVICE, 1) - 30_000) < 1000
        rates.exchange(DEVICE, 2, Bracket(0, 2 * DAY_US, 300))
        assert rates.rate_ppb(DEVICE, 2) == 0 == rates.rate_ppb(DEVICE, 1)
        fed(rates, 2, ppm, start_us=2 * DAY_US)
        assert (rates.rate_ppb(DEVICE, 2) != 0) == is_same
        for hour in range(2, 27):
            at_us = hour * STEP_US
            fast_us = at_us * (1_000_000 + ppm) // 1_000_000
            rates.exchange(DEVICE, 2, Bracket(fast_us, 2 * DAY_US + at_us, 300))
        middle = (30 + ppm) // 2 if is_same else ppm
        assert abs(rates.rate_ppb(DEVICE, 2) - 1000 * middle) < 1500
    rates = Rates()
    rates.keep(DEVICE, 7, 30_000)  # of the hub's own last run
    rates.keep(DEVICE, 3, -9_000)
    assert rates.rate_ppb(DEVICE, 7) == 0
    fed(rates, 7, 31)
    assert abs(rates.rate_ppb(DEVICE, 7) - 30_500) < 1000


def test_an_old_reading_is_timed_with_the_rate() -> None:
    clocks = Clocks()
    clocks.keep((DEVICE, 1), ClockRow(DAY_US, 2 * DAY_US, 300, rate_ppb=50_000))
    assert clocks.hub_us((DEVICE, 1), 0) == DAY_US + DAY_US * 50 // 1_000_000
    assert clocks.offset_us((DEVICE, 1)) == DAY_US
