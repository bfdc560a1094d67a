"""The tables of docs/settings.md, made from the rows that also check the settings.

`python -m tests.docs_tables` writes the file anew.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from agent.config_checks import (
    ABSENT,
    DETECTOR_ROWS,
    DEVICE_ROWS,
    HUB_ROWS,
    OUTPUT_ROWS,
    OWN_RULE_ROWS,
    POLICY_ROWS,
    REQUIRED,
    SENSOR_ROWS,
    TRIGGER_ROWS,
    WIFI_ROWS,
)
from agent.driver_rows import DRIVER_ROWS
from agent.pi.settings import MACHINE_ROWS
from hub import config as hub_config
from hub import operators
from hub.people import register
from hub.settings import Row
from protocols.errors import REASONS
from simulators import scenario

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"

HEAD = """# Settings

Made from the tables that check the settings: `python -m tests.docs_tables` writes this page anew.
A wrong setting is refused at the start, named by file, line, setting and what is allowed.
"""


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    parts += of_rows("hub.toml: the hub", hub_config.ROWS)
    parts += of_rows("devices.toml: the enrolled devices", hub_config.DEVICE_ROWS)
    parts += of_rows("people.toml: who is watched over, by consent", register.ROWS)
    parts += of_rows("operators.toml: who may act on the page", operators.ROWS)
    parts.append("## config.json: a device\n")
    for title, rows in (
        ("the file", DEVICE_ROWS),
        ("hub", HUB_ROWS),
        ("wifi", WIFI_ROWS),
        ("each of sensors", SENSOR_ROWS),
        ("trigger of a sensor", TRIGGER_ROWS),
        ("detector of a sensor", DETECTOR_ROWS),
        ("own_rule of a sensor", OWN_RULE_ROWS),
        ("each of outputs", OUTPUT_ROWS),
        ("policy, by mode and sensor", POLICY_ROWS),
        *((f"a sensor with driver {name}", DRIVER_ROWS[name]) for name in sorted(DRIVER_ROWS)),
    ):
        parts += of_device(title, rows)
    parts.append("## agent.toml: a Raspberry Pi as a device\n")
    parts.append("The same as config.json in TOML, and beside it:\n")
    parts += of_device("machine", MACHINE_ROWS)
    parts += of_rows("Scenario files", scenario.ROWS)
    actions = [(name, en, ja) for name, (ja, en) in scenario.ACTIONS.items()]
    parts += ["### Actions of events\n", table(("action", "English", "日本語"), actions)]
    parts.append("## Why the hub refuses a frame or a connection\n")
    parts.append("Counted under these names in `hinomi hub status` and on the page.\n")
    parts.append(table(("reason", "meaning"), sorted(REASONS.items())))
    return "\n".join(parts)


def of_rows(title: str, rows: Sequence[Row]) -> list[str]:
    """Return the section of a TOML file."""
    cells = [
        (
            f"`{row.table}.{row.name}`",
            "must be given" if row.default is None else f"`{row.default!r}`",
            row.allowed(),
            row.help,
        )
        for row in rows
    ]
    return [f"## {title}\n", table(("setting", "default", "allowed", "what it does"), cells)]


def of_device(title: str, rows: Iterable[tuple[Any, ...]]) -> list[str]:
    """Return the table of a part of config.json."""
    defaults = {REQUIRED: "must be given", ABSENT: "may be left out"}
    cells = [
        (f"`{key}`", str(defaults.get(str(default), f"`{default!r}`")), allowed)
        for key, _, default, allowed in rows
    ]
    return [f"### {title}\n", table(("key", "default", "allowed"), cells)]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
