"""RS256 signatures and the COSE_Sign1 around them: sound ones hold, all others do not."""

import hashlib

from protocols import cose_sign, rs256
from tests.protocols.refusals import is_our_fault, reason_of
from tests.protocols.release_key import DIGEST_INFO, MODULUS, sign, sign_padded, signed

DIGEST = hashlib.sha256(b"firmware").digest()
SIGNATURE = sign(b"firmware")


def test_a_sound_signature_holds_and_another_text_does_not() -> None:
    assert rs256.is_valid(MODULUS, DIGEST, SIGNATURE)
    assert not rs256.is_valid(MODULUS, hashlib.sha256(b"Firmware").digest(), SIGNATURE)


def test_it_takes_seventeen_steps_between_which_others_may_work() -> None:
    verification = rs256.Verification(MODULUS, DIGEST, SIGNATURE)
    for _ in range(16):
        assert not verification.step() and verification.is_valid is None
    assert verification.step() and verification.is_valid is True
    assert verification.step()


def test_any_flipped_bit_of_the_signature_is_noticed() -> None:
    for place in range(0, len(SIGNATURE), 5):
        damaged = bytearray(SIGNATURE)
        damaged[place] ^= 1 << place % 8
        assert not rs256.is_valid(MODULUS, DIGEST, bytes(damaged)), place


def test_a_signature_has_one_form_only() -> None:
    modulus = int.from_bytes(MODULUS, "big")
    for forged in (
        b"",
        SIGNATURE[1:],
        SIGNATURE + b"\x00",
        b"\x00" + SIGNATURE,
        bytes(256),
        b"\x00" * 255 + b"\x01",
        MODULUS,
    ):
        assert not rs256.is_valid(MODULUS, DIGEST, forged)
    number = int.from_bytes(sign(b"firmware 4"), "big")
    assert number + modulus < 1 << 2048  # so it would have a second form
    digest = hashlib.sha256(b"firmware 4").digest()
    assert rs256.is_valid(MODULUS, digest, number.to_bytes(256, "big"))
    assert not rs256.is_valid(MODULUS, digest, (number + modulus).to_bytes(256, "big"))


def test_the_padding_is_whole() -> None:
    good = sign_padded(b"\x00\x01" + b"\xff" * 202 + b"\x00" + DIGEST_INFO + DIGEST)
    assert rs256.is_valid(MODULUS, DIGEST, good) and good == SIGNATURE
    for padded in (
        b"\x00\x02" + b"\xff" * 202 + b"\x00" + DIGEST_INFO + DIGEST,
        b"\x00\x01" + b"\xff" * 201 + b"\x00\x00" + DIGEST_INFO + DIGEST,
        b"\x00\x01" + b"\xfe" * 202 + b"\x00" + DIGEST_INFO + DIGEST,
        b"\x00\x01" + b"\xff" * 202 + b"\x00" + DIGEST_INFO[:-1] + b"\x21" + DIGEST,
        b"\x00\x01" + b"\xff" * 221 + b"\x00" + DIGEST,
        b"\x00\x01\xff\x00" + DIGEST_INFO + DIGEST + bytes(201),
        bytes(224) + DIGEST,
    ):
        assert len(padded) == 256
        assert not rs256.is_valid(MODULUS, DIGEST, sign_padded(padded)), padded


def test_another_key_or_no_key_is_refused() -> None:
    other = (int.from_bytes(MODULUS, "big") - 2).to_bytes(256, "big")
    assert not rs256.is_valid(other, DIGEST, SIGNATURE)
    for bad in (b"", MODULUS[:-1], b"\x7f" + MODULUS[1:], MODULUS[:-1] + b"\x00"):
        assert not rs256.is_modulus(bad)
        try:
            rs256.Verification(bad, DIGEST, SIGNATURE)
        except ValueError:
            continue
        assert False, "a key that is none"


def test_a_release_splits_into_what_was_signed() -> None:
    payload, digest, signature = cose_sign.split(signed(b"\x82\x01\x02"))
    assert payload == b"\x82\x01\x02" and rs256.is_valid(MODULUS, digest, signature)


def test_no_flipped_bit_of_a_release_survives() -> None:
    message = signed(b"manifest")
    for place in range(len(message)):
        damaged = bytearray(message)
        damaged[place] ^= 1 << place % 8
        reason = reason_of(cose_sign.split, bytes(damaged))
        if reason == "accepted" and place % 9 == 0:
            _, digest, signature = cose_sign.split(bytes(damaged))
            assert not rs256.is_valid(MODULUS, digest, signature), place


def test_a_release_of_another_layout_is_refused() -> None:
    message = signed(b"manifest")
    for size in range(len(message)):
        assert reason_of(cose_sign.split, message[:size]) == "malformed"
    assert reason_of(cose_sign.split, message + b"\x00") == "malformed"
    assert is_our_fault(cose_sign.seal, b"x", SIGNATURE[1:])
