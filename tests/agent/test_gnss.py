"""The satellite receiver's driver against sentences on a serial port."""

from array import array

from agent.drivers.errors import SensorError
from agent.drivers.gnss import Gnss
from tests.agent.serial_board import SerialBoard

SETTINGS = {"name": "bus", "uart": 1, "every_ms": 1000}
SECOND_US = 1_000_000
NOON_S = (26 * 365 + 7 + 326) * 86_400 + 12 * 3600  # 2026-11-23 12:00, since 2000-01-01


def sentence(body: str) -> bytes:
    checksum = 0
    for byte in body.encode():
        checksum ^= byte
    return b"$%s*%02X\r\n" % (body.encode(), checksum)


def gga(time: str, quality: str = "1", height: str = "38.4", talker: str = "GN") -> bytes:
    place = "3539.12345,N,13944.54321,E" if quality != "0" else ",,,"
    return sentence(
        talker + "GGA," + time + "," + place + "," + quality + ",09,1.0," + height + ",M,36,M,,"
    )


def rmc(time: str, state: str = "A", speed: str = "10.000", talker: str = "GN") -> bytes:
    place = "3539.12345,N,13944.54321,E" if state == "A" else ",,,"
    return sentence(
        talker + "RMC," + time + "," + state + "," + place + "," + speed + ",,231126,,,A"
    )


def started() -> "tuple[SerialBoard, Gnss, array[int]]":
    board = SerialBoard(9600)
    sensor = Gnss(board, SETTINGS)
    sensor.start()
    return board, sensor, array("i", [0] * 6)


def read_after(data: bytes) -> "list[int]":
    """Return the reading after data, empty if there was none."""
    board, sensor, out = started()
    board.pending += data
    return list(out) if sensor.read(out, SECOND_US) else []


def error_of(sensor: Gnss, now_us: int) -> SensorError:
    try:
        sensor.read(array("i", [0] * 6), now_us)
    except SensorError as error:
        return error
    assert False


def test_both_sentences_of_a_moment_make_a_reading() -> None:
    expected = [89_130_144, 349_355_967, 3840, 5144, 9, NOON_S + 1]
    for data in (rmc("120001.00") + gga("120001.00"), gga("120001") + rmc("120001.00")):
        assert read_after(data) == expected


def test_south_and_west_are_negative_and_no_other_letter_will_do() -> None:
    def with_place(place: str) -> "list[int]":
        body = "GNGGA,120001.00," + place + ",1,09,1.0,38.4,M,36,M,,"
        return read_after(rmc("120001.00") + sentence(body))

    assert with_place("3539.12345,S,13944.54321,W")[:2] == [-89_130_144, -349_355_967]
    for letter in ("", "X", "NE", "n"):
        assert with_place("3539.12345," + letter + ",13944.54321,E") == []


def test_newest_of_several_counts() -> None:
    times = ("120000.00", "120001.00", "120002.00")
    data = b"".join([rmc(time) + gga(time) for time in times])
    assert read_after(data)[5] == NOON_S + 2


def test_every_talker_will_do_and_other_sentences_do_not_disturb() -> None:
    for talker in ("GP", "GL", "GQ", "GB"):
        data = rmc("120000.00", talker=talker) + sentence("GPGSV,1,1,00")
        assert read_after(data + gga("120000.00", talker=talker))[5] == NOON_S


def test_sentences_of_two_moments_make_no_reading() -> None:
    assert read_after(rmc("120000.00") + gga("120001.00")) == []
    assert read_after(rmc("120000.10") + gga("120000.20")) == []
    assert read_after(rmc("120000.00") + gga("120001.00") + rmc("120001.00"))[5] == NOON_S + 1


def test_no_fix_is_no_reading() -> None:
    for broken in (
        rmc("120000.00", state="V") + gga("120000.00"),
        rmc("120000.00") + gga("120000.00", quality="0"),
        rmc("120000.00") + gga("120000.00", quality="6"),
        rmc("120000.00") + gga("120000.00", quality="8"),
        rmc("120000.00") + gga("120000.00", quality=""),
        rmc("", state="V") + gga("", quality="0"),
    ):
        assert read_after(broken) == []


def test_fix_that_goes_takes_the_old_half_with_it() -> None:
    assert read_after(rmc("120000.00") + gga("120000.00", quality="0") + rmc("120000.00")) == []
    assert read_after(gga("120000.00") + rmc("120000.00", state="V") + gga("120000.00")) == []


def test_numbers_that_cannot_be_are_refused_and_counted() -> None:
    for broken in (
        rmc("120000.00", speed="") + gga("120000.00"),
        rmc("120000.00", speed="300") + gga("120000.00"),
        rmc("120000.00", speed="-1") + gga("120000.00"),
        rmc("120000.00") + gga("120000.00", height=""),
        rmc("120000.00") + gga("120000.00", height="10001"),
        rmc("120000.00") + gga("120000.00", height="-1001"),
        rmc("250000.00") + gga("250000.00"),
        rmc("120000.00") + sentence("GNGGA,120000.00"),
    ):
        assert read_after(broken) == []
    board, sensor, out = started()
    board.pending += rmc("120000.00", speed="x")
    sensor.read(out, 0)
    assert sensor.sentence_errors == 1


def test_bus_that_stands_has_a_speed_of_zero() -> None:
    assert read_after(rmc("120000.00", speed="0.000") + gga("120000.00"))[3] == 0


def test_sentence_of_another_type_is_no_error() -> None:
    board, sensor, out = started()
    board.pending += sentence("GPGSV,3,1,12,01,40,083,46,02,17,308,41") + sentence("GPRMC,1")
    sensor.read(out, 0)
    assert sensor.sentence_errors == 0


