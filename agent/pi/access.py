"""What the sensors of a configuration need of Linux, and whether this program may use it.

Raspberry Pi OS hides I2C, SPI and the serial port until they are enabled, and lends each to a
group.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.config import Config
from agent.pi.problem import PiError

DEVICES = Path("/dev")
# Key of a sensor's settings -> what its device files are called, its name, how it is enabled (the
# line of config.txt in brackets), whose group it is.
NEEDS = {
    "i2c": ("i2c-1", "I2C", "sudo raspi-config nonint do_i2c 0  (dtparam=i2c_arm=on)", "i2c"),
    "spi": ("spidev0.*", "SPI", "sudo raspi-config nonint do_spi 0  (dtparam=spi=on)", "spi"),
    "pin": ("gpiochip*", "GPIO", "use a kernel with CONFIG_GPIO_CDEV", "gpio"),
}
SERIAL_ENABLE = (
    "sudo raspi-config nonint do_serial_hw 0; sudo raspi-config nonint do_serial_cons 1"
    "  (enable_uart=1, and no login console on it)"
)


def check(config: Config, wiring: dict[str, Any], devices: Path = DEVICES) -> None:
    """Raise PiError for the first thing that a sensor needs and this program may not use."""
    for key, sensor, number in _wanted(config):
        if key != "uart":
            require(key, f"Sensor {sensor}", devices)
            continue
        path = wiring["uart"].get(number)
        if path is None:
            raise PiError(
                f"Sensor {sensor} hangs on serial port {number}, which has no path.",
                "Name it in agent.toml: [machine] serial = [...].",
            )
        found = [Path(path)] if Path(path).exists() else []
        _check_paths(found, f"Sensor {sensor}", ("", path, SERIAL_ENABLE, "dialout"))


def require(key: str, who: str, devices: Path = DEVICES) -> None:
    """Raise PiError unless `who` may use what NEEDS has under this key."""
    need = NEEDS[key]
    _check_paths(sorted(devices.glob(need[0])), who, need)


def _wanted(config: Config) -> Iterator[tuple[str, str, Any]]:
    for sensor in config.sensors:
        for key, value in sensor.settings.items():
            if key in ("i2c", "spi", "uart"):
                yield key, sensor.name, value
            elif key == "cs" or (key.endswith("pin") and sensor.driver != "ds18b20"):
                yield "pin", sensor.name, value
    if config.led_pin is not None:
        yield "pin", "led_pin", config.led_pin


def _check_paths(found: list[Path], who: str, need: tuple[str, str, str, str]) -> None:
    _, name, enable, group = need
    if not found:
        raise PiError(f"{who} needs {name}, which is not enabled here.", f"Enable it: {enable}")
    if not any(os.access(path, os.R_OK | os.W_OK) for path in found):
        raise PiError(
            f"{who} needs {name}, and this user may not open {found[0]}.",
            f"sudo usermod -aG {group} $USER, then log in again.",
        )
