"""Making room in the store: what leaves it, when, and how that is told.

`used` is what the pages of the database's file hold; a freed page is used again, so the file never
grows beyond the most that was used. Three marks, in percent of the size that the store may have
(hub.disk: what was set, or what its disk has room for):

    thin    waveforms that every uplink has are deleted; then those that wait are thinned
    delete  whatever every uplink has is deleted, the least urgent first
    evict   readings that wait are evicted, lanes 3, 2, 1; at last what is said about them

What is above the last mark is the reserve of lane 0 and of the hub's own records. Frames of lanes
1-3 are refused only where nothing of them is left to evict; lane 0 is never evicted, and refused
where the store is full of it. Beyond the whole size links wait while room is made.

Everything that leaves undelivered is named by gap records and rows of the ledger, in the same
transaction. What is on its way to a platform is left alone, for it is delivered in a moment: below
the mark `delete` whatever a line that is up has no backlog of, above it what was handed to the
line, and that too where nothing else is left to evict.

A search runs on a thread of its own; when it ends, the loop looks whether it still holds (an
uplink may have got some of it), seals the records and hands all to the writer.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from operator import gt
from typing import Any

from hub.clock import Clock
from hub.database import connect
from hub.eviction import (
    DELETE,
    DELETE_WAVES,
    EVICT,
    EVICT_RECORDS,
    EXPIRE,
    THIN,
    Find,
    Search,
    Step,
    is_mark,
    mark_key,
    search,
)
from hub.forecast import Forecast, LaneSizes
from hub.group import Removal
from hub.ledger import gap
from hub.relay.queue import RelayQueue
from hub.seen import within, without
from hub.sender import HubSender
from hub.store import Group, Store
from protocols.ranges import Ranges
from protocols.vocabulary import KIND_GAP, KIND_SUMMARY, LANE_ALERT, LANE_LIFE, LANE_STATE, LANES

log = logging.getLogger(__name__)

PIECE_SIZE_MIN = 16 * 1024
PIECE_SIZE_MAX = 8 * 1024 * 1024
MISSES_MAX = 9  # the largest piece is the smallest then
RETRY_US = 100_000  # after a search that found nothing
CALM, BUSY, PRESSED = 0, 1, 2  # how much may go undelivered of what is on its way


@dataclass(frozen=True)
class Watermarks:
    """When to make room. size_max: bytes of the store; the others: percent of it, rising."""

    size_max: int
    thin: int = 70
    delete: int = 85
    evict: int = 95

    def of(self, percent: int) -> int:
        """Return a mark in bytes."""
        return self.size_max * percent // 100


def watermarks(values: dict[str, Any]) -> Watermarks:
    """Return the marks that the settings of [store] say."""
    percents = (values["thin_percent"], values["delete_percent"], values["evict_percent"])
    return Watermarks(values["size_max_mib"] << 20, *percents)


class Needs:
    """What the uplinks that frames are kept for have still to deliver. Below store.following."""

    def __init__(self, queues: Sequence[RelayQueue], store: Store) -> None:
        self._queues = queues
        self._store = store

    def needed(self, lane: int) -> Ranges:
        """Return the sequence numbers of a lane that any of them needs."""
        ranges = Ranges()
        for queue in self._queues:
            flat = queue.needed(lane, self._store.following[lane])
            for first, following in zip(flat[::2], flat[1::2], strict=True):
                ranges.add_range(first, following)
        return ranges

    def free(self, lane: int, hurry: int) -> list[int]:
        """Return as flat pairs what of it may go undelivered. hurry: CALM, BUSY or PRESSED."""
        needed, away = self.needed(lane).flat, Ranges()
        if hurry == PRESSED:
            return needed
        following = self._store.following[lane]
        for queue in self._queues:
            for one in queue.on_its_way(lane, following, with_live=hurry == CALM):
                away.add_range(*one)
        return without(needed, away.flat)


class Room:
    """Keeps a store within its marks. All of it is called on the event loop's thread."""

    def __init__(
        self,
        store: Store,
        sender: HubSender,
        needs: Needs,
        *,
        clock: Clock,
        marks: Watermarks,
    ) -> None:
        self._store = store
        self._sender = sender
        self._needs = needs
        self._clock = clock
        self.marks = marks
        self._disk_size_max = store.disk.size_max()
        self._db = connect(store.path)
        self._thread = ThreadPoolExecutor(1, "store-room")
        self._search: asyncio.Future[Find | None] | None = None
        self._removal: Removal | None = None  # not yet committed
        self._is_marking = False  # what the search under way finds may move a mark
        self._is_exhausted = False
        self._is_pressed = False  # but for what is on its way there is nothing left to evict
        self._misses = 0  # as often a piece is halved: an uplink took of it before it was found
        self._retry_us = 0
        self._above: set[int] = set()
        # lane -> below it what concerns these devices may be kept no longer, where delivered.
        self.old: Callable[[], list[int]] = lambda: [0 for _ in LANES]
        self.personal: frozenset[str] = frozenset()
        self._expired = [0 for _ in LANES]  # up to where that has been looked for
        self._is_closed = False
        self._forecast = Forecast()
        self._sizes = [
            LaneSizes(store.first(lane), store.following[lane], store.bytes[lane])
            for lane in LANES
        ]
        store.on_commit.append(self._committed)

    def tick(self) -> None:
        """Look whether room must be made; to be called about once a second."""
        self._disk_size_max = self._store.disk.size_max()
        self._store.disk.reserve()
        inflow = sum(sizes.total for sizes in self._sizes)
        self._forecast.feed(self._clock.now_us(), inflow, self._waiting())
        self._consider()

    def _committed(self, group: Group) -> None:
        for lane in LANES:
            size = self._store.taken[lane] - self._sizes[lane].taken
            if size:
                self._sizes[lane].add(self._store.following[lane], size)
        if any(one is self._removal for one in group.removals):  # a salvage has removals, too
            self._removal = None
        self._consider()

    def _consider(self) -> None:
        if self._is_closed or self._search is not None or self._removal is not None:
            return
        steps = () if self._is_stopped() else self._steps()
        now_us = self._clock.now_us()
        if not steps:
            self._is_exhausted = self._is_pressed = False
        if steps and now_us >= self._retry_us:
            self._begin(steps)
        self._bound()

    def _is_stopped(self) -> bool:
        # On a full disk making room is what helps: a page that is freed is used again.
        return bool(self._store.failure) and not self._store.is_full

    def _steps(self) -> tuple[Step, ...]:
        """Return what may be tried now, in this order."""
        # What a salvage brings over comes below any mark: after it.
        is_due = not self._store.is_salvaging and any(map(gt, self.old(), self._expired))
        expires = [EXPIRE] * is_due
        marks, piece = self._bounds(), self._piece_size()
        for percent in (marks.thin, marks.delete, marks.evict):
            # Once above, a piece further down: else each commit would free as little as it adds.
            edge = marks.of(percent) - (piece if percent in self._above else 0)
            if self._store.used > edge:
                self._above.add(percent)
            else:
                self._above.discard(percent)
        if marks.thin not in self._above:
            return tuple(expires)
        deletes = [DELETE_WAVES] + [DELETE] * (marks.delete in self._above)
        evicts = [EVICT] * (marks.evict in self._above)
        # Thinning takes its time: links wait for it only while there is reserve.
        chosen = [*evicts, THIN] if self._is_late() else [THIN, *evicts]
        return (*expires, *deletes, *chosen, *[EVICT_RECORDS] * len(evicts))

    def _seen(self, sender: tuple[str, int]) -> list[int]:
        # Asked on the search's thread: no list changes while it is copied.
        ranges = self._store.seen.get(sender)
        return [] if ranges is None else list(ranges.flat)

    def _is_late(self) -> bool:
        marks = self._bounds()
        return self._store.used > (marks.size_max + marks.of(marks.evict)) // 2

    def _hurry(self) -> int:
        marks = self._bounds()
        if self._is_pressed and marks.evict in self._above:
            return PRESSED
        return BUSY if marks.delete in self._above else CALM

    def _bounds(self) -> Watermarks:
        """Return the marks as the disk has room for them."""
        if self._disk_size_max >= self.marks.size_max:
            return self.marks
        return replace(self.marks, size_max=self._disk_size_max)

    def _piece_size(self) -> int:
        return max(PIECE_SIZE_MIN, min(PIECE_SIZE_MAX, self._bounds().size_max // 256))

    def _begin(self, steps: tuple[Step, ...]) -> None:
        store = self._store
        size = max(PIECE_SIZE_MIN, self._piece_size() >> self._misses)
        thin_size = min(PIECE_SIZE_MAX, self._bounds().size_max // 32) >> self._misses
        hurry = self._hurry()
        self._is_marking = not store.is_salvaging
        wanted = Search(
            steps,
            [self._needs.needed(lane).flat for lane in LANES],
            [self._needs.free(lane, hurry) for lane in LANES],
            hurry,
            list(store.following),
            # What a salvage brings over comes below any mark.
            {}
            if store.is_salvaging
            else {key: int(value) for key, value in store.meta.items() if is_mark(key)},
            size,
            # Summaries are the shorter the more of a device's minutes are in one piece.
            thin_size=max(size, thin_size),
            seen=self._seen,
            is_late=self._is_late,
            old=tuple(self.old()),
            personal=self.personal,
        )
        loop = asyncio.get_running_loop()
        self._search = loop.run_in_executor(self._thread, search, self._db, wanted)
        self._search.add_done_callback(lambda done: self._found(done, wanted))

    def _found(self, done: "asyncio.Future[Find | None]", wanted: Search) -> None:
        self._search = None
        if self._is_closed or done.cancelled():
            return
        error = done.exception()
        if error is not None:
            log.error("no room can be made: %s", error)
        found = None if error is not None else done.result()
        if EXPIRE in wanted.steps and (found is None or found.step is not EXPIRE):
            self._expired = list(wanted.old)
        if found is None and self._misses:  # too small to be worth it, perhaps
            self._misses = 0
            self._consider()
            return
        was_last = EVICT_RECORDS in wanted.steps
        self._is_pressed = was_last and (found is None or self._is_pressed)
        if found is None:
            self._is_exhausted = was_last and wanted.hurry == PRESSED
            if was_last and wanted.hurry < PRESSED:
                self._consider()
                return
            self._retry_us = self._clock.now_us() + RETRY_US
            self._bound()
            return
        self._is_exhausted = False
        self._bound()
        holds = self._holds(found, wanted)
        self._misses = max(0, self._misses - 1) if holds else min(MISSES_MAX, self._misses + 1)
        if holds and not self._is_stopped():
            self._take_out(found)
        else:
            self._consider()

    def _holds(self, found: Find, wanted: Search) -> bool:
        """Tell whether what is needed of it, and what is free, is what it was at the beginning."""
        removal, lane = found.removal, found.removal.lane
        if not removal.runs:
            return True
        span = (removal.runs[0][0], removal.runs[-1][1])
        needed = within(self._needs.needed(lane).flat, *span)
        free = within(self._needs.free(lane, wanted.hurry), *span)
        is_free = found.step.reason is None or free == within(wanted.free[lane], *span)
        return is_free and needed == within(wanted.needed[lane], *span)

    def _take_out(self, found: Find) -> None:
        """Give the writer chunks, records, ledger and mark in one group."""
        store, removal = self._store, found.removal
        now_us, utc_us = self._clock.now_us(), self._clock.utc_us()
        reason = found.step.reason
        if reason is not None:
            for (device, boot), indexes in found.gaps.items():
                for first, following in indexes.pairs():
                    fields = {"device": device, "boot": boot, "first": first, "next": following,
                              "lane": removal.lane, "reason": reason, "channel": "",
                              "from_us": 0, "until_us": 0}  # fmt: skip
                    self._sender.record(KIND_GAP, LANE_STATE, now_us, fields)
                    extent = (boot, first, following)
                    entry = gap(utc_us, device, extent, lane=removal.lane, reason=reason)
                    store.group.ledger.append(entry)
        for fields in found.summaries:
            self._sender.record(KIND_SUMMARY, LANE_STATE, now_us, fields)
        if found.step.takes is not None and self._is_marking:
            store.save_meta(mark_key(found.step, removal.lane), found.mark)
        self._removal = removal
        store.remove(removal)

    def _bound(self) -> None:
        used, marks = self._store.used, self._bounds()
        is_over = used > marks.size_max
        refused_from = len(LANES)
        if self._is_exhausted and used > marks.of(marks.evict):
            refused_from = LANE_ALERT if is_over else LANE_LIFE
        self._store.bound(is_over and not self._is_exhausted, refused_from)

    def _waiting(self) -> int:
        """Return about how many bytes of pages wait for an uplink."""
        sizes = [self._sizes[lane].between(self._needs.needed(lane).flat) for lane in LANES]
        stored = sum(self._store.bytes)
        # Chunks do not fill their pages.
        return sum(sizes) * max(self._store.used, stored) // stored if stored else 0

    async def wait_idle(self) -> None:
        """Wait until nothing is looked for or taken out."""
        while self._search is not None or (self._removal and not self._store.failure):
            if self._search is not None:
                await asyncio.wait([self._search])
            await asyncio.sleep(0)
            await self._store.wait_idle()

    async def close(self) -> None:
        """End; before the store is closed."""
        self._is_closed = True
        if self._search is not None:
            await asyncio.wait([self._search])
        self._thread.shutdown()
        self._db.close()

    def statistics(self) -> dict[str, Any]:
        """Return what the page shows of the store beside the store's own counters."""
        waiting, marks = self._waiting(), self._bounds()
        left = marks.of(marks.evict) - waiting
        return {
            "size_max": marks.size_max,
            "undelivered_bytes": waiting,
            "hours_to_full": self._forecast.hours_to_full(left),
            "refused_lanes": list(range(self._store.refused_from, len(LANES))),
        }
