"""A run on the terminal: live, as lines, and the table at its end."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from simulators.run import Run

LOG_LINES_MIN = 3
LINES_ELSEWHERE = 13  # head, progress, both tables' heads, borders
MODE_STYLES = {
    "normal": "bold white on green",
    "watch": "bold black on yellow",
    "disaster": "bold white on red",
}


class Screen:
    """Draws a run; rich calls it several times a second."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __rich_console__(self, console: Console, options: Any) -> Iterator[RenderableType]:
        view = self._run.view
        yield Group(
            self._head(),
            ProgressBar(total=view.seconds, completed=min(view.elapsed_s, view.seconds)),
            self._flow(),
            self._devices(),
            self._log(
                max(LOG_LINES_MIN, options.size.height - len(self._run.rows) - LINES_ELSEWHERE)
            ),
        )

    def _head(self) -> RenderableType:
        view = self._run.view
        mode = view.status.get("mode", {})
        word = mode.get("mode", "-")
        head = Table.grid(expand=True, padding=(0, 2))
        head.add_column(ratio=2)
        head.add_column()
        head.add_column(justify="right")
        head.add_row(
            Text(view.title, style="bold"),
            Text(f" mode {word} ", style=MODE_STYLES.get(word, "dim")),
            Text(f"{view.elapsed_s:5.1f} / {view.seconds:.0f} s  {view.phase}"),
        )
        head.add_row(Text(f"page: {view.page}", style="cyan"), "", "")
        return head

    def _flow(self) -> RenderableType:
        view = self._run.view
        ingest = view.status.get("ingest", {})
        uplink = (view.status.get("uplinks") or [{}])[0]
        hub = _word(view.hub_is_up, "up", "DEAD")
        line = _word(view.line_is_up, "works", "CUT")
        flow = Table(expand=True, show_edge=False, pad_edge=False)
        for title in (
            "hub",
            "readings/s",
            "frames/s",
            "line to platform",
            "hub's view",
            "backlog",
            "platform has",
        ):
            flow.add_column(title)
        backlog = uplink.get("backlog", 0) + uplink.get("live", 0)
        flow.add_row(
            hub,
            f"{ingest.get('readings_per_s', 0):.0f}",
            f"{ingest.get('frames_per_s', 0):.1f}",
            line,
            str(uplink.get("state", "-")),
            Text(str(backlog), style="yellow" if backlog > 20 else ""),
            f"{view.platform.get('accepted', 0)} frames",
        )
        return flow

    def _devices(self) -> RenderableType:
        rows = {row["device"]: row for row in self._run.view.status.get("devices", [])}
        table = Table(expand=True, show_edge=False, pad_edge=False)
        for title in ("device", "power", "at the hub", "boot", "sent", "in flash", "newest"):
            is_number = title in ("boot", "sent", "in flash")
            table.add_column(title, justify="right" if is_number else "left", no_wrap=True)
        for device in self._run.devices:
            row = rows.get(device.name, {})
            agent = device.agent
            pending = agent.flashlog.pending_count() if agent is not None else 0
            table.add_row(
                device.name,
                _word(device.is_running(), "on", "OFF"),
                str(row.get("state", "-")),
                str(device.board.boots_count),
                str(len(device.observer.sent)),
                str(pending),
                _newest(row),
            )
        return table

    def _log(self, count: int) -> RenderableType:
        lines = list(self._run.view.log)[-count:]
        text = Text("\n".join(f"{at_s:6.1f} s  {line}" for at_s, line in lines))
        text.no_wrap, text.overflow = True, "ellipsis"
        return Panel(text, title="what happens / できごと", height=count + 2, border_style="dim")


def _word(is_good: bool, good: str, bad: str) -> Text:
    return Text(good, style="green") if is_good else Text(bad, style="bold red")


def _newest(row: dict[str, Any]) -> str:
    if row.get("personal"):
        return "(personal / 個人)"
    readings = [one for one in row.get("readings", []) if one["current"]][:3]
    return "  ".join(f"{one['channel']} {one['value']:.3g} {one['unit']}" for one in readings)


def result_table(report: dict[str, Any]) -> Table:
    """Return the table that stands at the end of a run."""
    frames, readings, latency = report["frames"], report["readings"], report["latency_ms"]
    table = Table(
        title=f"{report['scenario']}: {'OK' if report['ok'] else 'FAILED'}", show_header=False
    )
    style = "bold green" if report["ok"] else "bold red"
    rows = [
        ("devices / 端末", report["devices"]),
        ("frames sent / 送信", frames["sent"]),
        ("  accepted by the hub / 受付", frames["accepted"]),
        ("  delivered to the platform / 配達", frames["delivered"]),
        ("  still stored / 保管中", frames["stored"]),
        ("  evicted, with gap record / 退避不能", frames["evicted"]),
        ("  lost / 紛失", Text(str(frames["lost"]), style=style)),
        ("  twice at the platform / 重複", Text(str(frames["duplicates"]), style=style)),
        ("  delivered again, refused by identity / 再送(排除済)", report["redelivered"]),
        ("readings delivered of sent / 計測値", f"{readings['delivered']} / {readings['sent']}"),
        ("gap records / 欠測記録", report["gaps"]),
        ("mode changes / モード変更", report["mode_changes"]),
        ("alerts / 警報", report["alerts"]),
        ("machine too slow, boards waited / 停止時間", f"{report['machine_stalled_ms']} ms"),
        ("live latency p50, p99 / 遅延", f"{latency['p50']} ms, {latency['p99']} ms"),
    ]  # fmt: skip
    for name, value in rows:
        table.add_row(name, value if isinstance(value, Text) else str(value))
    return table
