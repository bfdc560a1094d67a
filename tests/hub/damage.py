"""A store full of genuine frames, and ways to damage its files; everything from one seed."""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hub.pages import FRAME_HEADER_SIZE, PAGE_SIZE, TABLE_LEAF, WAL_HEADER_SIZE, cells, opened
from hub.store import Store
from protocols.batch import Series, encode_batch
from protocols.cose import DeviceKeys
from protocols.framing import Splitter
from protocols.ranges import Ranges
from protocols.vocabulary import LANES

DEVICES = ("river-1", "bridge-2", "home-3")
SECRETS = {name: name.encode().ljust(32, b".") for name in DEVICES}
LARGE = 1 << 30
COMMITS = 60
HISTORY = 20  # of which are before the last checkpoint
LANE_SHIFT = 48
FILES = ("hub.sqlite", "hub.sqlite-wal")

Identity = tuple[str, int, int]
Place = tuple[str, int]  # file, number of the page in it


class Maker:
    """Makes frames as devices do."""

    def __init__(self, boot: int) -> None:
        self.boot = boot
        self._keys = {name: DeviceKeys(name, secret) for name, secret in SECRETS.items()}
        self._made = dict.fromkeys(DEVICES, 0)

    def make(self, device: str, lane: int, count: int) -> tuple[Identity, bytes]:
        """Return the next frame of a device, with so many readings."""
        index = self._made[device]
        self._made[device] += 1
        at_us = index * 1000 + 1
        series = Series("level", "m", (-3, 1), at_us, spacing_ns=10**6,
                        values=[index * 7919 % 4001 + at for at in range(count)])  # fmt: skip
        payload = encode_batch((self.boot, index, lane, at_us), [series])
        return (device, self.boot, index), self._keys[device].up.seal(payload)


@dataclass
class Sample:
    """A store's files, and where in them each frame stands.

    places: frame -> pages that lead to it or hold a byte of it; frames: lane -> in order.
    """

    folder: Path
    frames: list[list[bytes]]
    places: dict[bytes, set[Place]]


async def make_sample(folder: Path, is_killed: bool) -> Sample:
    """Fill a store in folder/live and keep its files, as after SIGKILL or after a clean end."""
    draw = random.Random(8)
    live, kept = folder / "live", folder / "kept"
    store = Store(live, LARGE)
    maker = Maker(1)
    frames: list[list[bytes]] = [[] for _ in LANES]
    for at in range(COMMITS):
        for lane in draw.sample(LANES, draw.randint(1, 3)):
            for _ in range(draw.choice((1, 2, 40, 150))):
                device = draw.choice(DEVICES)
                identity, frame = maker.make(device, lane, draw.choice((3, 60, 250)))
                assert store.append(device, (*identity[1:], lane), frame)
                frames[lane].append(frame)
        store.save_cursor("platform", [(lane, 0, [], 0, 0) for lane in LANES])
        store.save_meta("boot", at + 1)
        await store.wait_idle()
        if at == HISTORY:
            store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if is_killed:
        shutil.copytree(live, kept)
    await store.close()
    if not is_killed:
        shutil.copytree(live, kept)
    return Sample(kept, frames, _places(kept))


def _places(folder: Path) -> dict[bytes, set[Place]]:
    """Return where each frame stands, by the log's last image of a page, else by the file's."""
    with opened(folder / FILES[0]) as pages:
        images = {number: at[-1] for number, at in pages._log.images.items()}

        def place(number: int) -> Place:
            if number in images:
                step = PAGE_SIZE + FRAME_HEADER_SIZE
                return FILES[1], (images[number] - WAL_HEADER_SIZE - FRAME_HEADER_SIZE) // step
            return FILES[0], number - 1

        found: dict[bytes, set[Place]] = {}
        count = max([pages.count, *images])
        for number in range(1, count + 1):
            page = pages._page(number, prefers_log=True)
            if page is None or page[0] != TABLE_LEAF:
                continue
            for cell in cells(page):
                chain = [number]
                overflow, missing = cell.overflow, cell.size - len(cell.local)
                payload = cell.local
                while missing > 0:
                    chain.append(overflow)
                    part = pages._page(overflow, prefers_log=True)
                    assert part is not None
                    payload += bytes(part[4 : 4 + min(missing, PAGE_SIZE - 4)])
                    missing -= PAGE_SIZE - 4
                    overflow = int.from_bytes(part[:4], "big")
                _place_frames(payload, len(cell.local), [place(one) for one in chain], found)
        return found


