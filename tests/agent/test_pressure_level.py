"""The pressure transducer's driver against a converter that only remembers."""

from array import array

from agent.drivers.errors import SensorError
from agent.drivers.pressure_level import PressureLevel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# 10 m of water: 98 066.5 Pa.
SETTINGS = {"name": "level", "i2c": 0, "rate_mhz": 1000, "full_pa": 98_067, "zero_mm": -1500}


class ConverterBoard:
    """A board with one ADS1115 that reads a voltage over the shunt."""

    def __init__(self, voltage_uv: int) -> None:
        self.clock = self
        self.code = voltage_uv // 125  # 4.096 V
        self.config = b"\x85\x83"

    def i2c(self, bus: int) -> "ConverterBoard":
        return self

    def readfrom_mem_into(self, addr: int, register: int, buf: bytearray) -> None:
        code = bytes((self.code >> 8 & 0xFF, self.code & 0xFF))
        buf[:] = (code, self.config, b"\x80\x00", b"\x7f\xff")[register]

    def writeto_mem(self, addr: int, register: int, buf: bytes) -> None:
        self.config = bytes(buf)


def level_mm(current_ua: int, **changes: int) -> float:
    settings: dict[str, Any] = dict(SETTINGS)
    settings.update(changes)
    board = ConverterBoard(current_ua * settings.get("shunt_mohm", 100_000) // 1000)
    sensor = PressureLevel(board, settings)
    sensor.start()
    out = array("i", [0])
    assert sensor.read(out, 0) == 1
    _, unit, exponent, multiplier = sensor.channels[0]
    assert unit == "m"
    return out[0] * multiplier * 10.0 ** (exponent + 3)


def error_at(current_ua: int) -> SensorError:
    try:
        level_mm(current_ua)
    except SensorError as error:
        return error
    assert False


def test_current_becomes_a_level_above_the_datum() -> None:
    # One step of the converter is 0.78 mm of water.
    for current_ua, expected_mm in ((4_000, -1500), (12_000, 3500), (20_000, 8500)):
        assert abs(level_mm(current_ua) - expected_mm) < 0.9


def test_density_and_height_come_from_the_settings() -> None:
    assert abs(level_mm(12_000, zero_mm=0, density_g_l=1025) - 5000 / 1.025) < 0.9
    assert abs(level_mm(12_000, zero_mm=250) - 5250) < 0.9
    assert abs(level_mm(20_000, zero_mm=0, full_pa=49_033) - 5000) < 0.9


def test_another_shunt_gives_the_same_level() -> None:
    assert abs(level_mm(12_000, shunt_mohm=150_000) - 3500) < 0.9


def test_currents_that_are_none_are_errors() -> None:
    level_mm(3_610)
    level_mm(20_990)
    assert "3.6 mA" in error_at(3_590).cause
    assert "21 mA" in error_at(21_010).cause
    assert "short" in error_at(24_000).remedy


def test_shunt_too_large_for_the_range_is_refused() -> None:
    try:
        level_mm(12_000, shunt_mohm=250_000)
        assert False
    except ValueError as error:
        assert "range_mv" in str(error)


def test_edges_of_the_loop_current() -> None:
    # 1.25 uA a step over 100 ohm.
    for current_ua, words in (
        (3_600, ""),
        (3_598, "under 3.6 mA"),
        (20_998, ""),
        (21_000, "over"),
    ):
        try:
            level_mm(current_ua)
            assert not words
        except SensorError as error:
            assert words and words in error.cause


def test_self_test_wants_a_current_that_is_one() -> None:
    for current_ua, passes in ((3_600, True), (3_598, False)):
        sensor = PressureLevel(ConverterBoard(current_ua * 100), SETTINGS)
        sensor.start()
        assert sensor.self_test() == passes


def test_full_scale_is_exact_to_a_tenth_of_a_millimetre() -> None:
    # 98067 Pa / (1000 kg/m3 * 9.80665 m/s2) = 10.00005 m at 20 mA.
    assert abs(level_mm(20_000) - (10_000.05 - 1500)) <= 0.4
    assert abs(level_mm(4_000) + 1500) <= 0.2
    found = PressureLevel(ConverterBoard(400_000), SETTINGS).channels[0]
    metres_a_step = found[3] * 10.0 ** found[2]
    assert abs(metres_a_step / (98_067 / 9_806.65 / 12_800) - 1) < 1e-7


def test_a_shunt_that_just_fits_the_range_is_taken() -> None:
    # 21 mA over 195.047 ohm are 4.095987 V; over 195.048 and 21 mA a little less than 4.096 V.
    for shunt_mohm, fits in ((195_047, True), (195_048, False)):
        try:
            level_mm(12_000, shunt_mohm=shunt_mohm)
            assert fits
        except ValueError:
            assert not fits
