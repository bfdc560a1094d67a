"""The outbox: events, messages and where each must still go, in a SQLite file of their own.

Not in the store's file: warnings must go on when that is full, damaged or away, and commands may
write here while the hub runs. A message and its deliveries are one transaction, synced, before the
first channel gets it; so a SIGKILL between the decision and the sending loses nothing.

Where the file cannot be written (full disk), or is found damaged while the hub runs, all goes on
in memory: a warning that is not durable is better than none. `is_durable` says so.
"""

import json
import logging
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from hub.alerts.event import OPEN, Event
from hub.alerts.message import Message, decode

log = logging.getLogger(__name__)

FILE_NAME = "alerts.sqlite"
DAMAGED = ".damaged"  # what is put aside is named so
EVENTS_JUMP = 1000  # more than a hub has had alerts since its backup
MESSAGES_MAX = 20_000  # of closed events the oldest go: some tens of MB
WAITING, DONE, REFUSED = "waiting", "done", "refused"
ACK, CANCEL, TEST = "ack", "cancel", "test"  # what a person may ask for

_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY, state TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS message (sequence INTEGER PRIMARY KEY, identifier TEXT NOT NULL UNIQUE,
                                    event INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS delivery (sequence INTEGER, channel TEXT, state TEXT NOT NULL,
                                     tries INTEGER NOT NULL DEFAULT 0,
                                     detail TEXT NOT NULL DEFAULT '',
                                     PRIMARY KEY (channel, sequence)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS delivery_waiting ON delivery (channel, sequence)
    WHERE state = 'waiting';
-- What people asked for, by the command line; the running hub does it and marks it.
CREATE TABLE IF NOT EXISTS request (id INTEGER PRIMARY KEY AUTOINCREMENT, verb TEXT NOT NULL,
                                    event INTEGER NOT NULL, actor TEXT NOT NULL,
                                    reason TEXT NOT NULL, at_utc_us INTEGER NOT NULL,
                                    outcome TEXT NOT NULL DEFAULT '');
"""


class OutboxError(Exception):
    """The file cannot be used; str() says why."""


@dataclass(frozen=True)
class Request:
    """One thing that a person asks of the running hub. verb: ack, cancel or test."""

    id: int
    verb: str
    event: int
    actor: str
    reason: str


@dataclass(frozen=True)
class Job:
    """What one transaction writes.

    events: as encode() gives them. deliveries: (message's sequence, channel). outcomes: (what came
    of it, number of the request).
    """

    messages: tuple[Message, ...] = ()
    events: tuple[dict[str, Any], ...] = ()
    deliveries: tuple[tuple[int, str], ...] = ()
    outcomes: tuple[tuple[str, int], ...] = ()

    def joined(self, later: "Job") -> "Job":
        """Return both as one; of an event the later state counts."""
        events = {one["id"]: one for one in (*self.events, *later.events)}
        return Job(
            self.messages + later.messages,
            tuple(events.values()),
            self.deliveries + later.deliveries,
            self.outcomes + later.outcomes,
        )


class Outbox:
    """One connection, used by one thread at a time. instance: of this file, in identifiers."""

    def __init__(self, path: Path) -> None:
        self.is_durable = True
        try:
            self._db = _open(path)
        except sqlite3.OperationalError as error:
            self._in_memory(error, None)
        except sqlite3.DatabaseError as error:  # damaged: it is put aside, and kept
            log.error("%s is damaged: %s; a new one is begun", path, error)
            for suffix in ("", "-wal", "-shm"):
                damaged = path.with_name(path.name + suffix)
                if damaged.exists():
                    damaged.replace(path.with_name(f"{path.name}{DAMAGED}{suffix}"))
            self._db = _open(path)
        self.instance = self._instance()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _in_memory(self, error: Exception, before: sqlite3.Connection | None) -> None:
        log.error("alerts are kept in memory alone: %s", error, extra={"event": "alerts-memory"})
        self.is_durable = False
        self._db = _memory()
        if before is None:
            return
        try:
            before.backup(self._db)
            _check(self._db)
        except sqlite3.Error as damage:  # what waited stays in the file; what comes goes out
            log.error("nothing of before comes along: %s", damage)
            self._db.close()
            self._db = _memory()
        before.close()

    def _instance(self) -> str:
        row = self._db.execute("SELECT value FROM about WHERE name = 'instance'").fetchone()
        if row is not None:
            return str(row[0])
        made = secrets.token_hex(4)
        self._write(lambda: self._db.execute("INSERT INTO about VALUES ('instance', ?)", (made,)))
        return made

    def _write(self, work: Callable[[], object]) -> None:
        def write() -> None:
            with _transaction(self._db):
                work()

        self._surely(write)

    def _surely(self, work: Callable[[], Any]) -> Any:
        """Return what work does with the file; in memory where the file fails."""
        try:
            return work()
        except sqlite3.Error as error:
            if not self.is_durable:
                raise
            self._in_memory(error, self._db)
            return work()

    # What the hub asks

    def following(self) -> tuple[int, int]:
        """Return the numbers of the next event and the next message."""
        query = "SELECT coalesce(max({}), 0) + 1 FROM {}"
        numbers = [self._db.execute(query.format(*names)).fetchone()[0]
                   for names in (("id", "event"), ("sequence", "message"))]  # fmt: skip
        query = "SELECT value FROM about WHERE name = 'event_first'"
        first = self._db.execute(query).fetchone()
        return max(numbers[0], int(first[0]) if first else 1), numbers[1]

    def open_events(self) -> list[Event]:
        """Return the events that last."""
        return list(_events(self._db, "WHERE state = ? ORDER BY id", OPEN))

    def event(self, number: int) -> Event | None:
        """Return one event, open or not."""
        return next(_events(self._db, "WHERE id = ?", number), None)

    def known_of(self, event: int) -> tuple[set[str], Message | None]:
        """Return the channels that know of an event, and its newest message."""
        query = (
            "SELECT DISTINCT channel FROM delivery JOIN message USING (sequence) WHERE event = ?"
        )
        told = {str(row[0]) for row in self._db.execute(query, (event,))}
        query = "SELECT body FROM message WHERE event = ? ORDER BY sequence DESC LIMIT 1"
        row = self._db.execute(query, (event,)).fetchone()
        return told, None if row is None else decode(row[0])

    def newest(self, count: int) -> list[Message]:
        """Return the newest messages, newest first."""
        query = "SELECT body FROM message ORDER BY sequence DESC LIMIT ?"
        return [decode(row[0]) for row in self._db.execute(query, (count,))]

    def next(self, channel: str) -> Message | None:
        """Return the oldest message that the channel must still get."""
        return cast("Message | None", self._surely(lambda: self._next(channel)))

    def _next(self, channel: str) -> Message | None:
        query = ("SELECT body FROM delivery JOIN message USING (sequence) WHERE channel = ?"
                 " AND delivery.state = 'waiting' ORDER BY sequence LIMIT 1")  # fmt: skip
        row = self._db.execute(query, (channel,)).fetchone()
        return None if row is None else decode(row[0])

    def waiting_counts(self) -> dict[str, int]:
        """Return for each channel how many messages it must still get."""
        query = "SELECT channel, count(*) FROM delivery WHERE state = 'waiting' GROUP BY channel"
        rows = self._surely(lambda: self._db.execute(query).fetchall())
        return {str(name): int(count) for name, count in rows}

    def requests(self) -> list[Request]:
        """Return what people asked for and nobody has done yet."""
        query = "SELECT id, verb, event, actor, reason FROM request WHERE outcome = '' ORDER BY id"
        return [Request(*row) for row in self._surely(lambda: self._db.execute(query).fetchall())]

    # What the hub writes

    def keep(self, job: Job) -> None:
        """Write all of it, synced."""
        self._write(lambda: self._keep(job))

    def _keep(self, job: Job) -> None:
        for message in job.messages:
            row = (message.sequence, message.identifier, message.event, message.encode())
            self._db.execute("INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?)", row)
        for event in job.events:
            row_of_event = (event["id"], event["state"], json.dumps(event, ensure_ascii=False))
            self._db.execute("INSERT OR REPLACE INTO event VALUES (?, ?, ?)", row_of_event)
        query = (
            "INSERT OR IGNORE INTO delivery (sequence, channel, state) VALUES (?, ?, 'waiting')"
        )
        self._db.executemany(query, job.deliveries)
        self._db.executemany("UPDATE request SET outcome = ? WHERE id = ?", job.outcomes)
        if job.messages:
            self._prune(job.messages[-1].sequence - MESSAGES_MAX)

    def _prune(self, below: int) -> None:
        gone = ("sequence < ? AND sequence NOT IN"
                " (SELECT sequence FROM delivery WHERE state = 'waiting')")  # fmt: skip
        self._db.execute(f"DELETE FROM message WHERE {gone}", (below,))
        self._db.execute(f"DELETE FROM delivery WHERE {gone}", (below,))

    def delivered(self, channel: str, message: Message, state: str, detail: str = "") -> None:
        """Note how a try ended: done, refused, or still waiting."""
        query = ("UPDATE delivery SET state = ?, tries = tries + 1, detail = ?"
                 " WHERE channel = ? AND sequence = ?")  # fmt: skip
        row = (state, detail[:200], channel, message.sequence)
        self._write(lambda: self._db.execute(query, row))


# What commands ask, beside the running hub


def ask(path: Path, verb: str, actor: str, **more: Any) -> int:
    """Ask the hub for something; return the request's number. more: event, reason, at_utc_us.

    OutboxError where the file is not there or cannot be written.
    """
    row = (verb, more.get("event", 0), actor, more.get("reason", ""), more["at_utc_us"])
    query = "INSERT INTO request (verb, event, actor, reason, at_utc_us) VALUES (?, ?, ?, ?, ?)"
    with _beside(path) as db:
        return int(db.execute(query, row).lastrowid or 0)


def outcome(path: Path, request: int) -> str:
    """Return what came of a request; empty while the hub has not done it."""
    with _beside(path) as db:
        row = db.execute("SELECT outcome FROM request WHERE id = ?", (request,)).fetchone()
        return "" if row is None else str(row[0])


def listed(path: Path, count: int) -> list[dict[str, Any]]:
    """Return the newest events with their deliveries, the open ones first."""
    with _beside(path) as db:
        events = list(_events(db, "ORDER BY state = 'open' DESC, id DESC LIMIT ?", count))
        query = ("SELECT channel, delivery.state, tries, detail, identifier FROM delivery"
                 " JOIN message USING (sequence) WHERE event = ? ORDER BY sequence")  # fmt: skip
        names = ("channel", "state", "tries", "detail", "identifier")
        return [
            {**one.encode(), "deliveries": [dict(zip(names, row, strict=True))
                                            for row in db.execute(query, (one.id,))]}
            for one in events
        ]  # fmt: skip


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Return a connection that changes nothing, beside a running hub or not."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5,
                           isolation_level=None)  # fmt: skip


def begin_anew(path: Path) -> None:
    """Make a file that was put back go on without saying anything under a name that was used.

    Messages get a new instance in their identifiers, new events numbers that jump. OutboxError
    where it is no outbox.
    """
    with _beside(path) as db, _transaction(db):
        row = ("instance", secrets.token_hex(4))
        db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", row)
        db.execute(
            "INSERT OR REPLACE INTO about SELECT 'event_first', coalesce(max(id), 0) + ?"
            " FROM event",
            (EVENTS_JUMP,),
        )


def count_checked(path: Path) -> int:
    """Return how many events a whole file has; OutboxError where it is damaged."""
    try:
        with closing(connect_to_read(path)) as db:
            _check(db)
            return int(db.execute("SELECT count(*) FROM event").fetchone()[0])
    except sqlite3.Error as error:
        raise OutboxError(f"{path}: {error}") from None


@dataclass(frozen=True)
class Stuck:
    """A channel that does not take what it must get. since_utc_us: of its oldest message."""

    channel: str
    count: int
    tries: int
    detail: str
    since_utc_us: int


def stuck(path: Path) -> list[Stuck]:
    """Return the channels with messages that wait, as the file has it."""
    query = ("SELECT channel, count(*), tries, detail, body, min(sequence) FROM delivery"
             " JOIN message USING (sequence) WHERE delivery.state = 'waiting'"
             " GROUP BY channel ORDER BY channel")  # fmt: skip
    with closing(connect_to_read(path)) as db:
        return [
            Stuck(channel, count, tries, detail, decode(body).sent_utc_us)
            for channel, count, tries, detail, body, _ in db.execute(query)
        ]


def open_events_of(path: Path) -> list[Event]:
    """Return the events that last, as the file has it."""
    with closing(connect_to_read(path)) as db:
        return list(_events(db, "WHERE state = ? ORDER BY id", OPEN))


def _events(db: sqlite3.Connection, where: str, *values: Any) -> Iterator[Event]:
    for (body,) in db.execute(f"SELECT body FROM event {where}", values):
        fields = json.loads(body)
        fields["sent"] = [(str(name), int(at)) for name, at in fields["sent"]]
        yield Event(**fields)


def _open(path: Path) -> sqlite3.Connection:
    try:
        path.touch(mode=0o600)  # what concerns a person is in it
    except OSError as error:
        raise sqlite3.OperationalError(str(error)) from None
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA cache_size = -512")
        db.executescript(_SCHEMA)
        _check(db)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _memory() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    db.executescript(_SCHEMA)
    return db


def _check(db: sqlite3.Connection) -> None:
    """Read all that a start needs; DatabaseError where it cannot be had.

    20,000 messages take about a second.
    """
    found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(found)
    try:
        for _ in _events(db, "WHERE state = ?", OPEN):
            pass
        for (body,) in db.execute("SELECT body FROM message"):
            decode(body)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise sqlite3.DatabaseError(f"a row cannot be read: {error}") from None


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


@contextmanager
def _beside(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.exists():
        raise OutboxError(f"{path} does not exist")
    try:
        db = sqlite3.connect(path, isolation_level=None, timeout=5)
        try:
            yield db
        finally:
            db.close()
    except sqlite3.Error as error:
        raise OutboxError(f"{path}: {error}") from None
