"""Settings as rows: one table gives the defaults, the checks, the commented file and the docs.

A file is checked whole; what is wrong is named by file, line, setting and what is allowed.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class SettingsError(Exception):
    """A settings file cannot be used. `remedy` says what to write instead."""

    exit_code = 2

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy


@dataclass(frozen=True)
class Row:
    """One setting: its TOML table and name, default, unit and help.

    `low`/`high` or `choices` bound it; of a text they bound its bytes. `without`: characters that
    a text must not hold. A default of None means: must be given. Its type is then `kind`. A secret
    is never shown, not even a wrong one.
    """

    table: str
    name: str
    default: Any
    unit: str
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    kind: type = str
    without: str = ""
    is_secret: bool = False

    @property
    def sort(self) -> type:
        """The Python type a value must have."""
        return self.kind if self.default is None else type(self.default)

    def allowed(self) -> str:
        """Say in words what may stand there."""
        if self.choices:
            return "one of " + ", ".join(_toml(choice) for choice in self.choices)
        words = {int: "a whole number", float: "a number", str: "text in quotes", list: "a list",
                 bool: "true or false", dict: "a table"}[self.sort]  # fmt: skip
        if self.low is not None or self.high is not None:
            low = "" if self.low is None else f" from {self.low}"
            high = "" if self.high is None else f" up to {self.high}"
            words += low + high + (" bytes" if self.sort is str else "")
        if self.without:
            words += " without " + " ".join(self.without)
        return words + (f" ({self.unit})" if self.unit else "")

    def shown(self, value: Any) -> str:
        """Return a value as it may stand in a message."""
        return "not allowed" if self.is_secret else _toml(value)

    def fits(self, value: Any) -> bool:
        """Tell whether value may stand there."""
        if self.sort is float and type(value) is int:
            value = float(value)
        if type(value) is not self.sort:
            return False
        if self.choices and value not in self.choices:
            return False
        if isinstance(value, str):
            if any(mark in value for mark in self.without) or not value.isprintable():
                return False
            value = len(value.encode())
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            is_low = self.low is not None and not value >= self.low
            is_high = self.high is not None and not value <= self.high
            return not is_low and not is_high
        return True


class Document:
    """A parsed TOML file that knows on which line each setting stands."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self._lines = text.splitlines()
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(
                f"{file}: not valid TOML: {error}",
                "Write settings as `name = value` below their [table]; text stands in quotes.",
            ) from None

    def line_of(self, table: str, name: str, occurrence: int = 0) -> int:
        """Return the 1-based line of `name` in the given occurrence of [table]; 0 when not found.

        Where it is written as `table.name = ..` or `table = {name = ..}`, the line of that.
        """
        current, seen, table_line = "", -1, 0
        for number, line in enumerate(self._lines, 1):
            stripped = line.split("#")[0].strip()
            if stripped.startswith("["):
                current = stripped.strip("[]").strip()
                if current == table:
                    seen += 1
                    if seen == occurrence:
                        table_line = number
            if "=" not in stripped:
                continue
            key = stripped.split("=")[0].replace(" ", "").replace('"', "")
            in_table = current == table and (seen == occurrence or not table)
            if (in_table and key == name) or (not current and key == f"{table}.{name}"):
                return number
            if not current and key == table:
                table_line = number
        return table_line

    def error(self, table: str, name: str, why: str, remedy: str, *, at: int = 0) -> SettingsError:
        """Return the error that names the place."""
        line = self.line_of(table, name, at)
        where = f"{self.file}, line {line}" if line else self.file
        full = f"{table}.{name}" if table and name else table or name
        return SettingsError(f"{where}: {full} {why}", remedy)

    def read_table(
        self, rows: Sequence[Row], table: str, data: Any, *, at: int = 0
    ) -> dict[str, Any]:
        """Return name -> value for the rows of one table, with defaults filled in."""
        mine = {row.name: row for row in rows if row.table == table}
        if not isinstance(data, dict):
            raise self.error(
                table, "", "is not a table", f"Write [{table}] on a line of its own.", at=at
            )
        for name in data:
            if name not in mine:
                names = ", ".join(sorted(mine))
                raise self.error(
                    table, name, "is unknown", f"Known settings there: {names}.", at=at
                )
        values = {}
        for name, row in mine.items():
            value = data.get(name, row.default)
            if value is None:
                remedy = f"Add `{name} = ..`: {row.help} ({row.allowed()})."
                raise self.error(table, name, "is missing", remedy, at=at)
            if not row.fits(value):
                remedy = f"Allowed: {row.allowed()}. {row.help}"
                raise self.error(table, name, f"is {row.shown(value)}", remedy, at=at)
            values[name] = float(value) if row.sort is float else value
        return values

    def read_tables(self, rows: Sequence[Row], table: str) -> list[dict[str, Any]]:
        """Return the values of each [[table]]."""
        data = self.data.get(table, [])
        if not isinstance(data, list):
            raise self.error(table, "", "is not a list of tables", f"Write [[{table}]] for each.")
        return [self.read_table(rows, table, one, at=at) for at, one in enumerate(data)]

    def refuse_others(self, tables: Sequence[str]) -> None:
        """Raise SettingsError when the file has a table or name outside of these."""
        for name in self.data:
            if name not in tables:
                known = ", ".join(f"[{table}]" for table in tables)
                table, key = (
                    (name, "") if isinstance(self.data[name], (dict, list)) else ("", name)
                )
                raise self.error(table, key, "is unknown", f"Known tables: {known}.")


def commented(
    rows: Sequence[Row], values: dict[tuple[str, str], Any], lists: Sequence[str]
) -> str:
    """Return a TOML file with every setting, its unit and help.

    lists: tables written as [[table]]; one that has a value to be given stands there as a comment.
    """
    open_tables = {
        row.table for row in rows if values.get((row.table, row.name), row.default) is None
    }
    parts: list[str] = []
    table = None
    for row in rows:
        mark = "# " if row.table in open_tables else ""
        if row.table != table:
            table = row.table
            parts.append(f"\n{mark}[[{table}]]" if table in lists else f"\n{mark}[{table}]")
        value = values.get((row.table, row.name), row.default)
        parts.append(f"# {row.help} Allowed: {row.allowed()}.")
        parts.append(f"{mark}{row.name} = {'..' if value is None else _toml(value)}")
    return "\n".join(parts).lstrip() + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return str(value)
