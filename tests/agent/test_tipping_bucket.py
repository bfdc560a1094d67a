"""The rain gauge's driver against a counter of pulses."""

from array import array

from agent.drivers.errors import SensorError
from agent.drivers.tipping_bucket import TippingBucket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MINUTE_US = 60_000_000


class CounterBoard:
    """A board whose only part is a counter, at whatever the test says."""

    def __init__(self) -> None:
        self.clock = self
        self.total = 0
        self.time_us = 0
        self.asked: Any = None

    def now_us(self) -> int:
        return self.time_us

    def pulses(self, number: int, pull: str, debounce_us: int) -> "CounterBoard":
        self.asked = (number, pull, debounce_us)
        return self

    def count(self) -> int:
        return self.total


def started(**settings: int) -> "tuple[CounterBoard, TippingBucket, array[int]]":
    board = CounterBoard()
    row: dict[str, object] = {"name": "rain", "pin": 9}
    row.update(settings)
    sensor = TippingBucket(board, row)
    sensor.start()
    return board, sensor, array("i", [-1])


def test_reading_is_the_sum_of_the_tips_since_the_start_of_the_board() -> None:
    board, sensor, out = started()
    made = []
    for minute, total in enumerate((0, 0, 3, 4, 20)):
        board.total = total
        assert sensor.read(out, minute * MINUTE_US) == 1
        made.append(out[0])
    assert made == [0, 0, 3, 4, 20]


def test_sum_goes_on_after_another_start() -> None:
    board, sensor, out = started()
    board.total = 4000
    sensor.stop()
    again = TippingBucket(board, {"name": "rain", "pin": 9})
    board.total = 4003
    board.time_us = MINUTE_US
    again.start()
    board.total = 4005
    assert again.read(out, MINUTE_US) == 1
    assert out[0] == 4005
    assert again.self_test()
    board.total += 3
    board.time_us = 60 * MINUTE_US
    again.start()
    assert again.read(out, 60 * MINUTE_US) == 1
    assert again.overflows == 0


def test_scale_is_the_rain_of_one_tip() -> None:
    for tip_um, expected in ((500, (-4, 5)), (200, (-4, 2)), (254, (-6, 254))):
        _, unit, exponent, multiplier = started(tip_um=tip_um)[1].channels[0]
        assert unit == "m"
        assert (exponent, multiplier) == expected


def test_pin_is_pulled_up_and_debounced() -> None:
    assert started()[0].asked == (9, "up", 250_000)
    assert started(debounce_ms=90)[0].asked == (9, "up", 90_000)


def test_more_than_rain_can_make_is_an_error_and_counting_goes_on() -> None:
    # 1000 mm/h are 33.4 tips of 0.5 mm a minute, and two to spare.
    board, sensor, out = started()
    sensor.read(out, 0)
    board.total = 35
    assert sensor.read(out, MINUTE_US) == 1
    board.total = 35 + 36
    try:
        sensor.read(out, 2 * MINUTE_US)
        assert False
    except SensorError as error:
        assert "rain: 36 tips" in error.cause
        assert "cable" in error.remedy
    board.total += 1
    assert sensor.read(out, 3 * MINUTE_US) == 1
    assert out[0] == 72


def test_limit_is_of_the_time_that_passed_since_the_start() -> None:
    board, sensor, out = started()
    board.time_us = 600 * MINUTE_US
    sensor.start()
    board.total = 36
    try:
        sensor.read(out, 601 * MINUTE_US)
        assert False
    except SensorError:
        pass


def test_one_sample_each_spacing_and_stalls_are_counted() -> None:
    _, sensor, out = started(every_ms=1000)
    assert sensor.spacing_us == sensor.poll_us == 1_000_000
    assert sum(sensor.read(out, t_us) for t_us in range(0, 5_000_000, 100_000)) == 5
    assert sensor.overflows == 0
    assert sensor.read(out, 9_000_000) == 1
    assert sensor.overflows == 1


def test_limit_is_a_thousand_millimetres_an_hour_and_two_tips() -> None:
    # In 1000 s 278 um/s make 556 tips of 0.5 mm.
    for tips, is_rain in ((558, True), (559, False)):
        board, sensor, out = started(every_ms=1_000_000)
        board.total = tips
        try:
            sensor.read(out, 1_000_000_000)
            assert is_rain
        except SensorError:
            assert not is_rain
