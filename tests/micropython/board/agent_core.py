"""A whole agent without its tasks, on any board: it is asked to do what is due."""

from agent.hal.file_flash import FileFlash
from agent.main import Agent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class AgentCore:
    """One boot. path: of the file that stands for the flash; random numbers count up."""

    def __init__(self, board: "Any", table: "dict[str, Any]", path: str) -> None:
        self._board = board
        self.flash = FileFlash(path)
        self.agent = Agent(_Board(board, self.flash), table, echo=False)
        while self.agent.flashlog.prepare():
            pass
        self.agent.sampler.follow(0, board.clock.now_us())

    def run_due(self) -> "tuple[int, int]":
        """Read and report what is due; return the time, and when to call again."""
        now_us = self._board.clock.now_us()
        return now_us, self.agent.sampler.run_due(now_us)

    def take_frames(self) -> "list[str]":
        """Return, as hexadecimal digits, the frames since the last call; the hub has them now."""
        flashlog = self.agent.flashlog
        frames = []
        handle = flashlog.next_unsent()
        while handle is not None:
            frames.append(flashlog.read_frame(handle).hex())
            flashlog.mark_in_flight(handle)
            handle = flashlog.next_unsent()
        for extent in flashlog.extent():
            flashlog.free(*extent)
        return frames


class _Board:
    """A board with that flash, and with numbers that are the same on every interpreter."""

    def __init__(self, board: "Any", flash: FileFlash) -> None:
        self._board = board
        self._flash = flash
        self._random_count = 0

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._board, name)

    def flash(self) -> FileFlash:
        return self._flash

    def random(self, count: int) -> bytes:
        self._random_count += 1
        return bytes([self._random_count & 0xFF]) * count
