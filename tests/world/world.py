"""One world from one seed: made, struck by faults, left in peace, and judged."""

import asyncio
import logging
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hub.ingest
from protocols.cose import DeviceKeys
from protocols.limits import TIME_EXCHANGE_INTERVAL_MS
from tests.world import faults
from tests.world.breaks import BY_NAME
from tests.world.device import Device
from tests.world.hub_of_world import DEAD, WorldHub
from tests.world.network import Network
from tests.world.observer import Observer, Trace, Violation
from tests.world.platform import REFUSED, WORKS, Platform
from tests.world.virtual_time import VirtualLoop, WorldClock
from tests.world.whole_device import WholeDevice

HUB = "hub-1"
FOLDER = Path("/dev/shm")  # the disk that loses power is in memory; syncs are only counted
PEACE_HOURS_MAX = 3
RESTART_S_MAX = 20
LOOK_S = 1.0
WORLDS_MAX = 100  # of one seed at a time
WHOLE_DEVICES = 2  # whole agents on models of chips; the others are light
TASK_ENDS_MAX = 5  # a task may begin another one when it ends


@dataclass(frozen=True)
class Plan:
    """What a world is to be.

    every_s: a device's pace of frames. fault_s: mean time between faults. outage: the line to the
    platform is dead for all the hours. exchange_s: how often the hub asks a device for its time,
    which is most of what a large town says in a quiet hour; below the 30 s of silence that end a
    session. broken: a name of tests.world.breaks. sectors: of a light device's flash;
    with 9 it overflows in an outage of some minutes.
    """

    seed: int
    hours: float = 0.5
    devices: int = 6
    every_s: float = 10.0
    fault_s: float = 15.0
    outage: bool = False
    size_max_mib: int = 64
    exchange_s: int = TIME_EXCHANGE_INTERVAL_MS // 1000
    broken: str = ""
    sectors: int = 12

    def command(self) -> str:
        """Return the command that plays this world again."""
        words = f"python -m tests.world --seed {self.seed} --hours {self.hours:g}"
        words += f" --devices {self.devices} --every {self.every_s:g} --fault {self.fault_s:g}"
        words += f" --size {self.size_max_mib} --exchange {self.exchange_s}"
        words += f" --sectors {self.sectors}"
        words += " --outage" if self.outage else ""
        return words + (f" --break {self.broken}" if self.broken else "")


