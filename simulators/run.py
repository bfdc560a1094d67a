"""Runs a scenario on the real system: hub and platform as processes, the devices here.

    devices (real agent, simulated chips) --TCP--> hub process --MQTT--> Line --> platform process

The line to the platform can be cut, the hub is killed with SIGKILL and started again, boards lose
power. What the run looks like from outside is in `Run.view`; what became of every frame is
counted at the end by simulators.verdict.
"""

import asyncio
import gc
import json
import os
import time
import urllib.request
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.hal.file_flash import FileFlash
from boards.profiles import make_config
from simulators.archive import Archive
from simulators.board import PowerLost
from simulators.clock import SteadyClock
from simulators.judge import judge as judge_findings
from simulators.judge import with_intensities
from simulators.network import BLACKHOLE, Line
from simulators.programs import CONSOLE_PORT_WISHED, KEEPALIVE_S, Programs, RunError
from simulators.scenario import Event, Placed, Scenario
from simulators.seen import Moments, seen
from simulators.storage import PowerCut
from simulators.town import Town
from simulators.verdict import Verdict, judge, unknown_to_hub
from simulators.virtual_device import FLASH_SECTORS, VirtualDevice

DRAIN_TIMEOUT_S = 60.0
BREAK_NOTICED_S = 3 * KEEPALIVE_S  # what arrived this long before a new connection may come again
POLL_S = 1.0


@dataclass
class View:
    """What one sees from outside while it runs."""

    title: str
    seconds: float
    elapsed_s: float = 0.0
    phase: str = "starting"
    page: str = ""
    line_is_up: bool = True
    status: dict[str, Any] = field(default_factory=dict)
    platform: dict[str, Any] = field(default_factory=dict)
    log: list[tuple[float, str]] = field(default_factory=list)  # second, line


