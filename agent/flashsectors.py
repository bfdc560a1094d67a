"""Sectors and records of the flash log: what lies where, and how a cut or a flipped bit shows.

A sector of the log is JOINED of the flash's own: records of 1.4 KB, of which two fit into 4 KiB,
would else waste a quarter of each erase. It counts as erased once its parts all are, be that in
one go or part by part.

    sector   0  magic      u32  written last after an erase: without it the erase may be half done
             4  sequence   u32  grows by one with each sector opened; 0xFFFFFFFF: not opened yet
             8  kind       u32  what its records are: the log's lanes 0..3, or 4, kept values
            12  check      u32  CRC-32 of sequence and kind
            16  complete   u8   0: all that must be in it from the start is in; then 3 bytes unused
            20  records, each at a multiple of 4 and never across the sector's end
    record   0  state      u8   more than 4 bits set: pending; fewer: freed
             1  mark       u8   0xA0 + kind
             2  size       u16  of the body
             4  boot       u32
             8  index      u32
            12  body check u32  CRC-32 of the body
            16  check      u32  CRC-32 of bytes 1..15
            20  body

All integers are little-endian. A record's body is programmed first and its header after it, so
a sound header means a whole record. What a cut left torn has a blank or an unsound header; nothing
is ever written behind it in that sector, so it hides nothing. A single flipped bit in a header is
mended as it is read; behind a header that is worse, reading goes on at the next sound one.
"""

import struct
from array import array
from binascii import crc32

from protocols.portable import const

SECTOR_HEADER_SIZE = const(20)
RECORD_HEADER_SIZE = const(20)
SECTOR_SIZE_MAX = const(32768)  # offsets are held in 16 bits

# What a sector may be. Kinds below KEPT are lanes.
KEPT = const(4)
ERASED = const(5)
DIRTY = const(6)
NONE = const(-1)  # no sector

# Fields of a record as `find` returns it.
STATE = const(0)
SIZE = const(2)
BOOT = const(3)
INDEX = const(4)
BODY_CHECK = const(5)

