"""The verdict falls for whatever a broken hub, platform or device does to a few frames.

Small, but real: frames under real keys, the platform's ingress and archive, the hub's store with
its cursors, a flash log. `Town` plays what passes between them, and the tests break it.
"""

import sqlite3
from pathlib import Path
from typing import Any

from agent.flashlog import FlashLog
from hub.relay.queue import RelayQueue
from hub.store import Store
from protocols.batch import Series, encode_batch
from protocols.bundle import Bundle, encode_bundle
from protocols.cose import DeviceKeys
from protocols.framing import prefixed
from protocols.records import encode_record
from protocols.vocabulary import GAP_FLASH_FULL, KIND_GAP, KIND_NOTICE, LANE_ALERT, LANE_STATE
from simulators.archive import FILE_NAME, Archive, ArchiveWriter
from simulators.ingress import Ingress
from simulators.storage import SimFlash
from simulators.verdict import judge, unknown_to_hub
from simulators.virtual_device import Observer

RIVER = DeviceKeys("river-1", bytes(31) + b"1")
HUB = DeviceKeys("hub-1", bytes(31) + b"2")
FRAMES = 20
TOPIC = "hinomi/v1/hub-1/frames/live/2"


def river_frame(index: int) -> bytes:
    """Return a frame with three readings of the river gauge."""
    series = Series("level", "m", (-3, 1), index, spacing_ns=10**9, values=[1, 2, index])
    return RIVER.up.seal(encode_batch((1, index, LANE_STATE, index), [series]))


def notice_frame(index: int) -> bytes:
    """Return an alert of the hub itself."""
    fields = {"level": 3, "drill": False, "kind": "river", "text_ja": "水位", "text_en": "Stage"}
    return HUB.up.seal(encode_record(KIND_NOTICE, (1, index, LANE_ALERT, 0), fields))


def gap_frame(index: int, first: int, following: int, lane: int = LANE_STATE) -> bytes:
    """Return a gap record of the river gauge about its own frames."""
    fields = {"device": "river-1", "boot": 1, "first": first, "next": following, "lane": lane,
              "reason": GAP_FLASH_FULL, "channel": "", "from_us": 0, "until_us": 0}  # fmt: skip
    return RIVER.up.seal(encode_record(KIND_GAP, (1, index, LANE_STATE, 0), fields))


class Device:
    """A river gauge: its flash, and the observer beside it."""

    def __init__(self) -> None:
        self.name = "river-1"
        self.observer = Observer(RIVER)
        self.flash = SimFlash(sector_count=16)
        self.flashlog = FlashLog(self.flash)
        self.flashlog.mount()

    def send(self, index: int, frame: bytes) -> None:
        """Keep a frame in the flash and send it."""
        self.flashlog.append(1, index, LANE_STATE, frame)
        self.observer.saw_kept(frame)
        self.observer.saw_sent(frame)


