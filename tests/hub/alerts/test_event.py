"""Events: one thing that happens is one alert; storms wait and are joined; people decide."""

from dataclasses import replace

import pytest

from hub.alerts.event import CANCELLED, EXPIRED, OPEN, OVER, Desk, Escalation, Event
from hub.alerts.message import (
    ACTUAL,
    ALERT,
    CANCEL,
    EXERCISE,
    TEST,
    UPDATE,
    Message,
    decode,
)
from hub.rules.finding import EMERGENCY, INFO, WARNING, WATCH
from tests.hub.alerts.desk import LIMITS, Town, finding, over


def types(messages: list[Message]) -> list[str]:
    return [one.type for one in messages]


def test_an_event_is_one_alert_with_updates_and_an_end() -> None:
    town = Town()
    (first,) = town.take(finding())
    assert (first.type, first.status, first.references) == (ALERT, ACTUAL, ())
    assert town.take(finding(text="3.20 m")) == []  # too soon, and no worse
    (second,) = town.wait(300)
    assert (second.type, second.text_ja, second.findings) == (UPDATE, "3.20 m", 2)
    assert second.references == ((first.identifier, first.sent_utc_us),)
    town.take(over())
    assert types(town.wait(59)) == []
    (last,) = town.wait(2)
    assert (last.type, last.text_ja) == (CANCEL, "平常")
    assert [name for name, _ in last.references] == [first.identifier, second.identifier]
    assert town.desk.open_events() == [] and len({one.event for one in town.messages}) == 1


def test_what_has_become_worse_goes_out_at_once() -> None:
    town = Town()
    town.take(finding(level=WATCH))
    town.wait(1)
    (worse,) = town.take(finding(level=EMERGENCY))
    assert (worse.type, worse.level) == (UPDATE, EMERGENCY)
    assert town.take(finding(level=WARNING)) == []
    (milder,) = town.wait(300)
    assert milder.level == WARNING


def test_the_same_again_says_nothing_and_is_counted() -> None:
    town = Town()
    town.take(finding())
    for _ in range(50):
        assert town.take(finding()) == []
    assert town.event().findings == 51 and town.desk.joined_count == 50


def test_what_flickers_is_one_event() -> None:
    town = Town()
    town.take(finding())
    for _ in range(20):
        town.take(over())
        town.wait(10)
        town.take(finding())
        town.wait(10)
    assert CANCEL not in types(town.messages)
    assert len({one.event for one in town.messages}) == 1 and len(town.messages) <= 3


def test_less_than_a_watch_opens_no_event() -> None:
    town = Town()
    assert town.take(finding(level=INFO)) == [] and town.desk.open_events() == []
    assert town.take(over()) == []


def test_a_storm_keeps_to_the_limit_and_nothing_of_it_is_lost() -> None:
    town = Town()
    for number in range(40):
        town.take(finding(f"gauge-{number}"))
    assert len(town.messages) == 6  # of 8, two are for emergencies
    (urgent,) = town.take(finding("slope-1", EMERGENCY))
    assert urgent.place == "slope-1"
    assert town.desk.waiting_count() == 34
    for _ in range(8):
        assert len(town.wait(60)) <= 8
    assert {one.place for one in town.messages} == {f"gauge-{n}" for n in range(40)} | {"slope-1"}
    assert town.desk.waiting_count() == 0


def test_of_what_waits_the_most_severe_goes_first() -> None:
    town = Town()
    for number in range(6):
        town.take(finding(f"first-{number}"))
    town.take(finding("mild", WATCH))
    town.take(finding("severe", WARNING))
    assert [one.place for one in town.wait(61)][:2] == ["severe", "mild"]


def test_what_is_over_before_it_could_be_said_is_kept_but_not_sent() -> None:
    town = Town()
    for number in range(6):
        town.take(finding(f"first-{number}"))
    town.take(finding("short"))
    town.take(over("short"))
    made = town.wait(120)
    assert "short" not in {one.place for one in made}
    kept = [one for one in town.others if isinstance(one, Event) and one.key == "short"]
    assert kept[-1].state == OVER


def test_what_lasts_is_said_again_before_it_expires() -> None:
    town = Town()
    (first,) = town.take(finding())
    (again,) = town.wait(3 * 3600, step_s=60)
    assert again.type == UPDATE and again.sent_utc_us < first.expires_utc_us


def test_nobody_acknowledges_and_it_is_escalated_step_by_step() -> None:
    town = Town()
    town.take(finding())
    town.wait(1500)
    steps = [one.step for one in town.others if isinstance(one, Escalation)]
    assert steps == [1, 2, 3]


def test_an_acknowledgement_ends_the_escalation_until_it_becomes_worse() -> None:
    town = Town()
    town.take(finding())
    town.wait(301)
    event = town.event()
    assert town.desk.acknowledge(event, "person:Sato", town.utc_us())
    assert not town.desk.acknowledge(event, "person:Suzuki", town.utc_us())
    assert event.acknowledged_by == "person:Sato"
    town.wait(900)
    assert len([one for one in town.others if isinstance(one, Escalation)]) == 1
    town.take(finding(level=EMERGENCY))
    assert event.needs_acknowledgement
    town.wait(301)
    assert len([one for one in town.others if isinstance(one, Escalation)]) == 2


