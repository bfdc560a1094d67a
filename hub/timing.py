"""What the hub says about time: clock records of devices, and of its own clock.

How a reader makes UTC of them is in protocols.utc. A device's record never turns out wrong, but
for the UTC in it, and that is what the records about the hub's own clock correct: they are made
at the start, when UTC was set and when it became better or worse, for each boot of the hub since
the machine was started, for the monotonic clock of those runs on.
"""

import logging
from collections.abc import Callable
from typing import Any

from hub.clock import Clock
from hub.device_clocks import ClockRow, Clocks, Key
from hub.ingest import Exchange
from hub.sender import HubSender
from hub.store import Store
from hub.timekeeping import JUMP_US_MIN, STEP_US_MIN, Timekeeper
from protocols.vocabulary import KIND_CLOCK, LANE_STATE, UTC_QUALITY_NAMES, UTC_SYNCHRONISED

log = logging.getLogger(__name__)

# Earlier boots of the hub that are corrected; one that starts more often has other worries.
OWN_BOOTS_MAX = 64
KNOWN_SAVE_US = 600_000_000
# A clock that is set again and again must not fill the store with devices' records.
REPEAT_JUMP_US_MIN = 10_000_000
TELL_JUMP_US_MIN = 600_000_000
KEPT = {"utc_offset_us", "clock_boot_first"}  # in meta, beside clock_run


class Timing:
    """Device clocks, the hub's UTC, and the records about both."""

    def __init__(self, hub_id: str, clock: Clock, store: Store, sender: HubSender) -> None:
        self.clocks = Clocks()
        self.time = Timekeeper(clock, int(store.meta.get("utc_known_us", 0)))
        # Told in Japanese and English, not more often than TELL_JUMP_US_MIN.
        self.on_jump: Callable[[tuple[str, str]], None] = lambda texts: None
        self._hub_id = hub_id
        self._store = store
        self._sender = sender
        self._quality = self.time.quality
        self._saved_us = clock.now_us()
        self._repeated_us: int | None = None
        self._told_us: int | None = None
        self._owes_devices = False
        is_news = self._load(clock.run())
        self._first_boot = int(store.meta["clock_boot_first"])
        self._save_offset()
        self._say_own(clock.now_us(), self._first_boot if is_news else sender.boot)

    def _load(self, run: str) -> bool:
        """Take over what was known of devices; tell whether UTC is not as it was then."""
        store = self._store
        rows = store.load_clocks(run)
        if not run or store.meta.get("clock_run") != run or not KEPT <= store.meta.keys():
            store.save_meta("clock_run", run)
            store.save_meta("clock_boot_first", self._sender.boot)
            return False
        before_us = int(store.meta["utc_offset_us"])
        for device, boot, device_us, utc_us, uncertainty_us, rate_ppb in rows:
            hub_us = utc_us - before_us
            if hub_us >= 0:  # before the machine's start: kept with another offset, useless
                row = ClockRow(device_us, hub_us, uncertainty_us)
                self.clocks.keep((device, boot), row, rate_ppb)
        step_us = self.time.offset_us - before_us
        if abs(step_us) >= STEP_US_MIN:
            log.warning("UTC was set by %d ms while the hub was not running", step_us // 1000)
            self.time.count(step_us)
            self._owes_devices = abs(step_us) >= JUMP_US_MIN
            return True
        return bool(store.meta.get("utc_quality") != self._quality)

    def statistics(self) -> dict[str, Any]:
        """Return how good UTC is and how often it was set, for the console."""
        time = self.time
        return {
            "utc_quality": UTC_QUALITY_NAMES[time.quality],
            "clock_steps": time.steps_count,
            "clock_jumps": time.jumps_count,
        }

    def exchanged(self, device: str, boot: int, exchange: Exchange) -> None:
        """Take one time exchange; make a clock record where it says something new."""
        device_us, sent_us, received_us = exchange
        row = self.clocks.exchange((device, boot), device_us, sent_us, received_us)
        if row is not None:
            self._save((device, boot), row)
            self._say((device, boot), row)

    def tick(self, now_us: int) -> None:
        """Look at UTC; say again what a change of it makes wrong. To be called once a second."""
        step_us = self.time.watch()
        if step_us or self.time.quality != self._quality:
            self._quality = self.time.quality
            quality = UTC_QUALITY_NAMES[self._quality]
            fields = {"event": "utc", "quality": quality, "step_ms": step_us // 1000}
            log.info("UTC is %s, set by %d ms", quality, step_us // 1000, extra=fields)
            self._save_offset()
            self._say_own(now_us, self._first_boot)
        if abs(step_us) >= JUMP_US_MIN:
            self._owes_devices = True
            if _is_due(self._told_us, now_us, TELL_JUMP_US_MIN):
                self._told_us = now_us
                self.on_jump(_jump_texts(step_us))
        if self._owes_devices and _is_due(self._repeated_us, now_us, REPEAT_JUMP_US_MIN):
            self._owes_devices, self._repeated_us = False, now_us
            for key, row in self.clocks.rows():
                self._say(key, row)
        if now_us - self._saved_us >= KNOWN_SAVE_US:
            self._saved_us = now_us
            self._save_known()

    def _save_known(self) -> None:
        if self.time.quality == UTC_SYNCHRONISED:
            self._store.save_meta("utc_known_us", self.time.known_us)

    def _save_offset(self) -> None:
        """Keep what the table of clocks is made with, and the table, in one commit."""
        self._save_known()
        self._store.save_meta("utc_offset_us", self.time.offset_us)
        self._store.save_meta("utc_quality", self._quality)
        for key, row in self.clocks.rows():
            self._save(key, row)

    def _save(self, key: Key, row: ClockRow) -> None:
        utc_us = row.hub_us + self.time.offset_us
        rate_ppb = self.clocks.known_ppb(key)
        self._store.save_clock((*key, row.device_us, utc_us, row.uncertainty_us, rate_ppb))

    def _say_own(self, now_us: int, first_boot: int) -> None:
        boot = self._sender.boot
        for own in range(max(first_boot, boot - OWN_BOOTS_MAX), boot + 1):
            self._say((self._hub_id, own), ClockRow(now_us, now_us, 0))

    def _say(self, key: Key, row: ClockRow) -> None:
        fields = {
            "device": key[0],
            "boot": key[1],
            "device_us": row.device_us,
            "utc_us": self.time.utc_us(row.hub_us),
            "uncertainty_us": row.uncertainty_us,
            "rate_ppb": row.rate_ppb,
            "quality": self.time.quality,
        }
        self._sender.record(KIND_CLOCK, LANE_STATE, row.hub_us, fields)


def _is_due(last_us: int | None, now_us: int, interval_us: int) -> bool:
    return last_us is None or now_us - last_us >= interval_us


def _jump_texts(step_us: int) -> tuple[str, str]:
    span_s = abs(step_us) / 1e6
    ja = f"ハブの時計が {span_s:,.1f} 秒 {'進められ' if step_us > 0 else '戻され'}ました"
    en = f"The hub's clock was set {'forward' if step_us > 0 else 'back'} by {span_s:,.1f} s"
    return f"{ja}（データは失われません）", f"{en}; no data is lost"
