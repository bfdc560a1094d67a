"""`hinomi hub update`: sign a release, roll it out, watch it, stop it."""

import getpass
import json
import os
import time
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from boards import image
from hub import config as configuration
from hub.commands import DEFAULT, CommandError, ConfigPath, _fetch, app
from hub.rollout import FAILED, FETCHING, HEALTHY, PACKAGE, WAITING
from hub.update import FOLDER, ORDER
from protocols.manifest import split_release

update = typer.Typer(help="Updates of devices / 端末の更新", no_args_is_help=True)
app.add_typer(update, name="update")

TAKEN_S_MAX = 5.0
POLL_S = 0.5
_STYLES = {HEALTHY: "green", FAILED: "bold red", FETCHING: "cyan", WAITING: "dim", PACKAGE: "dim"}


@update.command(epilog="Example: hinomi hub update key ~/release.pem")
def key(
    file: Annotated[Path, typer.Argument(help="Where the new private key goes.")],
) -> None:
    """Make the key that signs releases; print what boards verify with. / 署名鍵を作る"""
    typer.echo(image.make_key(file))


@update.command(
    epilog="Example: hinomi hub update sign ~/release.pem build/river-gauge "
    "--version 0.2.0 --counter 2 --out river.release"
)
def sign(
    key: Annotated[Path, typer.Argument(help="Private key, as `update key` wrote it.")],
    source: Annotated[Path, typer.Argument(help="Image, or folder of the built agent.")],
    *,
    version: Annotated[str, typer.Option(help="Version of the release.")],
    counter: Annotated[
        int, typer.Option(help="Never less than before: devices refuse to go back.", min=0)
    ],
    out: Annotated[Path, typer.Option(help="Release file to write.")] = Path("image.release"),
    boards: Annotated[str, typer.Option(help="Boards that it fits, with commas.")] = "pico-w",
    profiles: Annotated[
        str, typer.Option(help="Profiles that it fits, with commas; all when empty.")
    ] = "",
) -> None:
    """Sign an image. / 更新ファイルに署名する"""
    data = image.read_image(source)
    target = (_names(boards), _names(profiles))
    release = image.sign(image.read_key(key), data, target, version=version, counter=counter)
    try:
        out.write_bytes(release)
    except OSError as error:
        remedy = "Choose a folder that this user may write with --out."
        raise CommandError(f"{out} cannot be written: {error.strerror}", remedy) from None
    typer.echo(f"Wrote {out}: version {version}, counter {counter}, image of {len(data)} bytes")


