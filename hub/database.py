"""The file of the store: opened with what makes a commit durable, and locked."""

import fcntl
import importlib.resources
import os
import sqlite3
from pathlib import Path

SCHEMA_VERSION = 1


class StoreError(Exception):
    """The store cannot be opened or used; str() says why."""


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
    """Return a connection, with the schema made where there was none; else StoreError."""
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        # A commit writes five pages however small it is (measured: 8 KiB pages cost a third more
        # writing).
        db.execute("PRAGMA page_size = 4096")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        # Frames are written once and read once: a larger cache is only memory (measured: no faster
        # with 8 MiB).
        db.execute("PRAGMA cache_size = -1024")
        db.execute("PRAGMA journal_size_limit = 67108864")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            sql = importlib.resources.files("hub").joinpath(f"schema/schema_v{SCHEMA_VERSION}.sql")
            db.executescript(
                f"BEGIN; {sql.read_text()} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
        elif version > SCHEMA_VERSION:
            raise StoreError(f"{path} is of version {version}, newer than this program")
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error
    return db
