"""A recorded strong motion arrives at the platform as it was recorded."""

import asyncio
import importlib.util
import math
from itertools import pairwise
from pathlib import Path

import pytest

from simulators.archive import Archive
from simulators.run import Run
from simulators.scenario import Scenario, read_scenario
from simulators.signals.basic import STANDARD_GRAVITY
from simulators.signals.recording import read_recording

# ObsPy carries a K-NET record among its own test data; it is only looked for, not imported.
OBSPY = importlib.util.find_spec("obspy")
SPACING_US = 10_000
QUANTUM_M_S2 = STANDARD_GRAVITY * 62.5e-6  # ADXL355 at 2 g, 16 of its 20 bits

ONE_NODE = """
[scenario]
title_ja = "記録の再生"
title_en = "Playback of a record"
seconds = {seconds}
[bridge]
ambient_m_s2 = 0.0
vehicles_share = 0.0
[quake]
at_s = 3
[[device]]
name = "bridge-1"
profile = "bridge-node"
"""


def scenario_of(folder: Path, seconds: int) -> Scenario:
    """Return a scenario of one node and nothing else."""
    path = folder / "one-node.toml"
    path.write_text(ONE_NODE.format(seconds=seconds))
    return read_scenario(str(path))


def play(folder: Path, record: Path, seconds: int) -> dict[str, list[tuple[int, float]]]:
    """Play a record on the real system; return channel -> (device time in us, value in SI)."""
    run = Run(
        scenario_of(folder, seconds),
        folder / "run",
        seed=3,
        record=record,
        chip_options={"noise": False},
    )
    report = asyncio.run(run.run()).report()
    assert report["ok"], report
    assert report["gaps"] == 0, report["details"]["gaps"]
    readings = {}
    with Archive(run.archive_folder) as archive:
        for axis in "xyz":
            found = archive.readings("bridge-1", f"acc.{axis}")
            readings[axis] = [
                (one.time_us, one.value * one.scale[1] * 10.0 ** one.scale[0]) for one in found
            ]
    return readings


def check(readings: dict[str, list[tuple[int, float]]], record: Path) -> None:
    """Compare all that arrived with the record: equal within a quantum, in order, none missing."""
    recording = read_recording(record)
    wanted = {"x": recording.x, "y": recording.y, "z": [z + STANDARD_GRAVITY for z in recording.z]}
    # The axis that moves most tells where the record begins; a K-NET file may hold but one.
    loudest = max(wanted, key=lambda axis: max(wanted[axis]) - min(wanted[axis]))
    start = find([value for _, value in readings[loudest]], list(wanted[loudest]))
    for axis, samples in wanted.items():
        times = [time_us for time_us, _ in readings[axis]]
        values = [value for _, value in readings[axis]]
        for before, after in pairwise(times):
            assert abs(after - before - SPACING_US) <= 5_000
        for position, sample in enumerate(samples):
            assert abs(values[start + position] - sample) <= QUANTUM_M_S2
            drift_us = times[start + position] - times[start] - position * SPACING_US
            assert abs(drift_us) <= 5_000


def find(values: list[float], wanted: list[float]) -> int:
    """Return where `wanted` begins in `values`: the offset with the least error."""
    last = len(values) - len(wanted)
    assert last >= 0, "less arrived than was recorded"

    def error(start: int) -> float:
        return math.fsum(abs(values[start + at] - wanted[at]) for at in range(0, len(wanted), 7))

    return min(range(last + 1), key=error)


@pytest.mark.timeout(240)
def test_a_knet_record_arrives_at_the_platform_as_it_was_recorded(tmp_path: Path) -> None:
    assert OBSPY is not None and OBSPY.submodule_search_locations
    record = Path(OBSPY.submodule_search_locations[0]) / "io/nied/tests/data/test.knet"
    seconds = read_recording(record).duration_us // 1_000_000 + 6
    check(play(tmp_path, record, seconds), record)


def test_a_csv_record_arrives_at_the_platform_as_it_was_recorded(tmp_path: Path) -> None:
    record = tmp_path / "mine.csv"
    rows = ["time_s,x_gal,y_gal,z_gal"]
    for number in range(900):
        at_s = number / 100
        wave = 120 * math.sin(at_s * 9) * math.exp(-((at_s - 4) ** 2))
        rows.append(f"{at_s:.2f},{wave:.4f},{-0.5 * wave:.4f},{0.3 * wave * math.cos(at_s):.4f}")
    record.write_text("\n".join(rows) + "\n")
    check(play(tmp_path, record, 16), record)
