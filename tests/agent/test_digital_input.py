"""The contact's driver against levels on a pin."""

from array import array

from agent.drivers.digital_input import DigitalInput

MS_US = 1000


class PinBoard:
    """A board whose only part is one pin."""

    def __init__(self, level: int) -> None:
        self.level = level
        self.asked: tuple[int, str, str] | None = None
        self.wakes = False
        self.woken_by: tuple[int, str] | None = None

    def pin(self, number: int, mode: str, pull: str) -> "PinBoard":
        self.asked = (number, mode, pull)
        return self

    def wake_at(self, number: int, pull: str) -> bool:
        self.woken_by = (number, pull)
        return self.wakes

    def value(self) -> int:
        return self.level


def started(level: int = 0, **changes: "str | int") -> "tuple[PinBoard, DigitalInput]":
    board = PinBoard(level)
    settings = {"name": "button", "pin": 7, "debounce_ms": 20}
    settings.update(changes)
    sensor = DigitalInput(board, settings)
    sensor.start()
    return board, sensor


def changes(board: PinBoard, sensor: DigitalInput, levels: str) -> "list[tuple[int, int]]":
    """Poll each 10 ms, one level a poll; return (ms, reading) of each reading made."""
    out = array("i", [-1])
    made = []
    for number, level in enumerate(levels):
        board.level = int(level)
        if sensor.read(out, number * 10 * MS_US):
            made.append((number * 10, out[0]))
    return made


def test_one_reading_at_the_start_and_one_a_change() -> None:
    assert changes(*started(), "0000111110000") == [(0, 0), (60, 1), (110, 0)]


def test_starts_with_the_state_that_it_finds() -> None:
    assert changes(*started(), "1111") == [(0, 1)]


def test_bounces_shorter_than_the_debounce_time_do_not_count() -> None:
    assert changes(*started(), "001010110100000") == [(0, 0)]


def test_contact_that_bounces_on_its_way_counts_once() -> None:
    assert changes(*started(), "0010101111111010000") == [(0, 0), (80, 1), (170, 0)]


def test_low_active_contact_is_pulled_up_and_turned_round() -> None:
    board, sensor = started(active="low")
    assert board.asked == (7, "in", "up")
    assert changes(board, sensor, "11100000") == [(0, 0), (50, 1)]


def test_high_active_contact_is_pulled_down_unless_told() -> None:
    assert started()[0].asked == (7, "in", "down")
    assert started(pull="none")[0].asked == (7, "in", "none")


def test_a_press_as_long_as_the_debounce_time_is_seen_by_its_own_polls() -> None:
    board, sensor = started()
    out = array("i", [-1])
    sensor.read(out, 0)
    for phase_us in range(0, sensor.poll_us, 500):
        board.level, readings = 0, 0
        for number in range(60):
            t_us = number * sensor.poll_us
            pressed = 0 <= t_us - 100 * MS_US - phase_us < 2 * 20 * MS_US
            board.level = 1 if pressed else 0
            readings += sensor.read(out, t_us + phase_us * 10_000)
        assert readings == 2


def test_unknown_active_level_is_refused() -> None:
    try:
        DigitalInput(PinBoard(0), {"name": "door", "pin": 1, "active": "up"})
        assert False
    except ValueError as error:
        assert '"high" or "low"' in str(error)


def test_events_have_no_spacing_and_are_polled_twice_a_debounce_time() -> None:
    board, sensor = started()
    assert sensor.spacing_us == 0
    assert sensor.poll_us == 10 * MS_US
    changes(board, sensor, "00011")
    assert sensor.poll_us == 10 * MS_US


def test_where_edges_wake_it_is_read_often_only_while_a_change_settles() -> None:
    board = PinBoard(0)
    board.wakes = True
    sensor = DigitalInput(board, {"name": "button", "pin": 7, "debounce_ms": 20})
    sensor.start()
    assert board.woken_by == (7, "down")
    assert sensor.poll_us == 10 * MS_US and not sensor.is_settling
    out = array("i", [-1])
    assert sensor.read(out, 0) == 1
    assert sensor.poll_us == 250 * MS_US and not sensor.is_settling
    board.level = 1
    assert sensor.read(out, 100 * MS_US) == 0
    assert sensor.poll_us == 10 * MS_US and sensor.is_settling
    assert sensor.read(out, 110 * MS_US) == 0 and sensor.is_settling
    assert sensor.read(out, 120 * MS_US) == 1 and out[0] == 1
    assert sensor.poll_us == 250 * MS_US and not sensor.is_settling
    board.level = 0
    assert sensor.read(out, 200 * MS_US) == 0 and sensor.is_settling
    board.level = 1  # only a crackle
    assert sensor.read(out, 205 * MS_US) == 0 and not sensor.is_settling
    assert sensor.poll_us == 250 * MS_US


def test_a_long_debounce_time_is_polled_no_oftener_when_woken() -> None:
    board = PinBoard(0)
    board.wakes = True
    sensor = DigitalInput(board, {"name": "button", "pin": 7, "debounce_ms": 2000})
    sensor.start()
    sensor.read(array("i", [0]), 0)
    assert sensor.poll_us == 1000 * MS_US


def test_a_debounce_time_of_almost_nothing_is_polled_every_millisecond() -> None:
    _, sensor = started(debounce_ms=1)
    assert sensor.poll_us == 1 * MS_US


def test_a_change_counts_when_it_has_held_just_so_long() -> None:
    board, sensor = started()
    out = array("i", [-1])
    sensor.read(out, 0)
    board.level = 1
    assert sensor.read(out, 7 * MS_US) == 0
    assert sensor.read(out, 27 * MS_US - 1) == 0
    assert sensor.read(out, 27 * MS_US) == 1
