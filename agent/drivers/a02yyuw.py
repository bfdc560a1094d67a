"""Water level from the A02YYUW ultrasonic distance sensor (DFRobot SEN0311), UART version.

The sensor talks by itself at 9600 baud, every 100..300 ms: 0xFF, distance high, distance low in
mm, and the low byte of the sum of the three (DFRobot wiki, SEN0311, "Communication Protocol").
It measures 30..4500 mm; below and above that it saw no echo that counts. It looks down on the
water, so level = height above the datum - distance.
"""

from agent.drivers.errors import SensorError
from agent.drivers.pace import Pace, spacing_of_rate
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any

BAUDRATE = const(9600)
_HEADER = const(0xFF)
_FRAME_SIZE = const(4)
_DISTANCE_MM_MIN = const(30)
_DISTANCE_MM_MAX = const(4500)
_SILENCE_US_MAX = const(3_000_000)  # ten of its longest periods
# 40 bytes come in a second, a port's receive buffer holds 256: seldom enough, often enough.
_POLL_US_MAX = const(1_000_000)
_RATE_MHZ_MAX = const(10_000)  # its shortest period is 100 ms
_BUFFER_SIZE = const(64)
_ROUNDS_MAX = const(8)  # twice a full receive buffer; a babbling line must not hold the sampler


class A02yyuw:
    """One sensor on one serial port.

    settings: uart (number), height_mm (of the sensor's face above the datum, mm), every_ms
    (spacing of the samples, 100 or more; default 1000).
    """

    channels = (("", "m", -3, 1),)
    samples_max = 1

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        self._board = board
        self._name = settings["name"]
        self._uart_number = settings["uart"]
        self._height_mm = settings["height_mm"]
        self._pace = Pace(settings.get("every_ms", 1000) * 1000)
        self._apply_spacing()
        self._uart: Any = None
        self._buffer = bytearray(_BUFFER_SIZE)
        self._frame = bytearray(_FRAME_SIZE)
        self.overflows = 0
        self.checksum_errors = 0
        self._forget(0)

    def start(self) -> None:
        """Open the port. The sensor has no identity to ask for: silence shows in read()."""
        self._uart = self._board.uart(self._uart_number, BAUDRATE)
        self._forget(self._board.clock.now_us())

    def read(self, out: "array[int]", now_us: int) -> int:
        """Write the level in mm when one is due: of the newest echo, at most 3 s old.

        Returns 0 until the first echo. SensorError: 3 s without one.
        """
        self._receive(now_us)
        if now_us - self._echo_us > _SILENCE_US_MAX:
            raise self._silence()
        if self._distance_mm == 0 or not self._pace.is_due(now_us):
            return 0
        if self._pace.take(now_us):
            self.overflows += 1
        out[0] = self._height_mm - self._distance_mm
        return 1

    def self_test(self) -> bool:
        """Return whether an echo came within the last 3 s."""
        now_us = self._board.clock.now_us()
        self._receive(now_us)
        return self._distance_mm != 0 and now_us - self._echo_us <= _SILENCE_US_MAX

    def set_rate(self, rate_mhz: int) -> None:
        """Change the spacing of the samples, from the next on; ValueError outside 1..10000 mHz."""
        self._pace.restart(spacing_of_rate(rate_mhz, _RATE_MHZ_MAX))
        self._apply_spacing()

    def stop(self) -> None:
        """Nothing to do: it measures as long as it has power."""

    def _apply_spacing(self) -> None:
        self.spacing_us = self._pace.spacing_us
        self.poll_us = min(self.spacing_us, _POLL_US_MAX)

    def _forget(self, now_us: int) -> None:
        self._filled = 0  # bytes of the frame so far
        self._distance_mm = 0  # 0: no echo yet
        self._frame_us = now_us
        self._echo_us = now_us
        self._pace.restart(self.spacing_us)

    def _receive(self, now_us: int) -> None:
        for _ in range(_ROUNDS_MAX):
            count = self._uart.read_into(self._buffer)
            for index in range(count):
                self._take_byte(self._buffer[index], now_us)
            if count < _BUFFER_SIZE:
                return

    def _take_byte(self, byte: int, now_us: int) -> None:
        if self._filled == 0 and byte != _HEADER:
            return  # between frames: noise, or the tail of one that we did not see begin
        self._frame[self._filled] = byte
        self._filled += 1
        if self._filled == _FRAME_SIZE:
            self._take_frame(now_us)

    def _take_frame(self, now_us: int) -> None:
        frame = self._frame
        if (frame[0] + frame[1] + frame[2]) & 0xFF != frame[3]:
            self.checksum_errors += 1
            self._resync()
            return
        self._filled = 0
        self._frame_us = now_us
        distance_mm = frame[1] << 8 | frame[2]
        if _DISTANCE_MM_MIN <= distance_mm <= _DISTANCE_MM_MAX:
            self._distance_mm = distance_mm
            self._echo_us = now_us

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

    def _silence(self) -> SensorError:
        if self._frame_us > self._echo_us:
            return SensorError(
                self._name + ": A02YYUW sees no echo between 30 and 4500 mm.",
                "Check that it looks straight down on open water and that its face is clean.",
            )
        return SensorError(
            self._name + ": nothing readable from the A02YYUW for 3 s.",
            "Check its power and that its TX wire is on RX of UART "
            + str(self._uart_number)
            + ".",
        )
