"""COSE_Sign1 (RFC 9052, section 4.2) with RS256 (RFC 8812, alg -257): what a release is signed as.

One fixed layout, as for frames, so that one sound signature has one form only:

    d2 84  45 a1 01 39 01 00  a0  bstr(payload)  59 01 00 signature[256]

The Sig_structure is ["Signature1", protected, h'', payload] (RFC 9052, section 4.4).
"""

import hashlib

from protocols import cbor
from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.rs256 import KEY_SIZE

_PROTECTED = b"\x45\xa1\x01\x39\x01\x00"
_HEAD = b"\xd2\x84" + _PROTECTED + b"\xa0"
_SIGNED_HEAD = b"\x84\x6aSignature1" + _PROTECTED + b"\x40"
_SIGNATURE_HEAD = b"\x59\x01\x00"
_TAIL_SIZE = len(_SIGNATURE_HEAD) + KEY_SIZE


def signed_bytes(payload: bytes) -> bytes:
    """Return the Sig_structure: the bytes that a signature covers."""
    return _SIGNED_HEAD + _byte_string(payload)


def seal(payload: bytes, signature: bytes) -> bytes:
    """Return the message. signature: of signed_bytes(payload), 256 bytes."""
    if len(signature) != KEY_SIZE:
        raise LocalProtocolError("a signature of %d bytes" % len(signature))
    return _HEAD + _byte_string(payload) + _SIGNATURE_HEAD + signature


def split(message: bytes) -> tuple:
    """Return (payload, digest, signature); RemoteProtocolError where it has another layout.

    digest: SHA-256 of the signed bytes; nothing is verified yet.
    """
    body = message[len(_HEAD) : -_TAIL_SIZE]
    if not message.startswith(_HEAD) or not body:
        raise RemoteProtocolError("malformed", "no COSE_Sign1 of RS256")
    tail = message[-_TAIL_SIZE:]
    major, size, at = cbor.read_head(body, 0)
    if major != cbor.BYTES or at + size != len(body) or not tail.startswith(_SIGNATURE_HEAD):
        raise RemoteProtocolError("malformed", "no COSE_Sign1 of RS256")
    signed = hashlib.sha256(_SIGNED_HEAD)
    signed.update(body)
    return body[at:], signed.digest(), tail[len(_SIGNATURE_HEAD) :]


def _byte_string(payload: bytes) -> bytes:
    return cbor.encode(payload, len(payload) + 9)
