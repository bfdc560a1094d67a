"""COSE against pycose and cryptography, both ways."""

import cbor2
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from pycose.algorithms import HMAC25664
from pycose.headers import KID, Algorithm
from pycose.keys.symmetric import SymmetricKey
from pycose.messages.mac0message import Mac0Message

from protocols import cbor
from protocols.cose import DeviceKeys, Mac0, decrypt0, encrypt0
from protocols.errors import RemoteProtocolError
from protocols.portable import aes_cbc_decrypt, aes_cbc_encrypt

KEY = bytes(range(32))
# NIST SP 800-38A, section F.2.1: CBC-AES128, four blocks.
SP800_38A_KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
SP800_38A_IV = bytes(range(16))
SP800_38A_PLAIN = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
SP800_38A_SECRET = bytes.fromhex(
    "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
    "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7"
)


@pytest.mark.parametrize("size", [0, 1, 23, 24, 255, 256, 3992])
def test_pycose_makes_the_same_frame(size: int) -> None:
    payload = bytes(size)
    message = Mac0Message(phdr={Algorithm: HMAC25664, KID: b"bridge-01"}, payload=payload)
    message.key = SymmetricKey(KEY)
    theirs = message.encode()
    assert theirs == Mac0("bridge-01", KEY).seal(payload)
    assert Mac0("bridge-01", KEY).open(theirs) == payload


def test_aes_gives_the_blocks_of_the_standard() -> None:
    secret = aes_cbc_encrypt(SP800_38A_KEY, SP800_38A_IV, SP800_38A_PLAIN)
    assert secret[:64] == SP800_38A_SECRET and len(secret) == 80
    assert aes_cbc_decrypt(SP800_38A_KEY, SP800_38A_IV, secret) == SP800_38A_PLAIN


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 31, 32, 1000])
def test_an_encrypted_part_opens_at_every_padding(size: int) -> None:
    plain = bytes(range(256)) * 4
    item = encrypt0(KEY[:16], KEY[16:], plain[:size])
    assert decrypt0(KEY[:16], cbor.decode(cbor.encode(item))) == plain[:size]


def test_a_part_under_another_key_or_padding_is_refused() -> None:
    item = encrypt0(KEY[:16], KEY[16:], b"[personal]")
    with pytest.raises(RemoteProtocolError, match="wrong_key"):
        decrypt0(KEY[16:], item)
    encryptor = Cipher(algorithms.AES(KEY[:16]), modes.CBC(KEY[16:])).encryptor()
    for end in (b"\x00", b"\x11", b"\x03\x03\x02"):
        block = b"x" * (16 - len(end)) + end
        secret = encryptor.update(block)
        header = {1: -65531, 5: KEY[16:]}
        with pytest.raises(RemoteProtocolError, match="wrong_key"):
            decrypt0(KEY[:16], cbor.Tagged(16, [b"", header, secret]))
        encryptor = Cipher(algorithms.AES(KEY[:16]), modes.CBC(KEY[16:])).encryptor()


def test_the_platform_key_opens_frames_but_is_not_the_secret() -> None:
    keys = DeviceKeys("bridge-01", KEY)
    assert Mac0("bridge-01", keys.up_key()).open(keys.up.seal(b"\x80")) == b"\x80"
    assert keys.up_key() != KEY and len({keys.up_key(), keys.seal_key, KEY}) == 3


def test_cbor2_reads_the_frame_as_a_cose_mac0() -> None:
    item = cbor2.loads(Mac0("n", KEY).seal(b"payload"))
    protected, unprotected, payload, tag = item.value
    assert item.tag == 17 and cbor2.loads(protected) == {1: 4, 4: b"n"}
    assert unprotected == {} and payload == b"payload" and len(tag) == 8
