"""`hinomi hub report` and `hinomi hub weigh`: inspection reports, and vehicles that passed."""

import json
from datetime import datetime
from typing import Annotated, Any

import typer

from hub import config as configuration
from hub.admin import ask
from hub.commands import DEFAULT, CommandError, ConfigPath, app

report_app = typer.Typer(help="Inspection reports / 点検資料", no_args_is_help=True)
app.add_typer(report_app, name="report")

Json = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]
GRADES = ("  ", "! ", "!!")
NEAR_S_MAX = 30.0
TRUCKS_MIN = 2


@report_app.command("list", epilog="Example: hinomi hub report list --config /srv/hinomi/hub.toml")
def list_reports(config: ConfigPath = DEFAULT, as_json: Json = False) -> None:
    """List the reports that are there, with the hub running or not. / 資料の一覧"""
    from hub.report.inspections import FOLDER, summaries

    folder = configuration.load(config).data / FOLDER
    rows = summaries(folder)
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    for one in rows:
        drill = " 訓練/Exercise" if one["drill"] else ""
        typer.echo(f"{GRADES[one['grade']]} {folder / one['name']}  {one['name_ja']}{drill}")
    if not rows:
        typer.echo("資料はありません / There is no report.")


@report_app.command("make", epilog="Example: hinomi hub report make --bridge ohashi --minutes 10")
def make(
    config: ConfigPath = DEFAULT,
    bridge: Annotated[str, typer.Option(help="One bridge only; else all.")] = "",
    minutes: Annotated[
        float, typer.Option(help="So long ago was what it is about.", min=1, max=1440)
    ] = 3.0,
) -> None:
    """Let the running hub make a report on what happened just now. / 資料を作成"""
    request = {"do": "report make", "bridge": bridge, "minutes": minutes}
    done = ask(configuration.load(config).data, request)
    typer.echo("作成します / Ordered: " + ", ".join(done["names"]))


@app.command(
    epilog="Example: hinomi hub weigh bridge-1 --truck 14:02:31=20.1 --truck 14:09:05=19.8"
)
def weigh(
    device: Annotated[str, typer.Argument(help="Node whose strain gauge weighs.")],
    config: ConfigPath = DEFAULT,
    truck: Annotated[
        list[str] | None,
        typer.Option(help="A truck of known weight: when it passed, local time = tonnes."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List vehicles that passed, or get the weight factor from trucks of known weight."""
    done = ask(configuration.load(config).data, {"do": "passages", "device": device})
    if truck:
        done |= _calibrated(done["rows"], truck)
    if as_json:
        typer.echo(json.dumps(done))
        return
    if truck:
        typer.echo(f"tonnes_per_um_m = {done['factor']:.5g}")
        typer.echo(f"±{done['percent_95']:.0f} % (95 %, {len(truck)} trucks); write it into the "
                   f"[[bridge]] of {device} in hub.toml and restart the hub.")  # fmt: skip
        return
    for one in done["rows"]:
        weight = f"{one['tonnes']:6.1f} t" if done["tonnes_per_um_m"] else "       –"
        typer.echo(f"{_local(one):%Y-%m-%d %H:%M:%S} {one['peak_um_m']:7.1f} um/m "
                   f"{one['seconds']:5.1f} s {weight}")  # fmt: skip
    typer.echo(f"{len(done['rows'])} vehicles; not one alone: {done['refused']}")


@app.command(epilog="Example: hinomi hub relearn bridge-1")
def relearn(
    device: Annotated[str, typer.Argument(help="Node of a bridge that was repaired.")],
    config: ConfigPath = DEFAULT,
) -> None:
    """Let a bridge's node learn anew what is normal, after a repair. / 平常値を学習し直す"""
    done = ask(configuration.load(config).data, {"do": "relearn", "device": device})
    typer.echo(f"{device}: {done['baseline_h']:.0f} 時間学習します / learns for so many hours.")


def _local(row: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(row["utc_us"] / 1e6).astimezone()


def _calibrated(rows: list[dict[str, Any]], trucks: list[str]) -> dict[str, float]:
    """Return factor and the share of 95 % of the trucks, in per cent."""
    from hub.rules.structure.weight import calibrated

    if len(trucks) < TRUCKS_MIN:
        raise CommandError("One truck tells no spread", "Give --truck at least twice.")
    measures, tonnes = [], []
    for text in trucks:
        clock, _, weight = text.partition("=")
        try:
            at, known = datetime.strptime(clock, "%H:%M:%S"), float(weight)
        except ValueError:
            raise typer.BadParameter("Write HH:MM:SS=tonnes.", param_hint="--truck") from None
        seconds = at.hour * 3600 + at.minute * 60 + at.second
        nearest = min(rows, key=lambda row: _apart_s(row, seconds), default=None)
        if nearest is None or _apart_s(nearest, seconds) > NEAR_S_MAX or known <= 0:
            remedy = f"`hinomi hub weigh` lists those that did; within {NEAR_S_MAX:.0f} s."
            raise CommandError(f"No vehicle passed at {clock}", remedy)
        measures.append(nearest["measure"])
        tonnes.append(known)
    factor, spread = calibrated(measures, tonnes)
    return {"factor": factor, "percent_95": 196 * spread}


def _apart_s(row: dict[str, Any], seconds: int) -> float:
    then = _local(row)
    apart = abs(then.hour * 3600 + then.minute * 60 + then.second - seconds)
    return min(apart, 86_400 - apart)
