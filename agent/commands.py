"""`hinomi agent`: a Raspberry Pi as a device."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from agent import drivers
from agent.pi import access, buses, notify, service
from agent.pi import settings as settings_file
from agent.pi.problem import PiError

app = typer.Typer(help="A Raspberry Pi as a device.", no_args_is_help=True)

ConfigPath = Annotated[Path, typer.Option("--config", "-c", help="agent.toml of this device.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")]
DEFAULT = Path("agent.toml")


@app.command(epilog="Example: hinomi agent init --device river-1 --hub 192.168.1.10")
def init(
    device: Annotated[str, typer.Option(help="Name under which the hub knows it, 1..16 bytes.")],
    hub: Annotated[str, typer.Option(help="Address of the hub, host or host:port.")],
    config: ConfigPath = DEFAULT,
    secret: Annotated[str, typer.Option(help="What `hinomi hub enroll` printed.")] = "",
) -> None:
    """Write agent.toml with comments. / 設定ファイルを書く"""
    settings_file.write(config, device, hub, secret)
    typer.echo(f"Wrote {config}. Add the sensors, then: hinomi agent check --config {config}")
    if not secret:
        typer.echo("Its secret is new: put it into the hub's devices.toml.")


@app.command(epilog="Example: hinomi agent scan --bus 0")
def scan(
    bus: Annotated[int, typer.Option(help="Number of the I2C bus; 0: the one on the header.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Show what answers on the I2C bus. / I2C バスを調べる"""
    access.require("i2c", "The scan")
    board = open_board({})
    try:
        found = buses.scan(_bus(board, bus))
    finally:
        board.close()
    typer.echo(json.dumps({"bus": bus, "addresses": found}) if as_json else buses.table(found))


@app.command(epilog="Example: hinomi agent check --config agent.toml")
def check(config: ConfigPath = DEFAULT, as_json: AsJson = False) -> None:
    """Check agent.toml, this machine, and each sensor by its self-test. / 設定と配線を確かめる"""
    loaded = settings_file.load(config)
    access.check(loaded.config, loaded.wiring)
    board = open_board(loaded.wiring)
    try:
        report = _tried(board, loaded.config)
        if any(cause for cause, _ in report.values()) and not as_json:
            _show_buses(board, loaded.config)
    finally:
        board.close()
    if as_json:
        rows = {name: {"ok": not cause, "cause": cause} for name, (cause, _) in report.items()}
        typer.echo(json.dumps({"sensors": rows}))
    for name, (cause, remedy) in report.items():
        if not as_json:
            typer.echo(f"{name}: {f'{cause} {remedy}' if cause else 'works'}")
    if any(cause for cause, _ in report.values()):
        raise typer.Exit(1)


@app.command(epilog="Example: hinomi agent run --config agent.toml")
def run(config: ConfigPath = DEFAULT) -> None:
    """Run until Ctrl-C or SIGTERM. / 端末として動かす"""
    from agent.pi.run import Lock, serve

    loaded = settings_file.load(config)
    access.check(loaded.config, loaded.wiring)
    notifier = notify.from_environment()
    lock = Lock(loaded.wiring["flash"][0])
    board = open_board(loaded.wiring, notifier)
    try:
        asyncio.run(serve(board, loaded.table, notifier))
    except OSError as error:
        raise _of_board(error) from None
    finally:
        board.close()
        lock.close()


@app.command("service", epilog="Example: sudo hinomi agent service --install --user pi")
def write_service(
    config: ConfigPath = DEFAULT,
    install: Annotated[bool, typer.Option("--install", help="Write it into systemd.")] = False,
    user: Annotated[str, typer.Option(help="Who the agent runs as.")] = "pi",
) -> None:
    """Print, or install, the systemd unit. / サービスとして登録する"""
    settings_file.load(config)
    if not install:
        typer.echo(service.unit(config, user, service.groups_here()), nl=False)
        return
    typer.echo("Now run:\n" + "\n".join(f"  {line}" for line in service.install(config, user)))


def open_board(wiring: dict[str, Any], notifier: notify.Notifier | None = None) -> Any:
    """Return this machine as a board; PiError where Blinka is missing or does not know it."""
    from agent.hal.on_blinka import BlinkaBoard

    try:
        board = BlinkaBoard(wiring, watchdog=notifier)
        board.check()
    except OSError as error:
        raise _of_board(error) from None
    return board


def _bus(board: Any, number: int) -> Any:
    try:
        return board.i2c(number)
    except KeyError:
        raise PiError(f"There is no I2C bus {number} here.", "Take bus 0.") from None
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        _, name, enable, group = access.NEEDS["i2c"]
        raise PiError(
            f"{name} cannot be opened: {error}.", f"{enable}; sudo usermod -aG {group} $USER."
        ) from None


def _tried(board: Any, config: Any) -> dict[str, tuple[str, str]]:
    report = {}
    for row in config.sensors:
        settings = {**row.settings, **config.policy.rule(0, row.name).pace}
        try:
            report[row.name] = buses.try_sensor(drivers.create(row.driver, board, settings))
        except ValueError as error:
            report[row.name] = (f"It cannot be set so: {error}.", "Put its row right.")
    return report


def _show_buses(board: Any, config: Any) -> None:
    for number in sorted({row.settings["i2c"] for row in config.sensors if "i2c" in row.settings}):
        print(
            f"I2C bus {number}:\n{buses.table(buses.scan(_bus(board, number)))}", file=sys.stderr
        )


def _of_board(error: OSError) -> PiError:
    cause = error.args[1] if len(error.args) > 1 else str(error)
    if "pip install" in cause:
        cause, _, remedy = cause.partition("; ")
        return PiError(f"{cause}.", f"{remedy[:1].upper()}{remedy[1:]}")
    if isinstance(error, PermissionError):
        return PiError(
            f"{error}.", "Give this user the file, or its group: i2c, spi, gpio, dialout."
        )
    return PiError(f"The board cannot be used: {cause}.", "hinomi agent check says what is wrong.")
