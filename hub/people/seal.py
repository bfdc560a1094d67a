"""What the hub knows of people, closed: nothing of it stands in the store in plain text.

Values are JSON, closed as a COSE_Encrypt0 (AES-128-CBC, RFC 9459, as the devices do; changes are
found by the checksum of the row) under a key that is derived from the hub's secret and stands
nowhere. Who has the store and not the secret has pseudonyms at most.
"""

import json
import os
from collections.abc import Callable
from typing import Any

from protocols import cbor
from protocols.cose import decrypt0, encrypt0
from protocols.errors import RemoteProtocolError
from protocols.portable import hkdf_sha256

TEXT_SIZE_MAX = 16 << 20  # of 20,000 people
_MORE_SIZE = 64  # head, IV and padding


class Seal:
    """secret: the hub's. random: of so many bytes; the machine's by default."""

    def __init__(self, secret: bytes, random: Callable[[int], bytes] = os.urandom) -> None:
        self._key = hkdf_sha256(secret, b"", b"hinomi people", 16)
        self._random = random

    def close(self, value: Any) -> str:
        """Return the value closed, as hexadecimal digits."""
        plain = json.dumps(value, ensure_ascii=False).encode()
        size_max = min(TEXT_SIZE_MAX, len(plain) + _MORE_SIZE)
        return cbor.encode(encrypt0(self._key, self._random(16), plain), size_max).hex()

    def open(self, text: str) -> Any:
        """Undo close; ValueError where it was closed with another secret or is damaged."""
        try:
            return json.loads(decrypt0(self._key, cbor.decode(bytes.fromhex(text))))
        except RemoteProtocolError as error:
            raise ValueError(str(error)) from None