class World:
    """on_progress: called with the share that is done, now and then. make_hub: a hub to judge."""

    def __init__(self, plan: Plan, *, keep_trace: bool = False) -> None:
        self.plan = plan
        self._chance = random.Random(plan.seed)
        random.seed(plan.seed)  # the hub's own dice: when to try a line again
        self.loop = VirtualLoop(self._fork())
        self.clock = WorldClock(self.loop)
        self.trace = Trace(self.clock.now_us, keep_trace)
        names = [f"d-{number}" for number in range(plan.devices)]
        secrets = {name: self._chance.randbytes(32) for name in [*names, HUB]}
        keys = {name: DeviceKeys(name, secret) for name, secret in secrets.items()}
        self.observer = Observer(keys, HUB, self.trace)
        self.network = Network(self.loop, self._fork())
        self.platform = Platform(self.loop, self.observer, self._fork())
        vars(hub.ingest)["TIME_EXCHANGE_INTERVAL_MS"] = plan.exchange_s * 1000
        self._folder = _folder_for(plan.seed)
        self.hub = WorldHub(
            self._folder, secrets, self.observer, platform=self.platform, network=self.network,
            clock=self.clock, chance=self._fork(), size_max_mib=plan.size_max_mib,
        )  # fmt: skip
        self.devices: dict[str, Device | WholeDevice] = {
            name: Device(
                keys[name], self.network, self.observer,
                every_us=round(plan.every_s * 1e6), sectors=plan.sectors,
                seed=self._chance.randrange(1 << 32),
            )
            for name in names
        }  # fmt: skip
        if plan.broken:
            BY_NAME[plan.broken](self)
        for name in names[:WHOLE_DEVICES]:
            self.devices[name] = WholeDevice(
                keys[name], secrets[name], self.network, observer=self.observer, clock=self.clock,
                seed=self._chance.randrange(1 << 32),
            )  # fmt: skip
        self.faults: Counter[str] = Counter()
        self.on_progress: Callable[[float], None] = lambda share: None
        self._jobs: set[asyncio.Task[Any]] = set()
        self._errors: list[BaseException] = []

    def _fork(self) -> random.Random:
        return random.Random(self._chance.randrange(1 << 63))

    def run(self) -> dict[str, Any]:
        """Play it; return the report. Violation where a promise was broken."""
        begun = time.monotonic()
        asyncio.set_event_loop(self.loop)
        self.loop.set_exception_handler(self._failed)
        caught = _Caught(self._errors)
        logging.getLogger("hub").addHandler(caught)
        try:
            self.loop.run_until_complete(self._play())
        finally:
            logging.getLogger("hub").removeHandler(caught)
            self._end()
            asyncio.set_event_loop(None)
            shutil.rmtree(self._folder, ignore_errors=True)
        return {
            "command": self.plan.command(),
            "wall_s": round(time.monotonic() - begun, 1),
            "virtual_h": round(self.loop.now_us / faults.HOUR_US, 2),
            "digest": self.trace.digest(),
            "hub_deaths": self.hub.deaths,
            "hub_starts": self.hub.starts,
            "salvages": self.hub.salvages,
            "device_boots": sum(device.boots for device in self.devices.values()),
            "faults": dict(sorted(self.faults.items())),
            **self.observer.statistics(),
        }

    def _end(self) -> None:
        self.loop.set_exception_handler(lambda *_: None)
        for _ in range(TASK_ENDS_MAX):
            tasks = asyncio.all_tasks(self.loop)
            for task in tasks:
                task.cancel()
            if tasks:
                self.loop.run_until_complete(asyncio.wait(tasks, timeout=1))
        self.loop.close()

    # What the faults use

    def any_device(self, chance: random.Random) -> str:
        """Return the name of one of them."""
        return chance.choice(list(self.devices))

    def later(self, delay_s: float, callback: Callable[..., Any], *values: Any) -> None:
        """Call back after a while."""
        self.loop.call_later(delay_s, callback, *values)

    def spawn(self, job: Coroutine[Any, Any, Any]) -> None:
        """Let a job run beside."""
        task = self.loop.create_task(job)
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)

    def set_platform(self, line: str) -> None:
        """Set the line to the platform; in an outage it stays dead."""
        self.platform.set_line(REFUSED if self._is_outage and line == WORKS else line)

    # How it goes

    async def _play(self) -> None:
        self._is_outage = self.plan.outage
        self.set_platform(WORKS)
        for device in self.devices.values():
            device.start()
        keeper = self.loop.create_task(self._keep_hub())
        end_us = self.loop.now_us + round(self.plan.hours * faults.HOUR_US)
        begin_us = self.loop.now_us
        chance = self._fork()
        while self.loop.now_us < end_us:
            await asyncio.sleep(chance.expovariate(1 / self.plan.fault_s))
            faults.strike(self, chance)
            self._check()
            self.on_progress((self.loop.now_us - begin_us) / (end_us - begin_us))
        await self._rest()
        self.observer.check_all_arrived(self.hub.ledger_gaps())
        keeper.cancel()

    async def _rest(self) -> None:
        """Once faults stop, everything arrives."""
        self._is_outage = False
        self.trace.note("peace")
        faults.mend_all(self)
        for device in self.devices.values():
            device.rest()
        until_us = self.loop.now_us + PEACE_HOURS_MAX * faults.HOUR_US
        while not self._is_all_quiet():
            await asyncio.sleep(LOOK_S)
            self._check()
            if self.loop.now_us > until_us:
                raise Violation(f"liveness: after {PEACE_HOURS_MAX} h of peace {self._waiting()}")

    def _is_all_quiet(self) -> bool:
        return self.hub.is_done() and all(one.is_empty() for one in self.devices.values())

    def _waiting(self) -> str:
        held = {name: one.held() for name, one in self.devices.items() if not one.is_empty()}
        return f"the hub {self.hub.state} waits for {self.hub.counts()}, the devices hold {held}"

    async def _keep_hub(self) -> None:
        """Whoever runs a hub starts it again."""
        chance = self._fork()
        while True:
            if self.hub.state == DEAD:
                try:
                    await self.hub.start()
                except Violation as error:
                    self._errors.append(error)
                    raise
                except Exception as error:
                    if not self.hub.gave_up(error):
                        self._errors.append(error)
                        raise
            await asyncio.sleep(chance.uniform(0.1, RESTART_S_MAX))

    def _failed(self, loop: Any, context: dict[str, Any]) -> None:
        error = context.get("exception") or RuntimeError(context["message"])
        self._errors.append(error)

    def _check(self) -> None:
        errors = [*self._errors, *self.hub.failures()]
        errors += [error for one in self.devices.values() if (error := one.failure())]
        if errors:
            raise errors[0]


class _Caught(logging.Handler):
    """What a hub survives with a traceback in its log (as a listener fails): a bug."""

    def __init__(self, errors: list[BaseException]) -> None:
        super().__init__(logging.ERROR)
        self._errors = errors

    def emit(self, record: logging.LogRecord) -> None:
        """Take the exception."""
        if record.exc_info and record.exc_info[1]:
            self._errors.append(record.exc_info[1])


def _folder_for(seed: int) -> Path:
    """Make a folder, of the same name each time where that is free.

    The hub writes its path into its files, and what is in a row decides how it is laid out.
    """
    parent = FOLDER if FOLDER.is_dir() else Path(tempfile.gettempdir())
    for number in range(WORLDS_MAX):
        folder = parent / f"hinomi-world-{seed}-{number}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise RuntimeError(f"{WORLDS_MAX} worlds of seed {seed} in {parent}: remove what is left")
