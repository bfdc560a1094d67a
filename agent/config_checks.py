"""Checks config.json, whole, and what the hub orders of a policy.

Every setting is a row (key, sort, default, allowed): sort says what the value may be, default
REQUIRED or the value of an absent key; allowed is for people. Unknown keys are refused.
"""

from agent.config import NUMBER_MAX, ConfigError, OutputRow, OwnRuleRow, SensorRow
from agent.policy import PACE_KEYS, Policy
from protocols.limits import DEVICE_NAME_SIZE_MAX
from protocols.rs256 import is_modulus
from protocols.vocabulary import LANE_STATE, MODE_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REQUIRED = "required"
ABSENT = "absent"  # may be left out, and is then not there at all

# Sorts: "text"; "bool"; a tuple (low, high) of integers; a list of allowed values; "table";
# "tables".
DEVICE_ROWS: "tuple[Any, ...]" = (
    ("device", "text", REQUIRED, "1 to 16 bytes, the name under which the hub knows it"),
    ("secret", "text", REQUIRED, "64 hexadecimal digits"),
    ("profile", "text", "", "a name of boards/devices"),
    ("hub", "table", REQUIRED, "a table with host and port"),
    ("sensors", "tables", REQUIRED, "a list with a table for each sensor"),
    ("policy", "table", REQUIRED, "a table with normal, and watch and disaster where they differ"),
    ("outputs", "tables", [], "a list with a table for each siren or lamp"),
    # No less than a session may be silent: the hub asks for the time every ten seconds.
    ("alone_after_ms", (30_000, 86_400_000), 120_000, "30000 to 86400000, without a hub"),
    ("wifi", "table", ABSENT, "a table with ssid and password"),
    ("led_pin", (0, 99), ABSENT, "the number of a pin, lit by the command identify"),
    ("board", "text", "", "a name of boards/boards: of the images that fit it"),
    ("update_key", "text", "", "empty, or 512 hexadecimal digits: the key that signs images"),
)
HUB_ROWS = (
    ("host", "text", REQUIRED, "an address; a name only where there is an operating system"),
    ("port", (1, 65535), REQUIRED, "1 to 65535"),
)
WIFI_ROWS = (
    ("ssid", "text", REQUIRED, "the name of the access point"),
    ("password", "text", "", "8 to 63 characters, empty for an open one"),
)
SENSOR_ROWS = (
    ("name", "text", REQUIRED, "1 to 32 bytes, another name for each sensor"),
    ("driver", "text", REQUIRED, ""),
    ("lane", (0, 3), LANE_STATE, "0 alert, 1 life, 2 state, 3 wave"),
    ("personal", "bool", False, "true or false"),
    ("encoding", ["packed", "plain"], "packed", '"packed" or "plain"'),
    ("trigger", "table", ABSENT, "a table with peak_raw and hold_ms"),
    ("detector", "table", ABSENT, "a table with sta_ms, lta_ms and so on"),
    ("own_rule", "table", ABSENT, "a table with above_milli or below_milli, and mode or output"),
)
OUTPUT_ROWS = (
    ("name", "text", REQUIRED, "1 to 32 bytes, another name for each output"),
    ("pin", (0, 99), REQUIRED, "the number of a pin"),
    ("active", ["high", "low"], "high", '"high" or "low"'),
    ("hold_ms_max", (1000, 3_600_000), 180_000, "1000 to 3600000: it is never on for longer"),
    ("practice", "bool", False, "true: also in a drill, as a lamp that the public does not see"),
)
# Only while no hub is heard; of the sensor's first channel.
OWN_RULE_ROWS = (
    ("above_milli", (-NUMBER_MAX, NUMBER_MAX), ABSENT, "thousandths of its unit: more is a case"),
    ("below_milli", (-NUMBER_MAX, NUMBER_MAX), ABSENT, "thousandths of its unit: less is a case"),
    ("mode", ["normal", "watch", "disaster"], "disaster", "the mode that the sensors follow"),
    ("output", "text", "", "empty, or the name of an output that sounds"),
    ("hold_ms", (1000, 86_400_000), 600_000, "1000 to 86400000: so long after the case is over"),
)
TRIGGER_ROWS = (
    ("peak_raw", (1, NUMBER_MAX), REQUIRED, "1 or more, in raw units of the sensor"),
    ("hold_ms", (100, 3_600_000), 1000, "100 to 3600000"),
)
DETECTOR_ROWS = (
    ("sta_ms", (10, 60_000), 500, "10 to 60000"),
    ("lta_ms", (100, 3_600_000), 30_000, "100 to 3600000, more than sta_ms"),
    ("on_percent", (110, 3000), 400, "110 to 3000"),
    ("off_percent", (100, 3000), 150, "100 to 3000, less than on_percent"),
    ("pre_ms", (0, 60_000), 5000, "0 to 60000, as far as the ring of 1500 readings reaches"),
    ("post_ms", (0, 60_000), 5000, "0 to 60000"),
)
POLICY_ROWS = (
    ("on", "bool", ABSENT, "true or false"),
    ("waveform", "bool", ABSENT, "true or false"),
    ("features", "bool", ABSENT, "true or false"),
    ("lane", (0, 3), ABSENT, "0 alert, 1 life, 2 state, 3 wave"),
    ("report_ms", (100, 86_400_000), ABSENT, "100 to 86400000"),
    ("every_ms", (10, 86_400_000), ABSENT, "10 to 86400000"),
    ("rate_mhz", (1, 4_000_000), ABSENT, "1 to 4000000"),
    ("window_ms", (0, 60_000), ABSENT, "0 to 60000"),
    ("trigger_raw", (0, NUMBER_MAX), ABSENT, "peak that is an alert, raw units; 0: none"),
)


