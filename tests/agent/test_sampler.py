"""From chips to frames: every sample once and in order, what is lost named, nothing drifts."""

from protocols.vocabulary import GAP_SENSOR_FAULT, GAP_SENSOR_OVERFLOW
from tests.agent.fake_parts import ACC, BUTTON, SOIL, Core, neighbours, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

S = 1_000_000
FAST = {"acc": {"report_ms": 4000}}
BOTH = {"acc": {"report_ms": 4000}, "soil": {"every_ms": 1000, "report_ms": 10_000}}


def values(core: Core, channel: str) -> "list[int]":
    return [value for series in core.series(channel) for value in series.values]


def changed(base: "dict[str, Any]", **changes: "Any") -> "dict[str, Any]":
    result = dict(base)
    result.update(changes)
    return result


def test_every_sample_arrives_once_and_in_order() -> None:
    core = Core(table([ACC], normal=FAST))
    core.run(30 * S, late_us=30_000)
    core.sampler.flush(core.board.time_us)
    x = values(core, "acc.x")
    assert x == list(range(len(x))) and len(x) >= 2980
    assert values(core, "acc.y") == [-value for value in x]
    assert core.gaps() == []


def test_times_of_consecutive_batches_join() -> None:
    core = Core(table([changed(ACC, sync_pin=2)], normal=FAST))
    core.run(60 * S, late_us=5000)
    series = core.series("acc.x")
    assert len(series) > 10
    for earlier, later in neighbours(series):
        assert earlier.spacing_ns == 10_000_000
        assert later.start_us == earlier.time_us(len(earlier.values))


def test_an_hour_of_polling_does_not_drift() -> None:
    core = Core(table([ACC], normal={"acc": {"report_ms": 60_000}}))
    core.board.period_ns = 10_200_000
    core.run(3600 * S, late_us=20_000)
    last = core.series("acc.x")[-1]
    position = len(last.values) - 1
    made_us = (last.values[position] + 1) * 10_200_000 // 1000
    assert abs(last.time_us(position) - made_us) < 10_000
    assert 3600 * S - made_us < 61 * S
    assert abs(last.spacing_ns - 10_200_000) < 10_000


def test_reads_meet_the_samples_so_that_the_rate_is_known() -> None:
    core = Core(table([ACC], normal={"acc": {"report_ms": 60_000}}))
    core.board.period_ns = 10_000_300  # every read on the grid would see the same phase
    core.run(181 * S)
    assert abs(core.series("acc.x")[-1].spacing_ns - 10_000_300) <= 60
    assert core.sensors[0].stalls_count == 0


def test_a_mode_that_reports_faster_than_a_chip_samples_reads_it_no_faster_than_that() -> None:
    cold = {"name": "cold", "driver": "tmp117", "i2c": 0, "rate_mhz": 125}
    modes = {"normal": {"cold": {"report_ms": 60_000}}, "watch": {"cold": {"report_ms": 1000}}}
    core = Core(table([cold], **modes))
    core.board.period_ns = 8_000_000_000
    core.run(60 * S)
    core.operation.change_mode(1, False, 60 * S)
    for _ in range(100):
        core.board.time_us = max(
            core.board.time_us + 1000, core.sampler.run_due(core.board.time_us)
        )
    assert core.board.time_us >= 90 * S and core.sensors[0].stalls_count == 0


def test_a_slow_sensor_is_read_on_its_grid_for_an_hour() -> None:
    core = Core(table([SOIL], normal={"soil": {"every_ms": 1000, "report_ms": 60_000}}))
    core.run(3600 * S, late_us=2000)
    assert len(values(core, "soil")) in (3599, 3600, 3540)
    assert core.sensors[0].stalls_count == 0
    for series in core.series("soil"):
        assert abs(series.spacing_ns - 1_000_000_000) < 100_000
        assert series.times_us is None
        assert series.start_us % S < 10_000


def test_a_stall_skips_whole_intervals_and_counts_them() -> None:
    core = Core(table([SOIL], normal={"soil": {"every_ms": 1000, "report_ms": 100_000}}))
    core.run(10 * S)
    core.board.time_us = 25 * S + 300_000
    core.run(40 * S)
    assert core.sensors[0].stalls_count == 14
    core.sampler.flush(40 * S)
    (series,) = core.series("soil")
    assert series.times_us[9:12] == [10 * S, 25 * S + 300_000, 26 * S]


def test_an_overflow_ends_the_series_and_names_the_gap() -> None:
    for acc in (ACC, changed(ACC, sync_pin=2)):
        check_overflow(Core(table([acc], normal=FAST)))


def check_overflow(core: Core) -> None:
    core.run(10 * S)
    core.board.time_us = 12 * S
    core.run(20 * S)
    core.sampler.flush(20 * S)
    x = values(core, "acc.x")
    missing = sorted(set(range(x[-1] + 1)) - set(x))
    assert missing == list(range(missing[0], missing[-1] + 1)) and len(missing) > 100
    assert len(x) == len(set(x)) and x == sorted(x)
    gaps = core.gaps()
    assert [gap[:2] for gap in gaps] == [
        ("acc.x", GAP_SENSOR_OVERFLOW),
        ("acc.y", GAP_SENSOR_OVERFLOW),
    ]
    # Sample k is made at (k + 1) * 10 ms.
    assert abs(gaps[0][2] - (missing[0] + 1) * 10_000) <= 10_000
    assert abs(gaps[0][3] - (missing[-1] + 2) * 10_000) <= 10_000
    for series in core.series("acc.x"):
        # To within two spacings: the newest sample's age, and what the spacing is off by.
        assert abs(series.start_us - (series.values[0] + 1) * 10_000) <= 20_000
        assert series.values == list(range(series.values[0], series.values[-1] + 1))


