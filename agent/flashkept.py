"""Tiny values that survive a power cut, and what the flash log lost, kept as one of them.

Kept values are records of a kind of their own, with the key in place of the index; the newest
of a key counts. When their sector is full, all values are copied to a new one, which counts once
it is complete. The log always leaves one erased sector for that.
"""

import struct

from agent.flashsectors import DIRTY, INDEX, KEPT, NONE, record_size
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.flashsectors import FlashSectors

PROGRAM_TRIES = const(3)
GAPS_EXACT_MAX = const(16)  # each eviction writes them all: 250 bytes, a sixteenth of a sector
EIO = const(5)

_GAP_FORMAT = "<IIIBB"
_GAP_SIZE = const(14)


class KeptValues:
    """The values by key, and the sector that holds them.

    make_room() -> bool: erases a sector if none is erased; False if there is none to erase.
    """

    def __init__(self, sectors: "FlashSectors", make_room: "Callable[[], bool]") -> None:
        self._values: dict = {}
        self._sectors = sectors
        self._make_room = make_room
        self._head = NONE

    def mount(self) -> None:
        """Read the values; the sectors are mounted already."""
        slot = self._sectors.newest_of(KEPT)
        if slot == NONE:
            return
        # The mark may be cleared by half and read otherwise next time; it has been believed now.
        self._sectors.complete(slot)
        self._discard_all_but(slot)
        self._replay(slot)
        if not self._sectors.is_torn(slot):
            self._head = slot

    def get(self, key: int) -> "bytes | None":
        """Return the value kept under key, or None."""
        return self._values.get(key)

    def size(self, key_max: int) -> int:
        """Return what the values of all keys <= key_max take of a sector."""
        return sum(record_size(len(self._values[key])) for key in self._values if key <= key_max)

    def put(self, key: int, value: bytes) -> None:
        """Keep value under key, durable on return."""
        head = self._head
        if head != NONE and self._values.get(key) == value:
            return
        self._values[key] = value
        self._head = NONE  # should the flash fail in between
        if (
            head == NONE
            or not self._sectors.has_room(head, len(value))
            or self._sectors.write(head, 0, key, value) == NONE
        ):
            head = self._renew()
        self._sectors.sync()
        self._head = head

    def _renew(self) -> int:
        # Copies all values to a new sector; the old one counts until the new one is complete.
        for _ in range(PROGRAM_TRIES):
            if not self._make_room():
                break
            slot = self._sectors.open(KEPT)
            if all(
                self._sectors.write(slot, 0, key, self._values[key]) != NONE
                for key in self._values
            ):
                self._sectors.sync()
                self._sectors.complete(slot)
                self._discard_all_but(slot)
                return slot
            self._sectors.kind[slot] = DIRTY
        raise OSError(EIO)

    def _replay(self, slot: int) -> None:
        for offset, record in self._sectors.scan(slot):
            if self._sectors.is_intact(slot, offset, record):
                self._values[record[INDEX]] = self._sectors.read_body(slot, offset, record)
            else:
                self._sectors.damaged_count += 1

    def _discard_all_but(self, slot: int) -> None:
        for other in range(self._sectors.count):
            if self._sectors.kind[other] == KEPT and other != slot:
                self._sectors.kind[other] = DIRTY


class Gaps:
    """What was lost: (boot, first, next, lane, reason), oldest first.

    A gap says: the frames of that lane with first <= index < next are lost, but for those that
    the hub has already. Up to 16 are exact; then the two oldest of one boot, lane and reason
    become one. size_max: of encode(); beyond it the oldest is forgotten, and counted.
    """

    def __init__(self, size_max: int) -> None:
        self.forgotten_count = 0
        self._gaps: list = []
        self._taken_count = 0
        self._returned_count = 0
        self._count_max = size_max // _GAP_SIZE
        self._exact_max = min(GAPS_EXACT_MAX, self._count_max)

    def note(self, boot: int, index: int, lane: int, reason: int, *, following: int = 0) -> None:
        """Add a lost frame, or all from index up to, and not with, `following`."""
        following = following or index + 1
        for gap in self._gaps[self._taken_count :]:
            if gap[2] == index and (gap[0], gap[3], gap[4]) == (boot, lane, reason):
                gap[2] = following
                return
        self._gaps.append([boot, index, following, lane, reason])
        if len(self._gaps) > self._exact_max:
            self._join_two()
        if len(self._gaps) > self._count_max:
            del self._gaps[0]
            self._taken_count = max(0, self._taken_count - 1)
            self.forgotten_count += 1

    def _join_two(self) -> None:
        for at in range(len(self._gaps)):
            gap = self._gaps[at]
            is_taken = at < self._taken_count
            for later in range(at + 1, self._taken_count if is_taken else len(self._gaps)):
                other = self._gaps[later]
                if (gap[0], gap[3], gap[4]) == (other[0], other[3], other[4]):
                    gap[1] = min(gap[1], other[1])
                    gap[2] = max(gap[2], other[2])
                    del self._gaps[later]
                    self._taken_count -= is_taken
                    return

    def take(self) -> list:
        """Return those noted since the last call."""
        gaps = [tuple(gap) for gap in self._gaps[self._taken_count :]]
        self._taken_count = len(self._gaps)
        self._returned_count = len(gaps)
        return gaps

    def forget_taken(self, count: int) -> bool:
        """Remove the first `count` that take() has returned; tell whether any were removed.

        The others are not taken any more. Where only some are to go, and two were joined or one
        was forgotten meanwhile, it is not known which those are: all stay.
        """
        taken_count = self._taken_count
        self._taken_count = 0
        if count >= self._returned_count:
            count = taken_count
        elif taken_count != self._returned_count:
            count = 0
        self._gaps = self._gaps[count:]
        return count > 0

    def encode(self) -> bytes:
        """Return all as bytes for load()."""
        encoded = b""
        for boot, first, following, lane, reason in self._gaps:
            encoded += struct.pack(_GAP_FORMAT, boot, first, following, lane, reason)
        return encoded

    def load(self, encoded: bytes) -> None:
        """Add those of encode(), as not taken."""
        for at in range(0, len(encoded), _GAP_SIZE):
            self._gaps.append(list(struct.unpack_from(_GAP_FORMAT, encoded, at)))
