"""people.toml: who is watched over, by written consent, under a pseudonym; schedules, contacts.

The hub has no names: who a pseudonym is, the town hall's own register says. Without consent that
is in force nothing of a person's devices is ever opened. The file is read again when it changes.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from hub.people import schedule
from hub.people.schedule import Schedule
from hub.settings import Document, Row, SettingsError, commented

ROWS = (
    Row("person", "pseudonym", None, "", "Never a name: p-001.", 1, 32, without="/ "),
    Row("person", "consent", None, "", "Day of the written consent, as 2026-04-01.", 10, 10),
    Row("person", "until", "", "", "Last day of it; empty: until it is withdrawn.", 0, 10),
    Row("person", "devices", [], "", "Devices in the person's home."),
    Row("person", "first_h", 12, "h",
        "Without activity for so long while neither night nor absent, contacts are asked.", 1, 72),
    Row("person", "second_h", 24, "h", "Likewise, nights included.", 1, 168),
    Row("person", "night", "22:00-06:00", "", "When the person sleeps; empty: never.", 0, 40),
    Row("person", "absence", [], "", f"When nobody is at home: {schedule.EXAMPLES}."),
    Row("person", "tag", 0, "", "Number of the tag that the person carries; 0: none.",
        0, 2147483647),
    Row("way", "pseudonym", None, "", "Who walks it.", 1, 32),
    Row("way", "points", [], "", "Devices that see the tag, in their order on the way."),
    Row("way", "time", "mon-fri 07:00-09:00", "", "When it is walked.", 11, 40),
    Row("way", "leg_min", 20, "min", "So long may the next point take.", 1, 240),
    Row("contact", "pseudonym", None, "", "Whose contact it is.", 1, 32),
    Row("contact", "step", 1, "", "1 is asked first, then 2, at last the office.", 1, 9),
    Row("contact", "reach", None, "", "How: a telephone number, an address.", 1, 200),
)  # fmt: skip
TABLES = ("person", "way", "contact")
HEAD = (
    "# Who is watched over, by written consent. Personal: for the hub and the office alone.\n"
    "# 同意を得た見守り対象者。個人情報につき取扱注意。\n"
)


@dataclass(frozen=True)
class Way:
    """A way that a tag takes past devices."""

    points: tuple[str, ...]
    time: Schedule
    leg_min: int


@dataclass(frozen=True)
class Person:
    """One person who consented."""

    pseudonym: str
    consent: date
    until: date | None = None
    devices: tuple[str, ...] = ()
    first_h: int = 12
    second_h: int = 24
    night: Schedule | None = None
    absence: tuple[Schedule, ...] = ()
    tag: int = 0
    ways: tuple[Way, ...] = ()
    contacts: tuple[str, ...] = field(default=(), repr=False)  # in the order of the steps

    def is_consented(self, day: date) -> bool:
        """Tell whether the consent is in force on a day."""
        return self.consent <= day and (self.until is None or day <= self.until)


Register = dict[str, Person]


def load(path: Path, devices: Sequence[str]) -> Register:
    """Read people.toml; empty where there is none. SettingsError where anything is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}", "Check the file.") from None
    document = Document(text, str(path))
    document.refuse_others(TABLES)
    rows = {table: document.read_tables(ROWS, table) for table in TABLES}
    names = {row["pseudonym"] for row in rows["person"]}
    for table in ("way", "contact"):
        for at, row in enumerate(rows[table]):
            if row["pseudonym"] not in names:
                why = f"is {row['pseudonym']!r}, who is nobody here"
                raise document.error(table, "pseudonym", why, "Write that of a [[person]].", at=at)
    for at, row in enumerate(rows["way"]):
        _Place(document, "way", at).known(row["points"], "points", devices)
        _Place(document, "way", at).schedule("time", row["time"])
    register: Register = {}
    for at, row in enumerate(rows["person"]):
        if row["pseudonym"] in register:
            raise document.error("person", "pseudonym", "is used twice", "Remove one.", at=at)
        register[row["pseudonym"]] = _person(_Place(document, "person", at), row, rows, devices)
    return register


@dataclass(frozen=True)
class _Place:
    """Where in the file something stands."""

    document: Document
    table: str
    at: int

    def error(self, name: str, value: Any, remedy: str) -> SettingsError:
        return self.document.error(self.table, name, f"is {value!r}", remedy, at=self.at)

    def schedule(self, name: str, text: Any) -> Schedule:
        try:
            return schedule.parse(text)
        except (ValueError, TypeError):
            raise self.error(name, text, f"Write {schedule.EXAMPLES}.") from None

    def day(self, name: str, text: str) -> date:
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise self.error(name, text, "Write a day, as 2026-04-01.") from None

    def known(self, names: list[Any], name: str, devices: Sequence[str]) -> tuple[str, ...]:
        for device in names:
            if device not in devices:
                raise self.error(name, device, "Write names of enrolled devices.")
        return tuple(names)


def _person(
    place: _Place, row: dict[str, Any], rows: dict[str, Any], devices: Sequence[str]
) -> Person:
    mine = {table: [one for one in rows[table] if one["pseudonym"] == row["pseudonym"]]
            for table in ("way", "contact")}  # fmt: skip
    return Person(
        row["pseudonym"],
        place.day("consent", row["consent"]),
        place.day("until", row["until"]) if row["until"] else None,
        place.known(row["devices"], "devices", devices),
        row["first_h"],
        row["second_h"],
        place.schedule("night", row["night"]) if row["night"] else None,
        tuple(place.schedule("absence", one) for one in row["absence"]),
        row["tag"],
        tuple(Way(tuple(one["points"]), place.schedule("time", one["time"]), one["leg_min"])
              for one in mine["way"]),
        tuple(one["reach"] for one in sorted(mine["contact"], key=lambda one: int(one["step"]))),
    )  # fmt: skip


def add(path: Path, values: dict[str, Any], contacts: list[str], devices: Sequence[str]) -> None:
    """Append a person to people.toml, made where there is none; SettingsError where it is wrong.

    A file that would be wrong is left as it is.
    """
    before = path.read_text(encoding="utf-8") if path.exists() else HEAD
    text = before + _one_more("person", values)
    for step, reach in enumerate(contacts, 1):
        row = {"pseudonym": values["pseudonym"], "step": step, "reach": reach}
        text += _one_more("contact", row)
    part = path.with_name(f"{path.name}.new")
    part.unlink(missing_ok=True)
    write_private(part, text)
    try:
        load(part, devices)
        put_in_place(part, path)
    except SettingsError:
        part.unlink()
        raise


def put_in_place(part: Path, path: Path) -> None:
    """Let a new file take the place of an old one, with its owner, or its folder's; synced.

    So what an administrator writes as root stays readable for the hub.
    """
    if os.geteuid() == 0:
        owner = (path if path.exists() else path.parent).stat()
        os.chown(part, owner.st_uid, owner.st_gid)
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_private(path: Path, text: str) -> None:
    """Write a new file that only its user may read, synced; SettingsError where it is there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        remedy = "Choose a file that is not there yet, in a folder that this user may write."
        raise SettingsError(f"{path} cannot be written: {error.strerror}", remedy) from None
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _one_more(table: str, values: dict[str, Any]) -> str:
    rows = [row for row in ROWS if row.table == table]
    lines = commented(rows, {(table, name): one for name, one in values.items()}, (table,))
    return "\n" + "\n".join(one for one in lines.splitlines() if not one.startswith("#")) + "\n"
