"""A run on the terminal: live, and the table at its end. Made for 100x40, whole on 80x24."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from simulators import judge
from simulators.judge_screen import judgement_table
from simulators.run import Run

LOG_LINES_MIN = 8  # a lower terminal shows the devices as words, not as a table
HEAD_LINES = 6  # title, page, progress, two lines of state, an empty one
TABLE_LINES = 2  # head and rule of the devices' table
BORDER_LINES = 2  # of the log
BACKLOG_NORMAL_MAX = 20
MODES = {
    "normal": ("NORMAL 平常", "bold white on green"),
    "watch": ("WATCH 警戒", "bold black on yellow"),
    "disaster": ("DISASTER 災害", "bold white on red"),
}
PHASES = {
    "starting": "starting 起動中",
    "running": "running 実行中",
    "draining": "draining 残りを送信中",
    "ended": "ended 終了",
}
STATES = {"online": "online 稼働", "silent": "silent 無応答", "offline": "offline 切断"}
COLUMNS = (  # title, width (0: the rest), whether a number
    ("device 端末", 11, False),
    ("power", 7, False),
    ("at the hub", 12, False),
    ("boot", 4, True),
    ("sent", 6, True),
    ("in flash", 8, True),
    ("newest 最新値", 0, False),
)


class Screen:
    """Draws a run; rich calls it several times a second."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        height = options.size.height - HEAD_LINES - BORDER_LINES
        rows_count = len(self._run.rows)
        if height - TABLE_LINES - rows_count >= LOG_LINES_MIN:
            devices, lines_count = self._devices(), TABLE_LINES + rows_count
        else:
            columns_count = max(1, options.max_width // 20)
            devices = self._devices_as_words(columns_count)
            lines_count = -(-rows_count // columns_count)
        yield Group(
            *self._head(options.max_width),
            devices,
            self._log(console, options.max_width, max(1, height - lines_count)),
        )

    def _head(self, width: int) -> Iterator[RenderableType]:
        view = self._run.view
        head = Table.grid(expand=True)
        head.add_column(no_wrap=True)
        head.add_column(justify="right", no_wrap=True)
        head.add_row(
            Text(view.title, style="bold"),
            f"{view.elapsed_s:.1f} / {view.seconds:.0f} s  {PHASES[view.phase]}",
        )
        yield head
        yield self._page_and_rates()
        progress = Table.grid(expand=True)
        progress.add_row(
            ProgressBar(
                total=view.seconds, completed=min(view.elapsed_s, view.seconds), width=width
            )
        )
        yield progress
        yield self._state()
        yield Text()

    def _page_and_rates(self) -> RenderableType:
        ingest = self._run.view.status.get("ingest", {})
        readings, frames = (
            _number(ingest.get(f"{name}_per_s")) for name in ("readings", "frames")
        )
        line = Table.grid(expand=True)
        line.add_column(no_wrap=True)
        line.add_column(justify="right", no_wrap=True)
        line.add_row(
            Text(f"page 画面: {self._run.view.page}", style="cyan"),
            f"{readings} readings/s  {frames} frames/s",
        )
        return line

    def _state(self) -> RenderableType:
        view = self._run.view
        uplink = (view.status.get("uplinks") or [{}])[0]
        word, style = MODES.get(view.status.get("mode", {}).get("mode", ""), ("-", "dim"))
        backlog = uplink.get("backlog", 0) + uplink.get("live", 0) if uplink else None
        state = Table.grid(expand=True, padding=(0, 1))
        for _ in range(3):
            state.add_column(no_wrap=True)
        state.add_row(
            Text.assemble("mode 体制 ", (f" {word} ", style)),
            Text.assemble("line 回線 ", _word(view.line_is_up, "works 正常", "CUT 切断")),
            Text.assemble("hub ハブ ", _word(self._run.hub_is_up, "up 稼働", "DEAD 停止")),
        )
        state.add_row(
            Text.assemble(
                "backlog 未送信 ",
                (_number(backlog), "bold yellow" if (backlog or 0) > BACKLOG_NORMAL_MAX else ""),
            ),
            f"platform 基盤 {view.platform.get('accepted', 0)} frames",
            "Ctrl-C: end 終了",
        )
        return state

    def _devices(self) -> RenderableType:
        at_hub = self._at_hub()
        table = Table(expand=True, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        for title, width, is_number in COLUMNS:
            table.add_column(
                title, width=width or None, ratio=None if width else 1, no_wrap=True,
                justify="right" if is_number else "left",
            )  # fmt: skip
        for device in self._run.devices:
            row = at_hub.get(device.name, {})
            agent = device.agent
            pending = agent.flashlog.pending_count() if agent is not None else 0
            table.add_row(
                device.name,
                _word(device.is_running(), "on", "OFF 断"),
                STATES.get(row.get("state", ""), "-"),
                str(device.board.boots_count),
                str(len(device.observer.sent)),
                str(pending),
                _newest(row),
            )
        return table

    def _devices_as_words(self, columns_count: int) -> RenderableType:
        at_hub = self._at_hub()
        words = []
        for device in self._run.devices:
            state = str(at_hub.get(device.name, {}).get("state", "-"))
            if not device.is_running():
                word = Text("OFF 断", style="bold red")
            else:
                word = Text(state, style="green" if state == "online" else "yellow")
            words.append(Text.assemble(f"{device.name} ", word))
        table = Table.grid(expand=True)
        for _ in range(columns_count):
            table.add_column(ratio=1, no_wrap=True)
        for at in range(0, len(words), columns_count):
            table.add_row(*words[at : at + columns_count])
        return table

    def _at_hub(self) -> dict[str, dict[str, Any]]:
        return {row["device"]: row for row in self._run.view.status.get("devices", [])}

    def _log(self, console: Console, width: int, height: int) -> RenderableType:
        """Return the newest lines that fit, the last one whole."""
        shown: list[Text] = []
        for at_s, line in reversed(self._run.view.log):
            wrapped = Text(f"{at_s:6.1f} s  {line}").wrap(console, width - 4)
            if shown and len(shown) + len(wrapped) > height:
                break
            shown[:0] = wrapped
        text = Text("\n").join(shown[-height:])
        return Panel(
            text, title="what happens / できごと", height=height + BORDER_LINES, border_style="dim"
        )


def _word(is_good: bool, good: str, bad: str) -> Text:
    return Text(good, style="green") if is_good else Text(bad, style="bold red")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _newest(row: dict[str, Any]) -> str:
    if row.get("personal"):
        return "(personal / 個人)"
    readings = [one for one in row.get("readings", []) if one["current"]][:3]
    return "  ".join(f"{one['channel']} {one['value']:.3g} {one['unit']}" for one in readings)


def print_end(console: Console, report: dict[str, Any]) -> None:
    """Print the table at the end of a run and, where it failed, why."""
    console.print(result_table(report))
    judgement = report["judgement"]
    if judgement and (judgement["expected"] or judgement["false_alarms"]):
        console.print(judgement_table(judgement))
    for reason in failures(report):
        console.print(f"FAILED / 失敗: {reason}", style="bold red", soft_wrap=True)


def failures(report: dict[str, Any]) -> list[str]:
    """Return why a report is not ok, in English and Japanese; nothing where it is."""
    frames = report["frames"]
    reasons = [
        (not frames["sent"], "no device sent anything / 送信がありません"),
        (frames["lost"], f"{frames['lost']} frames are lost / 紛失"),
        (frames["duplicates"], f"{frames['duplicates']} frames arrived twice / 重複"),
        (
            frames["stored"] and report["is_mended"],
            f"{frames['stored']} frames never arrived though all works again / 未着",
        ),
        (
            report["refused_by_platform"],
            f"the platform refused frames / 基盤が拒否: {report['refused_by_platform']}",
        ),
    ]
    judgement = report.get("judgement")
    why = judge.reasons(judgement) if judgement else []
    return [text for is_so, text in reasons if is_so] + why


def result_table(report: dict[str, Any]) -> Table:
    """Return the table that stands at the end of a run."""
    frames, readings, latency = report["frames"], report["readings"], report["latency_ms"]
    style = "bold green" if report["ok"] else "bold red"
    title = f"{report['scenario']}: {'OK / 合格' if report['ok'] else 'FAILED / 不合格'}"
    table = Table(title=Text(title, style=style), show_header=False)
    rows = [
        ("devices / 端末", report["devices"]),
        ("frames sent / 送信", frames["sent"]),
        ("  accepted by the hub / 受付", frames["accepted"]),
        ("  delivered to the platform / 配達", frames["delivered"]),
        ("  still stored / 保管中", frames["stored"]),
        ("  evicted, named by a gap record / 欠測として記録", frames["evicted"]),
        ("  lost / 紛失", Text(str(frames["lost"]), style=style)),
        ("  twice at the platform / 重複", Text(str(frames["duplicates"]), style=style)),
        ("  sent again after a cut, kept once / 再送(一度だけ保存)", report["redelivered"]),
        ("readings delivered of sent / 計測値", f"{readings['delivered']} / {readings['sent']}"),
        ("gap records / 欠測記録", report["gaps"]),
        ("mode changes / モード変更", report["mode_changes"]),
        ("alerts / 警報", report["alerts"]),
        ("live latency p50, p99 / 遅延", f"{latency['p50']} ms, {latency['p99']} ms"),
        ("this machine too slow / 処理の遅れ", f"{report['machine_stalled_ms']} ms"),
    ]  # fmt: skip
    for name, value in rows:
        table.add_row(name, value if isinstance(value, Text) else str(value))
    return table
