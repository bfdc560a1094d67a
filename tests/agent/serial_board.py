"""A board whose only part is a serial port that the test fills."""


class SerialBoard:
    """UART 1 at `baudrate`; the boot clock says time_us."""

    def __init__(self, baudrate: int) -> None:
        self.clock = self
        self.pending = bytearray()
        self.time_us = 0
        self._baudrate = baudrate

    def now_us(self) -> int:
        return self.time_us

    def uart(self, number: int, baudrate: int) -> "SerialBoard":
        assert (number, baudrate) == (1, self._baudrate)
        return self

    def read_into(self, buf: bytearray) -> int:
        count = min(len(buf), len(self.pending))
        buf[:count] = self.pending[:count]
        self.pending = self.pending[count:]
        return count
