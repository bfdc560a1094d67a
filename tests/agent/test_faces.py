"""The face of every driver with its defaults: channels, spacing and polls as the settings say."""

from agent import drivers
from agent.drivers.errors import SensorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class AnyBoard:
    """A board that has everything and does nothing."""

    def __init__(self) -> None:
        self.clock = self

    def i2c(self, bus: int) -> "AnyBoard":
        return self

    def spi(self, bus: int, cs: int, baudrate: int, mode: int) -> "AnyBoard":
        return self

    def pin(self, number: int, mode: str, pull: str = "none") -> "AnyBoard":
        return self

    def shift_in(self, data: int, clock: int) -> "AnyBoard":
        return self


def settings_of(**settings: "Any") -> "dict[str, Any]":
    return settings


# Settings; the scale of the first channel in SI units; spacing and longest poll in us. One step
# of a bridge at gain 128, gauge factor 2, one arm, without 4 bits: 16 * 4 / (128 * 2) / 2^23; the
# NAU7802's reference is the bridge's whole supply, which halves it.
FACES = (
    ("nau7802", settings_of(i2c=0, rate_mhz=80_000), 1 / 8 / 8388608, 12_500, 6_250),
    (
        "nau7802",
        settings_of(i2c=0, rate_mhz=10_000, gain=64, arms=4, gauge_factor_milli=2100, shift=0),
        2 / 64 / 2.1 / 4 / 8388608,
        100_000,
        50_000,
    ),
    (
        "ads1220",
        settings_of(spi=0, cs=1, drdy_pin=2, rate_mhz=175_000),
        1 / 4 / 8388608,
        5_714,
        2_857,
    ),
    (
        "hx711",
        settings_of(data_pin=1, clock_pin=2, rate_mhz=80_000, full_n=500, rated_uv_per_v=1500),
        16 * 500 / 2 / 128 / 1.5e-3 / 8388608,
        12_500,
        6_250,
    ),
    (
        "ads1115",
        settings_of(i2c=0, rate_mhz=3000, zero_uv=0, full_uv=2_048_000, full_um=100_000),
        0.1 / 16384,
        333_333,
        333_333,
    ),
    ("tmp117", settings_of(i2c=0, rate_mhz=1000), 0.0078125, 1_000_000, 500_000),
    ("soil_moisture", settings_of(adc=0, dry_u16=50_000, wet_u16=20_000), 1e-4, 60_000_000, 0),
    ("tipping_bucket", settings_of(pin=1), 5e-4, 60_000_000, 0),
    (
        "pressure_level",
        settings_of(i2c=0, rate_mhz=300, full_pa=50_000, zero_mm=0),
        0,
        3_333_333,
        0,
    ),
    ("a02yyuw", settings_of(uart=0, height_mm=4000), 1e-3, 1_000_000, 0),
    ("mb7389", settings_of(uart=0, height_mm=4000), 1e-3, 1_000_000, 0),
    ("ds18b20", settings_of(pin=1), 0.0625, 10_000_000, 833_333),
    ("ds18b20", settings_of(pin=1, every_ms=1000, bits=9), 0.0625, 1_000_000, 125_000),
    ("ld2410", settings_of(uart=0), 1, 1_000_000, 250_000),
    ("ld2410", settings_of(uart=0, every_ms=100), 1, 100_000, 100_000),
    ("gnss", settings_of(uart=0), 4e-7, 1_000_000, 133_333),
    ("digital_input", settings_of(pin=1), 1, 0, 10_000),
    ("wire_loop", settings_of(adc=0), 1, 0, 50_000),
    ("pressure_mat", settings_of(adc=0, on_u16=30_000, off_u16=20_000), 1, 0, 250_000),
)
CHANNELS = {
    "gnss": [
        ("lat", "lat", 4e-7),
        ("lon", "lon", 4e-7),
        ("height", "m", 0.01),
        ("speed", "m/s", 0.001),
        ("satellites", "1", 1),
        ("utc", "s", 1),
    ],
    "ld2410": [("presence", "1", 1), ("moving", "m", 0.01), ("still", "m", 0.01)],
}


def made(name: str, settings: "dict[str, Any]") -> "Any":
    row = dict(settings)
    row["name"] = "x"
    return drivers.create(name, AnyBoard(), row)


def test_scale_spacing_and_polls_follow_the_settings() -> None:
    for name, settings, scale, spacing_us, poll_us in FACES:
        sensor = made(name, settings)
        _, _, exponent, multiplier = sensor.channels[0]
        if scale:
            assert abs(multiplier * 10.0**exponent / scale - 1) < 1e-6, name
        assert (sensor.spacing_us, sensor.poll_us) == (spacing_us, poll_us or spacing_us), name
        assert sensor.samples_max == 1, name  # none of these has a FIFO
        assert sensor.overflows == 0, name
        assert multiplier < 1 << 31


def test_channels_of_those_that_have_several() -> None:
    for name, channels in CHANNELS.items():
        found = made(name, {"uart": 0}).channels
        assert len(found) == len(channels)
        for at, (wanted_suffix, wanted_unit, scale) in enumerate(channels):
            suffix, unit, exponent, multiplier = found[at]
            assert (suffix, unit) == (wanted_suffix, wanted_unit)
            assert abs(multiplier * 10.0**exponent / scale - 1) < 1e-9


def test_an_error_is_a_cause_and_a_remedy() -> None:
    error = SensorError("x: cause.", "Remedy.")
    assert (error.cause, error.remedy) == ("x: cause.", "Remedy.")
    assert "cause." in str(error) and "Remedy." in str(error)
