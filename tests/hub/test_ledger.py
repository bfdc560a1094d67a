"""The ledger: whatever is done to a row, or to the last rows, is found."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import ledger
from hub.database import SAVE_META, connect
from hub.ledger import Head, LedgerError, audit, gap

COUNT = 6


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A store with a chain of COUNT rows, the head of which stands in its file too."""
    made = connect(tmp_path / "hub.sqlite")
    for at in range(COUNT // 2):
        entries = [
            gap(1000 + at, "river-1", (7, at, at + 5), lane=3, reason=2, detail="thinned"),
            audit(2000 + at, "config", "start", what="store.size_max_mib", before=64, after=at),
        ]
        made.execute("BEGIN")
        head = ledger.append(made, entries)
        made.execute("COMMIT")
        ledger.write_head(tmp_path, head)
    yield made
    made.close()


def test_an_untouched_chain_holds_and_can_be_read(db: sqlite3.Connection, tmp_path: Path) -> None:
    head = ledger.verify(db)
    assert head == ledger.read_head(db) == ledger.read_head_file(tmp_path)
    assert head.sequence == COUNT
    gaps = [(sequence, entry.fields()) for sequence, entry in ledger.read(db, "gap", 1001)]
    assert [sequence for sequence, _ in gaps] == [3, 5]
    assert gaps[0][1] == {"device": "river-1", "boot": 7, "first": 1, "next": 6, "lane": 3,
                          "reason": 2, "detail": "thinned"}  # fmt: skip
    changes = [entry.fields()["after"] for _, entry in ledger.read(db, "audit")]
    assert changes == ["0", "1", "2"]


@pytest.mark.parametrize("row", range(1, COUNT + 1))
@pytest.mark.parametrize(
    "change",
    ["at_utc_us = at_utc_us + 1", "kind = 'Gap'", "body = replace(body, '3', '4') || ' '",
     "hash = zeroblob(32)", "sequence = sequence + 100", "body = CAST(body AS BLOB)"],
)  # fmt: skip
def test_a_change_of_any_column_of_any_row_is_found(
    db: sqlite3.Connection, row: int, change: str
) -> None:
    db.execute(f"UPDATE ledger SET {change} WHERE sequence = ?", (row,))
    with pytest.raises(LedgerError):
        ledger.verify(db)


@pytest.mark.parametrize("row", range(1, COUNT + 1))
def test_a_row_that_is_gone_is_found_even_where_the_rest_moved_up(
    db: sqlite3.Connection, row: int
) -> None:
    db.execute("DELETE FROM ledger WHERE sequence = ?", (row,))
    with pytest.raises(LedgerError):
        ledger.verify(db)
    for later in range(row + 1, COUNT + 1):
        db.execute("UPDATE ledger SET sequence = ? WHERE sequence = ?", (later - 1, later))
    with pytest.raises(LedgerError):
        ledger.verify(db)


@pytest.mark.parametrize("row", range(1, COUNT))
def test_two_rows_that_changed_places_are_found(db: sqlite3.Connection, row: int) -> None:
    for before, after in ((row, 99), (row + 1, row), (99, row + 1)):
        db.execute("UPDATE ledger SET sequence = ? WHERE sequence = ?", (after, before))
    with pytest.raises(LedgerError, match=f"row {row} "):
        ledger.verify(db)


@pytest.mark.parametrize("row", range(1, COUNT + 2))
def test_a_row_that_was_put_in_is_found(db: sqlite3.Connection, row: int) -> None:
    for later in range(COUNT, row - 1, -1):
        db.execute("UPDATE ledger SET sequence = ? WHERE sequence = ?", (later + 1, later))
    db.execute("INSERT INTO ledger SELECT ?, at_utc_us, kind, body, hash FROM ledger"
               " WHERE sequence = (SELECT min(sequence) FROM ledger)", (row,))  # fmt: skip
    with pytest.raises(LedgerError):
        ledger.verify(db)


def test_the_last_rows_cut_off_with_their_head_are_found_by_the_file(
    db: sqlite3.Connection, tmp_path: Path
) -> None:
    kept = ledger.read_head_file(tmp_path)
    assert kept is not None
    db.execute("DELETE FROM ledger WHERE sequence > 4")
    last = db.execute("SELECT hash FROM ledger WHERE sequence = 4").fetchone()[0]
    with pytest.raises(LedgerError, match="ends at row 4"):
        ledger.verify(db)
    db.execute(SAVE_META, (ledger.HEAD_KEY, str(Head(4, last))))
    assert ledger.verify(db).sequence == 4  # who can change meta as well hides it from meta,
    with pytest.raises(LedgerError, match="rows 5 to 6 are missing"):
        ledger.verify(db, kept)  # not from the file, nor from the platform


def test_a_chain_computed_anew_is_found_by_a_head_kept_elsewhere(
    db: sqlite3.Connection, tmp_path: Path
) -> None:
    kept = ledger.read_head_file(tmp_path)
    assert kept is not None
    entries = [entry for kind in ("gap", "audit") for _, entry in ledger.read(db, kind)]
    db.execute("DELETE FROM ledger")
    db.execute("DELETE FROM meta WHERE key = ?", (ledger.HEAD_KEY,))
    ledger.append(db, entries[1:] * 2)
    ledger.verify(db)
    with pytest.raises(LedgerError, match=f"row {COUNT} is not the one"):
        ledger.verify(db, kept)


@pytest.mark.parametrize("text", ["", "4", "four " + "00" * 32, "4 " + "00" * 31, "4 zz"])
def test_what_is_no_head_is_refused_in_words(tmp_path: Path, text: str) -> None:
    (tmp_path / ledger.HEAD_FILE).write_text(text)
    with pytest.raises(LedgerError, match="no head of a ledger"):
        ledger.read_head_file(tmp_path)


def test_a_long_text_is_cut_and_a_head_that_cannot_be_written_harms_no_commit(
    db: sqlite3.Connection, tmp_path: Path
) -> None:
    db.execute("BEGIN")
    head = ledger.append(db, [audit(1, "x", "y", what="あ" * 9999, before="\0\n" * 9999)])
    db.execute("COMMIT")
    ledger.write_head(tmp_path / "no folder", head)
    assert ledger.verify(db) == head


@pytest.fixture
def pruned(db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> sqlite3.Connection:
    """The chain after many more rows than are kept."""
    monkeypatch.setattr(ledger, "ROWS_MAX", 20)
    monkeypatch.setattr(ledger, "PRUNED_MIN", 5)
    for at in range(100):
        db.execute("BEGIN")
        ledger.append(db, [gap(9000 + at, "river-1", (8, at, at + 1), lane=2, reason=1)])
        db.execute("COMMIT")
        assert db.execute("SELECT count(*) FROM ledger").fetchone()[0] <= 26
    return db


def test_the_oldest_rows_are_taken_out_and_the_rest_still_holds(
    pruned: sqlite3.Connection, tmp_path: Path
) -> None:
    first = pruned.execute("SELECT min(sequence) FROM ledger").fetchone()[0]
    base = ledger.read_head(pruned, ledger.BASE_KEY)
    assert base.sequence == first - 1 > 80
    kept = ledger.read_head_file(tmp_path)  # of a row that is gone since
    assert kept is not None and kept.sequence < first
    head = ledger.verify(pruned, kept, base)
    rows = [entry for _, entry in ledger.read(pruned, "audit")]
    assert rows[-1].fields()["command"] == ledger.PRUNE and rows[-1].fields()["after"] == str(base)
    with pytest.raises(LedgerError, match=f"row {base.sequence} is not the one"):
        ledger.verify(pruned, Head(base.sequence, bytes(32)))
    with pytest.raises(LedgerError, match="is not the one"):
        ledger.verify(pruned, Head(head.sequence, bytes(32)))


def test_rows_that_somebody_else_took_out_are_found(pruned: sqlite3.Connection) -> None:
    first, digest = pruned.execute("SELECT sequence, hash FROM ledger LIMIT 1").fetchone()
    pruned.execute("DELETE FROM ledger WHERE sequence = ?", (first,))
    with pytest.raises(LedgerError, match=f"row {first} is missing"):
        ledger.verify(pruned)
    pruned.execute(SAVE_META, (ledger.BASE_KEY, str(Head(first, digest))))
    with pytest.raises(LedgerError, match="no row says why"):
        ledger.verify(pruned)
    pruned.execute("DELETE FROM meta WHERE key = ?", (ledger.BASE_KEY,))
    with pytest.raises(LedgerError, match="row 1 is missing"):
        ledger.verify(pruned)
