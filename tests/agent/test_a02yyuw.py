"""The A02YYUW's driver against bytes on a serial port."""

from array import array

from agent.drivers.a02yyuw import A02yyuw
from agent.drivers.errors import SensorError

SETTINGS = {"name": "level", "uart": 1, "height_mm": 4000, "every_ms": 1000}
FRAME_1953_MM = b"\xff\x07\xa1\xa7"  # the example of the manufacturer's wiki
SECOND_US = 1_000_000


class SerialBoard:
    """A board whose only part is a serial port that the test fills."""

    def __init__(self) -> None:
        self.clock = self
        self.pending = bytearray()

    def now_us(self) -> int:
        return 0

    def uart(self, number: int, baudrate: int) -> "SerialBoard":
        assert (number, baudrate) == (1, 9600)
        return self

    def read_into(self, buf: bytearray) -> int:
        count = min(len(buf), len(self.pending))
        buf[:count] = self.pending[:count]
        self.pending = self.pending[count:]
        return count


def started() -> "tuple[SerialBoard, A02yyuw, array[int]]":
    board = SerialBoard()
    sensor = A02yyuw(board, SETTINGS)
    sensor.start()
    return board, sensor, array("i", [0])


def frame(distance_mm: int) -> bytes:
    head = bytes((0xFF, distance_mm >> 8, distance_mm & 0xFF))
    return head + bytes((sum(head) & 0xFF,))


def read_after(data: bytes) -> "tuple[int, int, int]":
    """Return (count, level in mm, checksum errors) after data and one read."""
    board, sensor, out = started()
    board.pending += data
    return sensor.read(out, SECOND_US), out[0], sensor.frame_errors


def test_example_of_the_manufacturer_becomes_a_level() -> None:
    assert read_after(FRAME_1953_MM) == (1, 4000 - 1953, 0)


def test_newest_of_several_frames_counts() -> None:
    assert read_after(frame(1000) + frame(1100) + frame(1200)) == (1, 2800, 0)


def test_frame_may_arrive_byte_by_byte() -> None:
    board, sensor, out = started()
    for index in range(4):
        assert sensor.read(out, index * 1000) == 0
        board.pending += FRAME_1953_MM[index : index + 1]
    assert sensor.read(out, 4000) == 1
    assert out[0] == 4000 - 1953


def test_reader_joins_in_the_middle_of_a_frame() -> None:
    for lost in range(1, 4):
        count, level_mm, _ = read_after(FRAME_1953_MM[lost:] + frame(1000))
        assert (count, level_mm) == (1, 3000)


def test_broken_checksum_is_counted_and_no_echo() -> None:
    assert read_after(b"\xff\x07\xa1\xa8") == (0, 0, 1)
    assert read_after(b"\xff\x07\xa1\xa8" + FRAME_1953_MM) == (1, 2047, 1)


def test_frame_that_begins_inside_a_broken_one_is_found() -> None:
    for cut in range(1, 4):
        count, level_mm, errors = read_after(FRAME_1953_MM[:cut] + frame(1000))
        assert (count, level_mm) == (1, 3000)
        assert errors >= 1


def test_frame_whose_sum_is_a_header_byte_is_read() -> None:
    ends_in_ff = frame(0x07F9)
    assert ends_in_ff[3] == 0xFF
    assert read_after(ends_in_ff[3:] + ends_in_ff + ends_in_ff)[:2] == (1, 4000 - 0x07F9)


def test_noise_without_a_header_is_no_frame_whatever_its_sum() -> None:
    assert read_after(b"\x01\x04\x00\x05" + bytes(20)) == (0, 0, 0)


def test_each_bit_flip_of_a_frame_is_refused_or_skipped() -> None:
    for bit in range(32):
        damaged = bytearray(FRAME_1953_MM)
        damaged[bit // 8] ^= 1 << bit % 8
        assert read_after(bytes(damaged))[0] == 0


def test_distances_outside_of_its_range_are_no_echo() -> None:
    for distance_mm, expected in ((0, 0), (29, 0), (30, 1), (4500, 1), (4501, 0), (65535, 0)):
        assert read_after(frame(distance_mm))[0] == expected


def test_level_under_the_datum_is_negative() -> None:
    assert read_after(frame(4321)) == (1, -321, 0)


def test_one_sample_each_spacing_though_frames_are_more() -> None:
    board, sensor, out = started()
    count = 0
    for number in range(100):
        board.pending += frame(1000 + number)
        count += sensor.read(out, number * SECOND_US // 10)
    assert count == 10
    assert sensor.overflows == 0


def test_stall_of_the_reader_is_counted() -> None:
    board, sensor, out = started()
    board.pending += frame(1000)
    assert sensor.read(out, 0) == 1
    board.pending += frame(1000)
    assert sensor.read(out, 5 * SECOND_US) == 1
    assert sensor.overflows == 1


def test_three_silent_seconds_are_an_error_that_names_the_wire() -> None:
    board, sensor, out = started()
    assert sensor.read(out, 3 * SECOND_US) == 0
    try:
        sensor.read(out, 3 * SECOND_US + 1)
        assert False
    except SensorError as error:
        assert "level" in error.cause and "3 s" in error.cause
        assert "UART 1" in error.remedy
    board.pending += FRAME_1953_MM
    assert sensor.read(out, 4 * SECOND_US) == 1


def test_frames_without_an_echo_are_an_error_that_names_the_water() -> None:
    board, sensor, out = started()
    for second in range(4):
        board.pending += frame(0)
        assert second == 0 or sensor.read(out, second * SECOND_US) == 0
    board.pending += frame(0)
    try:
        sensor.read(out, 4 * SECOND_US)
        assert False
    except SensorError as error:
        assert "no echo" in error.cause
        assert "water" in error.remedy


def test_babbling_line_does_not_hold_the_reader() -> None:
    board, sensor, out = started()
    board.pending += bytes([0xFF]) * 4000
    assert sensor.read(out, 0) == 0
    assert len(board.pending) > 3000


def test_rate_changes_within_what_the_sensor_can_do() -> None:
    _, sensor, _ = started()
    sensor.set_rate(10_000)
    assert (sensor.spacing_us, sensor.poll_us) == (100_000, 100_000)
    sensor.set_rate(16)
    assert (sensor.spacing_us, sensor.poll_us) == (62_500_000, 1_000_000)
    try:
        sensor.set_rate(10_001)
        assert False
    except ValueError:
        assert sensor.spacing_us == 62_500_000


def test_second_start_begins_anew_without_a_loss() -> None:
    board, sensor, out = started()
    board.pending += frame(1000)
    assert sensor.read(out, 0) == 1
    sensor.start()
    assert sensor.read(out, 2 * SECOND_US) == 0
    board.pending += frame(1000)
    assert sensor.read(out, 60 * SECOND_US) == 1
    assert sensor.overflows == 0


def test_self_test_wants_an_echo() -> None:
    board, sensor, _ = started()
    assert not sensor.self_test()
    board.pending += FRAME_1953_MM
    assert sensor.self_test()
