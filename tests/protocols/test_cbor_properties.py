"""The CBOR subset against cbor2, both ways, and against noise."""

from typing import Any

import cbor2
from hypothesis import given
from hypothesis import strategies as st

from protocols import cbor
from protocols.errors import RemoteProtocolError

INTEGERS = st.integers(-(1 << 64), (1 << 64) - 1)
SCALARS = st.one_of(INTEGERS, st.booleans(), st.none(), st.text(), st.binary())
# Tags that cbor2 has no meaning of its own for.
TAGS = st.sampled_from([16, 17, 18, 77, 78, 60000])


def nested(children: Any) -> Any:
    """Return the containers of the subset around children."""
    return st.one_of(
        st.lists(children, max_size=5),
        st.dictionaries(INTEGERS, children, max_size=5),
        st.builds(cbor.Tagged, TAGS, children),
    )


VALUES = st.recursive(SCALARS, nested, max_leaves=12)


def to_cbor2(value: Any) -> Any:
    """Return the same value in the types of cbor2, maps in the order of RFC 8949.

    Section 4.2.1: bytewise. The `canonical` of cbor2 sorts shorter keys first, as RFC 7049 did.
    """
    if isinstance(value, cbor.Tagged):
        return cbor2.CBORTag(value.tag, to_cbor2(value.value))
    if isinstance(value, list):
        return [to_cbor2(item) for item in value]
    if isinstance(value, dict):
        return {key: to_cbor2(value[key]) for key in sorted(value, key=cbor2.dumps)}
    return value


def from_cbor2(value: Any) -> Any:
    """Return a value of cbor2 in our types; inside a tag its containers are immutable."""
    if isinstance(value, cbor2.CBORTag):
        return cbor.Tagged(value.tag, from_cbor2(value.value))
    if isinstance(value, list | tuple):
        return [from_cbor2(item) for item in value]
    if hasattr(value, "items"):
        return {key: from_cbor2(item) for key, item in value.items()}
    return value


def depth_of(value: Any) -> int:
    """Return how deep a value nests."""
    if isinstance(value, cbor.Tagged):
        return 1 + depth_of(value.value)
    children = value.values() if isinstance(value, dict) else value
    if isinstance(value, list | dict) and value:
        return 1 + max(map(depth_of, children))
    return 0


@given(VALUES)
def test_cbor2_writes_the_same_bytes(value: Any) -> None:
    assert cbor.encode(value, 1 << 16) == cbor2.dumps(to_cbor2(value))


@given(VALUES.filter(lambda value: depth_of(value) <= 8))
def test_what_was_written_is_read_back_by_both(value: Any) -> None:
    data = cbor.encode(value, 1 << 16)
    assert cbor.decode(data) == value
    assert from_cbor2(cbor2.loads(data)) == value


@given(VALUES, st.binary(min_size=1, max_size=9))
def test_every_truncation_and_trailing_garbage_is_refused(value: Any, garbage: bytes) -> None:
    data = cbor.encode(value, 1 << 16)
    for size in range(len(data)):
        assert is_refused(data[:size])
    assert is_refused(data + garbage)


def is_refused(data: bytes) -> bool:
    """Tell whether data is no value; any other error than a refusal flies."""
    try:
        cbor.decode(data)
    except RemoteProtocolError as error:
        assert error.reason == "malformed"
        return True
    return False


@given(st.one_of(st.binary(max_size=64), VALUES.map(lambda value: cbor.encode(value, 1 << 16))))
def test_bytes_are_refused_or_the_only_ones_of_their_value(data: bytes) -> None:
    if not is_refused(data):
        assert cbor.encode(cbor.decode(data), 1 << 16) == data


@given(VALUES.map(lambda value: cbor.encode(value, 1 << 16)), st.data())
def test_a_changed_byte_makes_another_value_or_none(data: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, len(data) - 1))
    changed = bytearray(data)
    changed[at] ^= draw.draw(st.integers(1, 255))
    if not is_refused(bytes(changed)):
        assert cbor.encode(cbor.decode(bytes(changed)), 1 << 16) == changed


@given(st.sampled_from([0x5B, 0x7B, 0x9B, 0xBB]), st.integers(0, (1 << 64) - 1))
def test_a_huge_length_costs_nothing(first: int, size: int) -> None:
    assert is_refused(bytes([first]) + size.to_bytes(8, "big") + b"\x00")


@given(st.binary(max_size=20), st.integers(0, 25))
def test_heads_are_read_without_another_error(data: bytes, at: int) -> None:
    for read in (cbor.read_head, cbor.read_uint):
        try:
            *_, end = read(data, at)
        except RemoteProtocolError:
            continue
        assert at < end <= len(data)
