"""People in a file: schedules, consent, what is refused; what is closed stays closed."""

import json
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.people import register, schedule
from hub.people.access import HOUR_US, Access, Grant
from hub.people.seal import Seal
from hub.settings import SettingsError

MONDAY = datetime(2026, 6, 8)
FILE = """
[[person]]
pseudonym = "p-001"
consent = "2026-04-01"
until = "2026-12-31"
devices = ["home-1"]
night = "21:30-05:30"
absence = ["tue 09:00-16:00"]
tag = 7

[[way]]
pseudonym = "p-001"
points = ["gate-1", "gate-2"]

[[contact]]
pseudonym = "p-001"
step = 2
reach = "tel:2"

[[contact]]
pseudonym = "p-001"
step = 1
reach = "tel:1"
"""
DEVICES = ["home-1", "gate-1", "gate-2"]


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("22:00-06:00", [(0, 22, 0), (1, 5, 59)], [(0, 21, 59), (1, 6, 0)]),
        ("09:00-16:00", [(0, 9, 0), (0, 15, 59)], [(0, 8, 59), (0, 16, 0)]),
        ("tue,fri 09:00-16:00", [(1, 9, 0), (4, 12, 0)], [(0, 12, 0), (5, 12, 0)]),
        ("sun 22:00-06:00", [(6, 23, 0), (0, 5, 0)], [(6, 5, 0), (0, 23, 0)]),
        ("sat-mon 00:00-24:00", [(5, 0, 0), (7, 23, 59)], [(1, 0, 0), (4, 23, 59)]),
        ("2026-06-09/2026-06-10", [(1, 0, 0), (2, 23, 59)], [(0, 23, 59), (3, 0, 0)]),
    ],
)
def test_when_a_schedule_holds(
    text: str, inside: list[tuple[int, int, int]], outside: list[tuple[int, int, int]]
) -> None:
    one = schedule.parse(text)
    for day, hour, minute in inside:
        assert one.holds(MONDAY.replace(day=8 + day, hour=hour, minute=minute))
    for day, hour, minute in outside:
        assert not one.holds(MONDAY.replace(day=8 + day, hour=hour, minute=minute))


@pytest.mark.parametrize(
    "text", ["", "22-6", "25:00-06:00", "22:60-06:00", "mo 09:00-10:00", "2026-06-10/2026-06-09",
             "2026-02-30/2026-03-01", "tue-", "mon-fri"],
)  # fmt: skip
def test_what_is_no_schedule(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        schedule.parse(text)


def test_local_time_is_that_of_the_town() -> None:
    assert schedule.local_time(0, 540) == datetime(1970, 1, 1, 9)


def test_a_file_of_people(tmp_path: Path) -> None:
    path = tmp_path / "people.toml"
    assert register.load(path, DEVICES) == {}
    path.write_text(FILE)
    (one,) = register.load(path, DEVICES).values()
    assert one.contacts == ("tel:1", "tel:2") and "tel" not in repr(one)
    assert (one.first_h, one.second_h, one.tag) == (12, 24, 7)
    assert one.ways[0].points == ("gate-1", "gate-2")
    days = [date(2026, 3, 31), date(2026, 4, 1), date(2026, 12, 31), date(2027, 1, 1)]
    assert [one.is_consented(day) for day in days] == [False, True, True, False]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('consent = "2026-04-01"', 'consent = "2026-04-31"'),
        ('night = "21:30-05:30"', 'night = "always sleep"'),
        ('absence = ["tue 09:00-16:00"]', "absence = [3]"),
        ('devices = ["home-1"]', 'devices = ["home-2"]'),
        ('points = ["gate-1", "gate-2"]', 'points = ["gate-9"]'),
        ('points = ["gate-1", "gate-2"]', 'time = "morning x"'),
        ('pseudonym = "p-001"\nstep = 2', 'pseudonym = "p-002"\nstep = 2'),
        ('pseudonym = "p-001"\nconsent', 'pseudonym = "p 001"\nconsent'),
        ("[[way]]", "[[walk]]"),
        ("tag = 7", 'tag = "seven"'),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "people.toml"
    assert before in FILE
    path.write_text(FILE.replace(before, after))
    with pytest.raises(SettingsError) as error:
        register.load(path, DEVICES)
    assert "line" in error.value.cause and error.value.remedy


def test_a_person_is_added_and_a_wrong_one_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "people.toml"
    values = {"pseudonym": "p-001", "consent": "2026-04-01", "devices": ["home-1"]}
    register.add(path, values, ["tel:1", "tel:2"], DEVICES)
    assert path.stat().st_mode & 0o777 == 0o600
    (one,) = register.load(path, DEVICES).values()
    assert one.contacts == ("tel:1", "tel:2")
    before = path.read_text()
    with pytest.raises(SettingsError):
        register.add(path, values, [], DEVICES)
    assert path.read_text() == before and list(tmp_path.iterdir()) == [path]


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists))
def test_what_is_closed_opens_with_the_same_secret_only(value: object) -> None:
    closed = Seal(bytes(32)).close(value)
    assert Seal(bytes(32)).open(closed) == json.loads(json.dumps(value))
    try:
        opened = Seal(b"1" * 32).open(closed)
    except ValueError:
        return
    assert opened != value  # chance has padded it well


def test_a_grant_ends_by_itself_and_when_the_mode_is_normal() -> None:
    access = Access(["welfare"])
    assert access.may_view("welfare", 0) and not access.may_view("fire", 0)
    access.widen(Grant("fire", "mayor", "quake", 12 * HOUR_US))
    again = Access([])
    again.restore(json.loads(json.dumps(access.save(2 * HOUR_US))), 0)
    for one, end_us in ((access, 12 * HOUR_US), (again, 10 * HOUR_US)):
        assert one.may_view("fire", end_us - 1) and not one.may_view("fire", end_us)
        assert one.ended(end_us - 1, False) == []
        assert [grant.to for grant in one.ended(end_us, False)] == ["fire"]
    access.widen(Grant("fire", "mayor", "quake", 12 * HOUR_US))
    assert [grant.to for grant in access.ended(0, True)] == ["fire"]
    assert not access.may_view("fire", 0)
