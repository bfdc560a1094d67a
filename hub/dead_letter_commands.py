"""`hinomi hub dead-letters`: frames that a platform refused, and one more try for them."""

import json
import sqlite3
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hub import config as configuration
from hub import dead_letters as letters
from hub.clock import HostClock
from hub.commands import DEFAULT, CommandError, ConfigPath, app
from hub.database import StoreError, connect, connect_to_read
from hub.ledger import append, audit
from protocols.vocabulary import LANE_NAMES

ACTOR = "operator"


@app.command("dead-letters", epilog="Example: hinomi hub dead-letters --retry")
def dead_letters(
    config: ConfigPath = DEFAULT,
    retry: Annotated[
        bool, typer.Option("--retry", help="Ask the hub to send them once more.")
    ] = False,
    uplink: Annotated[
        str | None, typer.Option(help="Only those of this uplink; all when not given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """List the frames that a platform refused; they are kept. / 受け取られなかったデータの一覧"""
    path = configuration.load(config).data / "hub.sqlite"
    try:
        if retry:
            _retry(path, uplink)
        else:
            _list(path, uplink, as_json)
    except sqlite3.Error as error:
        raise CommandError(f"The store cannot be read: {error}.", _REMEDY) from None
    except StoreError as error:
        raise CommandError(f"{error}.", _REMEDY) from None


_COLUMNS = ("uplink", "lane", "device", "boot", "index", "tries", "reason")
_REMEDY = "Start the hub once with `hinomi hub run`, or name its hub.toml with --config."


def _list(path: Path, uplink: str | None, as_json: bool) -> None:
    db = connect_to_read(path)
    found = [one for one in letters.read_all(db) if uplink in (None, one.key[0])]
    db.close()
    if as_json:
        typer.echo(json.dumps([_row(one) for one in found], ensure_ascii=False))
        return
    table = Table(*_COLUMNS)
    for one in found:
        row = _row(one)
        table.add_row(*(str(row[name]) for name in _COLUMNS))
    Console().print(table)
    typer.echo(f"{len(found)} dead letters")


def _row(letter: letters.DeadLetter) -> dict[str, Any]:
    device, boot, index = letter.identity()
    uplink, lane, sequence = letter.key
    return {
        "uplink": uplink,
        "lane": LANE_NAMES[lane],
        "sequence": sequence,
        "device": device,
        "boot": boot,
        "index": index,
        "tries": letter.tries,
        "at_utc_us": letter.at_utc_us,
        "size": len(letter.frame),
        "reason": letter.reason,
    }


def _retry(path: Path, uplink: str | None) -> None:
    connect_to_read(path).close()  # a store that is not there is not to be made
    db = connect(path)
    db.execute("BEGIN IMMEDIATE")
    count = letters.ask_to_retry(db, uplink)
    if count:
        what = f"dead letters of {uplink or 'all uplinks'}"
        entry = audit(HostClock().utc_us(), ACTOR, "dead-letters --retry", what=what, after=count)
        append(db, [entry])
    db.execute("COMMIT")
    db.close()
    typer.echo(f"{count} dead letters will be sent once more while the line is up.")
