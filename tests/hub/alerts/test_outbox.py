"""The outbox: what was decided is there after whatever end, and goes to each channel once more."""

import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from hub.alerts import outbox
from hub.alerts.message import Message
from hub.alerts.outbox import DONE, REFUSED, WAITING, Job, Outbox
from tests.hub.alerts.desk import Town, finding, over
from tests.real_parts import REPOSITORY


def kept(path: Path, count: int = 3) -> tuple[Outbox, list[Message]]:
    """Return an outbox with an event whose messages wait for two channels."""
    box = Outbox(path)
    town = Town()
    for number in range(count):
        town.take(finding(f"gauge-{number}"))
    events = tuple(one.encode() for one in town.desk.open_events())
    deliveries = tuple((one.sequence, name) for one in town.messages for name in ("a", "b"))
    box.keep(Job(tuple(town.messages), events, deliveries))
    return box, town.messages


def test_each_channel_gets_all_in_order_and_a_failure_keeps_its_place(tmp_path: Path) -> None:
    box, messages = kept(tmp_path / "alerts.sqlite")
    assert box.next("a") == messages[0] == box.next("b")
    box.delivered("a", messages[0], WAITING, "down")
    assert box.next("a") == messages[0]
    box.delivered("a", messages[0], DONE)
    box.delivered("a", messages[1], REFUSED, "no")
    assert box.next("a") == messages[2] and box.next("b") == messages[0]
    assert box.waiting_counts() == {"a": 1, "b": 3}
    assert box.next("c") is None
    box.close()


def test_all_of_it_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "alerts.sqlite"
    box, messages = kept(path)
    instance = box.instance
    box.delivered("a", messages[0], DONE)
    box.close()
    again = Outbox(path)
    assert again.instance == instance and again.following() == (4, 4)
    assert again.next("a") == messages[1]
    assert [one.key for one in again.open_events()] == ["gauge-0", "gauge-1", "gauge-2"]
    assert again.known_of(1) == ({"a", "b"}, messages[0])
    assert again.newest(2) == [messages[2], messages[1]]
    assert path.stat().st_mode & 0o077 == 0
    again.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.hub.alerts.test_outbox import kept
box, _ = kept(Path(sys.argv[1]))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_sigkill_after_the_decision_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "alerts.sqlite"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=REPOSITORY, timeout=60)
    assert done.returncode == -signal.SIGKILL
    box = Outbox(path)
    assert box.waiting_counts() == {"a": 3, "b": 3}
    box.close()


def test_the_same_job_twice_is_the_same(tmp_path: Path) -> None:
    box, messages = kept(tmp_path / "alerts.sqlite")
    box.delivered("a", messages[0], DONE)
    box.keep(Job(tuple(messages), (), ((messages[0].sequence, "a"),)))
    assert box.waiting_counts() == {"a": 2, "b": 3}
    box.close()


def test_a_damaged_file_is_put_aside_and_alerts_go_on(tmp_path: Path) -> None:
    path = tmp_path / "alerts.sqlite"
    path.write_bytes(b"no database at all" * 1000)
    box, messages = kept(path)
    assert box.is_durable and box.next("a") == messages[0]
    assert (tmp_path / "alerts.sqlite.damaged").read_bytes().startswith(b"no database")
    box.close()


@pytest.mark.parametrize("page", [2, 3, 5, 9])
def test_a_page_that_has_rotten_puts_the_file_aside_and_alerts_go_on(
    tmp_path: Path, page: int
) -> None:
    path = tmp_path / "alerts.sqlite"
    box, messages = kept(path, 20)
    box.close()
    data = bytearray(path.read_bytes())
    assert len(data) > 10 * 4096
    data[page * 4096 : (page + 1) * 4096] = bytes(b ^ 0x5A for b in data[page * 4096 :][:4096])
    path.write_bytes(data)
    again = Outbox(path)
    assert again.is_durable and again.open_events() == [] and again.newest(9) == []
    again.keep(Job(tuple(messages)))
    again.close()
    assert (tmp_path / "alerts.sqlite.damaged").exists()


