"""`hinomi hub people` and `hinomi hub safety`: what the office asks of the running hub.

Whoever looks gives --viewer and --ground; both stand in the ledger, with the user that the kernel
names, before anything is shown.
"""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hub import config as configuration
from hub.admin import ask
from hub.clock import HostClock
from hub.commands import DEFAULT, CommandError, ConfigPath, app
from hub.people import register
from hub.people.safety import STATES, Status, as_csv, as_page

people = typer.Typer(help="People watched over, by consent / 見守り", no_args_is_help=True)
safety = typer.Typer(help="Safety confirmation list / 安否確認", no_args_is_help=True)
app.add_typer(people, name="people")
app.add_typer(safety, name="safety")

PIECE_ROWS = 100  # of an import, at a time

Viewer = Annotated[str, typer.Option(help="Office that looks, as in people.viewers.")]
Ground = Annotated[str, typer.Option(help="Why; it stands in the audit log.")]
By = Annotated[str, typer.Option(help="Who enters or orders it, for the audit log.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@people.command(epilog="Example: hinomi hub people add p-001 --consent 2026-04-01 --device home-1")
def add(
    pseudonym: Annotated[str, typer.Argument(help="Never a name: p-001.")],
    *,
    config: ConfigPath = DEFAULT,
    consent: Annotated[str, typer.Option(help="Day of the written consent: 2026-04-01.")],
    device: Annotated[list[str], typer.Option(help="Device in the home; may be repeated.")],
    contact: Annotated[
        list[str] | None, typer.Option(help="How a contact is reached, in their order.")
    ] = None,
) -> None:
    """Enter a person into people.toml; a running hub reads it at once. / 対象者を登録"""
    loaded = configuration.load(config)
    values = {"pseudonym": pseudonym, "consent": consent, "devices": device}
    register.add(_file(loaded), values, contact or [], list(loaded.devices))
    typer.echo(f"{pseudonym} is in {_file(loaded)}: nights, absences and ways may be added there.")


@people.command(epilog="Example: hinomi hub people check")
def check(config: ConfigPath = DEFAULT) -> None:
    """Check people.toml, and count whose consent is in force. / 登録簿の検査"""
    loaded = configuration.load(config)
    found = register.load(_file(loaded), list(loaded.devices))
    count = sum(one.is_consented(date.today()) for one in found.values())
    typer.echo(f"{len(found)} people, {count} with consent in force today.")


@people.command(
    epilog="Example: hinomi hub people view p-001 --viewer welfare --ground 'neighbour called'"
)
def view(
    pseudonym: Annotated[str, typer.Argument(help="Who.")],
    *,
    config: ConfigPath = DEFAULT,
    viewer: Viewer,
    ground: Ground,
) -> None:
    """Show what is known of a person; the view is audited. / 対象者の状態を閲覧 (記録されます)"""
    request = {"do": "people view", "pseudonym": pseudonym, "viewer": viewer, "ground": ground}
    typer.echo(json.dumps(_ask(config, request), ensure_ascii=False, indent=2))


@people.command(epilog="Example: hinomi hub people cases --viewer welfare --ground 'on duty'")
def cases(
    config: ConfigPath = DEFAULT, *, viewer: Viewer, ground: Ground, as_json: AsJson = False
) -> None:
    """List the open cases and whom to ask now; `alerts ack ID` acknowledges. / 対応中の一覧"""
    rows = _ask(config, {"do": "people cases", "viewer": viewer, "ground": ground})
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    table = Table("id", "who / 対象", "what / 内容", "since (UTC)", "ask / 連絡先", "acknowledged")
    for row in rows:
        moment = datetime.fromtimestamp(row["utc_us"] // 1_000_000, UTC)
        text = f"{row['text_ja']}\n{row['text_en']}"
        ask_now = "" if row["acknowledged_by"] else row["ask"]
        table.add_row(str(row["id"]), row["pseudonym"], text, f"{moment:%m-%d %H:%M}", ask_now,
                      row["acknowledged_by"])  # fmt: skip
    Console().print(table)


@people.command(
    epilog="Example: hinomi hub people widen fire-brigade --by mayor --ground 'quake' --hours 12"
)
def widen(
    to: Annotated[str, typer.Argument(help="Who may look for a time.")],
    *,
    config: ConfigPath = DEFAULT,
    by: By,
    ground: Ground,
    hours: Annotated[int, typer.Option(help="It ends by itself then.", min=1, max=168)] = 12,
) -> None:
    """Let others look, in a disaster only; it ends by itself. / 災害時の閲覧範囲の拡大"""
    request = {"do": "people widen", "to": to, "by": by, "ground": ground, "hours": hours}
    done = _ask(config, request)
    typer.echo(f"{done['to']} may look for {done['hours']} h, or until the mode is normal.")


@people.command(epilog="Example: hinomi hub people narrow fire-brigade --by mayor")
def narrow(
    to: Annotated[str, typer.Argument(help="Who may look no more.")],
    *,
    config: ConfigPath = DEFAULT,
    by: By,
) -> None:
    """End before its time that others may look. / 拡大の取消し"""
    done = _ask(config, {"do": "people narrow", "to": to, "by": by})
    typer.echo(f"{to} may look no more." if done["was_in"] else f"{to} was not let in.")


@safety.command("set", epilog="Example: hinomi hub safety set p-001 safe --by shelter-2")
def set_(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Person or household.")],
    state: Annotated[str, typer.Argument(help="safe, needs-help or unknown.")],
    *,
    config: ConfigPath = DEFAULT,
    by: By,
    number: Annotated[int, typer.Option("--people", help="How many people.", min=0)] = 1,
    place: Annotated[str, typer.Option(help="Where they are.")] = "",
    note: Annotated[str, typer.Option(help="What they need.")] = "",
) -> None:
    """Enter how a person or household is. / 安否を入力"""
    if state not in STATES:
        raise typer.BadParameter(f"Write {', '.join(STATES)}.", param_hint="STATE")
    row = {"id": id_, "state": state, "people": number, "place": place, "note": note}
    _say(_ask(config, {"do": "safety put", "by": by, "rows": [row]}))


@safety.command("import", epilog="Example: hinomi hub safety import households.csv --by office")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV with id, state, people, place, note.")],
    *,
    config: ConfigPath = DEFAULT,
    by: By,
) -> None:
    """Enter many from a CSV file, as `export` writes it. / CSVから一括入力"""
    rows = list(_rows(file))
    for at in range(0, len(rows), PIECE_ROWS):
        part = rows[at : at + PIECE_ROWS]
        done = _ask(config, {"do": "safety put", "by": by, "rows": part})
    if rows:
        _say(done)


@safety.command("list", epilog="Example: hinomi hub safety list --viewer welfare --ground duty")
def list_(
    config: ConfigPath = DEFAULT, *, viewer: Viewer, ground: Ground, as_json: AsJson = False
) -> None:
    """Show the list, who needs help first. / 一覧"""
    found = _safety(config, viewer, ground)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    table = Table("id", "安否 / state", "people", "place", "note", "by")
    for row in found["rows"]:
        state = f"{STATES[row['state']]} {row['state']}"
        cells = (str(row["people"]), row["place"], row["note"], row["by"])
        table.add_row(row["id"], state, *cells)
    Console().print(table)
    _say(found)


@safety.command(
    epilog="Example: hinomi hub safety export list.csv --viewer welfare --ground 'shift change'"
)
def export(
    file: Annotated[Path, typer.Argument(help="New file: .csv, or .html to print.")],
    *,
    config: ConfigPath = DEFAULT,
    viewer: Viewer,
    ground: Ground,
) -> None:
    """Write the list as CSV, or as a page to print. / CSV・印刷用に書き出す"""
    if file.suffix not in (".csv", ".html"):
        raise typer.BadParameter("Write a name that ends in .csv or .html.", param_hint="FILE")
    found = _safety(config, viewer, ground)
    rows = [Status(**row) for row in found["rows"]]
    offset_min = configuration.load(config).tables["mode"]["utc_offset_min"]
    if file.suffix == ".csv":
        text = as_csv(rows, found["drill"], offset_min)
    else:
        text = as_page(rows, found["drill"], HostClock().utc_us(), offset_min)
    register.write_private(file, text)
    typer.echo(f"Wrote {file}: personal, handle with care. {found['counts']}")


@safety.command(epilog="Example: hinomi hub safety close --by office")
def close(config: ConfigPath = DEFAULT, *, by: By) -> None:
    """End the list once the mode is normal; export it before. / 安否確認の終了"""
    done = _ask(config, {"do": "safety close", "by": by})
    typer.echo(f"The list of {done['closed']} rows is closed and erased.")


def _ask(config: Path, request: dict[str, Any]) -> Any:
    return ask(configuration.load(config).data, request)


def _safety(config: Path, viewer: str, ground: str) -> Any:
    return _ask(config, {"do": "safety list", "viewer": viewer, "ground": ground})


def _say(done: dict[str, Any]) -> None:
    mark = "【訓練】EXERCISE " if done["drill"] else ""
    counts = " / ".join(f"{STATES[state]} {n}" for state, n in done["counts"].items())
    typer.echo(f"{mark}{counts}")


def _file(loaded: configuration.Config) -> Path:
    return loaded.folder / str(loaded.tables["people"]["file"])


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            for row in csv.DictReader(lines):
                count = int(row.get("people") or 1)
                yield {"id": row["id"], "state": row.get("state") or "unknown", "people": count,
                       "place": row.get("place") or "", "note": row.get("note") or ""}  # fmt: skip
    except (OSError, UnicodeDecodeError) as error:
        remedy = "Name a CSV file in UTF-8 that this user may read."
        raise CommandError(f"{file} cannot be read: {error}.", remedy) from None
    except (KeyError, ValueError) as error:
        remedy = "Its first line must say: id,state,people,place,note."
        raise CommandError(f"{file} is not such a list: {error}.", remedy) from None
