"""What can still be read of a damaged store besides its frames: the rows that check.

First by SQLite, table by table up to where it fails; then, where anything was missing, from the
pages themselves (hub.pages), which may be older versions of a row: of two the one that knows more
is kept. A row whose checksum does not fit is never believed.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub import ledger
from hub.database import row_crc
from hub.ledger import Entry
from hub.pages import INDEX_INTERIOR, INDEX_LEAF, TABLE_LEAF, Page, Pages, cells, columns, opened
from hub.seen import add_packed, pack, unpack
from hub.synced import read_synced
from protocols.ranges import Ranges
from protocols.vocabulary import LANES

LANE_SHIFT = 48
RAW_PAGES_MAX = 65536  # of the file are looked at for small rows before the hub starts: 256 MiB
# Beyond what can be known of the numbers given: frames that nobody can read any more had some.
NUMBERS_JUMP = 1 << 20
_LEAVES = (TABLE_LEAF, INDEX_LEAF, INDEX_INTERIOR)
BOOT_JUMP = 1_000_000  # likewise of the hub's own boots; 32 bits have room for thousands of these


@dataclass(frozen=True)
class Table:
    """covered: columns that the checksum covers; crc_at: its own; key: columns of the key."""

    covered: int
    crc_at: int
    key: int
    has_rowid: bool = False  # the first column is the rowid


TABLES = {
    "meta": Table(2, 2, 1),
    "seen": Table(4, 4, 3),
    "lane": Table(2, 3, 1, has_rowid=True),
    "cursor": Table(6, 6, 2),
    "clock": Table(6, 6, 2),
    "dead_letter": Table(7, 7, 3),
}


@dataclass
class Remains:
    """rows: table -> key -> the columns that the checksum covers.

    whole: the tables of which SQLite read every row, "chunk" where it read each lane's ends.
    ledger: its rows, if its chain holds; entries: else those that can be read. top: the number
    after the last chunk of each lane. is_known: no chunk above it can still be found.
    """

    rows: dict[str, dict[tuple[Any, ...], tuple[Any, ...]]] = field(
        default_factory=lambda: {table: {} for table in TABLES}
    )
    whole: set[str] = field(default_factory=set)
    ledger: list[tuple[Any, ...]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    top: list[int] = field(default_factory=lambda: [0 for _ in LANES])
    is_known: bool = True

    def following(self, lane: int) -> int:
        """Return a number that no frame of the lane had, nor any above it."""
        known = self.rows["lane"].get((lane,), (lane, 0))[1]
        cursors = [row for key, row in self.rows["cursor"].items() if key[1] == lane]
        ends = [max([row[2], *unpack(row[3])]) for row in cursors]
        top: int = max([known, self.top[lane], *ends])
        return top + (0 if self.is_known else NUMBERS_JUMP)

    def boot(self, hub_id: str) -> int:
        """Return the hub's own boot number that was given last, or one beyond it."""
        kept = int(self.rows["meta"].get(("boot",), ("boot", 0))[1])
        boots = [key[1] for key in self.rows["seen"] if key[0] == hub_id]
        newest: int = max([kept, *boots])
        return newest + (0 if "meta" in self.whole else BOOT_JUMP)

    def put(self, table: str, row: tuple[Any, ...]) -> None:
        """Keep a row that checks; of two of one key the one that knows more, else the later."""
        rows, key = self.rows[table], row[: TABLES[table].key]
        before = rows.get(key)
        if before is not None:
            row = _joined(table, before, row)
        rows[key] = row


def _joined(table: str, before: tuple[Any, ...], row: tuple[Any, ...]) -> tuple[Any, ...]:
    if table == "seen":
        ranges = Ranges()
        add_packed(ranges, before[3])
        add_packed(ranges, row[3])
        return (*row[:3], pack(ranges.flat))
    if table == "lane" or row[0] == "boot":
        return max(before, row, key=lambda one: int(one[1]))
    if table == "cursor":
        return max(before, row, key=lambda one: (one[4] + one[5], one[2]))
    return row


def read_remains(path: Path) -> Remains:
    """Return what is left of the store at path; reads it and changes nothing."""
    remains = Remains()
    try:
        with closing(connect_plainly(path)) as db:
            remains.whole = {table for table in TABLES if _read_table(db, table, remains)}
            if _read_top(db, remains):
                remains.whole.add("chunk")
            _read_ledger(db, path.parent, remains)
    except sqlite3.Error:
        remains.whole = set()
    with opened(path) as pages:
        # SQLite sees what was before the damage and takes it for all.
        if not pages.is_log_whole or _lacks_synced(path.parent, remains):
            remains.whole = set()
        if remains.whole != {*TABLES, "chunk"}:
            _read_pages(pages, remains)
            remains.is_known = "lane" in remains.whole or pages.count <= RAW_PAGES_MAX
    return remains