@update.command(epilog="Example: hinomi hub update start river.release --kind river")
def start(
    file: Annotated[Path, typer.Argument(help="Release file.")],
    *,
    config: ConfigPath = DEFAULT,
    kind: Annotated[str, typer.Option(help="Only devices of this kind; all when empty.")] = "",
    devices: Annotated[
        str, typer.Option(help="Only these devices, with commas between; all when empty.")
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Go on in watch mode too.")] = False,
) -> None:
    """Roll a release out: one device, then a share, then all. / 段階的に更新する"""
    loaded = configuration.load(config)
    data = image.read_release(file)
    chosen = _chosen(loaded, kind, devices)
    manifest = split_release(data)[1]
    name = sha256(data).hexdigest()[:16] + ".release"
    order = {"command": "start", "file": name, "version": manifest.version, "devices": chosen}
    _leave(loaded, {**order, "force": force}, (name, data))
    typer.echo(f"Update to {manifest.version} of {len(chosen)} devices: see `update status`.")


@update.command(epilog="Example: hinomi hub update status --follow")
def status(
    config: ConfigPath = DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for the end.")] = False,
) -> None:
    """Show how far the update is. / 更新の状況

    With --follow exit code 1 where it has stopped.
    """
    loaded = configuration.load(config)
    state = _state(loaded)
    if follow and state is not None:
        state = _follow(loaded, state)
    if as_json:
        typer.echo(json.dumps(state, ensure_ascii=False))
    elif state is None:
        typer.echo("There is no update. / 更新はありません")
    else:
        _render(state)
    if follow and state is not None and state["stopped"]:
        raise typer.Exit(1)


@update.command(epilog="Example: hinomi hub update stop")
def stop(config: ConfigPath = DEFAULT) -> None:
    """Stop the update: no further device is offered it. / 更新を中止する"""
    _leave(configuration.load(config), {"command": "stop"}, None)
    typer.echo("The update stops; devices that have switched stay as they are.")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _chosen(loaded: configuration.Config, kind: str, devices: str) -> list[str]:
    wanted = _names(devices)
    unknown = [name for name in wanted if name not in loaded.devices]
    if unknown:
        raise CommandError(f"{unknown[0]} is not enrolled", "See devices.toml for the names.")
    chosen = [
        name
        for name, device in loaded.devices.items()
        if (not wanted or name in wanted) and (not kind or device.kind == kind)
    ]
    if not chosen:
        raise CommandError("No device is meant", "Choose another --kind or --devices.")
    return chosen


def _leave(
    loaded: configuration.Config, order: dict[str, Any], release: tuple[str, bytes] | None
) -> None:
    """Leave an order for the hub, and wait a little until it has taken it."""
    folder = loaded.data / FOLDER
    path = folder / ORDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if release is not None:
            _write(folder / release[0], release[1])
        text = json.dumps({**order, "actor": f"operator {getpass.getuser()}"})
        _write(path, text.encode())
    except OSError as error:
        remedy = "Run this as the user of the hub, on the hub's machine."
        raise CommandError(f"{folder} cannot be written: {error.strerror}", remedy) from None
    end = time.monotonic() + TAKEN_S_MAX
    while path.exists():
        if time.monotonic() > end or not _is_running(loaded):
            typer.echo("The hub is not running; it takes the order when it starts.", err=True)
            return
        time.sleep(0.1)


def _is_running(loaded: configuration.Config) -> bool:
    try:
        _state(loaded)
    except CommandError:
        return False
    return True


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    draft = path.with_suffix(".draft")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _state(loaded: configuration.Config) -> dict[str, Any] | None:
    state: dict[str, Any] | None = _fetch(loaded, "/api/status")["update"]
    return state


def _follow(loaded: configuration.Config, state: dict[str, Any]) -> dict[str, Any]:
    total = sum(state["counts"].values())
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.1f}"))
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=total)
        while True:
            frozen = ", frozen / 凍結中" if state["is_frozen"] else ""
            words = f"{state['version']}, stage {state['stage']} of 3{frozen}"
            progress.update(task, description=words, completed=_done(state))
            following = None if state["is_over"] else _state(loaded)
            if following is None:
                return state
            state = following
            time.sleep(POLL_S)


def _done(state: dict[str, Any]) -> float:
    """Return the devices that are through, with the fraction that others have fetched."""
    size, counts = max(1, state["size"]), state["counts"]
    fetched = sum(row["offset"] / size for row in state["devices"])  # else 0
    return float(counts[HEALTHY] + counts[PACKAGE] + counts[FAILED] + fetched)


def _render(state: dict[str, Any]) -> None:
    out = Console()
    words = "stopped: " + state["stopped"] if state["stopped"] else f"stage {state['stage']} of 3"
    frozen = ", frozen by the mode of operation" if state["is_frozen"] else ""
    out.print(f"version {state['version']}: {words}{frozen}", markup=False)
    table = Table("device", "state", "fetched", "")
    for row in state["devices"]:
        style = _STYLES.get(row["state"], "yellow")
        share = f"{100 * row['offset'] // max(1, state['size'])} %" if row["offset"] else ""
        table.add_row(row["device"], f"[{style}]{row['state']}[/]", share, row["detail"])
    out.print(table)
    total = sum(state["counts"].values())
    if total > len(state["devices"]):
        counts = ", ".join(f"{name} {count}" for name, count in state["counts"].items() if count)
        out.print(f"{len(state['devices'])} of {total} devices; {counts}", markup=False)
