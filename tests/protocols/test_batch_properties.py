"""Batches of every shape: round trips, truncations, flips, noise."""

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.batch import (
    Series,
    decode_batch,
    encode_batch,
    pack,
    read_record_head,
    unpack,
    write_plain,
)
from protocols.cbor import Writer
from protocols.errors import LocalProtocolError, RemoteProtocolError

INT32 = st.integers(-0x80000000, 0x7FFFFFFF)
KEY = bytes(range(16))


class Made(NamedTuple):
    """A batch that was drawn, and its payload."""

    head: tuple[int, int, int, int]
    series: list[Series]
    payload: bytes


@st.composite
def series_at(draw: Callable[..., Any], start_us: int) -> Series:
    """Draw a series near this time."""
    small = st.integers(-100, 100)
    values = draw(st.lists(draw(st.sampled_from([INT32, small])), min_size=1, max_size=40))
    first_us = max(0, start_us + draw(st.integers(-(10**9), 10**9)))
    spacing_ns = draw(st.one_of(st.just(0), st.integers(1, 10**12)))
    times = st.lists(st.integers(0, 1 << 60), min_size=len(values), max_size=len(values))
    return Series(
        draw(st.text(min_size=1, max_size=16)),
        draw(st.text(max_size=4)),
        (draw(st.integers(-18, 18)), draw(INT32.filter(bool))),
        first_us,
        spacing_ns=spacing_ns,
        values=values,
        times_us=None if spacing_ns else draw(times),
        plain=draw(st.booleans()),
    )


@st.composite
def batches(draw: Callable[..., Any]) -> Made:
    """Draw a batch that fits."""
    number = st.integers(0, 0xFFFFFFFF)
    head = (draw(number), draw(number), draw(st.integers(0, 3)), draw(st.integers(0, 1 << 62)))
    series = draw(st.lists(series_at(head[3]), min_size=1, max_size=4))
    return Made(head, series, encode_batch(head, series))


def is_refused(data: bytes) -> bool:
    """Tell whether data is no batch; any other error than a refusal flies."""
    try:
        decode_batch(data)
    except RemoteProtocolError as error:
        assert error.reason == "malformed"
        return True
    return False


@given(batches())
def test_a_batch_comes_back_as_it_went(made: Made) -> None:
    batch = decode_batch(made.payload)
    assert batch.series == made.series
    assert (batch.boot, batch.index, batch.lane, batch.start_us) == made.head
    assert read_record_head(made.payload)[:5] == (1, *made.head)
    assert encode_batch(made.head, batch.series) == made.payload


@given(batches(), st.binary(min_size=16, max_size=16))
def test_a_personal_batch_opens_only_with_its_key(made: Made, iv: bytes) -> None:
    payload = encode_batch(made.head, made.series, (KEY, iv))
    assert decode_batch(payload, KEY).series == made.series
    assert decode_batch(payload).series is None
    with pytest.raises(RemoteProtocolError):
        decode_batch(payload, KEY[::-1])


@settings(max_examples=20)
@given(batches(), st.binary(min_size=1, max_size=9))
def test_every_truncation_and_all_trailing_garbage_is_refused(made: Made, garbage: bytes) -> None:
    assert all(is_refused(made.payload[:size]) for size in range(len(made.payload)))
    assert is_refused(made.payload + garbage)


@settings(max_examples=8)
@given(batches())
def test_a_flipped_bit_makes_another_batch_or_none(made: Made) -> None:
    for at in range(len(made.payload)):
        for bit in range(8):
            flipped = bytearray(made.payload)
            flipped[at] ^= 1 << bit
            if not is_refused(bytes(flipped)):
                check_canonical(bytes(flipped))


def check_canonical(payload: bytes) -> None:
    """What is accepted encodes to the same bytes again, but for a wider array than needed."""
    batch = decode_batch(payload)
    assert batch.series is not None
    head = (batch.boot, batch.index, batch.lane, batch.start_us)
    again = encode_batch(head, batch.series)
    assert again == payload or b"\xd8\x4e" in payload


@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    if not is_refused(noise):
        check_canonical(noise)


def test_much_noise_behind_a_good_head_is_refused_or_canonical() -> None:
    draw = random.Random(5)
    head = bytes.fromhex("860103110200")
    for _ in range(20_000):
        noise = head + draw.randbytes(draw.randrange(40))
        if not is_refused(noise):
            check_canonical(noise)


@given(st.lists(st.integers(-(1 << 62), 1 << 62)))
def test_columns_unpack_to_what_was_packed(values: list[int]) -> None:
    assert unpack(pack(values)) == values


@given(st.binary(max_size=60))
def test_a_column_of_noise_is_refused_or_packs_to_the_same(data: bytes) -> None:
    try:
        values = unpack(data)
    except RemoteProtocolError:
        return
    assert pack(values) == data


@given(st.lists(st.integers(-(1 << 40), 1 << 40), min_size=1, max_size=20))
def test_a_typed_array_holds_32_bits_or_says_no(values: list[int]) -> None:
    writer = Writer(bytearray(200))
    fits = all(-0x80000000 <= value <= 0x7FFFFFFF for value in values)
    if not fits:
        with pytest.raises(LocalProtocolError):
            write_plain(writer, values)
        return
    write_plain(writer, values)
    narrow = all(-0x8000 <= value <= 0x7FFF for value in values)
    head_size = 3 if len(values) * (2 if narrow else 4) < 24 else 4
    assert writer.size - head_size == len(values) * (2 if narrow else 4)
