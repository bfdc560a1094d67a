"""Whatever comes in whatever order: limits, marks and references hold."""

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.alerts.event import MINUTE_US
from hub.alerts.message import ALERT, CANCEL, EXERCISE, Message
from tests.hub.alerts.desk import LIMITS, Town, finding, over

KEYS = st.sampled_from(["a", "b", "c", "d"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("find"), KEYS, st.integers(0, 3), st.booleans()),
        st.tuples(st.just("over"), KEYS, st.just(0), st.booleans()),
        st.tuples(st.just("wait"), KEYS, st.integers(1, 200), st.booleans()),
        st.tuples(st.just("end"), KEYS, st.just(0), st.booleans()),
    ),
    max_size=60,
)


@settings(deadline=None, max_examples=60)
@given(STEPS)
def test_no_order_of_things_breaks_a_promise(steps: list[tuple[str, str, int, bool]]) -> None:
    town = Town()
    left_us: list[int] = []
    drills = {}
    for number, (act, key, value, drill) in enumerate(steps):
        before = len(town.messages)
        if act == "find":
            town.take(finding(key, value, f"{number} m"), drill)
        elif act == "over":
            town.take(over(key), drill)
        elif act == "end":
            town.desk.drill_ended(town.now_us, town.utc_us())
            town.gather()
        else:
            town.wait(value, step_s=5)
        for event in town.desk.open_events():
            drills[event.id] = event.drill
        for one in town.messages[before:]:
            left_us.append(one.sent_utc_us)
            recent = [at for at in left_us if one.sent_utc_us - at < MINUTE_US]
            assert len(recent) <= LIMITS.per_minute
    by_event: dict[int, list[Message]] = defaultdict(list)
    for message in town.messages:
        by_event[message.event].append(message)
    for number, messages in by_event.items():
        # Every one refers to all before it; it begins once, and nothing follows its end.
        assert [one.type == ALERT for one in messages] == [True] + [False] * (len(messages) - 1)
        assert all(one.type != CANCEL for one in messages[:-1])
        for at, one in enumerate(messages):
            sent = [(before.identifier, before.sent_utc_us) for before in messages[:at]]
            assert list(one.references) == sent
            if number in drills:
                assert (one.status == EXERCISE) == drills[number]
