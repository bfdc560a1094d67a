"""hub.toml and devices.toml: the table of all settings, and the checked values."""

import os
import secrets
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from hub import backhaul, policy, timetable
from hub.alerts import rows as alert_rows
from hub.console import rows as console_rows
from hub.report import rows as report_rows
from hub.rules import LISTS as RULE_LISTS
from hub.rules import ROWS as RULE_ROWS
from hub.rules import problems as rule_problems
from hub.settings import Document, Row, SettingsError, commented
from protocols.limits import DEVICE_NAME_SIZE_MAX, KEY_SIZE
from protocols.rs256 import is_modulus

ROWS = (
    Row("hub", "id", "hub-1", "", "Name of this hub on the platform.", 1, DEVICE_NAME_SIZE_MAX,
        without="/+#"),
    Row("hub", "data", "data", "", "Folder of the store, beside this file unless absolute.", 1),
    Row("hub", "devices", "devices.toml", "",
        "File with the enrolled devices and their secrets.", 1),
    Row("hub", "operators", "operators.toml", "",
        "File with those who may log in on the page.", 1),
    Row("ingest", "host", "127.0.0.1", "",
        "Address that devices dial; 0.0.0.0 for the whole town LAN.", 1),
    Row("ingest", "port", 4620, "", "TCP port that devices dial; 0 takes a free one.", 0, 65535),
    Row("ingest", "connections_max", 2000, "connections",
        "More are refused and counted.", 1, 50000),
    Row("store", "size_max_mib", 8192, "MiB",
        "What the database may take where the disk has room; beside it lie up to 28 MiB. Frames "
        "are refused, and stay on the devices, only where nothing can leave any more.",
        64, 1048576),
    Row("store", "thin_percent", 70, "%",
        "Above it, waveforms that every uplink has are deleted; then those that wait are thinned "
        "to least, mean and greatest a minute.", 1, 98),
    Row("store", "delete_percent", 85, "%",
        "Above it, whatever every uplink has is deleted, the least urgent first.", 1, 98),
    Row("store", "evict_percent", 95, "%",
        "Above it, readings that wait are evicted, the least urgent first, each named by a gap "
        "record; the rest is the reserve of alerts and of the hub's own records.", 1, 98),
    *console_rows.ROWS,
    Row("mode", "watch_dwell_s", 1800, "s",
        "So long must nothing ask for watch before it is lowered to normal.", 1, 604800),
    Row("mode", "disaster_dwell_s", 3600, "s",
        "So long must nothing ask for disaster before it is lowered to watch.", 1, 604800),
    Row("mode", "utc_offset_min", 540, "min",
        "Local time of the town, east of UTC: of the time table, schedules of people, alerts, "
        "reports.", -720, 840),
    *backhaul.ROWS,
    *timetable.ROWS,
    *policy.ROWS,
    *RULE_ROWS,
    *alert_rows.ROWS,
    *report_rows.ROWS,
    Row("update", "share_percent", 10, "%",
        "So many of the devices get an update in its second stage.", 1, 100),
    Row("update", "failures_max", 1, "devices",
        "So many failures in the last stage stop an update; before, one does.", 1, 1000),
    Row("update", "parallel", 8, "devices", "So many fetch an image at a time.", 1, 1000),
    Row("update", "timeout_s", 900, "s",
        "A device that is not healthy so long after its switch has failed.", 30, 86400),
    Row("uplink", "name", "platform", "", "Name of the common platform.", 1, 32),
    Row("uplink", "host", "127.0.0.1", "", "Address of its MQTT broker.", 1),
    Row("uplink", "port", 1883, "", "Port of its MQTT broker.", 1, 65535),
    Row("uplink", "version", "5", "",
        "MQTT version that the broker speaks.", choices=("5", "3.1.1")),
    Row("uplink", "required", True, "",
        "Frames are kept until it has them; where false, what it misses is counted evicted."),
    Row("uplink", "link_kbit_s", 0, "kbit/s",
        "What its line carries; 0: nobody knows, the hub finds out. Bundles become so small that "
        "an alert never waits long behind them.", 0, 10000000),
    Row("uplink", "keepalive_s", 10, "s", "A dead line is noticed within twice this.", 1, 120),
    Row("uplink", "backlog_kib_s", 0, "KiB/s",
        "Pace of the backlog behind the live data; 0: as fast as the platform "
        "acknowledges.", 0, 10000000),
    Row("uplink", "user", "", "",
        "MQTT user; empty for none. Its password: environment HINOMI_UPLINK_PASSWORD.", 0),
    Row("uplink", "command_key", "", "",
        "Key of the platform, as `hinomi hub update key` prints one: orders signed with it set "
        "the mode; empty: the platform orders nothing.", 0, 512),
)  # fmt: skip
LISTS = ("uplink", *timetable.LISTS, *policy.LISTS, *RULE_LISTS, *alert_rows.LISTS)

