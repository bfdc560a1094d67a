"""Drivers: one file per sensor, from registers to integers with a unit. All have one face:

    __init__(board, settings)   settings: the sensor's row of config.json
    channels        tuple of (suffix, unit, exponent, multiplier):
                    SI value = raw * multiplier * 10 ** exponent; a channel's full name is
                    settings["name"] + "." + suffix, or just the name where suffix is ""
    spacing_us      nominal spacing of the samples; 0: irregular, a sample is made only on change
    spacing_exact   optional, True: the board's own clock paces the samples
    paced_from_us   since then, where spacing_exact is True
    lag_us          optional: by how much the signal in a sample is older than the sample, because
                    the chip's filter delays it
    poll_us         longest time between two reads, so that no FIFO overflows, nothing is missed
    samples_max     most samples per channel that one read returns; 1 where settings["every_ms"]
                    paces the samples or spacing_us is 0: their time is that of the read
    overflows       times that samples were lost so far; each loss lies before the samples of the
                    read that counted it
    start()         configure and start the chip, having verified what it is; SensorError
    read(out, now_us) -> samples per channel, written interleaved by channel into the array('i')
                    `out`; SensorError
    self_test() -> bool          exercises the sensor; sampling goes on afresh afterwards
    set_rate(rate_mhz)           where the rate may change; ValueError for one it cannot do
    stop()          lowest power

What the samples' exact times are, is found by whoever calls read(): the oscillators of sensors are
off by percents.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# name in config.json -> "module:Class"
DRIVERS = {
    "adxl355": "agent.drivers.adxl355:Adxl355",
    "adxl345": "agent.drivers.adxl345:Adxl345",
    "mpu6050": "agent.drivers.mpu6050:Mpu6050",
    "nau7802": "agent.drivers.nau7802:Nau7802",
    "ads1220": "agent.drivers.ads1220:Ads1220",
    "hx711": "agent.drivers.hx711:Hx711",
    "ads1115": "agent.drivers.ads1115:Ads1115",
    "tmp117": "agent.drivers.tmp117:Tmp117",
    "a02yyuw": "agent.drivers.a02yyuw:A02yyuw",
    "soil_moisture": "agent.drivers.soil_moisture:SoilMoisture",
    "digital_input": "agent.drivers.digital_input:DigitalInput",
    "wire_loop": "agent.drivers.wire_loop:WireLoop",
    "pressure_mat": "agent.drivers.pressure_mat:PressureMat",
    "pressure_level": "agent.drivers.pressure_level:PressureLevel",
    "mb7389": "agent.drivers.mb7389:Mb7389",
    "ds18b20": "agent.drivers.ds18b20:Ds18b20",
    "tipping_bucket": "agent.drivers.tipping_bucket:TippingBucket",
    "ld2410": "agent.drivers.ld2410:Ld2410",
    "gnss": "agent.drivers.gnss:Gnss",
}


def create(name: str, board: "Any", settings: "dict[str, Any]") -> "Any":
    """Return the driver `name`; KeyError if unknown.

    It is imported only now: a board carries only its own drivers.
    """
    module_name, class_name = DRIVERS[name].split(":")
    __import__(module_name)
    return getattr(sys.modules[module_name], class_name)(board, settings)
