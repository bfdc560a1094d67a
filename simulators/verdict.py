"""The report of a run, counted from outside the hub: what left the devices against what arrived.

A frame's fate is looked up by its identity (device, boot, index), one by one: at the platform,
still waiting for it in the hub's store, still in a device's flash, or named by a gap record. What
is in none of these is lost. The files are read, nobody's counters are believed. A frame that the
hub takes for delivered does not wait any more: if the platform lacks it, it is lost.

Twice is what the platform got again though the hub had been told that it has it. After a cut or a
kill a hub cannot know that of what was on the way; how many these were is counted before it can
send again (`unknown_to_hub`).
"""

import json
import sqlite3
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from agent.flashlog import FlashLog
from protocols.batch import read_record_head
from protocols.cose import Mac0, sender_of
from protocols.framing import Splitter
from protocols.ranges import Ranges
from protocols.vocabulary import (
    GAP_NAMES,
    KIND_BATCH,
    KIND_GAP,
    KIND_MODE,
    KIND_NOTICE,
    MODE_NAMES,
)
from simulators.archive import Archive
from simulators.virtual_device import Identity, VirtualDevice

LEVELS = ("info", "watch", "warning", "emergency")
LANE_SHIFT = 48  # of the hub's store: chunk.id = lane << 48 | sequence number of its first frame


@dataclass
class Verdict:
    """What became of everything. report(): the JSON object of the design.

    resendable: frames that a hub could not know the platform to have, after a cut or a kill.
    is_mended: line, hub and devices worked again at the end, so that nothing may be left behind.
    """

    scenario: str
    seconds: int
    devices: int
    sent: set[Identity]
    holes: int
    platform: Counter[Identity]
    in_hub: set[Identity]
    waiting: set[Identity]
    in_flash: set[Identity]
    evicted: set[Identity]
    evicted_by_hub: set[Identity]
    readings_sent: int
    readings_delivered: int
    latencies_ms: list[float]
    redelivered: int
    refused: dict[str, int]
    resendable: int = 0
    is_mended: bool = True
    details: dict[str, list[Any]] = field(default_factory=dict)
    judgement: dict[str, Any] | None = None  # of simulators.judge: what the rules should have said
    stalled_ms: int = 0  # how long this machine was too slow for the simulated boards

    def report(self) -> dict[str, Any]:
        """Return the report with the keys that the design fixes, and more beside them."""
        delivered = self.sent & self.platform.keys()
        undelivered = self.sent - delivered
        stored = undelivered & (self.waiting | self.in_flash)
        evicted = (undelivered - stored) & self.evicted
        lost = len(undelivered - stored - evicted) + self.holes
        archived_twice = sum(count > 1 for count in self.platform.values())
        duplicates = archived_twice + max(0, self.redelivered - self.resendable)
        is_left = bool(stored) and self.is_mended
        is_ok = bool(self.sent) and not (lost or duplicates or is_left or self.refused)
        is_judged_ok = self.judgement is None or self.judgement["ok"]
        accepted = self.sent & (self.in_hub | self.platform.keys() | self.evicted_by_hub)
        return {
            "scenario": self.scenario,
            "seconds": self.seconds,
            "devices": self.devices,
            "frames": {
                "sent": len(self.sent),
                "accepted": len(accepted),
                "delivered": len(delivered),
                "stored": len(stored),
                "evicted": len(evicted),
                "dead_lettered": 0,
                "duplicates": duplicates,
                "lost": lost,
            },
            "readings": {"sent": self.readings_sent, "delivered": self.readings_delivered},
            "gaps": len(self.details["gaps"]),
            "mode_changes": len(self.details["mode_changes"]),
            "alerts": len(self.details["alerts"]),
            "latency_ms": {
                "p50": percentile(self.latencies_ms, 50),
                "p99": percentile(self.latencies_ms, 99),
            },
            "ok": is_ok and is_judged_ok,
            "pace": "real",
            "in_flash": len(stored & self.in_flash),
            "redelivered": self.redelivered,
            "resendable": self.resendable,
            "refused_by_platform": self.refused,
            "is_mended": self.is_mended,
            "machine_stalled_ms": self.stalled_ms,
            "judgement": self.judgement,
            "details": self.details,
        }


