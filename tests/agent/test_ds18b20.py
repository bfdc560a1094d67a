"""The DS18B20's driver against a bus that answers whole bytes."""

from array import array

from agent.drivers.ds18b20 import Ds18b20, crc8
from agent.drivers.errors import SensorError
from agent.hal.errors import ENODEV

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ROM = bytes.fromhex("28ff641e8016042e")
MS_US = 1000
MATCH = b"\x55" + ROM


class BusBoard:
    """A board with one chip on pin 6, as the data sheet's transaction sequences show it."""

    def __init__(self) -> None:
        self.found = [ROM]
        self.present = True
        self.powered = True
        self.raw = b"\x50\x05"
        self.registers = b"\x4b\x46\x7f"
        self.spoilt = 0  # so many scratchpads come with an error
        self.said: list[bytes] = []
        self._reply = b""

    def onewire(self, number: int) -> "BusBoard":
        assert number == 6
        return self

    def reset(self) -> bool:
        self._reply = b""
        return self.present

    def search(self) -> "list[bytes]":
        return self.found

    def write(self, buf: bytes) -> None:
        self.said.append(bytes(buf))
        command = buf[len(MATCH)] if bytes(buf[: len(MATCH)]) == MATCH else 0
        if command == 0xBE:
            head = self.raw + self.registers + b"\xff\x0c\x10"
            crc = crc8(head)
            if self.spoilt:
                self.spoilt -= 1
                crc ^= 1
            self._reply = head + bytes((crc,))
        elif command == 0xB4 and not self.powered:
            self._reply = b"\x00"
        elif len(buf) == 3:
            self.registers = bytes(buf)

    def read_into(self, buf: bytearray) -> None:
        reply = self._reply + b"\xff" * len(buf)
        buf[:] = reply[: len(buf)]


def driver(board: "Any", **settings: "int | str") -> Ds18b20:
    row: dict[str, object] = {"name": "air", "pin": 6}
    row.update(settings)
    return Ds18b20(board, row)


def started(**settings: "int | str") -> "tuple[BusBoard, Ds18b20, array[int]]":
    board = BusBoard()
    sensor = driver(board, **settings)
    sensor.start()
    return board, sensor, array("i", [0])


def error_of(call: "Any") -> SensorError:
    try:
        call()
    except SensorError as error:
        return error
    assert False


def converted(raw: bytes, **settings: "int | str") -> int:
    board, sensor, out = started(**settings)
    assert sensor.read(out, 0) == 0
    board.raw = raw
    assert sensor.read(out, 750 * MS_US) == 1
    return out[0]


def test_crc_is_that_of_the_maker() -> None:
    # Analog Devices, application note 27, "example": 02 1C B8 01 00 00 00 has the CRC A2.
    assert crc8(b"\x02\x1c\xb8\x01\x00\x00\x00") == 0xA2
    assert crc8(b"\x02\x1c\xb8\x01\x00\x00\x00\xa2") == 0
    assert crc8(b"") == 0


def test_temperatures_of_the_data_sheet() -> None:
    # Table 1: temperature/data relationship.
    for sixteenths, raw in (
        (125 * 16, b"\xd0\x07"),
        (85 * 16, b"\x50\x05"),
        (401, b"\x91\x01"),
        (162, b"\xa2\x00"),
        (8, b"\x08\x00"),
        (0, b"\x00\x00"),
        (-8, b"\xf8\xff"),
        (-162, b"\x5e\xff"),
        (-401, b"\x6f\xfe"),
        (-55 * 16, b"\x90\xfc"),
    ):
        assert converted(raw) == sixteenths
    assert Ds18b20.channels == (("", "Cel", -4, 625),)


def test_undefined_bits_of_a_lower_resolution_are_cleared() -> None:
    for bits, expected in ((9, 400), (10, 404), (11, 406), (12, 407)):
        assert converted(b"\x97\x01", bits=bits) == expected
    assert converted(b"\xff\xff", bits=9) == -8


def test_start_verifies_and_sets_the_resolution() -> None:
    board, _, _ = started(bits=10)
    assert board.said == [
        MATCH + b"\xbe",
        MATCH + b"\xb4",
        MATCH + b"\x4e",
        b"\x7d\xc9\x3f",
        MATCH + b"\xbe",
    ]


def test_result_is_read_when_the_conversion_is_surely_done() -> None:
    for bits, conversion_us in ((9, 93_750), (10, 187_500), (11, 375_000), (12, 750_000)):
        board, sensor, out = started(bits=bits)
        assert sensor.read(out, 0) == 0
        assert board.said[-1] == MATCH + b"\x44"
        assert sensor.read(out, conversion_us - 1) == 0
        assert board.said[-1] == MATCH + b"\x44"
        assert sensor.read(out, conversion_us) == 1
        assert board.said[-1] == MATCH + b"\xbe"


def test_one_sample_each_spacing_at_its_own_polls() -> None:
    for every_ms in (1000, 1500, 2000, 10_000):
        _, sensor, out = started(every_ms=every_ms)
        assert sensor.spacing_us == every_ms * MS_US
        assert 775 * MS_US <= sensor.poll_us <= sensor.spacing_us
        polls = 20 * sensor.spacing_us // sensor.poll_us + 1
        assert sum(sensor.read(out, poll * sensor.poll_us) for poll in range(polls)) == 20
        assert sensor.overflows == 0


