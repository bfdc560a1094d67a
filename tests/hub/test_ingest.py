"""What the hub says to a device, and when: acknowledgements follow commits."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hub.clock import HostClock
from hub.config import Device
from hub.ingest import UNANSWERED_MS_MAX, Ingest, Peer
from hub.links.tcp import UNSENT_SIZE_MAX, TcpLink, listen
from hub.store import GROUP_SIZE_MAX, Store
from protocols.batch import Series, encode_batch
from protocols.cose import DeviceKeys
from protocols.limits import RANGES_MAX, SESSION_SILENCE_MS_MAX, TIME_EXCHANGE_INTERVAL_MS
from protocols.messages import ACK, BYE, COMMAND, TIME_REQUEST, WELCOME
from protocols.session import OPEN, DeviceSession
from protocols.vocabulary import (
    BYE_OVERLOADED,
    COMMAND_MODE,
    LANE_ALERT,
    LANE_LIFE,
    LANE_STATE,
    LANES,
    MODE_WATCH,
)

CLOCK = HostClock()
SECRET = bytes(range(32))
NAME = "river-1"
KEYS = DeviceKeys(NAME, SECRET)
LARGE = 1 << 30
HELLO = {"boot": 1, "firmware": "0.1", "profile": "test", "mode": 0, "drill": False,
         "reset_cause": "power", "log": []}  # fmt: skip


class Wire:
    """A link in memory with the device at its other end."""

    def __init__(self, ingest: Ingest, log: list[list[int]]) -> None:
        self.events: list[tuple[int, dict[str, Any]]] = []
        self.is_closed = False
        self.is_resumed = False
        self.session = DeviceSession(KEYS, bytes(8), 0)
        self.session.start({**HELLO, "log": log})
        self.peer = Peer(ingest, self, CLOCK.now_us())
        self.is_answering = True

    def write(self, frames: list[bytes]) -> None:
        """Take what the hub sends."""
        for frame in frames:
            self.events += self.session.receive(frame, CLOCK.now_us())

    def close(self) -> None:
        """Note the end."""
        self.is_closed = True

    def resume(self) -> None:
        """Note that the hub reads again."""
        self.is_resumed = True

    def send(self, *frames: bytes, now_us: int = 0) -> bool:
        """Give the hub what the session has to say, and frames."""
        output = [*self.session.take_output(), *frames]
        return self.peer.take(output, now_us or CLOCK.now_us())

    def of(self, kind: int) -> list[dict[str, Any]]:
        """Return the fields of all messages of one kind."""
        return [fields for one, fields in self.events if one == kind]


@asynccontextmanager
async def ingesting(folder: Path, size_max: int = LARGE) -> AsyncIterator[Ingest]:
    """Make an ingest on a store of its own."""
    store = Store(folder, size_max)
    try:
        yield Ingest(store, {NAME: Device(NAME, SECRET)}, lambda: (MODE_WATCH, True))
    finally:
        await store.close()


async def opened(ingest: Ingest, log: list[list[int]] | None = None) -> Wire:
    """Bring a device to an open session."""
    wire = Wire(ingest, log or [])
    wire.send()
    assert wire.events == []  # the welcome waits for a commit
    await ingest.store.wait_idle()
    wire.send()
    return wire


def frame_of(index: int, lane: int = LANE_STATE, size: int = 1) -> bytes:
    """Return a sealed frame."""
    series = Series("level", "m", (-3, 1), 0, spacing_ns=10**9, values=[1] * size)
    return KEYS.up.seal(encode_batch((1, index, lane, 0), [series]))


async def test_a_welcome_tells_mode_and_what_is_durable_of_what_the_device_holds(
    tmp_path: Path,
) -> None:
    async with ingesting(tmp_path) as ingest:
        for index in (3, 4, 7):
            ingest.store.append(NAME, (1, index, LANE_STATE), b"frame")
        ingest.store.append("another", (1, 5, LANE_STATE), b"frame")
        wire = await opened(ingest, [[1, 4, 20]])
        (welcome,) = wire.of(WELCOME)
        assert welcome["durable"] == [[1, 4, 5], [1, 7, 8]]
        assert (welcome["mode"], welcome["drill"]) == (MODE_WATCH, True)
        assert wire.session.state == OPEN and ingest.peers == {NAME: wire.peer}


async def test_durable_ranges_that_a_welcome_has_no_room_for_follow_as_acknowledgements(
    tmp_path: Path,
) -> None:
    async with ingesting(tmp_path) as ingest:
        count = 2 * RANGES_MAX + 5
        for number in range(count):
            ingest.store.append(NAME, (1, 2 * number, LANE_STATE), b"frame")
        wire = await opened(ingest, [[1, 0, 1000]])
        told = wire.of(WELCOME)[0]["durable"]
        assert len(told) == RANGES_MAX
        for fields in wire.of(ACK):
            told = told + fields["durable"]
        assert told == [[1, 2 * number, 2 * number + 1] for number in range(count)]


async def test_a_frame_is_acknowledged_after_its_commit_and_not_before(tmp_path: Path) -> None:
    async with ingesting(tmp_path) as ingest:
        wire = await opened(ingest)
        assert wire.send(*map(frame_of, range(5)))
        await asyncio.sleep(0)
        assert wire.of(ACK) == []
        await ingest.store.wait_idle()
        assert wire.of(ACK) == [{"durable": [[1, 0, 5]]}]


async def test_a_frame_that_comes_again_is_acknowledged_again_and_stored_once(
    tmp_path: Path,
) -> None:
    async with ingesting(tmp_path) as ingest:
        wire = await opened(ingest)
        wire.send(frame_of(0), frame_of(0), frame_of(1))
        await ingest.store.wait_idle()
        wire.send(frame_of(1))
        await ingest.store.wait_idle()
        told = {
            index
            for fields in wire.of(ACK)
            for _, low, high in fields["durable"]
            for index in range(low, high)
        }
        assert told == {0, 1} and len(wire.of(ACK)) == 2
        assert ingest.store.frames_stored() == 2
        assert ingest.statistics()["accepted"] == ingest.store.frames_stored()
        assert ingest.statistics()["duplicates"] == 2


async def test_frames_before_a_bad_one_are_taken_and_counted(tmp_path: Path) -> None:
    async with ingesting(tmp_path) as ingest:
        wire = await opened(ingest)
        wire.send(frame_of(0), frame_of(1), b"\xd1\x84 nonsense", frame_of(2))
        await ingest.store.wait_idle()
        assert wire.is_closed and ingest.peers == {}
        assert dict(ingest.refused) == {"wrong_sender": 1}
        assert ingest.statistics()["accepted"] == ingest.store.frames_stored() == 2


async def test_a_store_that_fails_acknowledges_nothing_and_says_when_to_come_again(
    tmp_path: Path,
) -> None:
    async with ingesting(tmp_path) as ingest:
        wire, greeted = await opened(ingest), Wire(ingest, [])
        ingest.store._db.execute("PRAGMA query_only = ON")
        wire.send(frame_of(0))
        greeted.send()
        await ingest.store.wait_idle()
        assert wire.of(ACK) == []
        assert [fields["reason"] for fields in wire.of(BYE)] == [BYE_OVERLOADED]
        assert wire.of(BYE)[0]["retry_after_ms"] > 0
        assert wire.is_closed and greeted.is_closed and greeted.events == []
        assert ingest.refused["overloaded"] == 2
        ingest.store._db.execute("PRAGMA query_only = OFF")
        again = await opened(ingest, [[1, 0, 1]])
        assert again.of(WELCOME)[0]["durable"] == []
        again.send(frame_of(0))
        await ingest.store.wait_idle()
        assert again.of(ACK) == [{"durable": [[1, 0, 1]]}]
        assert ingest.store.failure == ""


async def test_a_full_store_refuses_all_but_what_is_more_urgent(tmp_path: Path) -> None:
    async with ingesting(tmp_path) as ingest:
        wire = await opened(ingest)
        ingest.store.bound(False, LANE_STATE)
        wire.send(frame_of(0, LANE_ALERT), frame_of(1, LANE_LIFE), frame_of(2), frame_of(3))
        await ingest.store.wait_idle()
        assert wire.is_closed and [one["reason"] for one in wire.of(BYE)] == [BYE_OVERLOADED]
        assert ingest.refused["overloaded"] == 1
        assert ingest.store.following == [1, 1, 0, 0]


async def test_links_wait_while_room_is_made(tmp_path: Path) -> None:
    async with ingesting(tmp_path) as ingest:
        wire = await opened(ingest)
        ingest.store.bound(True, len(LANES))
        assert not wire.send(frame_of(0))
        await ingest.store.wait_idle()
        assert not wire.is_resumed and wire.of(ACK) == [{"durable": [[1, 0, 1]]}]
        ingest.store.bound(False, len(LANES))
        assert wire.is_resumed


async def test_links_stop_reading_while_too_much_waits_for_the_disk(tmp_path: Path) -> None:
    async with ingesting(tmp_path) as ingest:
        wire = await opened(ingest)
        ingest.store._group.size = GROUP_SIZE_MAX
        assert wire.send(frame_of(0)) is False
        assert not wire.is_resumed
        await ingest.store.wait_idle()
        assert wire.is_resumed and wire.send(frame_of(1))


async def test_a_silent_session_and_one_that_never_answers_are_ended(tmp_path: Path) -> None:
    async with ingesting(tmp_path) as ingest:
        silent, now_us = await opened(ingest), CLOCK.now_us()
        ingest.tick(now_us + SESSION_SILENCE_MS_MAX * 1000 - 10_000_000)
        assert not silent.is_closed
        ingest.tick(now_us + SESSION_SILENCE_MS_MAX * 1000 + 1_000_000)
        assert silent.is_closed and ingest.refused["silent"] == 1
        deaf = await opened(ingest)
        now_us = CLOCK.now_us()
        for index in range(100):  # it sends and sends, but does not read
            now_us += 1_000_000
            deaf.peer.take([frame_of(index)], now_us)
            ingest.tick(now_us)
        assert deaf.is_closed and ingest.refused["silent"] == 2
        assert len(deaf.of(TIME_REQUEST)) == 2
        assert UNANSWERED_MS_MAX < 100_000


async def test_the_time_is_asked_for_again_and_again(tmp_path: Path) -> None:
    async with ingesting(tmp_path) as ingest:
        wire, now_us = await opened(ingest), CLOCK.now_us()
        for _ in range(100):  # longer than a device may leave a question unanswered
            now_us += 1_000_000
            wire.send(now_us=now_us)
            ingest.tick(now_us)
        asked = len(wire.of(TIME_REQUEST))
        assert asked >= 100_000 // (TIME_EXCHANGE_INTERVAL_MS + 1000)
        assert not wire.is_closed and ingest.waiting == set()


async def test_a_command_reaches_every_open_device(tmp_path: Path) -> None:
    async with ingesting(tmp_path) as ingest:
        wire = await opened(ingest)
        for peer in ingest.peers.values():
            assert peer.command(COMMAND_MODE, [2, False]) == 1
        assert wire.of(COMMAND) == [{"id": 1, "code": COMMAND_MODE, "arguments": [2, False]}]


async def test_a_device_that_does_not_read_is_cut_off(tmp_path: Path) -> None:
    """Over a real socket: what it leaves unread is limited."""
    async with ingesting(tmp_path) as ingest:
        server = await listen(ingest, ("127.0.0.1", 0), CLOCK.now_us, 10)
        port = server.sockets[0].getsockname()[1]
        device = socket.socket()
        device.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        device.connect(("127.0.0.1", port))
        await asyncio.sleep(0.1)
        (peer,) = ingest.waiting
        link = peer._link
        assert isinstance(link, TcpLink)
        for _ in range(20 * (UNSENT_SIZE_MAX // 4000 + 1)):
            if peer.is_over:
                break
            link.write([bytes(4000)])
            await asyncio.sleep(0)
        assert dict(ingest.refused) == {"silent": 1}
        assert ingest.waiting == set()
        device.close()
        server.close()
        await server.wait_closed()
