"""The settings of the page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hub.rules.problem import Problem
from hub.settings import Row

OFF, SECURE, LAN = "off", "secure", "lan"

ROWS = (
    Row("console", "host", "127.0.0.1", "",
        "Address of the web page; 0.0.0.0 to show it on the town LAN.", 1),
    Row("console", "port", 8080, "", "Port of the web page; 0 takes a free one.", 0, 65535),
    Row("console", "certificate", "", "",
        "File with the page's certificate, PEM, beside this file unless absolute: the page then "
        "speaks HTTPS only.", 0),
    Row("console", "key", "", "", "File with the key of the certificate, PEM.", 0),
    Row("console", "names", "", "",
        "Names, with commas between, by which screens reach the page beside its addresses and "
        "this machine's name: hinomi.town.example.jp.", 0, 1000),
    Row("console", "login", SECURE, "",
        "Where operators may log in. secure: at the hub's own screen and over HTTPS; lan: also "
        "over plain HTTP from private addresses, where whoever can listen on the wire reads "
        "passwords; off: nowhere.", choices=(OFF, SECURE, LAN)),
    Row("console", "idle_min", 30, "min", "A session ends after so long without a click.", 1, 720),
    Row("console", "session_h", 12, "h", "A session ends after so long at last.", 1, 72),
    Row("console", "tries_per_min", 10, "tries",
        "So often a minute one address may try to log in; more are refused and counted.", 1, 600),
    Row("console", "lock_after", 5, "tries",
        "After so many wrong passwords in a row a name is locked for that address.", 2, 100),
    Row("console", "lock_min", 10, "min",
        "A lock lasts so long; `hinomi hub operator unlock` ends it.", 1, 1440),
)  # fmt: skip


def problems(tables: dict[str, Any], folder: Path) -> Iterator[Problem]:
    """Say what is wrong with settings that are each allowed. folder: of hub.toml."""
    row = tables["console"]
    if bool(row["certificate"]) != bool(row["key"]):
        name = "key" if row["certificate"] else "certificate"
        yield Problem("console", name, "is missing", "Give both files, or neither.")
        return
    for name in ("certificate", "key"):
        if row[name] and not (folder / row[name]).is_file():
            yield Problem("console", name, f"is {row[name]!r}: no such file", "Name a PEM file.")
