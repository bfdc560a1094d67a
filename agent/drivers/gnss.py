"""Position of a bus or a patrol car from a satellite receiver that speaks NMEA 0183 on a UART.

Each second or faster the receiver says, among others, GGA (time, position, quality, satellites,
height) and RMC (time, validity, position, speed, date). A reading is made of both of one and the
same moment. Without a fix they say so: then there is no reading, and what is missing is counted.
"""

from array import array

from agent.drivers.errors import SensorError
from agent.drivers.nmea import SentenceReader, angle_steps, days_since_2000, seconds_of_day
from agent.drivers.pace import Pace
from agent.drivers.uart_bytes import UartBytes, half_buffer_us
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BAUDRATE = const(9600)
_SILENCE_US_MAX = const(5_000_000)
# Longer than a tunnel; then somebody should look at the antenna.
_NO_FIX_US_MAX = const(600_000_000)
_KNOT_UM_PER_S = const(514_444)  # 1852 m an hour
_KNOTS_MAX = const(2000)  # what a board multiplies by that without a large integer
_DAY_S = const(86_400)
# Speed over ground in mm/s and height in cm that no bus reaches.
_SPEED_MAX = const(150_000)
_HEIGHT_MIN = const(-100_000)
_HEIGHT_MAX = const(1_000_000)
_GGA_SIZE = const(10)  # fields that are read
_RMC_SIZE = const(10)
_QUALITIES = b"12345"  # not: 0 no fix, 6 estimated, 7 entered by hand, 8 simulated
_VALID = const(0x41)  # A
_HEMISPHERES = b"NESW"
_SOUTH_WEST = b"SW"
_NO_MOMENT = const(-2)
# Of a GGA: moment, latitude, longitude, height, satellites. Of an RMC: moment, speed, UTC.
_GGA_NUMBERS = const(5)
_RMC_NUMBERS = const(3)
_CHANNELS = const(6)


