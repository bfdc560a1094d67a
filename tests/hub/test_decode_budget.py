"""Which frames are decoded behind the commit: all that a rule reads, few of the rest."""

from pathlib import Path

from hub.store import Group
from protocols.batch import read_record_head
from protocols.vocabulary import LANE_LIFE, LANE_STATE
from tests.hub.test_ingest import frame_of, ingesting, opened


def _indexes(groups: list[Group]) -> list[int]:
    return [read_record_head(payload)[2] for group in groups for _, _, payload in group.readings]


async def test_of_many_frames_at_once_the_newest_are_shown_as_far_as_the_budget_goes(
    tmp_path: Path,
) -> None:
    async with ingesting(tmp_path) as ingest:
        allowed = iter([True, True, True, False])
        ingest.may_show = lambda: next(allowed)
        committed: list[Group] = []
        ingest.store.on_commit.append(committed.append)
        wire = await opened(ingest)
        wire.send(*map(frame_of, range(50)))
        await ingest.store.wait_idle()
        assert _indexes(committed) == [47, 48, 49]


async def test_what_a_rule_reads_is_decoded_without_a_budget(tmp_path: Path) -> None:
    async with ingesting(tmp_path) as ingest:
        ingest.is_wanted = lambda device, lane: lane == LANE_LIFE
        committed: list[Group] = []
        ingest.store.on_commit.append(committed.append)
        wire = await opened(ingest)
        lanes = [LANE_LIFE if index % 2 else LANE_STATE for index in range(40)]
        wire.send(*(frame_of(index, lane) for index, lane in enumerate(lanes)))
        await ingest.store.wait_idle()
        assert _indexes(committed) == list(range(1, 40, 2))


async def test_a_frame_that_comes_again_is_not_decoded_again(tmp_path: Path) -> None:
    async with ingesting(tmp_path) as ingest:
        ingest.may_show = lambda: True
        committed: list[Group] = []
        ingest.store.on_commit.append(committed.append)
        wire = await opened(ingest)
        wire.send(frame_of(0), frame_of(1), frame_of(0))
        await ingest.store.wait_idle()
        assert _indexes(committed) == [0, 1]
