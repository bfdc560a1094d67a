"""The agent as a systemd service."""

import getpass
import grp
import importlib.resources
import sys
from collections.abc import Iterable
from pathlib import Path

from agent.pi.problem import PiError

NAME = "hinomi-agent.service"
UNITS = Path("/etc/systemd/system")
GROUPS = ("i2c", "spi", "gpio", "dialout")


def unit(config: Path, user: str, groups: Iterable[str], python: str = sys.executable) -> str:
    """Return the text of the unit; its folder is what the agent may write."""
    folder = config.resolve().parent
    text = importlib.resources.files("agent").joinpath(f"deploy/{NAME}").read_text("utf-8")
    values = {
        "config": _quoted(str(config.resolve())),
        "folder": _quoted(str(folder)),
        "python": _quoted(python),
        "user": user,
        "groups": " ".join(groups),
    }
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


def groups_here(names: Iterable[str] = GROUPS) -> list[str]:
    """Return those that this machine has: systemd starts nothing that names another."""
    known = {group.gr_name for group in grp.getgrall()}
    return [name for name in names if name in known]


def install(config: Path, user: str = "", units: Path = UNITS) -> list[str]:
    """Write the unit; return the commands that start it. PiError where the right is missing."""
    path = units / NAME
    try:
        path.write_text(unit(config, user or getpass.getuser(), groups_here()), encoding="utf-8")
    except OSError as error:
        raise PiError(
            f"{path} cannot be written: {error.strerror}.",
            f"sudo {sys.executable} -m hinomi agent service --install --config {config}",
        ) from None
    return ["systemctl daemon-reload", f"systemctl enable --now {NAME}"]


def _quoted(text: str) -> str:
    """Return a path as systemd.syntax(7) wants it: % doubled, quotes where there is a space."""
    text = text.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"' if " " in text else text
