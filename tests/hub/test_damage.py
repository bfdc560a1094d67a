"""Damage of every kind: the hub starts, takes in data, loses nothing readable, relays no wrong.

Each damage comes from a seed; a failure names it. HINOMI_DAMAGES=1000 plays a thousand.
"""

import asyncio
import os
import random
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from hub import ledger
from hub.database import connect_to_read
from hub.identity import identity_of
from hub.salvage import Salvage, Verifier
from hub.store import Store
from protocols.framing import Splitter
from protocols.vocabulary import LANES
from tests.hub.damage import COMMITS, LARGE, SECRETS, Maker, Sample, damage, make_sample, readable

DAMAGES = int(os.environ.get("HINOMI_DAMAGES", "24"))
START_S_MAX = 30
PARTS = 4
MEMORY = Path("/dev/shm")


@pytest.fixture(scope="module", params=["killed", "stopped"])
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """The files of a store whose hub was killed, and of one whose hub has ended well."""
    folder = tmp_path_factory.mktemp("store")
    return asyncio.run(make_sample(folder, request.param == "killed"))


async def read_all(store: Store) -> list[list[bytes]]:
    """Return all frames of each lane, as an uplink gets them."""
    found: list[list[bytes]] = [[] for _ in LANES]
    for lane in LANES:
        at = 0
        while at < store.following[lane]:
            try:
                chunk = await store.read(lane, at, store.following[lane], 1 << 18)
            except OSError:
                assert store.is_damaged  # the hub starts again
                return found
            if chunk is None:
                break
            found[lane] += Splitter().feed(chunk[2])
            at = chunk[0] + chunk[1]
    return found


async def survive(folder: Path, boot: int) -> tuple[Store, list[list[bytes]], list[bytes]]:
    """Start on damaged files, take in data; return the store, all frames and the new ones."""
    start = time.monotonic()
    store = Store(folder, LARGE, tail_size_max=0)
    genuine = Verifier(SECRETS)
    salvage = Salvage(store, genuine, lambda lane: 0)
    maker = Maker(boot)
    new = []
    for lane in LANES:
        identity, frame = maker.make("river-1", lane, 5)
        assert store.append("river-1", (*identity[1:], lane), frame)
        new.append(frame)
    await store.wait_idle()
    assert time.monotonic() - start < START_S_MAX
    if store.is_damaged:
        return store, [], new
    assert not store.failure
    await salvage.run()
    await store.wait_idle()
    return store, await read_all(store), new


def play(sample: Sample, seed: int) -> None:
    """Play one damage."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        folder = Path(name) / "data"
        shutil.copytree(sample.folder, folder)
        what, touched = damage(folder, random.Random(seed))
        asyncio.run(check(folder, (seed, what), readable(sample, touched)))


async def check(folder: Path, case: tuple[int, str], wanted: list[set[bytes]]) -> None:
    """Start on damaged files and look at what is there."""
    genuine = Verifier(SECRETS)
    store, frames, new = await survive(folder, 2)
    if store.is_damaged:  # met the damage only when it read or wrote: the hub starts again
        await store.close()
        store, frames, new = await survive(folder, 3)
        assert not store.is_damaged, case
    for lane in LANES:
        there = set(frames[lane])
        assert new[lane] in there, case
        missing = wanted[lane] - there
        assert not missing, (*case, store.damage, lane, len(missing), len(wanted[lane]))
        assert all(map(genuine, frames[lane])), case
        identities = [identity_of(frame) for frame in frames[lane]]
        assert len(set(identities)) == len(identities), (*case, "twice in the store")
        for device, (boot, index, _) in identities:
            assert index in store.seen[device, boot], (*case, "would be taken again")
    # Of a log whose end is gone nothing says that there was more.
    if store.damage:
        boot = int(store.meta["boot"])
        assert boot >= COMMITS, (*case, store.damage, "boot number", boot)
    await store.close()
    db = connect_to_read(folder / "hub.sqlite")
    ledger.verify(db, *filter(None, [ledger.read_head_file(folder)]))
    db.close()


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_is_damaged_the_rest_is_saved(sample: Sample, part: int) -> None:
    for seed in range(part, DAMAGES // 2, PARTS):
        play(sample, seed)
