"""One virtual device: a simulated board with its chips and the real agent; power comes and goes.

Beside it stands an observer, who sees what passes the hardware port, outside of the agent's code:
every frame that was programmed into the flash, and every frame that left on the wire.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from agent.main import Agent
from protocols.batch import decode_batch, read_record_head
from protocols.cose import DeviceKeys
from protocols.framing import Splitter
from protocols.messages import kind_of
from protocols.vocabulary import KIND_BATCH, KIND_SESSION_FIRST
from simulators import chips
from simulators.board import PowerLost, SimBoard
from simulators.storage import PowerCut, SimFlash

Identity = tuple[str, int, int]
Dial = Callable[[str, int], Awaitable[tuple[Any, Any]]]

FLASH_SECTORS = 128  # 512 KiB, what a board of 2 MiB can spare
RECORD_HEADER_SIZE_MAX = 64
LOOK_S = 0.05


class Seen:
    """One frame as the observer saw it."""

    def __init__(self, kind: int, lane: int, readings_count: int, start_us: int) -> None:
        self.kind = kind
        self.lane = lane
        self.readings_count = readings_count
        self.start_us = start_us
        self.sent_us: int | None = None  # on the machine's monotonic clock, at first


class Observer:
    """What one device kept and sent. kept, sent: (device, boot, index) -> Seen."""

    def __init__(self, keys: DeviceKeys) -> None:
        self._keys = keys
        self.kept: dict[Identity, Seen] = {}
        self.sent: dict[Identity, Seen] = {}
        self.sent_again_count = 0
        self.sent_bytes = 0

    def saw_kept(self, frame: bytes) -> None:
        """Note a frame that is in the flash."""
        found = self._record(frame)
        if found is not None:
            self.kept[found[0]] = found[1]

    def saw_sent(self, frame: bytes) -> None:
        """Note a frame on the wire; session messages do not count."""
        found = self._record(frame)
        if found is None:
            return
        identity, seen = found
        self.sent_bytes += len(frame)
        if identity in self.sent:
            self.sent_again_count += 1
            return
        seen.sent_us = time.monotonic_ns() // 1000
        self.sent[identity] = seen

    def statistics(self) -> dict[str, int]:
        """Return how many frames and readings were kept and sent."""
        return {
            "kept": len(self.kept),
            "kept_readings": sum(seen.readings_count for seen in self.kept.values()),
            "sent": len(self.sent),
            "sent_readings": sum(seen.readings_count for seen in self.sent.values()),
            "sent_again": self.sent_again_count,
            "sent_bytes": self.sent_bytes,
        }

    def is_frame_start(self, data: bytes) -> bool:
        """Tell whether data begins like a frame of this device."""
        head: bytes = self._keys.up.head
        return bytes(data[: len(head)]) == head

    def _record(self, frame: bytes) -> tuple[Identity, Seen] | None:
        payload = self._keys.up.peek(frame)
        if kind_of(payload) >= KIND_SESSION_FIRST:
            return None
        kind, boot, index, lane, start_us, _ = read_record_head(payload)
        count = 0
        if kind == KIND_BATCH:
            count = decode_batch(payload, self._keys.seal_key).readings_count()
        return (self._keys.device, boot, index), Seen(kind, lane, count, start_us)


class WatchedWriter:
    """The sending half of a connection, seen by the observer."""

    def __init__(self, writer: Any, observer: Observer) -> None:
        self._writer = writer
        self._observer = observer
        self._splitter = Splitter()
        self.transport = writer.transport

    def write(self, data: bytes) -> None:
        """Pass data on."""
        for frame in self._splitter.feed(data):
            self._observer.saw_sent(frame)
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until the queue is short again."""
        await self._writer.drain()

    def close(self) -> None:
        """Close both directions."""
        self._writer.close()


class WatchedFlash:
    """The flash's lasting body, seen by the observer.

    A frame counts once the header before it is in; zeros there blot it out.
    """

    def __init__(self, body: Any, observer: Observer) -> None:
        self._body = body
        self._observer = observer
        self._frame = b""
        self._frame_offset = 0
        self.sector_size = body.sector_size
        self.sector_count = body.sector_count
        self.read_into = body.read_into
        self.erase = body.erase

    def program(self, offset: int, data: bytes) -> None:
        """Pass on, and look."""
        self._body.program(offset, data)
        if self._observer.is_frame_start(data):
            self._frame, self._frame_offset = bytes(data), offset
        elif self._frame and 0 < self._frame_offset - offset <= RECORD_HEADER_SIZE_MAX:
            if any(data):
                self._observer.saw_kept(self._frame)
            self._frame = b""

    def sync(self) -> None:
        """Pass on."""
        sync = getattr(self._body, "sync", None)
        if sync is not None:
            sync()


