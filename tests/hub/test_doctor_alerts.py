"""What the doctor says of warnings that would not reach anybody, or that nobody has seen."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hub import config as configuration
from hub.alerts.mail import PASSWORD
from hub.alerts.outbox import FILE_NAME, WAITING, Job, Outbox
from hub.diagnosis import FAIL, OK, WARN, Finding
from hub.doctor_alerts import check_alerts
from tests.hub.alerts.desk import UTC_US, S, Town, finding
from tests.hub.alerts.receivers import MailReceiver, web_receiver
from tests.hub.alerts.test_mail_tls import certified
from tests.ports import free_port

MAIL = {"name": "duty", "host": "127.0.0.1", "sender": "a@town.example",
        "receivers": "b@town.example"}  # fmt: skip


def installed(folder: Path, **tables: dict[str, Any]) -> Path:
    """Return the hub.toml of a hub with one more of each of these tables."""
    path = configuration.init(folder / "hub")
    device = configuration.Device("siren-1", bytes(32), "slope")
    configuration.enroll(path.parent / "devices.toml", device)
    for table, row in tables.items():
        configuration.add_table(path, table, row)
    return path


def examined(
    path: Path, utc_us: int = UTC_US, status: dict[str, Any] | None = None
) -> list[Finding]:
    """Return what is found; whatever is not ok has a remedy in both languages."""
    found = list(check_alerts(configuration.load(path), utc_us, status))
    for one in found:
        assert all(one.text) and (one.state == OK or all(one.remedy)), one
    return found


def wrong(found: list[Finding]) -> list[tuple[str, str, str]]:
    """Return check, state and English text of what is not ok."""
    return [(one.check, one.state, one.text[1]) for one in found if one.state != OK]


def test_without_receivers_one_line_says_that_nothing_is_wrong(tmp_path: Path) -> None:
    (one,) = examined(installed(tmp_path))
    assert (one.check, one.state) == ("alerts", OK)


def test_a_channel_that_takes_nothing_and_an_alert_that_nobody_saw_are_named(
    tmp_path: Path,
) -> None:
    path = installed(tmp_path)
    (path.parent / "data").mkdir()
    box, town = Outbox(path.parent / "data" / FILE_NAME), Town()
    town.take(finding("slope-1", kind="slope-wire"))
    events = tuple(one.encode() for one in town.desk.open_events())
    waiting = tuple((1, name) for name in ("mail:duty", "webhook:new"))
    box.keep(Job(tuple(town.messages), events, waiting))
    box.delivered("mail:duty", town.messages[0], WAITING, "refused by the server")
    box.close()
    soon, later = town.utc_us() + 60 * S, town.utc_us() + 1500 * S
    ((check, state, text),) = wrong(examined(path, soon))
    assert (check, state) == ("alerts mail:duty", FAIL)
    assert "refused by the server" in text and "since 2026-09-21 23:30:00 +09:00" in text
    found = wrong(examined(path, later))
    assert found[1][:2] == ("alerts 1", WARN) and "for 25 min" in found[1][2]


def test_a_damaged_file_of_alerts_is_named(tmp_path: Path) -> None:
    path = installed(tmp_path)
    (path.parent / "data").mkdir()
    (path.parent / "data" / FILE_NAME).write_bytes(b"no database at all" * 999)
    ((check, state, text),) = wrong(examined(path))
    assert (check, state) == ("alerts", FAIL) and FILE_NAME in text
    Outbox(path.parent / "data" / FILE_NAME).close()  # as the hub does at its start
    ((check, state, text),) = wrong(examined(path))
    assert (check, state) == ("alerts", WARN) and f"{FILE_NAME}.damaged" in text


def test_a_mail_server_is_asked_to_let_the_hub_in_and_gets_no_mail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, receiver = certified(tmp_path), MailReceiver()

    async def tried(root: Path | None) -> list[Finding]:
        if root is not None:
            monkeypatch.setenv("SSL_CERT_FILE", str(root))
        server, port = await receiver.serve(tls_context=parts.context)
        folder = tmp_path / f"{port}"
        path = installed(folder, mail={**MAIL, "port": port})
        found = await asyncio.to_thread(examined, path)
        server.close()
        return found

    monkeypatch.delenv(PASSWORD, raising=False)
    (one,) = wrong(asyncio.run(tried(None)))
    assert one[1] == FAIL and "certificate is not accepted" in one[2]
    assert wrong(asyncio.run(tried(parts.root))) == [] and receiver.mails == []
    path = installed(tmp_path, mail={**MAIL, "port": free_port()})
    (one,) = wrong(examined(path))
    assert one[1] == FAIL and "Connection refused" in one[2]


def test_a_webhook_is_dialled_and_told_nothing(tmp_path: Path) -> None:
    with web_receiver() as receiver:
        url = f"http://127.0.0.1:{receiver.port}/"
        path = installed(tmp_path / "up", webhook={"name": "office", "url": url})
        assert wrong(examined(path)) == [] and receiver.paths == []
    path = installed(tmp_path / "down", webhook={"name": "office", "url": url})
    (one,) = wrong(examined(path))
    assert one[:2] == ("alerts webhook", FAIL)


@pytest.mark.parametrize(
    ("away", "given_up", "is_durable", "expected"),
    [
        ([], 0, True, []),
        (["siren-1"], 0, True, [("alerts siren", FAIL)]),
        ([], 2, False, [("alerts siren", WARN), ("alerts", FAIL)]),
    ],
)
def test_a_siren_that_could_not_sound_is_named_while_the_hub_runs(
    tmp_path: Path, *, away: list[str], given_up: int,
    is_durable: bool, expected: list[tuple[str, str]],
) -> None:  # fmt: skip
    sirens = {"given_up": given_up, "away": away}
    status = {"delivery": {"is_durable": is_durable, "sirens": sirens}}
    path = installed(tmp_path, siren={"device": "siren-1"})
    assert [one[:2] for one in wrong(examined(path, status=status))] == expected


def test_a_hub_that_marks_all_as_a_test_is_named(tmp_path: Path) -> None:
    path = configuration.init(tmp_path / "hub", {("alerts", "status"): "test"})
    (one,) = wrong(examined(path))
    assert one[1] == WARN and "no siren sounds" in one[2]
