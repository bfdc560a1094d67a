"""The door of the simulated common platform: judges each frame by itself, archives the good ones.

    topic     hinomi/v1/<hub>/frames/<live|backlog>/<lane>      QoS 1
    payload   protocols.bundle

Every frame must carry the authentication code of its own device; the hub in between is trusted
with nothing. What is refused is counted by its reason, a frame that is held already is counted as
redelivered: after a cut a sender cannot know what got through. Other topics are ignored.
"""

import time
from collections import Counter
from dataclasses import dataclass, field

from protocols.batch import Batch, decode_batch, read_record_head
from protocols.bundle import Bundle, decode_bundle
from protocols.cose import Mac0, sender_of
from protocols.errors import RemoteProtocolError
from protocols.ranges import Ranges
from protocols.records import decode_record
from protocols.vocabulary import KIND_BATCH
from simulators.archive import REFUSED, AcceptedFrame, ArchiveWriter, Latest


@dataclass
class Verdict:
    """What one message came to."""

    accepted: list[AcceptedFrame] = field(default_factory=list)
    latest: list[Latest] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=lambda: Counter(bundles=1))

    def refuse(self, error: RemoteProtocolError) -> None:
        """Count a refusal under its reason."""
        self.counts[REFUSED + error.reason] += 1


class Ingress:
    """Takes messages one at a time. keys: device name -> Mac0 of its up key."""

    def __init__(self, keys: dict[str, Mac0], archive: ArchiveWriter) -> None:
        self._keys = keys
        self._archive = archive
        self._held = archive.held()

    def take(self, topic: str, payload: bytes) -> None:
        """Judge one message; its frames and its counts are archived together when this returns.

        When the archive fails its error comes out, and this object is of no use any more.
        """
        parts = topic.split("/")
        if len(parts) != 6 or parts[:2] != ["hinomi", "v1"] or parts[3] != "frames":
            return
        verdict = Verdict()
        try:
            bundle = _open(parts[2], parts[4], payload)
            for frame in bundle.frames():
                self._sort(frame, bundle, verdict)
        except RemoteProtocolError as error:
            verdict.refuse(error)
        self._archive.append(verdict.accepted, verdict.latest, verdict.counts)

    def _sort(self, frame: bytes, bundle: Bundle, verdict: Verdict) -> None:
        try:
            one, latest = self._read(frame, bundle)
        except RemoteProtocolError as error:
            verdict.refuse(error)
            return
        if not self._held.setdefault((one.device, one.boot), Ranges()).add(one.frame_index):
            verdict.counts["redelivered"] += 1
            return
        verdict.accepted.append(one)
        verdict.latest.extend(latest)

    def _read(self, frame: bytes, bundle: Bundle) -> tuple[AcceptedFrame, list[Latest]]:
        device = sender_of(frame)
        key = self._keys.get(device)
        if key is None:
            raise RemoteProtocolError("unknown_device", device)
        payload = key.open(frame)
        kind, boot, index, lane, _, _ = read_record_head(payload)
        batch = decode_batch(payload) if kind == KIND_BATCH else None
        if batch is None:
            decode_record(payload)  # refuses what is no record
        accepted = AcceptedFrame(
            arrival_us=time.monotonic_ns() // 1000,
            arrival_unix_us=time.time_ns() // 1000,
            device=device,
            boot=boot,
            frame_index=index,
            lane=lane,
            kind=kind,
            historical=bundle.historical,
            hub=bundle.hub,
            bundle_first=bundle.first,
            frame=frame,
        )
        return accepted, _newest(device, batch)


def _open(hub: str, urgency: str, payload: bytes) -> Bundle:
    bundle = decode_bundle(payload)
    if hub != bundle.hub or urgency != ("backlog" if bundle.historical else "live"):
        raise RemoteProtocolError("unexpected", "the topic is not that of the bundle")
    return bundle


def _newest(device: str, batch: Batch | None) -> list[Latest]:
    if batch is None or batch.series is None:
        return []
    return [
        Latest(
            device=device,
            channel=series.channel,
            boot=batch.boot,
            time_us=series.time_us(len(series.values) - 1),
            value=series.values[-1],
            exponent=series.exponent,
            multiplier=series.multiplier,
            unit=series.unit,
        )
        for series in batch.series
    ]
