"""`hinomi sim chips` and `hinomi sim board`: what they list and show."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from simulators.chips import CHIPS
from simulators.chips.catalogue import REGISTERS, describe
from simulators.commands import UsageError, app
from tests.simulators.pairs import PAIRS


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def power_up(name: str) -> dict[str, int]:
    return {row["name"]: row["power_up"] for row in describe(name)["registers"]}


def test_every_chip_with_registers_is_in_the_table() -> None:
    on_a_bus = {pair.settings["driver"] for pair in PAIRS.values() if pair.kind in ("i2c", "spi")}
    assert set(REGISTERS) == on_a_bus


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("adxl355", {"DEVID_AD": 0xAD, "PARTID": 0xED, "RANGE": 0x81, "POWER_CTL": 0x01}),
        ("adxl345", {"DEVID": 0xE5, "BW_RATE": 0x0A}),
        ("mpu6050", {"WHO_AM_I": 0x68, "PWR_MGMT_1": 0x40}),
        ("nau7802", {"REVISION": 0x0F, "GCAL1_B2": 0x80}),
        ("ads1115", {"CONFIG": 0x8583, "LO_THRESH": 0x8000, "HI_THRESH": 0x7FFF}),
        ("tmp117", {"DEVICE_ID": 0x0117, "CONFIGURATION": 0x0220, "THIGH_LIMIT": 0x6000}),
    ],
)
def test_power_up_values_are_those_of_the_data_sheets(name: str, expected: dict[str, int]) -> None:
    found = power_up(name)
    assert {label: found[label] for label in expected} == expected


def test_chips_lists_every_model_and_one_in_whole() -> None:
    listed = run("chips").splitlines()
    assert [line.split()[0] for line in listed] == list(CHIPS)
    assert "DEVICE_ID          at power-up 0x0117" in run("chips", "tmp117")
    assert [row["driver"] for row in json.loads(run("chips", "--json"))] == list(CHIPS)


def test_board_reads_what_its_chips_measure() -> None:
    report: dict[str, Any] = json.loads(run("board", "bridge-node", "--seconds", "4", "--json"))
    assert report["seconds"] == pytest.approx(4, abs=0.05)  # some drivers wait at their start
    assert report["channels"]["acc.z"]["count"] in range(370, 410)
    assert 9.5 < report["channels"]["acc.z"]["mean"] < 10.1
    assert report["channels"]["temperature"]["unit"] == "Cel"


def test_board_draws_a_line_for_each_channel() -> None:
    shown = run("board", "river-gauge", "--seconds", "10")
    assert "level" in shown and "█" in shown and "▁" in shown


@pytest.mark.parametrize("arguments", [("chips", "xyz"), ("board", "xyz")])
def test_unknown_names_are_wrong_usage(arguments: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert "Take one of" in caught.value.remedy and caught.value.exit_code == 2
