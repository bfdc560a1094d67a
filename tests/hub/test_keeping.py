"""Backup, restore, evacuation and the commands around them."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub import config as configuration
from hub import evacuate, ledger
from hub.backup import MANIFEST, BackupError, back_up, restore
from hub.commands import CommandError, app
from hub.config import Config
from hub.database import StoreError, connect_to_read
from hub.evacuate import EvacuationError
from hub.identity import identity_of
from hub.remains import BOOT_JUMP
from hub.sender import HubSender
from hub.store import Store
from protocols.framing import Splitter
from protocols.vocabulary import KIND_NOTICE, LANE_ALERT, LANE_STATE, LANE_WAVE, LANES
from tests.hub.damage import LARGE, SECRETS, Maker

UTC_US = 1_782_000_000_000_000
NOTICE = {"level": 0, "drill": False, "kind": "test", "text_ja": "試", "text_en": "test"}


def ignore(done: int, of_all: int) -> None:
    """Take a progress."""
    assert 0 <= done <= of_all


def make_hub(folder: Path, name: str = "hub-1") -> Config:
    """Make a hub of one uplink with the three devices of tests.hub.damage."""
    path = configuration.init(folder, {("hub", "id"): name})
    for device, secret in SECRETS.items():
        configuration.enroll(folder / "devices.toml", configuration.Device(device, secret))
    return configuration.load(path)


async def fill(config: Config, boot: int, count: int = 40) -> list[bytes]:
    """Store frames of all lanes, of which the uplink has the first five of the states."""
    store = Store(config.data, LARGE)
    HubSender(config.id, config.secret, store).record(KIND_NOTICE, LANE_ALERT, 1, NOTICE)
    maker = Maker(boot)
    frames = []
    for at in range(count):
        for lane in (LANE_STATE, LANE_WAVE):
            identity, frame = maker.make("river-1", lane, 30)
            store.append("river-1", (*identity[1:], lane), frame)
            frames.append(frame)
        if at % 7 == 0:
            await store.wait_idle()
    store.save_cursor("platform", [(lane, 0, [], 0, 0) for lane in LANES])
    store.group.ledger.append(ledger.audit(UTC_US, "test", "fill", what=boot))
    await store.close()
    return frames


async def frames_in(folder: Path) -> list[bytes]:
    """Return all frames of a store."""
    store = Store(folder, LARGE)
    found = []
    for lane in LANES:
        chunk = await store.read(lane, 0, store.following[lane], LARGE)
        found += Splitter().feed(chunk[2]) if chunk else []
    await store.close()
    return found


async def test_a_backup_of_a_running_hub_is_whole_and_another_hub_can_be_made_of_it(
    tmp_path: Path,
) -> None:
    config = make_hub(tmp_path / "hub")
    frames = await fill(config, 1)
    running = Store(config.data, LARGE)
    maker = Maker(2)
    identity, late = maker.make("river-1", LANE_STATE, 3)

    def write_meanwhile(done: int, of_all: int) -> None:
        running.save_meta("while", done)

    backup = tmp_path / "usb" / "backup"
    back_up(config, backup, UTC_US, write_meanwhile)
    running.append("river-1", (*identity[1:], LANE_STATE), late)
    await running.wait_idle()
    assert (backup / "hub.secret").stat().st_mode & 0o777 == 0o600
    assert (backup / "devices.toml").stat().st_mode & 0o777 == 0o600
    with pytest.raises(StoreError, match="another hub uses"):
        restore(backup, tmp_path / "hub", UTC_US, ignore)
    await running.close()
    boot = HubSender(config.id, config.secret, reopened := Store(config.data, LARGE)).boot
    await reopened.close()

    replaced = restore(backup, tmp_path / "hub", UTC_US, ignore)
    assert replaced is not None and (replaced / "hub.sqlite").exists()
    again = configuration.load(tmp_path / "hub" / "hub.toml")
    assert again == config
    found = await frames_in(again.data)
    assert set(frames) < set(found) and late not in found
    store = Store(again.data, LARGE)
    assert HubSender(again.id, again.secret, store).boot > boot + BOOT_JUMP - 10
    assert not store.append("river-1", (1, 0, LANE_STATE), frames[0])  # it still knows them
    await store.close()
    db = connect_to_read(again.data / "hub.sqlite")
    ledger.verify(db, *filter(None, [ledger.read_head_file(again.data)]))
    assert [entry.fields()["command"] for _, entry in ledger.read(db, "audit")][-1] == "restore"
    db.close()


@pytest.mark.parametrize("name", ["hub.sqlite", "hub.secret", MANIFEST])
async def test_a_backup_that_is_not_whole_replaces_nothing(tmp_path: Path, name: str) -> None:
    config = make_hub(tmp_path / "hub")
    await fill(config, 1, 3)
    backup = tmp_path / "backup"
    back_up(config, backup, UTC_US, ignore)
    spoil(backup / name, 20)
    before = (config.data / "hub.sqlite").read_bytes()
    with pytest.raises(BackupError, match=name):
        restore(backup, tmp_path / "hub", UTC_US, ignore)
    assert (config.data / "hub.sqlite").read_bytes() == before
    with pytest.raises(BackupError, match="exists"):
        back_up(config, backup, UTC_US, ignore)


def spoil(path: Path, at: int) -> None:
    """Change one byte of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)


