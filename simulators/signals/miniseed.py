"""A recording in miniSEED 2 or 3 (FDSN), read through `pymseed`: `pip install 'hinomi[mseed]'`.

miniSEED has samples and no unit: they are taken for gal times `gal_per_count`. One file holds up
to three components, named by the last letter of their source: E N Z, or 1 2 3 as K-NET numbers
them (north, east, up). A component that is not there stays at rest.
"""

import importlib
import re
from array import array
from collections import deque
from pathlib import Path
from typing import Any

from simulators.signals.recording import M_S2_PER_GAL, Recording, RecordingError

# Version 3 begins with "MS" and a 3; version 2 with a sequence number and the quality.
MAGIC = re.compile(rb"MS\x03|[0-9 ]{6}[DRQM]")
MAGIC_SIZE = 8
AXES = {"E": 0, "N": 1, "Z": 2, "1": 1, "2": 0, "3": 2}
SAMPLE_TYPES = ("i", "f", "d")
START_SPREAD_NS_MAX = 1_000_000  # components of one instrument; clocks are no better than this


def is_miniseed(path: Path) -> bool:
    """Return whether the file begins as miniSEED does; False where it cannot be read."""
    try:
        with path.open("rb") as file:
            return MAGIC.match(file.read(MAGIC_SIZE)) is not None
    except OSError:
        return False


def read_miniseed(path: Path, gal_per_count: float = 1.0) -> Recording:
    """Read a miniSEED file; RecordingError: no pymseed, damaged, gaps, components that differ."""
    traces = _read_traces(path)  # the samples below live in it
    segments = _segments(path, traces)
    first = segments[0][1]
    length = min(segment.numsamples for _, segment in segments)
    scale = M_S2_PER_GAL * gal_per_count
    axes = [array("d", bytes(8 * length)) for _ in range(3)]
    for axis, segment in segments:
        if segment.samprate != first.samprate:
            raise RecordingError(path, 0, "components of one rate")
        if abs(segment.starttime - first.starttime) > START_SPREAD_NS_MAX:
            raise RecordingError(path, 0, "components that begin together")
        axes[axis] = array("d", (sample * scale for sample in segment.datasamples[:length]))
    return Recording(round(first.samprate * 1000), axes, title=path.stem)


def _read_traces(path: Path) -> Any:
    try:
        pymseed = importlib.import_module("pymseed")
    except ImportError as error:
        wanted = "pymseed to read miniSEED with; get it with: pip install 'hinomi[mseed]'"
        raise RecordingError(path, 0, wanted) from error
    try:
        # The list leaves out what is cut short at the end without a word; the records do not.
        deque(pymseed.MS3Record.from_file(str(path)), maxlen=0)
        return pymseed.MS3TraceList.from_file(str(path), unpack_data=True)
    except (pymseed.PymseedError, ValueError) as error:
        raise RecordingError(path, 0, f"whole miniSEED records ({error})") from error


def _segments(path: Path, traces: Any) -> list[tuple[int, Any]]:
    """Return (axis, its only segment) of each component; at least one."""
    found: dict[int, Any] = {}
    for trace in traces:
        axis = AXES.get(trace.sourceid[-1])
        if axis is None or axis in found:
            raise RecordingError(path, 0, f"one each of E N Z or 1 2 3, not {trace.sourceid}")
        if len(trace) != 1:
            raise RecordingError(path, 0, f"no gaps, but {trace.sourceid} has {len(trace)} parts")
        found[axis] = trace[0]
        if trace[0].sampletype not in SAMPLE_TYPES:
            raise RecordingError(path, 0, f"numbers in {trace.sourceid}")
    if not found:
        raise RecordingError(path, 0, "at least one component")
    return sorted(found.items(), key=lambda item: item[0])
