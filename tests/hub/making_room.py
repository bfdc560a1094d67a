"""A store with its room, a sender and uplinks that deliver when told: for tests of what leaves."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hub.clock import HostClock
from hub.relay.queue import Item, RelayQueue
from hub.room import Needs, Room, Watermarks
from hub.sender import HubSender
from hub.store import Store
from protocols.batch import Series, encode_batch, read_record_head
from protocols.cose import DeviceKeys, Mac0, sender_of
from protocols.framing import Splitter
from protocols.ranges import Ranges
from protocols.records import decode_record
from protocols.vocabulary import LANE_WAVE, LANES

HUB = "hub-1"
SECRET = bytes(range(32))
KEYS = {name: DeviceKeys(name, SECRET) for name in ("bridge-1", "bridge-2", "home-1")}
MINUTE_US = 60_000_000
Identity = tuple[str, int, int]


class HandClock(HostClock):
    """Goes on by a second whenever it is asked, so that nothing is too soon."""

    def __init__(self) -> None:
        self.at_us = 0

    def now_us(self) -> int:
        self.at_us += 1_000_000
        return self.at_us


def frame_of(
    device: str, index: int, lane: int = LANE_WAVE, *, values: list[int] | None = None,
    start_us: int = 0, personal: bool = False, plain: bool | None = None,
) -> bytes:  # fmt: skip
    """Return a sealed batch of boot 1, readings at 100 Hz; about 470 bytes unless told."""
    if plain is None:
        plain = index % 4 != 0  # both forms, most in the one that is made faster
    if values is None:
        values = [(index * 7 + at * 3001) % 30000 for at in range(200)]
    series = Series(
        "acc.x", "m/s2", (-6, 1), start_us, spacing_ns=10_000_000, values=values, plain=plain
    )
    keys = KEYS[device]
    secret = (keys.seal_key, bytes(16)) if personal else None
    return keys.up.seal(encode_batch((1, index, lane, start_us), [series], secret))


def identity_of(frame: bytes) -> tuple[Identity, int, bytes]:
    """Return (device, boot, index), the kind, and the payload of a frame."""
    device = sender_of(frame)
    payload = Mac0(device, SECRET).peek(frame)
    kind, boot, index = read_record_head(payload)[:3]
    return (device, boot, index), kind, payload


class Town:
    """The parts, and what arrived at each uplink: frames by identity."""

    def __init__(self, folder: Path, marks: Watermarks, uplinks: int) -> None:
        self.store = Store(folder, marks.size_max, tail_size_max=0)
        self.sender = HubSender(HUB, SECRET, self.store)
        self.queues = [RelayQueue(self.store.load_cursor(str(at))) for at in range(uplinks)]
        for at, queue in enumerate(self.queues):
            self.store.follow(str(at), queue)
        self.clock = HandClock()
        self.needs = Needs(self.queues, self.store)
        self.room = Room(self.store, self.sender, self.needs, clock=self.clock, marks=marks)
        self.arrived: list[dict[Identity, bytes]] = [{} for _ in range(uplinks)]
        self.accepted: Counter[int] = Counter()

    async def add(self, frames: list[tuple[int, bytes]]) -> None:
        """Take (lane, frame) in, in one commit, and let room be made."""
        for lane, frame in frames:
            (device, boot, index), _, _ = identity_of(frame)
            assert self.store.append(device, (boot, index, lane), frame)
        self.store.flush()
        await self.settle()

    async def settle(self) -> None:
        """Wait until all is committed and no more room is made."""
        await self.store.wait_idle()
        self.room.tick()
        await self.room.wait_idle()

    async def deliver(
        self, uplink: int, lanes: tuple[int, ...] = LANES, limit: int = 10**9
    ) -> int:
        """Let an uplink get what waits for it; return how many frames came."""
        queue, store = self.queues[uplink], self.store
        queue.line_up(store.following)
        count = 0
        while count < limit and (wanted := queue.next_backlog(lanes=lanes)) is not None:
            lane, first, following = wanted
            chunk = await store.read(lane, first, min(following, first + limit - count), 10**6)
            assert chunk is not None and chunk[0] == first, "an uplink asks for what is not there"
            item = queue.take(lane, first, first + chunk[1], True)
            for frame in Splitter().feed(chunk[2]):
                self.arrived[uplink][identity_of(frame)[0]] = frame
            queue.acknowledge(item)
            count += chunk[1]
        store.save_cursor(str(uplink), queue.rows())
        queue.line_down()
        await store.wait_idle()
        return count

    def hand_out(self, uplink: int, limit: int = 10**9) -> Item | None:
        """Send what is next for an uplink; nobody answers yet. Its line is up from now."""
        queue = self.queues[uplink]
        if not queue.line_is_up:
            queue.line_up(self.store.following)
        live = queue.next_live(self.store.following)
        wanted = live or queue.next_backlog()
        if wanted is None:
            return None
        lane, first, following = wanted
        return queue.take(lane, first, min(following, first + limit), live is None)

    def records(self, uplink: int, kind: int) -> list[dict[str, Any]]:
        """Return the fields of the records of a kind that arrived, oldest first."""
        found = [identity_of(frame) for frame in self.arrived[uplink].values()]
        found.sort(key=lambda one: one[0])
        return [decode_record(payload)[5] for _, one, payload in found if one == kind]

    def stored(self) -> dict[Identity, int]:
        """Return what the file holds: identity -> lane."""
        found = {}
        for number, blob in self.store._read_db.execute("SELECT id, frames FROM chunk"):
            for frame in Splitter().feed(blob):
                found[identity_of(frame)[0]] = number >> 48
        return found

    def check(self) -> None:
        """Check that every frame is delivered, stored or evicted, for every uplink."""
        store = self.store
        for queue in self.queues:
            counts = queue.counts(store.following)
            places = ("delivered", "evicted", "dead_lettered", "live", "backlog")
            assert sum(counts[name] for name in places) == store.frames_stored()
            waiting = sum(
                following - first
                for lane in LANES
                for first, following in _pairs(queue.needed(lane, store.following[lane]))
            )
            assert waiting == counts["live"] + counts["backlog"]
        rows = store._read_db.execute("SELECT id, count FROM chunk ORDER BY id").fetchall()
        for lane in LANES:
            # What left while it was on its way is settled when its way ends.
            held = Ranges()
            for item in [one for queue in self.queues for one in queue.in_flight]:
                for part in item.evicted if item.lane == lane else []:
                    held.add_range(*part)
            for number, count in rows:
                if number >> 48 == lane:
                    held.add_range(number & (1 << 48) - 1, (number & (1 << 48) - 1) + count)
            for first, following in self.needs.needed(lane).pairs():
                missing = [one for one in held.missing(following) if one[1] > first]
                assert missing == [], "something that is needed is not there"

    async def close(self) -> None:
        await self.room.close()
        await self.store.close()


def _pairs(flat: list[int]) -> list[tuple[int, int]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def batches(device: str, first: int, count: int, lane: int = LANE_WAVE) -> list[tuple[int, bytes]]:
    """Return (lane, frame) of consecutive batches, two seconds each."""
    return [
        (lane, frame_of(device, index, lane, start_us=index * 2_000_000))
        for index in range(first, first + count)
    ]


@asynccontextmanager
async def town(
    folder: Path, size_max: int = 1 << 20, *, uplinks: int = 1, marks: Watermarks | None = None
) -> AsyncIterator[Town]:
    """Open a town, and close it."""
    one = Town(folder, marks or Watermarks(size_max), uplinks)
    try:
        yield one
    finally:
        await one.close()
