"""The mat's driver against voltages and levels."""

from array import array

from agent.drivers.errors import SensorError
from agent.drivers.pressure_mat import PressureMat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class MatBoard:
    """A board whose only part is an input, analogue or not."""

    def __init__(self, value: int) -> None:
        self.now = value
        self.asked: Any = None

    def adc(self, number: int) -> "MatBoard":
        self.asked = number
        return self

    def pin(self, number: int, mode: str, pull: str) -> "MatBoard":
        self.asked = (number, mode, pull)
        return self

    def wake_at(self, number: int, pull: str) -> bool:
        return False

    def read_u16(self) -> int:
        return self.now

    def value(self) -> int:
        return self.now


def mat(value: int, **settings: "int | str") -> "tuple[MatBoard, PressureMat]":
    board = MatBoard(value)
    row: dict[str, object] = {"name": "bed", "debounce_ms": 0}
    row.update(settings)
    sensor = PressureMat(board, row)
    sensor.start()
    return board, sensor


def states(values: "tuple[int, ...]", **settings: "int | str") -> "list[int]":
    """Return the readings made of values, one poll each."""
    board, sensor = mat(values[0], **settings)
    out = array("i", [-1])
    made = []
    for number, value in enumerate(values):
        board.now = value
        if sensor.read(out, number * 1000):
            made.append(out[0])
    return made


def test_between_the_thresholds_nothing_changes() -> None:
    values = (10_000, 29_999, 30_000, 25_000, 20_001, 29_999, 20_000, 29_999)
    assert states(values, adc=3, on_u16=30_000, off_u16=20_000) == [0, 1, 0]


def test_divider_may_be_wired_the_other_way_round() -> None:
    values = (40_000, 20_001, 20_000, 29_999, 30_000, 20_001)
    assert states(values, adc=3, on_u16=20_000, off_u16=30_000) == [0, 1, 0]


def test_start_between_the_thresholds_is_taken_for_occupied() -> None:
    assert states((25_000,), adc=3, on_u16=30_000, off_u16=20_000) == [1]
    assert states((20_000,), adc=3, on_u16=30_000, off_u16=20_000) == [0]


def test_contact_is_a_yes_or_no() -> None:
    board, _ = mat(1, pin=5, active="low")
    assert board.asked == (5, "in", "up")
    assert states((1, 0, 0, 1), pin=5, active="low") == [0, 1, 0]
    assert states((1, 0, 0, 1), pin=5) == [1, 0, 1]


def test_someone_who_turns_over_has_not_left() -> None:
    board, sensor = mat(1, pin=5, debounce_ms=500)
    assert sensor.poll_us == 250_000
    out = array("i", [-1])
    readings = 0
    for number, level in enumerate((1, 1, 0, 0, 1, 1, 0, 0, 0, 0)):
        board.now = level
        readings += sensor.read(out, number * 200_000)
    assert (readings, out[0]) == (2, 0)


def test_broken_wire_is_an_error_that_names_it() -> None:
    settings = {"adc": 3, "on_u16": 20_000, "off_u16": 40_000, "open_above_u16": 60_000}
    board, sensor = mat(50_000, **settings)
    assert sensor.self_test()
    board.now = 60_001
    assert not sensor.self_test()
    for call in (sensor.start, lambda: sensor.read(array("i", [0]), 0)):
        try:
            call()
            assert False
        except SensorError as error:
            assert "bed" in error.cause and "broken" in error.cause
            assert "cable" in error.remedy
    board.now = 60_000
    sensor.start()


def test_smallest_gap_of_the_thresholds() -> None:
    assert states((1499, 1500), adc=3, on_u16=1500, off_u16=1000) == [1]
    assert states((1000, 1500), adc=3, on_u16=1500, off_u16=1000) == [0, 1]


def test_settings_that_cannot_be_are_refused() -> None:
    for settings, words in (
        ({}, "either adc or pin"),
        ({"adc": 1, "pin": 1}, "either adc or pin"),
        ({"adc": 1}, "500 or more apart"),
        ({"adc": 1, "on_u16": 1000, "off_u16": 1499}, "500 or more apart"),
    ):
        try:
            mat(0, **settings)
            assert False
        except ValueError as error:
            assert words in str(error)
