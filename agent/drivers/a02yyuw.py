"""Water level from the A02YYUW ultrasonic distance sensor (DFRobot SEN0311), UART version.

The sensor talks by itself at 9600 baud, every 100..300 ms: 0xFF, distance high, distance low in
mm, and the low byte of the sum of the three (DFRobot wiki, SEN0311, "Communication Protocol").
It measures 30..4500 mm; below and above that it saw no echo that counts.
"""

from agent.drivers.echo_level import EchoLevel
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HEADER = const(0xFF)
_FRAME_SIZE = const(4)


class A02yyuw(EchoLevel):
    """One sensor on one serial port.

    settings: uart (number), height_mm (of the sensor's face above the datum, mm), every_ms
    (spacing of the samples, 100 or more; default 1000).
    """

    CHIP = "A02YYUW"
    DISTANCE_MM_MIN = 30
    DISTANCE_MM_MAX = 4500

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        self._frame = bytearray(_FRAME_SIZE)
        super().__init__(board, settings)

    def _take_byte(self, byte: int) -> None:
        if self._filled == 0 and byte != _HEADER:
            return  # between frames: noise, or the tail of one that we did not see begin
        self._frame[self._filled] = byte
        self._filled += 1
        if self._filled == _FRAME_SIZE:
            self._take_frame()

    def _take_frame(self) -> None:
        frame = self._frame
        if (frame[0] + frame[1] + frame[2]) & 0xFF != frame[3]:
            self.frame_errors += 1
            self._resync()
            return
        self._filled = 0
        self._take_distance(frame[1] << 8 | frame[2])

    def _resync(self) -> None:
        """Go on from the next header byte inside the broken frame: a whole one may begin there."""
        frame = self._frame
        for start in range(1, _FRAME_SIZE):
            if frame[start] == _HEADER:
                self._filled = _FRAME_SIZE - start
                for index in range(self._filled):
                    frame[index] = frame[start + index]
                return
        self._filled = 0