def _place_frames(
    payload: bytes, local: int, chain: list[Place], found: dict[bytes, set[Place]]
) -> None:
    start = payload.find(b"\xd1\x84") - 2
    if start < 0:
        return
    splitter = Splitter()
    size = payload[start] << 8 | payload[start + 1]
    at = start
    while size and at + 2 + size <= len(payload) and payload[at + 2 : at + 4] == b"\xd1\x84":
        frame = splitter.feed(payload[at : at + 2 + size])[0]
        found[frame] = set(chain[: 1 + _page_of(at + 1 + size, local)])
        at += 2 + size
        size = payload[at] << 8 | payload[at + 1] if at + 2 <= len(payload) else 0


def _page_of(byte: int, local: int) -> int:
    return 0 if byte < local else 1 + (byte - local) // (PAGE_SIZE - 4)


def damage(folder: Path, draw: random.Random) -> tuple[str, set[Place]]:
    """Damage one of the files; return what was done, and the pages that it touched."""
    present = [name for name in FILES if (folder / name).exists()]
    path = folder / draw.choice(present)
    before = path.read_bytes()
    ways: list[Callable[[bytearray, random.Random], str]] = [_flip, _flip, _tear, _cut, _blank]
    data = bytearray(before)
    words = draw.choice(ways)(data, draw)
    path.write_bytes(data)
    return f"{path.name}: {words}", _touched(path.name, before, bytes(data))


def _touched(name: str, before: bytes, after: bytes) -> set[Place]:
    start, step = 0, PAGE_SIZE
    if name == FILES[1]:
        start, step = WAL_HEADER_SIZE, PAGE_SIZE + FRAME_HEADER_SIZE
    places = range(start, len(before), step)
    touched = {at for at in places if before[at : at + step] != after[at : at + step]}
    if name == FILES[1] and len(after) < len(before):
        # A transaction whose end is gone looks like one that was never acknowledged.
        kept = [at for at in places if at not in touched]
        while kept and not any(before[kept[-1] + 4 : kept[-1] + 8]):
            touched.add(kept.pop())
    return {(name, (at - start) // step) for at in touched}


def _flip(data: bytearray, draw: random.Random) -> str:
    count = draw.choice((1, 1, 3, 30))
    for _ in range(count):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return f"{count} bits flipped"


def _tear(data: bytearray, draw: random.Random) -> str:
    """Sectors of a page that were never written, or hold what belongs elsewhere."""
    at = draw.randrange(len(data) // 512) * 512
    size = 512 * draw.randint(1, 7)
    other = draw.randrange(max(len(data) - size, 1))
    filler = draw.choice((bytes(size), bytes(data[other : other + size])))
    data[at : at + size] = filler[: len(data) - at]
    return f"{size} bytes torn at {at}"


def _cut(data: bytearray, draw: random.Random) -> str:
    size = draw.randrange(len(data))
    del data[size:]
    return f"cut at {size}"


def _blank(data: bytearray, draw: random.Random) -> str:
    at = draw.randrange(len(data) // PAGE_SIZE + 1) * PAGE_SIZE
    size = min(PAGE_SIZE * draw.randint(1, 8), len(data) - at)
    data[at : at + size] = draw.choice((bytes(size), draw.randbytes(size)))
    return f"{size} bytes overwritten at {at}"


def readable(sample: Sample, touched: set[Place]) -> list[set[bytes]]:
    """Return the frames of each lane that the damage did not touch.

    A page image that the log has too is not lost with it; so this asks for no more than is sure.
    """
    return [
        {frame for frame in frames if not sample.places[frame] & touched}
        for frames in sample.frames
    ]


def indexes(frames: list[Identity]) -> dict[tuple[str, int], Ranges]:
    """Return the indexes of each device's boot."""
    found: dict[tuple[str, int], Ranges] = {}
    for device, boot, index in frames:
        found.setdefault((device, boot), Ranges()).add(index)
    return found
