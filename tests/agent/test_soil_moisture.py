"""The soil probe's driver against voltages on an analogue input."""

from array import array

from agent.drivers.errors import SensorError
from agent.drivers.soil_moisture import SoilMoisture

SETTINGS = {"name": "soil", "adc": 2, "dry_u16": 50_000, "wet_u16": 25_000, "every_ms": 1000}


class AnalogueBoard:
    """A board whose only part is an analogue input."""

    def __init__(self, voltage_u16: int) -> None:
        self.voltage_u16 = voltage_u16

    def adc(self, number: int) -> "AnalogueBoard":
        assert number == 2
        return self

    def read_u16(self) -> int:
        return self.voltage_u16


def moisture_at(voltage_u16: int, **changes: int) -> int:
    settings = dict(SETTINGS)
    settings.update(changes)
    sensor = SoilMoisture(AnalogueBoard(voltage_u16), settings)
    sensor.start()
    out = array("i", [-1])
    assert sensor.read(out, 0) == 1
    return out[0]


def error_of(voltage_u16: int, **changes: int) -> SensorError:
    try:
        moisture_at(voltage_u16, **changes)
    except SensorError as error:
        return error
    assert False


def test_two_points_and_the_line_between() -> None:
    assert moisture_at(50_000) == 0
    assert moisture_at(25_000) == 10_000
    assert moisture_at(37_500) == 5_000
    assert moisture_at(49_998) == 0
    assert moisture_at(49_995) == 2


def test_probe_of_the_other_polarity() -> None:
    assert moisture_at(30_000, dry_u16=20_000, wet_u16=40_000) == 5_000


def test_a_little_outside_of_the_points_is_dry_or_full() -> None:
    assert moisture_at(51_000) == 0
    assert moisture_at(24_000) == 10_000


def test_far_outside_is_an_error_that_names_the_wires() -> None:
    for voltage_u16 in (0, 21_000, 54_000, 65_535):
        error = error_of(voltage_u16)
        assert "soil" in error.cause and str(voltage_u16) in error.cause
        assert "ADC 2" in error.remedy


def test_calibration_of_one_point_is_an_error() -> None:
    assert "Calibrate" in error_of(30_000, dry_u16=30_000, wet_u16=30_000).remedy


def test_one_sample_each_spacing() -> None:
    sensor = SoilMoisture(AnalogueBoard(40_000), SETTINGS)
    sensor.start()
    out = array("i", [0])
    assert sum(sensor.read(out, t_us) for t_us in range(0, 5_000_000, 100_000)) == 5
    assert sensor.overflows == 0
    assert sensor.read(out, 9_000_000) == 1
    assert sensor.overflows == 1


def test_self_test_tells_a_lost_probe() -> None:
    board = AnalogueBoard(40_000)
    sensor = SoilMoisture(board, SETTINGS)
    sensor.start()
    assert sensor.self_test()
    board.voltage_u16 = 0
    assert not sensor.self_test()


def test_edges_of_what_soil_can_make() -> None:
    # 2.5 u16 a step of 1e-4: 1500 outside of both points are still soil.
    assert moisture_at(53_750) == 0
    assert moisture_at(21_250) == 10_000
    for voltage_u16 in (53_751, 21_247):
        assert "far outside" in error_of(voltage_u16).cause


def test_two_points_must_be_a_thousand_apart() -> None:
    assert moisture_at(25_500, dry_u16=26_000, wet_u16=25_000) == 5_000
    assert "almost the same" in error_of(25_500, dry_u16=25_999, wet_u16=25_000).cause


def test_a_lost_probe_is_told_at_the_start() -> None:
    try:
        SoilMoisture(AnalogueBoard(0), SETTINGS).start()
        assert False
    except SensorError as error:
        assert "ADC 2" in error.remedy


def test_sixteen_conversions_make_a_sample() -> None:
    class CountingBoard(AnalogueBoard):
        reads = 0

        def read_u16(self) -> int:
            self.reads += 1
            return 50_000 if self.reads % 16 else 50_000 - 16 * 25

    board = CountingBoard(0)
    sensor = SoilMoisture(board, SETTINGS)
    sensor.start()
    assert board.reads == 16
    out = array("i", [-1])
    assert sensor.read(out, 0) == 1
    assert board.reads == 32 and out[0] == 10


def test_another_rate_and_another_start_begin_a_new_grid() -> None:
    sensor = SoilMoisture(AnalogueBoard(50_000), SETTINGS)
    sensor.start()
    out = array("i", [-1])
    assert sensor.read(out, 0) == 1
    assert sensor.read(out, 500_000) == 0
    sensor.start()
    assert sensor.read(out, 500_000) == 1
    sensor.set_rate(10_000)
    assert sensor.spacing_us == sensor.poll_us == 100_000
    assert sensor.read(out, 550_000) == 1
    assert sensor.read(out, 650_000) == 1
    assert sensor.overflows == 0
    for rate_mhz in (0, 10_001):
        try:
            sensor.set_rate(rate_mhz)
        except ValueError:
            continue
        assert False
