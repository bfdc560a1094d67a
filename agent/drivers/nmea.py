"""Sentences of NMEA 0183, as satellite receivers say them: "$GNRMC,...*5A" and a line end.

Numbers become integers; a field that is not just so makes no number. All is read where it lies,
from `start` up to `end` of a buffer of bytes: nothing is made on the heap, but of what is broken.
Talkers: GP GPS, GL GLONASS, GA Galileo, GB and BD BeiDou, GI NavIC, GQ and QZ QZSS (Michibiki), GN
several of them together.
"""

from array import array

from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Text: TypeAlias = "bytes | bytearray"

TALKERS = ("GN", "GP", "GL", "GA", "GB", "BD", "GI", "GQ", "QZ")
SENTENCE_SIZE_MAX = const(120)  # the standard says 82; receivers with more digits say more
FIELDS_MAX = const(32)  # GSV has 21; those behind are not told apart
_TALKER_CODES = tuple([ord(name[0]) << 8 | ord(name[1]) for name in TALKERS])
_START = const(0x24)  # $
_COMMA = const(0x2C)
_MINUS = const(0x2D)
_POINT = const(0x2E)
_STAR = const(0x2A)
_ZERO = const(0x30)
_HEX = b"0123456789ABCDEF"
_LETTER_CASE = const(0x20)
_LETTERS_FROM = const(0x60)
_CHECKSUM_SIZE = const(3)  # *hh
_TYPE_AT = const(3)  # behind $ and the talker
_STEPS_PER_DEGREE = const(2_500_000)
_MINUTES_E7_PER_STEP = const(240)
_DAYS_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365)  # a month


class SentenceReader:
    """Finds the sentences in a stream of bytes. errors: lines that were broken.

    After feed() has told of one: field number k, the first is the type without its talker, lies
    in line[starts[k]:starts[k + 1] - 1]; k is below count.
    """

    def __init__(self) -> None:
        self.errors = 0
        self.count = 0
        self.line = bytearray(SENTENCE_SIZE_MAX)
        self.starts = array("h", bytes(2 * (FIELDS_MAX + 1)))
        self._filled = 0  # 0: between sentences

    def feed(self, byte: int) -> bool:
        """Take a byte; return whether it ended a sentence of one of the talkers."""
        if byte == _START:
            self.errors += 1 if self._filled else 0
            self._filled = 1
        elif self._filled == 0:
            return False
        elif byte in b"\r\n":
            size = self._filled
            self._filled = 0
            return self._take_line(size)
        elif self._filled == SENTENCE_SIZE_MAX or not 0x20 <= byte < 0x7F:
            self.errors += 1
            self._filled = 0
        else:
            self.line[self._filled] = byte
            self._filled += 1
        return False

    def forget(self) -> None:
        """Drop the sentence that has begun."""
        self._filled = 0

    def is_type(self, name: bytes) -> bool:
        """Tell whether the sentence is of that type, three letters."""
        if self.starts[1] - self.starts[0] - 1 != len(name):
            return False
        for index in range(len(name)):
            if self.line[_TYPE_AT + index] != name[index]:
                return False
        return True

    def is_empty(self, field: int) -> bool:
        """Tell whether nothing is in a field."""
        return self.starts[field + 1] - self.starts[field] == 1

    def letter(self, field: int) -> int:
        """Return the one byte of a field; 0 where it has none or several."""
        start = self.starts[field]
        return self.line[start] if self.starts[field + 1] - start == 2 else 0

    def number(self, field: int, decimals: int) -> int:
        """Return fixed_point() of a field."""
        return fixed_point(self.line, self.starts[field], self.starts[field + 1] - 1, decimals)

    def _take_line(self, size: int) -> bool:
        line = self.line
        end = size - _CHECKSUM_SIZE
        checksum = 0
        for index in range(1, end):
            checksum ^= line[index]
        if (
            end < 1
            or line[end] != _STAR
            or _upper(line[end + 1]) != _HEX[checksum >> 4]
            or _upper(line[end + 2]) != _HEX[checksum & 15]
        ):
            self.errors += 1
            return False
        if end < _TYPE_AT or line[1] << 8 | line[2] not in _TALKER_CODES:
            return False
        starts = self.starts
        starts[0] = _TYPE_AT
        count = 0
        for index in range(_TYPE_AT, end):
            if line[index] == _COMMA and count < FIELDS_MAX - 1:
                count += 1
                starts[count] = index + 1
        count += 1
        starts[count] = end + 1
        self.count = count
        return True


def _upper(byte: int) -> int:
    return byte - _LETTER_CASE if byte > _LETTERS_FROM else byte


def fixed_point(text: "Text", start: int, end: int, decimals: int) -> int:
    """Return a decimal number times 10 ** decimals, cut off; ValueError for anything else."""
    at = start
    is_negative = at < end and text[at] == _MINUS
    if is_negative:
        at += 1
    if at == end or text[at] == _POINT:
        raise ValueError("no number")
    number = 0
    wanted = -1  # decimals that are still to come; -1: before the point
    while at < end:
        digit = text[at] - _ZERO
        at += 1
        if 0 <= digit <= 9:
            if wanted:
                number = number * 10 + digit
                if wanted > 0:
                    wanted -= 1
        elif digit == _POINT - _ZERO and wanted < 0:
            wanted = decimals
        else:
            raise ValueError("no number")
    for _ in range(wanted if wanted >= 0 else decimals):
        number *= 10
    return -number if is_negative else number


def angle_steps(text: "Text", start: int, end: int, degrees_size: int) -> int:
    """Return an angle in steps of 4e-7 degrees, 4 cm, rounded: a small integer of a board.

    text: degrees of degrees_size digits, then minutes. ValueError for what is no such angle.
    """
    middle = min(start + degrees_size, end)
    degrees = fixed_point(text, start, middle, 0)
    minutes_e7 = fixed_point(text, middle, end, 7)
    degrees_max = 90 if degrees_size == 2 else 180
    if not 0 <= minutes_e7 < 600_000_000 or not 0 <= degrees <= degrees_max:
        raise ValueError("no angle")
    if degrees == degrees_max and minutes_e7:
        raise ValueError("no angle")
    half = _MINUTES_E7_PER_STEP // 2
    return degrees * _STEPS_PER_DEGREE + (minutes_e7 + half) // _MINUTES_E7_PER_STEP


def seconds_of_day(text: "Text", start: int, end: int) -> int:
    """Return the whole seconds of "hhmmss.ss"; ValueError for what is no time."""
    number = fixed_point(text, start, end, 0)
    hour, minute, second = number // 10_000, number // 100 % 100, number % 100
    size = 0
    while start + size < end and text[start + size] != _POINT:
        size += 1
    # 60: a leap second.
    if size != 6 or number < 0 or hour > 23 or minute > 59 or second > 60:
        raise ValueError("no time")
    return hour * 3600 + minute * 60 + second


def days_since_2000(text: "Text", start: int, end: int) -> int:
    """Return the days from 2000-01-01 to "ddmmyy", 2000..2099; ValueError for what is no date."""
    number = fixed_point(text, start, end, 0)
    day, month, year = number // 10_000, number // 100 % 100, number % 100
    if end - start != 6 or number < 0 or not 1 <= month <= 12:
        raise ValueError("no date")
    is_leap = year % 4 == 0
    before = _DAYS_BEFORE[month - 1]
    if not 1 <= day <= _DAYS_BEFORE[month] - before + (is_leap and month == 2):
        raise ValueError("no date")
    leap_days = (year + 3) // 4 + (is_leap and month > 2)  # of the years before; 2000 is one
    return year * 365 + leap_days + before + day - 1
