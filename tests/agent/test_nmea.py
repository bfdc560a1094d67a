"""Sentences of NMEA 0183, byte by byte."""

from agent.drivers.nmea import (
    FIELDS_MAX,
    SENTENCE_SIZE_MAX,
    TALKERS,
    SentenceReader,
    angle_steps,
    days_since_2000,
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
        if reader.feed(byte):
            starts = reader.starts
            found.append(
                [
                    bytes(reader.line[starts[index] : starts[index + 1] - 1]).decode()
                    for index in range(reader.count)
                ]
            )
    return found, reader.errors


def of(call: "Any", text: str, *arguments: int) -> int:
    """Let a text be read in the middle of others."""
    data = b"9," + text.encode() + b",9"
    result: int = call(data, 2, 2 + len(text), *arguments)
    return result


def sentence(body: bytes) -> bytes:
    checksum = 0
    for byte in body:
        checksum ^= byte
    return b"$" + body + b"*%02x\r\n" % checksum


def is_refused(call: "Any", *arguments: "Any") -> bool:
    try:
        of(call, *arguments)
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
    assert of(fixed_point, "545.4", 2) == 54_540
    assert of(fixed_point, "-0.05", 2) == -5
    assert of(fixed_point, "12", 3) == 12_000
    assert of(fixed_point, "1.23456", 2) == 123
    assert of(fixed_point, "7.", 1) == 70
    for text in ("", "-", ".5", "1.2.3", "1e5", " 1", "+1", "--1", "1.-2", "a"):
        assert is_refused(fixed_point, text, 2)


def test_angles_are_in_steps_of_4e_7_degrees() -> None:
    assert of(angle_steps, "4807.038", 2) == 481_173_000 // 4
    assert of(angle_steps, "01131.000", 3) == 28_791_667
    assert of(angle_steps, "3539.12345", 2) == 89_130_144
    assert of(angle_steps, "0000.0000119", 2) == 0
    assert of(angle_steps, "0000.0000120", 2) == 1
    assert of(angle_steps, "9000.000", 2) == 900_000_000 // 4
    assert of(angle_steps, "18000.0", 3) == 1_800_000_000 // 4


def test_angles_that_cannot_be_are_refused() -> None:
    for text, size in (
        ("", 2),
        ("4860.000", 2),
        ("9000.001", 2),
        ("9100.000", 2),
        ("18000.001", 3),
        ("9000.0000001", 2),
        ("18000.0000001", 3),
        ("48", 2),
        ("-107.0", 2),
        ("48-7.0", 2),
    ):
        assert is_refused(angle_steps, text, size)


def test_a_sentence_of_many_fields_keeps_to_its_room() -> None:
    found, errors = read(sentence(b"GNGSV" + b"," * 60))
    assert errors == 0 and len(found[0]) == FIELDS_MAX
    assert found[0][:-1] == ["GSV"] + [""] * (FIELDS_MAX - 2)


def test_type_letter_and_number_of_a_field() -> None:
    reader = SentenceReader()
    assert [reader.feed(byte) for byte in GGA].count(True) == 1
    assert reader.is_type(b"GGA") and not reader.is_type(b"GGB") and not reader.is_type(b"GG")
    assert [reader.letter(field) for field in (2, 3, 6, 13)] == [0, ord("N"), ord("1"), 0]
    assert reader.is_empty(13) and not reader.is_empty(3)
    assert reader.number(9, 2) == 54_540


def test_times_of_day() -> None:
    assert of(seconds_of_day, "000000") == 0
    assert of(seconds_of_day, "123519.00") == 45_319
    assert of(seconds_of_day, "235960.5") == 86_400  # a leap second
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
        assert of(days_since_2000, text) == days
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
