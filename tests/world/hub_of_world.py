"""The hub of the world: hub.main.Hub in one process with everybody else, and how it ends.

Its data is real SQLite files in a folder of their own. When it dies at some operation on its disk,
the next one begins in a new folder with what the disk would hold: everything after a SIGKILL, for
the kernel has it; after a power cut what tests/faults/disk.c leaves.
"""

import asyncio
import dataclasses
import random
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

from hub import config, ledger
from hub.database import StoreError, connect_to_read
from hub.links.tcp import listen
from hub.main import Hub
from hub.store import Store
from protocols.framing import Splitter
from protocols.vocabulary import LANES
from tests.faults.disk import NOT_KEPT, WORKS, Disk
from tests.world.network import HUB_PORT, Network
from tests.world.observer import Observer, Violation
from tests.world.platform import Platform, uplinks_to
from tests.world.virtual_time import VirtualLoop, WorldClock

PIECE_SIZE_MAX = 1 << 20
LOOK_S = 1.0
LOOKS_MAX = 1800  # until what was put aside has come over
RUNS, ENDS, DEAD = "runs", "ends", "dead"


class WorldHub:
    """One hub through all its lives. disk: under its folder. state: RUNS, ENDS or DEAD."""

    def __init__(
        self, folder: Path, names: dict[str, bytes], observer: Observer, *, platform: Platform,
        network: Network, clock: WorldClock, chance: random.Random, size_max_mib: int,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._observer = observer
        self._make_uplink = uplinks_to(platform)
        self._network = network
        self._loop: VirtualLoop = network.loop
        self._clock = clock
        self._chance = chance
        self._config = _configured(folder / "settings", names, size_max_mib)
        self.disk = Disk()
        self._loop.after_job = self._survived
        self._tasks: list[asyncio.Task[Any]] = []
        self._beside: set[asyncio.Task[None]] = set()
        self.errors: list[BaseException] = []
        self.generation = 0
        self._tears = False
        self.state = DEAD
        self.hub: Hub | None = None
        self.make_hub: Any = Hub
        self.disk_mended = WORKS  # how its disk is where nothing is wrong with it
        self.deaths = 0
        self.starts = 0
        self.salvages = 0  # starts that put a store aside as damaged

    def data(self) -> Path:
        """Return the folder of this life."""
        return self._folder / str(self.generation)

    async def start(self) -> None:
        """Begin a life: take devices, look at what the disk has. May end in death at once."""
        self.disk.watch(self.data())
        tables = {**self._config.tables}
        tables["hub"] = {**tables["hub"], "data": str(self.data())}
        settings = dataclasses.replace(self._config, tables=tables)
        hub = self.make_hub(settings, self._clock, make_uplink=self._make_uplink)
        self.starts += 1
        self.salvages += hub.store.is_salvaging
        self._observer.trace.note("hub starts", list(hub.store.following))
        hub.store.on_damage.append(lambda reason: self._damaged(hub, reason))
        hub.store.on_commit.append(lambda group: self._check_accounts(hub))
        await listen(hub.ingest, ("world", HUB_PORT), self._clock.now_us, 1000)
        loop = asyncio.get_running_loop()
        jobs = [*(one.run() for one in hub.uplinks), hub.tick_often(), hub.salvage.run()]
        self._tasks = [loop.create_task(job) for job in [*jobs, self._check_stored(hub)]]
        self.hub, self.state = hub, RUNS
        self._network.hub_is_up = True

    async def _check_stored(self, hub: Hub) -> None:
        """Look at what the disk has, once what was put aside as damaged has come over."""
        for _ in range(LOOKS_MAX):
            if not hub.store.is_salvaging:
                break
            await asyncio.sleep(LOOK_S)
        acknowledged = self._observer.acknowledged.copy()
        try:
            stored = await stored_frames(hub.store)
            self._observer.check_durable(acknowledged, stored, self.ledger_gaps())
        except Violation as error:
            self.errors.append(error)

    def _damaged(self, hub: Hub, reason: str) -> None:
        self._observer.trace.note("hub finds damage", reason)
        self._loop.call_soon(self._stop_and_forget)

    def _stop_and_forget(self) -> None:
        self._keep(self._loop.create_task(self.stop()))

    def die_after(self, operations: int, tears: bool) -> None:
        """Die at that operation on the disk: tears: with the machine, else killed."""
        self._tears = tears
        self.disk.cut_after(operations)

    async def stop(self) -> None:
        """End in good order, as hub.main.run does."""
        hub = self.hub
        if hub is None or self.state != RUNS:
            return
        self.state = ENDS
        self._loop.servers.clear()
        hub.ingest.stop()
        await self._end_tasks()
        await hub.store.close()
        self._network.lose_all("cut")
        self._observer.trace.note("hub stopped")
        self.hub = None
        if self.state == ENDS:  # else it has died over it
            self.state = DEAD

    def failures(self) -> list[BaseException]:
        """Return what its tasks died of: bugs; and what was missing on its disk."""
        ended = [task for task in self._tasks if task.done() and not task.cancelled()]
        died = [error for task in ended if (error := task.exception()) is not None]
        return self.errors + died

    def ledger_gaps(self) -> list[tuple[str, int, int, int]]:
        """Return the losses that the ledger names: device, boot, first, next."""
        with closing(connect_to_read(self.data() / "hub.sqlite")) as db:
            rows = [entry.fields() for _, entry in ledger.read(db, ledger.GAP)]
        return [
            (str(row["device"]), int(row["boot"]), int(row["first"]), int(row["next"]))
            for row in rows
        ]

    def gave_up(self, error: Exception) -> bool:
        """Tell whether a start failed because the disk died or fails: it is to be tried again."""
        if self.disk.is_dead():
            if self.state == DEAD:
                self._die()
            return True
        return self.disk.fails and isinstance(error, StoreError)

    def is_done(self) -> bool:
        """Tell whether every uplink has all."""
        counts = self.counts()
        return bool(counts) and all(not one["live"] and not one["backlog"] for one in counts)

    def counts(self) -> list[dict[str, int]]:
        """Return the counts of every uplink; none while it is down."""
        if self.hub is None:
            return []
        return [one.queue.counts(self.hub.store.following) for one in self.hub.uplinks]

    def _check_accounts(self, hub: Hub) -> None:
        if hub is self.hub:
            for uplink in hub.uplinks:
                counts = uplink.queue.counts(hub.store.following)
                self._observer.check_accounts(sum(hub.store.following), counts)

    def _survived(self) -> bool:
        """Tell after each job of a thread whether the process still is; bury it if not."""
        if not self.disk.is_dead():
            return True
        if self.state != DEAD:
            self._die()
        return False

    def _die(self) -> None:
        was, self.state = self.state, DEAD
        self.deaths += 1
        self._observer.trace.note("hub dies", self._tears, self.disk.operations())
        self._network.hub_is_up = False
        self._loop.servers.clear()
        self._network.lose_all("swallowed" if self._tears else "cut")
        before = self.data()
        self.generation += 1
        if self._tears:
            self._clock.runs += 1
            self.disk.after_cut(before, self.data(), self._chance.randrange(1 << 63))
        else:
            shutil.copytree(before, self.data(), ignore=shutil.ignore_patterns(*NOT_KEPT))
        self.disk.watch(self.data())
        hub, self.hub = self.hub, None
        if was == RUNS:
            self._keep(self._loop.create_task(self._bury(hub, before)))

    def _keep(self, task: "asyncio.Task[None]") -> None:
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _bury(self, hub: Hub | None, folder: Path) -> None:
        """Free what the dead process held; its folder is no longer anyone's."""
        await self._end_tasks()
        if hub is not None:
            await hub.store.close()
        shutil.rmtree(folder)

    async def _end_tasks(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def stored_frames(store: Store) -> list[tuple[tuple[int, int], bytes]]:
    """Return (lane, number), frame of all that a store holds, as its readers get it."""
    found = []
    for lane in LANES:
        at = 0
        while at < store.following[lane]:
            chunk = await store.read(lane, at, store.following[lane], PIECE_SIZE_MAX)
            if chunk is None:
                break
            at, count, blob = chunk
            for number, frame in enumerate(Splitter().feed(blob), at):
                found.append(((lane, number), frame))
            at += count
    return found


def _configured(folder: Path, names: dict[str, bytes], size_max_mib: int) -> config.Config:
    whole = config.load(config.init(folder))
    store = {**whole.tables["store"], "size_max_mib": size_max_mib}  # smaller than a hub's may be
    devices = {
        name: config.Device(name, secret, "bridge") for name, secret in sorted(names.items())
    }
    hub_secret = names.get(whole.id, bytes(32))
    tables = {**whole.tables, "store": store}
    return dataclasses.replace(whole, tables=tables, devices=devices, secret=hub_secret)
