"""What was measured: the runs of each figure, as a table and as build/bench.json."""

import json
import statistics
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


class Figures:
    """Collects runs by key. A key starts with the part it measures."""

    def __init__(self) -> None:
        self._units: dict[str, str] = {}
        self._runs: dict[str, list[float]] = {}

    def add(self, key: str, value: float, unit: str) -> None:
        """Note one run."""
        self._units.setdefault(key, unit)
        self._runs.setdefault(key, []).append(value)
        Console(stderr=True).print(f"  {key} = {_short(value)} {unit}", highlight=False)

    def rows(self) -> dict[str, dict[str, Any]]:
        """Return key -> value (the median), unit, runs, min and max."""
        return {
            key: {
                "value": round(statistics.median(runs), 6),
                "unit": self._units[key],
                "runs": len(runs),
                "min": round(min(runs), 6),
                "max": round(max(runs), 6),
            }
            for key, runs in self._runs.items()
        }

    def show(self) -> None:
        """Print the table."""
        table = Table("figure", "median", "unit", "runs", "min", "max", title="Hinomi benchmarks")
        for column in (1, 3, 4, 5):
            table.columns[column].justify = "right"
        for key, row in self.rows().items():
            numbers = [_short(row[name]) for name in ("value", "min", "max")]
            table.add_row(key, numbers[0], row["unit"], str(row["runs"]), *numbers[1:])
        Console(width=110).print(table)

    def write(self, path: Path) -> None:
        """Write the figures; those of parts that were not chosen this time stay as they are."""
        kept = json.loads(path.read_text()) if path.exists() else {}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**kept, **self.rows()}, indent=1, sort_keys=True) + "\n")


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
