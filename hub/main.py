"""The hub as a program: picks the parts, wires them, runs until told to stop."""

import asyncio
import json
import logging
import signal
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.metadata import version
from typing import Any

from hub import watchdog
from hub.admin import Admin
from hub.alerts.alerts import Alerts
from hub.alerts.handlers import handlers as alert_handlers
from hub.audit import Audit
from hub.clock import Clock, HostClock
from hub.commits import Commits
from hub.config import Config
from hub.console.desk import Desk
from hub.console.server import certificate_of, serve
from hub.device_control import DeviceControl
from hub.device_health import safe_mode_texts
from hub.ingest import Exchange, Ingest
from hub.ledger import audit
from hub.links.tcp import listen
from hub.live import Live
from hub.mode_control import handlers as mode_handlers
from hub.modes import Change
from hub.operators import Operators
from hub.people.office import Office
from hub.platform_orders import PlatformOrders
from hub.platform_orders import listen as listen_for_orders
from hub.pulse import Pulse
from hub.relay.mqtt import MqttUplink
from hub.report.handlers import handlers as report_handlers
from hub.report.inspections import Inspections
from hub.rollout import Limits
from hub.room import Needs, Room, watermarks
from hub.rules.bridge import BridgeRule
from hub.rules.finding import INFO, WARNING
from hub.rules.rule import standing_of
from hub.rules.watch_over import WatchOverRule
from hub.salvage import Outcome, Salvage, Verifier
from hub.sender import HubSender
from hub.store import Store
from hub.timing import Timing
from hub.update import META_KEY as UPDATE_KEY
from hub.update import Update
from hub.watch import Watch

log = logging.getLogger(__name__)

STOP_TIMEOUT_S = 2.0  # each for the uplinks and for the page; the data is committed before
RATE_WINDOW_S = 10.0
RESTART_S = 1.0
OPERATORS_KEY = "operators"  # in meta: what was audited of each, as JSON


