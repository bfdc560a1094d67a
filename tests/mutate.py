"""Mutation check: break each driver one place at a time and see whether its tests fall.

    python -m tests.mutate [driver ...] [--limit N] [--report build/mutants.json]

What drivers share (a file beside them that is none, such as `pace`) is broken like them, and must
be noticed by its own tests or by those of a driver that imports it.

A mutant is one change of the syntax tree: a comparison turned round, an arithmetic operator or a
constant changed, a condition negated, a statement left out. The driver's own tests and its row of
tests/simulators/test_every_pair.py (on the simulated board) run against it in a process of their
own, from a copy of the tree. What survives is listed with its line, and with its reason where
mutants_explained.toml has one: some change nothing that anybody could see, such as a first value
that start() sets anew. Exit code 1 if more than SURVIVORS_SHARE_MAX of all survive unexplained.
"""

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from agent.drivers import DRIVERS
from tests.sources import REPOSITORY, own_files

TREE = (
    "agent",
    "boards",
    "hub",
    "protocols",
    "simulators",
    "tests",
    "hinomi.py",
    "pyproject.toml",
)
EVERY_PAIR = "tests/simulators/test_every_pair.py"
# Files that name drivers and test something else, or test their models by statistics.
OTHERS = (
    *("test_config.py", "test_chips_adafruit.py", "test_chips_figures.py", "test_every_pair.py"),
    *("test_on_blinka_cpython.py", "test_on_micropython_cpython.py", "test_sensor_view.py"),
)
SHARED = sorted(
    path.stem
    for path in (REPOSITORY / "agent/drivers").glob("*.py")
    if path.stem not in (*DRIVERS, "__init__", "errors")
)
TIMEOUT_S = 60
SURVIVORS_SHARE_MAX = 0.05
EXPLAINED = REPOSITORY / "tests/mutants_explained.toml"
SEED = 1

COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip


class Mutant(NamedTuple):
    """One broken version of a file."""

    line: int
    what: str
    code: str


def mutants_of(code: str) -> Iterator[Mutant]:
    """Yield every mutant of a file; docstrings, annotations and error texts are left alone."""
    tree = ast.parse(code)
    for at, node in enumerate(_mutable(tree)):
        for what in _changes(node):
            broken = ast.parse(code)
            target = list(_mutable(broken))[at]
            _apply(target, what)
            yield Mutant(getattr(node, "lineno", 0), what, ast.unparse(broken))


def _mutable(tree: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Import | ast.ImportFrom | ast.arguments):
            continue
        if isinstance(child, ast.Raise) or _is_for_types(child) or _is_text(child):
            if isinstance(child, ast.Raise):
                yield child
            continue
        if isinstance(child, ast.AnnAssign):
            if child.value is not None:
                yield from _mutable(ast.Expression(child.value))
            continue
        yield child
        yield from _mutable(child)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If | ast.Assign) and "TYPE_CHECKING" in ast.unparse(node)


