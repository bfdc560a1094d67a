"""Runs a scenario on the real system: hub and platform as processes, the devices here.

    devices (real agent, simulated chips) --TCP--> hub process --MQTT--> Line --> platform process

The line to the platform can be cut, the hub is killed with SIGKILL and started again, boards lose
power. What the run looks like from outside is in `Run.view`; what became of every frame is
counted at the end by simulators.verdict.
"""

import asyncio
import gc
import hashlib
import json
import os
import signal
import socket
import sys
import time
import urllib.request
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.hal.file_flash import FileFlash
from boards.profiles import make_config, read_device
from hub import config as hub_config
from protocols.cose import DeviceKeys
from simulators.archive import Archive
from simulators.board import PowerLost
from simulators.clock import SteadyClock
from simulators.network import BLACKHOLE, Line
from simulators.scenario import Event, Placed, Scenario
from simulators.storage import PowerCut
from simulators.town import Town
from simulators.verdict import Verdict, judge, unknown_to_hub
from simulators.virtual_device import FLASH_SECTORS, VirtualDevice

START_TIMEOUT_S = 20.0
DRAIN_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 4.0
KEEPALIVE_S = 2  # so that a run of a minute sees a dead line noticed
BREAK_NOTICED_S = 3 * KEEPALIVE_S  # what arrived this long before a new connection may come again
POLL_S = 1.0
CONSOLE_PORT_WISHED = 8080
HUB_STARTS_MAX = 3  # another program may take a port between our look and the hub
HUB = "hub-1"


