"""`hinomi demo` and `hinomi sim`: the real system on simulated chips, networks and platforms."""

import asyncio
import json
import random
import signal
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
        help="Play this strong-motion record: K-NET ASCII, miniSEED, CSV (time_s,x,y,z in gal)."
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
    headless: Headless = False,
    report: ReportFile = None,
    seed: Seed = None,
    record: Record = None,
    folder: Folder = None,
) -> None:
    """Play a scenario and judge it. / シナリオを実行して判定する

    Example: hinomi sim run typhoon --report out.json
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
        length = f"{tables['seconds']} s"
        if tables["pace"] == "virtual":
            length = f"{tables['seconds'] / 86_400:g} days of virtual time"
        typer.echo(f"{name}  {length}  {tables['title_en']} / {tables['title_ja']}")


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


@app.command("chips")
def chips(
    name: Annotated[str | None, typer.Argument(help="Only this one, with its registers.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, registers and all.")] = False,
) -> None:
    """List the models of chips and their registers. / センサ模型の一覧

    Example: hinomi sim chips tmp117
    """
    from simulators.chips import CHIPS
    from simulators.chips.catalogue import describe
    from simulators.sensor_view import chip_lines

    if name is not None and name not in CHIPS:
        raise UsageError(f"There is no model {name!r}.", f"Take one of: {', '.join(CHIPS)}.")
    found = [describe(each) for each in ([name] if name else CHIPS)]
    if as_json:
        typer.echo(json.dumps(found))
        return
    for line in chip_lines(found, is_whole=name is not None):
        typer.echo(line)


@app.command("board")
def board(
    profile: Annotated[str, typer.Argument(help="A device profile, such as bridge-node.")],
    seconds: Annotated[int, typer.Option(min=1, max=86_400, help="How long, world time.")] = 30,
    scenario: Annotated[str, typer.Option(help="The world that it stands in.")] = "quake-flood",
    seed: Annotated[int, typer.Option(help="Seed of the world.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, without waiting.")] = False,
) -> None:
    """Show what a board with these chips reads, live. / 模擬ボードの計測値を表示する

    Example: hinomi sim board bridge-node --seconds 60
    """
    from boards.profiles import device_profiles
    from simulators.sensor_view import BoardView, show

    if profile not in device_profiles():
        known = ", ".join(device_profiles())
        raise UsageError(f"There is no profile {profile!r}.", f"Take one of: {known}.")
    try:
        view = BoardView(profile, scenario, seed)
    except IndexError:
        raise UsageError(
            f"No {profile} stands in the scenario {scenario}.", "Name another with --scenario."
        ) from None
    if as_json:
        view.advance(seconds)
        typer.echo(json.dumps(view.report()))
    else:
        show(view, seconds)


class UsageError(Exception):
    """Wrong usage: one sentence of cause, one of remedy."""

    exit_code = 2

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy


def play(name: str, seconds: int | None, *, headless: bool, **options: Any) -> None:
    """Run a scenario with a live view or as lines; exit with 0 when `ok`, else 1."""
    from rich.console import Console

    from simulators.run import Run, default_folder
    from simulators.scenario import read_scenario
    from simulators.screen import print_end
    from simulators.signals.recording import RecordingError
    from simulators.verdict import write_report

    if options["report"] is not None:
        _check_report(options["report"])
    seed = random.randrange(1_000_000) if options["seed"] is None else options["seed"]
    scenario = read_scenario(name, seconds)
    if scenario.is_virtual:
        _play_virtual(scenario, seed, options)
        return
    try:
        run = Run(
            scenario, options["folder"] or default_folder(), seed=seed, record=options["record"]
        )
    except RecordingError as error:
        raise UsageError(
            str(error), "Give one file of a K-NET record, or CSV as --help says."
        ) from None
    console = Console()
    try:
        verdict = asyncio.run(_watch(run, console, headless or not console.is_terminal, seed))
    except asyncio.CancelledError:
        raise typer.Exit(1) from None  # told to end by a signal; the processes are gone
    result = verdict.report()
    result["seed"] = seed
    if options["report"] is not None:
        write_report(result, options["report"])
    print_end(console, result)
    if options["report"] is not None:
        _print(console, f"report / 報告: {options['report']}")
    _print(console, f"logs and stores of this run / 記録: {run.folder}")
    _print(console, f"the same world again / 同じ条件で再実行: --seed {seed}")
    if not result["ok"]:
        raise typer.Exit(1)


def _play_virtual(scenario: Any, seed: int, options: dict[str, Any]) -> None:
    """Play it in virtual time; exit with 0 when `ok`, else 1."""
    from rich.console import Console

    from simulators.judge_screen import print_virtual_end, run_virtual
    from simulators.signals.recording import RecordingError
    from simulators.verdict import write_report

    console = Console()
    try:
        result = run_virtual(scenario, seed=seed, record=options["record"], console=console)
    except RecordingError as error:
        raise UsageError(
            str(error), "Give one file of a K-NET record, or CSV as --help says."
        ) from None
    result["seed"] = seed
    if options["report"] is not None:
        write_report(result, options["report"])
    print_virtual_end(result, console)
    if options["report"] is not None:
        _print(console, f"report / 報告: {options['report']}")
    _print(console, f"the same world again / 同じ条件で再実行: --seed {seed}")
    if not result["ok"]:
        raise typer.Exit(1)


def _check_report(path: Path) -> None:
    """Raise UsageError where the report could not be written: now, and not after the run."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()
    except OSError as error:
        raise UsageError(
            f"The report {path} cannot be written: {error.strerror}", "Choose another --report."
        ) from None


async def _watch(run: Any, console: Any, headless: bool, seed: int) -> Any:
    from rich.live import Live

    from simulators.screen import Screen

    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal too leaves no process
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    if headless:
        devices, length = len(run.rows), f"{run.view.seconds:.0f} s"
        _print(console, f"{run.view.title}: {devices} devices / 端末, {length}, seed {seed}")
        return await _print_log(run, console)
    try:
        with Live(Screen(run), console=console, refresh_per_second=3, screen=True):
            return await run.run()
    finally:
        _print_lines(run.view.log, console)


async def _print_log(run: Any, console: Any) -> Any:
    """Run, and print each line of its log when it comes."""
    task = asyncio.create_task(run.run())
    told = 0
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=0.5)
            told += _print_lines(list(run.view.log)[told:], console)
        return task.result()
    finally:
        task.cancel()
        await asyncio.wait({task})


def _print_lines(lines: Any, console: Any) -> int:
    for at_s, line in lines:
        _print(console, f"{at_s:6.1f} s  {line}")
    return len(lines)


def _print(console: Any, line: str) -> None:
    """Print a line as it is, in one piece for who copies or greps it."""
    console.print(line, soft_wrap=True, highlight=False, markup=False)
