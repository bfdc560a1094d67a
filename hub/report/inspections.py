"""Orders an inspection report of every bridge after shaking, and keeps the list of them.

A quake, or a change to disaster, begins an event. `delay_s` later a process of its own makes a
report for each bridge, one after the other; where the shaking went on for longer, one more follows
when there is quiet to judge. With the defaults everything is there within five minutes.
"""

import json
import logging
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from hub.clock import Clock, HostClock
from hub.modes import Change
from hub.rules.bridge import BridgeRule
from hub.rules.finding import INFO, WATCH, Finding
from hub.watch import Watch
from protocols.vocabulary import MODE_DISASTER, MODE_NORMAL

log = logging.getLogger(__name__)

QUIET_S = 75  # after the shaking, that a report needs to judge frequencies
WORKER_S_MAX = 120
WAITING_MAX = 256
FOLDER = "reports"
SUMMARY = "report.json"
NAME = re.compile(r"\d{8}-\d{6}-[^/\\.: ]{1,32}")
LISTED = 10
GRADES_TEXTS = (
    ("基準に達した場所はありません", "no place has reached a limit"),
    ("注意する場所があります", "some places deserve a look"),
    ("はじめに見る場所があります", "some places need a look first"),
)


class Event(NamedTuple):
    """cause: Japanese, English."""

    at_us: int
    utc_us: int
    cause: tuple[str, str]
    drill: bool


