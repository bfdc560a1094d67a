"""Manifests, release files and images: what goes in comes out, nothing else is taken."""

from protocols import cbor
from protocols.archive import Archive, pack
from protocols.manifest import (
    CHUNK_SIZE,
    CHUNKS_MAX,
    MANIFEST_SIZE_MAX,
    decode_manifest,
    encode_manifest,
    hash_of_chunk,
    join_release,
    split_release,
)
from tests.protocols.refusals import is_our_fault, reason_of
from tests.protocols.release_key import release, signed

IMAGE = bytes(range(251)) * 40  # two chunks and a part
TARGET = (["pico-w"], ["river-gauge"])


def items(**changed: object) -> "list[object]":
    """Return the items of a good manifest, but for what is changed."""
    row = cbor.decode(encode_manifest(TARGET, "0.2.0", 7, IMAGE))
    assert isinstance(row, list)
    names = ("form", "boards", "profiles", "version", "counter", "size", "digest", "hashes")
    return [changed.get(name, value) for name, value in zip(names, row)]  # noqa: B905


def test_a_manifest_says_what_it_was_made_of() -> None:
    manifest = decode_manifest(encode_manifest(TARGET, "0.2.0", 7, IMAGE))
    assert (manifest.boards, manifest.profiles) == TARGET
    assert (manifest.version, manifest.counter, manifest.size) == ("0.2.0", 7, len(IMAGE))
    assert manifest.chunk_count() == 3
    for chunk in range(3):
        part = IMAGE[chunk * CHUNK_SIZE : (chunk + 1) * CHUNK_SIZE]
        assert manifest.chunk_size(chunk) == len(part)
        assert manifest.chunk_hash(chunk) == hash_of_chunk(part)


def test_the_largest_image_fits_the_limits_of_a_manifest() -> None:
    image = bytes(CHUNKS_MAX * CHUNK_SIZE)
    names = ["n" * 32] * 8
    payload = encode_manifest((names[:4], names[:3]), "v" * 32, 0x7FFFFFFF, image)
    assert len(signed(payload)) <= MANIFEST_SIZE_MAX
    assert is_our_fault(encode_manifest, (names, names), "v" * 32, 1, image)
    assert is_our_fault(encode_manifest, TARGET, "1", 1, image + b"x")


def test_what_is_no_manifest_is_refused() -> None:
    longer = items()
    longer.append(0)
    for row in (
        [],
        items()[:-1],
        longer,
        items(form=2),
        items(form=True),
        items(boards=[]),
        items(boards="pico-w"),
        items(boards=["x"] * 9),
        items(profiles=[1]),
        items(version=""),
        items(version="v" * 33),
        items(counter=-1),
        items(counter=1 << 31),
        items(counter=True),
        items(size=0),
        items(size=CHUNKS_MAX * CHUNK_SIZE + 1),
        items(digest=bytes(31)),
        items(hashes=bytes(47)),
        items(hashes="x" * 48),
    ):
        assert reason_of(decode_manifest, cbor.encode(row)) == "malformed", row
    assert reason_of(decode_manifest, cbor.encode({1: 2})) == "malformed"


def test_a_release_file_holds_manifest_and_image() -> None:
    data = join_release(release(IMAGE), IMAGE)
    message, manifest, image = split_release(data)
    assert message == release(IMAGE) and image == IMAGE and manifest.version == "0.2.0"
    for damaged in (data[:-1], data + b"x", b"x" + data[1:], data[:-1] + b"\x00", data[:5], b""):
        assert reason_of(split_release, damaged) == "malformed"


def test_an_image_gives_each_file_back() -> None:
    files = {"agent/main.mpy": b"main", "agent/links/tcp.mpy": b"", "火.txt": bytes(300)}
    image = pack(files)

    def read_into(offset: int, buf: "bytearray | memoryview") -> None:
        buf[:] = image[offset : offset + len(buf)]

    archive = Archive(read_into)
    found = {name: image[at : at + size] for name, at, size in archive.rows()}
    assert found == files
    assert archive.find("agent/main.mpy") and archive.find("agent/main") is None
    assert image == pack(files), "the same files make the same image"


def test_what_is_no_image_is_refused() -> None:
    def read_into(offset: int, buf: "bytearray | memoryview") -> None:
        buf[:] = b"\xff" * len(buf)

    assert reason_of(Archive, read_into) == "malformed"
    for files in ({"": b""}, {"x" * 121: b""}):
        try:
            pack(files)
        except ValueError:
            continue
        assert False, "a name beyond the limits"
