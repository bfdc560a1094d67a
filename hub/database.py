"""The file of the store: opened with what makes a commit durable, and locked; its versions.

schema_v1.sql makes a store, each schema_vN.sql after it the next version, in one transaction, in
place. `user_version` in the file is the oldest program that may write it, `meta.schema` what it
is: a version that only adds tables leaves `user_version` as it was, so that after a rollback the
older program goes on with the newer file. Where it may not, it refuses and changes nothing.
"""

import fcntl
import importlib.resources
import os
import sqlite3
from pathlib import Path
from typing import Any
from zlib import crc32

SCHEMA_VERSION = 2
WRITABLE_FROM = 2  # the oldest version whose program may write a file of SCHEMA_VERSION
COPY_SIZE_MAX = 1 << 30  # a larger file is migrated without a copy: it would take minutes

# Rows with their checksum; the last parameter of each is what the row is about.
SAVE_META = "INSERT OR REPLACE INTO meta VALUES (?1, ?2, row_crc('meta', ?1, ?2))"
SAVE_SEEN = "INSERT OR REPLACE INTO seen VALUES (?1, ?2, ?3, ?4, row_crc('seen', ?1, ?2, ?3, ?4))"
SAVE_CLOCK = (
    "INSERT OR REPLACE INTO clock"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, row_crc('clock', ?1, ?2, ?3, ?4, ?5, ?6))"
)
SAVE_CURSOR = (
    "INSERT OR REPLACE INTO cursor"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, row_crc('cursor', ?1, ?2, ?3, ?4, ?5, ?6))"
)
# lane, following, bytes to add. `bytes` can be counted again and is outside of the checksum.
SAVE_LANE = (
    "INSERT INTO lane VALUES (?1, ?2, ?3, row_crc('lane', ?1, ?2)) ON CONFLICT (lane) DO UPDATE"
    " SET following = excluded.following, bytes = bytes + excluded.bytes, crc = excluded.crc"
)
SAVE_CHUNK = "INSERT INTO chunk VALUES (?, ?, ?, ?)"  # id, count, frames, row_crc("chunk", ..)


class StoreError(Exception):
    """The store cannot be opened or used; str() says why."""


def row_crc(table: str, *values: Any) -> int:
    """Return the checksum of a row: CRC-32 of the table's name and the values in their order."""
    crc = crc32(table.encode())
    for value in values:
        is_bytes = isinstance(value, bytes)
        crc = crc32(b"%d:" % len(value) if is_bytes else f"{value!r};".encode(), crc)
        if is_bytes:
            crc = crc32(value, crc)
    return crc


def lock(path: Path) -> int:
    """Keep other hubs out: two on one store would number frames alike.

    The lock goes with the process, however it ends. StoreError where another holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StoreError(f"another hub uses {path.parent}") from None
    return descriptor


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection to a store of this version; else StoreError.

    The schema is made where there was none, and brought up to this version where it is older.
    """
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error
    try:
        db.create_function("row_crc", -1, row_crc, deterministic=True)
        # A commit writes five pages however small it is (measured: 8 KiB pages cost a third more
        # writing).
        db.execute("PRAGMA page_size = 4096")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        # Frames are written once and read once: a larger cache is only memory (measured: no faster
        # with 8 MiB).
        db.execute("PRAGMA cache_size = -1024")
        db.execute("PRAGMA journal_size_limit = 67108864")
        # What leaves is not overwritten: that would write all of it once more.
        db.execute("PRAGMA secure_delete = OFF")
        _bring_up(db, path)
    except (sqlite3.Error, StoreError) as error:
        db.close()  # with what it had begun
        raise error if isinstance(error, StoreError) else StoreError(f"{path}: {error}") from error
    return db


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Return a connection that changes nothing, beside a running hub or not; else StoreError."""
    try:
        if not path.exists():
            raise StoreError(f"{path} does not exist")
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=10
        )
        db.create_function("row_crc", -1, row_crc, deterministic=True)
        version = db.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error
    if version != WRITABLE_FROM:
        db.close()
        raise StoreError(f"{path} is of version {version}; a start of this hub brings it up")
    return db


def _bring_up(db: sqlite3.Connection, path: Path) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path} is of version {version}, newer than this program; nothing was changed:"
            f" run a program of version {version} of the store, or restore an older copy"
        )
    if version == SCHEMA_VERSION:
        return
    if version:
        _keep_copy(db, path, version)
    script = "".join(_schema(number) for number in range(version + 1, SCHEMA_VERSION + 1))
    db.executescript(
        f"BEGIN IMMEDIATE; {script}"
        f" INSERT OR REPLACE INTO meta VALUES ('schema', {SCHEMA_VERSION},"
        f" row_crc('meta', 'schema', {SCHEMA_VERSION}));"
        f" PRAGMA user_version = {WRITABLE_FROM}; COMMIT;"
    )


def _schema(number: int) -> str:
    return importlib.resources.files("hub").joinpath(f"schema/schema_v{number}.sql").read_text()


def _keep_copy(db: sqlite3.Connection, path: Path, version: int) -> None:
    """Keep the older file as hub.sqlite.schema1 where there is room: a rollback may restore it."""
    copy = path.with_name(f"{path.name}.schema{version}")
    disk = os.statvfs(path.parent)
    room = disk.f_bavail * disk.f_frsize // 2
    if copy.exists() or path.stat().st_size > min(COPY_SIZE_MAX, room):
        return
    part = copy.with_suffix(".part")
    part.unlink(missing_ok=True)
    kept = sqlite3.connect(part)
    with kept:
        db.backup(kept)
    kept.close()
    part.replace(copy)
