"""The observer: stands outside of hub and agents, and holds them to DESIGN section 3.

It sees what is programmed into a flash chip, which acknowledgements reach a device, what the
platform gets and when, and what is on the hub's disk after its power went. Whatever is wrong
raises Violation at that step.
"""

import hashlib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from protocols.batch import read_record_head
from protocols.bundle import Bundle
from protocols.cose import DeviceKeys, sender_of
from protocols.errors import RemoteProtocolError
from protocols.ranges import Ranges
from protocols.records import decode_record
from protocols.vocabulary import GAP_DISK_FULL, KIND_GAP, LANE_ALERT, LANES

Identity = tuple[str, int, int]
SEARCH_US_MAX = 5_000_000  # what came in while the hub looked for what to evict


class Violation(AssertionError):
    """A promise of DESIGN section 3 was broken. str(): which, by what."""


class Trace:
    """Every event of a world in a line; the digest of two worlds of one seed is the same."""

    def __init__(self, now_us: Callable[[], int], keep: bool) -> None:
        self.now_us = now_us
        self._digest = hashlib.sha256()
        self.lines: list[str] | None = [] if keep else None
        self.count = 0

    def note(self, *words: Any) -> None:
        """Add an event."""
        line = " ".join(map(str, (self.now_us(), *words)))
        self._digest.update(line.encode() + b"\n")
        self.count += 1
        if self.lines is not None:
            self.lines.append(line)

    def digest(self) -> str:
        """Return the digest of all lines."""
        return self._digest.hexdigest()


class Held:
    """Indexes by (device, boot)."""

    def __init__(self) -> None:
        self.ranges: defaultdict[tuple[str, int], Ranges] = defaultdict(Ranges)

    def add(self, device: str, boot: int, first: int, following: int) -> None:
        """Add a range."""
        ranges = self.ranges[device, boot]
        for index in range(first, following):
            ranges.add(index)

    def copy(self) -> "Held":
        """Return another one with the same."""
        other = Held()
        for key, ranges in self.ranges.items():
            other.ranges[key] = Ranges(list(ranges.flat))
        return other

    def has(self, identity: Identity) -> bool:
        """Tell whether it holds one."""
        device, boot, index = identity
        ranges = self.ranges.get((device, boot))
        return ranges is not None and any(low <= index < high for low, high in ranges.pairs())

    def count(self) -> int:
        """Return how many it holds."""
        return sum(high - low for one in self.ranges.values() for low, high in one.pairs())

    def missing_in(self, *others: "Held") -> list[Identity]:
        """Return what it holds and none of the others does."""
        missing = []
        for (device, boot), ranges in sorted(self.ranges.items()):
            wanted = {at for low, high in ranges.pairs() for at in range(low, high)}
            for other in others:
                found = other.ranges.get((device, boot))
                for low, high in found.pairs() if found else ():
                    wanted.difference_update(range(low, high))
            missing += [(device, boot, index) for index in sorted(wanted)]
        return missing


