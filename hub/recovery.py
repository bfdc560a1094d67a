"""A damaged store at the start: noticed, put aside whole, and a fresh one begun from what is left.

What the start looks at is little whatever the size of the store: the log, every row of the small
tables, the ends of each lane. A chunk's damage is noticed when it is read (hub.store), that of
a tree when SQLite meets it; then `mark` makes the next start do as here.

The damaged files go to quarantine-<utc>/ and are never deleted. The fresh store knows what was
accepted, what was delivered and how far everything was numbered, so that devices are answered and
live data relayed at once; the frames come over behind (hub.salvage), with the numbers they had. A
log with a damaged frame in the middle is reason enough: the file may hold pages of transactions
behind the damage, and only together were they consistent. One transaction at its end that does not
check is no damage but what a power cut leaves, unless it had been synced (hub.synced).
"""

import json
import logging
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hub import dead_letters, ledger
from hub.database import (
    SAVE_CLOCK,
    SAVE_CURSOR,
    SAVE_LANE,
    SAVE_META,
    SAVE_SEEN,
    SCHEMA_VERSION,
    StoreError,
    connect,
    connect_to_read,
)
from hub.dead_letters import DeadLetter
from hub.ledger import audit
from hub.pages import read_log
from hub.remains import (
    NUMBERS_JUMP,
    TABLES,
    Remains,
    authentic,
    connect_plainly,
    edges,
    is_chunk,
    read_remains,
)
from hub.synced import read_synced
from protocols.vocabulary import LANES

log = logging.getLogger(__name__)

MARK = "hub.damaged"  # a file beside the store: it was found damaged while the hub ran
SALVAGE_KEY = "salvage"  # in meta: what hub.salvage has still to bring over, as JSON
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_SUFFIXES = ("", "-wal", "-shm")


class Damage(sqlite3.DatabaseError):
    """What SQLite read is not what was written.

    It is not mended in place: where a chain of pages leads elsewhere, a deletion would free what
    belongs to another row.
    """


def is_damage(error: BaseException) -> bool:
    """Tell whether an error says that the database itself is damaged."""
    if isinstance(error, Damage):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.Error) and code is not None and code & 0xFF in _CORRUPT


def mark(folder: Path, reason: str) -> None:
    """Make the next start put the store aside."""
    try:
        (folder / MARK).write_text(reason)
    except OSError as error:
        log.warning("%s cannot be written: %s", folder / MARK, error)


def recover(path: Path, utc_us: int) -> str:
    """Make the store at path usable; return what was wrong with it, or "" as nearly always.

    Nothing else may use it. OSError where files cannot be moved, StoreError where a fresh store
    cannot be made.
    """
    fresh = path.with_name("hub.fresh.sqlite")
    if fresh.exists() and path.exists():
        _remove(fresh)  # a start that came to an end before it had moved anything
    reason = "" if fresh.exists() or not path.is_file() else damage_of(path)
    if reason:
        log.error("the store is damaged: %s", reason)
        name = f"quarantine-{datetime.fromtimestamp(utc_us // 10**6, UTC):%Y%m%dT%H%M%SZ}"
        name = _unused(path.parent, name)
        _begin(fresh, read_remains(path), reason, (name, utc_us))
    if fresh.exists():
        _swap(path, fresh)
    (path.parent / MARK).unlink(missing_ok=True)
    return reason


def damage_of(path: Path) -> str:
    """Return what is wrong with the store at path as far as a start looks; "" for nothing."""
    marked = path.with_name(MARK)
    if marked.exists():
        return marked.read_text(errors="replace")[:200] or "found damaged while running"
    if read_log(path.with_name(path.name + "-wal")).unseen > 1:
        return "the log has transactions behind a damaged part"
    try:
        with closing(connect_plainly(path)) as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return (
                _damaged_row(db, path.parent)
                if version == SCHEMA_VERSION
                else _missing(db, version)
            )
    except sqlite3.Error as error:
        if is_damage(error) or (isinstance(error, sqlite3.OperationalError) and _is_logic(error)):
            return str(error)
        raise StoreError(f"{path}: {error}") from error


def _is_logic(error: sqlite3.Error) -> bool:
    # "no such table", "no such column": the schema's own page is not what it was.
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_ERROR


def _missing(db: sqlite3.Connection, version: int) -> str:
    """Return what an older, a newer or an unmade store lacks that every version has."""
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
    is_made = version or tables
    return "" if not is_made or (version and "chunk" in tables) else "its version is unreadable"


