"""Order of the relay: live before backlog, urgent before bulk, each lane in its own order."""

from hub.relay.queue import PIECES_MAX, RelayQueue
from protocols.vocabulary import LANE_ALERT, LANE_STATE, LANE_WAVE


def counts(**known: int) -> dict[str, int]:
    """Return what counts() says, all that is not named being 0."""
    names = ("delivered", "evicted", "dead_lettered", "live", "backlog", "in_flight")
    return {name: known.get(name, 0) for name in names}


def test_what_waited_while_the_line_was_down_is_backlog_and_new_data_is_live() -> None:
    queue = RelayQueue([])
    assert queue.counts([0, 0, 5, 0])["backlog"] == 5
    queue.line_up([0, 0, 5, 0])
    assert queue.next_live([0, 0, 5, 0]) is None
    assert queue.next_backlog() == (LANE_STATE, 0, 5)
    assert queue.next_live([0, 0, 7, 0]) == (LANE_STATE, 5, 7)


def test_the_most_urgent_lane_goes_first_in_live_and_in_backlog() -> None:
    queue = RelayQueue([])
    queue.line_up([2, 0, 5, 9])
    assert queue.next_backlog() == (LANE_ALERT, 0, 2)
    queue.take(LANE_ALERT, 0, 2, True)
    assert queue.next_backlog() == (LANE_STATE, 0, 5)
    assert queue.next_live([3, 0, 5, 12]) == (LANE_ALERT, 2, 3)
    queue.take(LANE_ALERT, 2, 3, False)
    assert queue.next_live([3, 0, 5, 12]) == (LANE_WAVE, 9, 12)


def test_what_was_in_flight_when_the_line_broke_is_sent_again_from_there() -> None:
    queue = RelayQueue([])
    queue.line_up([0, 0, 0, 0])
    first = queue.take(LANE_STATE, 0, 3, False)
    queue.take(LANE_STATE, 3, 6, False)
    queue.acknowledge(first)
    queue.line_down()
    queue.line_up([0, 0, 6, 0])
    assert queue.next_backlog() == (LANE_STATE, 3, 6)
    assert queue.counts([0, 0, 6, 0]) == counts(delivered=3, backlog=3)


def test_an_acknowledgement_that_overtakes_another_leaves_that_one_wanted() -> None:
    queue = RelayQueue([])
    queue.line_up([0, 0, 0, 0])
    first = queue.take(LANE_STATE, 0, 3, False)
    second = queue.take(LANE_STATE, 3, 6, False)
    queue.acknowledge(second)
    assert queue.floor(LANE_STATE) == 0
    assert queue.next_backlog() is None  # it is on its way
    queue.acknowledge(first)
    assert queue.floor(LANE_STATE) == 6


def test_what_the_store_evicts_on_the_way_is_settled_by_how_its_way_ends() -> None:
    queue = RelayQueue([])
    queue.line_up([0, 0, 10, 0])
    arrives = queue.take(LANE_STATE, 0, 2, True)
    queue.take(LANE_STATE, 2, 5, True)
    queue.evicted(LANE_STATE, 0, 7)
    assert queue.counts([0, 0, 10, 0]) == counts(evicted=2, backlog=8, in_flight=2)
    queue.acknowledge(arrives)
    assert queue.counts([0, 0, 10, 0]) == counts(delivered=2, evicted=2, backlog=6, in_flight=1)
    queue.line_down()
    assert queue.counts([0, 0, 10, 0]) == counts(delivered=2, evicted=5, backlog=3)


def test_an_eviction_above_live_data_makes_what_waits_below_it_backlog() -> None:
    queue = RelayQueue([])
    queue.line_up([0, 0, 0, 0])
    queue.evicted(LANE_WAVE, 4, 8)
    assert queue.next_backlog() == (LANE_WAVE, 0, 4)
    assert queue.next_live([0, 0, 0, 9]) == (LANE_WAVE, 8, 9)
    assert queue.counts([0, 0, 0, 9]) == counts(evicted=4, backlog=4, live=1)


def test_what_is_refused_is_backlog_and_a_dead_letter_is_counted_as_one() -> None:
    queue = RelayQueue([])
    queue.line_up([0, 0, 0, 0])
    queue.refuse(queue.take(LANE_STATE, 0, 3, False))
    assert queue.next_live([0, 0, 3, 0]) is None
    assert queue.next_backlog([(LANE_STATE, 0, 1)]) == (LANE_STATE, 1, 3)
    queue.dead_letter(LANE_STATE, 1)
    assert queue.counts([0, 0, 3, 0]) == counts(dead_lettered=1, backlog=2)
    assert queue.next_backlog() == (LANE_STATE, 0, 1)
    queue.revive(LANE_STATE)
    assert queue.counts([0, 0, 3, 0]) == counts(delivered=1, backlog=2)


def test_several_outages_leave_several_ranges_that_are_sent_oldest_first() -> None:
    queue = RelayQueue([])
    queue.line_up([0, 0, 0, 4])
    queue.acknowledge(queue.take(LANE_WAVE, 4, 6, False))
    queue.line_down()
    queue.line_up([0, 0, 0, 9])
    assert queue.rows()[LANE_WAVE] == (LANE_WAVE, 9, [0, 4, 6, 9], 2, 0)
    queue.take(LANE_WAVE, 0, 4, True)
    assert queue.next_backlog() == (LANE_WAVE, 6, 9)


def test_a_line_that_comes_and_goes_does_not_cut_the_backlog_into_ever_more_pieces() -> None:
    queue = RelayQueue([])
    following = [0, 0, 0, 0]
    for _ in range(3 * PIECES_MAX):
        following[LANE_WAVE] += 10
        queue.line_up(following)
        following[LANE_WAVE] += 2
        wanted = queue.next_live(following)
        if wanted is not None:
            queue.acknowledge(queue.take(*wanted, False))
        queue.line_down()
    assert len(queue.rows()[LANE_WAVE][2]) == 2 * PIECES_MAX
    state = queue.counts(following)
    assert state["delivered"] + state["backlog"] == sum(following)
    queue.line_up(following)
    while (wanted := queue.next_backlog()) is not None:
        queue.acknowledge(queue.take(*wanted, True))
    assert queue.counts(following) == counts(delivered=sum(following))
    following[LANE_WAVE] += 1
    assert queue.next_live(following) is not None  # live data goes first again


def test_evictions_that_would_cut_too_many_pieces_are_counted_when_the_frames_are_read() -> None:
    queue = RelayQueue([])
    following = [0, 0, 0, 10 * PIECES_MAX]
    queue.line_up(following)
    for first in range(0, 10 * PIECES_MAX, 5):
        queue.evicted(LANE_WAVE, first, first + 1)
    backlog = queue.rows()[LANE_WAVE][2]
    assert len(backlog) <= 2 * PIECES_MAX
    evicted = queue.counts(following)["evicted"]
    assert evicted + queue.counts(following)["backlog"] == 10 * PIECES_MAX
    while (wanted := queue.next_backlog()) is not None:
        lane, first, end = wanted
        if first % 5 == 0:  # the store has it no more
            queue.missing(lane, first, first + 1)
        else:
            queue.acknowledge(queue.take(lane, first, min(end, first + 5 - first % 5), True))
    assert queue.counts(following) == counts(evicted=2 * PIECES_MAX, delivered=8 * PIECES_MAX)
