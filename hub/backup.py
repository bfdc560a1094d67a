"""A copy of a hub that it can be made from again: the store, the settings, the secrets.

    hub.sqlite  hub.toml  devices.toml  hub.secret  backup.json {made_utc_us, hub, files: sha256}

The store is copied as of one moment by SQLite's online backup while the hub runs. What is restored
is older than what its hub has said since: therefore the hub's own boot number jumps, so that no
record gets an identity that a platform knows already. Cursors are as they were: what was delivered
since is sent again, which is safe.
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path

from hub import config as configuration
from hub import ledger, synced
from hub.config import Config
from hub.database import SAVE_META, connect, connect_to_read, lock
from hub.remains import BOOT_JUMP

MANIFEST = "backup.json"
STORE = "hub.sqlite"
PAGES_STEP = 2048  # of the store between two calls of `progress`
Progress = Callable[[int, int], None]  # done, of all


class BackupError(Exception):
    """A backup cannot be made or used; str() says why."""


def back_up(config: Config, folder: Path, utc_us: int, progress: Progress) -> None:
    """Write a backup to `folder`, which must not be there yet; it is there whole or not at all.

    OSError and sqlite3.Error where files cannot be read or written.
    """
    if folder.exists():
        raise BackupError(f"{folder} exists already")
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True, mode=0o700)
    _copy_store(config.data / STORE, part / STORE, progress)
    for name, path in _settings_of(config).items():
        _copy(path, part / name)
    manifest = {
        "made_utc_us": utc_us,
        "hub": config.id,
        "devices": str(config.tables["hub"]["devices"]),
        "files": {path.name: digest_of(path) for path in sorted(part.iterdir())},
    }
    (part / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    for path in part.iterdir():
        _sync(path)
    part.rename(folder)
    _sync(folder.parent)


def _settings_of(config: Config) -> dict[str, Path]:
    return {
        "hub.toml": config.folder / "hub.toml",
        "devices.toml": config.folder / str(config.tables["hub"]["devices"]),
        "hub.secret": config.folder / "hub.secret",
    }


def _copy_store(source: Path, target: Path, progress: Progress) -> None:
    with closing(connect_to_read(source)) as db, closing(sqlite3.connect(target)) as copy:
        db.execute("BEGIN")  # one moment's view, however long it takes and whatever is written
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        db.backup(copy, pages=PAGES_STEP,
                  progress=lambda status, left, all_: progress(all_ - left, all_))  # fmt: skip


def restore(backup: Path, folder: Path, utc_us: int, progress: Progress) -> Path | None:
    """Make the hub in `folder` what the backup says; return where the earlier one was put.

    BackupError where the backup is not whole, StoreError where a hub runs there.
    """
    manifest = _checked(backup, progress)
    folder.mkdir(parents=True, exist_ok=True)
    data = _data_of(backup, folder)
    data.mkdir(parents=True, exist_ok=True)
    locked = lock(data / "hub.lock")
    try:
        places = {name: folder / name for name in ("hub.toml", "hub.secret")}
        places["devices.toml"] = folder / str(manifest["devices"])
        replaced = _put_aside(folder, [*places.values(), *_files_of_store(data)], utc_us)
        for name, path in places.items():
            _copy(backup / name, path)
        _copy(backup / STORE, data / STORE)
        _begin_anew(data, backup.name, utc_us)
    finally:
        os.close(locked)
    return replaced


def _checked(backup: Path, progress: Progress) -> dict[str, object]:
    try:
        manifest: dict[str, object] = json.loads((backup / MANIFEST).read_text())
        files = manifest["files"]
        assert isinstance(files, dict)
    except (OSError, ValueError, KeyError, AssertionError):
        raise BackupError(f"{backup} holds no {MANIFEST} of a backup") from None
    for at, (name, digest) in enumerate(files.items()):
        path = backup / Path(name).name
        if not path.is_file():
            raise BackupError(f"{path} is missing")
        if digest_of(path) != digest:
            raise BackupError(f"{path} is not what was backed up")
        progress(at + 1, len(files))
    return manifest


def _data_of(backup: Path, folder: Path) -> Path:
    # The settings of the backup say where the store belongs.
    return folder / str(configuration.load(backup / "hub.toml").tables["hub"]["data"])


def _files_of_store(data: Path) -> list[Path]:
    names = (STORE, f"{STORE}-wal", f"{STORE}-shm", ledger.HEAD_FILE, synced.FILE)
    return [data / name for name in names]


def _put_aside(folder: Path, paths: list[Path], utc_us: int) -> Path | None:
    present = [path for path in paths if path.exists()]
    if not present:
        return None
    moment = f"{datetime.fromtimestamp(utc_us // 10**6, UTC):%Y%m%dT%H%M%SZ}"
    place = folder / f"replaced-{moment}"
    place.mkdir(mode=0o700)
    for path in present:
        path.rename(place / path.name)
    return place


def _begin_anew(data: Path, name: str, utc_us: int) -> None:
    with closing(connect(data / STORE)) as db:
        db.execute("BEGIN IMMEDIATE")
        row = db.execute("SELECT value FROM meta WHERE key = 'boot'").fetchone()
        db.execute(SAVE_META, ("boot", (int(row[0]) if row else 0) + BOOT_JUMP))
        entry = ledger.audit(utc_us, "operator", "restore", what="store", after=name)
        head = ledger.append(db, [entry])
        db.execute("COMMIT")
    ledger.write_head(data, head)


def _copy(source: Path, target: Path) -> None:
    """Copy a file; what holds a secret is never readable by others, not even for a moment."""
    mode = 0o644 if source.suffix == ".toml" and source.name == "hub.toml" else 0o600
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file, source.open("rb") as data:
        shutil.copyfileobj(data, file, 1 << 20)
        file.flush()
        os.fsync(file.fileno())


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
