"""The part of MicroPython's `onewire` that our hardware port uses, over models of chips."""

from tests.micropython.board.far_wire import ask, tape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class OneWire:
    def __init__(self, pin: "Any") -> None:
        self._number = pin.number

    def reset(self) -> bool:
        if tape.is_playing:
            return bool(tape.next())
        return bool(tape.note(ask("onewire_reset", self._number)))

    def write(self, buf: bytes) -> None:
        if not tape.is_playing:
            ask("onewire_write", self._number, bytes(buf).hex())

    def readinto(self, buf: bytearray) -> None:
        if tape.is_playing:
            tape.fill(buf)
        else:
            buf[:] = tape.note(bytes.fromhex(ask("onewire_read", self._number, len(buf))))

    def scan(self) -> "list[bytearray]":
        return [bytearray(bytes.fromhex(each)) for each in ask("onewire_search", self._number)]