def test_a_file_that_rots_while_the_hub_runs_stops_no_alert(tmp_path: Path) -> None:
    path = tmp_path / "alerts.sqlite"
    box, messages = kept(path, 40)
    box._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        for page in range(1, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\x5a" * 4096)
    box._db.execute("PRAGMA cache_size = 0")
    assert box.next("a") is None and not box.is_durable
    box.keep(Job((messages[0],), (), ((messages[0].sequence, "a"),)))
    assert box.next("a") == messages[0]
    box.close()


def test_a_row_that_cannot_be_read_is_a_damage_too(tmp_path: Path) -> None:
    path = tmp_path / "alerts.sqlite"
    box, _ = kept(path)
    box.close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE event SET body = substr(body, 1, 40) WHERE id = 2")
    db.close()
    with pytest.raises(outbox.OutboxError, match="cannot be read"):
        outbox.count_checked(path)
    again = Outbox(path)
    assert again.open_events() == []
    again.close()


def test_where_no_file_can_be_made_alerts_go_on_in_memory(tmp_path: Path) -> None:
    box, messages = kept(tmp_path / "no such folder" / "alerts.sqlite")
    assert not box.is_durable and box.next("a") == messages[0]
    box.close()


FULL = """
import resource, signal, sys
from pathlib import Path
from tests.hub.alerts.desk import Town, finding
from tests.hub.alerts.test_outbox import kept
from hub.alerts.outbox import Job
path = Path(sys.argv[1])
box, messages = kept(path)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = path.with_name(path.name + "-wal").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
town = Town()
town.desk._next_sequence = 50
town.take(finding("later"))
box.keep(Job(tuple(town.messages), (), ((50, "a"),)))
print(box.is_durable, box.waiting_counts(), box.next("a") == messages[0])
"""


def test_on_a_full_disk_what_waits_and_what_comes_still_goes_out(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)
    line = [sys.executable, "-c", FULL, str(tmp_path / "alerts.sqlite")]
    done = subprocess.run(line, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False {'a': 4, 'b': 3} True", done.stderr


def test_a_request_is_carried_out_once_and_answered(tmp_path: Path) -> None:
    path = tmp_path / "alerts.sqlite"
    box, _ = kept(path)
    number = outbox.ask(path, outbox.ACK, "person:Sato", event=2, at_utc_us=1)
    (request,) = box.requests()
    assert (request.id, request.verb, request.event, request.actor) == (
        *(number, "ack", 2, "person:Sato"),
    )
    assert outbox.outcome(path, number) == ""
    box.keep(Job(outcomes=(("acknowledged", number),)))
    assert box.requests() == [] and outbox.outcome(path, number) == "acknowledged"
    box.close()


def test_the_list_shows_events_and_where_they_went(tmp_path: Path) -> None:
    path = tmp_path / "alerts.sqlite"
    box, messages = kept(path)
    box.delivered("a", messages[0], WAITING, "HTTP 503")
    found = outbox.listed(path, 2)
    assert [one["id"] for one in found] == [3, 2]
    (first,) = [one for one in outbox.listed(path, 9) if one["id"] == 1]
    assert first["deliveries"][0] == {
        "channel": "a", "state": "waiting", "tries": 1, "detail": "HTTP 503",
        "identifier": messages[0].identifier,
    }  # fmt: skip
    box.close()
    with pytest.raises(outbox.OutboxError, match="does not exist"):
        outbox.listed(tmp_path / "other.sqlite", 1)


def test_old_messages_leave_and_what_waits_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MESSAGES_MAX", 10)
    box, messages = kept(tmp_path / "alerts.sqlite")
    for message in messages[1:]:
        for name in ("a", "b"):
            box.delivered(name, message, DONE)
    town = Town()
    town.desk._next_sequence = 100
    town.take(finding())
    town.take(over())
    box.keep(Job(tuple(town.messages)))
    assert [one.sequence for one in box.newest(99)] == [100, 1]
    box.close()


def test_events_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "alerts.sqlite"
    box, _ = kept(path)
    event = box.event(1)
    assert event is not None and event.values == {"stage_m": 3.1}
    assert isinstance(event.sent[0], tuple) and box.event(99) is None
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    box.close()
