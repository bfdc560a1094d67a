"""The house rules that a program can check; docs/house-style.md says why they are."""

import ast
import re
import sys
from importlib.metadata import packages_distributions, requires

import pytest

from tests.sources import PACKAGES, REPOSITORY, imported_modules, own_files, python_files, read
from tests.sources import syntax_tree as tree_of

# Who may import whom. A name with a dot allows that module only.
ARROWS = {
    "protocols": set(),
    "agent": {"protocols"},
    "boards": {"protocols"},
    "hub": {"protocols", "boards"},
    "simulators": {"protocols", "agent", "hub", "boards"},
    "hinomi": set(),  # it mounts the packages' commands by name, when called
}
# What is there on a board, or only with an extra that the tests do not install.
MODULES_OF_A_BOARD = {"cryptolib", "esp32", "machine", "micropython", "rp2", "far_line", "vfs"}
MODULES_NOT_INSTALLED = {
    "bleak": ["bleak"],
    "serial": ["pyserial"],
    "adafruit_blinka": ["adafruit-blinka"],
    "board": ["adafruit-blinka"],
    "busio": ["adafruit-blinka"],
    "digitalio": ["adafruit-blinka"],
}
FILE_NAMES_BANNED = re.compile(r"(utils?|helpers?|common|misc|.*manager.*)\.py")
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60
LONG_FUNCTION_REASON = "# Long because"

# What would tie the repository to a place. Written so that this file does not hold them.
PLACES = re.compile(
    r"pypi[.]org|pythonhosted[.]org|npmjs[.](org|com)|deb[.]debian[.]org|piwheels[.]org"
    r"|/work[/]|/root[/]|/home[/](?!pi\b)\w+|/Users[/]\w+"
)
LEFT_TO_DO = re.compile(r"#.*\b(TO[D]O|FI[X]ME|XX[X])\b(?!.*(#\d|https?:))")
TEXT_SUFFIXES = (
    *(".py", ".mjs", ".js", ".css", ".html", ".md", ".toml", ".json", ".yaml", ".yml"),
    *(".sh", ".cddl", ".sql", ".txt", ".svg", "Makefile", "run", ".npmrc", ".gitignore"),
)

ALL_PYTHON = python_files()
PACKAGED = [*python_files(*PACKAGES), "hinomi.py"]


@pytest.mark.parametrize("file", PACKAGED)
def test_imports_only_the_floors_it_may(file: str) -> None:
    floor = file.removesuffix(".py").split("/")[0]
    imported = {name.split(".")[0] for name in imported_modules(file)}
    assert imported & {*PACKAGES, "tests", "hinomi"} <= ARROWS[floor] | {floor}


@pytest.mark.parametrize("file", PACKAGED)
def test_imports_by_full_name(file: str) -> None:
    for node in ast.walk(tree_of(file)):
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"line {node.lineno}"


@pytest.mark.parametrize("file", ALL_PYTHON)
def test_file_name_says_what_is_in_it(file: str) -> None:
    assert not FILE_NAMES_BANNED.fullmatch(file.rsplit("/")[-1])


def test_no_file_has_the_name_of_a_module_that_is_imported() -> None:
    imported = {name for file in ALL_PYTHON for name in imported_modules(file) if "." not in name}
    foreign = imported - {file.removesuffix(".py") for file in ALL_PYTHON}
    # Inside links/ a file is named after its link; it is always imported by its full name.
    named = {file for file in ALL_PYTHON if "/links/" not in file}
    assert {file for file in named if file.rsplit("/")[-1].removesuffix(".py") in foreign} == set()


@pytest.mark.parametrize("file", ALL_PYTHON)
def test_module_begins_with_what_it_is(file: str) -> None:
    assert ast.get_docstring(tree_of(file)), "a module starts with a docstring"


@pytest.mark.parametrize("file", ALL_PYTHON)
def test_no_mocks(file: str) -> None:
    assert not {name for name in imported_modules(file) if name.startswith("unittest")}
    assert "mock" not in read(file).casefold() or file == "tests/test_tidy.py"


@pytest.mark.parametrize("file", ALL_PYTHON)
def test_file_is_short(file: str) -> None:
    assert len(read(file).splitlines()) <= FILE_LINES_MAX, "probably two files"


@pytest.mark.parametrize("file", ALL_PYTHON)
def test_function_is_short_or_says_why_not(file: str) -> None:
    lines = read(file).splitlines()
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            body = lines[node.lineno - 1 : node.end_lineno]
            has_reason = any(line.strip().startswith(LONG_FUNCTION_REASON) for line in body)
            assert len(body) <= FUNCTION_LINES_MAX or has_reason, f"{node.name}: {len(body)} lines"


# Typer calls the functions of a command line, by keyword.
@pytest.mark.parametrize("file", [file for file in ALL_PYTHON if "/commands" not in file])
def test_function_takes_few_positional_arguments(file: str) -> None:
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [argument.arg for argument in node.args.args]
            count = len(names) - (names[:1] in (["self"], ["cls"]))
            assert count <= 4, f"{node.name}: make the later ones keyword-only"


@pytest.mark.parametrize("file", [file for file in own_files() if file.endswith(TEXT_SUFFIXES)])
def test_names_no_place_outside_the_repository(file: str) -> None:
    found = PLACES.search(read(file))
    assert found is None, found and found.group()


@pytest.mark.parametrize("file", ALL_PYTHON)
def test_what_is_left_to_do_is_an_issue(file: str) -> None:
    assert [line for line in read(file).splitlines() if LEFT_TO_DO.search(line)] == []


def test_every_module_of_others_is_declared() -> None:
    own = {file.split("/")[0].removesuffix(".py") for file in ALL_PYTHON}
    known = {*sys.stdlib_module_names, *own, *MODULES_OF_A_BOARD}
    imported = {name.split(".")[0] for file in ALL_PYTHON for name in imported_modules(file)}
    declared = {_project(text) for text in requires("hinomi") or []}
    projects = {**MODULES_NOT_INSTALLED, **packages_distributions()}
    undeclared = {
        name
        for name in imported - known
        if not declared & {_project(project) for project in projects.get(name, [])}
    }
    assert undeclared == set(), "declare it in pyproject.toml, with its reason"


def _project(requirement: str) -> str:
    name = re.split(r"[^\w.-]", requirement)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_package_folder_is_a_package() -> None:
    folders = {file.rpartition("/")[0] for file in python_files(*PACKAGES)}
    missing = {folder for folder in folders if not (REPOSITORY / folder / "__init__.py").exists()}
    assert missing == set()


def test_no_asset_of_others_is_committed() -> None:
    assert [file for file in own_files() if re.search(r"/vendor/|\.min\.(js|css)$", file)] == []
