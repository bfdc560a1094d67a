"""The agent's core without its tasks: sensors, sampler, sealer and flash log, on any board."""

from agent import drivers
from agent.config import Config
from agent.flashlog import FlashLog
from agent.hal.file_flash import FileFlash
from agent.log import Log
from agent.sampler import Sampler
from agent.sealer import Sealer
from agent.sensor import Sensor
from protocols.cose import DeviceKeys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class AgentCore:
    """One boot. path: of the file that stands for the flash; random numbers count up."""

    def __init__(self, board: "Any", table: "dict[str, Any]", path: str) -> None:
        config = Config(table)
        self._board = board
        self._random_count = 0
        self.flash = FileFlash(path)
        self.flashlog = FlashLog(self.flash)
        self.flashlog.mount()
        while self.flashlog.prepare():
            pass
        keys = DeviceKeys(config.device, config.secret)
        boot = self.flashlog.next_boot()
        self.sealer = Sealer(keys, self.flashlog, boot, self._random)
        log = Log(board.clock, echo=False)
        sensors = [Sensor(board, row, log, drivers.create) for row in config.sensors]
        self.sampler = Sampler(sensors, config.policy, self.sealer)
        self.sampler.follow(0, board.clock.now_us())

    def run_due(self) -> "tuple[int, int]":
        """Read and report what is due; return the time, and when to call again."""
        now_us = self._board.clock.now_us()
        return now_us, self.sampler.run_due(now_us)

    def take_frames(self) -> "list[str]":
        """Return, as hexadecimal digits, the frames since the last call; the hub has them now."""
        frames = []
        handle = self.flashlog.next_unsent()
        while handle is not None:
            frames.append(self.flashlog.read_frame(handle).hex())
            self.flashlog.mark_in_flight(handle)
            handle = self.flashlog.next_unsent()
        self.flashlog.free(self.sealer.boot, 0, self.sealer.next_index)
        return frames

    def _random(self, count: int) -> bytes:
        self._random_count += 1
        return bytes([self._random_count & 0xFF]) * count
