"""The line to the outside as an input."""

from hub.backhaul import Backhaul
from protocols.vocabulary import MODE_NORMAL, MODE_WATCH

S = 1_000_000


def backhaul(seconds: int = 600, mode: str = "watch") -> Backhaul:
    """Return one with these settings."""
    return Backhaul({"backhaul_s": seconds, "backhaul_mode": mode})


def test_a_line_that_is_cut_for_long_asks_for_watch_once_until_it_is_back() -> None:
    line = backhaul()
    found = [(at, one) for at in range(1000) for one in line.tick(at * S, [False, False])]
    assert [(at, one.mode, one.is_over) for at, one in found] == [(600, MODE_WATCH, False)]
    (over,) = line.tick(1000 * S, [True, False])
    assert over.is_over and (over.rule, over.key) == (found[0][1].rule, found[0][1].key)
    assert line.tick(1001 * S, [True, False]) == []


def test_one_line_of_two_is_enough_and_short_cuts_do_not_add_up() -> None:
    line = backhaul()
    assert not [one for at in range(2000) for one in line.tick(at * S, [at % 599 == 0, False])]


def test_a_hub_without_a_required_line_or_with_0_s_has_none_to_lose() -> None:
    assert not [one for at in range(2000) for one in backhaul().tick(at * S, [])]
    assert not [one for at in range(2000) for one in backhaul(0).tick(at * S, [False])]


def test_where_it_asks_for_no_mode_people_are_told_all_the_same() -> None:
    line = backhaul(10, "normal")
    (one,) = [one for at in range(20) for one in line.tick(at * S, [False])]
    assert one.mode == MODE_NORMAL and "10" in one.text_ja and "10" in one.text_en
