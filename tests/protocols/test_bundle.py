"""Bundles of frames from a hub to a platform."""

from protocols import cbor
from protocols.bundle import Bundle, decode_bundle, encode_bundle
from protocols.framing import prefixed
from protocols.limits import BUNDLE_SIZE_MAX
from tests.protocols.refusals import is_our_fault, reason_of

FRAMES = [b"one", b"two" * 100, b"3"]
BLOB = b"".join([prefixed(frame) for frame in FRAMES])
GOOD: "list[object]" = [1, "town-hall", 2, 12345, True, 3, BLOB]


def bundle(count: int = 3, blob: bytes = BLOB, hub: str = "town-hall") -> Bundle:
    """Return a bundle of the frames above."""
    return Bundle(hub, (2, 12345), True, count=count, blob=blob)


def test_frames_come_out_byte_for_byte_as_they_went_in() -> None:
    data = encode_bundle(bundle())
    assert data == cbor.encode(GOOD)
    got = decode_bundle(data)
    assert (got.hub, got.lane, got.first, got.historical, got.count) == (
        "town-hall",
        2,
        12345,
        True,
        3,
    )
    assert got.frames() == FRAMES


def test_a_blob_that_is_not_as_many_whole_frames_is_refused() -> None:
    for count, blob in (
        (2, BLOB),
        (4, BLOB),
        (3, BLOB[:-1]),
        (3, BLOB + b"\x00"),
        (1, b"\x00\x00"),
    ):
        got = decode_bundle(encode_bundle(bundle(count, blob)))
        assert reason_of(got.frames) == "malformed", (count, len(blob))


def test_fields_of_the_wrong_sort_or_size_are_refused() -> None:
    for place, values in (
        (0, (0, 2, True, None)),
        (1, ("", "n" * 17, b"hub", 1)),
        (2, (-1, 4, True)),
        (3, (-1, 1 << 63, False)),
        (4, (0, 1, None)),
        (5, (0, -1, True)),
        (6, ("", None, [BLOB])),
    ):
        for value in values:
            items = list(GOOD)
            items[place] = value
            assert reason_of(decode_bundle, cbor.encode(items)) == "malformed", items
    for wrong in (GOOD[:6], None, 1):
        assert reason_of(decode_bundle, cbor.encode(wrong)) == "malformed"


def test_fields_that_do_not_fit_are_our_fault() -> None:
    assert is_our_fault(encode_bundle, bundle(count=0))
    assert is_our_fault(encode_bundle, bundle(hub="n" * 17))
    assert is_our_fault(encode_bundle, bundle(blob=bytes(BUNDLE_SIZE_MAX + 1)))


def test_the_largest_bundle_fits_and_a_larger_one_is_refused() -> None:
    data = encode_bundle(
        Bundle("n" * 16, (3, (1 << 63) - 1), False, count=1, blob=bytes(BUNDLE_SIZE_MAX))
    )
    assert len(decode_bundle(data).blob) == BUNDLE_SIZE_MAX
    assert reason_of(decode_bundle, data + bytes(96)) == "oversize"


def test_every_truncation_is_refused() -> None:
    data = encode_bundle(bundle())
    for size in range(len(data)):
        assert reason_of(decode_bundle, data[:size]) == "malformed"
    assert reason_of(decode_bundle, data + b"\x00") == "malformed"
