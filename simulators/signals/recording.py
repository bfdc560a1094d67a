"""A recorded strong motion, played as a signal: K-NET ASCII, plain CSV, and miniSEED.

K-NET ASCII (NIED, "About K-NET ASCII format", https://www.kyoshin.bosai.go.jp): one file for each
component, .EW .NS .UD (KiK-net: .EW1 .. in the borehole, .EW2 .. at the surface); 17 header
lines of a name in 18 columns and a value, the last one "Memo."; then counts, 8 in a line. Counts
times the scale factor, e.g. 3920(gal)/6182761, are the acceleration in gal (0.01 m/s2). The
offset that the instrument left in the record is kept, so that a reader finds the record's own
numbers.

miniSEED: see simulators.signals.miniseed.

CSV: time in s and three axes in gal in each line, evenly spaced; one header line may stand first.

Axes: x east, y north, z up.
"""

import re
from array import array
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from simulators.signals.basic import Axes, Mix, ThreeAxis

M_S2_PER_GAL = 0.01
KNET_FIRST_WORDS = "Origin Time"
KNET_NAME_COLUMNS = 18
KNET_LAST_NAME = "Memo."
# Direction in the header (K-NET, and KiK-net's channel number) -> axis.
KNET_AXES = {"E-W": 0, "N-S": 1, "U-D": 2, "1": 1, "2": 0, "3": 2, "4": 1, "5": 0, "6": 2}
KNET_SUFFIX = re.compile(r"\.(EW|NS|UD)([12]?)$", re.IGNORECASE)
KNET_SCALE = re.compile(r"([\d.]+)\s*\(gal\)\s*/\s*([\d.]+)")
UNEVEN_SHARE_MAX = 0.25  # of the spacing: more than the rounding of printed times ever makes


class RecordingError(ValueError):
    """A record that cannot be played: which file, which line, and what belongs there."""

    def __init__(self, path: Path, line: int, expected: str) -> None:
        self.path, self.line, self.expected = path, line, expected
        place = f"{path}, line {line}" if line else str(path)
        super().__init__(f"{place}: expected {expected}")


class Recording:
    """Three axes of acceleration in m/s2 at an even rate, from start_us on; `rest` around it."""

    def __init__(
        self,
        rate_mhz: int,
        axes: Sequence[Sequence[float]],
        *,
        start_us: int = 0,
        rest: Axes = (0.0, 0.0, 0.0),
        title: str = "",
    ) -> None:
        """rate_mhz: samples a second, times 1000. axes: x, y, z of equal length.

        rest: added at all times, such as gravity. title: where and when it was recorded.
        """
        self.rate_mhz = rate_mhz
        self.x, self.y, self.z = (array("d", axis) for axis in axes)
        self.start_us = start_us
        self.rest = rest
        self.title = title
        self._rows = [
            (x + rest[0], y + rest[1], z + rest[2])
            for x, y, z in zip(self.x, self.y, self.z, strict=True)
        ]

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def duration_us(self) -> int:
        return len(self._rows) * 1_000_000_000 // self.rate_mhz

    def sample(self, t_us: int) -> Axes:
        """Return the sample that is nearest to world time t_us."""
        index = ((t_us - self.start_us) * self.rate_mhz + 500_000_000) // 1_000_000_000
        if 0 <= index < len(self._rows):
            return self._rows[index]
        return self.rest

    def starting(self, start_us: int, rest: Axes = (0.0, 0.0, 0.0)) -> "Recording":
        """Return the same record, played from start_us on, over `rest`."""
        axes = (self.x, self.y, self.z)
        return Recording(self.rate_mhz, axes, start_us=start_us, rest=rest, title=self.title)

    def add(self, other: ThreeAxis) -> Mix:
        """Return the sum of this record and another signal."""
        return Mix(self, other)


def read_recording(path: Path) -> Recording:
    """Read a record in any format; of K-NET the sibling components that lie beside it as well.

    RecordingError: it cannot be read, is cut short, or its parts do not belong together.
    """
    from simulators.signals import miniseed  # it makes Recordings

    if miniseed.is_miniseed(path):
        return miniseed.read_miniseed(path)
    lines = _read_lines(path)
    if lines[0].startswith(KNET_FIRST_WORDS):
        return _read_knet(path, lines)
    return _read_csv(path, lines)


def _read_lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except UnicodeDecodeError as error:
        raise RecordingError(path, 0, "ASCII text (K-NET ASCII or CSV) or miniSEED") from error
    except OSError as error:
        raise RecordingError(path, 0, f"a file that can be read ({error.strerror})") from error
    if not lines:
        raise RecordingError(path, 1, 'a K-NET header ("Origin Time") or CSV, not an empty file')
    return lines


# K-NET ASCII


