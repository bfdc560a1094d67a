"""`hinomi hub`: what an operator types."""

import asyncio
import json
import os
import secrets
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from hub import config as configuration
from hub.console.client import fetch, url_of

app = typer.Typer(help="The hub in the town hall.", no_args_is_help=True)

ConfigPath = Annotated[Path, typer.Option("--config", "-c", help="hub.toml of this hub.")]
DEFAULT = Path("hub.toml")
EXIT_S_MAX = 0.5


class CommandError(Exception):
    """A command failed: one sentence of cause, one of remedy."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy


@app.command(epilog="Example: hinomi hub init /srv/hinomi")
def init(
    folder: Annotated[Path, typer.Argument(help="Folder for hub.toml and the store.")] = Path(),
) -> None:
    """Write hub.toml with every setting explained, and this hub's secret."""
    path = configuration.init(folder)
    typer.echo(f"Wrote {path}. Start the hub with: hinomi hub run --config {path}")


@app.command(
    epilog="Example: hinomi hub enroll river-1 --kind river --name-en 'Ota river, bridge 3'"
)
def enroll(
    name: Annotated[str, typer.Argument(help="Name of the device, 1..16 bytes.")],
    config: ConfigPath = DEFAULT,
    kind: Annotated[str, typer.Option(help="bridge, river, slope, home or other.")] = "other",
    name_ja: Annotated[str, typer.Option(help="Name shown in Japanese.")] = "",
    name_en: Annotated[str, typer.Option(help="Name shown in English.")] = "",
    personal: Annotated[bool, typer.Option(help="It concerns a person.")] = False,
) -> None:
    """Add a device and print its secret, once, for the board's config.json."""
    loaded = configuration.load(config)
    secret = secrets.token_bytes(32)
    device = configuration.Device(name, secret, kind, name_ja, name_en, personal)
    path = loaded.folder / loaded.tables["hub"]["devices"]
    configuration.enroll(path, device)
    typer.echo(secret.hex())


@app.command(epilog="Example: hinomi hub run --config /srv/hinomi/hub.toml")
def run(
    config: ConfigPath = DEFAULT,
    json_ready: Annotated[
        bool, typer.Option("--json", help="Print one JSON line when devices may dial.")
    ] = False,
    log_format: Annotated[
        str, typer.Option(help="json, text, or auto: text on a terminal, else JSON.")
    ] = "auto",
) -> None:
    """Run the hub until Ctrl-C or SIGTERM."""
    from hub.database import StoreError
    from hub.logs import set_up as set_up_logs
    from hub.main import run as run_hub

    if log_format not in ("auto", "json", "text"):
        raise typer.BadParameter("Write json, text or auto.", param_hint="--log-format")
    loaded = configuration.load(config)
    set_up_logs(log_format)

    async def main() -> None:
        ready: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        ready.add_done_callback(lambda done: _announce(done, json_ready, loaded))
        await run_hub(loaded, ready)
        # All is committed by now. A name server or a platform that does not answer may hold a
        # thread.
        last = threading.Timer(EXIT_S_MAX, os._exit, (0,))
        last.daemon = True
        last.start()

    try:
        asyncio.run(main())
    except StoreError as error:
        remedy = "Stop another hub that uses it; else check the disk and the rights of its folder."
        raise CommandError(str(error), remedy) from None
    except OSError as error:
        remedy = "Stop what uses these ports, or choose other hosts and ports in hub.toml."
        cause = error.strerror or error
        raise CommandError(f"The hub cannot start: {cause}", remedy) from None


def _announce(
    done: "asyncio.Future[tuple[int, int]]", as_json: bool, loaded: configuration.Config
) -> None:
    if done.cancelled():
        return
    port, console_port = done.result()
    if as_json:
        ready = {"ready": True, "port": port, "console_port": console_port, "pid": os.getpid()}
        typer.echo(json.dumps(ready))
    else:
        host, row = loaded.tables["ingest"]["host"], loaded.tables["console"]
        page = f"{'https' if row['certificate'] else 'http'}://{row['host']}:{console_port}"
        typer.echo(f"Devices: {host}:{port}  Page: {page}")
    sys.stdout.flush()


@app.command(epilog="Example: hinomi hub status --json | jq .uplinks")
def status(
    config: ConfigPath = DEFAULT,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole state as JSON.")
    ] = False,
) -> None:
    """Show how the running hub is."""
    from hub.status import render

    state = _fetch(configuration.load(config), "/api/status")
    if as_json:
        typer.echo(json.dumps(state, ensure_ascii=False))
    else:
        render(state)


def _fetch(config: configuration.Config, path: str) -> dict[str, Any]:
    try:
        return fetch(config, path, 5)  # type: ignore[no-any-return]
    except (OSError, ValueError) as error:
        remedy = "Start it with `hinomi hub run`, or name its hub.toml with --config."
        raise CommandError(f"No hub answers at {url_of(config)}: {error}", remedy) from None


# Commands that stand in files of their own.
from hub import (  # noqa: E402
    alert_commands,  # noqa: F401
    compact,  # noqa: F401
    dead_letter_commands,  # noqa: F401
    device_commands,  # noqa: F401
    keeping_commands,  # noqa: F401
    mode_commands,  # noqa: F401
    operation_commands,  # noqa: F401
    operator_commands,  # noqa: F401
    people_commands,  # noqa: F401
    report_commands,  # noqa: F401
    update_commands,  # noqa: F401
)