def test_fix_that_goes_takes_the_newer_half_with_it() -> None:
    gone = rmc("120000.00") + rmc("120000.00", state="V") + gga("120000.00")
    assert read_after(gone) == []


def test_moment_is_read_once_and_missing_ones_are_counted() -> None:
    board, sensor, out = started()
    board.pending += rmc("120000.00") + gga("120000.00")
    assert sensor.read(out, 0) == 1
    board.pending += rmc("120000.00") + gga("120000.00")
    assert sensor.read(out, SECOND_US) == 0
    assert sensor.overflows == 0
    board.pending += rmc("120003.00") + gga("120003.00")
    assert sensor.read(out, 3 * SECOND_US) == 1
    assert sensor.overflows == 1


def test_silence_and_a_time_that_stands_still_are_errors() -> None:
    board, sensor, out = started()
    assert sensor.read(out, 5 * SECOND_US) == 0
    assert "UART 1" in error_of(sensor, 5 * SECOND_US + 1).remedy
    sensor.start()
    for second in range(6):
        board.pending += rmc("120000.00") + gga("120000.00")
        assert sensor.read(out, second * SECOND_US) == (1 if second == 0 else 0)
    board.pending += rmc("120000.00") + gga("120000.00")
    assert "nothing readable and new" in error_of(sensor, 5 * SECOND_US + 1).cause


def test_ten_minutes_without_a_fix_are_an_error_that_names_the_antenna() -> None:
    board, sensor, out = started()
    board.time_us = 50 * SECOND_US
    sensor.start()
    board.pending += rmc("115959.00") + gga("115959.00")
    assert sensor.read(out, 100 * SECOND_US) == 1
    for second in range(601):
        time = f"12{second // 60:02d}{second % 60:02d}.00"
        board.pending += rmc(time, state="V") + gga(time, quality="0")
        assert sensor.read(out, (100 + second) * SECOND_US) == 0
    board.pending += rmc("121001.00", state="V")
    assert "antenna" in error_of(sensor, 700 * SECOND_US + 1).remedy


def test_line_is_read_before_half_of_the_buffer_is_full() -> None:
    assert Gnss(SerialBoard(9600), SETTINGS).poll_us == 133_333
    settings = dict(SETTINGS)
    settings["baudrate"] = 115_200
    assert Gnss(SerialBoard(115_200), settings).poll_us == 11_111


def test_self_test_wants_a_fix() -> None:
    board, sensor, _ = started()
    board.pending += rmc("120000.00", state="V") + gga("120000.00", quality="0")
    assert not sensor.self_test()
    board.pending += rmc("120001.00") + gga("120001.00")
    assert sensor.self_test()


def test_self_test_does_not_take_old_news() -> None:
    board, sensor, _ = started()
    board.time_us = 60 * SECOND_US
    sensor.start()
    board.pending += rmc("120000.00") + gga("120000.00")
    assert sensor.self_test()
    board.time_us += 5 * SECOND_US
    assert sensor.self_test()
    board.time_us += 1
    assert not sensor.self_test()


def test_second_start_begins_anew_without_a_loss() -> None:
    board, sensor, out = started()
    board.pending += rmc("120000.00") + gga("120000.00")
    assert sensor.read(out, 0) == 1
    board.pending += (rmc("120000.00") + gga("120000.00"))[:9]
    sensor.read(out, 1)
    board.time_us = 60 * SECOND_US
    sensor.start()
    assert sensor.read(out, 60 * SECOND_US) == 0
    assert not sensor.self_test()
    board.pending += rmc("120000.00") + gga("120000.00")
    assert sensor.read(out, 61 * SECOND_US) == 1
    assert sensor.overflows == 0


def test_speeds_and_heights_up_to_the_limits_are_read() -> None:
    for knots, mm_per_s in (("250.000", 128_611), ("290.000", 149_188), ("291.578", 150_000)):
        found = read_after(rmc("120000.00", speed=knots) + gga("120000.00"))
        assert found[3] == mm_per_s
    assert read_after(rmc("120000.00", speed="291.580") + gga("120000.00")) == []
    for height, height_cm in (("-1000.00", -100_000), ("10000.00", 1_000_000)):
        assert read_after(rmc("120000.00") + gga("120000.00", height=height))[2] == height_cm
    for height in ("-1000.01", "10000.01"):
        assert read_after(rmc("120000.00") + gga("120000.00", height=height)) == []


def test_sentences_may_end_after_the_last_field_that_is_read() -> None:
    short_gga = "GNGGA,120000.00,3539.12345,N,13944.54321,E,1,09,1.0,38.4"
    short_rmc = "GNRMC,120000.00,A,3539.12345,N,13944.54321,E,10.000,,231126"
    assert len(read_after(sentence(short_gga) + sentence(short_rmc))) == 6


def test_a_receiver_that_hangs_at_midnight_hangs_as_well() -> None:
    board, sensor, out = started()
    for second in range(6):
        board.pending += rmc("000000.00") + gga("000000.00")
        sensor.read(out, second * SECOND_US)
    board.pending += rmc("000000.00") + gga("000000.00")
    assert "nothing readable and new" in error_of(sensor, 5 * SECOND_US + 1).cause


def test_half_a_sentence_does_not_outlive_a_start() -> None:
    board, sensor, out = started()
    whole = rmc("120000.00")
    board.pending += gga("120000.00") + whole[:20]
    sensor.read(out, 0)
    sensor.start()
    board.pending += gga("120000.00") + whole[20:]
    assert sensor.read(out, SECOND_US) == 0
    sensor.start()
    board.pending += whole[:20]
    sensor.read(out, 2 * SECOND_US)
    sensor.start()
    board.pending += whole[20:] + gga("120000.00")
    assert sensor.read(out, 3 * SECOND_US) == 0
    assert not sensor.sentence_errors
