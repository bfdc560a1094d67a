"""The front door: one command line that mounts the `commands` module of each package.

Only the package whose command is called is imported, so that `hinomi --help` is quick and a part
that a machine lacks (no simulators on a town hall's hub) is missed only by who asks for it.

Exit code: 0 done, 1 failed, 2 wrong usage. An exception that carries `cause` and `remedy`, one
sentence each, is the operator's to read: both go to stderr, and its `exit_code` (1 where it has
none) is ours. Any other one is our bug and shows its traceback.
"""

import importlib.util
import sys
from importlib.metadata import version
from typing import Any, NamedTuple, NoReturn

import typer


class Part(NamedTuple):
    """One command of the front door: `attribute` of `module`, and its line in the help."""

    module: str
    attribute: str
    help: str


PARTS = {
    "demo": Part(
        "simulators.commands",
        "demo",
        "Play a disaster on this machine: hub, platform, 12 devices / 災害を模擬する",
    ),
    "hub": Part(
        "hub.commands",
        "app",
        "Run and look after the hub of a town hall / 役場のハブを動かす",
    ),
    "agent": Part(
        "agent.commands",
        "app",
        "Run this Raspberry Pi as a device / この Raspberry Pi を端末にする",
    ),
    "board": Part(
        "boards.commands",
        "app",
        "Flash, wire and test a board / 基板に書き込み、配線し、試す",
    ),
    "sim": Part(
        "simulators.commands",
        "app",
        "Run simulated boards, networks and platforms / 模擬装置を動かす",
    ),
}


def main() -> None:
    """Run the command line that the process was started with; never returns."""
    called = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    try:
        command_line(called)()
    except Exception as error:
        cause, remedy = getattr(error, "cause", None), getattr(error, "remedy", None)
        if not cause or not remedy:
            raise
        _fail(str(cause), str(remedy), getattr(error, "exit_code", 1))


def command_line(called: str | None) -> typer.Typer:
    """Return the app with each part that is here listed, and the one `called` in full."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(front_door)
    for name, part in PARTS.items():
        if name == called:
            found = _load(part)
        elif is_here(part):
            found = typer.Typer()
        else:
            continue
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name, short_help=part.help, no_args_is_help=True)
        else:
            app.command(name, short_help=part.help)(found)
    return app


def is_here(part: Part) -> bool:
    """Tell whether the part's module is installed, without importing it."""
    try:
        return importlib.util.find_spec(part.module) is not None
    except ModuleNotFoundError:
        return False


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"hinomi {version('hinomi')}")
        raise typer.Exit


def front_door(
    version: bool = typer.Option(
        False, "--version", help="Print the version.", callback=_print_version, is_eager=True
    ),
) -> None:
    """Hinomi watches bridges, rivers, slopes and people who live alone.

    火の見は、橋・川・斜面・ひとり暮らしを見守ります。

    Example: hinomi demo --headless --report report.json
    """


def _load(part: Part) -> Any:
    """Import a row of the table: an app, or the function of a single command."""
    try:
        return getattr(importlib.import_module(part.module), part.attribute)
    except ModuleNotFoundError as error:
        _fail(
            f"{part.module} cannot start: there is no Python module {error.name} here.",
            "Install it again: `make distclean demo` in a checkout, else `pip install -U hinomi`.",
        )


def _fail(cause: str, remedy: str, exit_code: int = 1) -> NoReturn:
    print(f"hinomi: {cause}\n  {remedy}", file=sys.stderr)
    sys.exit(exit_code)


if __name__ == "__main__":
    main()
