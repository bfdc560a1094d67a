"""A copy of a hub that it can be made from again: what it knows, its settings, its secrets.

    hub.sqlite  alerts.sqlite  hub.toml  devices.toml  hub.secret  hub.env  people.toml
    operators.toml  certificate.pem  key.pem  reports/..  drafts/..  update/..
    backup.json {made_utc_us, hub, data, places, files: sha256}

What there is none of is left out; so is a certificate that stands elsewhere on the machine. The
store and the alerts are each copied as of one moment by SQLite's online backup while the hub runs;
the alerts first, so that no alert in them is unknown to the store's record.

What is restored is older than what its hub has said since. Therefore the hub's own boot number
jumps, so that no record gets an identity that a platform knows already; and its alerts get
identifiers that nobody has seen, while those that last keep the references to what was sent of
them. Cursors and deliveries are as they were: what was delivered since is sent again, which is
safe.

What is known of people is closed in the store under a key that is derived from hub.secret, which
lies beside it, as the devices' secrets do: a backup is as secret as the hub itself. It is its
owner's alone (folder 0700, files 0600) and not encrypted once more, for a key that is kept
elsewhere is missing on the day when a hub must be made anew.
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path, PurePosixPath
from typing import Any

from hub import config as configuration
from hub import ledger, synced
from hub.alerts import outbox
from hub.alerts.lalert import FOLDER as DRAFTS
from hub.config import Config
from hub.database import SAVE_META, connect, connect_to_read, lock
from hub.remains import BOOT_JUMP
from hub.report.inspections import FOLDER as REPORTS
from hub.update import FOLDER as UPDATE

MANIFEST = "backup.json"
STORE = "hub.sqlite"
ALERTS = outbox.FILE_NAME
FOLDERS = (REPORTS, DRAFTS, UPDATE)  # of data
PEOPLE = "people.toml"
NEEDED = ("hub.toml", "devices.toml", "hub.secret")
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
    if (config.data / ALERTS).exists():
        with closing(outbox.connect_to_read(config.data / ALERTS)) as db:
            _copy_database(db, part / ALERTS, lambda *_: None)
    with closing(connect_to_read(config.data / STORE)) as db:
        _copy_database(db, part / STORE, progress)
    places = _places_of(config)
    for name, place in places.items():
        if name in NEEDED or (config.folder / place).exists():
            _copy(config.folder / place, part / name)
    for folder_name in FOLDERS:
        _copy_folder(config.data / folder_name, part / folder_name)
    copied = sorted(path for path in part.rglob("*") if path.is_file())
    manifest = {
        "made_utc_us": utc_us,
        "hub": config.id,
        "data": str(config.tables["hub"]["data"]),
        "places": places,
        "files": {path.relative_to(part).as_posix(): digest_of(path) for path in copied},
    }
    (part / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    for path in part.rglob("*"):
        _sync(path)
    part.rename(folder)
    _sync(folder.parent)


def _places_of(config: Config) -> dict[str, str]:
    """Return the name in a backup of each file of settings, and its place in the hub's folder."""
    hub, page = config.tables["hub"], config.tables["console"]
    places = {
        "hub.toml": "hub.toml",
        "devices.toml": str(hub["devices"]),
        "hub.secret": "hub.secret",
        "hub.env": "hub.env",
        PEOPLE: str(config.tables["people"]["file"]),
        "operators.toml": str(hub["operators"]),
        "certificate.pem": str(page["certificate"]),
        "key.pem": str(page["key"]),
    }
    return {
        name: place
        for name, place in places.items()
        if name in NEEDED or (place and not Path(place).is_absolute())
    }


def _copy_database(db: sqlite3.Connection, target: Path, progress: Progress) -> None:
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(target)) as copy:
        db.execute("BEGIN")  # one moment's view, however long it takes and whatever is written
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        db.backup(copy, pages=PAGES_STEP,
                  progress=lambda status, left, all_: progress(all_ - left, all_))  # fmt: skip


