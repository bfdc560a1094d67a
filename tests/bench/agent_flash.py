"""The flash log: erases for what is written, and how long a full one takes to mount.

Mounting runs on MicroPython's WebAssembly build with a file for the 512 KiB of flash, on the
machine that runs the benchmark: it tells of the work, not of the speed of a board or its flash.
"""

from pathlib import Path

from tests.agent.test_flashlog import erases_of
from tests.bench.figures import Figures
from tests.far_board import Interpreter

# Bytes of a frame: a slow reading, an alert, a batch of an hour, a second of waveform and five.
SIZES = [70, 90, 400, 700, 2100]
FREE_EVERY = 10  # frames, as acks come
MOUNTS = 3


def measure(figures: Figures, folder: Path) -> None:
    """Measure both."""
    for first in range(MOUNTS):
        mixed = SIZES[first:] + SIZES[:first]
        figures.add("flashlog.erases_per_kib", erases_of(mixed * 400, FREE_EVERY)[0], "erases/KiB")
    interpreter = Interpreter()
    try:
        for _ in range(MOUNTS):
            count, spent_ms = interpreter.command("time_mount", 500)["result"]
            assert count > 500
            figures.add("flashlog.mount_ms", spent_ms, "ms")
    finally:
        interpreter.close()
