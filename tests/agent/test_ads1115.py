"""The ADS1115's driver: every bit of its one register, every edge of its settings."""

from array import array

from agent.drivers.ads1115 import Ads1115
from agent.drivers.errors import SensorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LINE = {"zero_uv": 0, "full_uv": 2_048_000, "full_um": 100_000}


class Board:
    """One chip: four registers; a write of its configuration stays, but for the busy bit."""

    def __init__(self) -> None:
        self.registers = {0: 0, 1: 0x8583, 2: 0x8000, 3: 0x7FFF}
        self.keeps = True

    def i2c(self, bus: int) -> "Board":
        return self

    def readfrom_mem_into(self, addr: int, register: int, buf: bytearray) -> None:
        buf[:] = (self.registers[register] & 0xFFFF).to_bytes(2, "big")

    def writeto_mem(self, addr: int, register: int, buf: bytes) -> None:
        assert len(buf) == 2
        if self.keeps:
            self.registers[register] = buf[0] << 8 | buf[1]


def made(**changes: int) -> "tuple[Board, Ads1115]":
    board = Board()
    settings: dict[str, object] = {"name": "gap", "i2c": 0, "rate_mhz": 1000}
    settings.update(LINE)
    settings.update(changes)
    return board, Ads1115(board, settings)


def config_of(**changes: int) -> int:
    board, sensor = made(**changes)
    sensor.start()
    return board.registers[1]


def cause_of(call: "Any") -> str:
    try:
        call()
    except SensorError as error:
        return error.cause
    raise AssertionError("no error")


def is_refused(**changes: int) -> bool:
    try:
        made(**changes)
    except (ValueError, KeyError):
        return True
    return False


def test_input_and_range_reach_their_bits() -> None:
    # Table 8-3: MUX 100 is AIN0 against ground; PGA; MODE 0; DR 000; the comparator off.
    assert config_of() == 0x4203
    assert [config_of(input=number) for number in (1, 2, 3)] == [0x5203, 0x6203, 0x7203]
    ranges_mv = (6144, 4096, 2048, 1024, 512, 256)
    assert [config_of(range_mv=range_mv) for range_mv in ranges_mv] == [
        0x4003 | code << 9 for code in range(6)
    ]
    for range_mv in (6145, 4097, 2049, 1025, 513, 257):
        assert is_refused(range_mv=range_mv)


def test_the_chip_converts_a_quarter_faster_than_it_is_sampled() -> None:
    # The highest rate that each of the chip's can serve, and one more.
    for code, rate_mhz in enumerate((6_400, 12_800, 25_600, 51_200)):
        assert config_of(rate_mhz=rate_mhz) == 0x4203 | code << 5
        assert config_of(rate_mhz=rate_mhz + 1) == 0x4203 | (code + 1) << 5
    assert config_of(rate_mhz=100_000) == 0x4203 | 4 << 5
    assert is_refused(rate_mhz=0) and is_refused(rate_mhz=100_001)


def test_a_line_must_rise() -> None:
    assert not is_refused(full_uv=1, full_um=1)
    assert is_refused(full_uv=0) and is_refused(full_uv=-1)
    assert is_refused(full_um=0) and is_refused(full_um=-1)


def test_scale_is_metres_a_step() -> None:
    # 2.048 V are half of the range, 16384 steps; 0.1 m / 16384 = 6.103515625 um.
    assert made()[1].channels == (("", "m", -14, 610_351_563),)
    assert made(range_mv=2048)[1].channels == (("", "m", -14, 305_175_781),)


def test_a_chip_that_does_not_keep_its_settings_is_told_at_the_start() -> None:
    board, sensor = made()
    board.keeps = False
    assert "lost its settings" in cause_of(sensor.start)


def test_another_chip_is_told_at_the_start() -> None:
    for register in (2, 3):
        board, sensor = made()
        board.registers[register] = 0x1234
        assert "not a ADS1115" in cause_of(sensor.start)


def test_a_voltage_just_at_the_limit_is_no_broken_wire() -> None:
    # 432 mV at 125 uV a step: 3456.
    for code, is_broken in ((3456, False), (3455, True)):
        board, sensor = made(broken_below_uv=432_000)
        sensor.start()
        board.registers[0] = code
        assert sensor.self_test() != is_broken
        try:
            assert sensor.read(array("i", [0]), 0) == 1 and not is_broken
        except SensorError as error:
            assert is_broken and "broken_below_uv" in error.cause


def test_self_test_refuses_both_ends_of_the_range_and_lost_settings() -> None:
    for code, passes in ((0x7FFE, True), (0x7FFF, False), (-0x7FFF, True), (-0x8000, False)):
        board, sensor = made()
        sensor.start()
        board.registers[0] = code
        assert sensor.self_test() == passes
    board.registers[0] = 0
    assert sensor.self_test()
    board.registers[1] = 0x8583
    assert not sensor.self_test()


def test_a_stop_only_shuts_down() -> None:
    board, sensor = made(rate_mhz=20_000)
    sensor.start()
    running = board.registers[1]
    sensor.stop()
    assert board.registers[1] == running | 0x0100


def test_a_new_rate_begins_a_new_grid() -> None:
    board, sensor = made()
    sensor.start()
    out = array("i", [0])
    assert sensor.read(out, 0) == 1
    assert sensor.read(out, 500_000) == 0
    sensor.set_rate(10_000)
    assert (sensor.spacing_us, sensor.poll_us) == (100_000, 100_000)
    assert board.registers[1] == 0x4203 | 1 << 5
    assert sensor.read(out, 510_000) == 1
    assert sensor.read(out, 610_000) == 1
    assert sensor.overflows == 0
    assert sensor.read(out, 910_000) == 1
    assert sensor.overflows == 1


def test_the_zero_is_rounded_to_the_nearest_step() -> None:
    for zero_uv, code in ((62, 0), (63, 1), (-62, 0), (-63, -1), (187, 1), (188, 2)):
        _, sensor = made(zero_uv=zero_uv)
        sensor.start()
        out = array("i", [7])
        assert sensor.read(out, 0) == 1
        assert out[0] == -code
