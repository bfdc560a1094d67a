"""Presence of a person from the HLK-LD2410 radar (Hi-Link, serial communication protocol V1.02).

The radar talks by itself, about ten times a second ("Radar data output protocol", section 2.3):

    F4 F3 F2 F1 | size, 2 bytes | type | AA | state | moving cm, 2 | energy | still cm, 2 | energy
    | detection cm, 2 | .. | 55 | check 00 | F8 F7 F6 F5        least byte first

type 02 is a plain report of 13 bytes, type 01 (engineering mode) has more before the tail. State:
0 nobody, 1 moving, 2 still, 3 both. There is no checksum: whatever is not just so is no report.

A reading has the state of all reports since the one before it, or-ed, so that nobody passes
unseen; and of the newest the distances, 0 where there is no such target.
"""

from agent.drivers.errors import SensorError
from agent.drivers.pace import Pace
from agent.drivers.uart_bytes import UartBytes
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any

_BAUDRATE = const(256_000)
_HEADER = b"\xf4\xf3\xf2\xf1"
_FOOTER = b"\xf8\xf7\xf6\xf5"
_HEAD_SIZE = const(6)  # header and size
_FRAME_EXTRA = const(10)  # header, size, footer
_PLAIN_SIZE = const(13)
_REPORT_SIZE_MAX = const(64)  # engineering mode has 35, later firmware some more
_PLAIN = const(2)
_ENGINEERING = const(1)
_BEGIN = const(0xAA)
_TAIL = const(0x55)
_STATE_MAX = const(3)
_MOVING = const(1)
_STILL = const(2)
_ENERGY_MAX = const(100)
_DISTANCE_CM_MAX = const(800)  # it sees 6 m; nothing in a room is farther
_SILENCE_US_MAX = const(3_000_000)
# 45 bytes ten times a second in engineering mode: half of the receive buffer in 280 ms.
_POLL_US_MAX = const(250_000)


class Ld2410:
    """One radar on one serial port.

    settings: uart (number), baudrate (default 256000), every_ms (spacing of the samples, 100 or
    more; default 1000).
    """

    channels = (("presence", "1", 0, 1), ("moving", "m", -2, 1), ("still", "m", -2, 1))
    samples_max = 1

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        self._board = board
        self._name = settings["name"]
        self._bytes = UartBytes(board, settings, settings.get("baudrate", _BAUDRATE))
        self._on_byte = self._take_byte  # bound once: that costs heap
        self._pace = Pace(settings.get("every_ms", 1000) * 1000)
        self.spacing_us = self._pace.spacing_us
        self.poll_us = min(self.spacing_us, _POLL_US_MAX)
        self.overflows = 0
        self.frame_errors = 0
        self._frame = bytearray(_REPORT_SIZE_MAX + _FRAME_EXTRA)
        self._states = 0  # of all reports since the last sample
        self._forget(0)

    def start(self) -> None:
        """Open the port. Who is there shows in what it says."""
        self._bytes.open()
        self._forget(self._board.clock.now_us())

    def read(self, out: "array[int]", now_us: int) -> int:
        """Write state, distance of who moves and of who is still in cm, when a sample is due.

        Returns 0 until the first report. SensorError: 3 s without one.
        """
        self._receive(now_us)
        if now_us - self._report_us > _SILENCE_US_MAX:
            raise SensorError(
                self._name + ": no report of the LD2410 for 3 s.",
                "Check its power and that " + self._bytes.place() + ".",
            )
        if not self._is_told or not self._pace.is_due(now_us):
            return 0
        if self._pace.take(now_us):
            self.overflows += 1
        out[0] = self._states
        out[1] = self._moving_cm
        out[2] = self._still_cm
        self._states = self._state
        return 1

    def self_test(self) -> bool:
        """Return whether a report came within the last 3 s."""
        now_us = self._board.clock.now_us()
        self._receive(now_us)
        return self._is_told and now_us - self._report_us <= _SILENCE_US_MAX

    def stop(self) -> None:
        """Nothing to do: it measures as long as it has power."""

    def _forget(self, now_us: int) -> None:
        self._filled = 0  # bytes of the frame so far
        self._is_told = False
        self._state: int = 0
        self._states = 0
        self._moving_cm: int = 0
        self._still_cm: int = 0
        self._now_us = now_us
        self._report_us: int = now_us
        self._pace.restart(self.spacing_us)

    def _receive(self, now_us: int) -> None:
        self._now_us = now_us
        self._bytes.receive(self._on_byte)

    def _take_byte(self, byte: int) -> None:
        self._frame[self._filled] = byte
        self._filled += 1
        while self._filled:
            if self._is_beginning():
                if self._filled < _HEAD_SIZE or self._filled < self._size():
                    return
                if self._take_report():
                    self._filled = 0
                    return
                self.frame_errors += 1
            self._drop_byte()

    def _is_beginning(self) -> bool:
        """Return whether what is there may be the beginning of a frame."""
        frame, filled = self._frame, self._filled
        for index in range(min(filled, len(_HEADER))):
            if frame[index] != _HEADER[index]:
                return False
        if filled < _HEAD_SIZE:
            return True
        return _PLAIN_SIZE + _FRAME_EXTRA <= self._size() <= len(frame)

    def _size(self) -> int:
        return (self._frame[4] | self._frame[5] << 8) + _FRAME_EXTRA

    def _drop_byte(self) -> None:
        """Forget the first byte: a frame may begin inside what was taken for one."""
        frame, filled = self._frame, self._filled
        start = 1
        while start < filled and frame[start] != _HEADER[0]:
            start += 1
        self._filled = filled - start
        for index in range(self._filled):
            frame[index] = frame[start + index]

    def _ends_at(self, size: int) -> bool:
        for index in range(len(_FOOTER)):
            if self._frame[size - len(_FOOTER) + index] != _FOOTER[index]:
                return False
        return True

    def _take_report(self) -> bool:
        """Note what a frame says; return whether it is just so."""
        frame, size = self._frame, self._size()
        state = frame[8]
        moving_cm, still_cm = frame[9] | frame[10] << 8, frame[12] | frame[13] << 8
        is_whole = (
            self._ends_at(size)
            and frame[size - 6] == _TAIL
            and frame[size - 5] == 0
            and frame[7] == _BEGIN
            and (frame[6] == _ENGINEERING) == (size > _PLAIN_SIZE + _FRAME_EXTRA)
            and frame[6] in (_PLAIN, _ENGINEERING)
            and state <= _STATE_MAX
            and max(frame[11], frame[14]) <= _ENERGY_MAX
            and max(moving_cm, still_cm) <= _DISTANCE_CM_MAX
        )
        if is_whole:
            self._state = state
            self._states |= state
            self._moving_cm = moving_cm if state & _MOVING else 0
            self._still_cm = still_cm if state & _STILL else 0
            self._is_told = True
            self._report_us = self._now_us
        return is_whole
