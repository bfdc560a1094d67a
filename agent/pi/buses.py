"""What answers on an I2C bus, as a table that a technician holds beside the wiring."""

from collections.abc import Iterable
from typing import Any

from agent.drivers.errors import SensorError
from agent.hal.errors import ENODEV
from agent.pi.problem import PiError

ADDRESSES = range(0x08, 0x78)  # the others are reserved (UM10204, table 3)
# What our drivers find there unless their row of `sensors` has an `address`.
USUAL = {
    0x1D: "adxl355, adxl345",
    0x2A: "nau7802",
    0x48: "ads1115, tmp117",
    0x49: "tmp117, ads1115",
    0x4A: "tmp117, ads1115",
    0x4B: "tmp117, ads1115",
    0x53: "adxl345, adxl355",
    0x68: "mpu6050",
    0x69: "mpu6050",
}


def scan(bus: Any) -> list[int]:
    """Return the addresses that acknowledge a read of one byte; PiError where the bus hangs."""
    found = []
    for address in ADDRESSES:
        try:
            bus.readfrom_into(address, bytearray(1))
        except OSError as error:
            if error.errno != ENODEV:
                raise PiError(
                    "The I2C bus is held low by a chip or a short.",
                    "Look at SDA and SCL, take the sensors off one by one, and scan again.",
                ) from None
        else:
            found.append(address)
    return found


def table(found: Iterable[int]) -> str:
    """Return the scan as i2cdetect draws it, and under it what may be there."""
    answered = set(found)
    lines = ["     " + "  ".join(f"{column:x}" for column in range(16))]
    for row in range(0, 0x80, 16):
        cells = [
            (f"{address:02x}" if address in answered else "--") if address in ADDRESSES else "  "
            for address in range(row, row + 16)
        ]
        lines.append(f"{row:02x}: {' '.join(cells)}".rstrip())
    for address in sorted(answered):
        lines.append(f"0x{address:02x}: {USUAL.get(address, 'no sensor of ours by default')}")
    return "\n".join(lines if answered else [*lines, "Nobody answers."])


def try_sensor(driver: Any) -> tuple[str, str]:
    """Start a sensor and exercise it; return ("", "") or (cause, remedy)."""
    try:
        driver.start()
        passed = driver.self_test()
        driver.stop()
    except SensorError as error:
        return error.cause, error.remedy
    except OSError as error:
        cause = error.args[1] if len(error.args) > 1 else str(error)
        return f"{cause}", "Look at the wiring and the supply."
    if passed:
        return "", ""
    return "Its self-test failed.", "Look at its wiring and supply; replace it if that helps not."
