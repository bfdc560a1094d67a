"""The wall clock of tests/faults/wall_clock.c: compiled where it is needed, set from here."""

import struct
import subprocess
from pathlib import Path

from tests.real_parts import need

SOURCE = Path(__file__).with_name("wall_clock.c")


class WallClock:
    """What a process takes for UTC, for which `environment` is made; it may be set as it runs."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "wall_clock"
        self._file.write_bytes(bytes(8))
        library = folder / "wall_clock.so"
        words = ["-O2", "-fPIC", "-shared", "-o", str(library), str(SOURCE), "-ldl"]
        subprocess.run([need("cc"), *words], check=True, capture_output=True, text=True)
        self.environment = {"LD_PRELOAD": str(library), "HINOMI_WALL_CLOCK": str(self._file)}

    def set(self, error_s: int) -> None:
        """Let UTC be off by that much from now on."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("=q", error_s * 10**9))
