"""Blocks of samples become alerts."""

from array import array

from agent.features import BlockSums
from agent.trigger import Trigger

S = 1_000_000


def block(*sets: "tuple[int, ...]") -> BlockSums:
    sums = BlockSums(len(sets[0]))
    sums.take(array("i", [value for each in sets for value in each]), len(sets))
    return sums


def test_rest_far_from_zero_is_no_shaking() -> None:
    trigger = Trigger(2, 50, 1000)
    for poll in range(100):
        assert trigger.feed(block((3, 16000), (-2, 16003)), poll * S) == 0


def test_the_largest_excursion_of_any_channel_is_reported() -> None:
    trigger = Trigger(2, 50, 1000)
    trigger.feed(block((0, 16000), (0, 16000)), 0)
    assert trigger.feed(block((20, 16000), (0, 15900)), S) == 100


def test_during_the_hold_the_peak_runs_on_and_is_reported_after_it() -> None:
    trigger = Trigger(1, 50, 1000)
    trigger.feed(block((0,)), 0)
    assert trigger.feed(block((60,)), S) == 60
    assert trigger.feed(block((500,)), S + 300_000) == 0
    assert trigger.feed(block((1,)), S + 600_000) == 0
    assert 480 <= trigger.feed(block((2,)), 2 * S) <= 500
    assert trigger.feed(block((2,)), 4 * S) == 0


def test_the_mean_follows_a_slow_tilt() -> None:
    trigger = Trigger(1, 50, 1000)
    for poll in range(5000):
        assert trigger.feed(block(*[(poll // 4,)] * 16), poll * 160_000) == 0
