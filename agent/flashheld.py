"""What the flash log knows of each of its sectors: how much is pending, and of which frames."""

from array import array

from agent.flashsectors import BOOT, INDEX, SECTOR_HEADER_SIZE
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.flashsectors import FlashSectors

_NUMBER_MAX = const(0xFFFFFFFF)


class Held:
    """One entry a sector.

    pending_from: no pending record lies before this offset. counts: of pending records; sizes: of
    their bodies, together. boot_first .. index_last: of all records, pending or not.
    """

    def __init__(self, count: int) -> None:
        self.pending_from = array("H", bytes(2 * count))
        self.counts = array("H", bytes(2 * count))
        self.sizes = array("H", bytes(2 * count))
        self.boot_first = array("I", bytes(4 * count))
        self.index_first = array("I", bytes(4 * count))
        self.boot_last = array("I", bytes(4 * count))
        self.index_last = array("I", bytes(4 * count))

    def begin(self, slot: int) -> None:
        """The sector has no records."""
        self.pending_from[slot] = SECTOR_HEADER_SIZE
        self.boot_first[slot] = self.index_first[slot] = _NUMBER_MAX
        self.boot_last[slot] = self.index_last[slot] = 0

    def enter(self, slot: int, boot: int, index: int) -> None:
        """It has one more record."""
        if (boot, index) < (self.boot_first[slot], self.index_first[slot]):
            self.boot_first[slot] = boot
            self.index_first[slot] = index
        self.boot_last[slot] = boot
        self.index_last[slot] = index

    def may_have(self, slot: int, boot: int, first: int, following: int) -> bool:
        """Tell whether pending frames first <= index < following of that boot may be there."""
        if not self.counts[slot]:
            return False
        return (self.boot_first[slot], self.index_first[slot]) < (boot, following) and (
            self.boot_last[slot],
            self.index_last[slot],
        ) >= (boot, first)

    def last_before(self, sectors: "FlashSectors", slot: int) -> tuple:
        """Return (boot, index) of the newest record in older sectors of its lane, or (-1, -1)."""
        best = -1
        for other in range(sectors.count):
            if sectors.kind[other] == sectors.kind[slot]:
                if sectors.sequence[other] < sectors.sequence[slot]:
                    if best < 0 or sectors.sequence[other] > sectors.sequence[best]:
                        best = other
        return (-1, -1) if best < 0 else (self.boot_last[best], self.index_last[best])

    def first_behind(self, sectors: "FlashSectors", slot: int) -> tuple:
        """Return (boot, index) of the oldest record in newer sectors of its lane, or (-1, -1)."""
        best = sectors.oldest_of(sectors.kind[slot], sectors.sequence[slot] + 1)
        return (-1, -1) if best < 0 else (self.boot_first[best], self.index_first[best])

    def extend(self, sectors: "FlashSectors", slot: int, spans: dict) -> None:
        """Widen spans, {boot: (first, next)}, by what is pending in this sector, or more."""
        boot_last = self.boot_last[slot]
        for _, record in sectors.pending(slot, self.pending_from[slot]):
            boot, index = record[BOOT], record[INDEX]
            # From here on the sector is of one boot, so the rest of it need not be read.
            last = self.index_last[slot] if boot == boot_last else index
            first, following = spans.get(boot, (index, 0))
            spans[boot] = min(first, index), max(following, last + 1)
            if boot == boot_last:
                break
