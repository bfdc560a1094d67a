"""Sessions and tries of the desk with given times, and from where a form or a login may come."""

from itertools import count

import pytest

from hub.console.guard import is_own_host, is_own_origin, may_log_in, own_names
from hub.console.rows import ROWS
from hub.console.sessions import MINUTE_US, SESSIONS_MAX, TRACKED_MAX, Sessions, Tries
from hub.operators import Operator

ROW = {row.name: row.default for row in ROWS}
WHO = Operator("佐藤", "operator", "", "digest")


def sessions(idle_min: int = 30, whole_min: int = 720) -> Sessions:
    numbers = count()
    return Sessions(idle_min * MINUTE_US, whole_min * MINUTE_US, lambda: f"secret-{next(numbers)}")


def test_a_session_ends_when_nobody_uses_it_and_at_last_whoever_does() -> None:
    kept = sessions(30, 60)
    secret = kept.begin(WHO, 0)
    found = kept.find(secret, 29 * MINUTE_US)
    assert found is not None and found.name == "佐藤" and found.token != secret
    assert kept.find(secret + "x", 0) is None and kept.find("", 0) is None
    found.used_us = 29 * MINUTE_US
    assert kept.find(secret, 58 * MINUTE_US) is found
    found.used_us = 58 * MINUTE_US
    assert kept.find(secret, 60 * MINUTE_US) is None and kept.count(0) == 0
    idle = kept.begin(WHO, 0)
    assert kept.count(30 * MINUTE_US - 1) == 1
    assert kept.count(30 * MINUTE_US) == 0  # though nobody came back with its cookie
    assert kept.find(idle, 0) is None


def test_of_too_many_sessions_the_least_used_ends() -> None:
    kept = sessions()
    secrets = [kept.begin(WHO, number) for number in range(SESSIONS_MAX + 1)]
    assert kept.count(SESSIONS_MAX) == SESSIONS_MAX
    assert kept.find(secrets[0], 0) is None and kept.find(secrets[1], 0) is not None


def test_tries_are_bounded_each_minute_for_each_address() -> None:
    tries = Tries({**ROW, "tries_per_min": 3})
    assert [tries.admit("a", f"n{n}", n) for n in range(4)] == ["", "", "", "too_many"]
    assert tries.admit("b", "n0", 4) == ""
    assert tries.admit("a", "n9", MINUTE_US) == "" and tries.counts["too_many"] == 1


def test_a_name_is_locked_for_the_address_that_guesses_until_it_is_over_or_unlocked() -> None:
    tries = Tries({**ROW, "tries_per_min": 600, "lock_after": 3, "lock_min": 10})
    for at in range(3):
        assert tries.admit("a", "佐藤", at) == ""
        assert tries.failed("a", "佐藤") is (at == 2)
    assert tries.admit("a", "佐藤", 3) == "locked" and tries.admit("b", "佐藤", 3) == ""
    assert tries.admit("a", "別", 3) == ""
    assert tries.unlock("佐藤") and not tries.unlock("佐藤")
    for at in range(3):
        assert tries.admit("a", "佐藤", at) == ""
    assert tries.admit("a", "佐藤", 2 + 10 * MINUTE_US - 1) == "locked"
    assert tries.admit("a", "佐藤", 2 + 10 * MINUTE_US) == ""
    tries.succeeded("a", "佐藤")
    assert [tries.admit("a", "佐藤", 2 + 10 * MINUTE_US) for _ in range(3)] == ["", "", ""]


def test_what_is_kept_in_mind_of_tries_is_bounded() -> None:
    tries = Tries({**ROW, "tries_per_min": 600})
    for number in range(TRACKED_MAX + 10):
        tries.admit(f"address-{number}", "x", 0)
    assert len(tries._tried_us) == len(tries._wrong) == TRACKED_MAX


@pytest.mark.parametrize(
    ("setting", "scheme", "client", "may"),
    [
        ("secure", "http", "127.0.0.1", True),
        ("secure", "http", "::1", True),
        ("secure", "http", "::ffff:127.0.0.1", True),
        ("secure", "http", "192.168.1.9", False),
        ("secure", "https", "203.0.113.5", True),
        ("lan", "http", "192.168.1.9", True),
        ("lan", "http", "fd00::9%eth0", True),
        ("lan", "http", "8.8.8.8", False),
        ("lan", "http", "", False),
        ("off", "https", "127.0.0.1", False),
    ],
)
def test_a_password_travels_encrypted_or_where_the_settings_say(
    setting: str, scheme: str, client: str, may: bool
) -> None:
    assert may_log_in(setting, scheme, client) is may


def test_only_the_hubs_own_names_and_addresses_are_its_host() -> None:
    names = own_names("hinomi.town.example.jp, HUB2")
    for host in ("localhost:8080", "127.0.0.1", "192.168.1.2:8080", "[::1]:8080", "hub2:80",
                 "HINOMI.town.example.jp"):  # fmt: skip
        assert is_own_host(host, names), host
    for host in ("", "evil.example", "evil.example:8080", "localhost.evil.example", "[::1", "a@b"):
        assert not is_own_host(host, names), host


def test_a_form_of_another_origin_is_known() -> None:
    assert is_own_origin("http://hub:8080", "http", "hub:8080")
    for origin in ("", "null", "https://hub:8080", "http://hub", "http://hub:8080.evil.example"):
        assert not is_own_origin(origin, "http", "hub:8080"), origin
    assert not is_own_origin("http://", "http", "")