class Hub:
    """All parts of one running hub; also the source of its page.

    make_uplink: with another client, the hub relays to something else than a broker.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock | None = None,
        *,
        make_uplink: type[MqttUplink] = MqttUplink,
    ) -> None:
        self.config = config
        self.clock = clock or HostClock()
        tables = config.tables
        marks = watermarks(tables["store"])
        self.store = Store(config.data, marks.size_max)
        self.commits = Commits(self.store, self.clock)
        self.sender = HubSender(config.id, config.secret, self.store)
        self.timing = Timing(config.id, self.clock, self.store, self.sender)
        self.live = Live(config.devices, self.timing.clocks, self.timing.time)
        self.live.first = frozenset(row["device"] for row in tables["siren"])
        self.watch = Watch(
            config, self.store, self.sender, clock=self.clock, timing=self.timing, live=self.live
        )
        self.audit = Audit(self.store, self.sender, self.clock)
        self.ingest = Ingest(
            self.store,
            config.devices,
            lambda: (self.watch.modes.mode, self.watch.modes.drill),
            clock=self.clock,
        )
        self.uplinks = [
            make_uplink(config.id, self.store, row, self.clock) for row in config.uplinks
        ]
        secrets = {name: device.secret for name, device in config.devices.items()}
        verifier = Verifier({**secrets, config.id: config.secret})
        required = [one.queue for one in self.uplinks if one.is_required]
        self.room = Room(
            self.store, self.sender, Needs(required, self.store), clock=self.clock, marks=marks
        )
        self.salvage = Salvage(self.store, verifier, self._needed_from)
        self.alerts = Alerts(config, self.clock, self.timing.time)
        self.admin = Admin(config.data)
        self.platform_orders = [
            (self._make_orders(row), row) for row in config.uplinks if row["command_key"]
        ]
        over = next(one for one in self.watch.rules if isinstance(one, WatchOverRule))
        self.office = Office(config, self.store, over, clock=self.clock)
        self.operators = Operators(config.folder / tables["hub"]["operators"])
        self.desk = self._make_desk()
        vitals, clocks = self.watch.vitals, self.timing.clocks
        self.pulse = Pulse(vitals, self.store, clocks, clock=self.clock, devices=config.devices)
        self.inspections = Inspections(
            next(one for one in self.watch.rules if isinstance(one, BridgeRule)),
            config.data,
            tables["report"],
            hub=config.id,
            utc_us=self.timing.time.utc_us,
            utc_offset_min=tables["mode"]["utc_offset_min"],
        )
        self._started_us = self.clock.now_us()
        self.on_alive: Callable[[], None] = lambda: None  # once a second while all moves
        self._rates = _Rates(self.clock)
        self._connect()

    def _connect(self) -> None:
        ingest = self.ingest
        self.watch.attend(ingest)
        self.watch.on_change += [self.audit.mode, self.alerts.changed]
        self.watch.on_finding.append(self.alerts.found)
        self.alerts.stand(standing_of(self.watch.rules), drill=self.watch.modes.drill)
        self.admin.handlers |= mode_handlers(self.watch) | alert_handlers(self.alerts)
        self.admin.handlers |= self.desk.handlers()
        modes, states = self.watch.modes, self.live.states
        devices = DeviceControl(
            ingest, lambda: modes.drill, self._note, lambda device: states[device].start
        )
        self.admin.handlers |= devices.handlers()
        self.watch.on_change.append(self._mode_changed)
        self.inspections.attend(self.watch, self.clock)
        self.admin.handlers |= report_handlers(self.inspections, self.inspections.rule)
        self.office.cases = self.alerts.personal_events
        self.room.old = self.office.old
        self.room.personal = frozenset(
            name for name, device in self.config.devices.items() if device.personal
        )
        self.office.attend(self.admin, self.watch.modes.mode, self.watch.modes.drill)
        self.alerts.attend(ingest)
        self.alerts.note, self.alerts.notice = self.audit.note, self.watch.notice
        self.watch.are_up = lambda: [one.state == "up" for one in self.uplinks if one.is_required]
        now_us = self.clock.now_us
        ingest.may_show = lambda: self.live.may_decode(now_us())
        ingest.on_frames = self._framed
        ingest.on_time = self._exchanged
        self.timing.on_jump = self._jumped
        ingest.on_hello = self._greeted
        ingest.on_gap = self._lost
        self.update = self._make_update()
        self.audit.started(self.config)
        self.operators.on_change = self._operator_changed
        self.operators.start(json.loads(self.store.meta.get(OPERATORS_KEY) or "{}"))
        self.salvage.utc_us = self.clock.utc_us
        self.salvage.on_end = self._salvaged

    def _note(self, actor: str, command: str, what: str, after: str) -> None:
        self.audit.note(audit(self.clock.utc_us(), actor, command, what=what, after=after))

    def _make_desk(self) -> Desk:
        tables = self.config.tables
        return Desk(
            tables["console"],
            self.operators,
            self.admin.carry_out,
            clock=self.clock,
            offset_min=tables["mode"]["utc_offset_min"],
            note=self._note,
        )

    def _operator_changed(self, name: str, before: str, after: str) -> None:
        words = {"what": name, "before": before, "after": after}
        self.audit.note(audit(self.clock.utc_us(), "operators.toml", "operator", **words))
        known = json.dumps(self.operators.what(), ensure_ascii=False)
        self.store.save_meta(OPERATORS_KEY, known)

    def _make_update(self) -> Update:
        row = self.config.tables["update"]
        return Update(
            self.config.data,
            self.ingest,
            Limits(row["share_percent"], row["failures_max"], row["parallel"]),
            timeout_s=row["timeout_s"],
            mode=lambda: self.watch.modes.mode,
            save=self.store.save_meta,
            note=self._note,
            kept=self.store.meta.get(UPDATE_KEY),
        )

    def _mode_changed(self, change: Change) -> None:
        self.office.changed(change)
        self.watch.vitals.forget_paces()

    def _needed_from(self, lane: int) -> int:
        # Without an uplink all that is stored is what there is.
        return min((one.queue.floor(lane) for one in self.uplinks), default=0)

    def _salvaged(self, outcome: Outcome) -> None:
        level = WARNING if outcome.missing_count() else INFO
        self.watch.notice(level, "store", outcome.texts())

    def _framed(self, device: str, count: int) -> None:
        self.live.frames(device, count, self.clock.now_us())
        self.pulse.frames(device, count)

    def _exchanged(self, device: str, boot: int, exchange: Exchange) -> None:
        self.timing.exchanged(device, boot, exchange)
        self.pulse.exchanged(device, boot, exchange)

    def _lost(self, payload: bytes) -> None:
        self.audit.device_gap(payload)
        self.pulse.gap(payload)

    def _greeted(self, device: str, hello: dict[str, Any]) -> None:
        self.pulse.greeted(device, hello)
        assert self.watch.orders is not None
        self.watch.orders.greeted(device, hello)
        if self.live.greeted(device, hello):
            self.watch.notice(WARNING, "device", safe_mode_texts(device))

    def _jumped(self, texts: tuple[str, str]) -> None:
        self.watch.notice(INFO, "clock", texts)

    def tick(self) -> None:
        """What is due by time; once a second."""
        now_us = self.clock.now_us()
        self.timing.tick(now_us)
        self.ingest.tick(now_us)
        self.room.tick()
        self.pulse.tick(now_us, self.room.statistics, self.timing.time.quality)
        self.office.tick(now_us)
        self.watch.tick(now_us)
        self.inspections.tick(now_us)
        self.alerts.tick(now_us)
        self.audit.tick()
        self.update.tick(now_us)

    async def tick_often(self) -> None:
        """Beat once a second."""
        while True:
            await asyncio.sleep(1)
            self.beat()

    def beat(self) -> None:
        """Tick, and tell that the hub is alive if the writer's thread is, too."""
        self.tick()
        if not self.commits.is_stuck():
            self.on_alive()

    def jobs(self) -> list[tuple[Callable[[], Awaitable[None]], str]]:
        """Return what must run as long as the hub, each with its name."""
        return [
            *((one.run, one.name) for one in self.uplinks),
            (self.tick_often, "tick"),
            (self.salvage.run, "salvage"),
            *self.alerts.jobs(),
            *(
                (partial(listen_for_orders, one, self.config.id, row), f"orders of {one.name}")
                for one, row in self.platform_orders
            ),
        ]

    def _make_orders(self, row: dict[str, Any]) -> PlatformOrders:
        modes = self.watch.modes
        return PlatformOrders(
            row["name"],
            bytes.fromhex(row["command_key"]),
            self.sender.keys.up,
            self.sender.boot,
            mode=lambda: (modes.mode, modes.drill),
            set_mode=self.watch.set_mode,
        )

    # The page's source (hub.console.source.Source)

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state; see hub.console.source."""
        now_us = self.clock.now_us()
        live, stored = self.live, self.store.statistics()
        devices, counts = live.devices(set(self.ingest.peers), now_us)
        uplinks = [one.statistics() for one in self.uplinks]
        for one in uplinks:
            one["drain_per_s"] = self._rates.of(one["name"], one["delivered"])
            one["stored"] = one["live"] + one["backlog"]
        return {
            "hub": {"id": self.config.id, "version": version("hinomi"), "boot": self.sender.boot,
                    "uptime_s": (now_us - self._started_us) // 1_000_000,
                    "utc_us": self.timing.time.utc_us(now_us),
                    **self.timing.statistics()},
            "mode": self.watch.mode_snapshot(),
            "devices": devices,
            "device_counts": counts,
            "uplinks": uplinks,
            "ingest": {**self.ingest.statistics(),
                       "frames_per_s": self._rates.of("frames", live.frames_count),
                       "readings_per_s": self._rates.of("readings", live.readings_count)},
            "store": {**stored, **self.room.statistics(), "frames": stored["accepted"],
                      "failure": self.store.failure, "commit": self.commits.statistics()},
            "reports": self.inspections.listed(),
            "alerts": live.alerts(),
            "warnings": self.alerts.events(),
            "delivery": self.alerts.statistics(),
            "update": self.update.status(),
        }  # fmt: skip

    def channels(self) -> list[tuple[str, str, str]]:
        """Return the channels that have a history."""
        return self.live.channels()

    def history(self, device: str, channel: str, since_utc_us: int) -> list[list[float]]:
        """Return the history of one channel."""
        return self.live.history(device, channel, since_utc_us)


class _Rates:
    """Counter -> rate per second over the last RATE_WINDOW_S, for devices report seconds apart."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[str, deque[tuple[float, int]]] = {}

    def of(self, name: str, count: int) -> float:
        now = self._clock.now_us() / 1e6
        seen = self._seen.setdefault(name, deque())
        if not seen or now - seen[-1][0] >= 1.0:
            seen.append((now, count))
        while len(seen) > 2 and now - seen[1][0] >= RATE_WINDOW_S:
            seen.popleft()
        at, before = seen[0]
        return round((count - before) / max(now - at, 1.0), 1)


