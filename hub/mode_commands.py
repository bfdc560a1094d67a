"""`hinomi hub mode` and `hinomi hub drill`: an operator sets the mode of the running hub."""

import json
from datetime import datetime
from typing import Annotated, Any

import typer

from hub import config as configuration
from hub.admin import ask
from hub.commands import DEFAULT, ConfigPath, app

mode_app = typer.Typer(help="Mode of operation / 運用モード", no_args_is_help=True)
drill_app = typer.Typer(help="Drills / 訓練", no_args_is_help=True)
app.add_typer(mode_app, name="mode")
app.add_typer(drill_app, name="drill")

By = Annotated[str, typer.Option(help="Who orders it, for the audit log; beside the user.")]
Reason = Annotated[str, typer.Option(help="Why, for the page and the audit log.")]
Json = Annotated[bool, typer.Option("--json", help="Print the mode as JSON.")]

_WORDS = {"normal": "平常 NORMAL", "watch": "警戒 WATCH", "disaster": "災害 DISASTER"}


@mode_app.command(epilog="Example: hinomi hub mode show --json")
def show(config: ConfigPath = DEFAULT, as_json: Json = False) -> None:
    """Show the mode, who set it why, and which devices have not confirmed. / モードを表示"""
    _do(config, {"do": "mode show"}, as_json)


@mode_app.command(
    "set", epilog="Example: hinomi hub mode set watch --reason '大雨警報' --hours 12"
)
def set_mode(
    mode: Annotated[str, typer.Argument(help="normal, watch or disaster.")],
    *,
    config: ConfigPath = DEFAULT,
    hours: Annotated[
        float,
        typer.Option(help="Held so long; 0: it falls after its dwell in calm.", min=0, max=168),
    ] = 0,
    reason: Reason = "",
    by: By = "",
    as_json: Json = False,
) -> None:
    """Set the mode, for real; a drill ends. / モードを設定 (実運用)"""
    if mode not in _WORDS:
        raise typer.BadParameter("Write normal, watch or disaster.", param_hint="MODE")
    fields = {"mode": mode, "hours": hours, "reason": reason, "by": by}
    _do(config, {"do": "mode set", **fields}, as_json)


@drill_app.command(
    epilog="Example: hinomi hub drill start --mode disaster --kind quake --minutes 45"
)
def start(
    *,
    config: ConfigPath = DEFAULT,
    mode: Annotated[str, typer.Option(help="watch or disaster.")] = "disaster",
    minutes: Annotated[int, typer.Option(help="It ends by itself then.", min=1, max=1440)] = 30,
    kind: Annotated[
        str, typer.Option(help="What is exercised: drill, quake, river, slope, ..")
    ] = "drill",
    reason: Reason = "",
    by: By = "",
    as_json: Json = False,
) -> None:
    """Begin a drill: the whole chain, marked; no siren sounds. / 訓練を開始"""
    if mode not in ("watch", "disaster"):
        raise typer.BadParameter("Write watch or disaster.", param_hint="--mode")
    fields = {"mode": mode, "minutes": minutes, "kind": kind, "reason": reason, "by": by}
    _do(config, {"do": "drill start", **fields}, as_json)


@drill_app.command(epilog="Example: hinomi hub drill stop")
def stop(
    config: ConfigPath = DEFAULT, reason: Reason = "", by: By = "", as_json: Json = False
) -> None:
    """End the drill at once. / 訓練を終了"""
    _do(config, {"do": "drill stop", "reason": reason, "by": by}, as_json)


def _do(config: Any, request: dict[str, Any], as_json: bool) -> None:
    state = ask(configuration.load(config).data, request)
    if as_json:
        typer.echo(json.dumps(state, ensure_ascii=False))
        return
    drill = "  *** 訓練 DRILL ***" if state["drill"] else ""
    typer.echo(f"{_WORDS[state['mode']]}{drill}")
    since = datetime.fromtimestamp(state["since_utc_us"] / 1e6).astimezone()
    who = f"{state['actor_ja']} / {state['actor_en']}"
    typer.echo(f"{since:%Y-%m-%d %H:%M:%S%z}  {who}: {state['reason']}")
    counts = state["unconfirmed"]["counts"]
    if any(counts.values()):
        typer.echo(
            "未確認の機器 / devices that have not confirmed: "
            f"拒否 refused {counts['refused']}, 待ち waiting {counts['waiting']}, "
            f"不在 away {counts['away']}"
        )
    for row in state["unconfirmed"]["rows"]:
        if row["why"] == "refused":
            typer.echo(f"  {row['device']} {row['what']}: {row['detail']}")
