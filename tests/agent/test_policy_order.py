"""The hub's policy on a device: obeyed, refused whole, kept, and given back for the own one."""

from agent.policy_order import PolicyOrder
from protocols.vocabulary import (
    COMMAND_MODE,
    COMMAND_POLICY,
    LANE_LIFE,
    MODE_DISASTER,
    MODE_NORMAL,
    POLICY_FIELDS,
    RESULT_DONE,
    RESULT_FAILED,
)
from simulators.storage import SimFlash
from tests.agent.fake_parts import ACC, BUTTON, GROUND, SOIL, Core, create, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

S = 1_000_000
NORMAL = {"acc": {"report_ms": 10_000}, "soil": {"report_ms": 60_000, "every_ms": 60_000}}


def core(flash: "Any" = None) -> Core:
    """Return a device with an accelerometer and a soil probe."""
    return Core(table([ACC, SOIL], normal=NORMAL), flash)


def row(mode: int, sensor: str, **fields: "Any") -> "list[Any]":
    """Return a row of the command."""
    pairs = [[POLICY_FIELDS.index(name), fields[name]] for name in sorted(fields)]
    return [mode, sensor, pairs]


def order(device: Core, version: int, *rows: "list[Any]") -> "tuple[int, str]":
    """Let the device obey a policy."""
    now_us = device.board.time_us
    return device.operation.obey(COMMAND_POLICY, [version, list(rows)], now_us)


def values_of(device: Core, channel: str) -> "list[int]":
    """Return all readings of a channel."""
    return [value for one in device.series(channel) for value in one.values]


def test_a_policy_changes_the_pace_of_the_mode_that_is_on_at_once() -> None:
    device = core()
    assert order(device, 7, row(MODE_NORMAL, "soil", every_ms=1000, report_ms=5000)) == (0, "")
    device.run(21 * S)
    assert len(values_of(device, "soil")) >= 15
    assert device.operation.policy_version() == 7


def test_a_policy_of_another_mode_waits_for_it() -> None:
    device = core()
    order(device, 7, row(MODE_DISASTER, "soil", every_ms=1000, lane=LANE_LIFE))
    device.run(50 * S)
    assert len(values_of(device, "soil")) <= 1
    device.operation.obey(COMMAND_MODE, [MODE_DISASTER, False], 50 * S)
    device.run(120 * S)
    batches = [one for one in device.records() if not isinstance(one, tuple)]
    soil = [one for one in batches if one.series[0].channel == "soil" and one.start_us > 50 * S]
    assert soil and {one.lane for one in soil} == {LANE_LIFE}
    assert len(values_of(device, "soil")) > 40


def test_a_row_for_a_driver_is_for_all_of_its_sensors_and_a_name_comes_before() -> None:
    two = [dict(SOIL, name="one"), dict(SOIL, name="two")]
    normal = {name: {"every_ms": 60_000} for name in ("one", "two")}
    device = Core(table(two, normal=normal))
    rows = (
        row(MODE_NORMAL, "two", every_ms=2000, report_ms=2000),
        row(MODE_NORMAL, "soil_moisture", every_ms=1000, report_ms=2000),
    )
    assert order(device, 3, *rows)[0] == RESULT_DONE
    device.run(21 * S)
    counts = [len(values_of(device, name)) for name in ("one", "two")]
    assert counts[0] >= 18 and 9 <= counts[1] <= 11


def test_rows_for_sensors_that_it_does_not_have_are_for_others_of_its_kind() -> None:
    assert order(core(), 3, row(MODE_NORMAL, "level", every_ms=1000))[0] == RESULT_DONE


