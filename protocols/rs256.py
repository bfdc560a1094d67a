"""RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, section 8.2.2), verifying only, in plain integers.

For keys of 2048 bits with the public exponent 65537, the only ones that firmware is signed with.
The power is taken in 17 multiplications, and a caller may do other work between them: on a
Cortex-M one takes about 10 ms. Nothing here is secret, so nothing has to take constant time.
"""

from protocols.portable import const

KEY_SIZE = const(256)  # bytes of a modulus, and of a signature
_SQUARINGS = const(16)  # 65537 = 2 ** 16 + 1
# DER of DigestInfo for SHA-256, up to the hash itself (RFC 8017, section 9.2, note 1).
_DIGEST_INFO = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
_PADDED = b"\x00\x01" + b"\xff" * (KEY_SIZE - 3 - 19 - 32) + b"\x00" + _DIGEST_INFO


def is_modulus(modulus: bytes) -> bool:
    """Tell whether these bytes, big-endian, can be the modulus of such a key: 2048 bits, odd."""
    return len(modulus) == KEY_SIZE and modulus[0] >= 0x80 and modulus[-1] & 1 == 1


class Verification:
    """One signature being verified, a multiplication at a time.

    modulus: big-endian, as is_modulus() wants it, else ValueError. digest: SHA-256 of what was
    signed. is_valid: None until it is known.
    """

    def __init__(self, modulus: bytes, digest: bytes, signature: bytes) -> None:
        if not is_modulus(modulus) or len(digest) != 32:
            raise ValueError("no key of 2048 bits, or no SHA-256")
        self._modulus = int.from_bytes(modulus, "big")
        self._signature = int.from_bytes(signature, "big")
        self._power = self._signature
        self._expected = _PADDED + digest
        self._squarings_left = _SQUARINGS
        self.is_valid: bool | None = None
        # A signature has exactly one form: no shorter one, none beyond the modulus.
        if len(signature) != KEY_SIZE or self._signature >= self._modulus:
            self.is_valid = False

    def step(self) -> bool:
        """Do one multiplication; return whether is_valid is known."""
        if self.is_valid is None:
            if self._squarings_left:
                self._squarings_left -= 1
                self._power = self._power * self._power % self._modulus
            else:
                self._power = self._power * self._signature % self._modulus
                self.is_valid = self._power.to_bytes(KEY_SIZE, "big") == self._expected
        return self.is_valid is not None


def is_valid(modulus: bytes, digest: bytes, signature: bytes) -> bool:
    """Tell at once whether the signature holds; ValueError as Verification."""
    verification = Verification(modulus, digest, signature)
    while not verification.step():
        pass
    return verification.is_valid is True
