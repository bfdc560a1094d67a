"""Images of files: packed as MicroPython's own ROMFS, found again wherever they lie."""

from protocols.archive import FILES_MAX, Archive, pack
from protocols.errors import RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FILES = {
    "boot.json": b"{}",
    "agent/main.mpy": bytes(range(200)),
    "agent/hal/io.mpy": b"",
    "agent.txt": b"beside the folder of its name",
}
# As mpremote 1.29's VfsRomWriter makes it of a folder "a" with "b" = 01 02 and "c" = nothing, and
# a file "d" = 03.
GOLDEN = bytes.fromhex("d2cd31" + "8019" + "0410" + "0161" + "0506016202020102" + "050401630200")
GOLDEN += bytes.fromhex("05050164020103")


def reader(image: bytes) -> "Any":
    """Return what reads an image in flash that is erased behind it."""

    def read_into(offset: int, buf: bytearray) -> None:
        assert offset + len(buf) <= 1 << 29
        buf[:] = (image[offset : offset + len(buf)] + b"\xff" * len(buf))[: len(buf)]

    return read_into


def unpack(image: bytes) -> "dict[str, bytes]":
    """Return the files of an image."""
    rows = list(Archive(reader(image)).rows())
    assert all(offset + size <= len(image) for _, offset, size in rows)
    return {name: image[offset : offset + size] for name, offset, size in rows}


def is_refused(image: bytes) -> bool:
    """Tell whether an image is found malformed, here or there."""
    try:
        unpack(image)
    except RemoteProtocolError:
        return True
    return False


def test_bytes_are_those_of_other_writers() -> None:
    files = {"a/b": b"\x01\x02", "a/c": b"", "d": b"\x03"}
    assert pack(files) == GOLDEN
    assert unpack(GOLDEN) == files


def test_files_are_found_again() -> None:
    image = pack(FILES)
    assert unpack(image) == FILES and len(image) % 2 == 0
    archive = Archive(reader(image))
    offset, size = archive.find("agent/main.mpy") or (0, 0)
    assert image[offset : offset + size] == FILES["agent/main.mpy"]
    for missing in ("agent", "agent/", "main.mpy", "agent/main", ""):
        assert archive.find(missing) is None
    assert unpack(pack({})) == {}


def test_folders_of_any_size_are_whole() -> None:
    for size in (0, 100, 119, 127, 128, 16_300, 16_384, 70_000):
        files = {"x/y": bytes(size), "x/z": b"z"}
        assert unpack(pack(files)) == files, size


def test_what_no_image_can_hold_is_refused() -> None:
    many = {f"f{number}": b"" for number in range(FILES_MAX + 1)}
    for files in ({"": b""}, {"a//b": b""}, {"/a": b""}, {"n" * 121: b""}, {"a/" * 8: b""}, many):
        try:
            pack(files)
        except ValueError:
            pass
        else:
            assert False, next(iter(files))


def test_no_bytes_lead_out_of_the_image_or_never_end() -> None:
    image = pack({name: content[:4] for name, content in FILES.items()})
    for size in range(3):
        assert is_refused(image[:size]), size
    for at in range(len(image)):
        for bit in range(8):
            damaged = bytearray(image)
            damaged[at] ^= 1 << bit
            try:
                archive = Archive(reader(bytes(damaged)))
                assert at >= 3  # the magic
                for _, offset, length in archive.rows():
                    assert 0 <= offset and 0 <= length
            except RemoteProtocolError:
                pass


def test_other_records_are_passed_over() -> None:
    padding = b"\x01\x03abc"
    body = padding + b"\x05\x05\x01d\x02\x01\x03" + padding
    assert unpack(b"\xd2\xcd\x31" + bytes([len(body)]) + body) == {"d": b"\x03"}
    assert is_refused(b"\xd2\xcd\x31\x07\x05\x05\x01d\x03\x01\x03")  # a pointer: not of ours
    assert is_refused(b"\xd2\xcd\x31\x07\x05\x15\x01d\x02\x01\x03")  # longer than what holds it
