"""A judgement on the terminal, and a run in virtual time with its lines and progress."""

import sys
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from simulators.fast import FastRun
from simulators.judge import reasons
from simulators.scenario import Scenario

DAY_S = 86_400
LINES_MAX = 400  # of a long run: the report has them all


def judgement_table(judgement: dict[str, Any]) -> Table:
    """Return what was demanded and what came of it."""
    false = judgement["false_alarms"]
    title = (
        f"recall / 検出率 {judgement['recall']:.0%}, precision / 適合率 "
        f"{judgement['precision']:.0%}, false alarms / 誤報 {len(false)}"
    )
    table = Table(title=title, title_style="bold green" if judgement["ok"] else "bold red")
    for head in ("demanded / 期待", "where / 場所", "met / 結果", "delay / 遅れ"):
        table.add_column(head)
    for one in judgement["expected"]:
        met = Text("yes", style="green") if one["met"] else Text("NO", style="bold red")
        delay = span(one["delay_s"]) if one["met"] else "-"
        words = " ".join(word for word in (one["kind"], one["words"]) if word)
        state = " (over)" if one["state"] == "over" else ""
        table.add_row(words + state, one["place"], met, delay)
    for one in judgement["forbidden"]:
        table.add_row(one["text"], one["place"], Text("forbidden", style="bold red"), "-")
    for one in false:
        table.add_row(one["text"], one["place"], Text("false", style="yellow"), "-")
    return table


def span(seconds: float) -> str:
    """Return a length of time as people say it."""
    if abs(seconds) < 120:
        return f"{seconds:.1f} s"
    if abs(seconds) < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if abs(seconds) < 2 * DAY_S else f"{seconds / DAY_S:.1f} d"


def moment(at_s: float) -> str:
    """Return a time of the scenario: day 1 is the first."""
    day, rest = divmod(int(at_s), DAY_S)
    return f"day {day + 1:3d} {rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"


def run_virtual(scenario: Scenario, *, seed: int, record: Any, console: Console) -> dict[str, Any]:
    """Play it, with lines of what is said and a bar on a terminal; return the report."""
    tables = scenario.tables["scenario"]
    title = f"{tables['title_en']} / {tables['title_ja']}"
    console.print(
        f"{title}: {len(scenario.devices)} devices / 端末, {span(scenario.seconds)} of virtual "
        f"time / 仮想時間, seed {seed}", soft_wrap=True, highlight=False,
    )  # fmt: skip
    run = FastRun(scenario, seed=seed, record=record)
    told = 0

    def tell(at_s: float, line: str) -> None:
        nonlocal told
        told += 1
        if told <= LINES_MAX:
            console.print(f"{moment(at_s)}  {line}", soft_wrap=True, highlight=False, markup=False)

    run.on_line = tell
    columns = (TextColumn("{task.percentage:3.0f} %"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not sys.stdout.isatty()) as progress:
        task = progress.add_task(title, total=1.0)
        run.on_progress = lambda share: progress.update(task, completed=share)
        return run.run()


def print_virtual_end(report: dict[str, Any], console: Console) -> None:
    """Print what came of it."""
    style = "bold green" if report["ok"] else "bold red"
    console.print(
        f"{report['scenario']}: {'OK / 合格' if report['ok'] else 'FAILED / 不合格'}", style=style
    )
    console.print(judgement_table(report["judgement"]))
    console.print(
        f"{report['frames']['sent']} frames, {report['readings']['sent']} readings in "
        f"{report['wall_s']:.0f} s: {report['speed']} times real time / 実時間の倍率",
        soft_wrap=True, highlight=False,
    )  # fmt: skip
    for reason in reasons(report["judgement"]):
        console.print(f"FAILED / 失敗: {reason}", style="bold red", soft_wrap=True)