def _copy_folder(source: Path, target: Path) -> None:
    """Copy what is finished in it; the hub may make and delete files meanwhile."""
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if path.is_dir() or path.suffix == ".part" or any(one[0] == "." for one in name.parts):
            continue
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            _copy(path, place)
        except FileNotFoundError:
            place.unlink(missing_ok=True)


def restore(backup: Path, folder: Path, utc_us: int, progress: Progress) -> Path | None:
    """Make the hub in `folder` what the backup says; return where the earlier one was put.

    BackupError where the backup is not whole, StoreError where a hub runs there.
    """
    manifest = _checked(backup, progress)
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / _data_of(backup, manifest)
    data.mkdir(parents=True, exist_ok=True)
    locked = lock(data / "hub.lock")
    try:
        names = [str(name) for name in manifest["files"]]
        targets = {name: _target_of(name, manifest, folder, data) for name in names}
        kept = [folder / place for place in _places(manifest).values()]
        leaving = [*(path for path in kept if path.exists()), *_files_replaced(data, names)]
        replaced = _put_aside(folder, leaving, utc_us)
        for name, path in targets.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            _copy(backup / name, path)
        if ALERTS in names:
            outbox.begin_anew(data / ALERTS)
        _begin_anew(data, backup.name, utc_us)
    finally:
        os.close(locked)
    return replaced


def _checked(backup: Path, progress: Progress) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((backup / MANIFEST).read_text())
        files = manifest["files"]
        assert isinstance(files, dict)
    except (OSError, ValueError, KeyError, AssertionError):
        raise BackupError(f"{backup} holds no {MANIFEST} of a backup") from None
    for at, (name, digest) in enumerate(files.items()):
        parts = PurePosixPath(name).parts
        is_ours = parts[0] in FOLDERS and ".." not in parts if parts[1:] else name == parts[0]
        if not is_ours:
            raise BackupError(f"{backup / MANIFEST} names {name}, which is of no backup")
        path = backup / name
        if not path.is_file():
            raise BackupError(f"{path} is missing")
        if digest_of(path) != digest:
            raise BackupError(f"{path} is not what was backed up")
        progress(at + 1, len(files))
    return manifest


def _places(manifest: dict[str, Any]) -> dict[str, str]:
    # Backups of before there were people say nothing but where the devices stand.
    before = {"hub.toml": "hub.toml", "hub.secret": "hub.secret"}
    return manifest.get("places") or {**before, "devices.toml": str(manifest["devices"])}


def _target_of(name: str, manifest: dict[str, Any], folder: Path, data: Path) -> Path:
    place = _places(manifest).get(name)
    return data / name if place is None else folder / place


def _data_of(backup: Path, manifest: dict[str, Any]) -> str:
    # A backup that does not say it has all that its settings name beside them.
    return str(
        manifest.get("data") or configuration.load(backup / "hub.toml").tables["hub"]["data"]
    )


def _files_replaced(data: Path, names: list[str]) -> list[Path]:
    """Return what of the data goes aside for these files; the store always does."""
    databases = [STORE, ALERTS] if ALERTS in names else [STORE]
    files = [f"{one}{suffix}" for one in databases for suffix in ("", "-wal", "-shm")]
    folders = sorted({name.partition("/")[0] for name in names if "/" in name})
    return [data / name for name in (*files, *folders, ledger.HEAD_FILE, synced.FILE)]


def _put_aside(folder: Path, paths: list[Path], utc_us: int) -> Path | None:
    present = [path for path in paths if path.exists()]
    if not present:
        return None
    moment = f"{datetime.fromtimestamp(utc_us // 10**6, UTC):%Y%m%dT%H%M%SZ}"
    place = folder / f"replaced-{moment}"
    place.mkdir(mode=0o700)
    for path in present:
        target = place / path.name
        while target.exists():  # of another folder
            target = target.with_name(f"_{target.name}")
        path.rename(target)
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
