"""The agent as a Linux process, killed again and again while it feeds a real hub: all arrives."""

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.flashlog import FlashLog
from agent.hal.file_flash import FileFlash
from agent.pi import settings
from hub.seen import unpack
from protocols.batch import read_record_head
from protocols.cose import DeviceKeys
from tests.hub.hub_process import HubProcess, secret_of, wait_until
from tests.real_parts import REPOSITORY

DEVICE = "river-1"
KILLS = 5
SECTOR_SIZE, SECTORS = 4096, 128
SENSORS = """
[[sensors]]
name = "air"
driver = "tmp117"
i2c = 0
rate_mhz = 8000

[policy.normal]
air = { report_ms = 100 }
"""
Identity = tuple[int, int]


def write_config(folder: Path, port: int) -> Path:
    """Write an agent.toml with one quick sensor."""
    path = folder / "agent.toml"
    settings.write(path, DEVICE, f"127.0.0.1:{port}", secret_of(DEVICE).hex())
    text = path.read_text().replace("flash_kib = 16384", "flash_kib = 512")
    path.write_text(text[: text.index("# One table for each sensor")] + SENSORS)
    return path


@contextmanager
def agent_process(config: Path, log: Path) -> Iterator["subprocess.Popen[str]"]:
    """The agent; killed at the end if it still runs."""
    words = [sys.executable, "-m", "tests.agent.pi_process", str(config)]
    with log.open("a") as file:
        process = subprocess.Popen(words, cwd=REPOSITORY, stdout=file, stderr=file, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def mounted_copy(path: Path) -> FlashLog:
    """Return the log in a copy of this file: mounting mends what it finds."""
    copy = path.with_suffix(".copy")
    copy.write_bytes(path.read_bytes())
    flashlog = FlashLog(FileFlash(str(copy), sector_count=SECTORS))
    flashlog.mount()
    return flashlog


def pending(path: Path) -> set[Identity]:
    """Return (boot, index) of the frames that the log in this file holds."""
    flashlog = mounted_copy(path)
    up = DeviceKeys(DEVICE, secret_of(DEVICE)).up
    found = set()
    handle = flashlog.next_unsent()
    while handle is not None:
        head = read_record_head(up.peek(flashlog.read_frame(handle)))
        found.add((head[1], head[2]))
        flashlog.mark_in_flight(handle)
        handle = flashlog.next_unsent()
    flashlog._flash.close()
    return found


def seen_by_hub(folder: Path) -> set[Identity]:
    """Return (boot, index) of all frames of the device that the stopped hub has accepted."""
    path = folder / "data" / "hub.sqlite"
    with sqlite3.connect(path) as db:
        rows = db.execute("SELECT boot, ranges FROM seen WHERE device = ?", (DEVICE,)).fetchall()
    db.close()
    found = set()
    for boot, ranges in rows:
        flat = unpack(ranges)
        for first, following in zip(flat[::2], flat[1::2], strict=True):
            found |= {(boot, index) for index in range(first, following)}
    return found


def test_no_stored_frame_is_lost_when_the_agent_is_killed(tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    hub = HubProcess(tmp_path)
    config = write_config(tmp_path, hub.port)
    log, flash = tmp_path / "agent.log", tmp_path / "hinomi-log.bin"
    kept: set[Identity] = set()
    hub.start()
    for at in range(KILLS):
        if at == 2:
            hub.end(signal.SIGKILL)  # what is read meanwhile waits on the disk
        if at == 3:
            hub.start()
        with agent_process(config, log):
            boots = at + 1
            wait_until(lambda: boot_of(flash) >= boots, log.read_text())  # noqa: B023
            time.sleep(moments.uniform(0.3, 1.0))
        kept |= pending(flash)
    with agent_process(config, log) as agent:
        wait_until(lambda: boot_of(flash) > KILLS, "a last boot")
        time.sleep(0.5)
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(15) == 0
    assert pending(flash) == set()
    assert hub.end() == 0
    arrived = seen_by_hub(hub.folder)
    assert kept and kept <= arrived
    for boot in range(1, KILLS + 2):
        indexes = {index for other, index in arrived if other == boot}
        assert indexes == set(range(max(indexes) + 1)), (boot, "has holes")


def boot_of(path: Path) -> int:
    """Return the number of the newest boot in the log; 0 while there is none."""
    if not path.exists() or path.stat().st_size < SECTORS * SECTOR_SIZE:
        return 0
    flashlog = mounted_copy(path)
    flashlog._flash.close()
    return flashlog._boot
