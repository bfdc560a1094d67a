"""The log of frames that the hub has not acknowledged yet; it survives a power cut at any byte.

Theory of operation. Flash clears bits in small pieces, but sets them only a whole sector at a
time, slowly, and some 100 000 times. So nothing is ever rewritten: records are appended, freed by
clearing one byte of their header, and a sector is erased when it is needed again. Every lane
writes into a sector of its own, its *head*. A sector thus holds one lane, oldest record first, and
making room never moves a record: the oldest sector of the least urgent lane goes, as a whole.
Sectors are erased and opened in ring order, skipping those that still hold something: even wear.
A sector here is three of the flash's own, so that no size of frame wastes much of its end.
What lies on the flash byte by byte, and how a torn or damaged record shows, is in
agent/flashsectors.py.

Before a sector with pending records is erased, its gaps are kept, together with its sequence:
after a cut between the two, mount() drops the sector. Gaps, boot counter and the caller's few
values are in a sector of their own, see agent/flashkept.py; one erased sector is always left
for it.

A damaged body is found before it is sent, and named as a gap. Of a header damaged beyond mending
the index is unknown: mount() names what lies between its neighbours, of which the hub has what was
of other records, and blots the header out, so that it is named once. It does so only where others
in the sector are pending: one that is all freed may be half erased.

RAM: 29 bytes a sector, none a record; records are found by reading their headers. Erases: at most
0.35 for each KiB of frames, whatever their size from 80 bytes on, in sectors of 4 KiB.
"""

import struct

from agent.flashheld import Held
from agent.flashkept import EIO, PROGRAM_TRIES, Gaps, KeptValues
from agent.flashsectors import (
    BOOT,
    DIRTY,
    ERASED,
    INDEX,
    NONE,
    RECORD_HEADER_SIZE,
    SECTOR_HEADER_SIZE,
    SIZE,
    STATE,
    FlashSectors,
    is_pending,
    record_size,
)
from protocols.portable import const
from protocols.vocabulary import GAP_FLASH_DAMAGED, GAP_FLASH_FULL, LANE_LIFE, LANE_WAVE, LANES

SECTOR_COUNT_MIN = const(8)  # four lanes, kept values, three spare
# One for the kept values, and two since each of the next two appends may open a head.
SPARE_SECTORS = const(3)
GAPS_SHARE = const(4)  # of a sector's bytes: so much of it may the gaps not yet confirmed take
KEY_MAX = const(239)  # keys of the caller; those above are the log's own