class RunError(Exception):
    """The run cannot go on: one sentence of cause, one of remedy."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy


@dataclass
class View:
    """What one sees from outside while it runs."""

    title: str
    seconds: float
    elapsed_s: float = 0.0
    phase: str = "starting"
    page: str = ""
    line_is_up: bool = True
    hub_is_up: bool = False
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
        self._hub: asyncio.subprocess.Process | None = None
        self._platform: asyncio.subprocess.Process | None = None
        self._line: Line | None = None
        self._archive: Archive | None = None
        self._hub_toml = folder / "hub" / "hub.toml"
        self._store = folder / "hub" / "data" / "hub.sqlite"
        self.archive_folder = folder / "platform"
        self._clock = SteadyClock()
        self._ticking: asyncio.Task[None] | None = None
        self._told: dict[str, Any] = {}  # the status whose news the log has
        self._resendable = 0
        self._connections = 0
        self._is_connection_due = True  # until something has arrived through it
        self._accepted_count = 0

    def secret(self, name: str) -> bytes:
        """Return the secret of a device, the same for the same seed: nobody is protected by it."""
        return hashlib.sha256(f"hinomi {self.seed} {name}".encode()).digest()

    async def run(self) -> Verdict:
        """Play the scenario, let the backlog drain, stop everything, count."""
        try:
            await self._start()
            # A full collection over all that was imported would stop every board for tens of ms.
            gc.collect()
            gc.freeze()
            await self._play()
            await self._drain()
            await self._stop_hub()
            return self._judge()
        finally:
            await self._end()

    # Beginning

    async def _start(self) -> None:
        asyncio.get_running_loop().set_exception_handler(_without_power_cuts)
        self._make_folder()
        await self._start_platform()
        await self._start_first_hub()
        clock = SteadyClock()
        self._ticking = asyncio.create_task(clock.keep_running())
        self.devices = [
            self._make_device(number, row, clock) for number, row in enumerate(self.rows)
        ]
        for device in self.devices:
            device.start()
        self._clock = clock

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._hub_toml.parent.mkdir()
        except FileExistsError:
            raise RunError(
                f"{self.folder} holds a run already", "Choose another --folder, or remove it."
            ) from None
        except OSError as error:
            raise RunError(
                f"{self.folder} cannot be written: {error.strerror}",
                "Choose another folder with --folder.",
            ) from None

    async def _start_platform(self) -> None:
        keys = {
            row.name: DeviceKeys(row.name, self.secret(row.name)).up_key().hex()
            for row in self.rows
        }
        keys[HUB] = DeviceKeys(HUB, self.secret(HUB)).up_key().hex()
        path = self.folder / "keys.json"
        path.write_text(json.dumps(keys))
        command = [
            "-m",
            "simulators.platform",
            "--archive",
            str(self.archive_folder),
            "--keys",
            str(path),
        ]
        self._platform = await self._spawn(command, "platform.log")
        port = (await self._ready(self._platform, "platform"))["port"]
        self._line = Line("127.0.0.1", port)
        await self._line.start()
        personal = {
            row.name: DeviceKeys(row.name, self.secret(row.name)).seal_key for row in self.rows
        }
        self._archive = Archive(self.archive_folder, personal)

    async def _start_first_hub(self) -> None:
        for left in reversed(range(HUB_STARTS_MAX)):
            self._write_hub_toml(free_port(CONSOLE_PORT_WISHED if left else 0))
            if not self.view.page:
                self._enroll_devices()
            self.view.page = f"http://127.0.0.1:{self._console_port}"
            try:
                await self._start_hub()
                break
            except RunError:
                if not left:
                    raise
        taken = self._console_port != CONSOLE_PORT_WISHED
        why = f" (port {CONSOLE_PORT_WISHED} is in use / 使用中)" if taken else ""
        self.say(f"open {self.view.page} in a browser / ブラウザで開けます{why}")

    def _write_hub_toml(self, console_port: int) -> None:
        assert self._line is not None
        self._console_port = console_port
        self.port = free_port(0)
        self._hub_toml.unlink(missing_ok=True)
        hub_config.init(
            self._hub_toml.parent,
            {
                ("ingest", "port"): self.port,
                ("console", "port"): self._console_port,
                ("uplink", "port"): self._line.port,
                ("uplink", "version"): "3.1.1",  # the simulated platform's broker has no MQTT 5
                ("uplink", "keepalive_s"): KEEPALIVE_S,
            },
        )

    def _enroll_devices(self) -> None:
        (self._hub_toml.parent / "hub.secret").write_text(self.secret(HUB).hex() + "\n")
        for row in self.rows:
            profile = read_device(row.profile)
            number = row.name.rpartition("-")[2]
            hub_config.enroll(
                self._hub_toml.parent / "devices.toml",
                hub_config.Device(
                    row.name,
                    self.secret(row.name),
                    row.kind,
                    f"{profile['name_ja']} {number}",
                    f"{profile['name_en']} {number}",
                    any(sensor.get("personal") for sensor in profile["sensors"]),
                ),
            )

    async def _start_hub(self) -> None:
        command = ["-m", "hinomi", "hub", "run", "--json", "--config", str(self._hub_toml)]
        self._hub = await self._spawn(command, "hub.log")
        await self._ready(self._hub, "hub")
        self.view.hub_is_up = True

    def _make_device(self, number: int, row: Placed, clock: SteadyClock) -> VirtualDevice:
        config = make_config(
            row.profile,
            row.name,
            self.secret(row.name).hex(),
            host="127.0.0.1",
            port=self.port,
            demo=True,
        )
        signals = self.town.signals(row)
        options = dict.fromkeys(("acc",), self._chip_options) if self._chip_options else None
        flash = FileFlash(str(self.folder / f"{row.name}.flash"), sector_count=FLASH_SECTORS)
        return VirtualDevice(
            config, signals, clock, options=options, flash=flash, seed=self.seed * 1000 + number
        )

    async def _spawn(self, arguments: list[str], log_name: str) -> asyncio.subprocess.Process:
        with (self.folder / log_name).open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable, *arguments, stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE, stderr=log, start_new_session=True,
            )  # fmt: skip

    async def _ready(self, process: asyncio.subprocess.Process, name: str) -> dict[str, Any]:
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT_S)
            return json.loads(line)  # type: ignore[no-any-return]
        except (TimeoutError, ValueError):
            raise RunError(
                f"The {name} process did not start", f"Read {self.folder / (name + '.log')}."
            ) from None

    # The scenario

    async def _play(self) -> None:
        self.view.phase = "running"
        events = deque(self.scenario.events)
        end_us = self.scenario.seconds * 1_000_000
        next_poll_us = 0
        while (now_us := self._clock.now_us()) < end_us:
            self.view.elapsed_s = now_us / 1e6
            while events and events[0].at_us <= now_us:
                await self._do(events.popleft())
            if now_us >= next_poll_us:
                next_poll_us = now_us + int(POLL_S * 1e6)
                await self._poll()
            self._check_devices()
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
            if self.view.hub_is_up:
                await self._expect_resent()
            line.restore()
            self.view.line_is_up = True
        elif event.action == "kill_hub":
            await self._kill_hub()
        elif event.action == "start_hub":
            if self.view.line_is_up:
                await self._expect_resent()
            await self._start_hub()
        elif event.action == "power_cut" and device is not None:
            device.power_cut()
        elif event.action == "power_on" and device is not None:
            await device.power_on()

    async def _kill_hub(self) -> None:
        if self._hub is not None and self._hub.returncode is None:
            self._hub.send_signal(signal.SIGKILL)
            await self._hub.wait()
        self.view.hub_is_up = False
        self.view.status = {}

    async def _expect_resent(self) -> None:
        """Count what the hub, once it reaches the platform again, cannot know to be there."""
        self._is_connection_due, self._accepted_count = True, self.view.platform.get("accepted", 0)
        self._resendable += await asyncio.to_thread(
            unknown_to_hub, self.archive_folder, self._store
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

    def _check_devices(self) -> None:
        for device in self.devices:
            failure = device.failure()
            if failure is not None:
                raise RunError(
                    f"{device.name} died: {failure!r}", "This is a bug; please report it."
                )
        hub, platform = self._hub, self._platform
        if self.view.hub_is_up and hub is not None and hub.returncode is not None:
            raise RunError("The hub ended by itself", f"Read {self.folder / 'hub.log'}.")
        if platform is not None and platform.returncode is not None:
            raise RunError("The platform ended by itself", f"Read {self.folder / 'platform.log'}.")

    def say(self, text: str) -> None:
        """Put a line into the log of the run."""
        self.view.log.append((self.view.elapsed_s, text))

    async def _poll(self) -> None:
        if self.view.hub_is_up:
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
        while time.monotonic() < give_up:
            await asyncio.sleep(0.3)
            await self._poll()
            self._check_devices()
            if all(task.done() for task in stops) and (self._is_drained() or not self._is_mended):
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
        return devices and self.view.hub_is_up and self.view.line_is_up

    def _is_drained(self) -> bool:
        uplinks = self.view.status.get("uplinks", [])
        waiting = sum(one["live"] + one["backlog"] + one["in_flight"] for one in uplinks)
        return bool(uplinks) and waiting == 0

    async def _stop_hub(self) -> None:
        if self._hub is not None and self._hub.returncode is None:
            self._hub.terminate()
            try:
                await asyncio.wait_for(self._hub.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                remedy = f"Read {self.folder / 'hub.log'}."
                raise RunError("The hub does not stop when told to", remedy) from None
        self.view.hub_is_up = False

    def _judge(self) -> Verdict:
        assert self._archive is not None
        verdict = judge(
            self.scenario.name,
            self.devices,
            self._archive,
            self._store,
            seconds=self.scenario.seconds,
        )
        verdict.resendable, verdict.is_mended = self._resendable, self._is_mended
        verdict.stalled_ms = self._clock.stalled_us // 1000
        return verdict

    async def _end(self) -> None:
        self.view.phase = "ended"
        for process in (self._hub, self._platform):  # first, whatever comes of the rest
            if process is not None and process.returncode is None:
                process.terminate()
        for device in self.devices:
            if device.is_running():
                device.power_cut()
        if self._ticking is not None:
            self._ticking.cancel()
        if self._line is not None:
            await self._line.close()
        await asyncio.gather(*map(_end_process, (self._hub, self._platform)))
        if self._archive is not None:
            self._archive.close()


async def _end_process(process: asyncio.subprocess.Process | None) -> None:
    """Wait for what was told to end; kill what does not."""
    if process is None:
        return
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _without_power_cuts(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Pass on what a task died of, unless it is the power cut that the scenario asked for."""
    if not isinstance(context.get("exception"), (PowerLost, PowerCut)):
        loop.default_exception_handler(context)


def free_port(wished: int) -> int:
    """Return the wished port of loopback when it is free, else any free one."""
    for port in (wished, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise RunError("No port of loopback is free", "Close other programs.")


def fetch(url: str) -> dict[str, Any]:
    """Return the JSON object at a URL of this machine; OSError when nobody answers."""
    with urllib.request.urlopen(url, timeout=2) as answer:
        return json.load(answer)  # type: ignore[no-any-return]


def default_folder() -> Path:
    """Return a new folder for a run, below build/runs of the current folder."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return Path("build") / "runs" / f"{stamp}-{os.getpid()}"