DEVICE_ROWS = (
    Row("device", "name", None, "", "Name of the device.", 1, DEVICE_NAME_SIZE_MAX),
    Row("device", "secret", None, "",
        "Its secret: 64 hexadecimal digits.", 64, 64, is_secret=True),
    Row("device", "kind", "other", "", "What it watches: bridge, river, slope, home, other.",
        choices=policy.DEVICE_KINDS),
    Row("device", "name_ja", "", "", "Name shown in Japanese.", 0, 240),
    Row("device", "name_en", "", "", "Name shown in English.", 0, 240),
    Row("device", "personal", False, "", "Concerns a person: values are never shown on the page."),
)  # fmt: skip


@dataclass(frozen=True)
class Device:
    """One enrolled device."""

    name: str
    secret: bytes = field(repr=False)
    kind: str = "other"
    name_ja: str = ""
    name_en: str = ""
    personal: bool = False


@dataclass(frozen=True)
class Config:
    """All settings of one hub.

    `tables`: table -> name -> value, of a [[table]] a list of these; `uplinks`: one dict each.
    """

    folder: Path
    tables: dict[str, Any]
    uplinks: tuple[dict[str, Any], ...]
    devices: dict[str, Device] = field(repr=False)
    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """The hub's name."""
        return str(self.tables["hub"]["id"])

    @property
    def data(self) -> Path:
        """Folder of the store."""
        return self.folder / str(self.tables["hub"]["data"])


def load(path: Path) -> Config:
    """Read hub.toml, devices.toml and the hub's secret; SettingsError where anything is wrong."""
    document = Document(_text(path), str(path))
    names = list(dict.fromkeys(row.table for row in ROWS))
    document.refuse_others(names)
    tables: dict[str, Any] = {
        name: document.read_table(ROWS, name, document.data.get(name, {}))
        for name in names
        if name not in LISTS
    }
    tables |= {name: document.read_tables(ROWS, name) for name in LISTS}
    uplinks = tables["uplink"]
    seen: set[str] = set()
    for at, uplink in enumerate(uplinks):
        if uplink["name"] in seen:
            raise document.error("uplink", "name", "is used twice", "Give each its own.", at=at)
        seen.add(uplink["name"])
        if uplink["command_key"] and not _is_key(uplink["command_key"]):
            remedy = "Write the 512 hexadecimal digits of the platform's key, or nothing."
            raise document.error("uplink", "command_key", "is no key", remedy, at=at)
    folder = path.parent.resolve()
    devices = load_devices(folder / tables["hub"]["devices"])
    if tables["hub"]["id"] in devices:
        raise document.error("hub", "id", "is also the name of a device", "Give the hub another.")
    store = tables["store"]
    for lower, upper in (("thin_percent", "delete_percent"), ("delete_percent", "evict_percent")):
        if store[lower] >= store[upper]:
            remedy = f"Allowed: less than store.{upper}, which is {store[upper]}."
            raise document.error("store", lower, f"is {store[lower]}", remedy)
    found = (
        policy.problems(tables),
        timetable.problems(tables),
        rule_problems(tables, set(devices)),
        alert_rows.problems(tables, set(devices)),
        console_rows.problems(tables, folder),
    )
    for one in chain.from_iterable(found):
        raise document.error(one.table, one.name, one.why, one.remedy, at=one.at)
    secret = _secret(folder / "hub.secret")
    return Config(folder, tables, tuple(uplinks), devices, secret)