def _damaged_row(db: sqlite3.Connection, folder: Path) -> str:
    synced, _ = read_synced(folder)
    kept = dict(db.execute("SELECT lane, following FROM lane"))
    if any(kept.get(lane, 0) < synced[lane] for lane in LANES):
        return "the end of the log is gone, though it was synced"
    for table in TABLES:
        for row in db.execute(f"SELECT * FROM {table}"):
            if authentic(table, row) is None:
                return f"a row of {table} does not check"
    for lane in LANES:
        for row in edges(db, lane):
            if row[3] is not None and not is_chunk(row):
                return f"an end of lane {lane} does not check"
    db.execute("SELECT * FROM ledger ORDER BY sequence DESC LIMIT 1").fetchone()
    return ""


def _unused(folder: Path, name: str) -> str:
    names = [name, *(f"{name}-{at}" for at in range(2, 1000))]
    return next(one for one in names if not (folder / one).exists())


def _begin(fresh: Path, remains: Remains, reason: str, where: tuple[str, int]) -> None:
    """Make the fresh store, with all but the frames. where: folder of the damaged one, UTC."""
    folder, utc_us = where
    _remove(fresh)
    rows = remains.rows
    synced, boot = read_synced(fresh.parent)
    following = [max(remains.following(lane), synced[lane]) for lane in LANES]
    jump = 0 if remains.is_known else NUMBERS_JUMP
    known = [max(remains.following(lane) - jump, synced[lane]) for lane in LANES]
    open_salvage = rows["meta"].pop((SALVAGE_KEY,), (SALVAGE_KEY, ""))[1]
    task = {
        "folders": [folder, *(json.loads(open_salvage)["folders"] if open_salvage else [])],
        "following": following,
        "known": known,  # below it all were given to frames; above it nobody knows
        "reason": reason,
        "is_seen_whole": "seen" in remains.whole,
    }
    rows["meta"].pop(("schema",), None)
    rows["meta"].pop((ledger.HEAD_KEY,), None)
    hub_id = _hub_id(rows["meta"])
    with closing(connect(fresh)) as db:
        db.execute("BEGIN IMMEDIATE")
        db.executemany(SAVE_META, [row for row in rows["meta"].values() if row[0] != "boot"])
        db.execute(SAVE_META, ("boot", max(boot, remains.boot(hub_id))))
        db.execute(SAVE_META, (SALVAGE_KEY, json.dumps(task)))
        db.executemany(SAVE_SEEN, rows["seen"].values())
        db.executemany(SAVE_CURSOR, rows["cursor"].values())
        db.executemany(SAVE_CLOCK, rows["clock"].values())
        letters = {row[:3]: DeadLetter(row[:3], *row[3:]) for row in rows["dead_letter"].values()}
        dead_letters.write(db, letters)
        db.executemany(SAVE_LANE, [(lane, following[lane], 0) for lane in LANES])
        entry = audit(utc_us, "hub", "start", what="store", before=reason, after=folder)
        head = _carry_ledger(db, remains, entry)
        db.execute("COMMIT")
    ledger.write_head(fresh.parent, head)


def _hub_id(meta: dict[tuple[Any, ...], tuple[Any, ...]]) -> str:
    values = meta.get(("config",))
    try:
        return str(json.loads(values[1])["hub.id"]) if values else ""
    except (ValueError, KeyError, TypeError):
        return ""


def _carry_ledger(db: sqlite3.Connection, remains: Remains, entry: ledger.Entry) -> ledger.Head:
    """Go on with the ledger's chain; where it is broken begin another with what can be read."""
    if remains.ledger:
        db.executemany("INSERT INTO ledger VALUES (?, ?, ?, ?, ?)", remains.ledger)
        last = remains.ledger[-1]
        db.execute(SAVE_META, (ledger.HEAD_KEY, str(ledger.Head(last[0], last[4]))))
        return ledger.append(db, [entry])
    db.execute("DELETE FROM meta WHERE key = ?", (ledger.BASE_KEY,))
    return ledger.append(db, [entry, *remains.entries])


def _swap(path: Path, fresh: Path) -> None:
    """Move the damaged files away and the fresh one in; goes on where an earlier call ended.

    The main file goes first: without it nothing takes the rest for a store.
    """
    with closing(connect_to_read(fresh)) as db:
        row = db.execute("SELECT value FROM meta WHERE key = ?", (SALVAGE_KEY,)).fetchone()
    folder = path.parent / json.loads(row[0])["folders"][0]
    folder.mkdir(exist_ok=True)
    for suffix in _SUFFIXES:
        damaged = path.with_name(path.name + suffix)
        if damaged.exists():
            damaged.rename(folder / damaged.name)
    for suffix in _SUFFIXES[1:]:
        fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
    fresh.rename(path)
    _sync(folder)
    _sync(path.parent)


def _remove(path: Path) -> None:
    for suffix in _SUFFIXES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
