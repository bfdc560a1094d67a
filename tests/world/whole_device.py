"""A whole agent on a simulated board with models of its chips, as a device of the world."""

import asyncio
import random
from typing import Any

from boards.profiles import make_config
from protocols.cose import DeviceKeys
from protocols.framing import Splitter
from protocols.messages import ACK, WELCOME, decode_message, kind_of
from simulators.signals.basic import Constant
from simulators.storage import SimFlash
from simulators.virtual_device import VirtualDevice, WatchedFlash
from tests.world.device import OFF_S_MAX, Seen
from tests.world.network import HUB_PORT, NearEnd, Network
from tests.world.observer import Observer
from tests.world.virtual_time import WorldClock

RIVER_M = 3.2
PACE = {"every_ms": 2000, "report_ms": 10_000}
SECTORS = 16


class WholeDevice:
    """A river gauge; the same face as tests.world.device.Device."""

    def __init__(
        self, keys: DeviceKeys, secret: bytes, network: Network, *, observer: Observer,
        clock: WorldClock, seed: int,
    ) -> None:  # fmt: skip
        self.keys = keys
        self._network = network
        self._observer = observer
        self._chance = random.Random(seed)
        self.body = SimFlash(sector_count=SECTORS, seed=seed & 0xFFFF)
        config = make_config("river-gauge", keys.device, secret.hex(), host="hub", port=HUB_PORT)
        config["policy"] = {"normal": {"level": PACE}, "disaster": {"level": PACE}}
        seen: Any = Seen(keys.device, observer)
        self._device = VirtualDevice(
            config, {"level": Constant(RIVER_M)}, clock, seed=seed,
            flash=WatchedFlash(self.body, seen), dial=self._dial,
        )  # fmt: skip
        self._is_off = False
        self._task: asyncio.Task[None] | None = None

    @property
    def boots(self) -> int:
        """How often it began."""
        return self._device.board.boots_count

    def start(self) -> None:
        """Give it power."""
        self._device.start()

    def power_cut(self, at_bytes: int = -1) -> None:
        """Take the power now, in the middle of whatever it does; give it back after a while."""
        if not self._is_off:
            self._is_off = True
            self._task = asyncio.get_running_loop().create_task(self._rest_off())

    async def _rest_off(self) -> None:
        self._device.power_cut()
        self._observer.trace.note("off", self.keys.device)
        self._network.lose(self.keys.device, "swallowed")
        await asyncio.sleep(self._chance.uniform(1, OFF_S_MAX))
        await self._device.power_on()
        self._is_off = False

    def rest(self) -> None:
        """Go on: a moment with nothing held comes all the same."""

    def is_empty(self) -> bool:
        """Tell whether the hub has all that it holds."""
        return not self.held()

    def held(self) -> int:
        """Return how many frames it holds; -1 while it is off."""
        agent = self._device.agent
        return -1 if self._is_off or agent is None else agent.flashlog.pending_count()

    def failure(self) -> BaseException | None:
        """Return what it died of: a bug."""
        return None if self._is_off else self._device.failure()

    async def _dial(self, host: str, port: int) -> "tuple[_Heard, NearEnd]":
        near = await self._network.dialer(self.keys)(host, port)
        return _Heard(near, self), near

    def heard(self, frame: bytes) -> None:
        """Tell the observer what this frame of the hub acknowledges."""
        payload = self.keys.down.peek(frame)
        if kind_of(payload) in (ACK, WELCOME):
            for extent in decode_message(payload)[2]["durable"]:
                self._observer.saw_acknowledged(self.keys.device, *extent)


class _Heard:
    """The reading half of a connection, heard by the observer."""

    def __init__(self, near: NearEnd, device: WholeDevice) -> None:
        self._near = near
        self._device = device
        self._splitter = Splitter()

    async def read(self, size: int) -> bytes:
        data = await self._near.read(size)
        for frame in self._splitter.feed(data):
            self._device.heard(frame)
        return data
