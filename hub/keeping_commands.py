"""`hinomi hub verify | gaps | audit | backup | restore | export | import`: what keeps the data."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from hub import config as configuration
from hub import evacuate, ledger
from hub.alerts import outbox
from hub.backup import PEOPLE, BackupError, back_up
from hub.backup import restore as restore_backup
from hub.clock import HostClock
from hub.commands import DEFAULT, CommandError, ConfigPath, app
from hub.database import StoreError, connect_to_read
from hub.evacuate import EvacuationError
from hub.remains import TABLES, authentic, is_chunk
from hub.store import Store
from protocols.vocabulary import GAP_NAMES, LANE_NAMES

STORE = "hub.sqlite"
KEY_PREFIX = "neighbour:"  # in meta: the public key of another hub, as it was given once
_SALVAGE = "Start the hub again: it puts the damaged store aside and saves what is readable."
_FILES = "Check the disk, and that this user may read and write there."
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def _told(remedy: str) -> Iterator[None]:
    """Turn what may go wrong into a sentence of cause and one of remedy."""
    try:
        yield
    except StoreError as error:
        wanted = "Stop the hub first." if "another hub uses" in str(error) else remedy
        raise CommandError(f"{error}.", wanted) from None
    except (BackupError, EvacuationError, ledger.LedgerError, sqlite3.Error) as error:
        raise CommandError(f"{error}.", remedy) from None
    except OSError as error:
        raise CommandError(f"{error.filename or 'A file'}: {error.strerror}.", _FILES) from None


@contextmanager
def _bar(words: str) -> Iterator[Callable[[int, int], None]]:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(words, total=None)
        yield lambda done, of_all: progress.update(task, completed=done, total=of_all)


@app.command(epilog="Example: hinomi hub verify --deep")
def verify(
    config: ConfigPath = DEFAULT,
    head: Annotated[
        list[str] | None,
        typer.Option(help="A head of the ledger that was kept elsewhere: 'NUMBER HASH'."),
    ] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Check every frame's row too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check the ledger and the store, of a running hub too. / 台帳と保存データの検査"""
    folder = configuration.load(config).data
    with _told("Keep the files, and ask who had access to them; the platform has earlier heads."):
        heads = [ledger.parse_head(text) for text in head or ()]
        with closing(connect_to_read(folder / STORE)) as db:
            kept = ledger.read_head_file(folder)  # before the chain, which only grows
            db.execute("BEGIN")
            end = ledger.verify(db, *heads, *([kept] if kept else []))
            counts = {"ledger": end.sequence, **_check_rows(db, deep), **_check_alerts(folder)}
    if as_json:
        typer.echo(json.dumps({**counts, "head": str(end)}))
    else:
        typer.echo(f"All is as it was written: {counts}. Head of the ledger: {end}")


def _check_rows(db: sqlite3.Connection, deep: bool) -> dict[str, int]:
    counts = {}
    for table in TABLES:
        rows = db.execute(f"SELECT * FROM {table}").fetchall()
        if any(authentic(table, row) is None for row in rows):
            raise CommandError(f"A row of {table} is not what was written.", _SALVAGE)
        counts[table] = len(rows)
    if deep:
        counts["chunks"] = _check_chunks(db)
    return counts


def _check_alerts(folder: Path) -> dict[str, int]:
    path = folder / outbox.FILE_NAME
    if not path.exists():
        return {}
    try:
        return {"alerts": outbox.count_checked(path)}
    except outbox.OutboxError as error:
        remedy = "Start the hub again: it puts the damaged file aside; what was open begins anew."
        raise CommandError(f"{error}.", remedy) from None


def _check_chunks(db: sqlite3.Connection) -> int:
    (count,) = db.execute("SELECT count(*) FROM chunk").fetchone()
    with _bar("checking") as progress:
        for at, row in enumerate(db.execute("SELECT id, count, frames, crc FROM chunk")):
            if row[3] is not None and not is_chunk(row):
                raise CommandError(f"Row {row[0]} of the frames is damaged.", _SALVAGE)
            progress(at + 1, count)
    found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise CommandError(f"The store is damaged: {found}.", _SALVAGE)
    return int(count)


@app.command(epilog="Example: hinomi hub gaps --device river-1 --since 2026-07-01")
def gaps(
    config: ConfigPath = DEFAULT,
    device: Annotated[str | None, typer.Option(help="Only of this device.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Only from this day (UTC) on.")] = None,
    as_json: AsJson = False,
) -> None:
    """List what is known lost, and why. / 失われたデータの一覧"""
    for row in _entries(config, ledger.GAP, since):
        if device not in (None, row["device"]):
            continue
        reason = GAP_NAMES.get(row["reason"], str(row["reason"]))
        row |= {"reason": reason, "lane": LANE_NAMES[row["lane"]]}
        words = "{utc} {device} boot {boot}: {first}..{next} {lane}, {reason} {detail}"
        typer.echo(json.dumps(row, ensure_ascii=False) if as_json else words.format(**row))


@app.command(epilog="Example: hinomi hub audit --since 2026-07-01 --json")
def audit(
    config: ConfigPath = DEFAULT,
    since: Annotated[datetime | None, typer.Option(help="Only from this day (UTC) on.")] = None,
    as_json: AsJson = False,
) -> None:
    """List who changed what. / 変更の記録"""
    for row in _entries(config, ledger.AUDIT, since):
        words = "{utc} {actor}, {command}: {what}: {before} -> {after}"
        typer.echo(json.dumps(row, ensure_ascii=False) if as_json else words.format(**row))