async def run(
    config: Config,
    ready: "asyncio.Future[tuple[int, int]] | None" = None,
    notifier: watchdog.Notifier | None = None,
) -> None:
    """Run the hub until SIGTERM or SIGINT.

    ready: gets the ports of devices and page when both are open. OSError where one cannot be had.
    notifier: hears what systemd should; by default whom the environment names.
    """
    notifier = notifier or watchdog.from_environment()
    hub = Hub(config)
    hub.on_alive = lambda: notifier.tell(watchdog.ALIVE)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    ingest, console = config.tables["ingest"], config.tables["console"]
    address = (ingest["host"], ingest["port"])
    page_port: asyncio.Future[int] = loop.create_future()
    opened = serve(
        hub, console["host"], console["port"], stop, ready=page_port, alerts=hub.alerts,
        reports=hub.inspections.folder, desk=hub.desk, tls=certificate_of(config),
    )  # fmt: skip
    page = loop.create_task(opened)
    opening: list[asyncio.Future[Any]] = [page, page_port]
    try:
        await asyncio.wait(opening, return_when=asyncio.FIRST_COMPLETED)
        if page.done():
            page.result()
        await hub.admin.open()
        server = await listen(hub.ingest, address, hub.clock.now_us, ingest["connections_max"])
        port = server.sockets[0].getsockname()[1]
        log.info("hub %s takes devices on %s:%d", config.id, address[0], port)
        if ready is not None:
            ready.set_result((port, page_port.result()))
        notifier.tell(watchdog.READY)
        tasks = [loop.create_task(_kept(work, name)) for work, name in hub.jobs()]
        hub.store.on_damage.append(lambda reason: stop.set())
        page.add_done_callback(_page_ended)
        await stop.wait()
        notifier.tell(watchdog.STOPPING)
        server.close()
        hub.ingest.stop()
        hub.watch.save()
        for task in tasks:
            task.cancel()
        await hub.store.wait_idle()
        await asyncio.wait(tasks, timeout=STOP_TIMEOUT_S)
    finally:
        stop.set()
        hub.admin.close()
        hub.inspections.close()
        await asyncio.wait({page}, timeout=STOP_TIMEOUT_S)
        await hub.room.close()
        await hub.alerts.close()
        await hub.store.close()
    if hub.store.is_damaged:
        log.error("the store was found damaged; the hub begins a fresh one and goes on")
        await run(config, notifier=notifier)


def _page_ended(page: "asyncio.Task[None]") -> None:
    # Data goes on without it.
    if not page.cancelled() and page.exception() is not None:
        log.error("the page has failed: %r", page.exception())


async def _kept(work: Callable[[], Awaitable[None]], name: str) -> None:
    """Run what must go on for as long as the hub; a bug in it is logged and it begins again."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("%s failed; it starts again", name)
        await asyncio.sleep(RESTART_S)
