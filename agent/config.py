"""The checked configuration of a device, read from config.json whole, before anything starts.

What may stand there and how it is checked is in agent.config_checks, which a board needs at its
start and when the hub orders a policy: it is forgotten in between.
"""

import sys

from protocols.vocabulary import MODE_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.policy import Policy

NUMBER_MAX = 0x7FFFFFFF
_CHECKS = (("agent", "config_checks"), ("agent", "driver_rows"), ("protocols", "rs256"))


class ConfigError(Exception):
    """A setting is wrong. key: its path, as in "sensors[0].lane"; allowed: what it may be."""

    def __init__(self, key: str, problem: str, allowed: str) -> None:
        super().__init__("%s %s; allowed: %s" % (key, problem, allowed))
        self.key = key
        self.problem = problem
        self.allowed = allowed


class SensorRow:
    """One sensor:

    Name, lane, personal, plain; trigger: (peak_raw, hold_ms) or None; detector: the checked table
    or None; settings: for its driver.
    """

    def __init__(self, name: str, driver: str, row: "dict[str, Any]") -> None:
        self.name = name
        self.driver = driver
        self.lane = row["lane"]
        self.personal = row["personal"]
        self.plain = row["encoding"] == "plain"
        self.trigger: tuple[int, int] | None = None
        self.detector: dict[str, int] | None = None
        self.own_rule: OwnRuleRow | None = None
        self.settings: dict[str, Any] = {}
        self.paces: tuple[str, ...] = ()  # settings of its driver that a policy may change


class OutputRow:
    """One siren or lamp."""

    def __init__(self, row: "dict[str, Any]") -> None:
        self.name: str = row["name"]
        self.pin: int = row["pin"]
        self.active_high: bool = row["active"] == "high"
        self.hold_ms_max: int = row["hold_ms_max"]
        self.practice: bool = row["practice"]


class OwnRuleRow:
    """What a sensor's value means while no hub is heard. mode: 0 to 2."""

    def __init__(self, row: "dict[str, Any]") -> None:
        self._above = row.get("above_milli", NUMBER_MAX)
        self._below = row.get("below_milli", -NUMBER_MAX)
        self.mode: int = MODE_NAMES.index(row["mode"])
        self.output: str = row["output"]
        self.hold_ms: int = row["hold_ms"]

    def is_passed(self, milli: int) -> bool:
        """Tell whether a value, in thousandths of its unit, is a case."""
        return milli > self._above or milli < self._below


class Config:
    """The checked configuration of one device. secret: 32 bytes."""

    def __init__(self, table: "dict[str, Any]") -> None:
        """table: what config.json holds. ConfigError names the first thing that is wrong."""
        try:
            row = checks().checked_file(table)
        finally:
            forget_checks()
        self.device: str = row["device"]
        self.secret: bytes = row["secret"]
        self.profile: str = row["profile"]
        self.host: str = row["hub"]["host"]
        self.port: int = row["hub"]["port"]
        self.wifi: dict[str, Any] | None = row.get("wifi")
        self.led_pin: int | None = row.get("led_pin")
        self.board: str = row["board"]
        self.update_key: bytes = row["update_key"]
        self.alone_after_ms: int = row["alone_after_ms"]
        self.outputs: list[OutputRow] = row["outputs"]
        self.sensors: list[SensorRow] = row["sensors"]
        self.policy: Policy = row["policy"]


def checks() -> "Any":
    """Return the module agent.config_checks; to be forgotten once all is checked."""
    import agent.config_checks

    return agent.config_checks


def forget_checks() -> None:
    """Let go of the modules that check, whose code and tables are a tenth of a board's heap."""
    for package, name in _CHECKS:
        whole = package + "." + name
        if whole in sys.modules:
            del sys.modules[whole]
            delattr(sys.modules[package], name)
