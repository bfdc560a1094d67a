"""A key that signs the releases of the tests. It opens nothing else."""

import hashlib

from protocols import cose_sign
from protocols.manifest import encode_manifest

_MODULUS = int(
    "b95adc8ee211da0beb4f8ea8ab3481b5126596a07655816fd567dddaaf8fb48862687f2fa0173461c8302687"
    "4be8508a4d963f562f19d268f9fcf911cbca788fa7774a742006d9aac3a48562da590d29390cecc0410f97d9"
    "cae8fbd626817793e61cd83658a53133d9d716ed3b752cf74561e8e43f234cc8e48dfe87c4db282397fc8e2b"
    "7a06d96ddfac883c760a1f7f46e2108b4a30380448b6ca9daf882410f8f34c8c2b7bc0aa1c61fdae350a2cf2"
    "a69bc0e467d12d818a3caf63b48f8316ffdb5e64f88e5d27384f98bee2d94e4e4123aad3b025607390937fca"
    "c914fb9d29ba4a42608328c2c8cdcae97214b6cc8fbfc8dd7c623d2293efdf2807fc8805",
    16,
)
_PRIVATE = int(
    "00ba37225eb8d45de2ea67aa7ec9d09de191550843f24fe161aa98567c18e4ee5d2a594795600f79d5af3f4e"
    "3ada11d0625d2dede9ecde358f7cab3db6e837c6ac8c126a26ca2da180a8d20d087468a077ac31e3a8a516fb"
    "81b58a6fc6bfe8a0cd8957d3b8ed1ae1ac3fd5f5151275c3c0f73897a3cb54a1b246139cd4dd9863881cc4ed"
    "4bb84364bb5acd455496d29508b0efc92a1560430689023fbc49c30372c2409d2e284569cad70e402ff0d139"
    "3c113ba554e44f26f2a2a77f4a19b8ebefac5432dad4ea45900fe918bcf0aba5a0860e950ca249e57d320e57"
    "4cff783986299a32c99f178e14161aa7bc52c4aed3876fc06461bfa32a14805a1e4453c1",
    16,
)
MODULUS = _MODULUS.to_bytes(256, "big")
DIGEST_INFO = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"


def sign(data: bytes) -> bytes:
    """Return the RS256 signature of data."""
    padded = b"\x00\x01" + b"\xff" * 202 + b"\x00" + DIGEST_INFO + hashlib.sha256(data).digest()
    return sign_padded(padded)


def sign_padded(padded: bytes) -> bytes:
    """Return the signature of 256 bytes, whatever they are."""
    return pow(int.from_bytes(padded, "big"), _PRIVATE, _MODULUS).to_bytes(256, "big")


def signed(payload: bytes) -> bytes:
    """Return the COSE_Sign1 around payload."""
    return cose_sign.seal(payload, sign(cose_sign.signed_bytes(payload)))


def release(
    image: bytes, version: str = "0.2.0", counter: int = 2, board: str = "pico-w"
) -> bytes:
    """Return the signed manifest of an image."""
    return signed(encode_manifest(([board], []), version, counter, image))
