"""Sentences of NMEA 0183, byte by byte."""

from agent.drivers.nmea import (
    SENTENCE_SIZE_MAX,
    TALKERS,
    SentenceReader,
    days_since_2000,
    degrees_e7,
    fixed_point,
    seconds_of_day,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A sentence with its checksum as it stands in many manuals.
GGA = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"


def read(data: bytes) -> "tuple[list[list[str]], int]":
    """Return (the sentences found, the errors counted)."""
    reader = SentenceReader()
    found = []
    for byte in data:
        fields = reader.feed(byte)
        if fields is not None:
            found.append(fields)
    return found, reader.errors


def sentence(body: bytes) -> bytes:
    checksum = 0
    for byte in body:
        checksum ^= byte
    return b"$" + body + b"*%02x\r\n" % checksum


def is_refused(call: "Any", *arguments: object) -> bool:
    try:
        call(*arguments)
    except ValueError:
        return True
    return False


def test_sentence_becomes_its_fields() -> None:
    found, errors = read(GGA)
    assert errors == 0
    assert found[0][:4] == ["GGA", "123519", "4807.038", "N"]
    assert len(found[0]) == 15


def test_every_talker_is_heard_and_others_are_not() -> None:
    for talker in TALKERS:
        assert read(sentence(talker.encode() + b"RMC,1"))[0] == [["RMC", "1"]]
    for other in (b"PUBX,00", b"AIVDM,1", b"II", b""):
        assert read(sentence(other)) == ([], 0)


def test_each_bit_flip_is_refused() -> None:
    for bit in range(8 * (len(GGA) - 2)):
        damaged = bytearray(GGA)
        damaged[bit // 8] ^= 1 << bit % 8
        found = read(bytes(damaged) + GGA)[0]
        # A changed case of a checksum's digit says the same; here both digits are figures.
        assert len(found) == 1 and found[0][1] == "123519"


def test_reader_joins_in_the_middle_and_goes_on_after_a_cut() -> None:
    for cut in range(1, len(GGA) - 2):
        assert len(read(GGA[cut:] + GGA)[0]) == 1
        found, errors = read(GGA[:cut] + GGA)
        assert (len(found), errors) == (1, 1)


def test_lines_that_never_end_are_cut_and_counted() -> None:
    assert read(b"$" + b"A" * 5 * SENTENCE_SIZE_MAX + GGA)[1] == 1
    assert len(read(b"$" + b"A" * 5 * SENTENCE_SIZE_MAX + GGA)[0]) == 1


def test_longest_sentence_fits() -> None:
    body = b"GNTXT," + b"9" * 110
    assert len(sentence(body)) == 122 == SENTENCE_SIZE_MAX + 2
    assert len(read(sentence(body))[0]) == 1
    assert read(sentence(body + b"9")) == ([], 1)


def test_only_printable_bytes_make_a_sentence() -> None:
    assert read(sentence(b"GNTXT, ~")) == ([["TXT", " ~"]], 0)
    for byte in (0x00, 0x1F, 0x7F, 0x80, 0xFF):
        assert read(sentence(b"GNTXT," + bytes((byte,)))) == ([], 1)


def test_empty_and_short_lines_are_refused() -> None:
    for line in (b"$\r\n", b"$*\r\n", b"$*0\r\n", b"$G\r\n", b"$GPGGA\r\n"):
        assert read(line) == ([], 1)
    assert read(b"\r\n\r\n*47\r\n") == ([], 0)


def test_numbers_are_exact() -> None:
    assert fixed_point("545.4", 2) == 54_540
    assert fixed_point("-0.05", 2) == -5
    assert fixed_point("12", 3) == 12_000
    assert fixed_point("1.23456", 2) == 123
    assert fixed_point("7.", 1) == 70
    for text in ("", "-", ".5", "1.2.3", "1e5", " 1", "+1", "--1", "1.-2", "a"):
        assert is_refused(fixed_point, text, 2)


def test_angles_are_in_1e_7_degrees() -> None:
    assert degrees_e7("4807.038", "N", 2) == 481_173_000
    assert degrees_e7("01131.000", "E", 3) == 115_166_667
    assert degrees_e7("01131.000", "W", 3) == -115_166_667
    assert degrees_e7("3539.12345", "S", 2) == -356_520_575
    assert degrees_e7("0000.00003", "N", 2) == 5
    assert degrees_e7("0000.0000029", "N", 2) == 0
    assert degrees_e7("0000.0000030", "N", 2) == 1
    assert degrees_e7("9000.000", "S", 2) == -900_000_000
    assert degrees_e7("18000.0", "E", 3) == 1_800_000_000


def test_angles_that_cannot_be_are_refused() -> None:
    for text, hemisphere, size in (
        ("", "N", 2),
        ("4807.038", "", 2),
        ("4807.038", "X", 2),
        ("4860.000", "N", 2),
        ("9000.001", "N", 2),
        ("18000.001", "E", 3),
        ("9000.000006", "N", 2),
        ("18000.000006", "E", 3),
        ("48", "N", 2),
        ("-107.0", "N", 2),
        ("48-7.0", "N", 2),
    ):
        assert is_refused(degrees_e7, text, hemisphere, size)


def test_times_of_day() -> None:
    assert seconds_of_day("000000") == 0
    assert seconds_of_day("123519.00") == 45_319
    assert seconds_of_day("235960.5") == 86_400  # a leap second
    for text in ("", "12351", "240000", "126000", "123561", "12a519", "-12351"):
        assert is_refused(seconds_of_day, text)
    for text in ("12345.6", "12345.", "1235190", "0123519.0", "123519.5.5", "123519.x"):
        assert is_refused(seconds_of_day, text)


def test_dates() -> None:
    for text, days in (
        ("010100", 0),
        ("290200", 59),
        ("010300", 60),
        ("010101", 366),
        ("010104", 1461),
        ("010304", 1521),
        ("231126", 9823),
        ("311299", 36_524),
    ):
        assert days_since_2000(text) == days
    for text in (
        "",
        "10126",
        "320126",
        "321226",
        "000126",
        "010026",
        "011326",
        "290226",
        "0101260",
    ):
        assert is_refused(days_since_2000, text)
