"""A device of the world: what an agent keeps and says, with a light source of readings.

Real are its flash log, sealer, operation, uplink and link; its chip is simulators.storage's, whose
power may go in the middle of any byte.
"""

import asyncio
import random
from array import array
from typing import Any

import agent.uplink
from agent.flashlog import FlashLog
from agent.links.tcp import TcpLink
from agent.log import Log
from agent.operation import Operation
from agent.sealer import Sealer
from agent.supervisor import Beats, Supervisor
from agent.uplink import Uplink
from protocols.batch import Series
from protocols.cose import DeviceKeys
from protocols.vocabulary import LANE_ALERT, LANE_LIFE, LANE_STATE, LANE_WAVE
from simulators.storage import PowerCut, SimFlash
from simulators.virtual_device import WatchedFlash
from tests.world.network import HUB_PORT, Network
from tests.world.observer import Observer

# What it frames in turn; a wave is larger.
LANES = (LANE_STATE, LANE_WAVE, LANE_STATE, LANE_WAVE, LANE_ALERT, LANE_WAVE, LANE_LIFE)
READINGS = {LANE_WAVE: 400}
READINGS_ELSE = 60
OFF_S_MAX = 60
# A light device has no watchdog to tell every two seconds that it waits.
vars(agent.uplink)["_TURN_US_MAX"] = 30_000_000


class Seen:
    """What simulators.virtual_device.WatchedFlash tells, passed on under the device's name."""

    def __init__(self, device: str, observer: Observer) -> None:
        self._device = device
        self._observer = observer
        self._head = observer.head_of(device)

    def is_frame_start(self, data: bytes) -> bool:
        is_start = bytes(data[: len(self._head)]) == self._head
        if is_start:
            self._observer.saw_begun(self._device, bytes(data))
        return is_start

    def saw_kept(self, frame: bytes) -> None:
        self._observer.saw_kept(self._device, frame)


class WatchedLog(FlashLog):
    """A flash log that tells the observer what its device takes for durable elsewhere."""

    def __init__(self, flash: Any, device: str, observer: Observer) -> None:
        super().__init__(flash)
        self._told = (device, observer)

    def free(self, boot: int, first: int, following: int) -> int:
        """Pass on, and tell."""
        device, observer = self._told
        observer.saw_acknowledged(device, boot, first, following)
        return super().free(boot, first, following)


class _Clock:
    """The boot clock."""

    def __init__(self, network: Network) -> None:
        self._loop = network.loop
        self._boot_us = network.loop.now_us

    def now_us(self) -> int:
        return self._loop.now_us - self._boot_us


class _Board:
    """As much of the hardware port as these parts of an agent need."""

    reset_cause = "power_on"

    def __init__(self, device: "Device") -> None:
        self.clock = _Clock(device.network)
        self._chance = device.chance
        self.connect = device.network.dialer(device.keys)

    def random(self, count: int) -> bytes:
        return self._chance.randbytes(count)


class _Source:
    """Makes readings of nothing at an even pace. mode: 1 and 2 are faster."""

    def __init__(self, every_us: int, mode: int) -> None:
        self._every_us = every_us
        self.mode = mode

    def follow(self, mode: int, now_us: int) -> None:
        self.mode = mode

    def self_test(self, now_us: int) -> list[str]:
        return []

    def wait_us(self) -> int:
        return self._every_us >> self.mode


