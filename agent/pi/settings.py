"""agent.toml: the rows of config.json, and beside them [machine], what is this Linux's own."""

import os
import secrets
import tomllib
from pathlib import Path
from typing import Any

from agent.config import Config, ConfigError
from agent.config_checks import checked
from agent.pi.problem import PiError

KIB_PER_SECTOR = 4  # of the file that stands for a flash
PORT = 4620  # of a hub, unless its hub.toml has another
MACHINE_ROWS = (
    ("flash", "text", "hinomi-log.bin", "a path; without a / in front: beside agent.toml"),
    ("flash_kib", (512, 1 << 20), 16_384, "512 to 1048576; a file never shrinks"),
    ("serial", "tables", ["/dev/serial0"], "a list of paths: of serial port 0, 1 and so on"),
)

TEMPLATE = """\
# A Raspberry Pi as a device of Hinomi. Every setting: docs/settings.md, "config.json: a device".
# After a change: hinomi agent check --config {path}

# The name under which the hub knows it (1 to 16 bytes), and the secret that
# `hinomi hub enroll {device}` printed there.
device = {device!s}
secret = {secret!s}
profile = ""

[hub]
host = {host!s}
port = {port}

# What this machine has. The log keeps what the hub has not acknowledged yet.
[machine]
flash = "hinomi-log.bin"
flash_kib = 16384
serial = ["/dev/serial0"]

# One table for each sensor; `hinomi agent scan` shows what answers on the bus.
# [[sensors]]
# name = "air"
# driver = "tmp117"
# i2c = 0

# What each mode of operation means: normal, and watch and disaster where they differ.
[policy.normal]
# air = {{ report_ms = 60000 }}
"""


class Settings:
    """One checked agent.toml. table: as config.json; wiring: for BlinkaBoard."""

    def __init__(self, table: dict[str, Any], wiring: dict[str, Any]) -> None:
        self.table = table
        self.wiring = wiring
        self.config = Config(table)


def load(path: Path) -> Settings:
    """Return what agent.toml says; PiError (exit code 2) for the first thing that is wrong."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _usage(
            f"{path} cannot be read: {error.strerror}.",
            f"Write one: hinomi agent init --config {path}",
        ) from None
    except ValueError as error:
        raise _usage(f"{path} is no TOML: {error}.", "Put that line right.") from None
    try:
        machine = checked(table.pop("machine", {}), MACHINE_ROWS, "machine.")
        table.setdefault("sensors", [])
        return Settings(table, _wiring(machine, path.resolve().parent))
    except ConfigError as error:
        raise _usage(
            f"{path}: {error.key} {error.problem}.", f"Allowed: {error.allowed}."
        ) from None


def _wiring(machine: dict[str, Any], folder: Path) -> dict[str, Any]:
    for device in machine["serial"]:
        if not isinstance(device, str):
            raise ConfigError("machine.serial", f"does not fit: {device!r}", MACHINE_ROWS[2][3])
    return {
        "flash": (folder / machine["flash"], machine["flash_kib"] // KIB_PER_SECTOR),
        "uart": dict(enumerate(machine["serial"])),
    }


def write(path: Path, device: str, hub: str, secret: str) -> None:
    """Write an agent.toml with comments, readable by its owner alone.

    hub: host or host:port. secret: 64 hexadecimal digits; "": a new one. PiError where a file is
    there already, or where the values do not fit.
    """
    host, _, port = hub.rpartition(":") if hub.count(":") == 1 else (hub, "", "")
    secret = secret or secrets.token_hex(32)
    quoted = {"device": _quoted(device), "secret": _quoted(secret), "host": _quoted(host)}
    text = TEMPLATE.format(path=path, port=port or PORT, **quoted)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise _usage(
            f"{path} is there already.", "Move it away, or choose another name."
        ) from None
    except OSError as error:
        raise PiError(
            f"{path} cannot be written: {error.strerror}.", "Choose another folder."
        ) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    try:
        load(path)
    except PiError:
        path.unlink()
        raise


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _usage(cause: str, remedy: str) -> PiError:
    error = PiError(cause, remedy)
    error.exit_code = 2
    return error
