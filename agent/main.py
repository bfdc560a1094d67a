"""The agent: the only file that picks the parts and starts the tasks.

config.json -> sensors -> sampler -> sealer -> flash log -> uplink -> link -> hub
                             operation <- commands of the hub <-
"""

import asyncio

from agent import drivers
from agent.clock import US_PER_MS, US_PER_S, sleep_ms, sleep_us
from agent.config import Config, ConfigError
from agent.flashlog import FlashLog
from agent.links.tcp import TcpLink
from agent.log import Log
from agent.operation import Operation
from agent.outputs import Outputs
from agent.own_rule import OwnRule
from agent.policy_order import PolicyOrder
from agent.sampler import EVENT_POLL_MS, EVENT_WATCH_US, Sampler
from agent.sealer import Sealer
from agent.sensor import Sensor
from agent.slots import Slots
from agent.supervisor import Beats, Supervisor, end_tasks
from agent.survival import Survival, last_lines
from agent.update import ERASE_US, Trust, Update
from agent.uplink import Uplink
from protocols.cose import DeviceKeys
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FIRMWARE_NAME = "hinomi-agent "
VERSION = "0.1.0"  # of an agent that was started from no slot, whose manifest would name it
KEY_STOPPED = const(2)  # of the flash log's kept values: the boot that ended in good order
DRAIN_MS_MAX = const(10_000)  # how long a stop waits for the hub to take what is left
RESULT_MS = const(500)  # until the hub has heard that its command is carried out
_BEAT_MARGIN_US = const(5_000_000)
# It may have to wait for a gap between the samples; a piece or a check of the image takes seconds.
_UPDATE_US_MAX = const(900_000_000)
_NEVER_US = const(1 << 62)
# Of config.json, the most that safe mode goes by where more of it may be wrong.
_SAFE_KEYS = (
    ("device", "secret", "profile", "hub", "wifi", "update_key", "board"),
    ("device", "secret", "profile", "hub", "wifi"),
)