def test_time_of_a_conversion_counts_from_its_beginning() -> None:
    _, sensor, out = started()
    assert sensor.read(out, 7_000 * MS_US) == 0
    assert sensor.read(out, 7_749 * MS_US) == 0
    assert sensor.read(out, 7_750 * MS_US) == 1
    assert sensor.self_test()


def test_second_start_begins_anew_without_a_loss() -> None:
    board, sensor, out = started(every_ms=1000)
    assert sensor.read(out, 0) == 0
    sensor.start()
    assert sensor.read(out, 60_000 * MS_US) == 0
    assert board.said[-1] == MATCH + b"\x44"
    assert sensor.read(out, 60_775 * MS_US) == 1
    assert sensor.overflows == 0


def test_stall_is_counted() -> None:
    _, sensor, out = started(every_ms=1000)
    sensor.read(out, 0)
    assert sensor.read(out, 5_000 * MS_US) == 1
    assert sensor.overflows == 1


def test_damaged_scratchpad_is_read_again() -> None:
    board, sensor, out = started()
    sensor.read(out, 0)
    board.spoilt = 2
    assert sensor.read(out, 750 * MS_US) == 1
    assert sensor.checksum_errors == 2
    sensor.read(out, 10_000 * MS_US)
    board.spoilt = 3
    error = error_of(lambda: sensor.read(out, 10_750 * MS_US))
    assert "damaged" in error.cause and "pull-up" in error.remedy


def test_power_failure_during_the_conversion_is_no_85_degrees() -> None:
    board, sensor, out = started()
    sensor.read(out, 0)
    board.raw, board.registers = b"\x50\x05", b"\x4b\x46\x7f"
    error = error_of(lambda: sensor.read(out, 750 * MS_US))
    assert "lost its settings" in error.cause
    assert not sensor.self_test()


def test_silence_is_told() -> None:
    board, sensor, out = started()
    board.present = False
    error = error_of(lambda: sensor.read(out, 0))
    assert ROM.hex() in error.cause and "pin 6" in error.cause
    assert not sensor.self_test()
    board.found = []
    assert "no DS18B20 answers" in error_of(driver(board).start).cause


def test_bus_that_is_held_low_is_no_zero_degrees() -> None:
    class HeldBoard(BusBoard):
        def read_into(self, buf: bytearray) -> None:
            buf[:] = bytes(len(buf))

    board = HeldBoard()
    assert "damaged" in error_of(driver(board, rom=ROM.hex()).start).cause
    board.found = [bytes(8)]
    assert "no DS18B20" in error_of(driver(board).start).cause


def test_several_on_the_pin_are_named() -> None:
    board = BusBoard()
    head = b"\x28\x01\x02\x03\x04\x05\x06"
    other = head + bytes((crc8(head),))
    board.found = [ROM, other, b"\x10" + ROM[1:]]
    error = error_of(driver(board).start)
    assert "several" in error.cause
    assert ROM.hex() in error.remedy and other.hex() in error.remedy
    driver(board, rom=ROM.hex()).start()


def test_another_family_or_a_damaged_address_is_not_taken() -> None:
    board = BusBoard()
    board.found = [b"\x10" + ROM[1:], ROM[:7] + bytes((ROM[7] ^ 1,))]
    assert "no DS18B20" in error_of(driver(board).start).cause


def test_parasite_power_is_refused() -> None:
    board = BusBoard()
    board.powered = False
    assert "VDD" in error_of(driver(board).start).remedy


def test_board_without_a_bus_is_told() -> None:
    class BareBoard:
        def onewire(self, number: int) -> object:
            raise OSError(ENODEV)

    assert "no 1-Wire bus" in error_of(driver(BareBoard()).start).cause


def test_temperature_outside_of_the_range_is_an_error() -> None:
    assert "outside" in error_of(lambda: converted(b"\xd1\x07")).cause
    assert "outside" in error_of(lambda: converted(b"\x8f\xfc")).cause


def test_address_that_is_none_is_refused() -> None:
    for text in ("", "28", "zz" * 8, "10" + ROM.hex()[2:], ROM.hex()[:-1] + "0"):
        try:
            driver(BusBoard(), rom=text)
            assert False
        except ValueError as error:
            assert "no address" in str(error)


def test_self_test_ends_the_conversion_that_goes_on() -> None:
    board, sensor, out = started(every_ms=1000)
    assert sensor.read(out, 0) == 0
    assert sensor.self_test()
    assert sensor.read(out, 800 * MS_US) == 0
    assert board.said[-1] == MATCH + b"\x44"  # another one begins
    assert sensor.read(out, 1600 * MS_US) == 1
    assert sensor.overflows == 0


def test_a_bus_that_says_its_remedy_is_heard() -> None:
    class RefusingBoard(BusBoard):
        error = OSError(ENODEV)
        is_open = True

        def onewire(self, number: int) -> BusBoard:
            if not self.is_open:
                raise self.error
            return self

        def write(self, buf: bytes) -> None:
            if len(buf) == 3:
                raise self.error
            super().write(buf)

    board = RefusingBoard()
    for is_open, words in ((True, "cannot be set up"), (False, "no 1-Wire bus")):
        board.is_open = is_open
        board.error = OSError(ENODEV)
        error = error_of(driver(board).start)
        assert words in error.cause and len(error.remedy) > 10
        board.error = OSError(ENODEV, "Do this.")
        assert error_of(driver(board).start).remedy == "Do this."
