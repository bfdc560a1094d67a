"""Order of the relay: live before backlog, urgent before bulk, each lane in its own order."""

from hub.relay.queue import RelayQueue
from protocols.vocabulary import LANE_ALERT, LANE_STATE, LANE_WAVE


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
    assert queue.acknowledge(first)
    queue.line_down()
    queue.line_up([0, 0, 6, 0])
    assert queue.next_backlog() == (LANE_STATE, 3, 6)
    assert queue.counts([0, 0, 6, 0]) == {
        "delivered": 3, "evicted": 0, "live": 0, "backlog": 3, "in_flight": 0,
    }  # fmt: skip


def test_an_acknowledgement_that_overtakes_another_moves_no_cursor() -> None:
    queue = RelayQueue([])
    queue.line_up([0, 0, 0, 0])
    first = queue.take(LANE_STATE, 0, 3, False)
    second = queue.take(LANE_STATE, 3, 6, False)
    assert not queue.acknowledge(second)
    assert queue.floor(LANE_STATE) == 0
    assert queue.acknowledge(first)
    assert queue.floor(LANE_STATE) == 6


def test_what_is_gone_from_the_store_is_evicted_once_even_if_the_line_breaks_before() -> None:
    queue = RelayQueue([])
    queue.line_up([0, 0, 10, 0])
    queue.take(LANE_STATE, 0, 2, True)  # never acknowledged
    queue.skip(LANE_STATE, 2, 6, True)
    queue.line_down()
    queue.line_up([0, 0, 10, 0])
    queue.skip(LANE_STATE, 0, 6, True)
    assert queue.counts([0, 0, 10, 0]) == {
        "delivered": 0, "evicted": 6, "live": 0, "backlog": 4, "in_flight": 0,
    }  # fmt: skip


def test_several_outages_leave_several_ranges_that_are_sent_oldest_first() -> None:
    queue = RelayQueue([])
    queue.line_up([0, 0, 0, 4])
    queue.acknowledge(queue.take(LANE_WAVE, 4, 6, False))
    queue.line_down()
    queue.line_up([0, 0, 0, 9])
    assert queue.rows()[LANE_WAVE] == (LANE_WAVE, 9, [0, 4, 6, 9], 2, 0)
    queue.take(LANE_WAVE, 0, 4, True)
    assert queue.next_backlog() == (LANE_WAVE, 6, 9)
