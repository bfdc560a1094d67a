"""What drivers of ultrasonic level sensors share: settings, and levels of a window."""

from array import array

from agent.drivers.errors import SensorError
from agent.drivers.mb7389 import Mb7389
from tests.agent.serial_board import SerialBoard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ECHO_US = 500_000
ECHOES = 59  # a window of just less than 30 s


def opened(**changes: int) -> "tuple[SerialBoard, Mb7389]":
    board = SerialBoard(9600)
    settings: dict[str, Any] = {"name": "level", "uart": 1, "height_mm": 4000}
    settings.update(changes)
    sensor = Mb7389(board, settings)
    sensor.start()
    return board, sensor


def with_window() -> "tuple[SerialBoard, Mb7389]":
    return opened(every_ms=500, window_ms=29_999)


def echoes(board: SerialBoard, sensor: Mb7389, distances_mm: "list[int]") -> "list[int]":
    """Return the levels that reads give, one read of one echo each half a second."""
    out = array("i", [0])
    levels = []
    for distance_mm in distances_mm:
        board.time_us += ECHO_US
        board.pending += b"R%04d\r" % distance_mm
        count = sensor.read(out, board.time_us)
        assert count in (0, 1)
        if count:
            levels.append(out[0])
    return levels


def error_of(distances_mm: "list[int]") -> SensorError:
    board, sensor = with_window()
    try:
        echoes(board, sensor, distances_mm)
    except SensorError as error:
        return error
    raise AssertionError("no error")


def around(distance_mm: int, count: int) -> "list[int]":
    """Return echoes of water: some 1 mm further away."""
    return [distance_mm + index % 2 for index in range(count)]


def test_a_level_is_in_millimetres_each_second_unless_told_otherwise() -> None:
    _, sensor = opened()
    assert sensor.channels == (("", "m", -3, 1),)
    assert (sensor.samples_max, sensor.spacing_us, sensor.poll_us) == (1, 1_000_000, 1_000_000)
    _, sensor = opened(every_ms=5_000)
    assert (sensor.spacing_us, sensor.poll_us) == (5_000_000, 1_000_000)


def test_with_a_window_it_is_in_centimetres_and_the_port_is_looked_at_for_each_echo() -> None:
    _, sensor = opened(every_ms=5_000, window_ms=20_000)
    assert sensor.channels == (("", "m", -2, 1),)
    assert (sensor.samples_max, sensor.spacing_us, sensor.poll_us) == (1, 5_000_000, 500_000)


def test_the_first_level_comes_with_the_echo_that_fills_the_window() -> None:
    board, sensor = with_window()
    assert echoes(board, sensor, around(1005, ECHOES - 1)) == []
    assert echoes(board, sensor, around(1005, 2)) == [299, 299]


def test_means_are_rounded_to_the_centimetre() -> None:
    # (4000 - 1004.5) / 10 = 299.55, (4000 - 1005.5) / 10 = 299.45
    for distance_mm, level_cm in ((1004, 300), (1005, 299)):
        board, sensor = with_window()
        assert echoes(board, sensor, around(distance_mm, ECHOES)) == [level_cm]


def test_a_read_without_a_new_echo_adds_none_to_the_window() -> None:
    board, sensor = with_window()
    out = array("i", [0])
    levels = 0
    for distance_mm in around(1005, ECHOES - 1):
        levels += len(echoes(board, sensor, [distance_mm]))
        board.time_us += ECHO_US
        levels += sensor.read(out, board.time_us)
    assert levels == 0
    assert echoes(board, sensor, [1005]) == [299]


def test_after_a_second_start_the_window_fills_anew() -> None:
    board, sensor = with_window()
    assert len(echoes(board, sensor, around(1005, ECHOES))) == 1
    sensor.start()
    assert echoes(board, sensor, around(1005, ECHOES - 1)) == []
    assert echoes(board, sensor, [1005]) == [299]


def test_echoes_of_no_water_are_an_error_that_says_what_to_look_for() -> None:
    error = error_of([1000] * ECHOES)
    assert "MB7389 is stuck" in error.cause and "ice" in error.remedy
    error = error_of([300 + 79 * index for index in range(ECHOES)])
    assert "MB7389 do not agree" in error.cause and "spray" in error.remedy