class Inspections:
    """data: the hub's folder of data. utc_us: UTC of a time of the hub's monotonic clock."""

    def __init__(
        self,
        rule: BridgeRule,
        data: Path,
        settings: dict[str, Any],
        *,
        hub: str,
        utc_us: Callable[[int], int],
        utc_offset_min: int = 540,
    ) -> None:
        self.rule = rule
        self.folder = data / FOLDER
        self._store = data / "hub.sqlite"
        self._settings = settings
        self._hub = hub
        self._utc_offset_min = utc_offset_min
        self.utc_us = utc_us
        self._found: Callable[[Finding], None] = lambda finding: None
        self._is_drill: Callable[[], bool] = lambda: False
        self._clock: Clock = HostClock()
        self._delay_us = settings["delay_s"] * 1_000_000
        self._event: Event | None = None
        self._shakes = False
        self._dues_us: list[int] = []
        self._waiting: deque[dict[str, Any]] = deque()
        self._running: tuple[subprocess.Popen[bytes], dict[str, Any], int] | None = None
        self.made_count = 0
        self.failed_count = 0
        self._listed = summaries(self.folder)

    def attend(self, watch: Watch, clock: Clock) -> None:
        """Hear what the watch finds, and say there what was made."""
        self._found = watch.find
        self._clock = clock
        self._is_drill = lambda: watch.modes.drill
        watch.on_finding.append(lambda one, drill: self.heard(one, drill, clock.now_us()))
        watch.on_change.append(lambda change: self.changed(change, clock.now_us()))

    # What begins one

    def heard(self, finding: Finding, drill: bool, now_us: int) -> None:
        """Take a finding of any rule: a quake begins an event, its end may ask for one more."""
        if finding.rule != "quake" or finding.key != "quake":
            return
        if finding.is_over:
            self._calmed(now_us)
        elif not self._shakes and finding.level > WATCH:  # an onset alone says not how much
            self._begin((finding.text_ja, finding.text_en), drill, now_us)
            self._shakes = True

    def changed(self, change: Change, now_us: int) -> None:
        """Take a change of mode: a disaster begins an event unless one has begun."""
        if change.mode == MODE_DISASTER and not self._shakes:
            self._begin(change.texts, change.drill, now_us)

    def _begin(self, cause: tuple[str, str], drill: bool, now_us: int) -> None:
        if self.rule.nodes and not self._dues_us:
            self._event = Event(now_us, self.utc_us(now_us), cause, drill)
            self._dues_us = [now_us + self._delay_us]

    def _calmed(self, now_us: int) -> None:
        """Ask for one more report where the first comes too early after the shaking."""
        again_us = now_us + QUIET_S * 1_000_000
        is_ours = self._shakes and self._event is not None
        self._shakes = False
        if is_ours and self._event and again_us > self._event.at_us + self._delay_us:
            self._dues_us.append(again_us)

    # Time

    def tick(self, now_us: int) -> None:
        """Do what is due: order reports, look after the process that makes one."""
        if self._event and any(now_us >= due_us for due_us in self._dues_us):
            self._dues_us = [due_us for due_us in self._dues_us if now_us < due_us]
            for bridge in self.rule.bridges():
                self.order(bridge, self._event)
        if self._running is not None:
            self._look_after(now_us)
        if self._running is None and self._waiting:
            self._start(self._waiting.popleft(), now_us)

    def ask(self, bridges: list[str], ago_us: int) -> list[str]:
        """Order reports on what was so long ago, for a person; return their names."""
        now_us = self._clock.now_us()
        at_us = now_us - ago_us
        cause = ("操作員の指示", "by an operator")
        event = Event(at_us, self.utc_us(at_us), cause, self._is_drill())
        return [self.order(bridge, event) for bridge in bridges]

    def order(self, bridge: str, event: Event) -> str:
        """Ask for a report; return its name. WAITING_MAX wait at most, more are counted."""
        name = report_name(event.utc_us, bridge)
        if len(self._waiting) >= WAITING_MAX:
            self.failed_count += 1
            return name
        self._waiting.append({
            "hub": self._hub,
            "utc_offset_min": self._utc_offset_min,
            "bridge": bridge,
            "drill": event.drill,
            "store": str(self._store),
            "cause_ja": event.cause[0],
            "cause_en": event.cause[1],
            "event_us": event.at_us,
            "event_utc_us": event.utc_us,
            "folder": str(self.folder / name),
        })  # fmt: skip
        return name

    def _start(self, request: dict[str, Any], now_us: int) -> None:
        devices = self.rule.bridges()[request["bridge"]]
        request["made_utc_us"] = self.utc_us(now_us)
        request["until_s"] = (now_us - request["event_us"]) / 1e6
        request["nodes"] = {device: self.rule.facts(device, now_us) for device in devices}
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / ".request.json"
        path.write_text(json.dumps(request, ensure_ascii=False), encoding="utf-8")
        command = [sys.executable, "-m", "hub.report.worker", str(path)]
        self._running = (
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL),
            request,
            now_us,
        )

    def _look_after(self, now_us: int) -> None:
        assert self._running is not None
        process, request, since_us = self._running
        if process.poll() is None:
            if now_us - since_us > WORKER_S_MAX * 1_000_000:
                process.kill()
            return
        self._running = None
        summary = _summary(Path(request["folder"]))
        if process.returncode != 0 or summary is None:
            self.failed_count += 1
            log.warning("no report on %s: its process ended with %d", request["bridge"],
                        process.returncode)  # fmt: skip
            return
        self.made_count += 1
        self._listed = summaries(self.folder)
        for one in self._listed[self._settings["keep_count"] :]:
            shutil.rmtree(self.folder / one["name"], ignore_errors=True)
        del self._listed[self._settings["keep_count"] :]
        self._found(_finding(summary, request["event_us"]))

    def close(self) -> None:
        """Stop the process that makes one."""
        if self._running is not None:
            self._running[0].kill()
            self._running[0].wait()
            self._running = None

    def listed(self) -> list[dict[str, Any]]:
        """Return the newest reports for the page."""
        keys = ("name", "bridge", "name_ja", "name_en", "utc_us", "drill", "grade")
        return [{key: one[key] for key in keys} for one in self._listed[:LISTED]]


def report_name(utc_us: int, bridge: str) -> str:
    """Return the name of a report, which is also that of its folder; times on UTC."""
    then = datetime.fromtimestamp(utc_us / 1e6, UTC)
    return f"{then:%Y%m%d-%H%M%S}-{bridge}"


def _finding(summary: dict[str, Any], event_us: int) -> Finding:
    ja, en = GRADES_TEXTS[summary["grade"]]
    mark_ja, mark_en = ("【訓練】", "[Exercise] ") if summary["drill"] else ("", "")
    return Finding(
        "bridge", f"report/{summary['name']}", INFO, MODE_NORMAL,
        f"{mark_ja}橋りょう点検資料ができました({summary['name_ja']}): {ja}",
        f"{mark_en}Inspection report on {summary['name_en']}: {en}", is_over=True,
        kind="bridge-report", place=summary["places"][0]["device"], at_us=event_us,
    )  # fmt: skip


def summaries(folder: Path) -> list[dict[str, Any]]:
    """Return all reports, the newest first."""
    if not folder.is_dir():
        return []
    names = sorted((one for one in folder.iterdir() if NAME.fullmatch(one.name)), reverse=True)
    return [summary for summary in map(_summary, names) if summary is not None]


def _summary(folder: Path) -> dict[str, Any] | None:
    try:
        summary: dict[str, Any] = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return summary
