"""A board with two slots and a hub that plays its part by hand; runs on MicroPython too."""

import asyncio

from agent.flashlog import FlashLog
from agent.log import Log
from agent.slots import ARMED, HEALTHY, TRIAL, Slots
from agent.update import Trust, Update
from protocols.limits import PIECE_SIZE_MAX
from protocols.manifest import CHUNK_SIZE
from protocols.messages import RESULT, WANT
from protocols.vocabulary import COMMAND_SWITCH, COMMAND_UPDATE
from simulators.storage import SimFlash
from tests.protocols.release_key import MODULUS, release

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OLD = b"old" * 1000
NEW = bytes(range(253)) * 40  # two chunks and a part
OLD_RELEASE = release(OLD, "0.1.0", 1)
NEW_RELEASE = release(NEW, "0.2.0", 2)
SECTORS = 6


class Clock:
    """The board's clock, for its log."""

    def now_us(self) -> int:
        """Return a time."""
        return 0


def install(slots: Slots, number: int, image: bytes, message: bytes) -> None:
    """Put an image into a slot as the flasher does: started, and good."""
    slot = slots.both[number]
    slot.begin(slots.next_generation(), message)
    for at in range(0, len(image), CHUNK_SIZE):
        slot.erase_chunk(at // CHUNK_SIZE)
        slot.write_image(at, image[at : at + CHUNK_SIZE])
    for mark in (ARMED, TRIAL, HEALTHY):
        slot.mark(mark)


class Board:
    """Two slots and a flash log; slot A holds the old image and is good."""

    def __init__(self, scattered: bool = False) -> None:
        self.flashes = [SimFlash(sector_count=SECTORS, scattered=scattered) for _ in range(2)]
        self.log_flash = SimFlash(sector_count=8)
        self.restarts = 0
        self.idle_us = 1_000_000
        install(Slots(self.flashes), 0, OLD, OLD_RELEASE)
        self.restart()

    def restart(self) -> None:
        """Begin another boot: choose a slot and start the update part."""
        for flash in self.flashes:
            flash.power_on()
        slots = Slots(self.flashes)
        self.chosen = slots.choose()
        self.update = self.make(slots)

    def make(self, slots: "Slots | None", modulus: bytes = MODULUS) -> Update:
        """Return the update part of a boot."""
        flashlog = FlashLog(self.log_flash)
        flashlog.mount()
        return Update(
            slots,
            Trust(modulus, "pico-w", "river-gauge"),
            flashlog=flashlog,
            log=Log(Clock(), echo=False),
            idle_us=lambda: self.idle_us,
            wake=lambda: None,
            restart=self._count_restart,
        )

    def _count_restart(self) -> None:
        self.restarts += 1


class HandHub:
    """Talks to one Update as the hub does. image: what it serves."""

    def __init__(self, update: Update, image: bytes = NEW) -> None:
        self.update = update
        self.image = image
        self.results: list[tuple[int, str]] = []
        self.wants: list[int] = []
        self._id = 0

    async def order(self, code: int, arguments: "list[Any]") -> "tuple[int, str]":
        """Send a command; return its result."""
        self._id += 1
        self.update.command(self._id, code, arguments)
        count = len(self.results)
        while len(self.results) == count:
            await self.turn()
        return self.results[-1]

    async def offer(self, message: bytes = NEW_RELEASE) -> "tuple[int, str]":
        """Offer a release; return the result."""
        return await self.order(COMMAND_UPDATE, [message])

    async def switch(self) -> "tuple[int, str]":
        """Order the switch; return the result."""
        return await self.order(COMMAND_SWITCH, [])

    async def serve(self, stop_at: int = -1) -> None:
        """Serve pieces until the board has asked for stop_at, or for the end."""
        end = len(self.image) if stop_at < 0 else stop_at
        failed = len(self.results)
        while (not self.wants or self.wants[-1] < end) and len(self.results) == failed:
            await self.turn()

    async def turn(self) -> None:
        """Hear what the board says, answer what it wants."""
        for kind, fields in self.update.take_messages():
            if kind == RESULT:
                self.results.append((fields["status"], fields["detail"]))
            elif kind == WANT:
                offset = fields["offset"]
                self.wants.append(offset)
                data = self.image[offset : offset + PIECE_SIZE_MAX]
                if data:
                    self.update.piece({"id": fields["id"], "offset": offset, "data": data})
        await asyncio.sleep(0)


async def running(board: Board, job: "Any") -> "Any":
    """Return what job(hub) returns, played against the board's update part."""
    task = asyncio.create_task(board.update.run())
    try:
        return await job(HandHub(board.update))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
