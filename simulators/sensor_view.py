"""What `hinomi sim chips` and `hinomi sim board` show: models in words, readings as lines."""

import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from simulators.clock import HandClock
from simulators.pytest_parts import SimTown

BARS = "▁▂▃▄▅▆▇█"
POINTS_MAX = 24
STEP_S = 0.25


def chip_lines(found: list[dict[str, Any]], *, is_whole: bool) -> Iterator[str]:
    """Yield the lines that list models; whole: with what each says of itself and its registers."""
    for model in found:
        count = len(model["registers"])
        registers = f"{count} registers" if count else "no registers"
        yield f"{model['driver']:<16} {registers:<14} {model['title']}"
        if not is_whole:
            continue
        yield from ("", *model["model"].splitlines(), "")
        for row in model["registers"]:
            value = f"{row['power_up']:0{row['bits'] // 4}X}"
            yield f"  0x{row['register']:02X}  {row['name']:<18} at power-up 0x{value}"


class Track:
    """One channel: its statistics, and the points of its plot."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.count = 0
        self.total = 0.0
        self.lowest = self.highest = self.last = 0.0
        self.points: deque[float] = deque(maxlen=POINTS_MAX)

    def add(self, values: list[float]) -> None:
        """Take what one step read."""
        if not values:
            return
        if not self.count:
            self.lowest = self.highest = values[0]
        self.lowest = min(self.lowest, *values)
        self.highest = max(self.highest, *values)
        self.count += len(values)
        self.total += sum(values)
        self.last = values[-1]
        # The value that lies furthest from the mean: a quake must not fall between two points.
        mean = self.total / self.count
        self.points.append(max(values, key=lambda value: abs(value - mean)))

    def plot(self) -> str:
        """Return the points as bars between the lowest and the highest of them."""
        if not self.points:
            return ""
        low, high = min(self.points), max(self.points)
        steps = len(BARS) - 1
        span = high - low or 1.0
        return "".join(BARS[round((point - low) / span * steps)] for point in self.points)

    def report(self) -> dict[str, Any]:
        """Return the statistics."""
        if not self.count:
            return {"unit": self.unit, "count": 0}
        return {
            "unit": self.unit,
            "count": self.count,
            "min": self.lowest,
            "mean": self.total / self.count,
            "max": self.highest,
            "last": self.last,
        }


class BoardView:
    """One simulated board and what its channels have read. IndexError: none of that profile."""

    def __init__(self, profile: str, scenario: str, seed: int) -> None:
        self.profile = profile
        self.clock = HandClock()
        self.device = SimTown(self.clock, scenario, seed).device(profile)
        self.tracks = {
            (f"{name}.{suffix}" if suffix else name): Track(unit)
            for name, driver in self.device.drivers.items()
            for suffix, unit, *_ in driver.channels
        }

    def advance(self, seconds: float) -> None:
        """Let the world run so far, and read."""
        until_us = self.clock.now_us() + round(seconds * 1_000_000)
        while (left_us := until_us - self.clock.now_us()) > 0:
            made = self.device.run(min(STEP_S, left_us / 1_000_000))
            for channel, rows in made.items():
                self.tracks[channel].add([value for _, value in rows])

    def report(self) -> dict[str, Any]:
        """Return profile, seconds and the statistics of each channel."""
        return {
            "profile": self.profile,
            "seconds": self.clock.now_us() / 1_000_000,
            "channels": {channel: track.report() for channel, track in self.tracks.items()},
        }

    def table(self) -> Table:
        """Return the channels as a table."""
        title = f"{self.profile}  {self.clock.now_us() / 1_000_000:.1f} s"
        table = Table("channel", "value", "unit", "lowest", "highest", "", title=title)
        for channel, track in self.tracks.items():
            numbers = [f"{n:.5g}" if track.count else "" for n in _numbers(track)]
            table.add_row(channel, numbers[0], track.unit, *numbers[1:], track.plot())
        return table


def show(view: BoardView, seconds: int) -> None:
    """Show the board for so long: live on a terminal, at once where nobody watches."""
    console = Console()
    if not console.is_terminal:
        view.advance(seconds)
        console.print(view.table())
        return
    began_s = time.monotonic()
    with Live(view.table(), console=console, auto_refresh=False) as live:
        while (elapsed_s := view.clock.now_us() / 1_000_000) < seconds:
            time.sleep(max(0.0, began_s + elapsed_s + STEP_S - time.monotonic()))
            view.advance(STEP_S)
            live.update(view.table(), refresh=True)


def _numbers(track: Track) -> tuple[float, float, float]:
    return track.last, track.lowest, track.highest