def percentile(values: list[float], share: int) -> float | None:
    """Return the value below which `share` percent lie (nearest rank); None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, len(ordered) * share // 100)], 1)


def judge(
    name: str, devices: list[VirtualDevice], archive: Archive, hub_data: Path, *, seconds: int
) -> Verdict:
    """Count everything. The devices and the hub have stopped; the archive may still run."""
    names = {device.name for device in devices}
    seen = {}
    for device in devices:
        seen.update(device.observer.kept)
        seen.update(device.observer.sent)
    platform = Counter(archive.identities())
    in_hub = dict(hub_frames(hub_data)) if hub_data.exists() else {}
    # The hub's own records (alerts, modes, clocks, gaps) are numbered like a device's.
    own = {one for one in platform.keys() | in_hub.keys() if one[0] not in names}
    gaps = list(archive.records(KIND_GAP))
    lanes = {identity: one.lane for identity, one in seen.items()}
    evicted = _named(seen.keys() | own, [fields for _, fields in gaps], lanes)
    batches = {identity: one for identity, one in seen.items() if one.kind == KIND_BATCH}
    counts = archive.counts()
    verdict = Verdict(
        scenario=name,
        seconds=seconds,
        devices=len(devices),
        sent=set(seen),
        holes=len(_holes(seen.keys() | own, [fields for _, fields in gaps])),
        platform=platform,
        in_hub=set(in_hub),
        waiting={identity for identity, is_waiting in in_hub.items() if is_waiting},
        in_flash={identity for device in devices for identity in flash_identities(device)},
        evicted=evicted,
        evicted_by_hub=_named(evicted, [fields for by, fields in gaps if by not in names]),
        readings_sent=sum(one.readings_count for one in batches.values()),
        readings_delivered=sum(
            one.readings_count for identity, one in batches.items() if identity in platform
        ),
        latencies_ms=_latencies_ms(seen, archive),
        redelivered=counts["redelivered"],
        refused=counts["refused"],
    )
    verdict.details = _details(archive, gaps)
    return verdict


def _latencies_ms(seen: dict[Identity, Any], archive: Archive) -> list[float]:
    """Return from first leaving the device to the platform's archive, of live data."""
    return [
        (arrival.arrival_us - one.sent_us) / 1000
        for arrival in archive.arrivals()
        if not arrival.historical
        and (one := seen.get((arrival.device, arrival.boot, arrival.frame_index))) is not None
        and one.sent_us is not None
    ]


def _details(archive: Archive, gaps: list[tuple[str, dict[str, Any]]]) -> dict[str, list[Any]]:
    modes = [
        {**fields, "mode": MODE_NAMES[fields["mode"]]} for _, fields in archive.records(KIND_MODE)
    ]
    alerts = [
        {**fields, "level": LEVELS[fields["level"]]} for _, fields in archive.records(KIND_NOTICE)
    ]
    named = [{**fields, "reason": GAP_NAMES[fields["reason"]]} for _, fields in gaps]
    return {"gaps": named, "mode_changes": modes, "alerts": alerts}


def _named(
    identities: Iterable[Identity],
    gaps: list[dict[str, Any]],
    lanes: Mapping[Identity, int] = MappingProxyType({}),
) -> set[Identity]:
    """Return those that a gap record names: of its own lane, where the lane is known."""
    named: dict[tuple[str, int], dict[int, Ranges]] = {}
    for gap in gaps:
        by_lane = named.setdefault((gap["device"], gap["boot"]), {})
        by_lane.setdefault(gap["lane"], Ranges()).add_range(gap["first"], gap["next"])

    def is_named(one: Identity) -> bool:
        by_lane = named.get(one[:2], {})
        lane = lanes.get(one)
        chosen = by_lane.values() if lane is None else [by_lane.get(lane, Ranges())]
        return any(one[2] in ranges for ranges in chosen)

    return {one for one in identities if is_named(one)}


def _holes(known: Iterable[Identity], gaps: list[dict[str, Any]]) -> set[Identity]:
    """Return the identities missing below the highest index of each boot: indexes are gap-free."""
    indexes: dict[tuple[str, int], set[int]] = {}
    for device, boot, index in known:
        indexes.setdefault((device, boot), set()).add(index)
    missing = {
        (*sender, index)
        for sender, found in indexes.items()
        for index in set(range(max(found))) - found
    }
    return missing - _named(missing, gaps)


def hub_frames(database: Path) -> Iterator[tuple[Identity, bool]]:
    """Yield what a hub's store holds, and whether it waits for any uplink: hub/schema."""
    connection = sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)
    try:
        cursors: dict[int, list[tuple[int, Ranges]]] = {}
        for lane, live, backlog in connection.execute("SELECT lane, live, backlog FROM cursor"):
            bounds = struct.unpack(f"<{len(backlog) // 8}q", backlog)
            cursors.setdefault(lane, []).append((live, Ranges(list(bounds))))
        for number, blob in connection.execute("SELECT id, frames FROM chunk ORDER BY id"):
            lane, first = divmod(number, 1 << LANE_SHIFT)
            for sequence, frame in enumerate(Splitter().feed(blob), first):
                yield identity_of(frame), _is_waiting(cursors.get(lane, []), sequence)
    finally:
        connection.close()


def _is_waiting(cursors: list[tuple[int, Ranges]], sequence: int) -> bool:
    # Where no uplink has a cursor yet, none has acknowledged anything.
    return not cursors or any(sequence >= live or sequence in backlog for live, backlog in cursors)


def unknown_to_hub(archive_folder: Path, hub_data: Path) -> int:
    """Return how many frames the platform has that the hub's store holds as waiting.

    Exact while nothing moves between the two: the hub is dead, or the line is cut.
    """
    with Archive(archive_folder) as archive:
        arrived = set(archive.identities())
    return sum(is_waiting and one in arrived for one, is_waiting in hub_frames(hub_data))


def identity_of(frame: bytes) -> Identity:
    """Return (device, boot, index) of a frame, its code unchecked."""
    sender = sender_of(frame)
    _, boot, index, *_ = read_record_head(Mac0(sender, bytes(32)).peek(frame))
    return sender, boot, index


def flash_identities(device: VirtualDevice) -> Iterator[Identity]:
    """Yield what a stopped device's flash holds, by mounting it."""
    flashlog = FlashLog(device.flash)
    flashlog.mount()
    while (handle := flashlog.next_unsent()) is not None:
        yield identity_of(flashlog.read_frame(handle))
        flashlog.mark_in_flight(handle)


def write_report(report: dict[str, Any], path: Path) -> None:
    """Write the report as one JSON object."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
