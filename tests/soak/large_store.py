"""A store of a gigabyte: opened, backed up, carried away, taken in, damaged; how long it takes."""

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.frames import DEVICES_COUNT
from tests.bench.load import Generator, Load
from tests.bench.programs import Hub
from tests.ports import free_port

ROUND_EACH = 4000  # frames of each device, 90 MiB in all
SIZE_MIN = 1 << 30
NEW_EACH = 20
TAKES_IN_S_MAX = 30  # from the start of the program
EVACUATION_S_MAX = 300
DAMAGES = 200  # bits, of the file and of its log each
PAGE_SIZE = 4096
SALVAGE_S_MAX = 1800
RSS_MIB_MAX = 200  # of the hub that salvages it, at most (measured: 112)

Tell = Callable[[float], None]


def measure(folder: Path, seed: int, tell: Tell, size_min: int = SIZE_MIN) -> dict[str, Any]:
    """Return the seconds of each, and what the salvage brought over.

    AssertionError: too slow, too large in memory, or too much lost.
    """
    found: dict[str, Any] = {}
    hub = Hub(folder / "one", free_port())  # nobody listens there: all of it waits
    main = folder / "one" / "data" / "hub.sqlite"
    boot = 0
    while main.stat().st_size < size_min:
        boot += 1
        sent = Generator(Load(hub.port, ROUND_EACH, boot=boot)).run()
        tell(min(0.5, main.stat().st_size / size_min / 2))
    found["frames"] = boot * DEVICES_COUNT * ROUND_EACH
    found["mib"] = main.stat().st_size >> 20
    assert sent.acked == DEVICES_COUNT * ROUND_EACH
    found["backup_s"] = _command(folder, "backup", str(folder / "copy"))
    evacuation = folder / "all.evacuation"
    found["export_s"] = _command(folder, "export", "--evacuate", str(evacuation))
    hub.stop()
    hub = Hub(folder / "one", free_port())
    found["start_s"] = round(hub.start_s, 2)
    tell(0.6)
    found["import_s"] = _import(folder, evacuation)
    assert found["export_s"] + found["import_s"] < EVACUATION_S_MAX, found
    tell(0.7)
    Generator(Load(hub.port, NEW_EACH, boot=boot + 1)).run()
    hub.process.send_signal(signal.SIGKILL)
    hub.stop()
    found["damaged"] = [_damage(path, seed) for path in (main, main.with_name(main.name + "-wal"))]
    begun_s = time.monotonic()
    hub = Hub(folder / "one", free_port())
    found["start_damaged_s"] = round(time.monotonic() - begun_s, 2)
    sent = Generator(Load(hub.port, NEW_EACH, boot=boot + 2)).run()
    found["takes_in_s"] = round(sent.last_ack_s - begun_s, 2)
    assert sent.acked == DEVICES_COUNT * NEW_EACH and found["takes_in_s"] < TAKES_IN_S_MAX, found
    found |= _wait_for_salvage(main, begun_s)
    found["rss_mib"] = round(hub.memory_mib("VmHWM"), 1)
    hub.stop()
    assert found["rss_mib"] <= RSS_MIB_MAX, found
    assert (
        found["kept"] > 0.99 * found["frames"] and found["named_lost"] < 0.01 * found["frames"]
    ), found
    return found


def _import(folder: Path, evacuation: Path) -> float:
    Hub(folder / "two", free_port()).stop()
    words = [*_hinomi(), "export", "--show-key"]
    config = ["--config", str(folder / "one" / "hub.toml")]
    key = subprocess.run([*words, *config], check=True, capture_output=True, text=True).stdout
    return _command(folder, "import", str(evacuation), "--key", key.strip(), hub="two")


def _hinomi() -> list[str]:
    return [str(Path(sys.executable).with_name("hinomi")), "hub"]


def _command(folder: Path, *words: str, hub: str = "one") -> float:
    """Run a command of the hub to its end; return its seconds."""
    begun_s = time.monotonic()
    config = ["--config", str(folder / hub / "hub.toml")]
    subprocess.run([*_hinomi(), *words, *config], check=True, capture_output=True)
    return round(time.monotonic() - begun_s, 2)


def _damage(path: Path, seed: int) -> str:
    """Flip bits anywhere in a file but in its first pages."""
    draw = random.Random(seed)
    size = path.stat().st_size
    with path.open("r+b") as file:
        for _ in range(DAMAGES if size > 4 * PAGE_SIZE else 0):
            place = draw.randrange(2 * PAGE_SIZE, size)
            file.seek(place)
            (byte,) = file.read(1)
            file.seek(place)
            file.write(bytes([byte ^ 1 << draw.randrange(8)]))
    return f"{DAMAGES} bits of {size >> 20} MiB"


def _wait_for_salvage(main: Path, begun_s: float) -> dict[str, Any]:
    db = sqlite3.connect(f"{main.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
    try:
        while db.execute("SELECT value FROM meta WHERE key = 'salvage'").fetchone() != ("",):
            assert time.monotonic() - begun_s < SALVAGE_S_MAX, "the salvage does not end"
            time.sleep(1)
        salvage_s = round(time.monotonic() - begun_s, 1)
        (kept,) = db.execute("SELECT sum(count) FROM chunk").fetchone()
        bodies = db.execute("SELECT body FROM ledger WHERE kind = 'gap'").fetchall()
        gaps = [json.loads(body) for (body,) in bodies]
        return {
            "salvage_s": salvage_s,
            "kept": kept,
            "named_lost": sum(end - first for _, _, first, end, *_ in gaps),
        }
    finally:
        db.close()
