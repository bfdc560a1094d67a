"""miniSEED recordings, written by pymseed and by obspy (an independent reader and writer)."""

import math
import sys
from pathlib import Path
from typing import Any

import pytest

from simulators.signals.recording import RecordingError, read_recording
from tests.real_parts import REPOSITORY

pymseed: Any = pytest.importorskip("pymseed")
COUNTS = {
    letter: [round(1000 * math.sin(k / (7 + at))) for k in range(900)]
    for at, letter in enumerate("ENZ")
}


def write(path: Path, version: int = 3, **changes: dict[str, Any]) -> Path:
    """Write components; changes: letter -> arguments of add_data that differ."""
    traces = pymseed.MS3TraceList()
    for letter, counts in COUNTS.items():
        row = {"data_samples": counts, "sample_rate": 100.0, "starttime_seconds": 1.7e9}
        row.update(changes.get(letter, {}))
        traces.add_data(f"FDSN:XX_STA__H_N_{letter}", sample_type="i", **row)
    traces.to_file(str(path), overwrite=True, format_version=version)
    return path


@pytest.mark.parametrize("version", [2, 3])
def test_counts_are_gal_and_axes_are_east_north_up(tmp_path: Path, version: int) -> None:
    record = read_recording(write(tmp_path / "quake.mseed", version))
    assert (record.rate_mhz, len(record), record.title) == (100_000, 900, "quake")
    for axis, letter in zip((record.x, record.y, record.z), "ENZ", strict=True):
        assert list(axis) == pytest.approx([count * 0.01 for count in COUNTS[letter]])
    assert record.sample(5_000_000) == pytest.approx(
        tuple(COUNTS[letter][500] * 0.01 for letter in "ENZ")
    )


def test_obspy_reads_the_same_and_what_it_writes_reads_the_same(tmp_path: Path) -> None:
    obspy = pytest.importorskip("obspy")
    ours = read_recording(write(tmp_path / "ours.mseed", version=2))
    stream = obspy.read(str(tmp_path / "ours.mseed"))
    assert {trace.stats.channel[-1]: list(trace.data) for trace in stream} == COUNTS
    stream.write(str(tmp_path / "theirs.mseed"), format="MSEED")
    theirs = read_recording(tmp_path / "theirs.mseed")
    assert (theirs.x, theirs.y, theirs.z) == (ours.x, ours.y, ours.z)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"N": {"sample_rate": 50.0}}, "one rate"),
        ({"Z": {"starttime_seconds": 1.7e9 + 1}}, "begin together"),
    ],
)
def test_components_that_do_not_belong_together_are_refused(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(RecordingError, match=words):
        read_recording(write(tmp_path / "x.mseed", **changes))


def test_gaps_and_damage_are_refused(tmp_path: Path) -> None:
    traces = pymseed.MS3TraceList()
    for start_s in (1.7e9, 1.7e9 + 60):
        traces.add_data("FDSN:XX_STA__H_N_Z", [1, 2, 3], "i", 100.0, starttime_seconds=start_s)
    traces.to_file(str(tmp_path / "gap.mseed"))
    with pytest.raises(RecordingError, match="no gaps"):
        read_recording(tmp_path / "gap.mseed")
    whole = write(tmp_path / "cut.mseed").read_bytes()
    (tmp_path / "cut.mseed").write_bytes(whole[: len(whole) // 2 - 7])
    with pytest.raises(RecordingError, match="whole miniSEED records"):
        read_recording(tmp_path / "cut.mseed")
    (tmp_path / "cut.mseed").write_bytes(whole[:200] + b"?" + whole[201:])
    with pytest.raises(RecordingError, match="whole miniSEED records"):
        read_recording(tmp_path / "cut.mseed")


def test_without_pymseed_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "x.mseed")
    monkeypatch.setitem(sys.modules, "pymseed", None)
    with pytest.raises(RecordingError, match=r"pip install 'hinomi\[mseed\]'"):
        read_recording(path)


def test_the_extra_is_declared() -> None:
    assert "\nmseed = [" in (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
