"""All that is undelivered as one signed file, to carry to a hub that has a line.

A CBOR sequence (RFC 8742), written and read as a stream:

    ["hinomi evacuation", 1, hub, utc_us]
    [lane, first, count, bstr(length-prefixed frames)]  ..
    18([bstr{1: -8}, {}, bstr([frames, size, sha256]), signature])

The end is a COSE_Sign1 (RFC 9052) with EdDSA (RFC 9053, section 2.2: Ed25519): its payload says
how many frames and bytes stand before it, and their SHA-256. The key comes from the hub's secret;
the other hub is given the public half once (`hinomi hub export --show-key`) and keeps it. Under
that signature it takes frames of devices that it has not enrolled; the platform checks each
frame's own code anyway, and counts a frame that two hubs deliver once.
"""

import mmap
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hub.config import Config
from hub.database import connect_to_read
from hub.identity import identity_of
from hub.remains import LANE_SHIFT, is_chunk
from hub.seen import unpack
from hub.store import Store
from protocols import cbor
from protocols.errors import ProtocolError
from protocols.portable import hkdf_sha256
from protocols.ranges import Ranges
from protocols.vocabulary import LANES

NAME = "hinomi evacuation"
VERSION = 1
ALG_EDDSA = -8
TAG_SIGN1 = 18
_PROTECTED = cbor.encode({1: ALG_EDDSA})
_CHUNK_ITEMS = 0x84  # array of four
_HEAD_SIZE_MAX = 9  # of a CBOR item
_END_SIZE_MAX = 256  # the signed end of a file
_COMMIT_SIZE = 1 << 20  # of frames taken in at a time
Progress = Callable[[int, int], None]  # done, of all; bytes


class EvacuationError(Exception):
    """The file cannot be written or taken; str() says why."""


@dataclass(frozen=True)
class Evacuation:
    """What a file holds. new: frames that the other hub did not have."""

    hub: str
    frames: int
    size: int
    new: int = 0


def key_of(secret: bytes) -> Ed25519PrivateKey:
    """Return the key that signs a hub's evacuations, from the hub's secret."""
    seed = hkdf_sha256(secret, b"", b"hinomi evacuation", 32)
    return Ed25519PrivateKey.from_private_bytes(seed)


def public_key_of(secret: bytes) -> bytes:
    """Return its public half, 32 bytes, for the other hub."""
    return key_of(secret).public_key().public_bytes_raw()


def export(config: Config, path: Path, utc_us: int, progress: Progress) -> Evacuation:
    """Write all that some uplink has not acknowledged; the hub may run meanwhile.

    EvacuationError where the file exists or the store is damaged.
    """
    if path.exists():
        raise EvacuationError(f"{path} exists already")
    part = path.with_name(path.name + ".part")
    with closing(connect_to_read(config.data / "hub.sqlite")) as db, part.open("wb") as file:
        db.execute("BEGIN")
        names = [str(uplink["name"]) for uplink in config.uplinks]
        wanted = [_undelivered(db, lane, names) for lane in LANES]
        total = sum(row[0] for row in db.execute("SELECT bytes FROM lane"))
        out = _Signed(file)
        out.write(cbor.encode([NAME, VERSION, config.id, utc_us]))
        frames = 0
        for lane, first, count, blob in _chunks(db, wanted):
            writer = cbor.Writer(bytearray(5 * _HEAD_SIZE_MAX))
            writer.head(cbor.ARRAY, 4)
            for number in (lane, first, count):
                writer.integer(number)
            writer.head(cbor.BYTES, len(blob))
            out.write(writer.taken())
            out.write(blob)
            frames += count
            progress(out.size, max(total, out.size))
        size = out.size
        out.sign(key_of(config.secret), frames)
    part.rename(path)
    return Evacuation(config.id, frames, size)