def _lacks_synced(folder: Path, remains: Remains) -> bool:
    known = {lane: row[1] for (lane,), row in remains.rows["lane"].items()}
    return any(known.get(lane, 0) < read_synced(folder)[0][lane] for lane in LANES)


def connect_plainly(path: Path) -> sqlite3.Connection:
    """Return a connection that changes nothing and takes what it reads as it is."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10)
    db.text_factory = lambda data: data.decode(errors="replace")
    return db


def authentic(table: str, row: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Return the columns that the checksum covers; None where it does not fit."""
    shape = TABLES[table]
    if len(row) <= shape.crc_at:
        return None
    covered = row[: shape.covered]
    return covered if row_crc(table, *covered) == row[shape.crc_at] else None


def _read_table(db: sqlite3.Connection, table: str, remains: Remains) -> bool:
    is_whole = True
    try:
        for row in db.execute(f"SELECT * FROM {table}"):
            covered = authentic(table, row)
            if covered is not None:
                remains.put(table, covered)
            is_whole &= covered is not None
    except sqlite3.Error:
        return False
    return is_whole


def _read_top(db: sqlite3.Connection, remains: Remains) -> bool:
    try:
        for lane in LANES:
            for row in edges(db, lane):
                if is_chunk(row):
                    end = (row[0] & (1 << LANE_SHIFT) - 1) + row[1]
                    remains.top[lane] = max(remains.top[lane], end)
    except sqlite3.Error:
        return False
    return True


def edges(db: sqlite3.Connection, lane: int) -> Iterator[tuple[Any, ...]]:
    """Yield the last and the first chunk of a lane: id, count, frames, crc."""
    for order in ("DESC", "ASC"):
        yield from db.execute(
            "SELECT id, count, frames, crc FROM chunk WHERE id >= ? AND id < ?"
            f" ORDER BY id {order} LIMIT 1",
            (lane << LANE_SHIFT, lane + 1 << LANE_SHIFT),
        )


def is_chunk(row: tuple[Any, ...]) -> bool:
    """Tell whether a chunk's row is as it was written. row: id, count, frames, crc."""
    return row[3] is not None and row_crc("chunk", *row[:3]) == row[3]


def _read_ledger(db: sqlite3.Connection, folder: Path, remains: Remains) -> None:
    rows = []
    try:
        for row in db.execute("SELECT * FROM ledger ORDER BY sequence"):
            rows.append(row)
        head = ledger.read_head_file(folder)
        ledger.verify(db, *([head] if head else []))
        remains.ledger = rows
    except (sqlite3.Error, ledger.LedgerError, OSError):
        entries = (ledger.entry_of(row) for row in rows)
        remains.entries = [entry for entry in entries if entry is not None]


def _read_pages(pages: Pages, remains: Remains) -> None:
    found = Remains()
    loose: list[int] = []  # chunks' rowids that no checksum vouches for, and their counts
    for page in pages.settled_leaves(_LEAVES, RAW_PAGES_MAX):
        _take_page(pages, page, (found, loose))
    # A power cut may have torn what was never synced: nobody was told of what it took in, and what
    # of it is not found must come again. What is found is noted when it comes over.
    seen = dict(found.rows["seen"])
    for page in pages.last_leaves(_LEAVES):
        _take_page(pages, page, (found, loose))
    found.rows["seen"] = seen
    for table, rows in found.rows.items():
        for key, row in rows.items():
            # What SQLite could read is not older than what stands about.
            if table in ("seen", "lane", "cursor") or key not in remains.rows[table]:
                remains.put(table, row)
    remains.top = list(map(max, remains.top, found.top))
    for end in sorted(loose):
        lane, number = end >> LANE_SHIFT, end & (1 << LANE_SHIFT) - 1
        if lane in LANES and remains.top[lane] < number <= remains.top[lane] + NUMBERS_JUMP:
            remains.top[lane] = number


def _take_page(pages: Pages, page: Page, found: tuple[Remains, list[int]]) -> None:
    for cell in cells(page):
        for payload in pages.payloads(cell):
            if _take(cell.rowid, columns(payload) or [], found):
                break


def _take(rowid: int | None, values: list[Any], found: tuple[Remains, list[int]]) -> bool:
    if len(values) < 3:
        return False
    remains, loose = found
    if rowid is not None and values[0] is None and isinstance(values[2], bytes):
        row = (rowid, *values[1:4])
        end = rowid + (values[1] if isinstance(values[1], int) else 0)
        if len(row) < 4 or not is_chunk(row):
            loose.append(end)
            return False
        lane, number = end >> LANE_SHIFT, end & (1 << LANE_SHIFT) - 1
        remains.top[lane] = max(remains.top[lane], number)
        return True
    for table, shape in TABLES.items():
        row = (rowid, *values[1:]) if shape.has_rowid and rowid is not None else tuple(values)
        covered = authentic(table, row)
        if covered is not None:
            remains.put(table, covered)
            return True
    return False
