"""`hinomi hub device`: one device is looked at, told apart, tested, switched or started anew."""

import json
import time
from typing import Annotated, Any

import typer

from hub import config as configuration
from hub.admin import ask
from hub.commands import DEFAULT, CommandError, ConfigPath, app
from hub.mode_commands import By, Reason

device = typer.Typer(help="One device / 端末 1 台への操作", no_args_is_help=True)
app.add_typer(device, name="device")

Name = Annotated[str, typer.Argument(help="Name of the device, as in devices.toml.")]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
POLL_S = 0.5


@device.command(epilog="Example: hinomi hub device show river-1")
def show(name: Name, config: ConfigPath = DEFAULT, as_json: Json = False) -> None:
    """Show how a device's boot began: firmware, slot, safe mode, last crash. / 端末の状態"""
    found = _ask(config, "show", {"device": name})
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    elif not found["is_here"]:
        typer.echo(f"{name}: 不在 / away")
    else:
        typer.echo("\n".join(_lines(found)))


@device.command(epilog="Example: hinomi hub device restart river-1 --reason '配線を直した'")
def restart(
    name: Name,
    *,
    config: ConfigPath = DEFAULT,
    wait: Annotated[
        int, typer.Option(help="Wait so many seconds until it is back; 0: not.", min=0, max=600)
    ] = 60,
    reason: Reason = "",
    by: By = "",
    as_json: Json = False,
) -> None:
    """Start a device anew in good order; it leaves safe mode. / 端末を再起動する"""
    answer = _told(config, "restart", {"device": name, "reason": reason, "by": by}, as_json)
    if wait:
        found = _wait_back(config, answer, wait)
        if not as_json:
            typer.echo(f"{name} is back / 復帰しました: boot {found['boot']}")


@device.command(epilog="Example: hinomi hub device identify river-1")
def identify(
    name: Name,
    *,
    config: ConfigPath = DEFAULT,
    reason: Reason = "",
    by: By = "",
    as_json: Json = False,
) -> None:
    """Light a device's lamp for ten seconds. / 端末のランプを点灯する"""
    _told(config, "identify", {"device": name, "reason": reason, "by": by}, as_json)


@device.command(
    "self-test", epilog="Example: hinomi hub device self-test bridge-1 --reason '年次点検'"
)
def self_test(
    name: Name,
    *,
    config: ConfigPath = DEFAULT,
    reason: Reason = "",
    by: By = "",
    as_json: Json = False,
) -> None:
    """Let a device exercise its sensors; names those that fail. / センサーの自己診断"""
    _told(config, "self-test", {"device": name, "reason": reason, "by": by}, as_json)


@device.command(
    epilog="Example: hinomi hub device actuate siren-1 lamp --seconds 10 --reason '点検'"
)
def actuate(
    name: Name,
    output: Annotated[str, typer.Argument(help="Output of its config.json.")],
    *,
    config: ConfigPath = DEFAULT,
    seconds: Annotated[float, typer.Option(help="On for so long; 0: off.", min=0, max=3600)] = 0,
    drill: Annotated[
        bool, typer.Option("--drill", help="Only what may move in a drill; always so in one.")
    ] = False,
    reason: Reason = "",
    by: By = "",
    as_json: Json = False,
) -> None:
    """Switch an output of a device, for real unless in a drill. / 出力を動かす (サイレン等)"""
    fields = {"device": name, "output": output, "seconds": seconds, "drill": drill}
    _told(config, "actuate", {**fields, "reason": reason, "by": by}, as_json)


def _ask(config: Any, name: str, fields: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = ask(
        configuration.load(config).data, {"do": f"device {name}", **fields}
    )
    return found


def _told(config: Any, name: str, fields: dict[str, Any], as_json: bool) -> dict[str, Any]:
    """Give the command and print the device's own answer; exit code 1 where it did not obey."""
    answer = _ask(config, name, fields)
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False))
    else:
        mark = "完了" if answer["done"] else "実行されませんでした"
        typer.echo(f"{answer['device']}: {mark} / {answer['answer']}")
    if not answer["done"]:
        raise typer.Exit(1)
    return answer


def _wait_back(config: Any, answer: dict[str, Any], wait_s: int) -> dict[str, Any]:
    """Return what `device show` says as soon as it is in a later boot."""
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        found = _ask(config, "show", {"device": answer["device"]})
        if found["is_here"] and found["boot"] > answer["boot"]:
            return found
        time.sleep(POLL_S)
    raise CommandError(
        f"{answer['device']} has not come back within {wait_s} s",
        "Wait a few minutes; then look at its power and its network on the spot.",
    )


def _lines(found: dict[str, Any]) -> list[str]:
    trial = ", 試行中 on trial" if found["is_on_trial"] else ""
    slot = f", slot {found['slot']}{trial}" if found["slot"] else ""
    lines = [
        f"{found['device']}: {found['firmware']}{slot}",
        f"boot {found['boot']}, profile {found['profile']}, 起動理由 began by {found['cause']}",
    ]
    if found["is_safe"]:
        lines.append("セーフモード safe mode: センサー停止中 / its sensors are off")
    if found["is_supply_weak"]:
        lines.append("電源を確認してください / look at its supply: boots are cut short")
    return lines + ([f"前回の異常 last crash: {found['crash']}"] if found["crash"] else [])