def evacuation(tmp_path: Path) -> tuple[Config, Path, list[bytes]]:
    """Return a hub that could not deliver, its file and what must be in it."""
    config = make_hub(tmp_path / "away")
    frames = asyncio.run(fill(config, 1))
    path = tmp_path / "away.evacuation"
    found = evacuate.export(config, path, UTC_US, ignore)
    assert found.frames == len(frames) + 1  # and the hub's own notice
    return config, path, frames


def take_in(config: Config, path: Path, key: bytes) -> evacuate.Evacuation:
    """Import a file into the store of another hub."""

    async def work() -> evacuate.Evacuation:
        found = evacuate.check(path, {"hub-1": key}, ignore)
        store = Store(config.data, LARGE)
        try:
            return await evacuate.take_in(path, store, found, ignore)
        finally:
            await store.close()

    return asyncio.run(work())


def test_what_one_hub_could_not_deliver_is_in_the_other_once(tmp_path: Path) -> None:
    away, path, frames = evacuation(tmp_path)
    here = configuration.load(configuration.init(tmp_path / "here", {("hub", "id"): "hub-2"}))
    key = evacuate.public_key_of(away.secret)
    assert take_in(here, path, key).new == len(frames) + 1
    found = asyncio.run(frames_in(here.data))
    assert set(frames) < set(found) and len(found) == len(frames) + 1
    assert take_in(here, path, key).new == 0  # nor a second time

    async def arrive_over_the_network() -> None:
        store = Store(here.data, LARGE)
        for frame in frames:
            assert not store.append(*identity_of(frame), frame)
        await store.close()

    asyncio.run(arrive_over_the_network())


def test_only_what_an_uplink_has_not_is_exported(tmp_path: Path) -> None:
    config = make_hub(tmp_path / "hub")

    async def deliver() -> None:
        await fill(config, 1)
        store = Store(config.data, LARGE)
        backlog = {LANE_WAVE: [3, 5]}
        ends = store.following
        rows = [(lane, ends[lane], backlog.get(lane, []), ends[lane], 0) for lane in LANES]
        store.save_cursor("platform", rows)
        await store.close()

    asyncio.run(deliver())
    found = evacuate.export(config, tmp_path / "file", UTC_US, ignore)
    assert 2 <= found.frames <= 8  # the chunk of those two


Edit = Callable[[bytes], bytes]


