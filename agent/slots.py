"""The two places for an image, A and B: which one a board starts, and what proves it good.

A slot is a run of raw flash sectors: the first is its head, the others hold the image.

    head:  magic[4] generation[4] manifest_size[2] 00 00 crc32[4]   at 0, of what is before it and
           the manifest
           the signed manifest                                      at 64
           marks, 16 bytes each, all 00 once set                    from 3968 on

Theory of operation. NOR flash sets bits back only by the sector, so each fact is a mark of its
own that goes from FF to 00 once, in this order:

    begun --ARMED--> trial (a TRIAL mark at each start, at most TRIALS_MAX) --HEALTHY--> good
                                             \\--REJECTED: TRIAL_MS over, or no trials left--> bad

A mark that a power cut left half done counts as not set, and is set again. The slot with the
highest generation that is good, or armed with trials left, is started, if the hash of its image
holds; else the other one; where neither is left, one that failed its trial, which was verified and
may measure all the same. So whatever moment the power goes: the running slot is never written
to, and the new one counts only from ARMED on, which comes after its image was verified whole.
"""

import hashlib
from binascii import crc32

from protocols import cose_sign
from protocols.errors import RemoteProtocolError
from protocols.manifest import CHUNK_SIZE, MANIFEST_SIZE_MAX, Manifest, decode_manifest
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARMED = const(0)
TRIAL = const(1)  # the first of TRIALS_MAX
HEALTHY = const(4)
REJECTED = const(5)
TRIALS_MAX = const(3)  # a good image may lose its power twice before the hub has heard of it
TRIAL_MS = const(120_000)  # of operation, until the hub must have acknowledged a frame

_MAGIC = b"HNS1"
_HEADER_SIZE = const(16)
_MANIFEST_AT = const(64)
_MARKS_AT = const(3968)
_MARK_SIZE = const(16)
_MARK_SET = b"\x00" * 16
_READ_SIZE = const(256)


