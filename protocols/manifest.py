"""What a release says of itself, and the file that carries it to a hub.

The manifest is the payload of a COSE_Sign1 (protocols/cose_sign.py), a CBOR array:

    [1, [board, ..], [profile, ..], version, counter, size, sha256, chunk_hashes]

boards, profiles: which devices it is for (names of boards/); no profile: all. counter: a device
refuses one that is lower than that of a release it found good, so that an old hole cannot be
brought back. chunk_hashes: the first 16 bytes of the SHA-256 of each 4 KiB of the image, so that
a bad chunk is noticed at once; the whole image has its full hash.

A release file: b"HNRL", size of the message in two bytes (big-endian), the message, the image.
"""

import hashlib

from protocols import cbor, cose_sign
from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = const(1)
CHUNK_SIZE = const(4096)  # one sector: what a board erases at once
CHUNK_HASH_SIZE = const(16)
# A signed manifest fits one frame, and one sector of a board beside the marks of its slot.
MANIFEST_SIZE_MAX = const(3700)
_PAYLOAD_SIZE_MAX = const(3428)  # the same without head and signature
CHUNKS_MAX = const(192)
NAMES_MAX = const(8)
NAME_SIZE_MAX = const(32)
COUNTER_MAX = const(0x7FFFFFFF)
_RELEASE_MAGIC = b"HNRL"


class Manifest:
    """boards, profiles: lists of names. version. counter. size: of the image. digest: SHA-256."""

    def __init__(self, items: "list[Any]") -> None:
        self.boards, self.profiles, self.version, self.counter, self.size = items[1:6]
        self.digest = items[6]
        self.chunk_hashes = items[7]

    def chunk_count(self) -> int:
        """Return how many chunks the image has; the last may be short."""
        return (self.size + CHUNK_SIZE - 1) // CHUNK_SIZE

    def chunk_size(self, chunk: int) -> int:
        """Return the bytes of a chunk."""
        return min(CHUNK_SIZE, self.size - chunk * CHUNK_SIZE)

    def chunk_hash(self, chunk: int) -> bytes:
        """Return what hash_of_chunk() gives of that chunk."""
        at = chunk * CHUNK_HASH_SIZE
        return self.chunk_hashes[at : at + CHUNK_HASH_SIZE]


def hash_of_chunk(chunk: "bytes | memoryview") -> bytes:
    """Return the short hash by which a manifest knows a chunk."""
    return hashlib.sha256(chunk).digest()[:CHUNK_HASH_SIZE]


def encode_manifest(
    target: tuple, version: str, counter: int, image: "bytes | memoryview"
) -> bytes:
    """Return the payload to sign; LocalProtocolError where a value is beyond the limits.

    target: (boards, profiles).
    """
    view = memoryview(image)
    chunks = [hash_of_chunk(view[at : at + CHUNK_SIZE]) for at in range(0, len(view), CHUNK_SIZE)]
    boards, profiles = target
    items = [FORMAT, list(boards), list(profiles), version, counter, len(view)]
    items.append(hashlib.sha256(view).digest())
    items.append(b"".join(chunks))
    problem = _problem(items)
    if problem:
        raise LocalProtocolError(problem)
    return cbor.encode(items, _PAYLOAD_SIZE_MAX)


def decode_manifest(payload: bytes) -> Manifest:
    """Return the manifest; RemoteProtocolError for anything else. Verify the signature first."""
    items = cbor.decode(payload)
    if not isinstance(items, list) or len(items) != 8:
        raise RemoteProtocolError("malformed", "no manifest")
    problem = _problem(items)
    if problem:
        raise RemoteProtocolError("malformed", problem)
    return Manifest(items)


def join_release(message: bytes, image: bytes) -> bytes:
    """Return the release file of a signed manifest and its image."""
    if len(message) > MANIFEST_SIZE_MAX:
        raise LocalProtocolError("a manifest of %d bytes" % len(message))
    return _RELEASE_MAGIC + len(message).to_bytes(2, "big") + message + image


def split_release(data: bytes) -> tuple:
    """Return (signed manifest, Manifest, image) of a release file.

    RemoteProtocolError where the file is not whole; the signature is the boards' to verify.
    """
    size = int.from_bytes(data[4:6], "big")
    message = data[6 : 6 + size]
    image = data[6 + size :]
    if data[:4] != _RELEASE_MAGIC or size > MANIFEST_SIZE_MAX:
        raise RemoteProtocolError("malformed", "no release file")
    manifest = decode_manifest(cose_sign.split(message)[0])
    if len(image) != manifest.size or hashlib.sha256(image).digest() != manifest.digest:
        raise RemoteProtocolError("malformed", "the image is not the one that was signed")
    return message, manifest, image


def _problem(items: "list[Any]") -> str:
    """Return what is wrong with the items of a manifest, or ""."""
    form, boards, profiles, version, counter, size, digest, hashes = items
    if type(form) is not int or form != FORMAT:
        return "another format of manifest"
    if not _are_names(boards) or not boards or not _are_names(profiles) or not _is_name(version):
        return "names"
    if type(counter) is not int or not 0 <= counter <= COUNTER_MAX:
        return "counter"
    if type(size) is not int or not 1 <= size <= CHUNKS_MAX * CHUNK_SIZE:
        return "size of the image"
    if not isinstance(digest, bytes) or len(digest) != 32 or not isinstance(hashes, bytes):
        return "hashes"
    chunks = (size + CHUNK_SIZE - 1) // CHUNK_SIZE
    return "" if len(hashes) == chunks * CHUNK_HASH_SIZE else "hashes"


def _are_names(value: object) -> bool:
    return isinstance(value, list) and len(value) <= NAMES_MAX and all(map(_is_name, value))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value.encode()) <= NAME_SIZE_MAX
