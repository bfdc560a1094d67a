"""A mode without waveforms: features of each window, and events with the seconds before them."""

from tests.agent.fake_parts import GROUND, Core, mark_of, neighbours, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

S = 1_000_000
DETECTOR = {"sta_ms": 500, "lta_ms": 10_000, "pre_ms": 3000, "post_ms": 2000}
QUIET = {"acc": {"report_ms": 10_000, "waveform": False, "features": True}}
LOUD = {"acc": {"report_ms": 4000, "waveform": True, "features": False}}


def core_of(normal: "dict[str, Any]", **modes: "Any") -> Core:
    ground = dict(GROUND)
    ground["detector"] = DETECTOR
    return Core(table([ground], normal=normal, **modes))


def numbers_of(core: Core, channel: str) -> "list[int]":
    """Return the numbers of the samples that are there, in order, by their times and marks."""
    numbers: list[int] = []
    for series in core.series(channel):
        # Sample k is made at (k + 1) * 10 ms; a time is known to within one spacing.
        about = series.start_us // 10_000 - 1
        tried = [about + step for step in (0, 1, -1) if about + step >= 0]
        marks = [
            first
            for first in tried
            if [mark_of(first + k) for k in range(len(series.values))] == series.values
        ]
        assert len(marks) == 1, (channel, series.start_us)
        numbers += range(marks[0], marks[0] + len(series.values))
    return numbers


def test_features_go_out_in_place_of_samples() -> None:
    core = core_of(QUIET)
    core.run(61 * S)
    assert core.series("acc.x") == [] and core.series("acc.x.event") == []
    lows = core.series("acc.x.min")
    assert len(lows) == 6
    for series in lows:
        assert series.values == [15_997] and series.exponent == -3
    for suffix, value in (("max", 16_003), ("mean", 160_000), ("rms", 20), ("peak", 30)):
        for series in core.series("acc.x." + suffix):
            assert abs(series.values[0] - value) <= 1, suffix
    assert core.series("acc.x.rms")[0].exponent == -4
    for earlier, later in neighbours(lows):
        end_us = earlier.start_us + earlier.spacing_ns // 1000
        assert abs(end_us - later.start_us) <= 20_000


def test_an_onset_is_an_alert_and_brings_the_seconds_before_it() -> None:
    core = core_of(QUIET)
    core.board.quake_us = 40 * S
    core.run(40 * S + 900_000)
    (alert,) = core.series("acc.onset")
    assert core.records()[0].lane == 0
    assert 40 * S <= alert.times_us[0] <= 40 * S + 500_000
    assert alert.values[0] >= 400 and alert.exponent == -2
    core.run(90 * S)
    numbers = numbers_of(core, "acc.y.event")
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    # Sample k is made at (k + 1) * 10 ms: 3 s before the onset, 4 s of shaking, 2 s after.
    onset = alert.times_us[0] // 10_000 - 1
    assert abs(onset - 300 - numbers[0]) <= 2
    assert 4600 <= numbers[-1] <= 4900
    assert len(core.series("acc.onset")) == 1 and core.gaps() == []


def test_where_waveforms_go_out_anyway_an_onset_sends_them_at_once() -> None:
    core = core_of(LOUD)
    core.board.quake_us = 41 * S
    core.run(41 * S + 900_000)
    assert len(core.series("acc.onset")) == 1 and core.series("acc.x.event") == []
    numbers = numbers_of(core, "acc.y")
    assert numbers == list(range(len(numbers)))
    # Not at 44 s, when the report is due.
    assert numbers[-1] >= 4100


def test_a_mode_brings_the_waveforms_back_without_losing_a_sample() -> None:
    core = core_of(QUIET, disaster=LOUD)
    core.run(30 * S)
    assert core.operation.change_mode(2, False, core.board.time_us)
    core.run(60 * S)
    core.sampler.flush(core.board.time_us)
    numbers = numbers_of(core, "acc.y")
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert 2980 <= numbers[0] <= 3000 and len(numbers) >= 2980
    assert core.gaps() == []


def test_features_end_where_samples_are_lost() -> None:
    core = core_of(QUIET)
    core.run(15 * S)
    core.board.time_us = 17 * S
    core.run(31 * S)
    windows = [
        (series.start_us, series.start_us + series.spacing_ns // 1000)
        for series in core.series("acc.x.mean")
    ]
    gap = core.gaps()[0]
    assert len(windows) == 4
    for start_us, end_us in windows:
        assert end_us <= gap[2] + 20_000 or start_us >= gap[3] - 20_000


def test_what_comes_before_an_onset_does_not_reach_over_a_loss() -> None:
    core = core_of(QUIET)
    core.board.quake_us = 40 * S
    core.run(38 * S)
    core.board.time_us = 38_900_000
    core.run(60 * S)
    numbers = numbers_of(core, "acc.y.event")
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    # The FIFO's 32 samples are the first after the loss.
    assert numbers[0] == 3890 - 32 and len(core.series("acc.onset")) == 1