def _is_text(node: ast.AST) -> bool:
    """Whether it is a docstring, or makes an error in words."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id.endswith("Error")
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _changes(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        return ["comparison"]
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in OPERATORS:
        return ["operator"]
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return ["constant + 1"]
    if isinstance(node, ast.If | ast.While):
        return ["condition negated"]
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return ["call left out"]
    if isinstance(node, ast.Raise):
        return ["raise left out"]
    return []


def _apply(node: ast.AST, what: str) -> None:
    if isinstance(node, ast.Compare):
        node.ops[0] = COMPARISONS[type(node.ops[0])]()
    elif isinstance(node, ast.BinOp | ast.AugAssign):
        node.op = OPERATORS[type(node.op)]()
    elif isinstance(node, ast.Constant):
        node.value += 1  # type: ignore[operator]
    elif isinstance(node, ast.If | ast.While):
        node.test = ast.UnaryOp(ast.Not(), node.test)
    elif isinstance(node, ast.Expr):
        node.value = ast.Constant(None)
    elif isinstance(node, ast.Raise):
        node.__class__ = ast.Pass  # type: ignore[assignment]


def files_of(driver: str) -> list[str]:
    """Return the test files that speak of a driver, the table of all pairs last."""
    files = [
        file for file in own_files() if file.startswith(("tests/agent/", "tests/simulators/"))
    ]
    named = [
        file
        for file in files
        if (
            Path(file).name.startswith("test_")
            and any(
                f'"{user}"' in (REPOSITORY / file).read_text("utf-8") for user in users_of(driver)
            )
        )
        or Path(file).stem.removeprefix("test_").removeprefix("chips_")
        in {driver, *users_of(driver)}
    ]
    return [file for file in named if not _is_slow(file)] + [EVERY_PAIR]


def file_of(driver: str) -> str:
    """Return its file. Drivers are named as their modules."""
    return f"agent/drivers/{driver}.py"


def users_of(driver: str) -> list[str]:
    """Return the drivers that it is part of: itself, or those whose file imports it."""
    if driver in DRIVERS:
        return [driver]
    wanted = f"from agent.drivers.{driver} import"
    files = {user: (REPOSITORY / file_of(user)).read_text("utf-8") for user in [*DRIVERS, *SHARED]}
    users = [user for user in DRIVERS if wanted in files[user]]
    for between in SHARED:
        if between != driver and wanted in files[between]:
            users += users_of(between)
    return sorted(set(users))


def _is_slow(file: str) -> bool:
    """Whether a file only speaks of the driver beside others, or takes long."""
    return file.endswith("_properties.py") or Path(file).name in OTHERS


def survives(copy_of_tree: Path, driver: str, tests: list[str]) -> bool:
    """Whether all tests pass there. What runs into the time limit counts as fallen."""
    # Of the tables, the driver's rows; of that of all pairs on the quickest body.
    users = " or ".join(users_of(driver))
    tables = "test_every_pair or test_chips_bridge"
    chosen = f"not ({tables}) or ((simulated or test_chips_bridge) and ({users}))"
    return _run_tests(copy_of_tree, [*tests, "-k", chosen]) == 0


def _run_tests(folder: Path, arguments: list[str]) -> int | None:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *arguments]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(folder)}
    try:
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, timeout=TIMEOUT_S
        ).returncode
    except subprocess.TimeoutExpired:
        return None


def check(driver: str, limit: int | None) -> dict[str, Any]:
    """Break one driver; return counts and survivors."""
    file = file_of(driver)
    code = (REPOSITORY / file).read_text(encoding="utf-8")
    mutants = list(mutants_of(code))
    if limit is not None and limit < len(mutants):
        mutants = sorted(random.Random(SEED).sample(mutants, limit))
    tests = files_of(driver)
    lines = code.splitlines()
    survivors = []
    reasons = reasons_of(driver)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _copy_tree(folder)
        if not survives(folder, driver, tests):
            raise SystemExit(f"{driver}: its tests fall before anything is broken")
        for mutant in mutants:
            (folder / file).write_text(mutant.code, encoding="utf-8")
            if survives(folder, driver, tests):
                text = lines[mutant.line - 1].strip() if mutant.line else ""
                survivors.append(
                    {
                        "line": mutant.line,
                        "what": mutant.what,
                        "code": text,
                        "why": reasons.get((mutant.what, text), ""),
                    }
                )
    return {"driver": driver, "mutants": len(mutants), "survivors": survivors}


def reasons_of(driver: str) -> dict[tuple[str, str], str]:
    """Return (what, code) -> why nobody can notice that."""
    table = tomllib.loads(EXPLAINED.read_text(encoding="utf-8"))
    return {
        (what, code): why
        for why, rows in table.items()
        for name, what, code in rows
        if name == driver
    }


def _copy_tree(folder: Path) -> None:
    for part in TREE:
        source = REPOSITORY / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)


def main() -> int:
    """Check the drivers that are named, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("drivers", nargs="*", metavar="driver", help="default: all")
    parser.add_argument("--limit", type=int, help="at most so many mutants of each")
    parser.add_argument("--report", type=Path, help="write the result as JSON to this file")
    options = parser.parse_args()
    unknown = set(options.drivers) - {*DRIVERS, *SHARED}
    if unknown:
        parser.error(f"no {sorted(unknown)}; there are: {', '.join([*DRIVERS, *SHARED])}")
    results = []
    for driver in options.drivers or [*DRIVERS, *SHARED]:
        result = check(driver, options.limit)
        results.append(result)
        _print(result)
    if options.report:
        options.report.parent.mkdir(parents=True, exist_ok=True)
        options.report.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    mutants = sum(result["mutants"] for result in results)
    survivors = [row for result in results for row in result["survivors"]]
    unexplained = sum(not row["why"] for row in survivors)
    print(f"all: {mutants} broken, {len(survivors)} not noticed, {unexplained} unexplained")
    return int(unexplained > SURVIVORS_SHARE_MAX * mutants)


def _print(result: dict[str, Any]) -> None:
    survivors = result["survivors"]
    print(
        f"{result['driver']}: {result['mutants']} broken, {len(survivors)} not noticed", flush=True
    )
    for row in survivors:
        why = row["why"] or "UNEXPLAINED"
        print(f"    line {row['line']}: {row['what']}: {row['code']}  # {why}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
