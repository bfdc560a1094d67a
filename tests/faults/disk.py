"""The disk of tests/faults/disk.c: compiled where it is needed, ordered about from here."""

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.real_parts import REPOSITORY, need

SOURCE = Path(__file__).with_name("disk.c")
BUILD = REPOSITORY / "build/faults"
WORKS, FULL, WRITE_FAILS, SYNC_FAILS, SYNC_LIES = range(5)
NOT_KEPT = ("*-shm", "*.lock")  # what the disk does not watch


def library() -> Path:
    """Return the compiled library; compile it first where its source is new."""
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    path = BUILD / f"disk-{digest}.so"
    if not path.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        words = ["-O2", "-fPIC", "-shared", "-o", str(fresh), str(SOURCE), "-ldl", "-lpthread"]
        subprocess.run([need("cc"), *words], check=True, capture_output=True, text=True)
        fresh.rename(path)
    return path


def failing_after(folder: Path, operations: int, seed: int) -> dict[str, str]:
    """Return the environment of a process that loses power at that operation on the folder."""
    return {
        "LD_PRELOAD": str(library()),
        "HINOMI_DISK_FOLDER": str(folder.resolve()),
        "HINOMI_DISK_CUT_AFTER": str(operations),
        "HINOMI_DISK_SEED": str(seed),
    }


def run_again_with_disk(module: str) -> None:
    """Replace this process by `python -m module` with the disk preloaded, unless it is."""
    if os.environ.get("LD_PRELOAD") != str(library()):
        environment = {**os.environ, "LD_PRELOAD": str(library()), "PYTHONHASHSEED": "0"}
        os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], environment)


class Disk:
    """The disk under one folder of this process, which runs with the library preloaded.

    After a cut the folder can only be read; `after_cut` makes a new one of what would be left.
    """

    def __init__(self) -> None:
        self._calls = ctypes.CDLL(str(library()))
        self.fails = False

    def watch(self, folder: Path) -> None:
        """Begin with that folder, which is durable as it is; forget any other."""
        self._calls.disk_watch(str(folder.resolve()).encode())
        self.fails = False

    def cut_after(self, operations: int) -> None:
        """Lose power at the operation of that number from now, 1 or more; at a sync: before it."""
        self._calls.disk_cut_after(ctypes.c_long(operations))

    def fail(self, how: int) -> None:
        """Be WORKS, FULL, WRITE_FAILS, SYNC_FAILS or SYNC_LIES from now on."""
        self._calls.disk_fail(how)
        self.fails = how != WORKS

    def is_dead(self) -> bool:
        """Tell whether the power is gone."""
        return bool(self._calls.disk_is_dead())

    def operations(self) -> int:
        """Return how many changes and syncs there were since watch()."""
        return int(self._calls.disk_operations())

    def after_cut(self, folder: Path, copy: Path, seed: int) -> None:
        """Make `copy` what the disk holds of `folder` after the cut."""
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(*NOT_KEPT))
        self._calls.disk_apply(str(copy.resolve()).encode(), ctypes.c_uint64(seed))
