"""Fetches a signed image into the slot that is not running, and proves the running one good.

    hub                              device
    command update [manifest]  --->  verifies it; result; finds out what it already has
                               <---  want offset          (its size: all is here)
    piece offset, data         --->  erases and writes while no sensor is due
    command switch             --->  verifies manifest and image as they lie in flash; result;
                                     arms the slot, frames what waits, restarts

What was fetched is known from the flash itself: a chunk is there when its hash is that of the
manifest. So a cut of the line or of the power costs one chunk at most; the hub offers the update
anew and the device goes on. No more of an image than one piece is ever in RAM.
"""

import asyncio
import hashlib

from agent.clock import sleep_ms
from agent.slots import ARMED
from protocols import cose_sign
from protocols.errors import RemoteProtocolError
from protocols.limits import PIECE_SIZE_MAX
from protocols.manifest import CHUNK_HASH_SIZE, CHUNK_SIZE, Manifest, decode_manifest
from protocols.messages import RESULT, WANT
from protocols.portable import const
from protocols.vocabulary import (
    COMMAND_SWITCH,
    COMMAND_UPDATE,
    RESULT_DONE,
    RESULT_FAILED,
    RESULT_PACKAGE,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.slots import Slot, Slots

KEY_COUNTER = const(8)  # of the flash log's kept values: no image of a lower counter is taken
# Erasing stops a board's processor for tens of ms: only where no sensor is due for so long.
ERASE_US = const(60_000)
PROGRAM_US = const(10_000)  # .. where a piece is written
WINDOW_MS_MAX = const(60_000)
BAD_CHUNKS_MAX = const(3)  # in a row; then the flash or the hub is broken
_BLOCKS_A_TURN = const(16)  # hashed at once: 4 KiB, a few ms
_POLL_MS = const(5)


class Refused(Exception):
    """An update is not carried out; str() is the reason that the hub shows."""


class Trust:
    """What an image must be for. modulus: of the key that signs releases; b"" for none."""

    def __init__(self, modulus: bytes, board: str, profile: str) -> None:
        self.modulus = modulus
        self.board = board
        self.profile = profile


class Update:
    """slots: None where the agent is updated by its own package, as on a Raspberry Pi.

    parts: flashlog, log; idle_us() -> how long no sensor is due; wake(): there is something to
    say to the hub; restart(): end this boot in good order; busy(whether): so that somebody notices
    when it is so for ever.
    """

    def __init__(self, slots: "Slots | None", trust: Trust, **parts: "Any") -> None:
        self._slots = slots
        self._trust = trust
        self._flashlog = parts["flashlog"]
        self._log = parts["log"]
        self._idle_us = parts["idle_us"]
        self._wake = parts["wake"]
        self._restart = parts["restart"]
        self._busy = parts["busy"] if "busy" in parts else _nothing
        self._news = asyncio.Event()
        self._messages: list[tuple[int, dict[str, Any]]] = []
        self._order: tuple[int, int, list[Any]] | None = None
        self._id = -1  # of the command that is worked on; -1: of a session that has ended
        self._manifest: Manifest | None = None
        self._offset = 0  # the image is in flash up to here
        self._piece = bytearray(PIECE_SIZE_MAX)
        self._piece_size = 0
        self._bad_in_a_row = 0
        self.pieces_count = 0
        self.bad_chunks_count = 0
        self.is_switching = False
        running = None if slots is None else slots.running_slot()
        self.version = "" if running is None else _version(running)
        self.is_on_trial = running is not None and running.is_on_trial()
        if running is not None and running.is_good():
            self._raise_counter(running)

    def statistics(self) -> "dict[str, Any]":
        """Return what happened in this boot."""
        return {
            "version": self.version,
            "on_trial": self.is_on_trial,
            "pieces": self.pieces_count,
            "bad_chunks": self.bad_chunks_count,
        }

    def new_session(self) -> None:
        """Forget what belongs to the session before; the hub offers its update anew."""
        self._messages = []
        self._order = None
        self._id = -1
        self._piece_size = 0

    def command(self, number: int, code: int, arguments: "list[Any]") -> None:
        """Take a command of update; its result comes by take_messages()."""
        self._order = (number, code, arguments)
        self._news.set()

    def piece(self, fields: "dict[str, Any]") -> None:
        """Take a piece of the image; one that nobody asked for is dropped."""
        data = fields["data"]
        if self._manifest is None or fields["id"] != self._id or fields["offset"] != self._offset:
            return
        if not self._piece_size and len(data) == self._wanted_size():
            self._piece[: len(data)] = data
            self._piece_size = len(data)
            self.pieces_count += 1
            self._news.set()

    def acknowledged(self) -> None:
        """The hub has a frame of this boot: the running image is good."""
        if not self.is_on_trial or self._slots is None:
            return
        self.is_on_trial = False
        if self._slots.accept():
            self._log.info("update: version %s is good" % self.version)
            running = self._slots.running_slot()
            if running is not None:
                self._raise_counter(running)

    def take_messages(self) -> "list[tuple[int, dict[str, Any]]]":
        """Return what to say to the hub now: (kind, fields)."""
        messages = self._messages
        self._messages = []
        return messages

    async def run(self) -> None:
        """Work on what the hub orders, until it is time to restart."""
        while not self.is_switching:
            await self._news.wait()
            self._news.clear()
            self._busy(True)
            try:
                await self._work()
            except Refused as error:
                self._manifest = None
                self._log.warning("update: " + str(error))
                self._answer(RESULT_FAILED, str(error))
            self._busy(False)

    async def _work(self) -> None:
        if self._order is not None:
            (self._id, code, arguments) = self._order
            self._order = None
            self._piece_size = 0
            if self._slots is None:
                self._answer(RESULT_PACKAGE, "updated by its own package")
            elif code == COMMAND_UPDATE and len(arguments) == 1:
                await self._begin(self._slots, arguments[0])
            elif code == COMMAND_SWITCH and not arguments:
                await self._switch(self._slots)
            else:
                raise Refused("update takes [manifest], switch takes []")
        elif self._piece_size:
            await self._write(self._slots)

    async def _begin(self, slots: "Slots", message: bytes) -> None:
        self._manifest = None
        manifest = await self._verified(slots, message)
        slot = slots.other_slot()
        if not _is_begun(slot, message):
            await self._wait_idle(ERASE_US)
            slot.begin(slots.next_generation(), message)
        self._offset = 0
        self._bad_in_a_row = 0
        for chunk in range(manifest.chunk_count()):
            if not await _holds(slot, manifest, chunk):
                break
            self._offset += manifest.chunk_size(chunk)
        self._manifest = manifest
        self._log.info("update: %s from %d on" % (manifest.version, self._offset))
        self._answer(RESULT_DONE, "")
        self._ask()

    async def _write(self, slots: "Slots | None") -> None:
        manifest = self._manifest
        if manifest is None or slots is None:
            return
        slot = slots.other_slot()
        chunk = self._offset // CHUNK_SIZE
        if self._offset % CHUNK_SIZE == 0:
            await self._wait_idle(ERASE_US)
            slot.erase_chunk(chunk)
        await self._wait_idle(PROGRAM_US)
        size = self._piece_size
        if self._manifest is not manifest or not size:
            return  # the session ended meanwhile
        slot.write_image(self._offset, memoryview(self._piece)[:size])
        self._offset += size
        self._piece_size = 0
        if self._offset % CHUNK_SIZE == 0 or self._offset == manifest.size:
            await self._check_chunk(slot, manifest, chunk)
        self._ask()

    async def _check_chunk(self, slot: "Slot", manifest: Manifest, chunk: int) -> None:
        if await _holds(slot, manifest, chunk):
            self._bad_in_a_row = 0
            return
        self.bad_chunks_count += 1
        self._bad_in_a_row += 1
        self._offset = chunk * CHUNK_SIZE
        if self._bad_in_a_row > BAD_CHUNKS_MAX:
            raise Refused("chunk %d is damaged again and again" % chunk)

    async def _switch(self, slots: "Slots") -> None:
        slot = slots.other_slot()
        if not slot.generation:
            raise Refused("there is nothing to switch to")
        manifest = await self._verified(slots, slot.message())
        digest = hashlib.sha256()
        turn = 0
        for block in slot.image_blocks(0, manifest.size):
            digest.update(block)
            turn += 1
            if turn % _BLOCKS_A_TURN == 0:
                await sleep_ms(0)
        if digest.digest() != manifest.digest:
            raise Refused("the image is not whole")
        slot.mark(ARMED)
        self._log.info("update: restart with " + manifest.version)
        self._answer(RESULT_DONE, "")
        self.is_switching = True
        self._restart()

    async def _verified(self, slots: "Slots", message: "Any") -> Manifest:
        """Return the manifest if it is signed, and for this device; else Refused."""
        if len(slots.both) != 2:
            raise Refused("this board has no slots")
        if self.is_on_trial:
            raise Refused("version %s is still on trial" % self.version)
        if not self._trust.modulus:
            raise Refused("no update_key in config.json")
        if not isinstance(message, bytes):
            raise Refused("no manifest")
        from protocols.rs256 import Verification  # not in the heap until there is an update

        try:
            payload, digest, signature = cose_sign.split(message)
            verification = Verification(self._trust.modulus, digest, signature)
            while not verification.step():
                await sleep_ms(0)  # sensors go first
            if not verification.is_valid:
                raise Refused("not signed by the key of this device")
            manifest = decode_manifest(payload)
        except RemoteProtocolError as error:
            raise Refused(str(error))
        self._check_target(manifest, slots.other_slot())
        return manifest

    def _check_target(self, manifest: Manifest, slot: "Slot") -> None:
        trust = self._trust
        if trust.board not in manifest.boards:
            raise Refused("for board %s, this is %s" % (", ".join(manifest.boards), trust.board))
        if manifest.profiles and trust.profile not in manifest.profiles:
            raise Refused("not for profile " + trust.profile)
        if manifest.size > slot.image_size_max:
            fits = (manifest.size, slot.image_size_max)
            raise Refused("%d bytes, the slot holds %d" % fits)
        least = self._counter()
        if manifest.counter < least:
            raise Refused("counter %d is below %d" % (manifest.counter, least))

    async def _wait_idle(self, duration_us: int) -> None:
        """Return when no sensor is due for duration_us."""
        for _ in range(WINDOW_MS_MAX // _POLL_MS):
            if self._idle_us() >= duration_us:
                return
            await sleep_ms(_POLL_MS)
        raise Refused("the sensors leave no time to write")

    def _wanted_size(self) -> int:
        assert self._manifest is not None
        return min(PIECE_SIZE_MAX, self._manifest.size - self._offset)

    def _ask(self) -> None:
        self._say(WANT, {"id": self._id, "offset": self._offset})

    def _answer(self, status: int, detail: str) -> None:
        self._say(RESULT, {"id": self._id, "status": status, "detail": detail[:256]})

    def _say(self, kind: int, fields: "dict[str, Any]") -> None:
        if self._id >= 0:
            self._messages.append((kind, fields))
            self._wake()

    def _counter(self) -> int:
        return int.from_bytes(self._flashlog.kept(KEY_COUNTER) or b"", "big")

    def _raise_counter(self, running: "Slot") -> None:
        manifest = running.manifest()
        if manifest is not None and manifest.counter > self._counter():
            self._flashlog.keep(KEY_COUNTER, manifest.counter.to_bytes(4, "big"))


def _version(slot: "Slot") -> str:
    manifest = slot.manifest()
    return "" if manifest is None else manifest.version


def _is_begun(slot: "Slot", message: bytes) -> bool:
    """Tell whether the slot is being filled with this image, and was not started with it yet."""
    is_same = bool(slot.generation) and slot.message() == message
    return is_same and not slot.is_judged() and not slot.trials_count()


async def _holds(slot: "Slot", manifest: Manifest, chunk: int) -> bool:
    """Tell whether a chunk is in flash as it should be."""
    await sleep_ms(0)
    digest = slot.image_digest(chunk * CHUNK_SIZE, manifest.chunk_size(chunk))
    return digest[:CHUNK_HASH_SIZE] == manifest.chunk_hash(chunk)


def _nothing(whether: bool) -> None:
    """Stand in for who does not care."""