class Slot:
    """One slot. flash: of the hardware port, with sectors of 4096 bytes.

    generation: 0 where the head is not sound; then nothing else is.
    """

    def __init__(self, flash: "Any") -> None:
        self.flash = flash
        self.image_size_max = (flash.sector_count - 1) * CHUNK_SIZE
        self.generation = 0
        self._manifest_size = 0
        self._block = bytearray(_READ_SIZE)
        self.look()

    def look(self) -> None:
        """Read the head anew."""
        header = bytearray(_HEADER_SIZE)
        self.flash.read_into(0, header)
        self.generation = 0
        size = int.from_bytes(header[8:10], "big")
        if bytes(header[:4]) != _MAGIC or size > MANIFEST_SIZE_MAX:
            return
        self._manifest_size = size
        if int.from_bytes(header[12:16], "big") == crc32(self.message(), crc32(header[:12])):
            self.generation = int.from_bytes(header[4:8], "big")

    def message(self) -> bytes:
        """Return the signed manifest as it lies in the head."""
        message = bytearray(self._manifest_size)
        self.flash.read_into(_MANIFEST_AT, message)
        return bytes(message)

    def manifest(self) -> "Manifest | None":
        """Return the manifest, or None without a sound head. Its signature is not verified."""
        if not self.generation:
            return None
        try:
            return decode_manifest(cose_sign.split(self.message())[0])
        except RemoteProtocolError:
            return None

    def is_marked(self, mark: int) -> bool:
        """Tell whether a mark is set."""
        found = bytearray(_MARK_SIZE)
        self.flash.read_into(_MARKS_AT + mark * _MARK_SIZE, found)
        return found == _MARK_SET

    def mark(self, mark: int) -> None:
        """Set a mark, durably."""
        self.flash.program(_MARKS_AT + mark * _MARK_SIZE, _MARK_SET)
        self.flash.sync()

    def trials_count(self) -> int:
        """Return how often it was started on trial."""
        return sum([self.is_marked(TRIAL + number) for number in range(TRIALS_MAX)])

    def is_on_trial(self) -> bool:
        """Tell whether it is armed and neither found good nor bad."""
        return bool(self.generation) and self.is_marked(ARMED) and not self.is_judged()

    def is_judged(self) -> bool:
        """Tell whether its trial is over, either way."""
        return self.is_marked(HEALTHY) or self.is_marked(REJECTED)

    def reject(self) -> bool:
        """TRIAL_MS of operation are over; return whether the image was not found good by then."""
        if not self.is_on_trial():
            return False
        self.mark(REJECTED)
        return True

    def is_good(self) -> bool:
        """Tell whether the hub has acknowledged a frame of it."""
        return bool(self.generation) and self.is_marked(HEALTHY)

    def begin(self, generation: int, message: bytes) -> None:
        """Give the slot up for another image: its head is new, its image whatever lay there."""
        if self.generation:
            # A torn erase could leave a sound head with marks missing; this one leaves none.
            self.flash.program(0, b"\x00\x00\x00\x00")
        self.generation = 0
        self.flash.erase(0)
        header = _MAGIC + generation.to_bytes(4, "big") + len(message).to_bytes(2, "big")
        header += b"\x00\x00"
        self.flash.program(_MANIFEST_AT, message)
        self.flash.program(0, header + crc32(message, crc32(header)).to_bytes(4, "big"))
        self.flash.sync()
        self.look()

    def read_image(self, offset: int, buf: "bytearray | memoryview") -> None:
        """Fill buf with the image from offset on."""
        self.flash.read_into(CHUNK_SIZE + offset, buf)

    def image_memory(self, size: int) -> "Any":
        """Return the first bytes of the image where they lie, or None: this flash is no memory."""
        if not hasattr(self.flash, "memory"):
            return None
        memory = self.flash.memory()
        return None if memory is None else memory[CHUNK_SIZE : CHUNK_SIZE + size]

    def erase_chunk(self, chunk: int) -> None:
        """Erase a chunk of the image: stops the processor for tens of ms."""
        self.flash.erase(1 + chunk)

    def write_image(self, offset: int, data: "bytes | bytearray | memoryview") -> None:
        """Write a part of the image where it is erased."""
        self.flash.program(CHUNK_SIZE + offset, data)

    def image_digest(self, first: int, size: int) -> bytes:
        """Return the SHA-256 of a part of the image."""
        digest = hashlib.sha256()
        for part in self.image_blocks(first, size):
            digest.update(part)
        return digest.digest()

    def image_blocks(self, first: int, size: int) -> "Any":
        """Step through a part of the image, in views that the next step overwrites."""
        view = memoryview(self._block)
        at = first
        while at < first + size:
            part = view[: min(_READ_SIZE, first + size - at)]
            self.read_image(at, part)
            yield part
            at += len(part)

    def is_whole(self) -> bool:
        """Tell whether the image is, byte for byte, the one of the manifest."""
        manifest = self.manifest()
        return (
            manifest is not None
            and manifest.size <= self.image_size_max
            and self.image_digest(0, manifest.size) == manifest.digest
        )


class Slots:
    """Both slots. running: the number of the one that this boot was started from, or None."""

    def __init__(self, flashes: "list[Any]", running: "int | None" = None) -> None:
        self.both = [Slot(flash) for flash in flashes]
        self.running = running

    def choose(self) -> "int | None":
        """Return the number of the slot to start now, and count a trial; None where there is none.

        To be called once in each boot, before anything of an image runs.
        """
        order = sorted([0, 1], key=lambda number: -self.both[number].generation)
        for number in order:
            slot = self.both[number]
            if self._may_start(slot) and slot.is_whole():
                if not slot.is_good():
                    slot.mark(TRIAL + slot.trials_count())
                self.running = number
                return number
        for number in order:
            slot = self.both[number]
            if slot.generation and slot.is_marked(ARMED) and slot.is_whole():
                self.running = number
                return number
        return None

    def _may_start(self, slot: Slot) -> bool:
        if slot.is_on_trial():
            if slot.trials_count() < TRIALS_MAX:
                return True
            slot.mark(REJECTED)
            return False
        return slot.is_good()

    def running_slot(self) -> "Slot | None":
        """Return the slot that this boot was started from."""
        return None if self.running is None else self.both[self.running]

    def other_slot(self) -> Slot:
        """Return the slot that an update goes to: never the running one."""
        return self.both[1] if self.running == 0 else self.both[0]

    def next_generation(self) -> int:
        """Return the number of an image that shall be started before all others."""
        return 1 + max([slot.generation for slot in self.both])

    def accept(self) -> bool:
        """The running image has proved good; return whether it was on trial until now."""
        slot = self.running_slot()
        if slot is None or not slot.is_on_trial():
            return False
        slot.mark(HEALTHY)
        return True
