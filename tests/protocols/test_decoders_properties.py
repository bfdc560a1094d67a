"""Records, messages and bundles of every shape, and what noise does to their decoders."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import cbor
from protocols.batch import decode_batch, read_record_head
from protocols.bundle import Bundle, decode_bundle, encode_bundle
from protocols.cose import sender_of
from protocols.errors import RemoteProtocolError
from protocols.framing import prefixed
from protocols.limits import PIECE_SIZE_MAX
from protocols.messages import HELLO, MESSAGES, WELCOME, decode_message, encode_message, kind_of
from protocols.records import BODIES, RANGES, decode_record, encode_record

TEXTS = st.text(max_size=80)


@st.composite
def index_ranges(draw: Callable[..., Any]) -> list[list[int]]:
    """Draw a list of [boot, first, next]."""
    number = st.integers(0, 0xFFFFFFFF)
    rows = draw(st.lists(st.tuples(number, number, st.integers(1, 100)), max_size=64))
    return [[boot, first, min(first + size, 1 << 32)] for boot, first, size in rows]


SORTS: dict[str, Any] = {
    **{sort: st.integers(low, high) for sort, (low, high) in RANGES.items()},
    "text": TEXTS,
    "bool": st.booleans(),
    "bytes": st.binary(min_size=1, max_size=80),
    "nonce": st.binary(min_size=8, max_size=8),
    "piece": st.binary(min_size=1, max_size=PIECE_SIZE_MAX),
    "ranges": index_ranges(),
    "list": st.lists(st.one_of(st.integers(-9, 9), TEXTS, st.none()), max_size=4),
}


def fields_of(rows: Any) -> Any:
    """Return a strategy for the fields that a table names."""
    return st.fixed_dictionaries({name: SORTS[sort] for name, sort in rows})


@given(st.sampled_from(sorted(BODIES)), st.data())
def test_records_come_back_as_they_went(kind: int, data: st.DataObject) -> None:
    head = tuple(data.draw(SORTS[sort]) for sort in ("boot", "boot", "lane", "uint"))
    fields = data.draw(fields_of(BODIES[kind]))
    payload = encode_record(kind, head, fields)
    assert decode_record(payload) == (kind, *head, fields)
    assert read_record_head(payload)[:5] == (kind, *head)
    assert kind_of(payload) == kind


@given(st.sampled_from(sorted(MESSAGES)), st.data())
def test_messages_come_back_as_they_went(kind: int, data: st.DataObject) -> None:
    counter = 0 if kind in (HELLO, WELCOME) else data.draw(SORTS["uint"])
    fields = data.draw(fields_of(MESSAGES[kind][1]))
    payload = encode_message(kind, counter, fields)
    assert decode_message(payload) == (kind, counter, fields)
    assert kind_of(payload) == kind


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=9), st.data())
def test_bundles_come_back_as_they_went(frames: list[bytes], data: st.DataObject) -> None:
    blob = b"".join(map(prefixed, frames))
    position = (data.draw(SORTS["lane"]), data.draw(SORTS["uint"]))
    encoded = encode_bundle(Bundle("hub", position, True, count=len(frames), blob=blob))
    bundle = decode_bundle(encoded)
    assert (bundle.lane, bundle.first) == position and bundle.frames() == frames


def frames_of_bundle(data: bytes) -> None:
    """Decode a bundle to the end."""
    decode_bundle(data).frames()


DECODERS: list[Callable[[bytes], Any]] = [
    cbor.decode,
    decode_batch,
    decode_record,
    decode_message,
    frames_of_bundle,
    read_record_head,
    kind_of,
    sender_of,
]
# Beginnings that lead noise past the first checks of each decoder.
STARTS = [
    "",
    "86010000000081",
    "8601000000008188616160001864",
    "860100000000d083",
    "8602000000008961610000000001",
    "86030000000086616100",
    "86040000000084",
    "86050000000085",
    "8a1000480000000000000000",
    "871100480000000000000000",
    "83120081",
    "831300",
    "85150001",
    "85160001",
    "841700",
    "870161680200f501",
    "d18445",
]


@pytest.mark.parametrize("decode", DECODERS)
@given(start=st.sampled_from(STARTS), noise=st.binary(max_size=60))
def test_noise_raises_nothing_but_a_refusal(
    decode: Callable[[bytes], Any], start: str, noise: bytes
) -> None:
    try:
        decode(bytes.fromhex(start) + noise)
    except RemoteProtocolError as error:
        assert error.reason in {"malformed", "oversize"}


@pytest.mark.parametrize("decode", DECODERS)
def test_much_noise_raises_nothing_but_a_refusal(decode: Callable[[bytes], Any]) -> None:
    draw = random.Random(11)
    starts = [bytes.fromhex(start) for start in STARTS]
    for _ in range(15_000):
        noise = draw.choice(starts) + draw.randbytes(draw.randrange(50))
        try:
            decode(noise)
        except RemoteProtocolError:
            continue


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    "item", [b"\x81", b"\xc1", b"\xa1\x00", b"\x9b" + b"\xff" * 8, b"\xd8\x4d"]
)
def test_deep_and_huge_items_raise_nothing_but_a_refusal(
    decode: Callable[[bytes], Any], item: bytes
) -> None:
    for start in STARTS:
        for end in (b"", b"\x00"):
            try:
                decode(bytes.fromhex(start) + item * 4000 + end)
            except RemoteProtocolError:
                continue