def checked_file(table: "Any") -> "dict[str, Any]":
    """Return what config.json says, checked: the key's value, its tables as agent.config has them.

    ConfigError names the first thing that is wrong.
    """
    row = checked(table, DEVICE_ROWS, "")
    row["device"] = _device_name(row["device"])
    row["secret"] = _secret(row["secret"])
    row["hub"] = checked(row["hub"], HUB_ROWS, "hub.")
    if "wifi" in row:
        row["wifi"] = checked(row["wifi"], WIFI_ROWS, "wifi.")
    row["update_key"] = _update_key(row["update_key"])
    row["outputs"] = _outputs(row["outputs"])
    row["sensors"] = _sensors(row["sensors"])
    _check_own_rules(row["sensors"], [output.name for output in row["outputs"]])
    lanes = {sensor.name: sensor.lane for sensor in row["sensors"]}
    row["policy"] = Policy(_policy_rows(row["policy"], row["sensors"]), lanes)
    return row


def driver_rows() -> "Any":
    """Return the module agent.driver_rows; it is forgotten together with this one."""
    import agent.driver_rows

    return agent.driver_rows


def _device_name(name: str) -> str:
    if not 1 <= len(name.encode()) <= DEVICE_NAME_SIZE_MAX:
        raise ConfigError("device", "is empty or too long", DEVICE_ROWS[0][3])
    return name


def _secret(text: str) -> bytes:
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(text) != 64 or len(secret) != 32:
        raise ConfigError("secret", "is no key", DEVICE_ROWS[1][3])
    return secret


def _update_key(text: str) -> bytes:
    try:
        modulus = bytes.fromhex(text)
    except ValueError:
        modulus = b"no"
    if modulus and not is_modulus(modulus):
        raise ConfigError("update_key", "is no modulus of 2048 bits", DEVICE_ROWS[-1][3])
    return modulus


def _sensors(tables: "list[Any]") -> "list[SensorRow]":
    sensors = []
    names = []
    for position, table in enumerate(tables):
        where = "sensors[%d]." % position
        sensor = _sensor(table, where)
        if sensor.name in names or not 1 <= len(sensor.name.encode()) <= 32:
            raise ConfigError(
                where + "name", "is used twice, empty or too long", SENSOR_ROWS[0][3]
            )
        names.append(sensor.name)
        sensors.append(sensor)
    return sensors


def _sensor(table: "Any", where: str) -> SensorRow:
    known = {row[0] for row in SENSOR_ROWS}
    if not isinstance(table, dict):
        raise ConfigError(where[:-1], "is no table", "a table for each sensor")
    row = checked({key: table[key] for key in table if key in known}, SENSOR_ROWS, where)
    driver = row["driver"]
    rows = driver_rows().DRIVER_ROWS
    if driver not in rows:
        raise ConfigError(where + "driver", "is unknown: " + driver, ", ".join(sorted(rows)))
    own = {key: table[key] for key in table if key not in known}
    sensor = SensorRow(row["name"], driver, row)
    sensor.settings = checked(own, rows[driver], where)
    sensor.paces = tuple(setting[0] for setting in rows[driver] if setting[0] in PACE_KEYS)
    _check_bus(sensor.settings, rows[driver], where)
    sensor.settings["name"] = sensor.name
    if "trigger" in row:
        trigger = checked(row["trigger"], TRIGGER_ROWS, where + "trigger.")
        sensor.trigger = (trigger["peak_raw"], trigger["hold_ms"])
    if "detector" in row:
        sensor.detector = _detector(row["detector"], sensor, where + "detector")
    if "own_rule" in row:
        sensor.own_rule = OwnRuleRow(checked(row["own_rule"], OWN_RULE_ROWS, where + "own_rule."))
        if not {"above_milli", "below_milli"} & set(row["own_rule"]):
            raise ConfigError(where + "own_rule", "has no threshold", "above_milli, below_milli")
    return sensor


