"""Hubs that break a promise of DESIGN section 3, for the proof that the observer sees it.

    python -m tests.world --break acknowledges_early

Each is made out of the real hub by one change, and named with the promise that must be found
broken: how the observer's Violation begins.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hub.main import Hub
from hub.store import Group
from protocols.ranges import Ranges
from tests.faults import disk
from tests.world.platform import Client

if TYPE_CHECKING:
    from tests.world.world import World

FORGETS_EVERY = 40  # frames


def acknowledges_early(world: "World") -> None:
    """It acknowledges frames when they come, not when they are committed."""

    def change(hub: Hub) -> None:
        flush = hub.store.flush

        def acknowledge() -> None:
            for peer in hub.ingest.peers.values():
                peer.committed(hub.store.group.waiting.get(peer, []))
            flush()

        vars(hub.store)["flush"] = acknowledge

    _changed(world, change)


def does_not_sync(world: "World") -> None:
    """Its commits do not wait until the disk has them."""
    _changed(world, lambda hub: world.hub.disk.fail(disk.SYNC_LIES))
    world.hub.disk_mended = disk.SYNC_LIES


def forgets_frames(world: "World") -> None:
    """It takes some frames for known that are not."""

    def change(hub: Hub) -> None:
        append = hub.store.append
        count = 0

        def forget(device: str, identity: Any, frame: bytes) -> bool:
            nonlocal count
            count += 1
            return bool(count % FORGETS_EVERY) and append(device, identity, frame)

        vars(hub.store)["append"] = forget

    _changed(world, change)


def takes_frames_twice(world: "World") -> None:
    """It does not remember what it has accepted."""

    def change(hub: Hub) -> None:
        def forget(group: Group) -> None:
            for key in hub.store.seen:
                hub.store.seen[key] = Ranges()

        hub.store.on_commit.append(forget)

    _changed(world, change)


def delivers_when_sent(world: "World") -> None:
    """What it gave to the line counts as delivered."""

    class Hasty(Client):
        def _answer(self, number: int, code: int) -> None:
            """Say nothing: it has been said."""

        def send(self, topic: str, message: bytes) -> int:
            number = super().send(topic, message)
            self._loop.call_soon(self.on_answer, number, 0, "")
            return number

    world.platform.make_client = Hasty


def takes_backlog_for_live(world: "World") -> None:
    """After an outage it sends what waited as if it were new."""

    def change(hub: Hub) -> None:
        for uplink in hub.uplinks:
            vars(uplink.queue)["line_up"] = lambda following: None
            uplink.queue.line_is_up = True

    _changed(world, change)


def counts_wrongly(world: "World") -> None:
    """A bundle that is delivered counts as one frame."""

    def change(hub: Hub) -> None:
        for uplink in hub.uplinks:
            counts = uplink.queue.counts
            vars(uplink.queue)["counts"] = lambda following, counts=counts: {
                **counts(following),
                "delivered": min(counts(following)["delivered"], 20),
            }

    _changed(world, change)


def _changed(world: "World", change: Callable[[Hub], None]) -> None:
    make_hub = world.hub.make_hub

    def make(*parts: Any, **more: Any) -> Hub:
        hub: Hub = make_hub(*parts, **more)
        change(hub)
        return hub

    world.hub.make_hub = make


# What is broken -> the promise that the observer must find broken.
BREAKS: dict[Callable[["World"], None], str] = {
    acknowledges_early: "durable",
    does_not_sync: "(durable|once|order)",
    forgets_frames: "durable",
    takes_frames_twice: "once",
    delivers_when_sent: "silent loss",
    takes_backlog_for_live: "order",
    counts_wrongly: "accounts",
}
BY_NAME = {one.__name__: one for one in BREAKS}