_MAGIC = const(0x31474C48)  # "HLG1"
_MARK = const(0xA0)
_COMPLETE_OFFSET = const(16)
_CHUNK_SIZE = const(256)
JOINED = const(3)  # the least at which no size of frame costs more than 0.35 erases a KiB
JOINED_COUNT_MIN = const(8)  # of a flash too small for so many, each sector is one
_BLANK = b"\xff" * RECORD_HEADER_SIZE
_ZERO = b"\x00"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class FlashSectors:
    """The sectors of `flash` (see agent/hal), in ring order. Call mount() before anything else.

    kind, sequence, used: one entry a sector; used is the offset where the next record goes. A
    sector is known by its number, its *slot*. sequence_next: of the sector opened next.
    erases_count, damaged_count (records that flipped bits spoilt), torn_count (sectors with a
    write that was cut), program_errors_count (records that the flash did not take): since mount().
    """

    def __init__(self, flash: "Any") -> None:
        self._joined = JOINED if flash.sector_count >= JOINED * JOINED_COUNT_MIN else 1
        if flash.sector_size * self._joined > SECTOR_SIZE_MAX:
            raise ValueError("sectors of %d bytes" % flash.sector_size)
        count = flash.sector_count // self._joined
        self.size = flash.sector_size * self._joined
        self.count = count
        self.kind = bytearray([DIRTY] * count)
        self.sequence = array("I", bytes(4 * count))
        self.used = array("H", bytes(2 * count))
        self.erases_count = 0
        self.damaged_count = 0
        self.torn_count = 0
        self.program_errors_count = 0
        self.sync = getattr(flash, "sync", _nothing)
        self._flash = flash
        self._position = 0  # the sector opened last
        self.hole = NONE
        self._erasing = NONE  # the sector of which some parts are erased
        self._parts_erased = 0
        self.sequence_next = 1
        self._header = bytearray(RECORD_HEADER_SIZE)
        self._chunk = memoryview(bytearray(_CHUNK_SIZE))

    def mount(self) -> None:
        """Read the header of every sector; `used` is left for whoever reads the records."""
        for slot in range(self.count):
            self.kind[slot] = self._read_sector_header(slot)

    def _read_sector_header(self, slot: int) -> int:
        header = self._header
        self._flash.read_into(slot * self.size, header)
        if header[4:] == _BLANK[4:]:
            return ERASED if struct.unpack_from("<I", header)[0] == _MAGIC else DIRTY
        if not _is_sound(header, 4, 12, True):
            return DIRTY
        sequence, kind = struct.unpack_from("<II", header, 4)
        self.sequence[slot] = sequence
        if sequence >= self.sequence_next:
            self.sequence_next = sequence + 1
            self._position = slot
        if kind == KEPT and is_pending(header[_COMPLETE_OFFSET]):
            return DIRTY
        return kind if kind <= KEPT else DIRTY

    # -- sectors --

    def count_of(self, kind: int) -> int:
        """Return how many sectors are of that kind."""
        return sum(1 for each in self.kind if each == kind)

    def next_of(self, kind: int) -> int:
        """Return the first sector of that kind behind the one opened last, or NONE."""
        for step in range(1, self.count + 1):
            slot = (self._position + step) % self.count
            if self.kind[slot] == kind:
                return slot
        return NONE

    def oldest_of(self, kind: int, sequence_min: int = 0) -> int:
        """Return the sector of that kind with the lowest sequence >= sequence_min, or NONE."""
        best = NONE
        for slot in range(self.count):
            if self.kind[slot] == kind and self.sequence[slot] >= sequence_min:
                if best == NONE or self.sequence[slot] < self.sequence[best]:
                    best = slot
        return best

    def newest_of(self, kind: int) -> int:
        """Return the sector of that kind with the highest sequence, or NONE."""
        best = NONE
        for slot in range(self.count):
            if self.kind[slot] == kind:
                if best == NONE or self.sequence[slot] > self.sequence[best]:
                    best = slot
        return best

    def open(self, kind: int) -> int:
        """Give the next erased sector, there must be one, to records of that kind; return it."""
        slot = self.next_of(ERASED)
        header = struct.pack("<II", self.sequence_next, kind)
        self.kind[slot] = DIRTY  # should the flash fail in between
        self._flash.program(slot * self.size + 4, header + struct.pack("<I", crc32(header)))
        self.kind[slot] = kind
        self.sequence[slot] = self.sequence_next
        self.used[slot] = SECTOR_HEADER_SIZE
        self._position = slot
        self.sequence_next += 1
        return slot

    def complete(self, slot: int) -> None:
        """Mark that all is in; until then mount() takes a sector of kept values for dirty."""
        self._flash.program(slot * self.size + _COMPLETE_OFFSET, _ZERO)

    def erase(self, slot: int) -> None:
        """Make a dirty sector an erased one; stops the processor for tens of ms a part."""
        while self.kind[slot] != ERASED:
            self.erase_part(slot)

    def erase_part(self, slot: int) -> None:
        """Erase the next part of a dirty sector; with the last one it is an erased sector."""
        if slot != self._erasing:
            self._erasing = slot
            self._parts_erased = 0
        self._flash.erase(slot * self._joined + self._parts_erased)
        self.erases_count += 1
        self._parts_erased += 1
        if self._parts_erased == self._joined:
            self._flash.program(slot * self.size, struct.pack("<I", _MAGIC))
            self.kind[slot] = ERASED
            self._erasing = NONE

    def next_dirty(self) -> int:
        """Return the sector to erase next: the one that is begun, or else the next; or NONE."""
        return self._erasing if self._erasing != NONE else self.next_of(DIRTY)

    def has_room(self, slot: int, body_size: int) -> bool:
        """Tell whether one more record fits."""
        return self.used[slot] + record_size(body_size) <= self.size

    def is_torn(self, slot: int) -> bool:
        """Tell, and count, whether anything behind `used` is not as erased: a write was cut."""
        offset = self.used[slot]
        while offset < self.size:
            view = self._chunk[: min(_CHUNK_SIZE, self.size - offset)]
            self._flash.read_into(slot * self.size + offset, view)
            if bytes(view) != b"\xff" * len(view):
                self.torn_count += 1
                return True
            offset += len(view)
        return False

    # -- records --

    def find(self, slot: int, offset: int, end: int) -> tuple:
        """Return (offset, fields) of the first sound record at or after offset, or (offset, None).

        end: no record begins behind it; `used`, or the sector's size while mounting.
        """
        base = slot * self.size
        is_expected = True
        while offset + RECORD_HEADER_SIZE <= end:
            record = self._load(base + offset, is_expected)
            if record:
                return offset, record
            if record is not None:
                break
            is_expected = False
            offset += 4
        return offset, None

    def scan(self, slot: int) -> "Iterator[tuple]":
        """Yield (offset, fields) of each record, count those damaged, and find out `used`.

        hole: meanwhile, where a header that is no good lies between the record and the one before
        it, or else NONE; in the end, where one lies behind them all.
        """
        expected = SECTOR_HEADER_SIZE
        offset, record = self.find(slot, expected, self.size)
        while record is not None:
            self.hole = self._hole(slot, expected, offset)
            self.damaged_count += self.hole != NONE
            yield offset, record
            expected = offset + record_size(record[SIZE])
            offset, record = self.find(slot, expected, self.size)
        self.hole = self._hole(slot, expected, offset)
        self.used[slot] = offset

    def blot(self, slot: int, offset: int) -> None:
        """Clear a header that is no good: what it was of is named, or was never stored."""
        self._flash.program(slot * self.size + offset, bytes(RECORD_HEADER_SIZE))

    def _hole(self, slot: int, expected: int, found: int) -> int:
        if found < expected + 4 or expected + RECORD_HEADER_SIZE > self.size:
            return NONE
        header = bytearray(RECORD_HEADER_SIZE)
        self._flash.read_into(slot * self.size + expected, header)
        return expected if any(header) else NONE

    def pending(self, slot: int, offset: int) -> "Iterator[tuple]":
        """Yield (offset, fields) of each pending record at or after offset."""
        offset, record = self.find_pending(slot, offset)
        while record is not None:
            yield offset, record
            offset, record = self.find_pending(slot, offset + record_size(record[SIZE]))

    def find_pending(self, slot: int, offset: int) -> tuple:
        """As find(), skipping freed records, up to `used`."""
        while True:
            offset, record = self.find(slot, offset, self.used[slot])
            if record is None or is_pending(record[STATE]):
                return offset, record
            offset += record_size(record[SIZE])

    def _load(self, position: int, is_expected: bool) -> "tuple | None":
        # The header at position: its fields, () if blank, None if unsound. Mends where expected.
        header = self._header
        self._flash.read_into(position, header)
        if header == _BLANK:
            return ()
        if not is_expected and header[1] & 0xF0 != _MARK:
            return None
        if not _is_sound(header, 1, 16, is_expected):
            return None
        return struct.unpack("<BBHIIII", header)

    def write(self, slot: int, boot: int, index: int, body: bytes) -> int:
        """Append a record and return its offset, or NONE where the flash did not take it.

        After NONE or an error nothing more may be written to that sector.
        """
        offset = self.used[slot]
        position = slot * self.size + offset
        check = crc32(body)
        mark = _MARK | self.kind[slot]
        header = struct.pack("<BBHIII", 0xFF, mark, len(body), boot, index, check)
        header += struct.pack("<I", crc32(header[1:]))
        self.used[slot] = self.size  # should the flash fail in between
        self._flash.program(position + RECORD_HEADER_SIZE, body)
        if self._body_check(position, len(body)) == check:
            self._flash.program(position, header)
            self._flash.read_into(position, self._header)
            if self._header == header:
                self.used[slot] = offset + record_size(len(body))
                return offset
            self._flash.program(position, _ZERO)
        self.used[slot] = offset
        self.program_errors_count += 1
        return NONE

    def read_body(self, slot: int, offset: int, record: tuple) -> bytes:
        """Return the body of a record as it is in the flash."""
        body = bytearray(record[SIZE])
        self._flash.read_into(slot * self.size + offset + RECORD_HEADER_SIZE, body)
        return bytes(body)

    def is_intact(self, slot: int, offset: int, record: tuple) -> bool:
        """Tell whether the body of a record fits its CRC."""
        return self._body_check(slot * self.size + offset, record[SIZE]) == record[BODY_CHECK]

    def _body_check(self, position: int, size: int) -> int:
        check = 0
        position += RECORD_HEADER_SIZE
        while size > 0:
            view = self._chunk[: min(_CHUNK_SIZE, size)]
            self._flash.read_into(position, view)
            check = crc32(view, check)
            position += len(view)
            size -= len(view)
        return check

    def clear(self, slot: int, offset: int) -> None:
        """Mark the record at offset as freed."""
        self._flash.program(slot * self.size + offset, _ZERO)


def record_size(body_size: int) -> int:
    """Return what a record with such a body takes of its sector."""
    return (RECORD_HEADER_SIZE + body_size + 3) & ~3


def is_pending(state: int) -> bool:
    """Tell whether a state byte is uncleared, by majority: no single flipped bit decides."""
    return bin(state).count("1") > 4


def _is_sound(buffer: bytearray, start: int, end: int, mend: bool) -> bool:
    """Tell whether buffer[start:end] fits the CRC-32 behind it; mend: flip one bit if it helps."""
    if crc32(buffer[start:end]) == struct.unpack_from("<I", buffer, end)[0]:
        return True
    if mend:
        for bit in range(8 * start, 8 * (end + 4)):
            buffer[bit >> 3] ^= 1 << (bit & 7)
            if _is_sound(buffer, start, end, False):
                return True
            buffer[bit >> 3] ^= 1 << (bit & 7)
    return False


def _nothing() -> None:
    """Stand in for the sync of a flash that needs none."""