def test_a_dead_sensor_is_a_gap_and_comes_back() -> None:
    core = Core(table([ACC, SOIL], normal=BOTH))
    core.run(10 * S)
    core.board.faults.add("acc")
    core.run(20 * S)
    core.board.faults.clear()
    core.run(40 * S)
    core.sampler.flush(40 * S)
    (x_gap, y_gap) = core.gaps()
    assert x_gap[:2] == ("acc.x", GAP_SENSOR_FAULT) and y_gap[0] == "acc.y"
    assert 9_800_000 <= x_gap[2] <= 10_200_000 and 20 * S <= x_gap[3] <= 37 * S
    before = [series for series in core.series("acc.x") if series.start_us < x_gap[2]]
    last = before[-1]
    assert last.time_us(len(last.values) - 1) <= x_gap[2]
    assert core.sensors[0].faults_count == 4
    assert len(values(core, "soil")) == 40


def test_a_sensor_that_stays_dead_is_named_lost_about_once_a_minute() -> None:
    core = Core(table([ACC], normal={"acc": {"report_ms": 1000}}))
    core.run(S)
    core.board.faults.add("acc")
    core.run(601 * S)
    gaps = [gap for gap in core.gaps() if gap[0] == "acc.x"]
    assert len(gaps) == 10
    for earlier, later in neighbours(gaps):
        assert earlier[3] == later[2]


def test_slow_sensors_of_a_lane_share_a_frame() -> None:
    second = changed(SOIL, name="soil2")
    policy = {"every_ms": 1000, "report_ms": 10_000}
    core = Core(table([SOIL, second], normal={"soil": policy, "soil2": policy}))
    core.run(30 * S)
    for batch in core.records():
        assert [series.channel for series in batch.series] == ["soil", "soil2"]
        assert batch.lane == 2 and batch.readings_count() == 20


def test_an_event_leaves_at_once() -> None:
    core = Core(table([changed(BUTTON, personal=False)]))
    core.run(10 * S)
    core.board.levels["button"] = 1
    core.run(10 * S + 10_000)
    series = core.series("button")
    assert [(one.values, one.times_us) for one in series] == [
        ([0], [10_000]),
        ([1], [10 * S + 10_000]),
    ]
    assert [batch.lane for batch in core.records()] == [0, 0]


def test_a_shake_is_an_alert_within_a_second() -> None:
    acc = changed(ACC, trigger={"peak_raw": 500, "hold_ms": 1000})
    core = Core(table([acc], normal=FAST))
    # The samples count up: within 160 ms a mean that follows slowly is left behind by 500 after
    # some time.
    core.run(60 * S)
    peaks = core.series("acc.peak")
    assert peaks and all(len(peak.values) == 1 and peak.values[0] >= 500 for peak in peaks)
    times_us = [peak.times_us[0] for peak in peaks]
    assert all(later - earlier >= S for earlier, later in neighbours(times_us))
    assert core.records()[0].lane == 0


def test_what_does_not_fit_one_frame_goes_into_several() -> None:
    core = Core(table([changed(ACC, encoding="plain")], normal={"acc": {"report_ms": 400_000}}))
    core.board.period_ns = 10_000_000
    core.run(700 * S)  # beyond 32767 plain values take 4 bytes
    core.sampler.flush(700 * S)
    x = values(core, "acc.x")
    assert x == list(range(len(x))) and len(x) > 65_000
    assert max(len(frame) for frame in core.frames()) <= 4032
    assert sorted(batch.index for batch in core.records()) == list(range(core.sealer.next_index))


def test_a_mode_changes_pace_lane_and_report() -> None:
    disaster = {"soil": {"every_ms": 100, "report_ms": 1000, "lane": 1}}
    normal = {"soil": {"every_ms": 1000, "report_ms": 10_000}}
    core = Core(table([SOIL], normal=normal, disaster=disaster))
    core.run(15 * S)
    assert core.operation.change_mode(2, False, core.board.time_us)
    core.run(20 * S)
    batches = core.records()
    assert [batch.readings_count() for batch in batches] == [10] * 5 + [10, 5]
    assert [batch.lane for batch in batches] == [1] * 5 + [2, 2]


def test_a_sensor_that_is_off_is_not_read() -> None:
    core = Core(table([SOIL, ACC], normal=BOTH, watch={"acc": {"on": False}}))
    core.run(S)
    core.operation.change_mode(1, True, core.board.time_us)
    core.run(60 * S)
    assert len(values(core, "acc.x")) < 101
    core.operation.change_mode(0, False, core.board.time_us)
    core.run(70 * S)
    assert len(values(core, "acc.x")) > 700
    assert core.gaps() == []


def test_a_self_test_costs_a_named_gap() -> None:
    core = Core(table([ACC, SOIL], normal=BOTH))
    core.run(5 * S)
    core.board.faults.add("soil")
    assert core.sampler.self_test(5 * S) == ["soil"]
    core.board.faults.clear()
    core.run(20 * S)
    assert {gap[0] for gap in core.gaps()} == {"acc.x", "acc.y", "soil"}


def test_indexes_have_no_hole() -> None:
    core = Core(table([ACC, SOIL, changed(BUTTON, personal=False)], normal=BOTH))
    core.run(60 * S, late_us=400_000)
    indexes = []
    for record in core.records():
        indexes.append(record[2] if isinstance(record, tuple) else record.index)
    assert sorted(indexes) == list(range(core.sealer.next_index))
    assert core.gaps() != []
