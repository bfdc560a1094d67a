"""The repository's own files, for the tests that read them."""

import ast
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGES = ("agent", "boards", "hub", "protocols", "simulators")
PORTABLE = ("agent", "protocols")


@cache
def own_files() -> tuple[str, ...]:
    """Return every file that is committed or could be, relative to the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return tuple(
        sorted(file for file in listed.stdout.splitlines() if (REPOSITORY / file).exists())
    )


def python_files(*folders: str) -> list[str]:
    """Return the Python files under the folders; under all of the repository without one."""
    prefixes = tuple(f"{folder}/" for folder in folders) or ("",)
    return [file for file in own_files() if file.endswith(".py") and file.startswith(prefixes)]


@cache
def syntax_tree(file: str) -> ast.Module:
    """Parse a file of the repository."""
    return ast.parse(read(file), filename=file)


@cache
def read(file: str) -> str:
    """Return the text of a file of the repository."""
    return (REPOSITORY / file).read_text(encoding="utf-8")


def imported_modules(file: str) -> set[str]:
    """Return the full names of all modules that a file imports, wherever in it."""
    return _imported(ast.walk(syntax_tree(file)))


def modules_imported_to_run(file: str) -> set[str]:
    """Return the same less what stands under `if TYPE_CHECKING:`, which only mypy reads."""
    return _imported(_walk_what_runs(syntax_tree(file)))


def _imported(nodes: Iterable[ast.AST]) -> set[str]:
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


def _walk_what_runs(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        is_for_types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        if not is_for_types:
            yield from _walk_what_runs(child)