def _is_key(text: str) -> bool:
    try:
        return is_modulus(bytes.fromhex(text))
    except ValueError:
        return False


def load_devices(path: Path) -> dict[str, Device]:
    """Read devices.toml; SettingsError where anything is wrong."""
    return _devices(_text(path), path)


def _devices(text: str, path: Path) -> dict[str, Device]:
    document = Document(text, str(path))
    document.refuse_others(["device"])
    devices: dict[str, Device] = {}
    for at, values in enumerate(document.read_tables(DEVICE_ROWS, "device")):
        if values["name"] in devices:
            raise document.error("device", "name", "is enrolled twice", "Remove one.", at=at)
        try:
            secret = bytes.fromhex(values["secret"])
        except ValueError:
            remedy = "Write 64 hexadecimal digits, as `hinomi hub enroll` does."
            raise document.error("device", "secret", "is no secret", remedy, at=at) from None
        devices[values["name"]] = Device(**{**values, "secret": secret})
    return devices


def init(folder: Path, values: dict[tuple[str, str], Any] | None = None) -> Path:
    """Write hub.toml, devices.toml and hub.secret with safe defaults; never overwrite one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = "Choose a folder that this user may write."
        raise SettingsError(f"{folder} cannot be made: {error.strerror}", remedy) from None
    path = folder / "hub.toml"
    if path.exists():
        raise SettingsError(f"{path} exists already", "Edit it, or choose another folder.")
    for name, text, mode in (
        ("hub.secret", secrets.token_hex(KEY_SIZE) + "\n", 0o600),
        ("devices.toml", "# One [[device]] for each board; `hinomi hub enroll NAME` adds one.\n",
         0o600),
        ("hub.toml", "# Settings of the Hinomi hub. Restart the hub after a change.\n\n"
         + commented(ROWS, values or {}, LISTS), 0o644),
    ):  # fmt: skip
        if not (folder / name).exists():
            _write(folder / name, text, mode)
    return path


def enroll(path: Path, device: Device) -> None:
    """Append a device to devices.toml.

    SettingsError when the name is taken or a value is wrong.
    """
    before = _text(path)
    if device.name in _devices(before, path):
        raise SettingsError(f"{device.name} is enrolled already", "Choose another name.")
    values = {row.name: getattr(device, row.name) for row in DEVICE_ROWS}
    text = _one_more("device", {**values, "secret": device.secret.hex()})
    _devices(before + text, path)  # before it is written: a hub starts from this file
    _append(path, text)


def add_table(path: Path, table: str, values: dict[str, Any]) -> None:
    """Append one more [[table]] to hub.toml; what is wrong in it, load() says."""
    _append(path, _one_more(table, values))


def _one_more(table: str, values: dict[str, Any]) -> str:
    rows = [row for row in (*ROWS, *DEVICE_ROWS) if row.table == table]
    given = {(table, name): value for name, value in values.items()}
    lines = commented(rows, given, (table,)).splitlines()
    return "\n" + "\n".join(line for line in lines if not line.startswith("#")) + "\n"


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _write(path: Path, text: str, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        remedy = "Choose a folder that this user may write."
        raise SettingsError(f"{path} cannot be written: {error.strerror}", remedy) from None
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        remedy = "Run `hinomi hub init FOLDER` first, or name the right file with --config."
        raise SettingsError(f"{path} cannot be read: {error.strerror}", remedy) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not UTF-8", "Save it as UTF-8 text.") from None


def _secret(path: Path) -> bytes:
    try:
        secret = bytes.fromhex(_text(path).strip())
    except ValueError:
        secret = b""
    if len(secret) != KEY_SIZE:
        remedy = (
            "Restore it from the backup; without it the platform refuses the hub's own records."
        )
        raise SettingsError(f"{path} holds no secret of {KEY_SIZE} bytes", remedy)
    return secret
