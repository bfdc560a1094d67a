"""What one commit of the store makes durable, and what it takes out."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from hub.chunks import Chunk
from hub.dead_letters import DeadLetter, Key
from hub.ledger import Entry
from protocols.vocabulary import LANES

Identity = tuple[int, int, int]  # boot, index, lane
# How far an uplink is in a lane (hub.relay.queue): lane, live, backlog flat, delivered, evicted.
CursorRow = tuple[int, int, list[int], int, int]


class Follower(Protocol):
    """What the store needs of an uplink's queue, so that both agree after a power cut."""

    def evicted(self, lane: int, first: int, following: int) -> None:
        """Note that frames are gone; some may have been delivered."""

    def rows(self) -> list[CursorRow]:
        """Return the cursor to save."""

    def rows_without(self, gone: Iterable[tuple[int, int, int]]) -> list[CursorRow]:
        """Return what rows() will be when these (lane, first, following) are gone."""


@dataclass(frozen=True)
class Removal:
    """Whole chunks that leave a lane.

    starts: the first sequence numbers of the chunks. kept: what stays of their frames, in its
    place. runs: (first, following) of the frames that go. counter: what the store counts them as.
    """

    lane: int
    starts: list[int]
    kept: list[Chunk]
    runs: list[tuple[int, int]]
    counter: str

    def count(self) -> int:
        """Return how many frames go."""
        return sum(following - first for first, following in self.runs)


@dataclass
class Group:
    """What one commit makes durable."""

    pieces: list[list[bytes]] = field(default_factory=lambda: [[] for _ in LANES])
    size: int = 0
    # (device, boot, block of indexes) with new ones -> that block as it was before, packed.
    touched: dict[tuple[str, int, int], bytes] = field(default_factory=dict)
    # (device, boot) -> the block of those that was touched last: most often the next one's too.
    newest: dict[tuple[str, int], int] = field(default_factory=dict)
    # Who wants to hear of it: an object with committed(group) and failed(reason); value: (boot,
    # index) flat.
    waiting: dict[Any, list[int]] = field(default_factory=dict)
    # (device, lane, payload) of those that somebody reads behind the commit.
    readings: list[tuple[str, int, bytes]] = field(default_factory=list)
    own: list[tuple[str, Identity, bytes]] = field(default_factory=list)
    clocks: list[tuple[Any, ...]] = field(default_factory=list)
    cursors: dict[str, list[CursorRow]] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    ledger: list[Entry] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    dead_letters: dict[Key, DeadLetter | None] = field(
        default_factory=dict
    )  # None: it is none any more

    def is_empty(self) -> bool:
        """Tell whether there is nothing to commit."""
        return not (self.waiting or self.is_written())

    def is_written(self) -> bool:
        """Tell whether a commit of it writes anything."""
        return bool(
            self.size
            or self.clocks
            or self.cursors
            or self.meta
            or self.ledger
            or self.removals
            or self.dead_letters
        )

    def take_over(self, failed: "Group") -> None:
        """Keep what a failed group held besides frames; the newer of two facts wins."""
        self.meta.update(failed.meta)
        self.clocks += failed.clocks
        self.cursors.update(failed.cursors)
        self.ledger += failed.ledger
        self.removals += failed.removals
        self.dead_letters.update(failed.dead_letters)


@dataclass
class Job:
    """What the writer's thread does in one transaction.

    removed_sizes: the outcome, bytes of frames that each removal freed; used: bytes of the file's
    pages that hold something then.
    """

    group: Group
    seen: list[tuple[str, int, int, bytes]]
    chunks: list[list[Chunk]]
    removed_sizes: list[int] = field(default_factory=list)
    used: int = 0