class Town:
    """One device, a hub's store and the platform, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.device = Device()
        self.store = Store(folder / "data", 1 << 30)
        self.queue = RelayQueue([])
        self.archive_folder = folder / "platform"
        keys = {"river-1": RIVER.up, "hub-1": HUB.up}
        self.ingress = Ingress(keys, ArchiveWriter(self.archive_folder))
        self.frames = [river_frame(index) for index in range(FRAMES)]

    async def take_in(self, *dropped: int) -> None:
        """Send every frame, have it committed but for those dropped, and freed on the device."""
        for index, frame in enumerate(self.frames):
            self.device.send(index, frame)
            if index not in dropped:
                self.store.append("river-1", (1, index, LANE_STATE), frame)
        await self.commit()
        self.device.flashlog.free(1, 0, len(self.frames))

    async def commit(self) -> None:
        """Make durable what the store was given."""
        self.store.flush()
        await self.store.wait_idle()

    async def relay(self, *, lane: int = LANE_STATE, times: int = 1) -> bytes:
        """Send all of a lane to the platform and note it as delivered; return the message."""
        chunk = await self.store.read(lane, 0, self.store.following[lane], 1 << 20)
        assert chunk is not None
        payload = encode_bundle(Bundle("hub-1", (lane, 0), False, count=chunk[1], blob=chunk[2]))
        for _ in range(times):
            self.ingress.take(TOPIC, payload)
        self.queue.acknowledge(self.queue.take(lane, 0, chunk[1], False))
        self.store.save_cursor("platform", self.queue.rows())
        await self.commit()
        return payload

    def report(self, *, resendable: int = 0, is_mended: bool = True) -> dict[str, Any]:
        """Judge."""
        with Archive(self.archive_folder) as archive:
            verdict = judge("small", [self.device], archive, self.store.path, seconds=1)  # type: ignore[list-item]
        verdict.resendable, verdict.is_mended = resendable, is_mended
        return verdict.report()


def frames_of(report: dict[str, Any], *names: str) -> list[int]:
    """Return these counts of a report."""
    return [report["frames"][name] for name in names]


async def test_all_that_arrived_once_is_ok(tmp_path: Path) -> None:
    town = Town(tmp_path)
    await town.take_in()
    await town.relay()
    report = town.report()
    assert frames_of(report, "sent", "accepted", "delivered", "stored") == [20, 20, 20, 0]
    assert frames_of(report, "lost", "duplicates", "evicted") == [0, 0, 0]
    assert report["readings"] == {"sent": 60, "delivered": 60}
    assert report["ok"] is True


async def test_falls_when_the_hub_acknowledges_a_frame_and_drops_it(tmp_path: Path) -> None:
    town = Town(tmp_path)
    await town.take_in(7)
    await town.relay()
    report = town.report()
    assert frames_of(report, "accepted", "lost") == [19, 1]
    assert report["ok"] is False


async def test_falls_when_the_hub_acknowledges_before_the_commit_and_dies(tmp_path: Path) -> None:
    town = Town(tmp_path)
    await town.take_in()
    await town.relay()
    for index in range(FRAMES, FRAMES + 5):  # acknowledged, freed, and never committed
        town.device.send(index, river_frame(index))
    town.device.flashlog.free(1, FRAMES, FRAMES + 5)
    report = town.report()
    assert frames_of(report, "sent", "lost") == [25, 5]
    assert report["ok"] is False


async def test_falls_when_the_hub_skips_a_frame_that_its_store_still_holds(tmp_path: Path) -> None:
    town = Town(tmp_path)
    await town.take_in()
    town.queue.acknowledge(town.queue.take(LANE_STATE, 0, FRAMES, False))
    town.store.save_cursor("platform", town.queue.rows())
    await town.commit()
    report = town.report()
    assert frames_of(report, "accepted", "stored", "lost") == [20, 0, 20]
    assert report["ok"] is False


async def test_falls_when_the_platform_forgets_a_frame(tmp_path: Path) -> None:
    town = Town(tmp_path)
    await town.take_in()
    await town.relay()
    with sqlite3.connect(town.archive_folder / FILE_NAME) as database:
        database.execute("DELETE FROM frames WHERE frame_index = 3")
    database.close()
    report = town.report()
    assert frames_of(report, "delivered", "stored", "lost") == [19, 0, 1]
    assert report["ok"] is False


async def test_falls_when_the_hub_relays_a_bundle_twice(tmp_path: Path) -> None:
    town = Town(tmp_path)
    await town.take_in()
    await town.relay(times=2)
    report = town.report()
    assert frames_of(report, "duplicates", "lost") == [20, 0]
    assert report["ok"] is False
    assert town.report(resendable=19)["frames"]["duplicates"] == 1


async def test_falls_when_the_platform_stores_a_frame_twice(tmp_path: Path) -> None:
    town = Town(tmp_path)
    await town.take_in()
    await town.relay()
    names = "arrival_us, arrival_unix_us, device, boot, frame_index, lane, kind, historical, hub"
    with sqlite3.connect(town.archive_folder / FILE_NAME) as database:
        database.execute(
            f"INSERT INTO frames ({names}, bundle_first, frame)"
            f" SELECT {names}, bundle_first, frame FROM frames WHERE frame_index = 3"
        )
    database.close()
    report = town.report()
    assert frames_of(report, "duplicates", "lost") == [1, 0]
    assert report["ok"] is False


async def test_what_a_killed_hub_cannot_know_it_may_send_again(tmp_path: Path) -> None:
    town = Town(tmp_path)
    await town.take_in()
    payload = await town.relay()
    assert unknown_to_hub(town.archive_folder, town.store.path) == 0
    town.store.save_cursor("platform", [(LANE_STATE, 12, [3, 5], 10, 0)])
    await town.commit()
    resendable = unknown_to_hub(town.archive_folder, town.store.path)
    assert resendable == 2 + 8
    town.ingress.take(TOPIC, payload)  # all 20 and not only these
    report = town.report(resendable=resendable)
    assert report["frames"]["duplicates"] == 10
    assert report["ok"] is False
    assert town.report(resendable=20)["ok"] is True


async def test_what_waits_in_the_hub_is_stored_and_ok_only_while_a_fault_lasts(
    tmp_path: Path,
) -> None:
    town = Town(tmp_path)
    await town.take_in()
    report = town.report(is_mended=False)
    assert frames_of(report, "accepted", "stored", "lost") == [20, 20, 0]
    assert report["ok"] is True
    assert town.report()["ok"] is False


async def test_flash_counts_for_the_frames_it_holds_and_not_for_those_between(
    tmp_path: Path,
) -> None:
    town = Town(tmp_path)
    for index, frame in enumerate(town.frames):
        town.device.send(index, frame)
    town.device.flashlog.free(1, 5, 8)
    report = town.report(is_mended=False)
    assert frames_of(report, "accepted", "stored", "lost") == [0, 17, 3]
    assert report["in_flash"] == 17
    assert report["ok"] is False


async def test_a_gap_record_names_its_own_frames_and_no_others(tmp_path: Path) -> None:
    town = Town(tmp_path)
    town.frames.append(gap_frame(FRAMES, 4, 6))
    await town.take_in(4, 5, 9)
    await town.relay()
    report = town.report()
    assert frames_of(report, "evicted", "lost") == [2, 1]
    assert report["details"]["gaps"][0]["reason"] == "flash full"
    assert report["ok"] is False


async def test_a_gap_of_another_lane_names_nothing_of_this_one(tmp_path: Path) -> None:
    """Indexes run through all lanes, so the range of one lane's gap may hold others' frames."""
    town = Town(tmp_path)
    town.frames.append(gap_frame(FRAMES, 4, 6, LANE_ALERT))
    await town.take_in(4, 5)
    await town.relay()
    report = town.report()
    assert frames_of(report, "evicted", "lost") == [0, 2] and report["ok"] is False


async def test_falls_when_a_device_skips_an_index(tmp_path: Path) -> None:
    town = Town(tmp_path)
    del town.frames[6]
    for frame in town.frames:
        town.device.observer.saw_sent(frame)
        index = town.frames.index(frame)
        shifted = index + (index >= 6)
        town.store.append("river-1", (1, shifted, LANE_STATE), frame)
    await town.commit()
    await town.relay()
    report = town.report()
    assert frames_of(report, "sent", "delivered", "lost") == [19, 19, 1]
    assert report["ok"] is False


async def test_falls_when_an_alert_of_the_hub_itself_is_missing(tmp_path: Path) -> None:
    town = Town(tmp_path)
    await town.take_in()
    await town.relay()
    for index in (0, 2):
        town.store.append("hub-1", (1, index, LANE_ALERT), notice_frame(index))
    await town.commit()
    await town.relay(lane=LANE_ALERT)
    report = town.report()
    assert frames_of(report, "sent", "delivered", "lost") == [20, 20, 1]
    assert report["alerts"] == 2
    assert report["ok"] is False


async def test_falls_when_the_platform_refuses_what_the_hub_relays(tmp_path: Path) -> None:
    town = Town(tmp_path)
    await town.take_in()
    await town.relay()
    spoiled = town.frames[0][:-1] + bytes((town.frames[0][-1] ^ 1,))
    bundle = Bundle("hub-1", (LANE_STATE, 0), False, count=1, blob=prefixed(spoiled))
    town.ingress.take(TOPIC, encode_bundle(bundle))
    report = town.report()
    assert report["refused_by_platform"] == {"wrong_key": 1}
    assert report["ok"] is False


async def test_a_run_in_which_nothing_was_sent_is_not_ok(tmp_path: Path) -> None:
    assert Town(tmp_path).report()["ok"] is False
