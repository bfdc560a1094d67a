"""Models of the chips, at register level.

A model is made of (clock, signal, seed, options): the world clock, what it measures
(`sample(t_us)` in SI units), the seed of its noise and its own options; it is wired to a board by
the sensor's row of config.json, the same row that the driver gets.
"""

import importlib
from typing import Any

# driver name -> "module:Class" of its model
CHIPS = {
    "adxl355": "simulators.chips.adxl355:Adxl355Chip",
    "adxl345": "simulators.chips.adxl345:Adxl345Chip",
    "mpu6050": "simulators.chips.mpu6050:Mpu6050Chip",
    "nau7802": "simulators.chips.nau7802:Nau7802Chip",
    "ads1220": "simulators.chips.ads1220:Ads1220Chip",
    "hx711": "simulators.chips.hx711:Hx711Chip",
    "ads1115": "simulators.chips.ads1115:Ads1115Chip",
    "tmp117": "simulators.chips.tmp117:Tmp117Chip",
    "a02yyuw": "simulators.chips.a02yyuw:A02yyuwChip",
    "soil_moisture": "simulators.chips.soil_moisture:SoilMoistureChip",
    "digital_input": "simulators.chips.digital_input:DigitalInputChip",
    "wire_loop": "simulators.chips.wire_loop:WireLoopChip",
    "pressure_mat": "simulators.chips.pressure_mat:PressureMatChip",
    "pressure_level": "simulators.chips.pressure_level:PressureLevelChip",
    "mb7389": "simulators.chips.mb7389:Mb7389Chip",
    "ds18b20": "simulators.chips.ds18b20:Ds18b20Chip",
    "tipping_bucket": "simulators.chips.tipping_bucket:TippingBucketChip",
    "ld2410": "simulators.chips.ld2410:Ld2410Chip",
    "gnss": "simulators.chips.gnss:GnssChip",
}


def create(
    name: str,
    clock: Any,
    signal: Any,
    *,
    seed: int = 0,
    options: dict[str, Any] | None = None,
) -> Any:
    """Return the model of the chip that driver `name` talks to; KeyError for an unknown name."""
    module_name, class_name = CHIPS[name].split(":")
    model = getattr(importlib.import_module(module_name), class_name)
    return model(clock, signal, seed, options or {})
