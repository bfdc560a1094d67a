"""The MB7389's driver against bytes on a serial port."""

from array import array

from agent.drivers.errors import SensorError
from agent.drivers.mb7389 import Mb7389
from tests.agent.serial_board import SerialBoard

SETTINGS = {"name": "level", "uart": 1, "height_mm": 4000, "every_ms": 1000}
SECOND_US = 1_000_000


def started() -> "tuple[SerialBoard, Mb7389, array[int]]":
    board = SerialBoard(9600)
    sensor = Mb7389(board, SETTINGS)
    sensor.start()
    return board, sensor, array("i", [0])


def read_after(data: bytes) -> "tuple[int, int, int]":
    """Return (count, level in mm, frame errors) after data and one read."""
    board, sensor, out = started()
    board.pending += data
    return sensor.read(out, SECOND_US), out[0], sensor.frame_errors


def test_line_becomes_a_level() -> None:
    assert read_after(b"R1234\r") == (1, 4000 - 1234, 0)


def test_newest_of_several_lines_counts() -> None:
    assert read_after(b"R1000\rR1100\rR1200\r") == (1, 2800, 0)


def test_line_may_arrive_byte_by_byte() -> None:
    board, sensor, out = started()
    for index in range(6):
        assert sensor.read(out, index * 1000) == 0
        board.pending += b"R1953\r"[index : index + 1]
    assert sensor.read(out, 6000) == 1
    assert out[0] == 4000 - 1953


def test_what_it_says_after_power_up_is_no_level() -> None:
    count, _, _ = read_after(b"HRXL-MaxSonar-WRMT\rMB7389\rRoHS 1.0\rTempI\r")
    assert count == 0
    assert read_after(b"HRXL-MaxSonar-WRMT\rPN:MB7389\rRoHS\rR0500\r")[:2] == (1, 3500)


def test_reader_joins_in_the_middle_of_a_line() -> None:
    for lost in range(1, 6):
        assert read_after(b"R1953\r"[lost:] + b"R1000\r") == (1, 3000, 0)


def test_line_that_is_not_just_so_is_refused_and_counted() -> None:
    for broken in (
        b"R123\r",
        b"R12345\r",
        b"R1?34\r",
        b"R1:34\r",
        b"R1/34\r",
        b"R1234\n",
        b"R-123\r",
        b"R 123\r",
    ):
        assert read_after(broken) == (0, 0, 1)
        assert read_after(broken + b"R1000\r") == (1, 3000, 1)


def test_line_that_begins_inside_a_broken_one_is_found() -> None:
    for cut in range(1, 6):
        assert read_after(b"R1953\r"[:cut] + b"R1000\r") == (1, 3000, 1)


def test_no_echo_is_no_level_and_the_nearest_is() -> None:
    for distance_mm, expected in ((0, 0), (299, 0), (300, 1), (4999, 1), (5000, 0), (9999, 0)):
        assert read_after(b"R%04d\r" % distance_mm)[0] == expected


def test_faults_are_told_apart() -> None:
    board, sensor, out = started()
    for data, words in ((b"", "nothing readable"), (b"R5000\r", "no echo between 300 and 4999")):
        sensor.start()
        board.pending += data
        sensor.read(out, SECOND_US)
        try:
            sensor.read(out, 3 * SECOND_US + 1)
            assert False
        except SensorError as error:
            assert words in error.cause and "MB7389" in error.cause
    board.pending += b"R1000\r"
    assert sensor.read(out, 4 * SECOND_US) == 1


def test_self_test_wants_an_echo() -> None:
    board, sensor, _ = started()
    assert not sensor.self_test()
    board.pending += b"R1000\r"
    assert sensor.self_test()


def test_self_test_does_not_take_old_news() -> None:
    board, sensor, _ = started()
    board.time_us = 60 * SECOND_US
    sensor.start()
    board.pending += b"R1000\r"
    assert sensor.self_test()
    board.time_us += 3 * SECOND_US
    assert sensor.self_test()
    board.time_us += 1
    assert not sensor.self_test()


def test_second_start_begins_anew_without_a_loss() -> None:
    board, sensor, out = started()
    board.pending += b"R1000\r"
    assert sensor.read(out, 0) == 1
    board.pending += b"R1000\r"[:4]
    sensor.read(out, 1)
    board.time_us = 60 * SECOND_US
    sensor.start()
    assert sensor.read(out, 60 * SECOND_US) == 0
    assert not sensor.self_test()
    board.pending += b"R1000\r"
    assert sensor.read(out, 61 * SECOND_US) == 1
    assert sensor.overflows == 0
