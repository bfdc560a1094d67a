"""A real file system that is small, and somebody who fills it."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, size_kib: int) -> Iterator[Path]:
    """Mount a small disk there, or skip; gone when the block ends."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", str(folder)]
    done = None
    if os.geteuid() == 0:
        done = subprocess.run(["mount", *options], capture_output=True)
    if done is None or done.returncode:
        pytest.skip("a small disk is missing; mounting one needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
