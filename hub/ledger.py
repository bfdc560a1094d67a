"""The ledger: what is known lost (gaps) and who changed what (audit), in one chain of hashes.

Each row's hash is SHA-256 over the hash before it and the deterministic CBOR (RFC 8949, section
4.2) of [sequence, at_utc_us, kind, body]; sequence numbers begin at 1 and have no holes. So no row
can be edited, put in, taken out or moved without a break of the chain. That the last rows are
gone would not break it: therefore the head (sequence, hash) of the chain is kept in `meta`, in a
synced file of its own, and goes out to the platform as a record now and then.

More than ROWS_MAX rows are not kept: the oldest are taken out, the last of those leaves its number
and hash in `meta`, where the chain begins from then on, and a row says so. What went is still
covered: the hash of the rest stands on it, and the platform has the gaps as records of their own.

The file is written after the commit, so a crash may leave it behind the database, never before.
"""

import json
import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from hub.database import SAVE_META
from protocols import cbor

log = logging.getLogger(__name__)

HEAD_KEY = "ledger"  # in meta: "<sequence> <hash>"
HEAD_FILE = "ledger.head"
BASE_KEY = "ledger.base"  # in meta: "<sequence> <hash>" of the last row that was taken out
ROWS_MAX = 100_000  # 20 MiB, about; a gap each minute for 70 days
PRUNED_MIN = 1000  # rows that are taken out at a time
PRUNE = "prune"  # command of the row that says so

GAP = "gap"
AUDIT = "audit"
# kind -> the fields of its body.
FIELDS = {
    # Frames first <= index < next of that device and boot are lost. device "": frames of a damaged
    # store whose names cannot be read any more; first and next are then numbers within the lane.
    GAP: ("device", "boot", "first", "next", "lane", "reason", "detail"),
    # actor: who, or what rule; command: how; what: the thing; before, after: as text.
    AUDIT: ("actor", "command", "what", "before", "after"),
}
_ROW_SIZE_MAX = 64  # two integers, a kind and the heads, beside the body
TEXT_SIZE_MAX = 2000  # of one field: the rest is cut, so that no value makes the ledger grow


class LedgerError(Exception):
    """The chain does not hold; str() says where and how."""


@dataclass(frozen=True)
class Entry:
    """One row. body: the fields of FIELDS[kind], in that order, numbers and texts."""

    at_utc_us: int
    kind: str
    body: tuple[int | str, ...]

    def fields(self) -> dict[str, int | str]:
        """Return the body by name."""
        return dict(zip(FIELDS[self.kind], self.body, strict=True))


class Head(NamedTuple):
    """Where a chain ends: the last row's number (0: no row yet) and its hash."""

    sequence: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.sequence} {self.hash.hex()}"


START = Head(0, bytes(32))


def gap(at_utc_us: int, device: str, extent: tuple[int, int, int], **more: int | str) -> Entry:
    """Return the entry of a loss. extent: boot, first, next; more: lane, reason and detail.

    reason: a number of protocols.vocabulary.GAP_NAMES; detail: any text.
    """
    body = (device, *extent, more["lane"], more["reason"], more.get("detail", ""))
    return Entry(at_utc_us, GAP, body)


def audit(at_utc_us: int, actor: str, command: str, **what: Any) -> Entry:
    """Return the entry of a change. what: what, before, after; any values, kept as text."""
    texts = [str(what.get(name, ""))[:TEXT_SIZE_MAX] for name in ("what", "before", "after")]
    return Entry(at_utc_us, AUDIT, (actor, command, *texts))


def append(db: sqlite3.Connection, entries: Iterable[Entry]) -> Head:
    """Add rows within the transaction that is open in db; return the new head.

    When that transaction has been committed, call write_head with it.
    """
    head, entry = read_head(db), None
    for entry in entries:
        head = _add(db, head, entry)
    base = read_head(db, BASE_KEY)
    if entry is not None and head.sequence - base.sequence >= ROWS_MAX + PRUNED_MIN:
        head = _prune(db, (base, head), entry.at_utc_us)
    db.execute(SAVE_META, (HEAD_KEY, str(head)))
    return head


def _add(db: sqlite3.Connection, head: Head, entry: Entry) -> Head:
    if len(entry.body) != len(FIELDS[entry.kind]):
        raise ValueError(f"fields of a {entry.kind}")
    body = json.dumps(entry.body, ensure_ascii=False)
    row = (head.sequence + 1, entry.at_utc_us, entry.kind, body)
    head = Head(row[0], _hash(head.hash, row))
    db.execute("INSERT INTO ledger VALUES (?, ?, ?, ?, ?)", (*row, head.hash))
    return head


