"""A device alone: its own thresholds; and its outputs, which no drill can move."""

from agent.config import Config, ConfigError
from protocols.vocabulary import (
    COMMAND_ACTUATE,
    COMMAND_MODE,
    MODE_DISASTER,
    MODE_NORMAL,
    MODE_WATCH,
    RESULT_DONE,
    RESULT_DRILL,
    RESULT_FAILED,
)
from tests.agent.fake_parts import BUTTON, SOIL, Core, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

S = 1_000_000
ALONE_S = 60
SIREN = {"name": "siren", "pin": 9, "hold_ms_max": 30_000}
# The probe's value is the time in s: a river that rises for ever.
GAUGE = dict(SOIL, own_rule={"above_milli": 99_000, "mode": "watch", "hold_ms": 20_000})
WIRE = dict(
    BUTTON,
    name="wire",
    personal=False,
    own_rule={"above_milli": 500, "output": "siren", "hold_ms": 10_000},
)
NORMAL = {"soil": {"every_ms": 10_000, "report_ms": 10_000}}
WATCH = {"soil": {"every_ms": 1000, "report_ms": 2000}}


def core(sensors: "list[dict[str, Any]]", flash: "Any" = None) -> Core:
    """Return a device with a siren that is alone after a minute."""
    has_soil = any(one["name"] == "soil" for one in sensors)
    whole = table(sensors, normal=NORMAL if has_soil else {}, watch=WATCH if has_soil else {})
    whole["outputs"] = [SIREN]
    whole["alone_after_ms"] = ALONE_S * 1000
    return Core(whole, flash)


def actuate(device: Core, *arguments: "Any") -> int:
    """Let the device obey; return the status."""
    status, _ = device.operation.obey(COMMAND_ACTUATE, list(arguments), device.board.time_us)
    return status


def test_a_gauge_alone_goes_to_its_fast_interval_by_its_own_threshold() -> None:
    device = core([GAUGE])
    device.run(95 * S)
    assert device.operation.followed_mode() == MODE_NORMAL
    device.run(130 * S)
    assert (device.operation.followed_mode(), device.operation.mode) == (MODE_WATCH, MODE_NORMAL)
    device.run(160 * S)
    values = [value for one in device.series("soil") for value in one.values if value > 131]
    assert len(values) >= 20


def test_with_a_hub_the_own_rule_asks_for_nothing() -> None:
    device = core([GAUGE])
    for at_s in range(10, 300, 10):
        device.run(at_s * S)
        device.operation.heard(at_s * S)
        assert device.operation.followed_mode() == MODE_NORMAL
    device.run(400 * S)
    assert device.operation.followed_mode() == MODE_WATCH
    device.operation.heard(400 * S)
    device.operation.run_due(400 * S)
    assert device.operation.followed_mode() == MODE_NORMAL


def test_the_hubs_higher_mode_stays_while_alone() -> None:
    device = core([GAUGE])
    device.operation.change_mode(MODE_DISASTER, False, 0)
    device.run(200 * S)
    assert device.operation.followed_mode() == MODE_DISASTER


def test_what_the_own_rule_asked_for_is_held_for_a_while_after_the_case() -> None:
    device = core([WIRE])
    device.board.levels["wire"] = 1
    device.run(70 * S)
    assert device.operation.own_mode == MODE_DISASTER
    device.board.levels["wire"] = 0
    device.run(78 * S)
    assert device.operation.own_mode == MODE_DISASTER
    device.run(82 * S)
    assert device.operation.own_mode == MODE_NORMAL


def test_a_torn_wire_sounds_the_siren_of_a_device_alone_once_and_not_for_ever() -> None:
    device = core([WIRE])
    siren = device.board.pins[9]
    device.run(70 * S)
    assert siren.level == 0
    device.board.levels["wire"] = 1
    device.run(72 * S)
    assert siren.level == 1
    device.run(99 * S)
    assert siren.level == 1
    device.run(103 * S)
    assert siren.level == 0
    device.run(200 * S)
    assert siren.level == 0


