"""Frames get their numbers, and losses their records."""

from protocols.batch import Series
from protocols.errors import LocalProtocolError
from protocols.vocabulary import GAP_FLASH_FULL, GAP_POWER_LOSS
from simulators.storage import SimFlash
from tests.agent.fake_parts import SOIL, Core, table


def core(sector_count: int = 64) -> Core:
    return Core(
        table([SOIL], normal={"soil": {"every_ms": 1000}}), SimFlash(sector_count=sector_count)
    )


def series(count: int, value: int = 0) -> Series:
    values = [value] * count
    return Series("soil", "1", (0, 1), 5_000_000, spacing_ns=1_000_000, values=values)


def test_a_frame_that_was_refused_costs_no_index() -> None:
    parts = core()
    try:
        parts.sealer.append_batch(2, [series(1, 1 << 40)], False)
        raise AssertionError("a value of 41 bits passed")
    except LocalProtocolError:
        pass
    parts.sealer.append_batch(2, [series(3)], False)
    (batch,) = parts.records()
    assert (batch.boot, batch.index, batch.lane, batch.start_us) == (1, 0, 2, 5_000_000)


def test_nothing_to_say_makes_no_frame() -> None:
    parts = core()
    parts.sealer.append_batch(2, [], False)
    assert parts.records() == [] and parts.sealer.next_index == 0


def test_more_series_than_a_frame_takes_are_split() -> None:
    parts = core()
    parts.sealer.append_batch(2, [series(1) for _ in range(150)], False)
    assert sum(len(batch.series) for batch in parts.records()) == 150


def test_irregular_readings_keep_their_times_when_split() -> None:
    parts = core()
    times_us = [position * 300_000_000_000 for position in range(2000)]
    whole = Series(
        "soil", "1", (0, 1), 0, spacing_ns=0, values=list(range(2000)), times_us=times_us
    )
    parts.sealer.append_batch(2, [whole], False)
    found = parts.series("soil")
    assert len(found) > 1
    assert [value for each in found for value in each.values] == list(range(2000))
    assert [time_us for each in found for time_us in each.times_us] == times_us


def test_what_the_full_flash_dropped_is_named() -> None:
    parts = core(sector_count=8)
    for _ in range(400):
        parts.sealer.append_batch(3, [series(100)], False)
        parts.sealer.append_evictions(7)
    held = {record.index for record in parts.records() if not isinstance(record, tuple)}
    named = set()
    gap_indexes = set()
    for record in parts.records():
        if isinstance(record, tuple):
            gap_indexes.add(record[2])
            fields = record[5]
            assert (fields["device"], fields["boot"], fields["lane"]) == ("device-1", 1, 3)
            assert fields["reason"] == GAP_FLASH_FULL
            named |= set(range(fields["first"], fields["next"]))
    assert named and not named & held
    assert held | named | gap_indexes == set(range(parts.sealer.next_index))


def test_the_end_of_a_boot_without_warning_is_named() -> None:
    parts = core()
    parts.sealer.append_power_loss(7)
    (record,) = parts.records()
    fields = record[5]
    assert (fields["boot"], fields["first"], fields["next"]) == (0, 0, 0)
    assert fields["reason"] == GAP_POWER_LOSS


def test_what_was_dropped_while_alerts_filled_the_flash_is_named_once_there_is_room() -> None:
    parts = core(sector_count=8)
    for _ in range(300):
        parts.sealer.append_batch(0, [series(100)], False)
        parts.sealer.append_evictions(7)
    for _ in range(50):
        parts.sealer.append_batch(3, [series(100)], False)
        parts.sealer.append_evictions(7)
    following = parts.sealer.next_index
    assert following == 350  # no gap record got in, and none was numbered
    lost = set(range(following)) - {record.index for record in parts.records()}
    assert len(lost) > 50
    parts.flashlog.free(1, 0, following)
    parts.sealer.append_evictions(7)
    named: set[int] = set()
    for record in parts.records():
        named.update(range(record[5]["first"], record[5]["next"]))
    assert lost == named
    parts.sealer.append_evictions(7)
    assert parts.flashlog.take_gaps() == []


def test_what_a_failing_flash_did_not_take_is_named_the_next_time() -> None:
    parts = core(sector_count=8)
    for _ in range(300):
        parts.sealer.append_batch(3, [series(100)], False)
    append = parts.flashlog.append_if_room

    def fail(*_: object) -> bool:
        raise OSError(5)

    parts.flashlog.append_if_room = fail  # type: ignore[assignment, method-assign]
    try:
        parts.sealer.append_evictions(7)
        raise AssertionError("a failure passed unseen")
    except OSError:
        pass
    parts.flashlog.append_if_room = append  # type: ignore[method-assign]
    parts.sealer.append_evictions(7)
    named: set[int] = set()
    for record in parts.records():
        if isinstance(record, tuple):
            named.update(range(record[5]["first"], record[5]["next"]))
    assert 0 in named and len(named) > 20
