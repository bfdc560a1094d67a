"""A virtual device that starts from two slots, as agent/boot.py does on a real board.

Its images hold Python text in place of compiled modules: a file start.py with

    async def run(board, config, slot, keep): ...

keep(agent) makes the agent known to who watches the device.
"""

import asyncio
from typing import Any

from agent.main import Agent
from agent.slot_files import SlotFiles
from agent.slots import ARMED, HEALTHY, TRIAL, TRIAL_MS, Slot, Slots
from protocols.archive import pack
from protocols.manifest import CHUNK_SIZE
from simulators.storage import SimFlash
from simulators.virtual_device import VirtualDevice

SLOT_SECTORS = 36
RESTART_S = 0.05

GOOD = """
from agent.main import Agent

async def run(board, config, slot, keep):
    await keep(Agent(board, config, echo=False, slot=slot)).run()
"""
CRASHES = "raise ValueError('a bug that no test has seen')\n"
DEAF = """
from agent.main import Agent

async def run(board, config, slot, keep):
    config = dict(config, hub={"host": "127.0.0.1", "port": 9})
    await keep(Agent(board, config, echo=False, slot=slot)).run()
"""


def image_of(start: str, size: int = 40_000) -> bytes:
    """Return an image of about size bytes that starts so."""
    filler = bytes(at * at % 251 for at in range(size))
    return pack({"start.py": start.encode(), "weight.bin": filler})


class UpdatableDevice(VirtualDevice):
    """trial_s: how long an image may be on trial in one boot. starts: slots of all boots."""

    def __init__(self, *arguments: Any, trial_s: float = TRIAL_MS / 1000, **more: Any) -> None:
        self.slot_flashes = [SimFlash(sector_count=SLOT_SECTORS) for _ in range(2)]
        self.trial_s = trial_s
        self.starts: list[int] = []
        super().__init__(*arguments, slots=self.slot_flashes, **more)

    def install(self, image: bytes, message: bytes) -> None:
        """Put a first image into slot A, as the flasher does."""
        slots = Slots(self.slot_flashes)
        slot = slots.both[0]
        slot.begin(slots.next_generation(), message)
        for at in range(0, len(image), CHUNK_SIZE):
            slot.erase_chunk(at // CHUNK_SIZE)
            slot.write_image(at, image[at : at + CHUNK_SIZE])
        for mark in (ARMED, TRIAL, HEALTHY):
            slot.mark(mark)

    async def _boot(self) -> None:
        slots = Slots(self.board.slots())
        number = slots.choose()
        assert number is not None, "no slot holds a whole image"
        self.starts.append(number)
        slot = slots.both[number]
        job = asyncio.create_task(self._start(slot, number))
        try:
            await self._guard(slot, job)
        finally:
            job.cancel()
            await asyncio.gather(job, return_exceptions=True)

    async def _guard(self, slot: Slot, job: "asyncio.Task[None]") -> None:
        """Wait for the end of the image; restart one that crashes or is not found good in time."""
        if slot.is_on_trial():
            await asyncio.wait({job}, timeout=self.trial_s)
            if not job.done() and slot.reject():
                self.board.reset()
        try:
            await job
        except Exception:
            # Whatever an image dies of, the next start must come: as on the board.
            await asyncio.sleep(RESTART_S)
            self.board.reset()

    async def _start(self, slot: Slot, number: int) -> None:
        names: dict[str, Any] = {}
        exec(SlotFiles(slot).open("/start.py", "r").read(), names)
        await names["run"](self.board, self.config, number, self._keep)

    def _keep(self, agent: Agent) -> Agent:
        self.agent = agent
        return agent