def test_a_torn_wire_is_left_to_the_hub_that_is_there() -> None:
    device = core([WIRE])
    device.board.levels["wire"] = 1
    device.run(59 * S)
    assert device.board.pins[9].level == 0
    device.run(62 * S)  # and the hub is gone
    assert device.board.pins[9].level == 1


def test_a_device_alone_leaves_the_drill_and_what_it_sees_is_real() -> None:
    device = core([WIRE])
    device.operation.change_mode(MODE_DISASTER, True, 0)
    device.run(50 * S)
    assert device.operation.drill
    device.run(61 * S)
    assert (device.operation.drill, device.operation.followed_mode()) == (False, MODE_NORMAL)
    assert not core([WIRE], device.flash).operation.drill
    device.board.levels["wire"] = 1
    device.run(65 * S)
    assert device.board.pins[9].level == 1


def test_the_hub_switches_an_output_for_a_time_and_off() -> None:
    device = core([WIRE])
    siren = device.board.pins[9]
    assert actuate(device, "siren", 10_000, False) == RESULT_DONE
    assert siren.level == 1
    device.run(9 * S)
    assert siren.level == 1
    device.run(12 * S)
    assert siren.level == 0
    actuate(device, "siren", 10_000, False)
    assert actuate(device, "siren", 0, False) == RESULT_DONE
    assert siren.level == 0 and not device.outputs.on


def test_nothing_sounds_in_a_drill_whoever_says_that_it_is_one() -> None:
    device = core([WIRE])
    siren = device.board.pins[9]
    assert actuate(device, "siren", 10_000, True) == RESULT_DRILL
    device.operation.obey(COMMAND_MODE, [MODE_DISASTER, True], 0)
    assert actuate(device, "siren", 10_000, False) == RESULT_DRILL
    assert siren.level == 0 and device.outputs.refused_count == 2
    device.operation.obey(COMMAND_MODE, [MODE_DISASTER, False], 0)
    assert actuate(device, "siren", 10_000, False) == RESULT_DONE
    device.operation.obey(COMMAND_MODE, [MODE_DISASTER, True], 0)
    assert siren.level == 0  # a drill begins in silence


def test_an_order_for_an_output_that_is_not_sound_is_refused() -> None:
    device = core([WIRE])
    for arguments in (
        (),
        ("siren", 1000),
        ("siren", True, False),
        ("siren", -1, False),
        ("siren", 30_001, False),
        ("bell", 1000, False),
        (1, 1000, False),
        ("siren", 1000, 0),
    ):
        assert actuate(device, *arguments) == RESULT_FAILED, arguments
    assert device.board.pins[9].level == 0


def test_an_output_that_is_active_low_rests_high() -> None:
    whole = table([BUTTON], normal={})
    whole["outputs"] = [dict(SIREN, active="low")]
    device = Core(whole)
    assert device.board.pins[9].level == 1
    actuate(device, "siren", 1000, False)
    assert device.board.pins[9].level == 0


def test_a_configuration_of_outputs_and_own_rules_that_is_wrong_is_named() -> None:
    for sensor, outputs, key in (
        (WIRE, [], "own_rule.output of wire"),
        (WIRE, [SIREN, SIREN], "outputs[1].name"),
        (WIRE, [dict(SIREN, hold_ms_max=1)], "outputs[0].hold_ms_max"),
        (dict(SOIL, own_rule={"mode": "watch"}), [], "sensors[0].own_rule"),
    ):
        whole = table([sensor], normal={})
        whole["outputs"] = outputs
        try:
            Config(whole)
            found = ""
        except ConfigError as error:
            found = error.key
        assert found == key


def test_a_threshold_means_the_same_whatever_scale_the_driver_sends() -> None:
    device = core([GAUGE])
    device.run(95 * S)
    sensor = device.sensors[0]
    assert sensor.newest_milli() == 90_000
    for scale, milli in (((-3, 1), 90), ((-2, 1), 900), ((0, -2), -180_000), ((-5, 25), 22)):
        sensor._scales = (("m", scale),)
        assert sensor.newest_milli() == milli
    device.board.faults.add("soil")
    device.run(101 * S)
    assert sensor.newest_milli() is None
