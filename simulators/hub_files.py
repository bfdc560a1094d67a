"""The files of a scenario's hub: hub.toml with the tables of its rules, devices, people.toml."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from boards.profiles import read_device
from hub import config as hub_config
from simulators.scenario import Placed, Scenario

# Kind of device -> its tables of hub.toml, with their defaults unless the scenario has them.
WATCHES = {
    "bridge": ("seismometer", "bridge"),
    "river": ("river",),
    "slope": ("slope",),
}
# In virtual time: what a seismometer must hear is a whole waveform, which only pieces are made of.
VIRTUAL_WATCHES = {**WATCHES, "bridge": ("bridge",)}
PEOPLE = ("person", "way", "contact")  # tables of people.toml

Watches = Sequence[tuple[str, dict[str, Any]]]  # (table, settings)


def secret(seed: int, name: str) -> bytes:
    """Return the secret of a device, the same for the same seed: nobody is protected by it."""
    return hashlib.sha256(f"hinomi {seed} {name}".encode()).digest()


def write_settings(folder: Path, scenario: Scenario, values: dict[tuple[str, str], Any]) -> None:
    """Write hub.toml. values: (table, name) -> value, before those of the scenario."""
    rows, watches = scenario.devices, scenario.watches
    by_kind = VIRTUAL_WATCHES if scenario.is_virtual else WATCHES
    lists = [one for one in watches if one[0] in hub_config.LISTS]
    plain = {
        (table, name): value
        for table, settings in watches
        if table not in (*hub_config.LISTS, *PEOPLE)
        for name, value in settings.items()
    }
    (folder / "hub.toml").unlink(missing_ok=True)
    path = hub_config.init(folder, {**values, **plain})
    for table, settings in (*_by_kind(rows, by_kind, lists), *lists):
        hub_config.add_table(path, table, settings)
    people = [one for one in watches if one[0] in PEOPLE]
    if people:
        (folder / "people.toml").write_text("".join(map(_toml_table, people)), encoding="utf-8")


def _by_kind(
    rows: Sequence[Placed], by_kind: dict[str, tuple[str, ...]], lists: Watches
) -> Iterator[tuple[str, dict[str, Any]]]:
    written = {(table, settings.get("device")) for table, settings in lists}
    known = {row.table for row in hub_config.ROWS}
    for row in rows:
        for table in by_kind.get(row.kind, ()):
            if table not in known or (table, row.name) in written:
                continue
            settings = {"device": row.name}
            sensors = {one["name"] for one in read_device(row.profile)["sensors"]}
            if table == "slope" and "rain" in sensors:
                settings["rain_device"] = row.name
            yield table, settings


def _toml_table(one: tuple[str, dict[str, Any]]) -> str:
    # Strings, whole numbers and lists of strings are written alike in JSON and in TOML.
    table, settings = one
    lines = [
        f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in settings.items()
    ]
    return "\n".join([f"[[{table}]]", *lines, "", ""])


def enroll(folder: Path, rows: Sequence[Placed], seed: int) -> None:
    """Write devices.toml, or add to it."""
    for row in rows:
        profile = read_device(row.profile)
        number = row.name.rpartition("-")[2]
        device = hub_config.Device(
            row.name,
            secret(seed, row.name),
            row.kind,
            f"{profile['name_ja']} {number}",
            f"{profile['name_en']} {number}",
            any(sensor.get("personal") for sensor in profile["sensors"]),
        )
        hub_config.enroll(folder / "devices.toml", device)