def _prune(db: sqlite3.Connection, ends: tuple[Head, Head], at_utc_us: int) -> Head:
    """Take the oldest rows out; return the head. ends: what is before the first row, the last."""
    before, head = ends
    number = head.sequence - ROWS_MAX
    query = "SELECT sequence, hash FROM ledger WHERE sequence = ?"
    base = Head(*db.execute(query, (number,)).fetchone())
    what = f"rows {before.sequence + 1} to {number}"
    entry = audit(at_utc_us, "hub", PRUNE, what=what, before=before, after=base)
    head = _add(db, head, entry)
    db.execute("DELETE FROM ledger WHERE sequence <= ?", (number,))
    db.execute(SAVE_META, (BASE_KEY, str(base)))
    return head


def write_head(folder: Path, head: Head) -> None:
    """Keep the head in a file of its own, synced; replaces the older one whole.

    Where that cannot be written the older one stays: the commit it follows has succeeded.
    """
    part = folder / f"{HEAD_FILE}.part"
    try:
        with part.open("w") as file:
            file.write(f"{head}\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(folder / HEAD_FILE)
    except OSError as error:
        log.warning("the head of the ledger cannot be kept beside it: %s", error)


def read_head(db: sqlite3.Connection, key: str = HEAD_KEY) -> Head:
    """Return the head that `meta` has; with BASE_KEY what is before the first row."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return START if row is None else parse_head(str(row[0]))


def read_head_file(folder: Path) -> Head | None:
    """Return the head that the file of its own has; None where there is no such file."""
    try:
        return parse_head((folder / HEAD_FILE).read_text())
    except FileNotFoundError:
        return None


def parse_head(text: str) -> Head:
    """Return the head that a text "<sequence> <hash>" says; LedgerError where it is none."""
    try:
        sequence, digest = text.split()
        head = Head(int(sequence), bytes.fromhex(digest))
    except ValueError:
        raise LedgerError(f"no head of a ledger: {text[:80]!r}") from None
    if len(head.hash) != len(START.hash) or head.sequence < 0:
        raise LedgerError(f"no head of a ledger: {text[:80]!r}")
    return head


def read(db: sqlite3.Connection, kind: str, since_utc_us: int = 0) -> Iterator[tuple[int, Entry]]:
    """Yield (sequence, entry) of one kind from a time on, oldest first."""
    query = (
        "SELECT sequence, at_utc_us, kind, body FROM ledger"
        " WHERE kind = ? AND at_utc_us >= ? ORDER BY sequence"
    )
    for sequence, at_utc_us, row_kind, body in db.execute(query, (kind, since_utc_us)):
        yield sequence, Entry(at_utc_us, row_kind, tuple(json.loads(body)))


def entry_of(row: tuple[Any, ...]) -> Entry | None:
    """Return the entry of a row as it stands in a damaged table; None where it is none."""
    if len(row) != 5 or not _is_row(row) or row[2] not in FIELDS:
        return None
    try:
        body = json.loads(row[3])
    except ValueError:
        return None
    is_body = isinstance(body, list) and len(body) == len(FIELDS[row[2]])
    return Entry(row[1], row[2], tuple(body)) if is_body else None


def verify(db: sqlite3.Connection, *heads: Head) -> Head:
    """Walk the whole chain; return its head.

    heads: earlier heads of this chain (the file's, the platform's), all of which it must contain
    unless they were taken out. LedgerError names the first row that does not hold.
    """
    base = head = read_head(db, BASE_KEY)
    pruned = str(START)
    wanted = {head.sequence: {one.hash for one in heads if one[0] == head[0]} for head in heads}
    if wanted.get(base.sequence, {base.hash}) != {base.hash}:
        raise LedgerError(f"row {base.sequence} is not the one whose hash was kept elsewhere")
    for row in db.execute("SELECT sequence, at_utc_us, kind, body, hash FROM ledger"
                          " ORDER BY sequence"):  # fmt: skip
        if row[0] != head.sequence + 1:
            raise LedgerError(f"row {head.sequence + 1} is missing; row {row[0]} follows")
        if not _is_row(row) or _hash(head.hash, row[:4]) != row[4]:
            raise LedgerError(f"row {row[0]} or what was before it has been changed")
        head = Head(row[0], row[4])
        if wanted.pop(head.sequence, {head.hash}) != {head.hash}:
            raise LedgerError(f"row {head.sequence} is not the one whose hash was kept elsewhere")
        if row[2] == AUDIT and json.loads(row[3])[1] == PRUNE:
            pruned = json.loads(row[3])[4]
    if pruned != str(base):
        raise LedgerError(f"the chain begins after row {base.sequence}, and no row says why")
    missing = [sequence for sequence in wanted if sequence > base.sequence]
    if missing:
        raise LedgerError(f"the rows {head.sequence + 1} to {max(missing)} are missing")
    if read_head(db) != head:
        raise LedgerError(f"the chain ends at row {head.sequence}, meta says {read_head(db)}")
    return head


def _is_row(row: tuple[Any, ...]) -> bool:
    return [type(value) for value in row] == [int, int, str, str, bytes]


def _hash(before: bytes, row: tuple[Any, ...]) -> bytes:
    size_max = len(row[3].encode()) + _ROW_SIZE_MAX
    return sha256(before + cbor.encode(list(row), size_max)).digest()
