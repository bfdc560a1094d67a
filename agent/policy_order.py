"""The hub's policy for this device: checked whole, kept through a restart, laid over its own.

    [version, [[mode, sensor, [[field, value], ..]], ..]]

A row is for the sensor of that name, and for those of the driver of that name; where both are
given, the name's comes last. Rows for what this device does not have are for others of its kind.
Anything that a sensor of this device cannot do refuses the whole: what was in force stays so.
Version 0 is nobody's policy: the device goes by its own configuration.
"""

from agent import drivers
from agent.config import ConfigError, checks, forget_checks
from protocols import cbor
from protocols.errors import ProtocolError
from protocols.limits import POLICY_ROWS_MAX, POLICY_SIZE_MAX
from protocols.portable import const
from protocols.vocabulary import MODE_NAMES, POLICY_FIELDS, RESULT_DONE, RESULT_FAILED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.config import Config, SensorRow
    from agent.flashlog import FlashLog
    from agent.log import Log

KEY_POLICY = const(3)  # of the flash log's kept values
_VERSION_MAX = const(0xFFFFFFFF)


class PolicyOrder:
    """version: of the policy in force, 0 for the device's own. create: as in agent.drivers."""

    def __init__(
        self, config: "Config", board: "Any", flashlog: "FlashLog", log: "Log", **ports: "Any"
    ) -> None:
        self._sensors = config.sensors
        self._policy = config.policy
        self._board = board
        self._flashlog = flashlog
        self._log = log
        self._create = ports.get("create", drivers.create)
        self.version = 0
        kept = flashlog.kept(KEY_POLICY)
        if kept:
            self._restore(kept)

    def take(self, arguments: "list[Any]") -> "tuple[int, str]":
        """Go by these arguments of the command from now on; return (status, detail)."""
        try:
            version, above = self._read(arguments)
            encoded = cbor.encode(arguments, POLICY_SIZE_MAX)
            self._try(above)
        except (ConfigError, ProtocolError) as error:
            return RESULT_FAILED, str(error)[:256]
        if version != self.version:
            try:
                self._flashlog.keep(KEY_POLICY, encoded)
            except OSError:  # the hub gives it again after a restart
                self._log.warning("the flash did not keep the policy")
            self.version = version
            self._log.info("policy %d" % version)
        self._policy.lay_over(above)
        return RESULT_DONE, ""

    def _restore(self, kept: bytes) -> None:
        # The configuration may be another since: then the hub's next word decides.
        try:
            version, above = self._read(cbor.decode(kept))
            self._try(above)
        except (ConfigError, ProtocolError) as error:
            self._log.warning("the kept policy does not fit: %s" % error)
            return
        self._policy.lay_over(above)
        self.version = version

    def _read(self, arguments: "Any") -> "tuple[int, dict[str, Any]]":
        """Return (version, mode -> sensor -> checked row); ConfigError."""
        if not _is_list(arguments, 2) or not _is_number(arguments[0], _VERSION_MAX):
            raise ConfigError("policy", "has another shape", "[version, rows]")
        version, rows = arguments
        if not isinstance(rows, list) or len(rows) > POLICY_ROWS_MAX or (rows and not version):
            raise ConfigError("policy", "has no sound rows", "at most %d" % POLICY_ROWS_MAX)
        above: dict[str, Any] = {}
        try:
            for by_name in (False, True):
                for row in rows:
                    self._lay(row, above, by_name)
        finally:
            forget_checks()
        return version, above

    def _lay(self, row: "Any", above: "dict[str, Any]", by_name: bool) -> None:
        if not _is_list(row, 3) or not _is_number(row[0], len(MODE_NAMES) - 1):
            raise ConfigError("policy", "has a row of another shape", "[mode, sensor, fields]")
        mode = MODE_NAMES[row[0]]
        table = _table_of(row[2])
        for sensor in self._sensors:
            if row[1] == (sensor.name if by_name else sensor.driver):
                where = "policy.%s.%s." % (mode, sensor.name)
                checked = checks().policy_row(table, sensor, where)
                above.setdefault(mode, {}).setdefault(sensor.name, {}).update(checked)

    def _try(self, above: "dict[str, Any]") -> None:
        """Make each driver with what it would be set to; ConfigError where it refuses."""
        for rules in self._policy.rules_under(above):
            for sensor in self._sensors:
                pace = rules[sensor.name].pace
                if pace:
                    self._try_driver(sensor, pace)

    def _try_driver(self, sensor: "SensorRow", pace: "dict[str, Any]") -> None:
        settings = dict(sensor.settings)
        settings.update(pace)
        try:
            self._create(sensor.driver, self._board, settings)
        except ValueError as error:
            raise ConfigError("sensor " + sensor.name, "cannot be set so", str(error))


def _table_of(fields: "Any") -> "dict[str, Any]":
    table = {}
    if not isinstance(fields, list) or not fields:
        raise ConfigError("policy", "has a row without fields", "[[field, value], ..]")
    for pair in fields:
        if not _is_list(pair, 2) or not _is_number(pair[0], len(POLICY_FIELDS) - 1):
            raise ConfigError("policy", "has an unknown field", ", ".join(POLICY_FIELDS))
        table[POLICY_FIELDS[pair[0]]] = pair[1]
    return table


def _is_list(value: "Any", count: int) -> bool:
    return isinstance(value, list) and len(value) == count


def _is_number(value: "Any", highest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= highest
