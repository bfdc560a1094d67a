"""`hinomi hub operator`: who may log in on the page; a running hub knows at once."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from hub import config as configuration
from hub import operators
from hub.admin import ask
from hub.commands import DEFAULT, CommandError, ConfigPath, app
from hub.operators import ROLES, Operator, plain

operator = typer.Typer(help="Who may log in on the page / 操作員", no_args_is_help=True)
app.add_typer(operator, name="operator")

Name = Annotated[str, typer.Argument(help="Name to log in with.")]


@operator.command(
    epilog="Example: hinomi hub operator add 佐藤 --role watch-over --office welfare"
)
def add(
    name: Name,
    *,
    config: ConfigPath = DEFAULT,
    role: Annotated[str, typer.Option(help="viewer, operator or watch-over.")] = "operator",
    office: Annotated[str, typer.Option(help="Office as in people.viewers, for watch-over.")] = "",
) -> None:
    """Let somebody log in; the password is asked for twice, and never shown. / 操作員を登録"""
    if role not in ROLES:
        raise typer.BadParameter(f"Write {', '.join(ROLES)}.", param_hint="--role")
    path = _path(config)
    known = operators.load(path)
    name = plain(name)
    if name in known:
        remedy = f"`hinomi hub operator password {name}` gives a new password."
        raise CommandError(f"{name} is an operator already", remedy)
    password = _asked_twice(name)
    known[name] = Operator(name, role, plain(office), operators.sealed(password))
    operators.save(path, known)
    typer.echo(f"{name} may log in as {role}.")


@operator.command(epilog="Example: hinomi hub operator password 佐藤")
def password(name: Name, config: ConfigPath = DEFAULT) -> None:
    """Give a new password; sessions of the old one end. / パスワードの変更"""
    path = _path(config)
    known = operators.load(path)
    one = _known(known, name)
    known[one.name] = replace(one, password=operators.sealed(_asked_twice(one.name)))
    operators.save(path, known)
    typer.echo(f"{one.name} has a new password.")


@operator.command(epilog="Example: hinomi hub operator remove 佐藤")
def remove(name: Name, config: ConfigPath = DEFAULT) -> None:
    """Let somebody log in no more; his sessions end at once. / 操作員を削除"""
    path = _path(config)
    known = operators.load(path)
    one = _known(known, name)
    del known[one.name]
    operators.save(path, known)
    typer.echo(f"{one.name} may log in no more.")


@operator.command("list", epilog="Example: hinomi hub operator list --json")
def list_(
    config: ConfigPath = DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """List who may log in, in which role. / 操作員の一覧"""
    found = operators.load(_path(config)).values()
    if as_json:
        rows = [{"name": one.name, "role": one.role, "office": one.office} for one in found]
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    for one in found:
        typer.echo(f"{one.name}  {one.role}  {one.office}".rstrip())
    typer.echo(f"{len(found)} operators")


@operator.command(epilog="Example: hinomi hub operator unlock 佐藤")
def unlock(name: Name, config: ConfigPath = DEFAULT) -> None:
    """Let somebody try again who gave too many wrong passwords. / ロックを解除"""
    done = ask(configuration.load(config).data, {"do": "operator unlock", "name": plain(name)})
    was = "may try again" if done["was_locked"] else "was not locked"
    typer.echo(f"{plain(name)} {was}.")


def _path(config: Path) -> Path:
    loaded = configuration.load(config)
    return loaded.folder / str(loaded.tables["hub"]["operators"])


def _known(known: dict[str, Operator], name: str) -> Operator:
    if plain(name) not in known:
        raise CommandError(f"There is no operator {name}", "See `hinomi hub operator list`.")
    return known[plain(name)]


def _asked_twice(name: str) -> str:
    given: str = typer.prompt(
        "Password / パスワード",
        hide_input=True,
        confirmation_prompt="Once more / もう一度",
    )
    why = operators.why_weak(name, given)
    if why:
        remedy = f"Take a phrase of {operators.PASSWORD_LENGTH_MIN} or more characters."
        raise CommandError(why, remedy)
    return given
