"""Frames: every flip, cut and mixture is refused, with no other error than a refusal."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols import cbor
from protocols.cose import DeviceKeys, Mac0, decrypt0, is_frame, sender_of
from protocols.errors import RemoteProtocolError
from protocols.portable import HmacSha256, PureHmacSha256

NAMES = st.text(min_size=1, max_size=16).filter(lambda name: len(name.encode()) <= 16)
KEYS = st.binary(min_size=32, max_size=32)
REASONS = {"malformed", "wrong_key", "wrong_sender", "oversize"}


def refusal(mac: Mac0, frame: bytes) -> str | None:
    """Return why the frame does not open, in either way to open it; None if it opens."""
    reasons = {_refusal(mac.open, frame), _refusal(mac.open_record, frame)}
    if reasons == {None}:
        return None
    assert None not in reasons or mac.open_record(frame) is None
    (reason, *_) = reasons - {None}
    assert reason in REASONS
    return reason


def _refusal(call: object, frame: bytes) -> str | None:
    try:
        call(frame)  # type: ignore[operator]
    except RemoteProtocolError as error:
        return error.reason
    return None


@given(NAMES, KEYS, st.binary(max_size=400))
def test_a_frame_opens_with_its_key_and_names_its_sender(
    name: str, key: bytes, payload: bytes
) -> None:
    mac = Mac0(name, key)
    frame = mac.seal(payload)
    assert mac.open(frame) == mac.peek(frame) == payload
    assert sender_of(frame) == name and is_frame(frame)


@settings(max_examples=15)
@given(NAMES, KEYS, st.binary(max_size=80))
def test_every_flipped_bit_and_every_truncation_is_refused(
    name: str, key: bytes, payload: bytes
) -> None:
    mac = Mac0(name, key)
    frame = mac.seal(b"\x86\x01" + payload)
    for at in range(len(frame)):
        assert refusal(mac, frame[:at])
        for bit in range(8):
            flipped = bytearray(frame)
            flipped[at] ^= 1 << bit
            assert refusal(mac, bytes(flipped)), (at, bit)


@given(KEYS, KEYS, st.binary(max_size=30))
def test_another_key_does_not_open_it(key: bytes, other: bytes, payload: bytes) -> None:
    if key != other:
        with pytest.raises(RemoteProtocolError, match="wrong_key"):
            Mac0("n", other).open(Mac0("n", key).seal(payload))


@given(st.binary(max_size=100), st.booleans())
def test_noise_is_refused(noise: bytes, has_start: bool) -> None:
    mac = Mac0("n", bytes(32))
    frame = mac.head + noise if has_start else noise
    assert refusal(mac, frame)
    try:
        assert 1 <= len(sender_of(frame).encode()) <= 16
    except RemoteProtocolError as error:
        assert error.reason == "malformed"


def test_much_noise_behind_a_good_start_is_refused() -> None:
    draw = random.Random(7)
    mac = DeviceKeys("bridge-01", bytes(32)).up
    for _ in range(20_000):
        noise = draw.randbytes(draw.randrange(60))
        assert refusal(mac, mac.head + noise)
        try:
            sender_of(b"\xd1\x84" + noise)
        except RemoteProtocolError as error:
            assert error.reason == "malformed"


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=64), st.binary(max_size=20))
def test_an_encrypted_part_of_noise_is_refused_or_opens(
    key: bytes, secret: bytes, iv: bytes
) -> None:
    item = cbor.Tagged(16, [b"", {1: -65531, 5: iv}, secret])
    try:
        assert len(decrypt0(key, item)) < len(secret)
    except RemoteProtocolError as error:
        assert error.reason in {"malformed", "wrong_key"}


@given(st.binary(max_size=200), st.binary(max_size=300))
def test_both_hmac_bodies_agree(key: bytes, message: bytes) -> None:
    assert PureHmacSha256(key).digest(message) == HmacSha256(key).digest(message)
