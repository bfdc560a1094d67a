"""Bytes from a sensor that talks by itself on a serial port, one by one to whoever parses them."""

from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RECEIVE_BUFFER_SIZE = const(256)  # of the ports; what comes while it is full is lost
_BLOCK_SIZE = const(64)
_ROUNDS_MAX = const(8)  # twice a full receive buffer; a babbling line must not hold the sampler
_BITS_PER_BYTE = const(10)


class UartBytes:
    """The serial port settings["uart"] at `baudrate`."""

    def __init__(self, board: "Any", settings: "dict[str, Any]", baudrate: int) -> None:
        self._board = board
        self._number = settings["uart"]
        self._baudrate = baudrate
        self._uart: Any = None
        self._block = bytearray(_BLOCK_SIZE)

    def open(self) -> None:
        """Open the port."""
        self._uart = self._board.uart(self._number, self._baudrate)

    def receive(self, take_byte: "Any") -> None:
        """Call take_byte(byte) for each that came; 512 at most."""
        for _ in range(_ROUNDS_MAX):
            count = self._uart.read_into(self._block)
            for index in range(count):
                take_byte(self._block[index])
            if count < _BLOCK_SIZE:
                return

    def place(self) -> str:
        """Return where a technician finds its wire."""
        return "its TX wire is on RX of UART " + str(self._number)


def half_buffer_us(baudrate: int) -> int:
    """Return in what time a line that never rests fills half of the receive buffer."""
    return RECEIVE_BUFFER_SIZE // 2 * _BITS_PER_BYTE * 1_000_000 // baudrate
