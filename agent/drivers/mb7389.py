"""Water level from the MaxBotix MB7389 ultrasonic sensor (HRXL-MaxSonar-WR), serial output.

The sensor talks by itself at 9600 baud, 6.7 times a second: "R", four digits of mm, carriage
return (data sheet HRXL-MaxSonar-WR, "Pin 5 - Serial Output"). After power-up it says its name in
some lines of text. It has no checksum, so that a line counts only if it is just so.

It measures 300..5000 mm. 5000 means: no echo. 300 means 300 or nearer: the water is at least as
high as that, which is reported, for it may be a flood.
"""

from agent.drivers.echo_level import EchoLevel
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HEADER = const(0x52)  # R
_END = const(0x0D)
_ZERO = const(0x30)
_NINE = const(0x39)
_DIGITS = const(4)
_BETWEEN = const(0)  # so many bytes of a frame are there


class Mb7389(EchoLevel):
    """One sensor on one serial port.

    settings: uart (number), height_mm (of the sensor's face above the datum, mm), every_ms
    (spacing of the samples, 100 or more; default 1000).
    """

    CHIP = "MB7389"
    DISTANCE_MM_MIN = 300
    DISTANCE_MM_MAX = 4999

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        self._number = 0
        super().__init__(board, settings)

    def _take_byte(self, byte: int) -> None:
        if byte == _HEADER:
            self.frame_errors += self._filled != _BETWEEN
            self._filled = 1
            self._number = 0
        elif self._filled == _BETWEEN:
            return  # noise, text, or the tail of a frame that we did not see begin
        elif self._filled <= _DIGITS and _ZERO <= byte <= _NINE:
            self._filled += 1
            self._number = 10 * self._number + byte - _ZERO
        elif self._filled > _DIGITS and byte == _END:
            self._filled = _BETWEEN
            self._take_distance(self._number)
        else:
            self._filled = _BETWEEN
            self.frame_errors += 1
