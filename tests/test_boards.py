"""Every profile is complete, in range, and one that the agent takes."""

import pytest

from agent.config import Config
from agent.main import check_drivers
from boards.profiles import (
    board_profiles,
    device_profiles,
    make_config,
    read_board,
    read_device,
)
from simulators.board import SimBoard
from simulators.clock import HandClock

SECRET = "00" * 32
KINDS = ("bridge", "river", "slope", "home", "other")
BUSES = ("spi", "i2c", "uart", "adc")
PINS = ("pin", "cs", "sync_pin")


def config_of(profile: str, demo: bool = False) -> dict[str, object]:
    return make_config(profile, "device-1", SECRET, host="127.0.0.1", port=4620, demo=demo)


def test_the_profiles_of_the_demonstration_are_there() -> None:
    assert {"bridge-node", "river-gauge", "slope-node", "home-node"} <= set(device_profiles())
    assert "pico-w" in board_profiles()


@pytest.mark.parametrize("demo", [False, True])
@pytest.mark.parametrize("profile", device_profiles())
def test_the_agent_takes_it(profile: str, demo: bool) -> None:
    config = Config(config_of(profile, demo))
    assert config.profile == profile
    check_drivers(SimBoard(HandClock()), config)


@pytest.mark.parametrize("profile", device_profiles())
def test_people_can_read_it(profile: str) -> None:
    table = read_device(profile)
    assert table["profile"] == profile and table["kind"] in KINDS
    assert table["name_ja"] and table["name_en"]
    assert set(table["names"]) == {sensor["name"] for sensor in table["sensors"]}
    assert all(set(names) == {"ja", "en"} for names in table["names"].values())


@pytest.mark.parametrize("profile", device_profiles())
def test_its_board_has_the_buses_and_pins_and_no_pin_has_two_uses(profile: str) -> None:
    table = read_device(profile)
    board = read_board(table["board"])
    used: list[int] = []
    buses = set()
    for sensor in table["sensors"]:
        used += [sensor[key] for key in PINS if key in sensor]
        buses |= {(key, str(sensor[key])) for key in BUSES if key in sensor}
    for kind, number in buses:
        used += board[kind][number].values()
    assert len(used) == len(set(used)) and max(used) <= board["pin_max"]


@pytest.mark.parametrize("profile", device_profiles())
def test_no_two_chips_share_an_address(profile: str) -> None:
    sensors = read_device(profile)["sensors"]
    default = {"nau7802": 42, "ads1115": 72, "tmp117": 73}
    wired = [
        (sensor["i2c"], sensor.get("address", default.get(sensor["driver"])))
        for sensor in sensors
        if "i2c" in sensor
    ]
    assert len(wired) == len(set(wired))


def test_the_home_says_nothing_unencrypted() -> None:
    assert all(sensor["personal"] for sensor in read_device("home-node")["sensors"])


def test_an_unknown_profile_names_those_there_are() -> None:
    with pytest.raises(KeyError, match="bridge-node"):
        config_of("bridge")
    with pytest.raises(KeyError):
        config_of("../boards/pico-w")


def test_the_demonstration_only_changes_what_it_says() -> None:
    real, demo = Config(config_of("river-gauge")), Config(config_of("river-gauge", demo=True))
    assert real.policy.rule(0, "level").pace == {"every_ms": 600_000, "window_ms": 20_000}
    assert demo.policy.rule(0, "level").pace == {"every_ms": 2000, "window_ms": 0}
    assert demo.sensors[0].settings == real.sensors[0].settings