def test_what_needs_no_acknowledgement_is_not_escalated() -> None:
    town = Town()
    town.take(finding(kind="river-fault"))
    town.wait(2000)
    assert [one for one in town.others if isinstance(one, Escalation)] == []
    assert not town.desk.acknowledge(town.event(), "person:Sato", town.utc_us())


def test_a_person_takes_it_back_and_says_why() -> None:
    town = Town()
    (first,) = town.take(finding())
    event = town.event()
    assert town.desk.cancel(event, "gauge cleaned", now_us=town.now_us, utc_us=town.utc_us())
    (taken_back,) = town.gather()
    assert (taken_back.type, taken_back.note) == (CANCEL, "gauge cleaned")
    assert taken_back.references == ((first.identifier, first.sent_utc_us),)
    assert event.state == CANCELLED
    assert not town.desk.cancel(event, "again", now_us=town.now_us, utc_us=town.utc_us())


def test_a_drill_and_what_is_real_never_share_an_event() -> None:
    town = Town()
    (drill,) = town.take(finding(), drill=True)
    assert drill.status == EXERCISE
    (real,) = town.take(finding())
    assert real.status == ACTUAL and real.event != drill.event
    town.take(over(), drill=True)
    (ended,) = town.wait(61)
    assert (ended.status, ended.type, ended.event) == (EXERCISE, CANCEL, drill.event)
    assert town.event().id == real.event


def test_the_end_of_a_drill_closes_what_was_its() -> None:
    town = Town()
    town.take(finding("a"), drill=True)
    town.take(finding("b"))
    town.desk.drill_ended(town.now_us, town.utc_us())
    (ended,) = town.gather()
    assert (ended.status, ended.type, ended.place) == (EXERCISE, CANCEL, "a")


def test_an_end_that_is_said_in_a_drill_ends_nothing_real_before_the_drill_does() -> None:
    town = Town()
    (real,) = town.take(finding())
    town.take(over(), drill=True)
    assert town.wait(200) == [] and town.event().state == OPEN
    town.desk.drill_ended(town.now_us, town.utc_us())
    (ended,) = town.wait(61)
    assert (ended.type, ended.event) == (CANCEL, real.event)


def test_a_hub_that_is_set_up_marks_everything_as_a_test() -> None:
    town = Town(replace(LIMITS, is_test=True))
    (first,) = town.take(finding(level=EMERGENCY))
    (drill,) = town.take(finding("b"), drill=True)
    assert (first.status, drill.status) == (TEST, EXERCISE)


def test_a_restart_goes_on_with_the_event_and_its_references() -> None:
    town = Town()
    (first,) = town.take(finding())
    kept = Event(**town.event().encode())
    later = Town()
    later.desk = Desk("hub-0a", LIMITS, (2, 2))
    later.desk.restore([kept], later.now_us)
    assert later.wait(5) == []
    (worse,) = later.take(finding(level=EMERGENCY))
    assert (worse.type, worse.event, worse.sequence) == (UPDATE, first.event, 2)
    assert worse.references == ((first.identifier, first.sent_utc_us),)


def test_what_was_decided_and_not_said_is_said_after_the_restart() -> None:
    town = Town()
    for number in range(6):
        town.take(finding(f"first-{number}"))
    town.take(finding("held"))
    kept = [Event(**one.encode()) for one in town.desk.open_events() if one.key == "held"]
    later = Town()
    later.desk = Desk("hub-0a", LIMITS, (9, 9))
    later.desk.restore(kept, later.now_us)
    (said,) = later.wait(1)
    assert (said.type, said.place) == (ALERT, "held")


def test_what_no_rule_speaks_of_after_a_restart_expires_and_is_not_said_again() -> None:
    town = Town()
    town.take(finding())
    kept = Event(**town.event().encode())
    later = Town()
    later.desk = Desk("hub-0a", LIMITS, (2, 2))
    later.desk.restore([kept], later.now_us)
    assert later.wait(7 * 3600, step_s=60) == []
    assert kept.state == EXPIRED and later.desk.open_events() == []


def test_what_its_rule_knows_to_stand_after_a_restart_is_said_again_before_it_expires() -> None:
    town = Town()
    town.take(finding())
    later = Town()
    later.desk = Desk("hub-0a", LIMITS, (2, 2))
    later.desk.restore([Event(**town.event().encode())], later.now_us)
    later.desk.stand({(finding().rule, finding().key)})
    assert later.wait(7 * 3600, step_s=60) and len(later.desk.open_events()) == 1


def test_a_message_is_the_same_after_it_was_kept() -> None:
    town = Town()
    town.take(finding())
    town.take(finding(level=EMERGENCY))
    for message in town.messages:
        assert decode(message.encode()) == message


def test_a_long_event_refers_to_its_first_and_its_newest_messages() -> None:
    town = Town()
    (first,) = town.take(finding())
    for number in range(70):
        town.take(finding(text=f"{number} m"))
        town.wait(300, step_s=30)
    last = town.messages[-1]
    assert len(last.references) == 50
    assert last.references[0][0] == first.identifier
    assert last.references[-1][0] == town.messages[-2].identifier


@pytest.mark.parametrize("drill", [False, True])
def test_identifiers_are_never_used_twice(drill: bool) -> None:
    town = Town()
    for number in range(30):
        town.take(finding(f"gauge-{number % 7}", 1 + number % 3), drill)
        town.wait(30)
    names = [one.identifier for one in town.messages]
    assert len(names) == len(set(names)) > 10
