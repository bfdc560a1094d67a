"""The few names that MicroPython or CPython lacks, under one roof."""

import hashlib

try:
    from micropython import const as const
except ImportError:

    def const(value: int) -> int:
        """Return value; MicroPython's compiler folds such names away."""
        return value


TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any, TypeAlias

    ptr8: TypeAlias = "bytearray | memoryview"
    ptr32: TypeAlias = "array[int]"
else:
    ptr8 = ptr32 = object


def viper(function: "Any") -> "Any":
    """Mark a loop over bytes or samples that boards/build.py has compiled to machine code.

    It runs unchanged as plain Python, so it holds to what both do alike: arguments that are int,
    ptr8 (a buffer of bytes) or ptr32 (an array("i")), a result that is int or bool, numbers that
    stay within 32 bits, signed, and no other function or global.
    """
    return function


BLOCK_SIZE = 64  # of SHA-256 (RFC 6234), the pad size of HMAC (RFC 2104)


class PureHmacSha256:
    """HMAC-SHA-256 (RFC 2104) under one key; MicroPython has no hmac module."""

    def __init__(self, key: bytes) -> None:
        if len(key) > BLOCK_SIZE:
            key = hashlib.sha256(key).digest()
        padded = key + bytes(BLOCK_SIZE - len(key))
        self._inner = bytes(byte ^ 0x36 for byte in padded)
        self._outer = bytes(byte ^ 0x5C for byte in padded)

    def digest(self, message: bytes) -> bytes:
        """Return the 32-byte code of message."""
        inner = hashlib.sha256(self._inner)
        inner.update(message)
        outer = hashlib.sha256(self._outer)
        outer.update(inner.digest())
        return outer.digest()


class CopyingHmacSha256(PureHmacSha256):
    """The same with both pads hashed once: half the time of `hmac.digest` on CPython 3.11."""

    def __init__(self, key: bytes) -> None:
        PureHmacSha256.__init__(self, key)
        self._inner_hash = hashlib.sha256(self._inner)
        self._outer_hash = hashlib.sha256(self._outer)

    def digest(self, message: bytes) -> bytes:
        """Return the 32-byte code of message."""
        inner = self._inner_hash.copy()
        inner.update(message)
        outer = self._outer_hash.copy()
        outer.update(inner.digest())
        return outer.digest()


def pure_is_equal(left: bytes, right: bytes) -> bool:
    """Compare two secrets of public length in a time that does not depend on their content."""
    if len(left) != len(right):
        return False
    difference = 0
    for index in range(len(left)):
        difference |= left[index] ^ right[index]
    return difference == 0


try:
    from hmac import compare_digest

    is_equal = compare_digest
    HmacSha256 = CopyingHmacSha256
except ImportError:  # on MicroPython, whose hashes have no copy() either
    is_equal = pure_is_equal  # type: ignore[assignment]
    HmacSha256 = PureHmacSha256  # type: ignore[assignment,misc]


def hkdf_sha256(key: bytes, salt: bytes, info: bytes, size: int) -> bytes:
    """Derive size <= 255 * 32 bytes from key (RFC 5869)."""
    expander = HmacSha256(HmacSha256(salt).digest(key))
    block = b""
    output = b""
    counter = 1
    while len(output) < size:
        block = expander.digest(block + info + bytes([counter]))
        output += block
        counter += 1
    return output[:size]


def aes_cbc_encrypt(key: bytes, iv: bytes, plain: bytes) -> bytes:
    """AES-CBC with PKCS #7 padding (RFC 9459, section 2). key: 16 or 32 bytes; iv: 16 bytes."""
    pad = 16 - len(plain) % 16
    plain = plain + bytes([pad]) * pad
    try:
        from cryptolib import aes
    except ImportError:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
        return encryptor.update(plain) + encryptor.finalize()
    secret: bytes = aes(key, 2, iv).encrypt(plain)
    return secret


def aes_cbc_decrypt(key: bytes, iv: bytes, secret: bytes) -> bytes:
    """Undo aes_cbc_encrypt; ValueError where the padding is not right."""
    if not secret or len(secret) % 16:
        raise ValueError("not whole AES blocks")
    try:
        from cryptolib import aes
    except ImportError:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
        plain = decryptor.update(secret) + decryptor.finalize()
    else:
        plain = aes(key, 2, iv).decrypt(secret)
    pad = plain[-1]
    if not 1 <= pad <= 16 or plain[-pad:] != bytes([pad]) * pad:
        raise ValueError("bad padding")
    return plain[:-pad]
