"""The agent on a board: time of a sample, size of the code, heap, heap asked for while reading.

- us_per_wave_sample: instructions of an emulated Cortex-M0+ that runs the machine code of the
  .mpy, at 8 ns each; for a sample of an axis from a FIFO's bytes to the packed column of a frame.
  The Python around a block is not in it (it is in the figure of the WebAssembly interpreter).
- us_per_slow_reading, us_per_wave_sample_wasm: bytecode on MicroPython's WebAssembly build, on the
  machine that runs the benchmark; a slow reading from the driver's number to the sealed frame.
- heap: of the largest profile on that interpreter (words of 32 bits, as on a board), after an hour
  of simulated work: the whole agent, but for tasks that wait and an open link. Its code runs in
  place from the image of a release, which lies outside of the heap as it does in the flash of a
  board; heap_used_loaded is with the modules loaded from files, after a minute, for a firmware
  without ROMFS; heap_state is without what the modules take. Growth is that of the last twenty
  minutes: by then times have outgrown the small integers and the flash log has gone round.
"""

import random
from array import array
from pathlib import Path

from boards.build import build
from boards.profiles import device_profiles
from protocols.archive import pack
from tests.agent.test_hot_path_cpython import FIFO, UPTIME_US, locked_reads
from tests.bench.figures import Figures
from tests.far_agent import SECOND_US, FarSide, World, run_until
from tests.far_board import WIRING, Interpreter
from tests.machine_code import run_both

SEEDS = (1, 2, 3)
US_PER_INSTRUCTION = 0.008
BLOCK_SETS = 16
BLOCKS = 31
WAVE_ROUNDS = 200
SLOW_READINGS = 60
SLOW_ROUNDS = 200
SIMULATED_S = 3600
WARM_S = 2400
LOADED_S = 60
TAKE_S = 60  # a hub takes frames as they come, not the megabyte of an hour at once


def measure(figures: Figures, folder: Path) -> None:
    """Measure all of it."""
    for seed in SEEDS:
        figures.add("agent.us_per_wave_sample", wave_sample_us(seed), "us")
    _measure_on_wasm(figures)
    sizes = {}
    for profile in device_profiles():
        sizes[profile] = sum(map(len, build(profile).values())) / 1024
    largest = max(sizes, key=lambda profile: sizes[profile])
    figures.add("agent.mpy_kib", sizes[largest], "KiB")
    _measure_heap(figures, largest, folder)


def wave_sample_us(seed: int) -> float:
    """Return the machine code's time for a sample of an axis of an ADXL355, at 8 ns."""
    draw = random.Random(seed)
    raw = bytearray(1 + 9 * 32)
    for entry in range(3 * 32):
        level = draw.randrange(-40, 40) << 8
        raw[3 * entry + 1 : 3 * entry + 4] = (level & 0xFFFFF0).to_bytes(3, "big")
        raw[3 * entry + 3] |= entry % 3 == 0
    block = array("i", bytes(4 * 96))
    count = run_both("agent.drivers.adxl355", "unpack_sets", [raw, block, BLOCK_SETS, 8])
    words = 3 * BLOCK_SETS
    ring = array("i", bytes(4 * words * BLOCKS))
    count += run_both("agent.ring", "copy_round", [block, ring, array("i", [0, words, len(ring)])])
    per_sample = count / words
    samples = array("i", list(block)[:words] * BLOCKS)
    job = array("i", [0, 3, len(samples), 0, 0])
    packed = run_both("protocols.columns", "pack_run", [samples, bytearray(4000), job])
    return (per_sample + packed / (len(samples) // 3)) * US_PER_INSTRUCTION


def _measure_on_wasm(figures: Figures) -> None:
    interpreter = Interpreter()
    try:
        asked = sum(
            count for name in FIFO for _, _, count in locked_reads(name, interpreter, UPTIME_US)
        )
        figures.add("agent.hot_path_allocations", asked, "reads")
        interpreter.command("boot", WIRING)
        for _ in SEEDS:
            wave_us = _work_us(interpreter, "work_wave", BLOCKS, WAVE_ROUNDS)
            samples = 3 * BLOCK_SETS * BLOCKS * WAVE_ROUNDS
            figures.add("agent.us_per_wave_sample_wasm", wave_us / samples, "us")
            slow_us = _work_us(interpreter, "work_slow", SLOW_READINGS, SLOW_ROUNDS)
            readings = SLOW_READINGS * SLOW_ROUNDS
            figures.add("agent.us_per_slow_reading", slow_us / readings, "us")
    finally:
        interpreter.close()


def _work_us(interpreter: Interpreter, name: str, *arguments: int) -> float:
    """Return the processor time of a command: other work of the machine does not count."""
    before_s = interpreter.processor_s()
    interpreter.command(name, *arguments)
    return (interpreter.processor_s() - before_s) * 1_000_000


def _measure_heap(figures: Figures, profile: str, folder: Path) -> None:
    files = build(profile, machine_code=False)
    image = folder / "image"
    image.write_bytes(pack(files))
    code, (early, late) = _heaps(profile, image, (WARM_S, SIMULATED_S))
    figures.add("agent.heap_used_kib", late / 1024, "KiB")
    figures.add("agent.heap_state_kib", (late - code) / 1024, "KiB")
    figures.add("agent.heap_growth_kib", (late - early) / 1024, "KiB")
    for target, data in files.items():
        path = folder / "files" / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    _, (loaded,) = _heaps(profile, folder / "files", (LOADED_S,))
    figures.add("agent.heap_used_loaded_kib", loaded / 1024, "KiB")


def _heaps(profile: str, sources: Path, moments_s: tuple[int, ...]) -> tuple[int, list[int]]:
    """Return the bytes of heap that the code takes, and all that is used after so many seconds."""
    world = World(profile, 1)
    began_us = world.clock.now_us()
    side = FarSide(world, str(sources))
    used = []
    try:
        for moment_s in range(TAKE_S, moments_s[-1] + 1, TAKE_S):
            run_until(side, began_us + moment_s * SECOND_US)
            if moment_s in moments_s:
                used.append(side.heap())
    finally:
        side.close()
    return side.code_size, used
