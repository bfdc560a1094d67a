"""Outputs: what a siren refuses, and that nothing leaves it on."""

from agent.config import Config, ConfigError
from protocols.vocabulary import (
    COMMAND_ACTUATE,
    COMMAND_MODE,
    MODE_DISASTER,
    MODE_NORMAL,
    RESULT_DONE,
    RESULT_DRILL,
    RESULT_FAILED,
)
from tests.agent.fake_parts import BUTTON, Core, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

S = 1_000_000
OUTPUTS = [
    {"name": "siren", "pin": 9, "hold_ms_max": 30_000},
    {"name": "lamp", "pin": 10, "hold_ms_max": 30_000, "practice": True},
]


def core(flash: "Any" = None) -> Core:
    """Return a device with a siren, and a lamp for practice."""
    whole = table([dict(BUTTON, personal=False)], normal={}, watch={})
    whole["outputs"] = OUTPUTS
    return Core(whole, flash)


def actuate(device: Core, *arguments: "Any") -> int:
    """Let the device obey; return the status."""
    return device.operation.obey(COMMAND_ACTUATE, list(arguments), device.board.time_us)[0]


def sounding(device: Core) -> "set[str]":
    """Return the names of the outputs that are on."""
    outputs = device.operation._outputs
    assert outputs is not None
    return set(outputs.on)


def test_in_a_drill_only_what_is_declared_for_practice_moves() -> None:
    device = core()
    assert actuate(device, "siren", 1000, True) == RESULT_DRILL
    assert actuate(device, "lamp", 1000, True) == RESULT_DONE
    device.operation.obey(COMMAND_MODE, [MODE_DISASTER, True], device.board.time_us)
    # Also where whoever asks says that it is none: the device knows better.
    assert actuate(device, "siren", 1000, False) == RESULT_DRILL
    assert actuate(device, "lamp", 1000, False) == RESULT_DONE
    assert sounding(device) == {"lamp"}
    device.operation.obey(COMMAND_MODE, [MODE_DISASTER, False], device.board.time_us)
    assert actuate(device, "siren", 1000, False) == RESULT_DONE


def test_a_drill_that_begins_silences_what_sounds() -> None:
    device = core()
    assert actuate(device, "siren", 30_000, False) == RESULT_DONE
    device.operation.obey(COMMAND_MODE, [MODE_DISASTER, True], device.board.time_us)
    assert sounding(device) == set()
    device.operation.obey(COMMAND_MODE, [MODE_NORMAL, False], device.board.time_us)


def test_a_siren_stops_by_itself_and_none_sounds_for_longer_than_its_row_says() -> None:
    device = core()
    assert actuate(device, "siren", 30_001, False) == RESULT_FAILED
    assert actuate(device, "siren", 30_000, False) == RESULT_DONE
    device.run(29 * S)
    assert "siren" in sounding(device)
    device.run(32 * S)
    assert sounding(device) == set()


def test_a_wrong_order_is_refused() -> None:
    device = core()
    for arguments in (
        ["bell", 1000, False],
        ["siren", -1, False],
        ["siren", True, False],
        ["siren", 1000, 0],
        ["siren", 1000],
        [],
    ):
        assert actuate(device, *arguments) == RESULT_FAILED, arguments
    assert sounding(device) == set()


def test_practice_is_yes_or_no() -> None:
    whole = table([dict(BUTTON, personal=False)], normal={}, watch={})
    whole["outputs"] = [dict(OUTPUTS[0], practice=1)]
    try:
        Config(whole)
    except ConfigError as error:
        assert error.key == "outputs[0].practice"
        return
    assert False, "taken"
