"""An uplink with slow lines, with poison and with platforms that refuse; virtual time."""

import pytest

from hub.relay.pacing import BUNDLE_BYTES_MAX
from hub.relay.suspects import FRAME, LANE
from protocols.vocabulary import LANE_ALERT, LANE_LIFE, LANE_STATE, LANE_WAVE
from tests.hub.relay.virtual_line import ENDS, SECOND_US, TAKEN, VirtualLine, virtual_line

SLOW_BYTES_S = 8000  # 64 kbit/s
FAST_BYTES_S = 125_000_000
MINUTE_US = 60 * SECOND_US


def alert_latencies_us(line: VirtualLine, count: int, interval_us: int) -> list[int]:
    """Let alerts come one after the other; return how long each took, in order of length."""
    made_us = []
    for _ in range(count):
        line.run_until(line.now_us + interval_us)
        line.accept(LANE_ALERT)
        made_us.append(line.now_us)
    line.run_until(line.now_us + 20 * SECOND_US)
    return sorted(
        line.arrived_us[LANE_ALERT, number] - at_us for number, at_us in enumerate(made_us)
    )


@pytest.mark.parametrize("link_kbit_s", [64, 0])
def test_an_alert_overtakes_a_million_readings_on_a_slow_line(link_kbit_s: int) -> None:
    line = virtual_line(link_kbit_s, SLOW_BYTES_S)
    line.accept(LANE_WAVE, 10_000)  # of 100 readings each
    latencies_us = alert_latencies_us(line, 100, 3 * SECOND_US)
    assert latencies_us[94] <= 3 * SECOND_US
    # And the line is not left idle for it.
    sent = len(line.arrived_us) * line.frame_size
    assert sent >= 0.8 * SLOW_BYTES_S * line.now_us / SECOND_US


def test_live_state_overtakes_waves_that_are_more_than_the_line_carries() -> None:
    line = virtual_line(64, SLOW_BYTES_S)
    for _ in range(60):
        line.accept(LANE_WAVE, 30)
        line.accept(LANE_STATE)
        line.run_until(line.now_us + SECOND_US)
    line.run_until(line.now_us + 5 * SECOND_US)
    assert all((LANE_STATE, number) in line.arrived_us for number in range(60))
    assert line.counts()["live"] > 0


def test_a_fast_line_gets_whole_bundles_after_few_round_trips() -> None:
    line = virtual_line(0, FAST_BYTES_S)
    line.accept(LANE_WAVE, 100_000)
    line.run_until_empty(10 * SECOND_US)
    assert line.bundle_size_greatest > BUNDLE_BYTES_MAX - line.frame_size
    assert max(line.arrived_us.values()) <= 2 * SECOND_US  # 45 MB and 20 ms for each round trip


def test_a_platform_that_answers_before_the_next_bundle_is_read_gets_whole_bundles() -> None:
    line = virtual_line(0, FAST_BYTES_S)
    line.delay_us, line.read_us = 50, 500
    line.accept(LANE_WAVE, 100_000)
    line.run_until_empty(10 * SECOND_US)
    assert line.bundle_size_greatest > BUNDLE_BYTES_MAX - line.frame_size
    assert max(line.arrived_us.values()) <= SECOND_US  # 45 MB; 5.5 s in the bundles of the start


