"""What models of chips there are: what each says of itself, and its registers by name."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from simulators.board import SimBoard
from simulators.chips import CHIPS, create
from simulators.clock import HandClock
from simulators.signals.basic import LEVEL_AT_REST, Constant

BUS = 0
CS = 5

# driver -> number (hexadecimal) and name, as in the data sheet, of each register
_NAMES = {
    "adxl355": """
        00 DEVID_AD 01 DEVID_MST 02 PARTID 03 REVID 04 STATUS 05 FIFO_ENTRIES 06 TEMP2 07
        TEMP1 08 XDATA3 09 XDATA2 0A XDATA1 0B YDATA3 0C YDATA2 0D YDATA1 0E ZDATA3 0F ZDATA2
        10 ZDATA1 11 FIFO_DATA 1E OFFSET_X_H 1F OFFSET_X_L 20 OFFSET_Y_H 21 OFFSET_Y_L 22
        OFFSET_Z_H 23 OFFSET_Z_L 24 ACT_EN 25 ACT_THRESH_H 26 ACT_THRESH_L 27 ACT_COUNT 28
        FILTER 29 FIFO_SAMPLES 2A INT_MAP 2B SYNC 2C RANGE 2D POWER_CTL 2E SELF_TEST 2F RESET
    """,
    "adxl345": """
        00 DEVID 1D THRESH_TAP 1E OFSX 1F OFSY 20 OFSZ 2C BW_RATE 2D POWER_CTL 2E INT_ENABLE
        2F INT_MAP 30 INT_SOURCE 31 DATA_FORMAT 32 DATAX0 33 DATAX1 34 DATAY0 35 DATAY1 36
        DATAZ0 37 DATAZ1 38 FIFO_CTL 39 FIFO_STATUS
    """,
    "mpu6050": """
        0D SELF_TEST_X 0E SELF_TEST_Y 0F SELF_TEST_Z 10 SELF_TEST_A 19 SMPLRT_DIV 1A CONFIG 1B
        GYRO_CONFIG 1C ACCEL_CONFIG 23 FIFO_EN 37 INT_PIN_CFG 38 INT_ENABLE 3A INT_STATUS 3B
        ACCEL_XOUT_H 3C ACCEL_XOUT_L 3D ACCEL_YOUT_H 3E ACCEL_YOUT_L 3F ACCEL_ZOUT_H 40
        ACCEL_ZOUT_L 41 TEMP_OUT_H 42 TEMP_OUT_L 43 GYRO_XOUT_H 44 GYRO_XOUT_L 45 GYRO_YOUT_H
        46 GYRO_YOUT_L 47 GYRO_ZOUT_H 48 GYRO_ZOUT_L 68 SIGNAL_PATH_RESET 6A USER_CTRL 6B
        PWR_MGMT_1 6C PWR_MGMT_2 72 FIFO_COUNTH 73 FIFO_COUNTL 74 FIFO_R_W 75 WHO_AM_I
    """,
    "nau7802": """
        00 PU_CTRL 01 CTRL1 02 CTRL2 03 OCAL1_B2 04 OCAL1_B1 05 OCAL1_B0 06 GCAL1_B3 07
        GCAL1_B2 08 GCAL1_B1 09 GCAL1_B0 0A OCAL2_B2 0B OCAL2_B1 0C OCAL2_B0 0D GCAL2_B3 0E
        GCAL2_B2 0F GCAL2_B1 10 GCAL2_B0 11 I2C_CONTROL 12 ADCO_B2 13 ADCO_B1 14 ADCO_B0 15
        ADC 1B PGA 1C POWER_CONTROL 1F REVISION
    """,
    "ads1115": """
        00 CONVERSION 01 CONFIG 02 LO_THRESH 03 HI_THRESH
    """,
    "tmp117": """
        00 TEMP_RESULT 01 CONFIGURATION 02 THIGH_LIMIT 03 TLOW_LIMIT 04 EEPROM_UL 05 EEPROM1
        06 EEPROM2 07 TEMP_OFFSET 08 EEPROM3 0F DEVICE_ID
    """,
    "ads1220": """
        00 CONFIG_0 01 CONFIG_1 02 CONFIG_2 03 CONFIG_3
    """,
}
_NAMES["pressure_level"] = _NAMES["ads1115"]  # it is one


def _parse(text: str) -> dict[int, str]:
    words = text.split()
    return {int(words[at], 16): words[at + 1] for at in range(0, len(words), 2)}


REGISTERS = {name: _parse(text) for name, text in _NAMES.items()}
WIDE = ("ads1115", "pressure_level", "tmp117")  # 16-bit registers
# How to read one register over SPI: the bytes that go out, and where the answer begins.
SPI_READS: dict[str, Callable[[int], bytes]] = {
    "adxl355": lambda register: bytes((register << 1 | 1, 0)),
    "ads1220": lambda register: bytes((0x20 | register << 2, 0)),
}
SETTINGS: dict[str, dict[str, Any]] = {
    "ads1115": {"zero_uv": 0, "full_uv": 3_300_000, "full_um": 100_000},
    "pressure_level": {"full_pa": 49_033, "zero_mm": 0},
    "ads1220": {"spi": BUS, "cs": CS, "drdy_pin": 6},
    "adxl355": {"spi": BUS, "cs": CS},
}


def describe(name: str) -> dict[str, Any]:
    """Return what there is to say of the model of driver `name`; KeyError for an unknown name.

    title: its module's first line; model: what it says of itself; registers: number, name,
    bits and power-up value of each, in order; empty where the chip has none.
    """
    module_name, class_name = CHIPS[name].split(":")
    module = importlib.import_module(module_name)
    return {
        "driver": name,
        "title": (module.__doc__ or "").strip().splitlines()[0],
        "model": inspect.getdoc(getattr(module, class_name)) or "",
        "registers": _power_up_values(name),
    }


def _power_up_values(name: str) -> list[dict[str, Any]]:
    """Read every register of a model that has just got power, over its bus."""
    if name not in REGISTERS:
        return []
    clock = HandClock()
    chip = create(name, clock, Constant(_rest_of(name)))
    own = SETTINGS.get(name, {})
    wired = {} if "spi" in own else {"i2c": BUS}
    settings = {"name": name, "rate_mhz": 1000, **wired, **own}
    board = SimBoard(clock, [(chip, settings)])
    bits = 16 if name in WIDE else 8
    return [
        {
            "register": register,
            "name": label,
            "power_up": _read(board, name, register),
            "bits": bits,
        }
        for register, label in sorted(REGISTERS[name].items())
    ]


def _rest_of(name: str) -> Any:
    return LEVEL_AT_REST if name in ("adxl355", "adxl345", "mpu6050") else 0.0


def _read(board: SimBoard, name: str, register: int) -> int:
    if name in SPI_READS:
        data = bytearray(SPI_READS[name](register))
        board.spi(BUS, CS, 1_000_000, 0).transfer(data, data)
        return data[-1]
    data = bytearray(2 if name in WIDE else 1)
    (address,) = board.i2c_chips[BUS]
    board.i2c(BUS).readfrom_mem_into(address, register, data)
    return int.from_bytes(data, "big")
