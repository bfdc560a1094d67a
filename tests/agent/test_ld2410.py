"""The radar's driver against bytes on a serial port."""

from array import array

from agent.drivers.errors import SensorError
from agent.drivers.ld2410 import Ld2410
from tests.agent.serial_board import SerialBoard

SETTINGS = {"name": "room", "uart": 1, "every_ms": 1000}
SECOND_US = 1_000_000
# The maker's example, protocol V1.02, section 2.3.1: still at 59 % energy, nobody moves.
MAKERS = (
    b"\xf4\xf3\xf2\xf1\x0d\x00\x02\xaa\x02\x51\x00\x00\x00\x00\x3b\x00\x00\x55\x00\xf8\xf7\xf6\xf5"
)


def report(state: int, moving_cm: int = 0, still_cm: int = 0) -> bytes:
    moving = bytes((moving_cm & 0xFF, moving_cm >> 8, 50))
    still = bytes((still_cm & 0xFF, still_cm >> 8, 100))
    return MAKERS[:8] + bytes((state,)) + moving + still + b"\x00\x00" + MAKERS[17:]


def engineering(state: int, moving_cm: int) -> bytes:
    plain = report(state, moving_cm)
    gates = b"\x08\x08" + bytes(range(18)) + b"\x10\x01"
    return MAKERS[:4] + b"\x23\x00\x01" + plain[7:17] + gates + plain[17:]


def started() -> "tuple[SerialBoard, Ld2410, array[int]]":
    board = SerialBoard(256_000)
    sensor = Ld2410(board, SETTINGS)
    sensor.start()
    return board, sensor, array("i", [0, 0, 0])


def read_after(data: bytes) -> "tuple[list[int], int]":
    """Return (presence, moving, still; empty if there was no reading; errors) after one read."""
    board, sensor, out = started()
    board.pending += data
    return (list(out) if sensor.read(out, SECOND_US) else []), sensor.frame_errors


def test_example_of_the_maker_is_read() -> None:
    assert read_after(MAKERS) == ([2, 0, 0], 0)


def test_states_and_distances() -> None:
    assert read_after(report(0, 123, 456)) == ([0, 0, 0], 0)
    assert read_after(report(1, 123, 456)) == ([1, 123, 0], 0)
    assert read_after(report(2, 123, 456)) == ([2, 0, 456], 0)
    assert read_after(report(3, 123, 456)) == ([3, 123, 456], 0)


def test_engineering_mode_is_read_too() -> None:
    assert len(engineering(1, 300)) == 45
    assert read_after(engineering(1, 300)) == ([1, 300, 0], 0)


def test_who_passes_between_two_samples_is_seen() -> None:
    board, sensor, out = started()
    made = []
    for tenth, state in enumerate((0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 0) + (0,) * 20):
        board.pending += report(state, 100, 200)
        if sensor.read(out, tenth * SECOND_US // 10):
            made.append(out[0])
    assert made == [0, 3, 0, 0]


def test_state_that_lasts_is_told_though_no_report_came_in_between() -> None:
    board, sensor, out = started()
    board.pending += report(2, 0, 100)
    assert sensor.read(out, 0) == 1
    assert sensor.read(out, SECOND_US) == 1
    assert list(out) == [2, 0, 100]


def test_report_may_arrive_byte_by_byte() -> None:
    board, sensor, out = started()
    for index in range(len(MAKERS)):
        assert sensor.read(out, index) == 0
        board.pending += MAKERS[index : index + 1]
    assert sensor.read(out, 100) == 1


def test_reader_joins_in_the_middle_of_a_report() -> None:
    for lost in range(1, len(MAKERS)):
        assert read_after(MAKERS[lost:] + report(1, 77)) == ([1, 77, 0], 0)


def test_report_that_begins_inside_a_broken_one_is_found() -> None:
    for cut in range(1, len(MAKERS)):
        values, errors = read_after(MAKERS[:cut] + report(1, 77))
        assert values == [1, 77, 0]
        assert errors <= 1


def test_report_that_is_not_just_so_is_refused() -> None:
    good = report(3, 123, 456)
    for at, value in (
        (3, 0xF2),
        (4, 0x0C),
        (5, 0x01),
        (6, 0x03),
        (6, 0x01),
        (7, 0xAB),
        (8, 0x04),
        (10, 0x04),
        (11, 0x65),
        (13, 0x04),
        (14, 0x65),
        (17, 0x54),
        (18, 0x01),
        (19, 0xF9),
        (22, 0xF4),
    ):
        broken = bytearray(good)
        broken[at] = value
        assert read_after(bytes(broken))[0] == []
        assert read_after(bytes(broken) + MAKERS * 3)[0] == [2, 0, 0]


def test_farthest_distance_and_strongest_echo_are_just_so() -> None:
    assert read_after(report(3, 800, 800)) == ([3, 800, 800], 0)
    assert read_after(report(3, 801, 800)) == ([], 1)
    assert read_after(report(2, 0, 0x0103)) == ([2, 0, 0x0103], 0)


def test_broken_report_is_counted() -> None:
    assert read_after(MAKERS[:18] + b"\x01" + MAKERS[19:]) == ([], 1)


def test_headers_without_end_do_not_confuse() -> None:
    assert read_after(b"\xf4" * 10 + b"\xf4\xf3" * 5 + MAKERS)[0] == [2, 0, 0]


def test_three_silent_seconds_are_an_error_that_names_the_wire() -> None:
    board, sensor, out = started()
    board.pending += MAKERS
    assert sensor.read(out, 0) == 1
    assert sensor.self_test()
    for second in range(1, 4):
        sensor.read(out, second * SECOND_US)
    try:
        sensor.read(out, 3 * SECOND_US + 1)
        assert False
    except SensorError as error:
        assert "room" in error.cause and "3 s" in error.cause
        assert "UART 1" in error.remedy
    sensor.start()
    assert not sensor.self_test()


def test_self_test_does_not_take_old_news() -> None:
    board, sensor, _ = started()
    board.time_us = 60 * SECOND_US
    sensor.start()
    board.pending += MAKERS
    assert sensor.self_test()
    board.time_us += 3 * SECOND_US
    assert sensor.self_test()
    board.time_us += 1
    assert not sensor.self_test()


def test_second_start_begins_anew_without_a_loss() -> None:
    board, sensor, out = started()
    board.pending += MAKERS
    assert sensor.read(out, 0) == 1
    board.pending += MAKERS[:9]
    sensor.read(out, 1)
    board.time_us = 60 * SECOND_US
    sensor.start()
    assert sensor.read(out, 60 * SECOND_US) == 0
    assert not sensor.self_test()
    board.pending += MAKERS
    assert sensor.read(out, 61 * SECOND_US) == 1
    assert sensor.overflows == 0


def long_report(size: int) -> bytes:
    """Return a report of engineering mode, as a later firmware might lengthen it."""
    body = b"\x01" + report(1, 300)[7:17] + bytes(size - 13) + b"\x55\x00"
    return MAKERS[:4] + bytes((size, 0)) + body + MAKERS[-4:]


def test_longest_report_is_taken_and_a_longer_one_is_none() -> None:
    assert read_after(long_report(64)) == ([1, 300, 0], 0)
    assert read_after(long_report(65))[0] == []


def test_samples_that_a_stall_swallowed_are_counted() -> None:
    board, sensor, out = started()
    for second, overflows in ((0, 0), (1, 0), (2, 0), (5, 1), (6, 1), (9, 2)):
        board.pending += MAKERS
        assert sensor.read(out, second * SECOND_US) == 1
        assert sensor.overflows == overflows
