"""Connections that die without a word, and frames that come again and again in any order."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hub import config
from protocols.messages import ACK
from protocols.session import DeviceSession
from protocols.vocabulary import LANE_STATE, LANE_WAVE
from simulators.archive import Archive
from simulators.network import BLACKHOLE, Line
from tests.e2e.test_hub_kill import to
from tests.hub.device import Device, streaming
from tests.hub.hub_process import HubProcess, secret_of, wait_until
from tests.simulators.platform_process import running

DEAD_COUNT = 100
SILENT_COUNT = 10  # more, that never said anything
GROWTH_MIB_MAX = 20  # of the hub's memory, for all of them
FILES_MORE_MAX = 5  # the page's, as we ask
GREETING_S_MAX = 10 + 5  # protocols.limits.HELLO_TIMEOUT_MS, and some turns of its watch
SESSION_S_MAX = 30 + 5  # SESSION_SILENCE_MS_MAX
TIMES = 3
FRAMES_COUNT = 400


class Deaf(Device):
    """A device that says hello and never answers the welcome."""

    async def open(self) -> None:
        """Dial and say hello."""
        await self.dial()
        greeting = DeviceSession(self.keys, random.randbytes(8), 0)
        greeting.start(self.hello())
        self.write(*greeting.take_output())

    async def _read(self) -> None:
        """Do not."""


def memory_mib(hub: HubProcess) -> int:
    """Return the resident memory of the hub."""
    assert hub.process is not None
    text = Path(f"/proc/{hub.process.pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) // 1024


def files_open(hub: HubProcess) -> int:
    """Return how many files and connections the hub has open."""
    assert hub.process is not None
    return len(list(Path(f"/proc/{hub.process.pid}/fd").iterdir()))


@asynccontextmanager
async def running_with(folder: Path, names: list[str]) -> AsyncIterator[tuple[HubProcess, Path]]:
    """Run platform and hub with more devices; give the hub and the archive."""
    with running(folder) as platform:
        port = await asyncio.to_thread(platform.wait_ready)
        hub = HubProcess(folder, to(port))
        for name in names:
            device = config.Device(name, secret_of(name), "other")
            config.enroll(hub.folder / "devices.toml", device)
        await asyncio.to_thread(hub.start)
        try:
            yield hub, platform.archive
        finally:
            hub.end()


async def let_die(folder: Path, is_open: bool, seconds_max: int) -> dict[str, float]:
    """Let a hundred connections die without FIN or reset while a healthy device streams.

    is_open: they had an open session; else they came no further than the hello.
    """
    names = [f"far-{number}" for number in range(DEAD_COUNT)]
    async with running_with(folder, names) as (hub, archive):
        healthy = Device("river-1", secret_of("river-1"), hub.port)
        async with Line("127.0.0.1", hub.port) as line, streaming(healthy, interval_s=0.01):
            kind = Device if is_open else Deaf
            far = [kind(name, secret_of(name), line.port) for name in names]
            await asyncio.to_thread(wait_until, lambda: healthy.made > 20, "a stream")
            before_mib, before_files = memory_mib(hub), files_open(hub)
            dials = (asyncio.open_connection("127.0.0.1", line.port) for _ in range(SILENT_COUNT))
            silent = [writer for _, writer in await asyncio.gather(*dials)]
            await asyncio.gather(*(device.open() for device in far))
            await asyncio.to_thread(wait_until, lambda: _connections(hub) > DEAD_COUNT, "dials")
            line.cut(BLACKHOLE)
            longest_s = await _wait_ended(hub, healthy, seconds_max)
            growth_mib = memory_mib(hub) - before_mib
            assert growth_mib < GROWTH_MIB_MAX
            assert files_open(hub) <= before_files + FILES_MORE_MAX
            await asyncio.gather(*(device.close() for device in far))
            for writer in silent:
                writer.close()
        assert healthy.connects == 1 and healthy.byes == []
        await asyncio.to_thread(hub.wait_delivered, healthy.made)
        assert hub.status()["ingest"]["refused"]["silent"] == DEAD_COUNT + SILENT_COUNT
    with Archive(archive) as held:
        mine = [one for one in held.identities() if one[0] == "river-1"]
    assert mine == [("river-1", 1, index) for index in range(healthy.made)]
    return {"dead": DEAD_COUNT + SILENT_COUNT, "growth_mib": growth_mib,
            "healthy_ack_s_max": longest_s}  # fmt: skip


def _connections(hub: HubProcess) -> int:
    return int(hub.status()["ingest"]["connections"])


async def _wait_ended(hub: HubProcess, healthy: Device, seconds_max: int) -> float:
    """Wait until only the healthy one is left; return how long a frame of it waited at most."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + seconds_max
    longest_s = 0.0
    while await asyncio.to_thread(_connections, hub) > 1:
        assert loop.time() < until_s, "dead connections are held"
        newest, asked_s = healthy.made - 1, loop.time()
        await healthy.wait_until(lambda newest=newest: newest not in healthy.held, 10)
        longest_s = max(longest_s, loop.time() - asked_s)
        await asyncio.sleep(0.2)
    return round(longest_s, 3)


async def test_a_hundred_connections_that_died_without_a_word_are_ended(tmp_path: Path) -> None:
    await let_die(tmp_path, False, GREETING_S_MAX)


class Counting(Device):
    """A device that counts how often each of its frames was acknowledged."""

    times: Counter[int]

    def _handle(self, kind: int, fields: dict[str, Any]) -> None:
        if kind == ACK:
            for _, first, following in fields["durable"]:
                self.times.update(range(first, following))
        super()._handle(kind, fields)


async def test_frames_that_come_three_times_in_any_order_are_taken_once(tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    async with running_with(tmp_path, []) as (hub, archive):
        device = Counting("river-1", secret_of("river-1"), hub.port)
        device.times = Counter()
        await device.open()
        frames = [device.make(LANE_STATE if at % 3 else LANE_WAVE) for at in range(FRAMES_COUNT)]
        sent = frames * TIMES
        chance.shuffle(sent)
        for at in range(0, len(sent), 40):
            device.write(*sent[at : at + 40])
            await asyncio.sleep(0.005)
        wanted = Counter(dict.fromkeys(range(FRAMES_COUNT), TIMES))
        await device.wait_until(lambda: device.times == wanted)
        await asyncio.to_thread(hub.wait_delivered, FRAMES_COUNT)
        shown = hub.status()["ingest"]
        assert shown["accepted"] == FRAMES_COUNT
        assert shown["duplicates"] == (TIMES - 1) * FRAMES_COUNT
        await device.close()
    with Archive(archive) as held:
        mine = Counter(one for one in held.identities() if one[0] == "river-1")
        assert held.counts()["redelivered"] == 0
    assert mine == Counter({("river-1", 1, index): 1 for index in range(FRAMES_COUNT)})
