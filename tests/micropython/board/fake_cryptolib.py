"""The part of MicroPython's `cryptolib` that we use; the WebAssembly build has none of its own."""

from tests.micropython.board.far_wire import ask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CBC = 2


class aes:
    def __init__(self, key: bytes, mode: int, iv: bytes) -> None:
        assert mode == _CBC
        self._key = key
        self._iv = iv

    def encrypt(self, data: bytes) -> bytes:
        secret: Any = ask("aes_cbc", self._key.hex(), self._iv.hex(), data.hex())
        return bytes.fromhex(secret)