class _Signed:
    """Writes, and knows what it has written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def sign(self, key: Ed25519PrivateKey, frames: int) -> None:
        payload = cbor.encode([frames, self.size, self._hash.digest()])
        signature = key.sign(_signed_part(payload))
        self._file.write(cbor.encode(cbor.Tagged(TAG_SIGN1, [_PROTECTED, {}, payload, signature])))


def _signed_part(payload: bytes) -> bytes:
    return cbor.encode(["Signature1", _PROTECTED, b"", payload])


def _undelivered(db: sqlite3.Connection, lane: int, uplinks: list[str]) -> Ranges:
    """Return the numbers of a lane that some uplink has not; all where there is no uplink."""
    row = db.execute("SELECT following FROM lane WHERE lane = ?", (lane,)).fetchone()
    following = row[0] if row else 0
    found = Ranges()
    query = "SELECT live, backlog FROM cursor WHERE uplink = ? AND lane = ?"
    for name in uplinks:
        live, backlog = db.execute(query, (name, lane)).fetchone() or (0, b"")
        found.add_range(live, following)
        flat = unpack(backlog)
        for first, end in zip(flat[::2], flat[1::2], strict=True):
            found.add_range(first, end)
    if not uplinks:
        found.add_range(0, following)
    return found


def _chunks(db: sqlite3.Connection, wanted: list[Ranges]) -> Iterator[tuple[int, int, int, bytes]]:
    query = (
        "SELECT id, count, frames, crc FROM chunk"
        " WHERE id < ? AND id + count > ? AND id >= ? ORDER BY id"
    )
    for lane in LANES:
        base = lane << LANE_SHIFT
        for first, end in wanted[lane].pairs():
            start = db.execute(
                "SELECT max(id) FROM chunk WHERE id >= ? AND id <= ?", (base, base + first)
            ).fetchone()[0]
            bounds = (base + end, base + first, base + first if start is None else start)
            for row in db.execute(query, bounds):
                if row[3] is not None and not is_chunk(row):
                    raise EvacuationError(f"frames {row[0] - base}.. of lane {lane} are damaged")
                yield lane, row[0] - base, row[1], row[2]


def hub_of(path: Path) -> str:
    """Return whose file it says it is; EvacuationError where it is none."""
    with path.open("rb") as file, _mapped(file, path) as data:
        return _header(data)[0]


def check(path: Path, keys: dict[str, bytes], progress: Progress) -> Evacuation:
    """Return what the file holds, once its signature holds. keys: hub -> public key.

    EvacuationError says where the file ends early, or that it was edited, or whose key is missing.
    """
    with path.open("rb") as file, _mapped(file, path) as data:
        hub, at = _header(data)
        if hub not in keys:
            raise EvacuationError(f"no key of {hub} is known")
        digest = sha256(data[:at])
        frames = 0
        while at < len(data) and data[at] == _CHUNK_ITEMS:
            count, _, end = _chunk(data, at)
            digest.update(data[at:end])
            frames += count
            at = end
            progress(at, len(data))
        claimed = _signed(data, at, keys[hub])
        if claimed != [frames, at, digest.digest()]:
            raise EvacuationError("the file is not what was signed: it has been edited")
        return Evacuation(hub, frames, at)


def _mapped(file: BinaryIO, path: Path) -> mmap.mmap:
    if not path.stat().st_size:
        raise EvacuationError("the file is empty")
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _header(data: mmap.mmap) -> tuple[str, int]:
    for end in range(1, min(len(data), 128) + 1):
        try:
            items = cbor.decode(data[:end])
        except ProtocolError:
            continue
        if isinstance(items, list) and len(items) == 4 and items[:2] == [NAME, VERSION]:
            return str(items[2]), end
        break
    raise EvacuationError("the file is no evacuation of a hub")


def _chunk(data: mmap.mmap, at: int) -> tuple[int, int, int]:
    """Return (count of frames, where they begin, where they end) of the chunk at `at`."""
    head = data[at : at + 5 * _HEAD_SIZE_MAX]
    try:
        place, numbers = 1, []
        for _ in range(3):
            _, number, place = cbor.read_head(head, place)
            numbers.append(number)
        _, size, place = cbor.read_head(head, place)
    except ProtocolError:
        raise EvacuationError(f"the file ends early, or is damaged, at byte {at}") from None
    end = at + place + size
    if end >= len(data):
        raise EvacuationError(f"the file ends early: {len(data)} bytes, the end is missing")
    return numbers[2], at + place, end


def _signed(data: mmap.mmap, at: int, key: bytes) -> object:
    try:
        item = cbor.decode(data[at : at + _END_SIZE_MAX])
    except ProtocolError:
        raise EvacuationError(f"the file ends early, or is damaged, at byte {at}") from None
    parts = item.value if isinstance(item, cbor.Tagged) and item.tag == TAG_SIGN1 else None
    if not isinstance(parts, list) or len(parts) != 4 or parts[0] != _PROTECTED:
        raise EvacuationError(f"the file is damaged at byte {at}: no signature stands there")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(parts[3], _signed_part(parts[2]))
        return cbor.decode(parts[2])
    except (InvalidSignature, TypeError, ValueError, ProtocolError):
        raise EvacuationError("the signature does not fit the key of that hub") from None


async def take_in(path: Path, store: Store, found: Evacuation, progress: Progress) -> Evacuation:
    """Put a checked file's frames into a store; those that it knows already are left out."""
    new = 0
    with path.open("rb") as file, _mapped(file, path) as data:
        _, at = _header(data)
        while at < found.size:
            _, start, end = _chunk(data, at)
            new += _append(store, data[start:end])
            if store.group.size >= _COMMIT_SIZE:
                await store.wait_idle()
                if store.failure:
                    raise EvacuationError(f"the store cannot write: {store.failure}")
                progress(end, found.size)
            at = end
    await store.wait_idle()
    if store.failure:
        raise EvacuationError(f"the store cannot write: {store.failure}")
    return Evacuation(found.hub, found.frames, found.size, new)


def _append(store: Store, blob: bytes) -> int:
    new = at = 0
    while at < len(blob):
        end = at + 2 + int.from_bytes(blob[at : at + 2], "big")
        frame = blob[at + 2 : end]
        try:
            device, identity = identity_of(frame)
        except ProtocolError:
            raise EvacuationError("the file holds what is no frame") from None
        new += store.append(device, identity, frame)
        at = end
    return new
