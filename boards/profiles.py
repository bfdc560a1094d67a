"""Reads the profiles of this folder and makes a device's config.json of one.

A device profile has: profile, kind (bridge, river, slope, home), name_ja, name_en, board (a file
of boards/boards), the sensors, the policy and, where it needs them, outputs and alone_after_ms as
the agent's config.json has them, `names` (sensor -> ja, en) and `demo`: what to lay over it so
that a demonstration need not wait for real rivers.
"""

import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DEVICES = HERE / "devices"
BOARDS = HERE / "boards"


def device_profiles() -> list[str]:
    """Return the names of all device profiles."""
    return sorted(path.stem for path in DEVICES.glob("*.toml"))


def board_profiles() -> list[str]:
    """Return the names of all boards."""
    return sorted(path.stem for path in BOARDS.glob("*.toml"))


def read_device(profile: str) -> dict[str, Any]:
    """Return a device profile; KeyError for an unknown name."""
    return _read(DEVICES, profile)


def read_board(board: str) -> dict[str, Any]:
    """Return what a board has; KeyError for an unknown name."""
    return _read(BOARDS, board)


def make_config(
    profile: str, device: str, secret_hex: str, *, host: str, port: int, demo: bool = False
) -> dict[str, Any]:
    """Return the config.json of a device with this profile; KeyError for an unknown profile.

    secret_hex: 64 digits. host, port: of its hub. demo: at the pace of a demonstration.
    """
    table = read_device(profile)
    if demo:
        table = _laid_over(table, table.get("demo", {}))
    beside: dict[str, Any] = {
        key: table[key] for key in ("outputs", "alone_after_ms") if key in table
    }
    return {
        **beside,
        "device": device,
        "secret": secret_hex,
        "profile": profile,
        "board": table["board"],
        "hub": {"host": host, "port": port},
        "sensors": table["sensors"],
        "policy": table["policy"],
    }


def _read(folder: Path, name: str) -> dict[str, Any]:
    path = folder / f"{name}.toml"
    if path.parent != folder or not path.is_file():
        known = ", ".join(sorted(each.stem for each in folder.glob("*.toml")))
        raise KeyError(f"no profile {name!r}; there are: {known}")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Return below with the tables of above merged in, key by key."""
    result = dict(below)
    for key, value in above.items():
        both_tables = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _laid_over(result[key], value) if both_tables else value
    return result