class VirtualDevice:
    """One device under power, or not.

    config: what its config.json holds. signals: sensor name -> what that sensor measures. options:
    sensor name -> options of its chip's model. flash: its lasting body, default 512 KiB in memory.
    dial: async (host, port) -> (reader, writer). slots: the lasting bodies of two slots.
    """

    def __init__(
        self,
        config: dict[str, Any],
        signals: dict[str, Any],
        world_clock: Any,
        *,
        options: dict[str, dict[str, Any]] | None = None,
        flash: Any = None,
        dial: Dial = asyncio.open_connection,
        seed: int = 0,
        clock_error_ppm: int = 0,
        slots: Sequence[Any] = (),
    ) -> None:
        self.name: str = config["device"]
        self.config = config
        self.observer = Observer(DeviceKeys(self.name, bytes.fromhex(config["secret"])))
        self._dial = dial
        body = SimFlash(sector_count=FLASH_SECTORS) if flash is None else flash
        self.flash = body
        self.board = SimBoard(
            world_clock,
            flash=WatchedFlash(body, self.observer),
            dial=self._dial_watched,
            seed=seed,
            clock_error_ppm=clock_error_ppm,
            slots=slots,
        )
        self.chips: dict[str, Any] = {}
        for position, row in enumerate(config["sensors"]):
            name = row["name"]
            self.chips[name] = chips.create(
                row["driver"],
                world_clock,
                signals[name],
                seed=seed * 101 + position,
                options=(options or {}).get(name),
            )
            self.board.add(self.chips[name], row)
        self.agent: Agent | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_cut = False

    def start(self) -> None:
        """Begin the first boot: the board is under power since it was made."""
        self._task = asyncio.create_task(self._live(), name=self.name)

    async def stop(self) -> None:
        """End in good order:

        The agent frames what waits and gives the hub some time to take it.
        """
        if self._task is not None and not self._is_cut and self.agent is not None:
            self.agent.stop()
            await self._task

    def power_cut(self) -> None:
        """Take the power away, in the middle of whatever it does."""
        self._is_cut = True
        self.board.power_off()
        if self._task is not None:
            self._task.cancel()

    async def power_on(self) -> None:
        """Give the power back: another boot."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        self.board.power_on()
        self._is_cut = False
        self.start()

    def is_running(self) -> bool:
        """Tell whether its agent works."""
        return self._task is not None and not self._task.done()

    def failure(self) -> BaseException | None:
        """Return what the agent died of, though it had power: a bug, or a wrong configuration."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return None
        return self._task.exception()

    def statistics(self) -> dict[str, Any]:
        """Return what the observer saw, and the agent's own counters."""
        result: dict[str, Any] = dict(self.observer.statistics())
        result["boots"] = self.board.boots_count
        if self.agent is not None:
            result["agent"] = self.agent.statistics()
        return result

    async def _boot(self) -> None:
        """Live through one boot, until stop(); PowerLost where it restarts."""
        self.agent = Agent(self.board, self.config, echo=False)
        job = asyncio.create_task(self.agent.run())
        try:
            await self._watch(job)
        finally:
            job.cancel()
            await asyncio.gather(job, return_exceptions=True)

    async def _watch(self, job: "asyncio.Task[None]") -> None:
        """Wait for the end of a boot; restart the board when its watchdog starves."""
        while not job.done():
            starves_in_us = self.board.starves_in_us()
            if starves_in_us <= 0:
                self.board.bite()
                raise PowerLost
            await asyncio.wait({job}, timeout=max(starves_in_us / 1_000_000, LOOK_S))
        await job

    async def _live(self) -> None:
        while True:
            try:
                await self._boot()
                return
            except (PowerLost, PowerCut):
                if self._is_cut:
                    return
            self.board.power_on()  # it restarted itself

    async def _dial_watched(self, host: str, port: int) -> tuple[Any, WatchedWriter]:
        reader, writer = await self._dial(host, port)
        return reader, WatchedWriter(writer, self.observer)