class Run:
    """One run of a scenario in a folder of its own."""

    def __init__(
        self, scenario: Scenario, folder: Path, *, seed: int, record: Path | None = None,
        chip_options: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """chip_options: options of the accelerometers' models, such as {"noise": False}."""
        self.scenario = scenario
        self.folder = folder
        self.seed = seed
        self.town = Town(scenario, seed, record)
        self._chip_options = chip_options
        tables = scenario.tables["scenario"]
        title = f"{tables['title_en']} / {tables['title_ja']}"
        self.view = View(title, float(scenario.seconds))
        self.devices: list[VirtualDevice] = []
        self.rows: list[Placed] = scenario.devices
        self._programs = Programs(folder, scenario, seed)
        self.archive_folder = self._programs.archive_folder
        self._line: Line | None = None
        self._archive: Archive | None = None
        self._clock = SteadyClock()
        self._ticking: asyncio.Task[None] | None = None
        self._told: dict[str, Any] = {}  # the status whose news the log has
        self._resendable = 0
        self._connections = 0
        self._is_connection_due = True  # until something has arrived through it
        self._accepted_count = 0
        self._is_mended = False
        self._moments = Moments()

    @property
    def hub_is_up(self) -> bool:
        """Whether the hub process should be running: started, and not killed or stopped."""
        return self._programs.hub_is_up

    async def run(self) -> Verdict:
        """Play the scenario, let the backlog drain, stop everything, count."""
        try:
            await self._start()
            # A full collection over all that was imported would stop every board for tens of ms.
            gc.collect()
            gc.freeze()
            await self._play()
            await self._drain()
            await self._programs.stop_hub()
            return self._judge()
        finally:
            await self._end()

    # Beginning

    async def _start(self) -> None:
        asyncio.get_running_loop().set_exception_handler(_without_power_cuts)
        await self._start_programs()
        clock = SteadyClock()
        self._ticking = asyncio.create_task(clock.keep_running())
        self.devices = [
            self._make_device(number, row, clock) for number, row in enumerate(self.rows)
        ]
        for device in self.devices:
            device.start()
        self._clock = clock

    async def _start_programs(self) -> None:
        programs = self._programs
        programs.make_folder()
        self._line = Line("127.0.0.1", await programs.start_platform())
        await self._line.start()
        personal = {row.name: programs.keys(row.name).seal_key for row in self.rows}
        self._archive = Archive(self.archive_folder, personal)
        has_wished = await programs.start_first_hub(self._line.port)
        self.view.page = programs.page
        why = "" if has_wished else f" (port {CONSOLE_PORT_WISHED} is in use / 使用中)"
        self.say(f"open {self.view.page} in a browser / ブラウザで開けます{why}")

    def _make_device(self, number: int, row: Placed, clock: SteadyClock) -> VirtualDevice:
        config = make_config(
            row.profile,
            row.name,
            self._programs.secret(row.name).hex(),
            host="127.0.0.1",
            port=self._programs.ingest_port,
            demo=True,
        )
        signals = self.town.signals(row)
        options = dict.fromkeys(("acc",), self._chip_options) if self._chip_options else None
        flash = FileFlash(str(self.folder / f"{row.name}.flash"), sector_count=FLASH_SECTORS)
        return VirtualDevice(
            config, signals, clock, options=options, flash=flash, seed=self.seed * 1000 + number
        )

    # The scenario

    async def _play(self) -> None:
        self.view.phase = "running"
        events = deque(self.scenario.events)
        end_us = self.scenario.seconds * 1_000_000
        next_poll_us = 0
        while (now_us := self._clock.now_us()) < end_us:
            self.view.elapsed_s = now_us / 1e6
            self._moments.note(self.view.elapsed_s)
            while events and events[0].at_us <= now_us:
                await self._do(events.popleft())
            if now_us >= next_poll_us:
                next_poll_us = now_us + int(POLL_S * 1e6)
                await self._poll()
            self._check()
            await asyncio.sleep(0.1)
        for event in events:
            await self._do(event)

    async def _do(self, event: Event) -> None:
        self.say(event.text())
        line, device = self._line, None
        assert line is not None
        if event.device:
            device = next(one for one in self.devices if one.name == event.device)
        if event.action == "cut_line":
            line.cut(BLACKHOLE)
            self.view.line_is_up = False
        elif event.action == "restore_line":
            if self.hub_is_up:
                await self._expect_resent()
            line.restore()
            self.view.line_is_up = True
        elif event.action == "kill_hub":
            await self._programs.kill_hub()
            self.view.status = {}
        elif event.action == "start_hub":
            if self.view.line_is_up:
                await self._expect_resent()
            await self._programs.start_hub()
        elif event.action == "start_drill":
            if not await self._programs.order("drill", "start", "--reason", "scenario"):
                raise RunError("The hub refuses a drill", f"Read {self.folder}/orders.log.")
        elif event.action == "stop_drill":
            if not await self._programs.order("drill", "stop"):
                self.say("the drill was over before / 訓練は既に終わっていました")
        elif event.action == "power_cut" and device is not None:
            device.power_cut()
        elif event.action == "power_on" and device is not None:
            await device.power_on()

    async def _expect_resent(self) -> None:
        """Count what the hub, once it reaches the platform again, cannot know to be there."""
        self._is_connection_due, self._accepted_count = True, self.view.platform.get("accepted", 0)
        self._resendable += await asyncio.to_thread(
            unknown_to_hub, self.archive_folder, self._programs.store
        )

    def _watch_connections(self) -> None:
        """Allow for what was on the way when the hub connects anew unasked: a starved machine."""
        assert self._line is not None and self._archive is not None
        count = self._line.statistics()["connections"]
        if count > self._connections and not self._is_connection_due:
            since_us = time.monotonic_ns() // 1000 - int(BREAK_NOTICED_S * 1e6)
            self._resendable += sum(one.arrival_us > since_us for one in self._archive.arrivals())
            self.say("hub: connected to the platform anew / 基盤へ再接続")
        self._connections = count
        if self.view.platform.get("accepted", 0) > self._accepted_count:
            self._is_connection_due = False

    def _check(self) -> None:
        for device in self.devices:
            failure = device.failure()
            if failure is not None:
                raise RunError(
                    f"{device.name} died: {failure!r}", "This is a bug; please report it."
                )
        self._programs.check()

    def say(self, text: str) -> None:
        """Put a line into the log of the run."""
        self.view.log.append((self.view.elapsed_s, text))

    async def _poll(self) -> None:
        if self.hub_is_up:
            try:
                status = await asyncio.to_thread(fetch, f"{self.view.page}/api/status")
            except (OSError, ValueError):
                status = {}
            if status:
                self._tell_news(status)
                self._told = self.view.status = status
        if self._archive is not None:
            self.view.platform = self._archive.counts()
            self._watch_connections()

    def _tell_news(self, status: dict[str, Any]) -> None:
        before = self._told
        mode = status["mode"]
        if not before or before["mode"]["mode"] != mode["mode"]:
            self.say(f"mode {mode['mode']}: {mode['actor']} {mode['reason']}".rstrip())
        known = max((alert["id"] for alert in before.get("alerts", [])), default=0)
        if before and before["hub"]["boot"] != status["hub"]["boot"]:
            known = 0
        for alert in sorted(status["alerts"], key=lambda one: int(one["id"])):
            if alert["id"] > known:
                self.say(f"{alert['level']}: {alert['text_en']} / {alert['text_ja']}")
        for now in status["uplinks"]:
            was = next(
                (one for one in before.get("uplinks", []) if one["name"] == now["name"]), None
            )
            if was is not None and was["state"] != now["state"]:
                self.say(f"hub: uplink {now['name']} is {now['state']}, backlog {now['backlog']}")

    # The end

    async def _drain(self) -> None:
        self.view.phase = "draining"
        self.view.elapsed_s = self.view.seconds
        self._is_mended = self._is_all_mended()
        self.say("sensors stop; what is still on the way drains / 計測終了、残りを送信")
        stops = [asyncio.create_task(device.stop()) for device in self.devices]
        give_up = time.monotonic() + DRAIN_TIMEOUT_S
        stopped_us: int | None = None  # UTC
        while time.monotonic() < give_up:
            await asyncio.sleep(0.3)
            if stopped_us is None and all(task.done() for task in stops):
                stopped_us = time.time_ns() // 1000
            await self._poll()
            self._check()
            if stopped_us and (self._is_drained(stopped_us) or not self._is_mended):
                break
        else:
            self.say("gave up waiting: not everything has arrived / 送信が終わりません")
        for task in stops:
            if task.done() and task.exception() is not None:
                raise RunError(
                    f"a device died at its end: {task.exception()!r}", "Please report it."
                )
            task.cancel()

    def _is_all_mended(self) -> bool:
        devices = all(device.is_running() for device in self.devices)
        return devices and self.hub_is_up and self.view.line_is_up

    def _is_drained(self, since_us: int) -> bool:
        """Tell whether the hub has nothing left to send, by a status younger than since_us."""
        status = self.view.status
        if not status or status["hub"]["utc_us"] <= since_us:
            return False
        rows = status["uplinks"]
        return not any(one["live"] + one["backlog"] + one["in_flight"] for one in rows)

    def _judge(self) -> Verdict:
        assert self._archive is not None
        verdict = judge(
            self.scenario.name,
            self.devices,
            self._archive,
            self._programs.store,
            seconds=self.scenario.seconds,
        )
        verdict.resendable, verdict.is_mended = self._resendable, self._is_mended
        verdict.stalled_ms = self._clock.stalled_us // 1000
        names = [row.name for row in self.rows]
        raised = seen(self._archive, self._moments, names)
        demands = with_intensities(self.scenario.demands, self.town.intensities())
        verdict.judgement = judge_findings(demands, raised, self.scenario.seconds)
        return verdict

    async def _end(self) -> None:
        self.view.phase = "ended"
        self._programs.tell_to_end()  # first, whatever comes of the rest
        for device in self.devices:
            if device.is_running():
                device.power_cut()
        if self._ticking is not None:
            self._ticking.cancel()
        if self._line is not None:
            await self._line.close()
        await self._programs.wait_ended()
        if self._archive is not None:
            self._archive.close()


def _without_power_cuts(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Pass on what a task died of, unless it is the power cut that the scenario asked for."""
    if not isinstance(context.get("exception"), (PowerLost, PowerCut)):
        loop.default_exception_handler(context)


def fetch(url: str) -> dict[str, Any]:
    """Return the JSON object at a URL of this machine; OSError when nobody answers."""
    with urllib.request.urlopen(url, timeout=2) as answer:
        return json.load(answer)  # type: ignore[no-any-return]


def default_folder() -> Path:
    """Return a new folder for a run, below build/runs of the current folder."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return Path("build") / "runs" / f"{stamp}-{os.getpid()}"
