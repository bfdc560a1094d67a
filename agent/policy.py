"""What a mode means for each sensor: whether it runs, how fast, how urgent, how often it reports.

A mode without a row for a sensor takes that of normal operation, key by key. What the hub orders
(agent.policy_order) lies over the device's own rows, key by key as well.
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
    to. lane. report_us: longest time that a reading waits for its batch. trigger_raw: peak that
    is an alert, 0: none, -1: as the sensor's own row says. pace: settings of the driver that this
    mode overrides.
    """

    def __init__(self, row: "dict[str, Any]", lane: int) -> None:
        self.on: bool = row.get("on", True)
        self.waveform: bool = row.get("waveform", True)
        self.features: bool = row.get("features", False)
        self.lane: int = row.get("lane", lane)
        self.report_us: int = row["report_ms"] * 1000
        self.trigger_raw: int = row.get("trigger_raw", -1)
        self.pace = {key: row[key] for key in PACE_KEYS if key in row}


class Policy:
    """The checked "policy" part of config.json.

    Lanes: sensor name -> its lane where no row has one.
    """

    def __init__(self, rows: "dict[str, Any]", lanes: "dict[str, int]") -> None:
        self._rows = rows
        self._lanes = lanes
        self.lay_over({})

    def lay_over(self, above: "dict[str, Any]") -> None:
        """Go by these checked rows before the device's own, and by no earlier ones any more."""
        self._rules = self.rules_under(above)

    def rules_under(self, above: "dict[str, Any]") -> "list[dict[str, Rule]]":
        """Return the rules by mode and sensor as they would be with these rows over the own."""
        return [
            {name: Rule(_row((self._rows, above), mode, name), self._lanes[name])
             for name in self._lanes}
            for mode in MODE_NAMES
        ]  # fmt: skip

    def rule(self, mode: int, sensor: str) -> Rule:
        """Return what mode (0..2) means for the sensor."""
        return self._rules[mode][sensor]

    def rules_of(self, sensor: str) -> "list[Rule]":
        """Return the rules of all modes for the sensor."""
        return [rules[sensor] for rules in self._rules]


def _row(layers: "tuple[Any, ...]", mode: str, sensor: str) -> "dict[str, Any]":
    row: dict[str, Any] = {"report_ms": 60_000}
    for rows in layers:
        row.update(rows.get("normal", {}).get(sensor, {}))
        row.update(rows.get(mode, {}).get(sensor, {}))
    return row