@pytest.mark.parametrize(
    ("edit", "reason"),
    [(lambda data: data[:-1], "ends early|edited|no signature|damaged"),
     (lambda data: data[: len(data) // 2], "ends early"),
     (lambda data: b"", "empty"),
     (lambda data: data[:2000] + bytes([data[2000] ^ 1]) + data[2001:], "edited|early|damaged"),
     (lambda data: data[:-3] + bytes([data[-3] ^ 1]) + data[-2:], "does not fit the key"),
     (lambda data: data.replace(b"hub-1", b"hub-3", 1), "no key of hub-3"),
     (lambda data: b"nothing of the kind", "no evacuation")],
)  # fmt: skip
def test_a_file_that_was_cut_or_edited_is_refused_with_the_reason(
    tmp_path: Path, edit: Edit, reason: str
) -> None:
    away, path, _ = evacuation(tmp_path)
    path.write_bytes(edit(path.read_bytes()))
    with pytest.raises(EvacuationError, match=reason):
        evacuate.check(path, {"hub-1": evacuate.public_key_of(away.secret)}, ignore)


def test_cuts_and_flips_all_over_the_file_are_refused(tmp_path: Path) -> None:
    config = make_hub(tmp_path / "hub")
    asyncio.run(fill(config, 1, 2))
    path = tmp_path / "file"
    evacuate.export(config, path, UTC_US, ignore)
    whole = path.read_bytes()
    keys = {"hub-1": evacuate.public_key_of(config.secret)}
    for at in [*range(0, len(whole), 11), *range(len(whole) - 60, len(whole))]:
        for data in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :]):
            path.write_bytes(data)
            with pytest.raises(EvacuationError):
                evacuate.check(path, keys, ignore)


def run(*words: str) -> str:
    """Run a command of `hinomi hub`; return what it prints."""
    result = CliRunner().invoke(app, [*words])
    if result.exception is not None:
        raise result.exception
    return result.output


def test_the_commands(tmp_path: Path) -> None:
    config = make_hub(tmp_path / "hub")
    asyncio.run(fill(config, 1, 5))
    there = ("--config", str(tmp_path / "hub" / "hub.toml"))
    report = json.loads(run("verify", "--deep", "--json", *there))
    assert report["ledger"] == 1 and report["chunks"] > 1
    assert "fill" in run("audit", *there) and run("gaps", *there) == ""
    assert run("verify", "--head", report["head"], *there)
    with pytest.raises(CommandError, match="not the one whose hash"):
        run("verify", "--head", "1 " + "00" * 32, *there)
    backup = str(tmp_path / "backup")
    assert "secrets" in run("backup", backup, *there)
    assert "Restored" in run("restore", backup, *there)
    key = run("export", "--show-key", *there).strip()
    file = str(tmp_path / "file")
    assert "11 frames" in run("export", "--evacuate", file, *there)
    make_hub(tmp_path / "here", "hub-2")
    here = ("--config", str(tmp_path / "here" / "hub.toml"))
    with pytest.raises(CommandError, match="no key of hub-1"):
        run("import", file, *here)
    assert "11 of 11" in run("import", file, "--key", key, *here)
    assert "0 of 11" in run("import", file, *here)  # the key is known now
    assert "11 of 11 frames of hub-1" in run("audit", *here)


@pytest.mark.parametrize(
    ("change", "reason"),
    [("UPDATE ledger SET at_utc_us = 5", "row 1"), ("DELETE FROM ledger", "missing"),
     ("UPDATE meta SET value = 7 WHERE key = 'boot'", "meta"),
     ("UPDATE seen SET boot = boot + 1", "seen"),
     ("UPDATE chunk SET count = count + 1", "damaged")],
)  # fmt: skip
def test_verify_finds_what_was_changed(tmp_path: Path, change: str, reason: str) -> None:
    config = make_hub(tmp_path / "hub")
    asyncio.run(fill(config, 1, 5))
    db = sqlite3.connect(config.data / "hub.sqlite")
    with db:
        db.execute(change)
    db.close()
    before = {path: path.read_bytes() for path in config.data.iterdir() if path.is_file()}
    with pytest.raises(CommandError, match=reason):
        run("verify", "--deep", "--config", str(tmp_path / "hub" / "hub.toml"))
    kept = {path: data for path, data in before.items() if path.suffix == ".sqlite"}
    assert all(path.read_bytes() == data for path, data in kept.items())
    shutil.rmtree(tmp_path / "hub")
