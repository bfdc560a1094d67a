"""`hinomi demo` and `hinomi sim`: the real system on simulated chips, networks and platforms."""

import asyncio
import json
import random
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Simulated boards, networks and platforms.", no_args_is_help=True)

Seconds = Annotated[int | None, typer.Option(help="Length of the run; scales the scenario.")]
Headless = Annotated[bool, typer.Option("--headless", help="Lines instead of the live view.")]
ReportFile = Annotated[Path | None, typer.Option(help="Write the report as JSON to this file.")]
Seed = Annotated[
    int | None, typer.Option(help="Seed of the world; the same seed, the same world.")
]
Record = Annotated[
    Path | None,
    typer.Option(
        help="Play this strong-motion record: K-NET ASCII, or CSV of time_s,x,y,z in gal."
    ),
]
Folder = Annotated[
    Path | None, typer.Option(help="Folder for this run; default: a new one below build/runs.")
]


def demo(
    scenario: Annotated[str, typer.Option(help="Name, or path of a .toml file.")] = "quake-flood",
    seconds: Seconds = None,
    headless: Headless = False,
    report: ReportFile = None,
    seed: Seed = None,
    record: Record = None,
    folder: Folder = None,
) -> None:
    """Play a disaster on this machine: hub, platform and 12 devices. / 災害を模擬する

    Example: hinomi demo --headless --report out.json
    """
    play(
        scenario,
        seconds,
        headless=headless,
        report=report,
        seed=seed,
        record=record,
        folder=folder,
    )


@app.command("run")
def run(
    scenario: Annotated[str, typer.Argument(help="Name, or path of a .toml file.")],
    seconds: Seconds = None,
    headless: Headless = True,
    report: ReportFile = None,
    seed: Seed = None,
    record: Record = None,
    folder: Folder = None,
) -> None:
    """Play a scenario and judge it. / シナリオを実行する

    Example: hinomi sim run quake-flood --seconds 30 --report out.json
    """
    play(
        scenario,
        seconds,
        headless=headless,
        report=report,
        seed=seed,
        record=record,
        folder=folder,
    )


@app.command("scenarios")
def scenarios() -> None:
    """List the scenarios. / シナリオの一覧

    Example: hinomi sim scenarios
    """
    from simulators.scenario import read_scenario, scenario_names

    for name in scenario_names():
        tables = read_scenario(name).tables["scenario"]
        typer.echo(f"{name}  {tables['seconds']} s  {tables['title_en']} / {tables['title_ja']}")


@app.command("platform")
def platform(
    archive: Annotated[Path, typer.Option(help="Directory of the archive; made where missing.")],
    keys: Annotated[Path, typer.Option(help="JSON: device name -> hex of its up key.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 0,
    broker: Annotated[
        str | None, typer.Option(help="HOST:PORT of a broker to use instead.")
    ] = None,
    ready_file: Annotated[
        Path | None, typer.Option(help="File that gets the ready line too.")
    ] = None,
) -> None:
    """Run a simulated common platform. / 模擬の共通基盤を動かす

    Example: hinomi sim platform --port 1883 --archive build/platform --keys keys.json
    """
    from simulators.platform import platform as run_platform

    run_platform(archive=archive, keys=keys, port=port, broker=broker, ready_file=ready_file)


class UsageError(Exception):
    """Wrong usage: one sentence of cause, one of remedy."""

    exit_code = 2

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy


def play(name: str, seconds: int | None, *, headless: bool, **options: Any) -> None:
    """Run a scenario with a live view or as lines; exit with 0 when `ok`, else 1."""
    from simulators.run import Run, default_folder
    from simulators.scenario import read_scenario
    from simulators.signals.recording import RecordingError
    from simulators.verdict import write_report

    seed = random.randrange(1_000_000) if options["seed"] is None else options["seed"]
    scenario = read_scenario(name, seconds)
    try:
        run = Run(
            scenario, options["folder"] or default_folder(), seed=seed, record=options["record"]
        )
    except RecordingError as error:
        raise UsageError(
            str(error), "Give one file of a K-NET record, or CSV as --help says."
        ) from None
    verdict = asyncio.run(_watch(run, headless, seed))
    result = verdict.report()
    result["seed"] = seed
    from rich.console import Console

    from simulators.screen import result_table

    console = Console()
    console.print(result_table(result))
    if options["report"] is not None:
        write_report(result, options["report"])
        console.print(f"report: {options['report']}")
    console.print(f"logs and stores of this run: {run.folder}   same again: --seed {seed}")
    if not result["ok"]:
        console.print(json.dumps(result["frames"]))
        raise typer.Exit(1)


async def _watch(run: Any, headless: bool, seed: int) -> Any:
    from rich.console import Console
    from rich.live import Live

    from simulators.screen import Screen

    console = Console()
    if not headless and console.is_terminal:
        with Live(Screen(run), console=console, refresh_per_second=3, screen=False):
            return await run.run()
    console.print(
        f"{run.view.title}: {len(run.rows)} devices, {run.view.seconds:.0f} s, seed {seed}"
    )
    task = asyncio.create_task(run.run())
    told = 0
    while True:
        done, _ = await asyncio.wait({task}, timeout=0.5)
        lines = list(run.view.log)
        for at_s, line in lines[told:]:
            console.print(f"{at_s:6.1f} s  {line}", highlight=False)
        told = len(lines)
        if done:
            return task.result()