def _entries(config: Path, kind: str, since: datetime | None) -> Iterator[dict[str, Any]]:
    since_utc_us = int(since.replace(tzinfo=UTC).timestamp() * 1_000_000) if since else 0
    with _told(_SALVAGE), closing(connect_to_read(configuration.load(config).data / STORE)) as db:
        for sequence, entry in ledger.read(db, kind, since_utc_us):
            moment = datetime.fromtimestamp(entry.at_utc_us // 1_000_000, UTC)
            yield {"sequence": sequence, "utc": f"{moment:%Y-%m-%dT%H:%M:%SZ}", **entry.fields()}


@app.command(epilog="Example: hinomi hub backup /media/usb/hub-2026-07-01")
def backup(
    folder: Annotated[Path, typer.Argument(help="New folder for the copy.")],
    config: ConfigPath = DEFAULT,
) -> None:
    """Copy data, alerts, settings, people, secrets while the hub runs. / 稼働中のバックアップ"""
    loaded = configuration.load(config)
    with _told("Choose a folder that is not there yet."), _bar("copying") as progress:
        back_up(loaded, folder, HostClock().utc_us(), progress)
    people = " and what is known of people" if (folder / PEOPLE).exists() else ""
    typer.echo(f"Wrote {folder}. It holds secrets{people}: keep it where nobody else can read it.")


@app.command(epilog="Example: hinomi hub restore /media/usb/hub-2026-07-01 --config hub.toml")
def restore(
    folder: Annotated[Path, typer.Argument(help="Folder that `hub backup` wrote.")],
    config: ConfigPath = DEFAULT,
) -> None:
    """Make a stopped hub what a backup says; its files are put aside. / バックアップから復元"""
    with _told("Take another backup; this one was changed or is not complete."), \
            _bar("checking") as progress:  # fmt: skip
        utc_us = HostClock().utc_us()
        replaced = restore_backup(folder, config.parent.absolute(), utc_us, progress)
    aside = f" What was there is in {replaced}." if replaced else ""
    typer.echo(f"Restored {folder}.{aside} Start the hub with: hinomi hub run --config {config}")
    if (folder / PEOPLE).exists():
        typer.echo(
            "Before that: consents are as they were in the backup; enter what was withdrawn since."
            "\n起動の前に: 同意はバックアップ時点のものです。その後の撤回を people.toml に"
            "反映してください。"
        )


@app.command(epilog="Example: hinomi hub export --evacuate /media/usb/hub-1.evacuation")
def export(
    config: ConfigPath = DEFAULT,
    evacuation: Annotated[
        Path | None, typer.Option("--evacuate", help="New file for all that is undelivered.")
    ] = None,
    show_key: Annotated[
        bool, typer.Option("--show-key", help="Print the public key that another hub needs.")
    ] = False,
) -> None:
    """Write what no platform has yet as one signed file. / 未送信データを署名付きで持ち出す"""
    loaded = configuration.load(config)
    if show_key:
        typer.echo(evacuate.public_key_of(loaded.secret).hex())
    if evacuation is None:
        if not show_key:
            raise CommandError("Nothing to do.", "Name a file with --evacuate FILE.")
        return
    with _told("Choose a file that is not there yet, on a disk with room."), \
            _bar("writing") as progress:  # fmt: skip
        found = evacuate.export(loaded, evacuation, HostClock().utc_us(), progress)
    typer.echo(f"Wrote {evacuation}: {found.frames} frames, {found.size} bytes.")


@app.command("import", epilog="Example: hinomi hub import hub-1.evacuation --key 0123..ef")
def import_(
    evacuation: Annotated[Path, typer.Argument(help="File that `hub export` wrote.")],
    config: ConfigPath = DEFAULT,
    key: Annotated[
        str, typer.Option(help="Public key of that hub, 64 digits; kept from then on.")
    ] = "",
) -> None:
    """Take in what another hub could not deliver; stop this hub first. / 他庁舎のデータの取込み"""
    loaded = configuration.load(config)
    remedy = "Write the file again at its hub; give its key (`hinomi hub export --show-key`)."
    with _told(remedy), _bar("reading") as progress:
        found = asyncio.run(_import(loaded, evacuation, key, progress))
    typer.echo(f"Took in {found.new} of {found.frames} frames of {found.hub};"
               f" {found.frames - found.new} were there already.")  # fmt: skip


async def _import(
    loaded: configuration.Config, path: Path, key: str, progress: evacuate.Progress
) -> evacuate.Evacuation:
    store = Store(loaded.data, loaded.tables["store"]["size_max_mib"] << 20)
    try:
        keys = {
            name.removeprefix(KEY_PREFIX): bytes.fromhex(str(value))
            for name, value in store.meta.items()
            if name.startswith(KEY_PREFIX)
        }
        hub = evacuate.hub_of(path)
        if key:
            keys[hub] = _public_key(key)
        found = evacuate.check(path, keys, progress)
        found = await evacuate.take_in(path, store, found, progress)
        store.save_meta(KEY_PREFIX + hub, keys[hub].hex())
        what = f"{found.new} of {found.frames} frames of {hub}"
        utc_us = HostClock().utc_us()
        store.group.ledger.append(ledger.audit(utc_us, "operator", "import", what=what))
        return found
    finally:
        await store.close()


def _public_key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise EvacuationError("a public key has 64 hexadecimal digits")
    return key