class Observer:
    """keys: of all senders, the hub too. hub: name of the hub, whose own records come as well."""

    def __init__(self, keys: dict[str, DeviceKeys], hub: str, trace: Trace) -> None:
        self._keys = keys
        self._hub = hub
        self.trace = trace
        self.kept = Held()  # in a flash chip at some time
        self.begun = Held()  # that, or a cut came in between
        self.acknowledged = Held()  # to the device
        self.arrived = Held()  # at the platform
        self.gaps = Held()  # named by gap records at the platform
        self.lane_of: dict[Identity, int] = {}
        self._position_of: dict[Identity, tuple[int, int]] = {}
        self._identity_at: dict[tuple[int, int], Identity] = {}
        self._newest: dict[tuple[str, int, bool], tuple[int, int]] = {}
        self._said: dict[Identity, tuple[str, int, int, int]] = {}  # gaps that devices named
        self.once_named = Held()  # by a gap record that was itself lost, and named
        self._now_us = trace.now_us
        self._acknowledged_us: dict[Identity, int] = {}
        self._arrived_us: dict[Identity, int] = {}
        self._evicted_us: list[list[int]] = [[] for _ in LANES]  # when, by the hub's clock
        self._sent: set[tuple[int, int]] = set()
        self._again: set[tuple[int, int]] = set()
        self.redelivered = 0
        self.accounts_checked = 0

    # What it sees

    def head_of(self, device: str) -> bytes:
        """Return how every frame of a device begins."""
        head: bytes = self._keys[device].up.head
        return head

    def saw_begun(self, device: str, frame: bytes) -> None:
        """A frame is on its way into the flash chip; a cut may leave it there or not."""
        try:
            _, boot, index = read_record_head(self._keys[device].up.open(frame))[:3]
        except RemoteProtocolError:
            return  # a part of one
        self.begun.add(device, boot, index, index + 1)

    def saw_kept(self, device: str, frame: bytes) -> None:
        """A frame is in the flash chip."""
        payload = self._keys[device].up.peek(frame)
        _, boot, index, lane, _, _ = read_record_head(payload)
        self.kept.add(device, boot, index, index + 1)
        self.lane_of[device, boot, index] = lane
        if payload[1] == KIND_GAP:
            gap = decode_record(payload)[5]
            extent = (gap["device"], gap["boot"], gap["first"], gap["next"])
            self._said[device, boot, index] = extent
        self.trace.note("kept", device, boot, index, lane)

    def saw_acknowledged(self, device: str, boot: int, first: int, following: int) -> None:
        """The hub told a device that it has these."""
        self.acknowledged.add(device, boot, first, following)
        for index in range(first, following):
            self._acknowledged_us.setdefault((device, boot, index), self._now_us())
        self.trace.note("acknowledged", device, boot, first, following)

    def saw_sent(self, bundle: Bundle) -> None:
        """The hub gives a bundle to the line.

        What it gives again was lost on the way, or refused: it may be what the platform cannot
        take, and come later than what is behind it.
        """
        for number in range(bundle.first, bundle.first + bundle.count):
            position = (bundle.lane, number)
            (self._again if position in self._sent else self._sent).add(position)

    def saw_bundle(self, bundle: Bundle) -> None:
        """A bundle reached the platform."""
        self.trace.note("bundle", bundle.lane, bundle.first, bundle.count, bundle.historical)
        for number, frame in enumerate(bundle.frames(), bundle.first):
            self._arrived((bundle.lane, number), frame, bundle.historical)

    def _arrived(self, position: tuple[int, int], frame: bytes, historical: bool) -> None:
        sender = sender_of(frame)
        try:
            payload = self._keys[sender].up.open(frame)
        except (KeyError, RemoteProtocolError) as error:
            raise Violation(f"a frame that {sender} never sealed: {error}") from error
        kind, boot, index, lane = read_record_head(payload)[:4]
        identity = (sender, boot, index)
        known = self._position_of.setdefault(identity, position)
        other = self._identity_at.setdefault(position, identity)
        if known != position or other != identity or lane != position[0]:
            raise Violation(f"once: {identity} came as {position}, before as {known}: {other}")
        if sender != self._hub and not self.begun.has(identity):
            raise Violation(f"{identity} arrived and was never in a flash")
        if self.arrived.has(identity):
            self.redelivered += 1
            if not historical:
                raise Violation(f"order: {identity} came again as live data")
            return
        if position not in self._again:
            self._check_order((sender, lane, historical), (boot, index))
        self.arrived.add(*identity, index + 1)
        self._arrived_us[identity] = self._now_us()
        if kind == KIND_GAP:
            *_, at_us, gap = decode_record(payload)
            self._name(gap)
            is_of_readings = gap["device"] != self._hub
            if sender == self._hub and is_of_readings and gap["reason"] == GAP_DISK_FULL:
                self._evicted_us[gap["lane"]].append(at_us)

    def _check_order(self, row: tuple[str, int, bool], number: tuple[int, int]) -> None:
        before = self._newest.get(row, (0, -1))
        if number <= before:
            raise Violation(f"order: {row} got {number} after {before}")
        self._newest[row] = number

    def _name(self, gap: dict[str, Any]) -> None:
        self.gaps.add(gap["device"], gap["boot"], gap["first"], gap["next"])
        self.trace.note("gap", gap["device"], gap["boot"], gap["first"], gap["next"])

    # What it checks

    def check_accounts(self, accepted: int, counts: dict[str, int]) -> None:
        """accepted = delivered + stored + evicted + dead-lettered, for an uplink, always."""
        self.accounts_checked += 1
        names = ("delivered", "live", "backlog", "evicted", "dead_lettered")
        total = sum(counts.get(name, 0) for name in names)
        if total != accepted:
            raise Violation(f"accounts: {accepted} accepted, {counts}")

    def check_durable(
        self,
        acknowledged: "Held",
        stored: Iterable[tuple[tuple[int, int], bytes]],
        ledger: Iterable[tuple[str, int, int, int]],
    ) -> None:
        """After the hub's end: all that it acknowledged is on its disk, delivered or named.

        acknowledged: before it was looked at. stored: (lane, sequence number), frame. ledger: the
        losses that it names, for a full store drops gap records, too, when no readings are left.
        """
        there, named = Held(), Held()
        for extent in ledger:
            named.add(*extent)
        for position, frame in stored:
            sender = sender_of(frame)
            payload = self._keys[sender].up.open(frame)
            kind, boot, index = read_record_head(payload)[:3]
            identity = (sender, boot, index)
            if kind == KIND_GAP:
                gap = decode_record(payload)[5]
                named.add(gap["device"], gap["boot"], gap["first"], gap["next"])
            if self._position_of.get(identity, position) != position:
                raise Violation(f"once: {identity} is stored as {position} as well")
            there.add(*identity, index + 1)
        missing = acknowledged.missing_in(there, self.arrived, self.gaps, named)
        self.trace.note("durable", there.count())
        if missing:
            raise Violation(f"durable: acknowledged, and gone: {missing[:5]} of {len(missing)}")

    def check_all_arrived(self, ledger: Iterable[tuple[str, int, int, int]]) -> None:
        """Once no fault is left: all that was ever in a flash is there or named as lost.

        ledger: the losses that the hub's ledger names. Where there was no room for a gap record
        either, the ledger or another gap record says so.
        """
        for extent in ledger:
            self.once_named.add(*extent)
        for identity, extent in sorted(self._said.items(), reverse=True):
            if self.gaps.has(identity) or self.once_named.has(identity):
                self.once_named.add(*extent)
        missing = self.kept.missing_in(self.arrived, self.gaps, self.once_named)
        if missing:
            raise Violation(f"silent loss: {missing[:5]} of {len(missing)}")
        named = [
            one for one in self.kept.missing_in(self.arrived) if self.lane_of[one] == LANE_ALERT
        ]
        if named:
            raise Violation(f"eviction: alerts were dropped: {named[:5]} of {len(named)}")

    def _outlasting_count(self) -> int:
        """Return how many readings outlasted the eviction of more urgent ones beside them.

        Some do where a store is so small that one step of making room is most of it.
        """
        found = set()
        evicted_us = [sorted(times_us) for times_us in self._evicted_us]
        for identity, arrived_us in self._arrived_us.items():
            # What is said about losses stays longer than readings.
            lane = LANE_ALERT if identity in self._said else self.lane_of.get(identity, 0)
            known_us = self._acknowledged_us.get(identity, arrived_us) + SEARCH_US_MAX
            for times_us in evicted_us[:lane]:
                at = bisect_right(times_us, known_us)
                if at < len(times_us) and times_us[at] < arrived_us:
                    found.add(identity)
        return len(found)

    def statistics(self) -> dict[str, int]:
        """Return what it has seen."""
        return {
            "kept": self.kept.count(),
            "acknowledged": self.acknowledged.count(),
            "arrived": self.arrived.count(),
            "named_lost": len(self.kept.missing_in(self.arrived)),
            "named_by_what_was_lost": len(self.kept.missing_in(self.arrived, self.gaps)),
            "outlasting": self._outlasting_count(),
            "evictions": sum(map(len, self._evicted_us)),
            "redelivered": self.redelivered,
            "accounts_checked": self.accounts_checked,
            "events": self.trace.count,
        }
