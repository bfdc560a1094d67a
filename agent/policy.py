"""What a mode means for each sensor: whether it runs, how fast, how urgent, how often it reports.

A mode without a row for a sensor takes that of normal operation, key by key.
"""

from protocols.vocabulary import MODE_NAMES

# Keys of a policy row that are the driver's own settings and differ by mode.
PACE_KEYS = ("every_ms", "rate_mhz", "window_ms")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Rule:
    """What one mode means for one sensor.

    on: it is sampled. waveform: its samples are sent, features: what each report's window comes
    to. lane. report_us: longest time that a reading waits for its batch. pace:
    settings of the driver that this mode overrides.
    """

    def __init__(self, row: "dict[str, Any]", lane: int) -> None:
        self.on: bool = row.get("on", True)
        self.waveform: bool = row.get("waveform", True)
        self.features: bool = row.get("features", False)
        self.lane: int = row.get("lane", lane)
        self.report_us: int = row["report_ms"] * 1000
        self.pace = {key: row[key] for key in PACE_KEYS if key in row}


class Policy:
    """The checked "policy" part of config.json.

    Lanes: sensor name -> its lane where no row has one.
    """

    def __init__(self, rows: "dict[str, Any]", lanes: "dict[str, int]") -> None:
        self._rules = [
            {name: Rule(_row(rows, mode, name), lanes[name]) for name in lanes}
            for mode in MODE_NAMES
        ]

    def rule(self, mode: int, sensor: str) -> Rule:
        """Return what mode (0..2) means for the sensor."""
        return self._rules[mode][sensor]

    def rules_of(self, sensor: str) -> "list[Rule]":
        """Return the rules of all modes for the sensor."""
        return [rules[sensor] for rules in self._rules]


def _row(rows: "dict[str, Any]", mode: str, sensor: str) -> "dict[str, Any]":
    row: dict[str, Any] = {"report_ms": 60_000}
    row.update(rows["normal"].get(sensor, {}))
    row.update(rows.get(mode, {}).get(sensor, {}))
    return row