def _outputs(tables: "list[Any]") -> "list[OutputRow]":
    outputs: list[OutputRow] = []
    for position, table in enumerate(tables):
        where = "outputs[%d]." % position
        output = OutputRow(checked(table, OUTPUT_ROWS, where))
        names = [other.name for other in outputs]
        if output.name in names or not 1 <= len(output.name.encode()) <= 32:
            raise ConfigError(
                where + "name", "is used twice, empty or too long", OUTPUT_ROWS[0][3]
            )
        outputs.append(output)
    return outputs


def _check_own_rules(sensors: "list[SensorRow]", outputs: "list[str]") -> None:
    for sensor in sensors:
        rule = sensor.own_rule
        if rule is not None and rule.output and rule.output not in outputs:
            where = "own_rule.output of " + sensor.name
            raise ConfigError(where, "is no output: " + rule.output, ", ".join(outputs))


def _detector(table: "Any", sensor: SensorRow, where: str) -> "dict[str, int]":
    row = checked(table, DETECTOR_ROWS, where + ".")
    _check_waveform(sensor, where)
    for low, high in (("sta_ms", "lta_ms"), ("off_percent", "on_percent")):
        if row[low] >= row[high]:
            raise ConfigError(where + "." + low, "is no less than " + high, "less")
    return row


def _check_waveform(sensor: SensorRow, where: str) -> None:
    """Detectors and features are for what samples by itself, at a rate."""
    if "rate_mhz" not in sensor.settings:
        raise ConfigError(where, "means nothing to this sensor", "sensors with rate_mhz")


def _check_bus(settings: "dict[str, Any]", rows: "tuple[Any, ...]", where: str) -> None:
    """A chip that knows both buses hangs on one of them."""
    both = driver_rows().SPI_OR_I2C
    if rows[: len(both)] != both:
        return
    on_spi = [key in settings for key in ("spi", "cs")]
    if any(on_spi) if "i2c" in settings else not all(on_spi):
        raise ConfigError(where + "i2c", "does not name one bus", "either i2c, or spi and cs")


def _policy_rows(table: "dict[str, Any]", sensors: "list[SensorRow]") -> "dict[str, Any]":
    rows: dict[str, Any] = {"normal": {}}
    by_name = {sensor.name: sensor for sensor in sensors}
    for mode in table:
        if mode not in MODE_NAMES:
            raise ConfigError("policy." + mode, "is unknown", ", ".join(MODE_NAMES))
        rows[mode] = {}
        for name in table[mode]:
            where = "policy.%s.%s" % (mode, name)
            if name not in by_name:
                raise ConfigError(where, "is no sensor", ", ".join(sorted(by_name)))
            rows[mode][name] = policy_row(table[mode][name], by_name[name], where + ".")
    return rows


def policy_row(table: "Any", sensor: SensorRow, where: str) -> "dict[str, Any]":
    """Return a row of the policy for a sensor, checked; ConfigError where it means nothing."""
    row = checked(table, POLICY_ROWS, where)
    for key in PACE_KEYS:
        if key in row and key not in sensor.paces:
            allowed = "of %s: %s" % (sensor.driver, ", ".join(sensor.paces) or "nothing")
            raise ConfigError(where + key, "means nothing to this sensor", allowed)
    if row.get("features") or not row.get("waveform", True):
        _check_waveform(sensor, where[:-1])
    return row


def checked(table: "Any", rows: "tuple[Any, ...]", where: str) -> "dict[str, Any]":
    """Return the table with its defaults; ConfigError for what the rows do not allow."""
    if not isinstance(table, dict):
        raise ConfigError(where[:-1] or "the file", "is no table", "a table")
    known = [row[0] for row in rows]
    for key in table:
        if key not in known:
            raise ConfigError(where + str(key), "is unknown", ", ".join(known))
    result = {}
    for key, sort, default, allowed in rows:
        if key in table:
            if not _fits(table[key], sort):
                raise ConfigError(where + key, "does not fit: %r" % (table[key],), allowed)
            result[key] = table[key]
        elif default is REQUIRED:
            raise ConfigError(where + key, "is missing", allowed)
        elif default is not ABSENT:
            result[key] = default
    return result


def _fits(value: "Any", sort: "Any") -> bool:
    if isinstance(sort, tuple):
        return (
            isinstance(value, int) and not isinstance(value, bool) and sort[0] <= value <= sort[1]
        )
    if isinstance(sort, list):
        return value in sort and not isinstance(value, bool)
    wanted = {"text": str, "bool": bool, "table": dict, "tables": list}[sort]
    return isinstance(value, wanted)
