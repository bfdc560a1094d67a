"""The wire loop's driver against voltages and levels."""

from array import array

from agent.drivers.wire_loop import CUT, INTACT, SHORT, WireLoop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MS_US = 1000
LEVELS = (32_768, 65_535, 32_768, 65_535, 65_535, 65_535, 0, 0, 0)


class LoopBoard:
    """A board whose only part is an input, analogue or not."""

    def __init__(self) -> None:
        self.voltage_u16 = 32_768
        self.level = 0
        self.asked: Any = None

    def adc(self, number: int) -> "LoopBoard":
        self.asked = number
        return self

    def pin(self, number: int, mode: str, pull: str) -> "LoopBoard":
        self.asked = (number, mode, pull)
        return self

    def wake_at(self, number: int, pull: str) -> bool:
        return False

    def read_u16(self) -> int:
        return self.voltage_u16

    def value(self) -> int:
        return self.level


def loop(**settings: int) -> "tuple[LoopBoard, WireLoop]":
    board = LoopBoard()
    row: dict[str, object] = {"name": "wire"}
    row.update(settings)
    sensor = WireLoop(board, row)
    sensor.start()
    return board, sensor


def state_at(voltage_u16: int, **settings: int) -> int:
    board, sensor = loop(adc=1, **settings)
    board.voltage_u16 = voltage_u16
    out = array("i", [-1])
    assert sensor.read(out, 0) == 1
    return out[0]


def refusal(**settings: int) -> str:
    try:
        loop(**settings)
    except ValueError as error:
        return str(error)
    assert False


def test_supervised_loop_tells_three_states() -> None:
    assert [state_at(voltage) for voltage in (0, 16_383)] == [SHORT, SHORT]
    assert [state_at(voltage) for voltage in (16_384, 32_768, 49_151)] == [INTACT] * 3
    assert [state_at(voltage) for voltage in (49_152, 65_535)] == [CUT, CUT]


def test_thresholds_lie_in_the_middle_for_another_resistor() -> None:
    assert state_at(10_000, intact_u16=20_000) == INTACT
    assert state_at(9_999, intact_u16=20_000) == SHORT
    assert state_at(42_767, intact_u16=20_000) == INTACT
    assert state_at(42_768, intact_u16=20_000) == CUT


def test_plain_loop_pulls_up_so_that_a_cut_signal_line_alarms() -> None:
    board, sensor = loop(pin=4)
    assert board.asked == (4, "in", "up")
    out = array("i", [-1])
    assert sensor.read(out, 0) == 1
    assert out[0] == INTACT
    board.level = 1
    assert sensor.read(out, 1) == 0
    assert sensor.read(out, 100 * MS_US + 1) == 1
    assert out[0] == CUT


def test_change_counts_once_it_has_held() -> None:
    board, sensor = loop(adc=1, debounce_ms=40)
    assert sensor.poll_us == 20 * MS_US
    out = array("i", [-1])
    made = []
    for number, voltage_u16 in enumerate(
        (32_768, 65_535, 32_768, 65_535, 65_535, 65_535, 0, 0, 0)
    ):
        board.voltage_u16 = voltage_u16
        if sensor.read(out, number * 20 * MS_US):
            made.append((number, out[0]))
    assert made == [(0, INTACT), (5, CUT), (8, SHORT)]


def test_noise_of_single_conversions_is_averaged() -> None:
    class NoisyBoard(LoopBoard):
        def read_u16(self) -> int:
            self.voltage_u16 = 98_304 - self.voltage_u16  # 49152 +- 1000
            return self.voltage_u16

    board = NoisyBoard()
    board.voltage_u16 = 48_152 - 500
    sensor = WireLoop(board, {"name": "wire", "adc": 1})
    sensor.start()
    out = array("i", [-1])
    for number in range(20):
        sensor.read(out, number * 100 * MS_US)
        assert out[0] == CUT


def test_self_test_wants_an_intact_loop() -> None:
    board, sensor = loop(adc=1)
    assert sensor.self_test()
    for voltage_u16 in (0, 65_535):
        board.voltage_u16 = voltage_u16
        assert not sensor.self_test()


def test_farthest_resistors_that_will_do() -> None:
    assert state_at(16_383, intact_u16=16_383) == INTACT
    assert state_at(49_151, intact_u16=49_151) == INTACT


def test_wiring_that_cannot_be_is_refused() -> None:
    assert "either adc or pin" in refusal()
    assert "either adc or pin" in refusal(adc=1, pin=2)
    assert "intact_u16" in refusal(adc=1, intact_u16=50_000)
    assert "intact_u16" in refusal(adc=1, intact_u16=16_382)


def test_readings_are_the_numbers_of_the_page() -> None:
    assert (INTACT, CUT, SHORT) == (0, 1, 2)
