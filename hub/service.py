"""The hub as a systemd service: its unit, and what installing it takes."""

import importlib.resources
import pwd
import subprocess
import sys
from pathlib import Path

from hub.settings import SettingsError

NAME = "hinomi-hub.service"
UNITS = Path("/etc/systemd/system")
USER = "hinomi"
HOMES = tuple(map(Path, ("/home", "/root", "/run/user")))


class ServiceError(SettingsError):
    """The service cannot be installed; cause and remedy are the operator's to read."""

    exit_code = 1


def unit(config: Path, hub_id: str, user: str = USER, *, python: str = sys.executable) -> str:
    """Return the text of the unit. config: hub.toml; its folder is what the hub may write."""
    folder = config.resolve().parent
    at_home = any(place in (folder, *folder.parents) or place in Path(python).parents
                  for place in HOMES)  # fmt: skip
    text = importlib.resources.files("hub").joinpath(f"deploy/{NAME}").read_text(encoding="utf-8")
    values = {
        "id": hub_id,
        "config": quoted(str(config.resolve())),
        "folder": quoted(str(folder)),
        # The one setting here that takes a path as it is.
        "environment": str(folder / "hub.env").replace("%", "%%"),
        "python": quoted(python),
        "user": user,
        # Its folder or its program is in somebody's home: that much must be seen.
        "protect_home": "read-only" if at_home else "yes",
    }
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


def quoted(text: str) -> str:
    """Return a path as systemd.syntax(7) wants it: % doubled, quotes where there is a space."""
    text = text.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"' if " " in text else text


def install(config: Path, hub_id: str, user: str = USER, *, units: Path = UNITS) -> list[str]:
    """Write the unit, make the user and give it the hub's folder; return the commands to start it.

    ServiceError where the rights for it are missing.
    """
    path, folder = units / NAME, config.resolve().parent
    # All of the folder becomes that user's: it must be the hub's alone.
    of_others = {Path(one.pw_dir) for one in pwd.getpwall() if one.pw_name != user}
    if folder == Path("/") or folder in of_others:
        remedy = "Move hub.toml, hub.secret, devices.toml and data to a folder of their own."
        raise ServiceError(f"{folder} is not the hub's alone", remedy)
    try:
        path.write_text(unit(config, hub_id, user), encoding="utf-8")
    except OSError as error:
        remedy = f"Run it as root: sudo {sys.executable} -m hinomi hub service --install"
        raise ServiceError(f"{path} cannot be written: {error.strerror}", remedy) from None
    try:
        pwd.getpwnam(user)
    except KeyError:
        _run("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", user)
    _run("chown", "-R", f"{user}:", str(folder))
    return ["systemctl daemon-reload", f"systemctl enable --now {NAME}"]


def _run(*words: str) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True)
    except OSError as error:
        raise ServiceError(f"{words[0]} cannot run: {error.strerror}", _REMEDY) from None
    if done.returncode:
        cause = f"`{' '.join(words)}` failed: {done.stderr.strip()[:200]}"
        raise ServiceError(cause, _REMEDY)


_REMEDY = "Make the user by hand and give it the hub's folder; then run this again with --user."