_KEY_BOOT = const(240)
_KEY_GAPS = const(241)
_NUMBER_MAX = const(0xFFFFFFFF)
_COUNTERS = ("appended", "freed", "evicted", "refused")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class FlashLog:
    """A power-safe ring of frames over `flash` (see agent/hal). Call mount() before anything else.

    Flash errors (OSError) pass through; the log stays sound. No method waits for anything but the
    flash.
    """

    def __init__(self, flash: "Any") -> None:
        if flash.sector_count < SECTOR_COUNT_MIN:
            raise ValueError("flash of %d sectors" % flash.sector_count)
        self._flash = flash
        self._reset()
        self.frame_size_max = self._sectors.size - SECTOR_HEADER_SIZE - RECORD_HEADER_SIZE

    def _reset(self) -> None:
        self._sectors = FlashSectors(self._flash)
        count = self._sectors.count
        self._held = Held(count)
        # One entry a lane.
        self._heads = [NONE] * len(LANES)
        self._lane_counts = [0] * len(LANES)
        self._cursor_sequence = [0] * len(LANES)  # all before the cursor is in flight
        self._cursor_offset = [0] * len(LANES)
        self._kept = KeptValues(self._sectors, self._make_room_for_kept)
        self._boot = 0  # the highest seen
        # Of the sector evicted last; it is erased before another is, be it after a restart.
        self._dropped_sequence = 0
        self._gaps = Gaps(self._sectors.size // GAPS_SHARE)
        self._counters = dict.fromkeys(_COUNTERS, 0)

    def append(self, boot: int, index: int, lane: int, frame: bytes) -> None:
        """Store a frame; it is durable on return.

        boot, index: 32 bits, growing within a lane. frame: at most frame_size_max bytes.
        ValueError for anything else. When the log is full, the least urgent frames make room; if
        there are only more urgent ones than this, this frame itself is the loss. take_gaps() names
        either. Erases sectors if prepare() was not called in time.
        """
        if not self.append_if_room(boot, index, lane, frame):
            self._counters["refused"] += 1
            self._gaps.note(boot, index, lane, GAP_FLASH_FULL)
            self._keep_gaps()
            self._sectors.sync()

    def append_if_room(self, boot: int, index: int, lane: int, frame: bytes) -> bool:
        """Store a frame as append() does; False where that would be the loss: it is not stored."""
        self._check(boot, index, lane, frame)
        for _ in range(PROGRAM_TRIES):
            slot = self._head_with_room(lane, len(frame))
            if slot == NONE:
                return False
            if self._sectors.write(slot, boot, index, frame) != NONE:
                self._held.enter(slot, boot, index)
                self._tally(slot, 1, len(frame))
                self._counters["appended"] += 1
                self._sectors.sync()
                return True
            self._close(slot)
        raise OSError(EIO)

    def next_unsent(self, lane_max: int = LANE_WAVE) -> "int | None":
        """Return a handle of the oldest frame not in flight of the most urgent lane <= lane_max.

        None if there is none. A handle is good until the next append, free or prepare.
        """
        for lane in range(lane_max + 1):
            if self._lane_counts[lane]:
                handle = self._find_unsent(lane)
                if handle is not None:
                    return handle
        return None

    def read_frame(self, handle: int) -> bytes:
        """Return the frame; ValueError for a handle that is no longer good."""
        slot, offset = divmod(handle, self._sectors.size)
        found, record = self._sectors.find_pending(slot, offset)
        if record is None or found != offset:
            raise ValueError("no frame at %d" % handle)
        return self._sectors.read_body(slot, offset, record)

    def mark_in_flight(self, handle: int) -> None:
        """Leave out of next_unsent() the frame that it just returned; ValueError for any other."""
        slot, offset = divmod(handle, self._sectors.size)
        lane = self._sectors.kind[slot]
        if (
            lane not in LANES
            or self._sectors.sequence[slot] != self._cursor_sequence[lane]
            or offset != self._cursor_offset[lane]
        ):
            raise ValueError("not the next frame: %d" % handle)
        _, record = self._sectors.find(slot, offset, self._sectors.size)
        self._cursor_offset[lane] += record_size(record[SIZE])

    def reset_in_flight(self) -> None:
        """Take every frame that is not freed for unsent again: the link is lost."""
        for lane in LANES:
            self._cursor_sequence[lane] = 0
            self._cursor_offset[lane] = 0

    def free(self, boot: int, first: int, following: int) -> int:
        """Forget the frames first <= index < following of that boot; return how many there were.

        They are durable elsewhere: a power cut may bring some of them back.
        """
        freed = 0
        for slot in range(self._sectors.count):
            if self._held.may_have(slot, boot, first, following):
                freed += self._free_in(slot, boot, first, following)
        self._counters["freed"] += freed
        return freed

    def prepare(self) -> bool:
        """Erase one sector of the flash ahead, outside a capture window; tell if that was needed.

        Three of the log's are held erased. When it is full this drops the least urgent frames, as
        the next append would, but never alerts.
        """
        if self._sectors.count_of(ERASED) >= SPARE_SECTORS:
            return False
        slot = self._reclaimable(LANE_LIFE)
        if slot == NONE:
            return False
        self._sectors.erase_part(slot)
        return True

    def pending_count(self) -> int:
        """Return how many frames are held."""
        return sum(self._lane_counts)

    def pending_bytes(self) -> int:
        """Return the bytes of the frames held, without headers."""
        return sum(self._held.sizes)

    def lane_counts(self) -> tuple:
        """Return how many frames are held of each lane."""
        return tuple(self._lane_counts)

    def extent(self) -> list:
        """Return [(boot, first, next)], one a boot: the frames held are within, maybe others."""
        spans: dict = {}
        for slot in range(self._sectors.count):
            if self._held.counts[slot]:
                self._held.extend(self._sectors, slot, spans)
        return [(boot, spans[boot][0], spans[boot][1]) for boot in sorted(spans)]

    def statistics(self) -> dict:
        """Return the counters since mount() and what is held now."""
        result: dict = dict(self._counters)
        result["damaged"] = self._sectors.damaged_count
        result["torn"] = self._sectors.torn_count
        result["erases"] = self._sectors.erases_count
        result["program_errors"] = self._sectors.program_errors_count
        result["gaps_forgotten"] = self._gaps.forgotten_count
        result["pending_count"] = self.pending_count()
        result["pending_bytes"] = self.pending_bytes()
        result["lane_counts"] = self.lane_counts()
        result["erased_sectors"] = self._sectors.count_of(ERASED)
        result["free_sectors"] = self._free_count()
        return result

    def take_gaps(self) -> list:
        """Return [(boot, first, next, lane, reason)] of what was lost since the last call.

        Until confirm_gaps() they survive a power cut, and are then all returned again. reason:
        GAP_FLASH_FULL or GAP_FLASH_DAMAGED.
        """
        return self._gaps.take()

    def confirm_gaps(self, count: int) -> None:
        """Forget the first `count` of take_gaps(), durable as frames; see Gaps.forget_taken."""
        if self._gaps.forget_taken(count):
            self._keep_gaps()

    def next_boot(self) -> int:
        """Return a number greater than that of any boot before, durable on return."""
        boot = self._boot + 1
        self._kept.put(_KEY_BOOT, struct.pack("<I", boot))
        self._boot = boot
        return boot

    def keep(self, key: int, value: bytes) -> None:
        """Store a tiny value under a key 0..239, durable on return.

        All values and the new one, with 20 bytes more for each, must fit a third of a sector,
        else ValueError.
        """
        size = self._kept.size(KEY_MAX) + record_size(len(value))
        if not 0 <= key <= KEY_MAX or size > self._sectors.size // 3:
            raise ValueError("kept value %d of %d bytes" % (key, len(value)))
        self._kept.put(key, value)

    def kept(self, key: int) -> "bytes | None":
        """Return the value kept under key, or None."""
        return self._kept.get(key)

    def mount(self) -> None:
        """Find out what the flash holds. Reads headers, not bodies; erases nothing."""
        self._reset()
        self._sectors.mount()
        self._mount_kept()
        holes: list = []
        for slot in range(self._sectors.count):
            if self._sectors.kind[slot] in LANES:
                self._scan(slot, holes)
                if self._sectors.sequence[slot] == self._dropped_sequence:
                    self._drop(slot)
        for hole in holes:
            self._lose_unknown(hole)
        for lane in LANES:
            self._mount_head(lane)
        for slot in range(self._sectors.count):
            self._discard_if_free(slot)

    def _mount_kept(self) -> None:
        self._kept.mount()
        # Each value lost to flipped bits (no others are counted yet) may have been a newer boot.
        boot = self._kept.get(_KEY_BOOT) or bytes(4)
        self._boot = struct.unpack("<I", boot)[0] + self._sectors.damaged_count
        gaps = self._kept.get(_KEY_GAPS) or bytes(4)
        self._gaps.load(gaps[4:])
        self._dropped_sequence = struct.unpack_from("<I", gaps)[0]
        # It may have been the highest of all, and must not be given again.
        self._sectors.sequence_next = max(self._sectors.sequence_next, self._dropped_sequence + 1)

    def _scan(self, slot: int, holes: list) -> None:
        # Accounts for all records of a lane's sector. holes: gets (slot, offset, (boot, index) of
        # the record before, or None, and of the one behind, or None) of each header past mending.
        held = self._held
        held.begin(slot)
        before = None
        for _, record in self._sectors.scan(slot):
            if self._sectors.hole != NONE:
                holes.append((slot, self._sectors.hole, before, (record[BOOT], record[INDEX])))
            before = (record[BOOT], record[INDEX])
            held.enter(slot, record[BOOT], record[INDEX])
            if is_pending(record[STATE]):
                self._tally(slot, 1, record[SIZE])
            self._boot = max(self._boot, record[BOOT])
        if self._sectors.hole != NONE:
            holes.append((slot, self._sectors.hole, before, None))

    def _mount_head(self, lane: int) -> None:
        slot = self._sectors.newest_of(lane)
        if slot != NONE:
            is_torn = self._sectors.is_torn(slot)
            if not self._drop_torn_body(slot) and not is_torn:
                self._heads[lane] = slot

    def _drop_torn_body(self, slot: int) -> bool:
        # A flash that reorders writes (a file) may leave the last header without its body.
        last = None
        for each in self._sectors.pending(slot, SECTOR_HEADER_SIZE):
            last = each
        if last is None or self._sectors.is_intact(slot, *last):
            return False
        self._sectors.torn_count += 1
        self._release(slot, *last)
        return True

    def _check(self, boot: int, index: int, lane: int, frame: bytes) -> None:
        if lane not in LANES or len(frame) > self.frame_size_max:
            raise ValueError("lane %d, frame of %d bytes" % (lane, len(frame)))
        if not (0 <= boot <= _NUMBER_MAX and 0 <= index <= _NUMBER_MAX):
            raise ValueError("boot %d, index %d" % (boot, index))
        head = self._heads[lane]
        if head != NONE and self._sectors.used[head] > SECTOR_HEADER_SIZE:
            if (boot, index) <= (self._held.boot_last[head], self._held.index_last[head]):
                raise ValueError("frame %d of boot %d comes late" % (index, boot))

    def _tally(self, slot: int, count: int, size: int) -> None:
        lane = self._sectors.kind[slot]
        self._held.counts[slot] += count
        self._held.sizes[slot] += size
        self._lane_counts[lane] += count

    def _release(self, slot: int, offset: int, record: tuple) -> None:
        self._sectors.clear(slot, offset)
        self._tally(slot, -1, -record[SIZE])

    def _free_in(self, slot: int, boot: int, first: int, following: int) -> int:
        freed = 0
        for offset, record in self._sectors.pending(slot, self._held.pending_from[slot]):
            if (record[BOOT], record[INDEX]) >= (boot, following):
                break
            if record[BOOT] == boot and record[INDEX] >= first:
                self._release(slot, offset, record)
                freed += 1
        self._held.pending_from[slot], _ = self._sectors.find_pending(
            slot, self._held.pending_from[slot]
        )
        self._discard_if_free(slot)
        return freed

    def _find_unsent(self, lane: int) -> "int | None":
        sectors = self._sectors
        while True:
            slot = sectors.oldest_of(lane, self._cursor_sequence[lane])
            if slot == NONE:
                return None
            if sectors.sequence[slot] != self._cursor_sequence[lane]:
                self._cursor_sequence[lane] = sectors.sequence[slot]
                self._cursor_offset[lane] = 0
            offset = max(self._cursor_offset[lane], self._held.pending_from[slot])
            offset, record = sectors.find_pending(slot, offset)
            self._cursor_offset[lane] = offset
            if record is None:
                if slot == self._heads[lane]:
                    return None
                self._cursor_sequence[lane] += 1
                self._cursor_offset[lane] = 0
            elif sectors.is_intact(slot, offset, record):
                return slot * sectors.size + offset
            else:
                self._lose_damaged(slot, offset, record)

    def _head_with_room(self, lane: int, size: int) -> int:
        head = self._heads[lane]
        if head != NONE:
            if self._sectors.has_room(head, size):
                return head
            self._close(head)
        # The spare sectors are not for a lane that could not pay for them by an eviction.
        if self._free_count() <= SPARE_SECTORS and self._least_urgent(lane) == NONE:
            return NONE
        # The last erased sector is for the kept values.
        while self._sectors.count_of(ERASED) < 2:
            if not self._reclaim(lane):
                return NONE
        head = self._sectors.open(lane)
        self._held.begin(head)
        self._heads[lane] = head
        return head

    def _make_room_for_kept(self) -> bool:
        return self._sectors.next_of(ERASED) != NONE or self._reclaim(len(LANES))

    def _close(self, slot: int) -> None:
        # No more records go into this sector.
        lane = self._sectors.kind[slot]
        if self._heads[lane] == slot:
            self._heads[lane] = NONE
        self._discard_if_free(slot)

    def _discard_if_free(self, slot: int) -> None:
        if self._sectors.kind[slot] in LANES:
            if not self._held.counts[slot] and slot not in self._heads:
                self._sectors.kind[slot] = DIRTY

    def _free_count(self) -> int:
        return self._sectors.count_of(DIRTY) + self._sectors.count_of(ERASED)

    def _reclaim(self, kind: int) -> bool:
        slot = self._reclaimable(kind)
        if slot == NONE:
            return False
        self._sectors.erase(slot)
        return True

    def _reclaimable(self, kind: int) -> int:
        # One to erase: a free one, or else the oldest of the least urgent lane >= kind; or NONE.
        slot = self._sectors.next_dirty()
        if slot == NONE:
            slot = self._close_idle_head()
        if slot == NONE:
            slot = self._least_urgent(kind)
            if slot != NONE:
                self._evict(slot)
        return slot

    def _close_idle_head(self) -> int:
        for lane in LANES:
            slot = self._heads[lane]
            if slot != NONE and not self._held.counts[slot]:
                self._close(slot)
                return slot
        return NONE

    def _least_urgent(self, lane_min: int) -> int:
        for lane in range(LANE_WAVE, lane_min - 1, -1):
            if self._lane_counts[lane]:
                return self._sectors.oldest_of(lane)
        return NONE

    def _evict(self, slot: int) -> None:
        lane = self._sectors.kind[slot]
        for _, record in self._sectors.pending(slot, self._held.pending_from[slot]):
            self._gaps.note(record[BOOT], record[INDEX], lane, GAP_FLASH_FULL)
        self._dropped_sequence = self._sectors.sequence[slot]
        self._keep_gaps()
        self._counters["evicted"] += self._held.counts[slot]
        self._drop(slot)

    def _drop(self, slot: int) -> None:
        self._tally(slot, -self._held.counts[slot], -self._held.sizes[slot])
        self._close(slot)

    def _lose_unknown(self, hole: tuple) -> None:
        # What lies between its neighbours may be lost; the hub has what was of other records.
        slot, offset, before, behind = hole
        before = before or self._held.last_before(self._sectors, slot)
        boot, following = behind or self._held.first_behind(self._sectors, slot)
        first = before[1] + 1 if before[0] == boot else 0
        # The last of its boot: the power was cut while it was written.
        is_torn = behind is None and before[0] != boot
        if first < following and not is_torn and self._held.counts[slot]:
            lane = self._sectors.kind[slot]
            self._gaps.note(boot, first, lane, GAP_FLASH_DAMAGED, following=following)
            self._keep_gaps()
        self._sectors.blot(slot, offset)

    def _lose_damaged(self, slot: int, offset: int, record: tuple) -> None:
        lane = self._sectors.kind[slot]
        self._sectors.damaged_count += 1
        self._gaps.note(record[BOOT], record[INDEX], lane, GAP_FLASH_DAMAGED)
        self._keep_gaps()
        self._release(slot, offset, record)
        self._discard_if_free(slot)

    def _keep_gaps(self) -> None:
        sequence = struct.pack("<I", self._dropped_sequence)
        self._kept.put(_KEY_GAPS, sequence + self._gaps.encode())
