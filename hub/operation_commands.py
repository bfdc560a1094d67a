"""`hinomi hub doctor` and `hinomi hub service`: what keeps an installed hub in order."""

import json
from typing import Annotated

import typer

from hub import config as configuration
from hub.commands import DEFAULT, ConfigPath, app


@app.command(epilog="Example: hinomi hub doctor --config /srv/hinomi/hub.toml --language ja")
def doctor(
    config: ConfigPath = DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    language: Annotated[str, typer.Option(help="ja or en; by default that of the terminal.")] = "",
) -> None:
    """Check disk, clock, rights, ports and brokers, each with a remedy; changes nothing."""
    from hub.diagnosis import FAIL, language_of
    from hub.doctor import examine

    if language not in ("", "ja", "en"):
        raise typer.BadParameter("Write ja or en.", param_hint="--language")
    found = examine(config)
    if as_json:
        typer.echo(json.dumps([one.row() for one in found], ensure_ascii=False))
    else:
        for one in found:
            typer.echo("\n".join(one.lines(language_of(language))))
    if any(one.state == FAIL for one in found):
        raise typer.Exit(1)


@app.command(epilog="Example: sudo hinomi hub service --config /srv/hinomi/hub.toml --install")
def service(
    config: ConfigPath = DEFAULT,
    user: Annotated[str, typer.Option(help="User that the hub runs as.")] = "hinomi",
    install: Annotated[
        bool, typer.Option("--install", help="Write it to /etc and make the user.")
    ] = False,
) -> None:
    """Print the hub's systemd unit, with watchdog and sandbox; or install it."""
    from hub import service as units

    loaded = configuration.load(config)
    if not install:
        typer.echo(units.unit(config, loaded.id, user), nl=False)
        return
    for line in units.install(config, loaded.id, user):
        typer.echo(f"Now run: {line}")
