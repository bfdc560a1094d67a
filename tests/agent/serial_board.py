"""A board whose only part is a serial port that the test fills."""


class SerialBoard:
    """UART 1 at `baudrate`; time stands still at 0."""

    def __init__(self, baudrate: int) -> None:
        self.clock = self
        self.pending = bytearray()
        self._baudrate = baudrate

    def now_us(self) -> int:
        return 0

    def uart(self, number: int, baudrate: int) -> "SerialBoard":
        assert (number, baudrate) == (1, self._baudrate)
        return self

    def read_into(self, buf: bytearray) -> int:
        count = min(len(buf), len(self.pending))
        buf[:count] = self.pending[:count]
        self.pending = self.pending[count:]
        return count
