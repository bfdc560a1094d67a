"""Any even series survives the way through a CSV file."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from simulators.signals.recording import read_recording

GAL = st.floats(-2000.0, 2000.0, allow_nan=False)


@given(
    rows=st.lists(st.tuples(GAL, GAL, GAL), min_size=2, max_size=60),
    rate_hz=st.sampled_from([10, 50, 100, 200, 250, 1000]),
    start_s=st.integers(0, 100_000),
)
def test_csv_gives_back_every_sample_in_order(
    rows: list[tuple[float, float, float]], rate_hz: int, start_s: int
) -> None:
    lines = [
        f"{start_s + index / rate_hz:.6f},{x!r},{y!r},{z!r}"
        for index, (x, y, z) in enumerate(rows)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_text("\n".join(lines))
        recording = read_recording(path)
    assert recording.rate_mhz == rate_hz * 1000
    played = [recording.sample(index * 1_000_000 // rate_hz) for index in range(len(rows))]
    assert played == [(x * 0.01, y * 0.01, z * 0.01) for x, y, z in rows]
