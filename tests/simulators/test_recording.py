"""Recordings: K-NET ASCII and CSV, checked against ObsPy's reader, and every way to spoil them."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulators.signals.basic import Constant
from simulators.signals.recording import Recording, RecordingError, read_recording

STANDARD_HEADER = {
    "Origin Time": "2024/01/01 16:10:00",
    "Lat.": "37.498",
    "Long.": "137.242",
    "Depth. (km)": "16",
    "Mag.": "7.6",
    "Station Code": "ISK001",
    "Station Lat.": "37.5",
    "Station Long.": "137.2",
    "Station Height(m)": "10",
    "Record Time": "2024/01/01 16:10:20",
    "Sampling Freq(Hz)": "100Hz",
    "Duration Time(s)": "1",
    "Dir.": "E-W",
    "Scale Factor": "3920(gal)/6182761",
    "Max. Acc. (gal)": "1.0",
    "Last Correction": "2024/01/01 16:10:00",
    "Memo.": "",
}


def write_knet(path: Path, counts: list[int], **changes: str) -> Path:
    """Write a K-NET file; changes: values of header lines, by the start of their names."""
    lines = []
    for name, text in STANDARD_HEADER.items():
        changed = [value for key, value in changes.items() if name.startswith(key)]
        lines.append(f"{name:<18}{(changed or [text])[0]}")
    for start in range(0, len(counts), 8):
        lines.append("".join(f"{count:9d}" for count in counts[start : start + 8]))
    path.write_text("\n".join(lines) + "\n")
    return path


def write_csv(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join(rows) + "\n")
    return path


def knet_record_of_obspy() -> tuple[Path, Any]:
    """Return the K-NET file among ObsPy's own test data, and what ObsPy reads from it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of ObsPy's own
        import obspy

        path = Path(obspy.__file__).parent / "io/nied/tests/data/test.knet"
        return path, obspy.read(str(path), format="KNET", apply_calib=True)[0]


def test_reads_what_obspy_reads_from_a_real_record() -> None:
    path, trace = knet_record_of_obspy()
    recording = read_recording(path)
    assert recording.rate_mhz == 1000 * trace.stats.sampling_rate
    assert len(recording) == trace.stats.npts == 5900
    assert recording.duration_us == 59_000_000
    for ours, theirs in zip(recording.x, trace.data, strict=True):  # the record is of E-W
        assert ours == pytest.approx(theirs, rel=1e-12)
    assert set(recording.y) == set(recording.z) == {0.0}
    assert recording.title == "AKT013 1996-08-11 03:12:39 JST"


def test_a_component_brings_its_siblings_on_their_axes(tmp_path: Path) -> None:
    counts = {"EW": 1000, "NS": 2000, "UD": 3000}
    for name, first in counts.items():
        direction = f"{name[0]}-{name[1]}"
        write_knet(tmp_path / f"A.{name}", [first + k for k in range(100)], Dir=direction)
    write_knet(tmp_path / "B.EW", [7] * 100)
    for name in counts:
        recording = read_recording(tmp_path / f"A.{name}")
        unit = 0.01 * 3920 / 6182761
        assert recording.x[1] == pytest.approx(1001 * unit)
        assert recording.y[1] == pytest.approx(2001 * unit)
        assert recording.z[1] == pytest.approx(3001 * unit)


def test_borehole_and_surface_of_kik_net_stay_apart(tmp_path: Path) -> None:
    for name, direction, count in (("EW1", "2", 1), ("EW2", "5", 2), ("UD2", "6", 3)):
        write_knet(tmp_path / f"K.{name}", [count] * 100, Dir=direction)
    surface = read_recording(tmp_path / "K.UD2")
    assert (surface.x[0] > 0, surface.y[0], surface.z[0] > 0) == (True, 0.0, True)
    assert surface.x[0] == pytest.approx(2 * 0.01 * 3920 / 6182761)
    borehole = read_recording(tmp_path / "K.EW1")
    assert (borehole.x[0] > 0, borehole.y[0], borehole.z[0]) == (True, 0.0, 0.0)


def test_csv_with_and_without_header(tmp_path: Path) -> None:
    rows = ["0.00,1,2,3", "0.01,4,5,6", "", "0.02,-7,8.5,9e0"]
    for head in ([], ["time_s,x,y,z"]):
        recording = read_recording(write_csv(tmp_path / "quake.csv", head + rows))
        assert recording.rate_mhz == 100_000
        assert list(recording.x) == pytest.approx([0.01, 0.04, -0.07])
        assert list(recording.y) == pytest.approx([0.02, 0.05, 0.085])
        assert list(recording.z) == pytest.approx([0.03, 0.06, 0.09])


def test_csv_may_round_its_times(tmp_path: Path) -> None:
    rows = [f"{number / 256:.4f},0,0,0" for number in range(2000)]
    assert read_recording(write_csv(tmp_path / "a.csv", rows)).rate_mhz == 256_000


def test_each_sample_is_played_at_its_own_time() -> None:
    axes = [[float(number + 10 * axis) for number in range(4)] for axis in range(3)]
    recording = Recording(100_000, axes, start_us=1_000_000)
    for number in range(4):
        for off_us in (-5_000, 0, 4_999):
            row = recording.sample(1_000_000 + number * 10_000 + off_us)
            assert row == (number, 10 + number, 20 + number)


