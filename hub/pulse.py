"""Signs of life out of the running hub: what hub.rules.vitals keeps and the rules judge."""

from collections.abc import Callable, Collection
from typing import Any

from hub.clock import Clock
from hub.device_clocks import Clocks
from hub.ingest import Exchange
from hub.rules.vitals import Vitals
from hub.store import Store
from protocols.errors import RemoteProtocolError
from protocols.records import decode_record
from protocols.vocabulary import GAP_FLASH_FULL, GAP_SENSOR_FAULT, UTC_IMPLAUSIBLE

HUB_INTERVAL_US = 10_000_000  # so often the hub looks at itself


class Pulse:
    """Writes one Vitals. Enrolled devices that the store knows count as heard at the start."""

    def __init__(
        self,
        vitals: Vitals,
        store: Store,
        clocks: Clocks,
        *,
        clock: Clock,
        devices: Collection[str],
    ) -> None:
        self._vitals = vitals
        self._store = store
        self._clock = clock
        self._clocks = clocks
        self._due_us = 0
        for device in {name for name, _ in store.seen if name in devices}:
            vitals.heard(device, clock.now_us())

    def frames(self, device: str, count: int) -> None:
        """Note that a device sent frames, so many of them new."""
        vitals = self._vitals
        vitals.framed(device, self._clock.now_us())
        waiting = vitals.waiting.get(device)
        if waiting:
            vitals.waiting[device] = max(0, waiting - count)

    def exchanged(self, device: str, boot: int, exchange: Exchange) -> None:
        """Note a time exchange, and how sure the device's clock is."""
        vitals = self._vitals
        vitals.heard(device, exchange[2])
        vitals.uncertainty_us[device] = self._clocks.uncertainty_us((device, boot)) or 0

    def greeted(self, device: str, hello: dict[str, Any]) -> None:
        """Note how many frames a device holds that has come."""
        self._vitals.waiting[device] = sum(end - first for _, first, end in hello["log"])

    def gap(self, payload: bytes) -> None:
        """Note why a device has lost readings, where that is of its health."""
        try:
            fields = decode_record(payload)[-1]
        except RemoteProtocolError:
            return
        device, vitals = fields["device"], self._vitals
        if fields["reason"] == GAP_FLASH_FULL:
            vitals.lost[device] = vitals.lost.get(device, 0) + 1
        elif fields["reason"] == GAP_SENSOR_FAULT:
            now_us, name = self._clock.now_us(), fields["channel"].rpartition(".")[2]
            vitals.sensor_faults.setdefault(device, {})[name] = now_us

    def tick(self, now_us: int, room: Callable[[], dict[str, Any]], utc_quality: int) -> None:
        """Note how the hub itself is; once a second. room: statistics of hub.room."""
        vitals = self._vitals
        vitals.store_failure = self._store.failure
        vitals.is_utc_plausible = utc_quality != UTC_IMPLAUSIBLE
        if now_us >= self._due_us:
            self._due_us = now_us + HUB_INTERVAL_US
            vitals.hours_to_full = room()["hours_to_full"]
