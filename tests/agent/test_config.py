"""config.json: what is right passes, what is wrong is named with its key and what it may be."""

from agent.config import Config, ConfigError
from tests.agent.fake_parts import ACC, BUTTON, SOIL, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def refusal(config: "dict[str, Any]") -> "tuple[str, str]":
    """Return the key and the allowed values that ConfigError names."""
    try:
        Config(config)
    except ConfigError as error:
        assert error.key in str(error) and error.allowed in str(error)
        return error.key, error.allowed
    raise AssertionError("nothing was refused")


def changed(base: "dict[str, Any]", **changes: "Any") -> "dict[str, Any]":
    result = dict(base)
    result.update(changes)
    return result


def test_a_whole_configuration_is_read() -> None:
    acc = changed(ACC, trigger={"peak_raw": 9}, encoding="plain")
    config = Config(table([acc, SOIL, BUTTON], normal={"soil": {"every_ms": 5000}}))
    assert config.secret == b"\x5a" * 32 and (config.host, config.port) == ("hub.example", 4620)
    assert [sensor.name for sensor in config.sensors] == ["acc", "soil", "button"]
    assert config.sensors[0].trigger == (9, 1000) and config.sensors[0].plain
    assert config.sensors[1].lane == 2 and not config.sensors[1].personal
    assert config.sensors[2].personal and config.sensors[2].settings == {
        "name": "button",
        "pin": 3,
    }
    assert config.policy.rule(0, "soil").pace == {"every_ms": 5000}


def test_unknown_keys_are_refused_at_every_depth() -> None:
    good = table([ACC])
    assert refusal(changed(good, sensor=[]))[0] == "sensor"
    assert refusal(changed(good, hub={"host": "h", "port": 1, "tls": True}))[0] == "hub.tls"
    assert refusal(table([changed(ACC, shfit=4)]))[0] == "sensors[0].shfit"
    trigger = {"peak_raw": 1, "hold": 5}
    assert refusal(table([changed(ACC, trigger=trigger)]))[0] == "sensors[0].trigger.hold"
    assert (
        refusal(table([ACC], normal={"acc": {"repot_ms": 1}}))[0] == "policy.normal.acc.repot_ms"
    )
    key, allowed = refusal(table([ACC], panic={}))
    assert key == "policy.panic" and allowed == "normal, watch, disaster"
    assert refusal(table([ACC], normal={"wind": {}})) == ("policy.normal.wind", "acc")


def test_missing_keys_are_named() -> None:
    for key in ("device", "secret", "hub", "sensors", "policy"):
        config = table([ACC])
        del config[key]
        assert refusal(config)[0] == key
    assert refusal(changed(table([]), hub={"host": "h"}))[0] == "hub.port"
    assert refusal(table([{"name": "a"}]))[0] == "sensors[0].driver"


def test_wrong_values_are_named_with_what_they_may_be() -> None:
    good = table([ACC])
    assert refusal(changed(good, device=""))[0] == "device"
    assert refusal(changed(good, device="seventeen bytes.."))[0] == "device"
    assert refusal(changed(good, secret="5a" * 31)) == ("secret", "64 hexadecimal digits")
    assert refusal(changed(good, secret="zz" * 32))[0] == "secret"
    assert refusal(changed(good, hub={"host": "h", "port": 65536}))[1] == "1 to 65535"
    assert refusal(changed(good, hub={"host": "h", "port": True}))[0] == "hub.port"
    assert refusal(changed(good, sensors={}))[0] == "sensors"
    assert refusal(changed(good, sensors=[7]))[0] == "sensors[0]"
    assert refusal(table([changed(ACC, lane=4)]))[0] == "sensors[0].lane"
    assert refusal(table([changed(ACC, driver="adxl999")]))[0] == "sensors[0].driver"
    assert refusal(table([changed(ACC, encoding="zip")]))[1] == '"packed" or "plain"'
    assert refusal(table([changed(ACC, range_g=3)]))[1] == "2, 4 or 8"
    assert refusal(table([ACC, ACC]))[0] == "sensors[1].name"
    assert refusal(table([ACC], normal={"acc": {"report_ms": 0}}))[1] == "100 to 86400000"


def test_a_chip_of_two_buses_is_wired_to_exactly_one() -> None:
    for driver in ("adxl345", "adxl355"):
        row = {"name": "acc", "driver": driver, "rate_mhz": 100_000}
        for bus in ({"i2c": 0}, {"i2c": 0, "address": 0x53}, {"spi": 0, "cs": 1}):
            assert Config(table([changed(row, **bus)])).sensors[0].settings["name"] == "acc"
        for bus in ({}, {"spi": 0}, {"cs": 1}, {"i2c": 0, "cs": 1}, {"i2c": 0, "spi": 0, "cs": 1}):
            key, allowed = refusal(table([changed(row, **bus)]))
            assert (key, allowed) == ("sensors[0].i2c", "either i2c, or spi and cs")


def test_a_pace_that_the_sensor_does_not_have_is_refused() -> None:
    key, allowed = refusal(table([ACC], watch={"acc": {"every_ms": 1000}}))
    assert key == "policy.watch.acc.every_ms" and "rate_mhz" in allowed


def test_a_mode_inherits_from_normal_key_by_key() -> None:
    normal = {"soil": {"every_ms": 60_000, "report_ms": 600_000}}
    disaster = {"soil": {"every_ms": 1000, "lane": 1}}
    policy = Config(table([SOIL], normal=normal, disaster=disaster)).policy
    for mode in (0, 1):
        rule = policy.rule(mode, "soil")
        assert (rule.lane, rule.report_us, rule.pace) == (2, 600_000_000, {"every_ms": 60_000})
    rule = policy.rule(2, "soil")
    assert (rule.lane, rule.report_us, rule.pace) == (1, 600_000_000, {"every_ms": 1000})


def test_a_sensor_may_rest_in_a_mode() -> None:
    policy = Config(table([SOIL], watch={"soil": {"on": False}})).policy
    assert [policy.rule(mode, "soil").on for mode in (0, 1, 2)] == [True, False, True]