class Agent:
    """One boot of one device.

    Board: the hardware port. table: what config.json holds; ConfigError. slot: the one that this
    boot was started from.
    """

    def __init__(
        self,
        board: "Any",
        table: "dict[str, Any]",
        echo: bool = True,
        slot: "int | None" = None,
    ) -> None:
        self._board = board
        self.log = Log(board.clock, echo=echo)
        self._slot = slot
        self.flashlog = FlashLog(board.flash())
        self.flashlog.mount()
        self.boot = self.flashlog.next_boot()
        stopped = self.flashlog.kept(KEY_STOPPED) or b""
        self._ended_well = int.from_bytes(stopped, "big") == self.boot - 1
        self.survival = Survival(self.flashlog, str(board.reset_cause), self._ended_well)
        tables = safe_tables(table) if self.survival.is_safe else [table]
        for number in range(len(tables)):
            try:
                self._build(board, tables[number], slot)
                break
            except Exception as error:
                if number == len(tables) - 1:
                    # Whatever it is, the next boot's hello shall say so.
                    self._note_crash(last_lines(error))
                    raise

    def _build(self, board: "Any", table: "dict[str, Any]", slot: "int | None") -> None:
        config = Config(table)
        check_drivers(board, config)
        self._config = config
        keys = DeviceKeys(config.device, config.secret)
        self.sealer = Sealer(keys, self.flashlog, self.boot, board.random)
        sensors = [Sensor(board, row, self.log) for row in config.sensors]
        self.sampler = Sampler(sensors, config.policy, self.sealer)
        led = None if config.led_pin is None else board.pin(config.led_pin, "out", "none")
        self.outputs = Outputs(board, config.outputs, self.log)
        self.operation = Operation(
            self.sampler,
            self.flashlog,
            self.log,
            led,
            policy_order=PolicyOrder(config, board, self.flashlog, self.log),
            outputs=self.outputs,
            own_rule=OwnRule(sensors, self.outputs, config.alone_after_ms),
        )
        self._next_us = 0  # when a sensor is due
        self.update = self._make_update(slot)
        self._beats = Beats()
        self.supervisor = Supervisor(board, self.log, self._beats, self._crashed)
        self.uplink = Uplink(
            board,
            TcpLink(board, config.host, config.port),
            keys,
            flashlog=self.flashlog,
            operation=self.operation,
            update=self.update,
            beats=self._beats,
            log=self.log,
            greeting=self._greeting,
            on_open=self.survival.told,
            restart=self.restart,
            network=board.network(config.wifi),
        )
        self._stopping = asyncio.Event()
        self._restarts = False

    def restart(self) -> None:
        """End this boot in good order, and begin another, out of safe mode."""
        self.survival.forget()
        self._restarts = True

    def stop(self) -> None:
        """Frame what waits, let the hub take it for a while, and end run()."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until stop(); or for ever."""
        supervisor = self.supervisor
        tasks = [
            asyncio.create_task(supervisor.keep_running("sampler", self._sample, is_vital=True)),
            asyncio.create_task(supervisor.keep_running("uplink", self.uplink.run)),
            asyncio.create_task(supervisor.keep_running("update", self.update.run)),
            asyncio.create_task(supervisor.feed_watchdog()),
        ]
        if getattr(self._board, "waker", None) is not None:
            job = supervisor.keep_running("events", self._watch_events)
            tasks.append(asyncio.create_task(job))
        try:
            await tasks[0]
            if self._restarts:
                await sleep_ms(RESULT_MS)
            await self._drain()
        finally:
            await end_tasks(tasks)
        if self.update.is_switching or self._restarts:
            self._board.reset()

    def statistics(self) -> "dict[str, Any]":
        """Return the counters of all parts."""
        return {
            "boot": self.boot,
            "frames": self.sealer.next_index,
            "mode": self.operation.mode,
            "drill": self.operation.drill,
            "safe_mode": self.survival.is_safe,
            "restarts": self.supervisor.restarts_count,
            "unnoted": self.survival.failed_count,
            "flash": self.flashlog.statistics(),
            "sensors": self.sampler.statistics(),
            "uplink": self.uplink.statistics(),
            "update": self.update.statistics(),
        }

    async def _sample(self) -> None:
        self._name_power_loss()
        self._name_safe_mode()
        self._name_trial()
        while self.flashlog.prepare():  # before the first sample: erasing stops the processor
            pass
        self.sampler.follow(self.operation.followed_mode(), self._now_us())
        while not self._stopping.is_set():
            framed = self.sealer.next_index
            now_us = self._now_us()
            next_us = self._next_us = self.sampler.run_due(now_us)
            self.operation.run_due(now_us)
            if self.survival.live_on(now_us) or self._restarts:
                self._restarts = True
                break
            if self.sealer.next_index != framed:
                self.uplink.wake()
            if next_us - self._now_us() > ERASE_US:
                self.flashlog.prepare()
            self._beats.expect("sampler", next_us + _BEAT_MARGIN_US)
            await sleep_us(min(next_us, now_us + US_PER_S) - self._now_us())
        self.outputs.all_off(self._now_us())
        self.sampler.flush(self._now_us())
        self.flashlog.keep(KEY_STOPPED, self.boot.to_bytes(4, "big"))
        self.uplink.wake()

    async def _watch_events(self) -> None:
        """Read the sensors of events when an edge says so, not only when they are due."""
        while not self._stopping.is_set():
            self._beats.expect("events", _NEVER_US)
            await self._board.waker.wait()
            watch_until_us = self._now_us() + EVENT_WATCH_US
            is_settling = True
            while not self._stopping.is_set() and (is_settling or self._now_us() < watch_until_us):
                self._beats.expect("events", self._now_us() + _BEAT_MARGIN_US)
                framed = self.sealer.next_index
                is_settling = self.sampler.poll_events(self._now_us())
                if self.sealer.next_index != framed:
                    self.uplink.wake()
                await sleep_ms(EVENT_POLL_MS)

    def _name_power_loss(self) -> None:
        if self.sealer.next_index == 0 and self.boot > 1 and not self._ended_well:
            self.sealer.append_power_loss(self._now_us())

    def _name_safe_mode(self) -> None:
        if self.survival.is_safe:
            texts = (
                "続けて異常終了したため、センサーを止めて動いています（セーフモード）",
                "it ended badly again and again: it runs without its sensors (safe mode)",
            )
            self.sealer.append_notice(self._now_us(), "safe mode", texts)

    def _name_trial(self) -> None:
        """Give the hub a frame at once: a gauge that reports every ten minutes is on trial too."""
        if self.update.is_on_trial and self.sealer.next_index == 0:
            version = self.update.version
            texts = ("更新 %s を試行中" % version, "update %s is on trial" % version)
            self.sealer.append_notice(self._now_us(), "update", texts)

    async def _drain(self) -> None:
        until_us = self._now_us() + DRAIN_MS_MAX * US_PER_MS
        while self.flashlog.pending_count() and self._now_us() < until_us:
            await sleep_ms(20)

    def _greeting(self) -> "tuple[int, str, str, str]":
        cause = self.survival.greeting(str(self._board.reset_cause), self._slot_words())
        firmware = FIRMWARE_NAME + (self.update.version or VERSION)
        return self.boot, firmware, self._config.profile, cause

    def _slot_words(self) -> str:
        if self._slot is None:
            return ""
        return "slot %d%s" % (self._slot, ", on trial" if self.update.is_on_trial else "")

    def _crashed(self, text: str) -> None:
        self._note_crash(text)
        # Who switches them off in time may be the one that dies again and again.
        self.outputs.run_due(self._now_us())

    def _note_crash(self, text: str) -> None:
        self.survival.note_crash(self.boot, text)

    def _make_update(self, slot: "int | None") -> Update:
        flashes = self._board.slots()
        config = self._config
        return Update(
            None if flashes is None else Slots(flashes, slot),
            Trust(config.update_key, config.board, config.profile),
            flashlog=self.flashlog,
            log=self.log,
            idle_us=lambda: self._next_us - self._now_us(),
            wake=lambda: self.uplink.wake(),
            restart=self.stop,
            busy=self._expect_update,
        )

    def _expect_update(self, is_busy: bool) -> None:
        by_us = self._now_us() + _UPDATE_US_MAX if is_busy else _NEVER_US
        self._beats.expect("update", by_us)

    def _now_us(self) -> int:
        now_us: int = self._board.clock.now_us()
        return now_us


def safe_tables(table: "dict[str, Any]") -> "list[dict[str, Any]]":
    """Return what safe mode goes by, the best first; the next where that is wrong, too.

    config.json without its sensors and what says anything of them; then no more of it than the way
    to the hub, with the key of its updates and at last without.
    """
    bare: dict[str, Any] = {"sensors": [], "policy": {"normal": {}}}
    whole = dict(table)
    whole.update(bare)
    tables = [whole]
    for keys in _SAFE_KEYS:
        tables.append({key: table[key] for key in keys if key in table})
        tables[-1].update(bare)
    return tables


def check_drivers(board: "Any", config: Config) -> None:
    """Make every driver once with the settings of every mode;

    ConfigError where one refuses them.
    """
    for row in config.sensors:
        for rule in config.policy.rules_of(row.name):
            settings = dict(row.settings)
            settings.update(rule.pace)
            try:
                drivers.create(row.driver, board, settings)
            except ValueError as error:
                raise ConfigError("sensor " + row.name, "cannot be set so", str(error))


async def run(board: "Any", table: "dict[str, Any]", slot: "int | None" = None) -> None:
    """Run the agent on a board until its power goes. slot: the one that it was started from."""
    await Agent(board, table, slot=slot).run()
