"""A flash log beside the simplest model of what it must hold, and a look at both after every cut.

Operations are tuples: ("append", lane, size), ("free", first, following), ("prepare",), ("boot",),
("keep", key, value), ("confirm",), ("mount",). Runs on MicroPython too.
"""

from agent.flashlog import FlashLog
from simulators.storage import PowerCut, SimFlash

LANES = (0, 1, 2, 3)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Frame = tuple[int, int, int]
    Operation = tuple[Any, ...]


def make_frame(lane: int, boot: int, index: int, size: int) -> bytes:
    """Return size bytes, >= 4, that no other frame has."""
    seed = bytes((lane, boot & 255, index & 255, index >> 8))
    return (seed * (size // 4 + 1))[:size]


def mounted(flash: SimFlash) -> FlashLog:
    """Return the log on flash as after a start."""
    log = FlashLog(flash)
    log.mount()
    return log


def frames_of(log: FlashLog) -> "list[bytes]":
    """Return all frames not in flight, as they would be sent; they are in flight then."""
    frames = []
    handle = log.next_unsent()
    while handle is not None:
        frames.append(log.read_frame(handle))
        log.mark_in_flight(handle)
        handle = log.next_unsent()
    return frames


def named(gaps: "list[tuple[int, ...]]") -> "set[Frame]":
    """Return (lane, boot, index) of every frame that the gaps name."""
    return {
        (lane, boot, index)
        for boot, first, following, lane, _ in gaps
        for index in range(first, following)
    }


class Bench:
    """The log, and the model: held, {(lane, boot, index): size}; lost, those named as gaps.

    boot: the number of this boot; 0: the next one.
    """

    def __init__(self, flash: SimFlash, boot: int = 0) -> None:
        self.flash = flash
        self.log = mounted(flash)
        self.boot = boot or self.log.next_boot()
        self.index = 0
        self.held: dict[Frame, int] = {}
        self.lost: set[Frame] = set()
        self.kept: dict[int, bytes] = {}

    def copy(self, *, seed: int, scattered: bool) -> "Bench":
        """Return the same anew: mounted on a copy of the flash."""
        flash = SimFlash(
            self.flash.sector_size, self.flash.sector_count, seed=seed, scattered=scattered
        )
        flash.data[:] = self.flash.data
        other = Bench(flash, self.boot)
        other.index = self.index
        other.held = dict(self.held)
        other.lost = set(self.lost)
        other.kept = dict(self.kept)
        return other

    def do(self, operation: "Operation") -> None:
        """Carry out an operation on the log, then on the model, and compare them."""
        self.perform(operation)
        self._settle(operation[0], operation[1:])
        self.compare()

    def perform(self, operation: "Operation") -> None:
        """Carry out an operation on the log alone."""
        self.index += operation[0] == "append"
        getattr(self, "_" + operation[0])(*operation[1:])

    def _append(self, lane: int, size: int) -> None:
        frame = make_frame(lane, self.boot, self.index, size)
        self.log.append(self.boot, self.index, lane, frame)

    def _free(self, first: int, following: int) -> None:
        self.log.free(self.boot, first, following)

    def _prepare(self) -> None:
        self.log.prepare()

    def _boot(self) -> None:
        boot = self.log.next_boot()
        assert boot > self.boot
        self.boot = boot

    def _keep(self, key: int, value: bytes) -> None:
        self.log.keep(key, value)

    def _confirm(self) -> None:
        self.log.take_gaps()
        self.log.confirm_gaps(1 << 30)

    def _mount(self) -> None:
        self.log = mounted(self.flash)

    def _settle(self, name: str, arguments: "Operation") -> None:
        # The model's half of an operation that came to its end.
        if name == "append":
            self.held[(arguments[0], self.boot, self.index)] = arguments[1]
        elif name == "free":
            for frame in self._freed(name, arguments):
                del self.held[frame]
        elif name == "keep":
            self.kept[arguments[0]] = arguments[1]
        elif name == "confirm":
            self.lost = set()
        lost_before = self.lost
        self.lost = named(mounted(self.flash).take_gaps())
        assert lost_before <= self.lost
        evicted = [frame for frame in self.held if frame in self.lost]
        for frame in evicted:
            del self.held[frame]
        for lane, _, _ in self.lost - lost_before:
            assert all(lane >= other for other, _, _ in self.held), "less urgent ones were left"

    def _freed(self, name: str, arguments: "Operation") -> "list[Frame]":
        if name != "free":
            return []
        first, following = arguments
        return [
            frame for frame in self.held if frame[1] == self.boot and first <= frame[2] < following
        ]

    def compare(self) -> None:
        """The log holds what the model holds: as it runs, and as the next start will find it."""
        again = mounted(self.flash)
        for log in (self.log, again):
            assert log.pending_count() == len(self.held)
            assert log.pending_bytes() == sum(self.held.values())
            counts = [sum(1 for frame in self.held if frame[0] == lane) for lane in LANES]
            assert list(log.lane_counts()) == counts
            for key in self.kept:
                assert log.kept(key) == self.kept[key]
            _assert_covers(log.extent(), self.held)
        # Within a lane the order is that of boot and index.
        expected = [make_frame(*frame, self.held[frame]) for frame in sorted(self.held)]
        assert frames_of(again) == expected

    def cut_during(self, operation: "Operation", byte_count: int) -> bool:
        """Cut the power byte_count bytes into an operation, start again, look; False: no cut."""
        name, arguments = operation[0], operation[1:]
        self.flash.cut_after(byte_count)
        try:
            self.perform(operation)
        except PowerCut:
            self.flash.power_on()
            self._after_cut(name, arguments)
            return True
        self.flash.power_on()
        self._settle(name, arguments)
        self.compare()
        return False

    def _after_cut(self, name: str, arguments: "Operation") -> None:
        # Whatever the operation was to change may be as before or as after it; nothing else.
        self.log = mounted(self.flash)
        lost = named(mounted(self.flash).take_gaps())
        assert self.lost <= lost or (name == "confirm" and not lost)
        frames = set(frames_of(mounted(self.flash)))
        freed = self._freed(name, arguments)
        if name == "append":
            lane, size = arguments
            new = (lane, self.boot, self.index)
            if new not in lost and make_frame(*new, size) in frames:
                self.held[new] = size
        for frame in list(self.held):
            is_there = make_frame(*frame, self.held[frame]) in frames
            assert is_there != (frame in lost) or (frame in freed and not is_there), frame
            if not is_there:
                del self.held[frame]
        if name == "keep" and self.log.kept(arguments[0]) == arguments[1]:
            self.kept[arguments[0]] = arguments[1]
        self.lost = lost
        self.compare()


def _assert_covers(extent: "list[Frame]", held: "dict[Frame, int]") -> None:
    boots = sorted({boot for _, boot, _ in held})
    assert [boot for boot, _, _ in extent] == boots
    for boot, first, following in extent:
        indexes = [index for _, other, index in held if other == boot]
        assert first == min(indexes) and following > max(indexes)


class Tape(SimFlash):
    """A flash that notes where to try a cut: at each byte programmed, and in each erase."""

    def __init__(self, like: SimFlash) -> None:
        SimFlash.__init__(self, like.sector_size, like.sector_count)
        self.data[:] = like.data
        self.cuts: list[int] = []
        self.done = 0

    def program(self, offset: int, data: "bytes | bytearray | memoryview") -> None:
        """Note every byte."""
        self.cuts.extend(range(self.done, self.done + len(data)))
        self.done += len(data)
        SimFlash.program(self, offset, data)

    def erase(self, sector: int) -> None:
        """Note the first, the middle and the last byte."""
        size = self.sector_size
        self.cuts.extend((self.done, self.done + size // 2, self.done + size - 1))
        self.done += size
        SimFlash.erase(self, sector)


def survive_every_cut(bench: Bench, script: "list[Operation]") -> int:
    """Play the script; first try each step with a cut at every byte. Return the cuts tried."""
    tried_count = 0
    for operation in script:
        tape = Tape(bench.flash)
        trial = bench.copy(seed=1, scattered=False)
        trial.flash = tape
        trial.log = mounted(tape)
        tape.cuts = []
        tape.done = 0
        trial.perform(operation)
        for cut in tape.cuts:
            twin = bench.copy(seed=cut + 1, scattered=cut % 2 == 1)
            assert twin.cut_during(operation, cut), (operation, cut)
            for following in (("confirm",), ("mount",), ("append", 0, 30)):
                twin.do(following)
            tried_count += 1
        bench.do(operation)
    return tried_count