class Device:
    """One device; it lives from start() on, through every loss of its power."""

    def __init__(
        self,
        keys: DeviceKeys,
        network: Network,
        observer: Observer,
        *,
        every_us: int,
        sectors: int,
        seed: int,
    ) -> None:
        self.keys = keys
        self.network = network
        self.chance = random.Random(seed)
        self.body = SimFlash(sector_count=sectors, seed=seed & 0xFFFF)
        self._flash = WatchedFlash(self.body, Seen(keys.device, observer))  # type: ignore[arg-type]
        self._observer = observer
        self._every_us = every_us
        self._is_wanted = True
        self._off = asyncio.Event()
        self.log: WatchedLog | None = None
        self.boots = 0
        self.framed = 0

    def start(self) -> None:
        """Give it power."""
        self._task = asyncio.get_running_loop().create_task(self._live(), name=self.keys.device)

    def power_cut(self, at_bytes: int = -1) -> None:
        """Take the power: when the flash has taken so many more bytes, or now."""
        if at_bytes < 0:
            self._off.set()
        else:
            self.body.cut_after(at_bytes)

    def rest(self) -> None:
        """Frame nothing more."""
        self._is_wanted = False

    def is_empty(self) -> bool:
        """Tell whether the hub has all that it holds."""
        return not self.held()

    def held(self) -> int:
        """Return how many frames it holds, and losses to be named; -1 before its first boot."""
        return -1 if self.log is None else self.log.pending_count() + len(self.log._gaps._gaps)

    def failure(self) -> BaseException | None:
        """Return what it died of: a bug."""
        return self._task.exception() if self._task.done() else None

    async def _live(self) -> None:
        while True:
            self._off.clear()
            try:
                await self._boot()
            except PowerCut:
                pass
            self._observer.trace.note("off", self.keys.device)
            self.network.lose(self.keys.device, "swallowed")  # no power, no good-bye
            await asyncio.sleep(self.chance.uniform(1, OFF_S_MAX))
            self.body.power_on()

    async def _boot(self) -> None:
        """Work until the power goes."""
        board = _Board(self)
        log = WatchedLog(self._flash, self.keys.device, self._observer)
        log.mount()
        boot = log.next_boot()
        self.log = log
        self.boots += 1
        notes = Log(board.clock, echo=False)
        source = _Source(self._every_us, 0)
        operation = Operation(source, log, notes, None)  # type: ignore[arg-type]
        source.mode = operation.mode
        beats = Beats()
        sealer = Sealer(self.keys, log, boot, board.random)
        uplink = Uplink(
            board, TcpLink(board, "hub", HUB_PORT), self.keys, flashlog=log, operation=operation,
            beats=beats, log=notes, greeting=lambda: (boot, "world", "light", "power_on"),
        )  # fmt: skip
        supervisor = Supervisor(board, notes, beats)
        loop = asyncio.get_running_loop()
        tasks = [
            loop.create_task(self._frame(board, (log, sealer, source), uplink)),
            loop.create_task(supervisor.keep_running("uplink", uplink.run)),
            loop.create_task(self._wait_off()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.body.cut_after(0)  # what still runs meets a flash without power
            await _ended(tasks)
        for task in tasks:
            if not task.cancelled() and task.exception() is not None:
                raise task.exception() or PowerCut

    async def _wait_off(self) -> None:
        await self._off.wait()
        raise PowerCut

    async def _frame(self, board: _Board, parts: tuple[Any, ...], uplink: Uplink) -> None:
        log, sealer, source = parts
        if sealer.boot > 1:
            sealer.append_power_loss(board.clock.now_us())
        sealer.append_evictions(board.clock.now_us())  # of the boot before
        number = 0
        while True:
            wait_us = source.wait_us()
            await asyncio.sleep(self.chance.randrange(wait_us // 2, wait_us) / 1e6)
            now_us = board.clock.now_us()
            if self._is_wanted:
                lane = LANES[number % len(LANES)]
                number += 1
                count = READINGS.get(lane, READINGS_ELSE)
                values = array("H", self.chance.randbytes(2 * count)).tolist()
                series = Series("level", "m", (-3, 1), now_us, spacing_ns=10**6, values=values)
                sealer.append_batch(lane, [series], False)
                self.framed += 1
            sealer.append_evictions(now_us)
            uplink.wake()
            log.prepare()


async def _ended(tasks: list[Any]) -> None:
    # As agent.supervisor.end_tasks, for tasks that end with PowerCut.
    while not all(task.done() for task in tasks):
        for task in tasks:
            task.cancel()
        await asyncio.sleep(0.02)