class _Component:
    """One file of a K-NET record: the header's values that matter, and the axis in m/s2."""

    def __init__(self, path: Path, lines: list[str]) -> None:
        self.path = path
        self._lines = lines
        self._header, body_start = self._read_header()
        self.station = self._text("Station Code")
        self.recorded = self._text("Record Time")
        self.rate_mhz = self._rate_mhz()
        self.axis = self._axis()
        scale = self._scale_m_s2()
        self.samples = array("d", (count * scale for count in self._counts(body_start)))
        self._check_length()

    def belongs_with(self, other: "_Component") -> bool:
        """Whether both are of one record: station, time, rate and length agree."""
        return (self.station, self.recorded, self.rate_mhz, len(self.samples)) == (
            other.station,
            other.recorded,
            other.rate_mhz,
            len(other.samples),
        )

    def _read_header(self) -> tuple[dict[str, tuple[int, str]], int]:
        """Return name -> (line, value), and the index of the first line of counts."""
        header = {}
        for index, text in enumerate(self._lines):
            name = text[:KNET_NAME_COLUMNS].strip()
            header[name] = (index + 1, text[KNET_NAME_COLUMNS:].strip())
            if name == KNET_LAST_NAME:
                return header, index + 1
        raise RecordingError(self.path, len(self._lines), 'the header\'s last line, "Memo."')

    def _text(self, name: str) -> str:
        return self._field(name)[1]

    def _field(self, name: str) -> tuple[int, str]:
        if name not in self._header:
            last = self._header[KNET_LAST_NAME][0]
            raise RecordingError(self.path, last, f'a header line "{name}" above this one')
        return self._header[name]

    def _rate_mhz(self) -> int:
        line, text = self._field("Sampling Freq(Hz)")
        found = re.fullmatch(r"(\d+)\s*Hz", text)
        if not found or not int(found[1]):
            raise RecordingError(self.path, line, f'a rate such as "100Hz", not "{text}"')
        return int(found[1]) * 1000

    def _axis(self) -> int:
        line, text = self._field("Dir.")
        if text not in KNET_AXES:
            allowed = ", ".join(KNET_AXES)
            raise RecordingError(self.path, line, f'one of {allowed}, not "{text}"')
        return KNET_AXES[text]

    def _scale_m_s2(self) -> float:
        line, text = self._field("Scale Factor")
        found = KNET_SCALE.fullmatch(text)
        if not found or not float(found[2]):
            raise RecordingError(self.path, line, f'such as "3920(gal)/6182761", not "{text}"')
        return M_S2_PER_GAL * float(found[1]) / float(found[2])

    def _counts(self, body_start: int) -> list[int]:
        counts: list[int] = []
        for index in range(body_start, len(self._lines)):
            try:
                counts.extend(map(int, self._lines[index].split()))
            except ValueError as error:
                raise RecordingError(self.path, index + 1, "whole numbers (counts)") from error
        return counts

    def _check_length(self) -> None:
        line, text = self._field("Duration Time(s)")
        try:
            expected = round(float(text) * self.rate_mhz / 1000)
        except ValueError as error:
            raise RecordingError(self.path, line, f'seconds, not "{text}"') from error
        if len(self.samples) != expected:
            raise RecordingError(
                self.path,
                len(self._lines),
                f"{expected} counts in all ({text} s), not {len(self.samples)}",
            )


def _read_knet(path: Path, lines: list[str]) -> Recording:
    first = _Component(path, lines)
    axes: list[array[float]] = [array("d", bytes(8 * len(first.samples))) for _ in range(3)]
    axes[first.axis] = first.samples
    seen = {first.axis}
    for sibling_path in _siblings(path):
        sibling = _Component(sibling_path, _read_lines(sibling_path))
        if not sibling.belongs_with(first):
            raise RecordingError(
                sibling_path, 0, f"station, time, rate and length as in {path.name}"
            )
        if sibling.axis in seen:
            raise RecordingError(sibling_path, 0, f"another direction than in {path.name}")
        seen.add(sibling.axis)
        axes[sibling.axis] = sibling.samples
    return Recording(
        first.rate_mhz, axes, title=f"{first.station} {first.recorded}".replace("/", "-") + " JST"
    )


def _siblings(path: Path) -> list[Path]:
    """Return the files beside path that hold the other components, by their names."""
    suffix = KNET_SUFFIX.search(path.name)
    if not suffix:
        return []
    stem, level = path.name[: suffix.start()], suffix[2]
    wanted = {f"{stem}.{name}{level}".upper() for name in ("EW", "NS", "UD")} - {path.name.upper()}
    return sorted(other for other in path.parent.iterdir() if other.name.upper() in wanted)


# CSV


def _read_csv(path: Path, lines: list[str]) -> Recording:
    times_s = array("d")
    axes = [array("d") for _ in range(3)]
    line_numbers = array("l")
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        row = _parse_row(text)
        if row is None:
            if number == 1:
                continue  # the header
            raise RecordingError(
                path, number, f'four numbers (s, gal, gal, gal), not "{text[:64]}"'
            )
        times_s.append(row[0])
        line_numbers.append(number)
        for axis, gal in zip(axes, row[1:], strict=True):
            axis.append(gal * M_S2_PER_GAL)
    return Recording(_even_rate_mhz(path, times_s, line_numbers), axes, title=path.stem)


def _parse_row(text: str) -> list[float] | None:
    try:
        row = [float(field) for field in text.split(",")]
    except ValueError:
        return None
    is_finite = all(abs(value) < float("inf") for value in row)
    return row if len(row) == 4 and is_finite else None


def _even_rate_mhz(path: Path, times_s: "array[float]", line_numbers: "array[int]") -> int:
    """Return the rate of evenly spaced times; RecordingError at the first uneven one."""
    if len(times_s) < 2:
        last = line_numbers[-1] if line_numbers else 1
        raise RecordingError(path, last, "at least two lines of samples")
    spacings_s = [later - earlier for earlier, later in pairwise(times_s)]
    usual_s = sorted(spacings_s)[len(spacings_s) // 2]
    for number, spacing_s in zip(line_numbers[1:], spacings_s, strict=True):
        if not 0 < spacing_s or abs(spacing_s - usual_s) > UNEVEN_SHARE_MAX * usual_s:
            raise RecordingError(
                path, number, f"a time {usual_s:g} s after the line before, not {spacing_s:g} s"
            )
    return round(len(spacings_s) / (times_s[-1] - times_s[0]) * 1000)
