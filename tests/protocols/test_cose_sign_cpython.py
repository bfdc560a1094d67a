"""Our COSE_Sign1 against two independent oracles: `cryptography` and `pycose`."""

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from pycose.algorithms import RsaPkcs1Sha256
from pycose.headers import Algorithm
from pycose.keys.rsa import RSAKey
from pycose.messages.sign1message import Sign1Message

from protocols import cose_sign, rs256
from protocols.manifest import decode_manifest, encode_manifest
from tests.protocols.release_key import MODULUS, signed
from tests.protocols.test_schema_cpython import is_valid
from tests.protocols.test_vectors import load

PAYLOAD = encode_manifest((["pico-w"], []), "0.2.0", 3, bytes(5000))


def test_signatures_of_cryptography_hold_here() -> None:
    key = rsa.generate_private_key(65537, 2048)
    modulus = key.public_key().public_numbers().n.to_bytes(256, "big")
    signature = key.sign(cose_sign.signed_bytes(PAYLOAD), padding.PKCS1v15(), hashes.SHA256())
    payload, digest, found = cose_sign.split(cose_sign.seal(PAYLOAD, signature))
    assert payload == PAYLOAD and rs256.is_valid(modulus, digest, found)
    assert not rs256.is_valid(MODULUS, digest, found)
    other = key.sign(cose_sign.signed_bytes(PAYLOAD), padding.PKCS1v15(), hashes.SHA384())
    assert not rs256.is_valid(modulus, digest, other)
    salted = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    other = key.sign(cose_sign.signed_bytes(PAYLOAD), salted, hashes.SHA256())
    assert not rs256.is_valid(modulus, digest, other)


def test_pycose_verifies_what_we_made() -> None:
    protected, unprotected, payload, signature = cbor2.loads(signed(PAYLOAD)).value
    assert (cbor2.loads(protected), unprotected, payload) == ({1: -257}, {}, PAYLOAD)
    for text, expected in ((PAYLOAD, True), (PAYLOAD + b"\x00", False)):
        message = Sign1Message(phdr={Algorithm: RsaPkcs1Sha256}, payload=text)
        message.key = RSAKey(n=MODULUS, e=b"\x01\x00\x01")
        message._signature = signature  # its decoder knows no tags of cbor2 6
        assert message.verify_signature() is expected


def test_the_grammar_allows_it() -> None:
    assert is_valid(signed(PAYLOAD), "release")
    assert is_valid(PAYLOAD, "manifest")
    items = cbor2.loads(PAYLOAD)
    for place, wrong in ((0, 2), (1, []), (3, ""), (4, -1), (5, 0), (6, bytes(31)), (7, b"")):
        changed = cbor2.dumps([*items[:place], wrong, *items[place + 1 :]], canonical=True)
        assert not is_valid(changed, "manifest"), place
    assert decode_manifest(PAYLOAD).size == 5000


def test_the_golden_update_is_in_the_grammar_and_holds() -> None:
    rows = load("update.json")
    for row in rows:
        assert is_valid(bytes.fromhex(row["frame"]), "frame")
        assert is_valid(bytes.fromhex(row["payload"]), "message")
    message = bytes.fromhex(rows[0]["fields"]["arguments"][0])
    payload, digest, signature = cose_sign.split(message)
    assert rs256.is_valid(MODULUS, digest, signature) and decode_manifest(payload).size == 200
    assert [row["name"] for row in rows] == [
        "command",
        "result",
        "want",
        "piece",
        "want",
        "command",
    ]
