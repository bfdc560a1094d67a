"""`hinomi hub compact`: gives the disk back what the store's file holds no data in.

While a hub runs its file never becomes smaller (hub.room): free pages are used again, which costs
nothing. Where an operator lowers `store.size_max_mib`, the room above it stays taken. SQLite's
VACUUM writes what there is once more, in one transaction: after a power cut the file is as it was.
"""

import os
import shutil
import sqlite3
from pathlib import Path

import typer

from hub import config as configuration
from hub.commands import DEFAULT, CommandError, ConfigPath, app
from hub.database import StoreError, connect, lock
from hub.disk import SLACK_SIZE
from hub.writer import used_size

STORE = "hub.sqlite"


def compact(folder: Path) -> tuple[int, int]:
    """Return the size of the store's file in bytes before and after.

    The copy is made in the same folder and goes through the log, so twice the data must be free
    there. StoreError where it is not, where a hub runs, or where the file cannot be read.
    """
    path = folder / STORE
    if not path.exists():
        raise StoreError(f"{path} does not exist")
    descriptor = lock(folder / "hub.lock")
    try:
        return _compact(path)
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error
    finally:
        os.close(descriptor)


def _compact(path: Path) -> tuple[int, int]:
    db = connect(path)
    try:
        before = path.stat().st_size
        wanted, free = 2 * used_size(db) + SLACK_SIZE, shutil.disk_usage(path.parent).free
        if free < wanted:
            raise StoreError(
                f"{path.parent} has {free >> 20} MiB free, and {wanted >> 20} MiB are needed"
            )
        # SQLite's own choice would be /var/tmp or /tmp, which may be memory.
        folder = str(path.parent.absolute()).replace("'", "''")
        db.execute(f"PRAGMA temp_store_directory = '{folder}'")
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return before, path.stat().st_size
    finally:
        db.close()


@app.command("compact", epilog="Example: hinomi hub compact --config /srv/hinomi/hub.toml")
def compact_store(config: ConfigPath = DEFAULT) -> None:
    """Make the store's file as small as its data; stop the hub first. / 保存ファイルの縮小"""
    loaded = configuration.load(config)
    try:
        before, after = compact(loaded.data)
    except StoreError as error:
        wanted = "Stop the hub, free room on the disk, or let `hinomi hub doctor` look at it."
        raise CommandError(f"{error}.", wanted) from None
    except OSError as error:
        wanted = "Check the disk, and that this user may read and write there."
        raise CommandError(f"{error.filename or 'A file'}: {error.strerror}.", wanted) from None
    typer.echo(f"The store's file had {before >> 20} MiB and has {after >> 20} MiB.")
