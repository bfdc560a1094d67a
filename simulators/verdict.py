"""The report of a run, counted from outside the hub: what left the devices against what arrived.

A frame's fate is looked up by its identity (device, boot, index), one by one: at the platform,
still in the hub's store (its file is read, its counters are not believed), still in a device's
flash, or named by a gap record. What is in none of these is lost.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.flashlog import FlashLog
from protocols.batch import read_record_head
from protocols.cose import Mac0, sender_of
from protocols.framing import Splitter
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


@dataclass
class Verdict:
    """What became of everything. report(): the JSON object of the design."""

    scenario: str
    seconds: int
    devices: int
    sent: set[Identity]
    holes: int
    platform: Counter[Identity]
    in_hub: set[Identity]
    in_flash: set[Identity]
    evicted: set[Identity]
    readings_sent: int
    readings_delivered: int
    latencies_ms: list[float]
    redelivered: int
    refused: dict[str, int]
    details: dict[str, list[Any]] = field(default_factory=dict)
    stalled_ms: int = 0  # how long this machine was too slow for the simulated boards

    def report(self) -> dict[str, Any]:
        """Return the report with the keys that the design fixes, and details."""
        delivered = self.sent & self.platform.keys()
        undelivered = self.sent - delivered
        stored = undelivered & (self.in_hub | self.in_flash)
        evicted = (undelivered - stored) & self.evicted
        lost = len(undelivered - stored - evicted) + self.holes
        duplicates = sum(count > 1 for count in self.platform.values())
        return {
            "scenario": self.scenario,
            "seconds": self.seconds,
            "devices": self.devices,
            "frames": {
                "sent": len(self.sent),
                "accepted": len(self.sent & (self.in_hub | self.platform.keys())),
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
            "latency_ms": {f"p{share}": percentile(self.latencies_ms, share) for share in (50, 99)},
            "ok": lost == 0 and duplicates == 0,
            "redelivered": self.redelivered,
            "refused_by_platform": self.refused,
            "machine_stalled_ms": self.stalled_ms,
            "details": self.details,
        }  # fmt: skip


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
    platform = Counter(identity for identity in archive.identities() if identity[0] in names)
    gaps = list(archive.records(KIND_GAP))
    evicted = {
        (fields["device"], fields["boot"], index)
        for _, fields in gaps
        for index in range(fields["first"], fields["next"])
    }
    batches = {identity: one for identity, one in seen.items() if one.kind == KIND_BATCH}
    latencies_ms = [
        (arrival.arrival_us - one.sent_us) / 1000
        for arrival in archive.arrivals()
        if not arrival.historical
        and (one := seen.get((arrival.device, arrival.boot, arrival.frame_index))) is not None
        and one.sent_us is not None
    ]
    counts = archive.counts()
    verdict = Verdict(
        scenario=name,
        seconds=seconds,
        devices=len(devices),
        sent=set(seen),
        holes=len(_holes(seen, evicted)),
        platform=platform,
        in_hub=set(hub_identities(hub_data)) if hub_data.exists() else set(),
        in_flash={identity for device in devices for identity in flash_identities(device)},
        evicted=evicted,
        readings_sent=sum(one.readings_count for one in batches.values()),
        readings_delivered=sum(
            one.readings_count for identity, one in batches.items() if identity in platform
        ),
        latencies_ms=latencies_ms,
        redelivered=counts["redelivered"],
        refused=counts["refused"],
    )
    verdict.details = _details(archive, gaps)
    return verdict


def _details(archive: Archive, gaps: list[tuple[str, dict[str, Any]]]) -> dict[str, list[Any]]:
    modes = [
        {**fields, "mode": MODE_NAMES[fields["mode"]]} for _, fields in archive.records(KIND_MODE)
    ]
    alerts = [
        {**fields, "level": LEVELS[fields["level"]]} for _, fields in archive.records(KIND_NOTICE)
    ]
    named = [{**fields, "reason": GAP_NAMES[fields["reason"]]} for _, fields in gaps]
    return {"gaps": named, "mode_changes": modes, "alerts": alerts}


def _holes(seen: Iterable[Identity], evicted: set[Identity]) -> set[Identity]:
    """Return the identities missing below the highest index of each boot: indexes are gap-free."""
    highest: dict[tuple[str, int], int] = {}
    known = set(seen)
    for device, boot, index in known:
        highest[device, boot] = max(index, highest.get((device, boot), -1))
    whole = {
        (device, boot, index)
        for (device, boot), last in highest.items()
        for index in range(last + 1)
    }
    return whole - known - evicted


def hub_identities(database: Path) -> Iterable[Identity]:
    """Yield the identity of every frame that the store of a hub holds, delivered or not."""
    connection = sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)
    try:
        for (blob,) in connection.execute("SELECT frames FROM chunk ORDER BY id"):
            for frame in Splitter().feed(blob):
                yield identity_of(frame)
    finally:
        connection.close()


def identity_of(frame: bytes) -> Identity:
    """Return (device, boot, index) of a frame, its code unchecked."""
    sender = sender_of(frame)
    _, boot, index, *_ = read_record_head(Mac0(sender, bytes(32)).peek(frame))
    return sender, boot, index


def flash_identities(device: VirtualDevice) -> Iterable[Identity]:
    """Yield what a stopped device's flash holds, by mounting it."""
    flashlog = FlashLog(device.flash)
    flashlog.mount()
    for boot, first, following in flashlog.extent():
        for index in range(first, following):
            yield device.name, boot, index


def write_report(report: dict[str, Any], path: Path) -> None:
    """Write the report as one JSON object."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
