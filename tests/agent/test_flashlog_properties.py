"""The flash log against its model, whatever is asked of it and whenever the power goes."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from simulators.storage import SimFlash
from tests.agent.flash_bench import LANES, Bench, frames_of, make_frame

Operation = tuple[Any, ...]

SECTOR_SIZE = 1024
SECTOR_COUNT = 9

# Below 4 bytes frames are not told apart.
SIZES = st.one_of(st.integers(4, 60), st.integers(200, SECTOR_SIZE - 40))
OPERATIONS = st.one_of(
    st.tuples(st.just("append"), st.sampled_from(LANES), SIZES),
    st.tuples(st.just("prepare")),
    st.tuples(st.just("boot")),
    st.tuples(st.just("keep"), st.integers(0, 3), st.binary(max_size=40)),
    st.tuples(st.just("confirm")),
)


class FlashLogMachine(RuleBasedStateMachine):
    """Operations in any order; each may be cut anywhere, and then the log must be as a new one."""

    @initialize(seed=st.integers(1, 1 << 30), scattered=st.booleans())
    def start(self, seed: int, scattered: bool) -> None:
        flash = SimFlash(SECTOR_SIZE, SECTOR_COUNT, seed=seed, scattered=scattered)
        self.bench = Bench(flash)
        self.in_flight: set[tuple[int, int, int]] = set()

    def _do(self, operation: Operation) -> None:
        self.bench.do(operation)
        self._confirm_before_gaps_become_coarse()

    def _confirm_before_gaps_become_coarse(self) -> None:
        if len(self.bench.lost) > 10:
            self.bench.do(("confirm",))

    @rule(operation=OPERATIONS)
    def operate(self, operation: Operation) -> None:
        self._do(operation)

    @rule(lane=st.sampled_from(LANES), size=SIZES, count=st.integers(2, 12))
    def append_many(self, lane: int, size: int, count: int) -> None:
        for _ in range(count):
            self._do(("append", lane, size))

    @rule(back=st.integers(0, 30), count=st.integers(1, 30))
    def free(self, back: int, count: int) -> None:
        first = max(0, self.bench.index - back)
        self._do(("free", first, first + count))

    @rule(operation=OPERATIONS, byte_count=st.integers(0, 3000))
    def cut(self, operation: Operation, byte_count: int) -> None:
        if self.bench.cut_during(operation, byte_count):
            self.in_flight.clear()
        self._confirm_before_gaps_become_coarse()

    @rule()
    def restart(self) -> None:
        self._do(("mount",))
        self.in_flight.clear()

    @rule(lane_max=st.sampled_from(LANES))
    def send(self, lane_max: int) -> None:
        unsent = sorted(self._unsent(lane_max))
        handle = self.bench.log.next_unsent(lane_max)
        if not unsent:
            assert handle is None
            return
        assert handle is not None
        frame = make_frame(*unsent[0], self.bench.held[unsent[0]])
        assert self.bench.log.read_frame(handle) == frame
        self.bench.log.mark_in_flight(handle)
        self.in_flight.add(unsent[0])

    @rule()
    def send_all(self) -> None:
        unsent = sorted(self._unsent(LANES[-1]))
        frames = [make_frame(*frame, self.bench.held[frame]) for frame in unsent]
        assert frames_of(self.bench.log) == frames
        self.in_flight.update(unsent)

    @rule()
    def lose_link(self) -> None:
        self.bench.log.reset_in_flight()
        self.in_flight.clear()

    def _unsent(self, lane_max: int) -> set[tuple[int, int, int]]:
        return {frame for frame in self.bench.held if frame[0] <= lane_max} - self.in_flight

    @invariant()
    def forgets_no_gap(self) -> None:
        assert self.bench.log.statistics()["gaps_forgotten"] == 0


FlashLogMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None
)
TestFlashLog = FlashLogMachine.TestCase
