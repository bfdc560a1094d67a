"""Sentences of NMEA 0183, as satellite receivers say them: "$GNRMC,...*5A" and a line end.

Numbers become integers; a field that is not just so makes no number. Talkers: GP GPS, GL GLONASS,
GA Galileo, GB and BD BeiDou, GI NavIC, GQ and QZ QZSS (Michibiki), GN several of them together.
"""

from protocols.portable import const

TALKERS = ("GN", "GP", "GL", "GA", "GB", "BD", "GI", "GQ", "QZ")
SENTENCE_SIZE_MAX = const(120)  # the standard says 82; receivers with more digits say more
_START = const(0x24)  # $
_CHECKSUM_SIZE = const(3)  # *hh


class SentenceReader:
    """Finds the sentences in a stream of bytes. errors: lines that were broken."""

    def __init__(self) -> None:
        self.errors = 0
        self._line = bytearray(SENTENCE_SIZE_MAX)
        self._filled = 0  # 0: between sentences

    def feed(self, byte: int) -> "list[str] | None":
        """Take a byte; return the fields of a whole sentence, the first its type, or None.

        The type is without its talker; sentences of other talkers are passed over.
        """
        if byte == _START:
            self.errors += 1 if self._filled else 0
            self._filled = 1
        elif self._filled == 0:
            return None
        elif byte in b"\r\n":
            size = self._filled
            self._filled = 0
            return self._fields(size)
        elif self._filled == SENTENCE_SIZE_MAX or not 0x20 <= byte < 0x7F:
            self.errors += 1
            self._filled = 0
            return None
        else:
            self._line[self._filled] = byte
            self._filled += 1
        return None

    def forget(self) -> None:
        """Drop the sentence that has begun."""
        self._filled = 0

    def _fields(self, size: int) -> "list[str] | None":
        end = size - _CHECKSUM_SIZE
        checksum = 0
        for index in range(1, end):
            checksum ^= self._line[index]
        tail = bytes(self._line[max(end, 0) : size])
        if end < 1 or tail.upper() != b"*%02X" % checksum:
            self.errors += 1
            return None
        text = bytes(self._line[1:end]).decode()
        if text[:2] not in TALKERS:
            return None
        return text[2:].split(",")


def fixed_point(text: str, decimals: int) -> int:
    """Return a decimal number times 10 ** decimals, cut off; ValueError for anything else."""
    sign = 1
    if text[:1] == "-":
        text, sign = text[1:], -1
    whole, _, fraction = text.partition(".")
    if not whole.isdigit() or not (fraction == "" or fraction.isdigit()):
        raise ValueError("no number: " + text)
    return sign * int(whole + (fraction + "0" * decimals)[:decimals])


def degrees_e7(text: str, hemisphere: str, degrees_size: int) -> int:
    """Return an angle in 1e-7 degrees, rounded.

    text: degrees of degrees_size digits, then minutes. hemisphere: "N", "E", or "S", "W" for a
    negative angle. ValueError for what is no such angle.
    """
    if hemisphere not in ("N", "S", "E", "W"):
        raise ValueError("no hemisphere: " + hemisphere)
    degrees = fixed_point(text[:degrees_size], 0)
    minutes_e7 = fixed_point(text[degrees_size:], 7)
    if minutes_e7 >= 600_000_000 or minutes_e7 < 0 or degrees < 0:
        raise ValueError("no angle: " + text)
    angle = degrees * 10_000_000 + (minutes_e7 + 30) // 60
    if angle > (900_000_000 if degrees_size == 2 else 1_800_000_000):
        raise ValueError("no angle: " + text)
    return -angle if hemisphere in ("S", "W") else angle


def seconds_of_day(text: str) -> int:
    """Return the whole seconds of "hhmmss.ss"; ValueError for what is no time."""
    number = fixed_point(text, 0)
    hour, minute, second = number // 10_000, number // 100 % 100, number % 100
    # 60: a leap second.
    if len(text.partition(".")[0]) != 6 or number < 0 or hour > 23 or minute > 59 or second > 60:
        raise ValueError("no time: " + text)
    return hour * 3600 + minute * 60 + second


def days_since_2000(text: str) -> int:
    """Return the days from 2000-01-01 to "ddmmyy", 2000..2099; ValueError for what is no date."""
    number = fixed_point(text, 0)
    day, month, year = number // 10_000, number // 100 % 100, number % 100
    lengths = (31, 29 if year % 4 == 0 else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    if len(text) != 6 or number < 0 or not 1 <= month <= 12 or not 1 <= day <= lengths[month - 1]:
        raise ValueError("no date: " + text)
    leap_days = (year + 3) // 4  # of the years before; 2000 is one
    return year * 365 + leap_days + sum(lengths[: month - 1]) + day - 1