def test_a_line_that_becomes_slow_is_soon_given_little() -> None:
    line = virtual_line(0, FAST_BYTES_S // 50)
    line.accept(LANE_WAVE, 200_000)
    line.run_until(5 * SECOND_US)
    line.rate_bytes_s = SLOW_BYTES_S * 10
    line.run_until(60 * SECOND_US)
    latencies_us = alert_latencies_us(line, 20, 3 * SECOND_US)
    assert latencies_us[18] <= 3 * SECOND_US


def test_a_known_rate_is_not_passed() -> None:
    line = virtual_line(64, FAST_BYTES_S)
    line.accept(LANE_WAVE, 10_000)
    line.run_until(100 * SECOND_US)
    sent = len(line.arrived_us) * line.frame_size
    assert 0.8 * 100 * SLOW_BYTES_S <= sent <= 1.05 * 100 * SLOW_BYTES_S


@pytest.mark.parametrize("verdict", [LANE, FRAME, ENDS])
def test_poison_becomes_dead_letters_and_all_else_arrives(verdict: str) -> None:
    poison = {(LANE_WAVE, 3), (LANE_WAVE, 700), (LANE_WAVE, 701), (LANE_STATE, 20)}

    def judge(lane: int, numbers: range) -> str:
        return verdict if any((lane, one) in poison for one in numbers) else TAKEN

    line = virtual_line(0, FAST_BYTES_S, judge)
    line.accept(LANE_WAVE, 2000)
    for _ in range(100):
        line.accept(LANE_STATE)
        line.accept(LANE_ALERT)
        line.run_until(line.now_us + SECOND_US)
    line.run_until_empty(5 * MINUTE_US)
    assert sorted(line.dead) == sorted(poison)
    assert len(line.arrived_us) == sum(line.following) - len(poison)
    assert line.counts()["dead_lettered"] == len(poison)
    if verdict != ENDS:
        assert set(line.arrivals.values()) == {1}


def test_a_lone_poison_is_given_up_and_what_comes_after_it_is_not_held_up() -> None:
    def judge(lane: int, numbers: range) -> str:
        return ENDS if (lane, 50) in [(LANE_STATE, one) for one in numbers] else TAKEN

    line = virtual_line(0, FAST_BYTES_S, judge)
    line.accept(LANE_STATE, 100)
    line.run_until(2 * MINUTE_US)
    assert line.dead == [(LANE_STATE, 50)]
    assert line.counts()["delivered"] == 99


def test_a_platform_that_refuses_all_gets_no_dead_letters_and_later_all() -> None:
    line = virtual_line(0, FAST_BYTES_S, lambda lane, numbers: LANE)
    line.accept(LANE_WAVE, 20_000)
    for _ in range(600):
        line.accept(LANE_STATE)
        line.run_until(line.now_us + SECOND_US)
    assert line.dead == [] and not line.arrived_us
    assert len(line.dispatch.suspects) <= 64
    line.judge = lambda lane, numbers: TAKEN
    lifted_us = line.now_us
    line.run_until_empty(lifted_us + 60 * SECOND_US)
    assert line.dead == []
    assert line.arrived_us[LANE_STATE, 0] - lifted_us <= 20 * SECOND_US
    assert set(line.arrivals.values()) == {1}


def test_a_lane_that_is_refused_leaves_the_others_alone() -> None:
    line = virtual_line(0, FAST_BYTES_S, lambda lane, _: LANE if lane == LANE_WAVE else TAKEN)
    made_us = []
    for _ in range(300):
        line.accept(LANE_WAVE, 20)
        line.accept(LANE_LIFE)
        made_us.append(line.now_us)
        line.run_until(line.now_us + SECOND_US)
    assert line.dead == []
    late_us = [line.arrived_us[LANE_LIFE, at] - made_us[at] for at in range(300)]
    assert max(late_us) <= SECOND_US


def test_a_platform_that_ends_every_connection_gets_no_dead_letters() -> None:
    line = virtual_line(0, FAST_BYTES_S, lambda lane, numbers: ENDS)
    line.accept(LANE_WAVE, 5000)
    line.run_until(10 * MINUTE_US)
    assert line.dead == [] and line.connects > 50
    line.judge = lambda lane, numbers: TAKEN
    line.run_until_empty(line.now_us + 30 * SECOND_US)
    assert line.dead == []


def test_bundles_shrink_below_what_ends_the_connection() -> None:
    line = virtual_line(0, FAST_BYTES_S, lambda _, numbers: ENDS if len(numbers) > 40 else TAKEN)
    line.accept(LANE_WAVE, 20_000)
    line.run_until_empty(5 * MINUTE_US)
    assert line.dead == []
    assert line.connects < 30