def test_what_a_sensor_cannot_do_refuses_the_whole() -> None:
    device = core()
    order(device, 7, row(MODE_NORMAL, "soil", every_ms=1000))
    good = row(MODE_NORMAL, "soil", every_ms=2000)
    wrong = (
        row(MODE_NORMAL, "soil", rate_mhz=1000),
        row(MODE_NORMAL, "soil", features=True),
        row(MODE_NORMAL, "acc", every_ms=1000),
        row(MODE_NORMAL, "acc", lane=4),
        row(MODE_NORMAL, "acc", report_ms=99),
        row(MODE_NORMAL, "acc", on=1),
        row(MODE_NORMAL, "acc", report_ms=True),
        [MODE_NORMAL, "acc", [[len(POLICY_FIELDS), 1]]],
        [MODE_NORMAL, "acc", [[-1, 1]]],
        [MODE_NORMAL, "acc", [[True, 1]]],
        [MODE_NORMAL, "acc", []],
        [MODE_NORMAL, "acc", {}],
        [MODE_NORMAL, "acc"],
        [3, "acc", [[0, True]]],
        [None, "acc", [[0, True]]],
        None,
    )
    for one in wrong:
        status, detail = device.operation.obey(COMMAND_POLICY, [8, [good, one]], 0)
        assert status == RESULT_FAILED and detail, one
        assert device.operation.policy_version() == 7
    for arguments in ([], [8], [8, None], [-1, []], [1 << 32, []], [True, []], [0, [good]]):
        status, _ = device.operation.obey(COMMAND_POLICY, arguments, 0)
        assert status == RESULT_FAILED, arguments


def test_what_does_not_fit_the_room_for_kept_values_is_refused() -> None:
    rows = [row(MODE_NORMAL, "a sensor of a name as long as can", every_ms=60_000)] * 30
    device = core()
    assert order(device, 8, *rows)[0] == RESULT_FAILED
    assert order(device, 8, *([row(0, "x", lane=1)] * 33))[0] == RESULT_FAILED
    assert device.operation.policy_version() == 0


def test_a_driver_that_refuses_a_rate_refuses_the_policy_and_the_sensor_goes_on() -> None:
    def picky(name: str, board: "Any", settings: "dict[str, Any]") -> "Any":
        if settings.get("rate_mhz") == 77_000:
            raise ValueError("not 77 Hz")
        return create(name, board, settings)

    device = core()
    device.operation._policy_order._create = picky  # type: ignore[union-attr]
    status, detail = order(device, 8, row(MODE_NORMAL, "acc", rate_mhz=77_000))
    assert status == RESULT_FAILED and "not 77 Hz" in detail
    device.run(5 * S)
    assert device.operation.policy_version() == 0


def test_a_policy_outlives_a_restart_and_version_0_gives_the_own_one_back() -> None:
    first = core()
    order(first, 9, row(MODE_NORMAL, "soil", every_ms=1000, report_ms=5000))
    second = core(first.flash)
    assert second.operation.policy_version() == 9
    second.run(21 * S)
    assert len(values_of(second, "soil")) >= 15
    assert order(second, 0) == (RESULT_DONE, "")
    third = core(first.flash)
    assert third.operation.policy_version() == 0
    before = len(values_of(third, "soil"))
    third.run(21 * S)
    assert len(values_of(third, "soil")) - before <= 1


class WornFlash(SimFlash):
    """Takes nothing any more from a moment on."""

    is_worn = False

    def program(self, offset: int, data: "Any") -> None:
        if self.is_worn:
            raise OSError(5)
        SimFlash.program(self, offset, data)


def test_a_policy_that_the_flash_does_not_keep_is_obeyed_until_the_restart() -> None:
    flash = WornFlash(sector_count=256)
    device = core(flash)
    flash.is_worn = True
    done = order(device, 9, row(MODE_NORMAL, "soil", every_ms=1000, report_ms=5000))
    assert done == (RESULT_DONE, "") and device.operation.policy_version() == 9
    flash.is_worn = False
    assert core(flash).operation.policy_version() == 0


def test_a_kept_policy_that_fits_no_more_is_not_obeyed() -> None:
    first = core()
    order(first, 9, row(MODE_NORMAL, "acc", rate_mhz=50_000))
    button = dict(BUTTON, name="acc")
    second = Core(table([button], normal={}), first.flash)
    assert second.operation.policy_version() == 0
    second.flashlog.keep(3, b"\xff")
    assert PolicyOrder.__name__ and Core(table([button], normal={}), first.flash)


def test_a_policy_may_give_and_take_a_trigger() -> None:
    ground = dict(GROUND, name="acc")
    for trigger_raw, own, wanted in ((200, None, True), (0, 200, False), (5000, 200, False)):
        sensor = dict(ground)
        if own:
            sensor["trigger"] = {"peak_raw": own}
        device = Core(table([sensor], normal={"acc": {"report_ms": 10_000}}))
        device.board.quake_us = 20 * S
        assert order(device, 4, row(MODE_NORMAL, "acc", trigger_raw=trigger_raw))[0] == 0
        device.run(30 * S)
        assert bool(device.series("acc.peak")) == wanted, (trigger_raw, own)