class Gnss:
    """One receiver on one serial port.

    settings: uart (number), baudrate (default 9600), every_ms (spacing of the samples, 100 or
    more; default 1000).

    Channels: lat and lon in steps of 4e-7 degrees, 4 cm (WGS 84, north and east positive), height
    above mean sea level in cm, speed in mm/s, satellites in use, and UTC in seconds since
    2000-01-01, which fit the small integers of a board until 2034 and 31 bits until 2068.
    """

    channels = (
        ("lat", "lat", -7, 4),
        ("lon", "lon", -7, 4),
        ("height", "m", -2, 1),
        ("speed", "m/s", -3, 1),
        ("satellites", "1", 0, 1),
        ("utc", "s", 0, 1),
    )
    samples_max = 1

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        self._board = board
        self._name = settings["name"]
        baudrate = settings.get("baudrate", _BAUDRATE)
        self._bytes = UartBytes(board, settings, baudrate)
        self._on_byte = self._take_byte  # bound once: that costs heap
        self._sentences = SentenceReader()
        self._pace = Pace(settings.get("every_ms", 1000) * 1000)
        self.spacing_us = self._pace.spacing_us
        self.poll_us = min(self.spacing_us, half_buffer_us(baudrate))
        self.overflows = 0
        self._now_us = 0
        self._news_us = 0
        self._fix_us = 0
        self._gga = array("i", bytes(4 * _GGA_NUMBERS))
        self._rmc = array("i", bytes(4 * _RMC_NUMBERS))
        self._position = array("i", bytes(4 * _CHANNELS))
        self._is_fresh = False
        self._forget(0)

    def start(self) -> None:
        """Open the port. The receiver has no identity to ask for: silence shows in read()."""
        self._bytes.open()
        self._forget(self._board.clock.now_us())

    def read(self, out: "array[int]", now_us: int) -> int:
        """Write the newest position when a sample is due and there is a new one.

        SensorError: nothing readable or nothing new for 5 s, or no fix for 10 minutes.
        """
        self._receive(now_us)
        if now_us - self._news_us > _SILENCE_US_MAX:
            raise SensorError(
                self._name + ": nothing readable and new from the receiver for 5 s.",
                "Check its power, its baud rate and that " + self._bytes.place() + ".",
            )
        if now_us - self._fix_us > _NO_FIX_US_MAX:
            raise SensorError(
                self._name + ": the receiver has had no fix for 10 minutes.",
                "Check that its antenna is connected and sees the sky.",
            )
        if not self._is_fresh or not self._pace.is_due(now_us):
            return 0
        if self._pace.take(now_us):
            self.overflows += 1
        self._is_fresh = False
        for index in range(_CHANNELS):
            out[index] = self._position[index]
        return 1

    def self_test(self) -> bool:
        """Return whether there was a fix within the last 5 s."""
        now_us = self._board.clock.now_us()
        self._receive(now_us)
        return self._has_fix and now_us - self._fix_us <= _SILENCE_US_MAX

    def stop(self) -> None:
        """Nothing to do: it keeps its satellites in view."""

    @property
    def sentence_errors(self) -> int:
        """How many sentences were broken so far."""
        return self._sentences.errors

    def _forget(self, now_us: int) -> None:
        self._sentences.forget()
        self._gga[0] = self._rmc[0] = _NO_MOMENT
        self._moment = -1  # of the last sentence
        self._joined = -1  # of the last position
        self._is_fresh = False
        self._has_fix = False
        self._now_us = now_us
        self._news_us = now_us
        self._fix_us = now_us
        self._pace.restart(self.spacing_us)

    def _receive(self, now_us: int) -> None:
        self._now_us = now_us
        self._bytes.receive(self._on_byte)

    def _take_byte(self, byte: int) -> None:
        sentences = self._sentences
        if not sentences.feed(byte):
            return
        try:
            if sentences.is_type(b"GGA") and sentences.count >= _GGA_SIZE:
                self._take_gga()
            elif sentences.is_type(b"RMC") and sentences.count >= _RMC_SIZE:
                self._take_rmc()
        except ValueError:
            sentences.errors += 1

    def _take_gga(self) -> None:
        sentences, gga = self._sentences, self._gga
        gga[0] = _NO_MOMENT
        moment = self._note_moment()
        quality = sentences.letter(6)
        if not quality or quality not in _QUALITIES:
            return
        gga[1] = self._angle(2, 2)
        gga[2] = self._angle(4, 3)
        gga[3] = height = sentences.number(9, 2)
        if not _HEIGHT_MIN <= height <= _HEIGHT_MAX:
            raise ValueError("no height")
        gga[4] = sentences.number(7, 0)
        gga[0] = moment
        self._join()

    def _take_rmc(self) -> None:
        sentences, rmc = self._sentences, self._rmc
        rmc[0] = _NO_MOMENT
        moment = self._note_moment()
        if sentences.letter(2) != _VALID:
            return
        milliknots = sentences.number(7, 3)
        knots = milliknots // 1000
        if not 0 <= knots <= _KNOTS_MAX:
            raise ValueError("no speed")
        rest = milliknots % 1000 * _KNOT_UM_PER_S // 1000
        rmc[1] = speed = (knots * _KNOT_UM_PER_S + rest) // 1000
        if speed > _SPEED_MAX:
            raise ValueError("no speed")
        line, starts = sentences.line, sentences.starts
        days = days_since_2000(line, starts[9], starts[10] - 1)
        rmc[2] = days * _DAY_S + seconds_of_day(line, starts[1], starts[2] - 1)
        rmc[0] = moment
        self._join()

    def _angle(self, field: int, degrees_size: int) -> int:
        """Return the angle of a field and of the hemisphere behind it."""
        sentences = self._sentences
        starts = sentences.starts
        steps = angle_steps(sentences.line, starts[field], starts[field + 1] - 1, degrees_size)
        hemisphere = sentences.letter(field + 1)
        if not hemisphere or hemisphere not in _HEMISPHERES:
            raise ValueError("no hemisphere")
        return -steps if hemisphere in _SOUTH_WEST else steps

    def _note_moment(self) -> int:
        """Return hhmmssmmm as a number, -1 where the receiver does not know the time yet.

        One that says the same time again and again has hung up.
        """
        moment = -1 if self._sentences.is_empty(1) else self._sentences.number(1, 3)
        if moment != self._moment or moment < 0:
            self._news_us = self._now_us
        self._moment = moment
        return moment

    def _join(self) -> None:
        """Make a position of a GGA and an RMC of the same moment, but of each moment only one."""
        gga, rmc, position = self._gga, self._rmc, self._position
        moment = gga[0]
        if moment != rmc[0] or moment == self._joined:
            return
        self._joined = moment
        for index in range(3):
            position[index] = gga[1 + index]
        position[3] = rmc[1]
        position[4] = gga[4]
        position[5] = rmc[2]
        self._is_fresh = True
        self._has_fix = True
        self._fix_us = self._now_us
