"""The settings of each driver: rows as in agent.config_checks; forgotten together with those.

A tenth of a board's heap, needed for a moment at the start.
"""

from agent.config import NUMBER_MAX
from agent.config_checks import ABSENT, REQUIRED

_PIN = (0, 99)
_BUS = (0, 15)
_ADDRESS = (8, 119)
_ANY = (-NUMBER_MAX, NUMBER_MAX)
_U16 = (0, 65535)
_NAU7802_RATES = [10_000, 20_000, 40_000, 80_000, 320_000]
_ADS1220_RATES = [20_000, 45_000, 90_000, 175_000, 330_000, 600_000, 1_000_000]
_TMP117_RATES = [8000, 4000, 2000, 1000, 250, 125]
_SPI = ("spi", _BUS, ABSENT, "the number of an SPI bus")
_CS = ("cs", _PIN, ABSENT, "the number of the chip select pin")
_I2C = ("i2c", _BUS, ABSENT, "the number of an I2C bus, in place of spi and cs")
_I2C_ADDRESS = ("address", _ADDRESS, ABSENT, "8 to 119")
SPI_OR_I2C = (_SPI, _CS, _I2C, _I2C_ADDRESS)
# driver -> its own settings: how it is wired and scaled. The drivers say what they mean.
DRIVER_ROWS = {
    "adxl355": (
        _SPI,
        _CS,
        _I2C,
        _I2C_ADDRESS,
        ("sync_pin", _PIN, ABSENT, "the number of the pin that gives the sync pulses"),
        ("rate_mhz", (3906, 4_000_000), REQUIRED, "3906 to 4000000"),
        ("range_g", [2, 4, 8], ABSENT, "2, 4 or 8"),
        ("shift", (0, 16), ABSENT, "0 to 16"),
    ),
    "adxl345": (
        _SPI,
        _CS,
        _I2C,
        _I2C_ADDRESS,
        ("rate_mhz", (3125, 3_200_000), REQUIRED, "3200000 / 2^n: 3125 to 3200000"),
        ("range_g", [2, 4, 8, 16], ABSENT, "2, 4, 8 or 16"),
    ),
    "mpu6050": (
        ("i2c", _BUS, REQUIRED, "the number of an I2C bus"),
        ("address", _ADDRESS, ABSENT, "8 to 119"),
        ("rate_mhz", (3906, 1_000_000), REQUIRED, "1000000 / n: 3906 to 1000000"),
        ("range_g", [2, 4, 8, 16], ABSENT, "2, 4, 8 or 16"),
    ),
    "nau7802": (
        ("i2c", _BUS, REQUIRED, "the number of an I2C bus"),
        ("address", _ADDRESS, ABSENT, "8 to 119"),
        ("rate_mhz", _NAU7802_RATES, REQUIRED, "10000, 20000, 40000, 80000 or 320000"),
        ("gain", [1, 2, 4, 8, 16, 32, 64, 128], ABSENT, "1, 2, 4 .. 128"),
        ("arms", [1, 2, 4], ABSENT, "1, 2 or 4"),
        ("gauge_factor_milli", (100, 200_000), ABSENT, "100 to 200000"),
        ("shift", (0, 16), ABSENT, "0 to 16"),
    ),
    "ads1220": (
        ("spi", _BUS, REQUIRED, "the number of an SPI bus"),
        ("cs", _PIN, REQUIRED, "the number of the chip select pin"),
        ("drdy_pin", _PIN, REQUIRED, "the number of the pin that its DRDY is wired to"),
        ("rate_mhz", _ADS1220_RATES, REQUIRED, "20000, 45000, 90000, 175000 .. 1000000"),
        ("input", [0, 1], ABSENT, "0 or 1"),
        ("gain", [1, 2, 4, 8, 16, 32, 64, 128], ABSENT, "1, 2, 4 .. 128"),
        ("arms", [1, 2, 4], ABSENT, "1, 2 or 4"),
        ("gauge_factor_milli", (100, 200_000), ABSENT, "100 to 200000"),
        ("shift", (0, 16), ABSENT, "0 to 16"),
    ),
    "hx711": (
        ("data_pin", _PIN, REQUIRED, "the number of a pin"),
        ("clock_pin", _PIN, REQUIRED, "the number of a pin"),
        ("rate_mhz", [10_000, 80_000], REQUIRED, "10000 or 80000, as its RATE pin is wired"),
        ("full_n", (1, 10_000_000), REQUIRED, "the rated load of the cell in N"),
        ("rated_uv_per_v", (100, 100_000), REQUIRED, "the output at full_n in uV for 1 V"),
        ("gain", [128, 64, 32], ABSENT, "128, 64 or 32"),
        ("shift", (0, 16), ABSENT, "0 to 16"),
    ),
    "ads1115": (
        ("i2c", _BUS, REQUIRED, "the number of an I2C bus"),
        ("address", _ADDRESS, ABSENT, "8 to 119"),
        ("rate_mhz", (1, 100_000), REQUIRED, "1 to 100000"),
        ("zero_uv", _ANY, REQUIRED, "the voltage at 0 in uV"),
        ("full_uv", _ANY, REQUIRED, "the voltage at full_um in uV"),
        ("full_um", (1, NUMBER_MAX), REQUIRED, "the displacement at full_uv in um"),
        ("input", (0, 3), ABSENT, "0 to 3"),
        ("range_mv", [6144, 4096, 2048, 1024, 512, 256], ABSENT, "6144, 4096, 2048 .. 256"),
        ("broken_below_uv", _ANY, ABSENT, "a voltage in uV"),
    ),
    "tmp117": (
        ("i2c", _BUS, REQUIRED, "the number of an I2C bus"),
        ("address", _ADDRESS, ABSENT, "8 to 119"),
        ("rate_mhz", _TMP117_RATES, ABSENT, "8000, 4000, 2000, 1000, 250 or 125"),
    ),
    "a02yyuw": (
        ("uart", _BUS, REQUIRED, "the number of a serial port"),
        ("height_mm", _ANY, REQUIRED, "height of the sensor above the datum in mm"),
        ("window_ms", (0, 60_000), ABSENT, "0 to 60000; 0: the newest echo alone"),
        ("every_ms", (100, 86_400_000), ABSENT, "100 to 86400000"),
    ),
    "soil_moisture": (
        ("adc", _PIN, REQUIRED, "the number of an analogue input"),
        ("dry_u16", _U16, REQUIRED, "0 to 65535"),
        ("wet_u16", _U16, REQUIRED, "0 to 65535"),
        ("every_ms", (100, 86_400_000), ABSENT, "100 to 86400000"),
    ),
    "digital_input": (
        ("pin", _PIN, REQUIRED, "the number of a pin"),
        ("active", ["high", "low"], ABSENT, '"high" or "low"'),
        ("pull", ["up", "down", "none"], ABSENT, '"up", "down" or "none"'),
        ("debounce_ms", (0, 10_000), ABSENT, "0 to 10000"),
    ),
    "wire_loop": (
        ("adc", _PIN, ABSENT, "the number of an analogue input; or pin"),
        ("pin", _PIN, ABSENT, "the number of a pin; or adc"),
        ("intact_u16", (16_383, 49_151), ABSENT, "16383 to 49151"),
        ("debounce_ms", (0, 10_000), ABSENT, "0 to 10000"),
    ),
    "pressure_mat": (
        ("adc", _PIN, ABSENT, "the number of an analogue input; or pin"),
        ("on_u16", _U16, ABSENT, "0 to 65535"),
        ("off_u16", _U16, ABSENT, "0 to 65535"),
        ("open_above_u16", _U16, ABSENT, "0 to 65535"),
        ("pin", _PIN, ABSENT, "the number of a pin; or adc"),
        ("active", ["high", "low"], ABSENT, '"high" or "low"'),
        ("pull", ["up", "down", "none"], ABSENT, '"up", "down" or "none"'),
        ("debounce_ms", (0, 10_000), ABSENT, "0 to 10000"),
    ),
    "pressure_level": (
        ("i2c", _BUS, REQUIRED, "the number of an I2C bus"),
        ("address", _ADDRESS, ABSENT, "8 to 119"),
        ("rate_mhz", (1, 100_000), REQUIRED, "1 to 100000"),
        ("full_pa", (1, 10_000_000), REQUIRED, "the pressure at 20 mA in Pa"),
        ("zero_mm", _ANY, REQUIRED, "height of the transducer above the datum in mm"),
        ("shunt_mohm", (1, 1_000_000), ABSENT, "the shunt in milliohms"),
        ("density_g_l", (500, 2000), ABSENT, "500 to 2000"),
        ("input", (0, 3), ABSENT, "0 to 3"),
        ("range_mv", [6144, 4096, 2048, 1024, 512, 256], ABSENT, "6144, 4096, 2048 .. 256"),
    ),
    "mb7389": (
        ("uart", _BUS, REQUIRED, "the number of a serial port"),
        ("height_mm", _ANY, REQUIRED, "height of the sensor above the datum in mm"),
        ("window_ms", (0, 60_000), ABSENT, "0 to 60000; 0: the newest echo alone"),
        ("every_ms", (100, 86_400_000), ABSENT, "100 to 86400000"),
    ),
    "ds18b20": (
        ("pin", _PIN, REQUIRED, "the number of a pin"),
        ("rom", "text", ABSENT, "the sensor's address, 16 hexadecimal digits"),
        ("bits", (9, 12), ABSENT, "9 to 12"),
        ("every_ms", (1000, 86_400_000), ABSENT, "1000 to 86400000"),
    ),
    "tipping_bucket": (
        ("pin", _PIN, REQUIRED, "the number of a pin"),
        ("tip_um", (1, 100_000), ABSENT, "the rain of one tip in um"),
        ("debounce_ms", (0, 10_000), ABSENT, "0 to 10000"),
        ("every_ms", (100, 86_400_000), ABSENT, "100 to 86400000"),
    ),
    "ld2410": (
        ("uart", _BUS, REQUIRED, "the number of a serial port"),
        ("baudrate", (9600, 460_800), ABSENT, "9600 to 460800"),
        ("every_ms", (100, 86_400_000), ABSENT, "100 to 86400000"),
    ),
    "gnss": (
        ("uart", _BUS, REQUIRED, "the number of a serial port"),
        ("baudrate", (4800, 460_800), ABSENT, "4800 to 460800"),
        ("every_ms", (100, 86_400_000), ABSENT, "100 to 86400000"),
    ),
}
