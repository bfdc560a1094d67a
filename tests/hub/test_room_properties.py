"""The bounded store against a model: intake, several uplinks, evictions, failures, power cuts.

The model is what was committed, in order, and what arrived where. After every step each committed
frame must, for each uplink, have arrived, be stored, or be named by a gap record that is itself
there; and the uplinks' counts must say the same.
"""

import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hub.ledger import GAP, read
from hub.room import Watermarks
from protocols.vocabulary import LANE_ALERT, LANES
from tests.hub.making_room import KEYS, Identity, Town, frame_of
from tests.hub.test_store_properties import MEMORY, StillLoop

MARKS = Watermarks(208 * 1024)  # of which the empty file takes 40 KiB
UPLINKS = 2
LARGE = list(range(1800))
DEVICE = st.sampled_from(sorted(KEYS))


class RoomMachine(RuleBasedStateMachine):
    """`committed` and `pending` are the model: the devices' frames, identity -> lane."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = StillLoop()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.generation = 0
        self.index = 0
        self.committed: dict[Identity, int] = {}
        self.pending: dict[Identity, int] = {}
        self.arrived: list[dict[Identity, bytes]] = [{} for _ in range(UPLINKS)]
        self.open()

    def await_(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def path(self) -> Path:
        return Path(self.folder.name) / str(self.generation)

    def open(self) -> None:
        async def make() -> Town:
            return Town(self.path(), MARKS, UPLINKS)

        self.town: Town = self.await_(make())
        self.town.arrived = self.arrived  # the platforms have no power cut
        self.await_(self.town.settle())

    def teardown(self) -> None:
        self.await_(self.town.close())
        self.loop.close()
        self.folder.cleanup()

    @initialize()
    def fill(self) -> None:
        """Begin near the first mark, so that few steps are lost before anything happens."""
        for lane in (2, 3, 3):
            self.append("bridge-1", lane, 9, is_large=True, personal=False)
        self.commit()

    @rule(
        device=DEVICE,
        lane=st.sampled_from((0, 1, 2, 3, 3, 3)),
        count=st.integers(1, 25),
        is_large=st.sampled_from((True, True, False)),
        personal=st.booleans(),
    )
    def append(
        self, device: str, lane: int, count: int, *, is_large: bool, personal: bool
    ) -> None:
        """Take frames in, as a link does: what is refused stays on the device."""
        for _ in range(count):
            if lane >= self.town.store.refused_from:
                return
            frame = frame_of(
                device, self.index, lane, values=LARGE if is_large else [1], plain=True,
                start_us=self.index * 10_000_000, personal=personal,
            )  # fmt: skip
            identity = (device, 1, self.index)
            assert self.town.store.append(device, (1, self.index, lane), frame)
            self.pending[identity] = lane
            self.index += 1

    @rule()
    def commit(self) -> None:
        self.await_(self.town.settle())
        self.committed |= self.pending
        self.pending = {}

    @rule()
    def commit_in_vain(self) -> None:
        """Nothing can be written: frames are dropped, what leaves stays and leaves later."""
        self.town.store._db.execute("PRAGMA query_only = ON")
        self.await_(self.town.settle())
        self.town.store._db.execute("PRAGMA query_only = OFF")
        if self.town.store.failure:
            self.pending = {}

    @rule(uplink=st.integers(0, UPLINKS - 1), limit=st.sampled_from((1, 5, 20, 200)))
    def deliver(self, uplink: int, limit: int) -> None:
        self.commit()
        self.await_(self.town.deliver(uplink, limit=limit))

    @rule(uplink=st.integers(0, UPLINKS - 1), limit=st.sampled_from((1, 20, 200)))
    def hand_out(self, uplink: int, limit: int) -> None:
        """Frames are on their way until the next delivery, or the end."""
        self.commit()
        self.town.hand_out(uplink, limit)

    @rule()
    def power_cut(self) -> None:
        """What is on the disk now is what is left."""
        before = self.path()
        self.generation += 1
        shutil.copytree(before, self.path())
        self.restart()

    @rule()
    def power_cut_behind_a_removal(self) -> None:
        """The commit that takes frames out is the last; nobody has heard of it."""
        before = self.path()
        after = Path(self.folder.name) / str(self.generation + 1)

        def cut(*_: int) -> None:
            if not after.exists():
                shutil.copytree(before, after)

        self.town.store.on_evicted.insert(0, cut)
        self.commit()
        self.town.store.on_evicted.remove(cut)
        if after.exists():
            self.generation += 1
            self.restart()

    def restart(self) -> None:
        self.await_(self.town.close())
        self.pending = {}
        self.open()

    @invariant()
    def every_frame_has_its_place(self) -> None:
        town = self.town
        town.check()
        stored = town.stored()
        committed = set(self.committed)
        named = {
            (str(row["device"]), int(row["boot"]), index)
            for row in (entry.fields() for _, entry in read(town.store._read_db, GAP))
            for index in range(int(row["first"]), int(row["next"]))
        }
        for arrived in self.arrived:
            assert committed <= arrived.keys() | stored.keys() | named
        assert not named & stored.keys()
        assert not named & committed & self.arrived[0].keys() & self.arrived[1].keys()
        assert stored.keys() & self.pending.keys() == set()
        for identity, lane in self.committed.items():
            if lane == LANE_ALERT and identity not in stored:
                assert all(identity in arrived for arrived in self.arrived)

    @invariant()
    def the_size_is_kept_or_frames_are_refused(self) -> None:
        town = self.town
        is_settled = not self.pending and not town.store.failure
        if is_settled and town.store.used > MARKS.of(MARKS.evict):
            assert town.store.refused_from < len(LANES)


RoomMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=40)
test_a_bounded_store_loses_nothing_without_a_name = RoomMachine.TestCase