def test_rest_surrounds_the_record_and_lies_under_it() -> None:
    recording = Recording(100_000, [[1.0], [2.0], [3.0]]).starting(50_000, (0.0, 0.0, 9.8))
    assert recording.sample(44_999) == recording.sample(55_000) == (0.0, 0.0, 9.8)
    assert recording.sample(50_000) == (1.0, 2.0, 3.0 + 9.8)


def test_rate_that_no_whole_microsecond_spaces_does_not_drift() -> None:
    recording = Recording(3_000, [[float(k) for k in range(30_000)]] * 3)
    assert recording.sample(9_999_000_000)[0] == 29_997.0


def test_record_can_be_added_to_another_signal() -> None:
    mix = Recording(100_000, [[1.0]] * 3).add(Constant((0.0, 0.0, 9.8)))
    assert mix.sample(0) == (1.0, 1.0, 10.8)


def spoiled_cases() -> dict[str, tuple[Callable[[Path], Path], int, str]]:
    """Return name -> (writer, line that the error names, 0 for none, words in it)."""
    good = [3] * 100

    def knet(counts: list[int] = good, **changes: str) -> Callable[[Path], Path]:
        return lambda folder: write_knet(folder / "A.EW", counts, **changes)

    def csv(*rows: str) -> Callable[[Path], Path]:
        return lambda folder: write_csv(folder / "a.csv", list(rows))

    def text(content: str | bytes) -> Callable[[Path], Path]:
        def write(folder: Path) -> Path:
            raw = content if isinstance(content, bytes) else content.encode()
            (folder / "a.txt").write_bytes(raw)
            return folder / "a.txt"

        return write

    return {
        "no file": (lambda folder: folder / "none.EW", 0, "can be read"),
        "folder": (lambda folder: folder, 0, "can be read"),
        "empty": (text(""), 1, "K-NET header"),
        "binary": (text(b"\xff\x00\x80"), 0, "ASCII"),
        "only a header": (text("Origin Time       2024\nLat.   1\n"), 2, "Memo."),
        "missing lines": (text("Origin Time       2024\nMemo.\n1 2\n"), 2, "Station Code"),
        "rate": (knet(Sampling="fast"), 11, "100Hz"),
        "zero rate": (knet(Sampling="0Hz"), 11, "100Hz"),
        "duration": (knet(Duration="long"), 12, "seconds"),
        "direction": (knet(Dir="up"), 13, "E-W, N-S, U-D"),
        "scale": (knet(Scale="3920/6182761"), 14, "3920(gal)/6182761"),
        "zero scale": (knet(Scale="3920(gal)/0"), 14, "3920(gal)/6182761"),
        "cut short": (knet(good[:-1]), 30, "100 counts"),
        "csv text": (csv("t,x,y,z", "0,0,0,0", "0.01,a,0,0"), 3, "four numbers"),
        "csv columns": (csv("0,0,0,0", "0.01,0,0"), 2, "four numbers"),
        "csv infinite": (csv("0,0,0,0", "0.01,0,0,inf"), 2, "four numbers"),
        "csv not a number": (csv("0,0,0,0", "0.01,0,0,nan"), 2, "four numbers"),
        "csv one sample": (csv("t,x,y,z", "0,0,0,0"), 2, "two lines"),
        "csv header only": (csv("t,x,y,z"), 1, "two lines"),
        "csv hole": (
            csv(*(f"{k / 100},0,0,0" for k in range(10) if k != 6)),
            7,
            "0.01 s after the line before, not 0.02 s",
        ),
        "csv backwards": (csv("0,0,0,0", "0.01,0,0,0", "0.005,0,0,0"), 3, "after"),
        "csv standing still": (csv("0,0,0,0", "0,0,0,0", "0,0,0,0"), 2, "after"),
    }


@pytest.mark.parametrize("name", spoiled_cases())
def test_spoiled_record_is_refused_by_file_line_and_reason(name: str, tmp_path: Path) -> None:
    write, line, words = spoiled_cases()[name]
    path = write(tmp_path)
    with pytest.raises(RecordingError) as caught:
        read_recording(path)
    assert str(path) in str(caught.value)
    assert words in caught.value.expected
    assert caught.value.line == line


def test_letters_among_the_counts_are_refused_by_line(tmp_path: Path) -> None:
    path = write_knet(tmp_path / "A.EW", [3] * 100)
    lines = path.read_text().splitlines()
    lines[20] = lines[20].replace("3", "x", 1)
    path.write_text("\n".join(lines))
    with pytest.raises(RecordingError, match=r"line 21: expected whole numbers"):
        read_recording(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Station Code": "ISK002"}, "station"),
        ({"Record": "2024/01/01 16:10:21"}, "time"),
        ({"Sampling": "50Hz", "Duration": "2"}, "rate"),
        ({"Dir": "E-W"}, "another direction"),
    ],
)
def test_sibling_of_another_record_is_refused(
    changes: dict[str, str], words: str, tmp_path: Path
) -> None:
    write_knet(tmp_path / "A.EW", [1] * 100)
    write_knet(tmp_path / "A.NS", [1] * 100, **{"Dir": "N-S", **changes})
    with pytest.raises(RecordingError, match=words) as caught:
        read_recording(tmp_path / "A.EW")
    assert caught.value.path.name == "A.NS"
