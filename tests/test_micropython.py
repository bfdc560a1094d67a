"""The tests of portable code, run again on a real MicroPython interpreter."""

import subprocess
from pathlib import Path

import pytest

from tests.real_parts import REPOSITORY, need

RUNNER = "tests/micropython/run.mjs"
FOLDERS = ("tests/protocols", "tests/agent")
# What these need (Hypothesis, an oracle of CPython) no board has.
ONLY_ON_CPYTHON = ("_properties.py", "_cpython.py")


def portable_test_files() -> list[str]:
    """Return the test files that MicroPython runs too, relative to the repository."""
    found = [path for folder in FOLDERS for path in (REPOSITORY / folder).rglob("test_*.py")]
    return sorted(
        str(path.relative_to(REPOSITORY))
        for path in found
        if not path.name.endswith(ONLY_ON_CPYTHON)
    )


def run_on_micropython(*files: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run test files on MicroPython; the return code is 1 if a test failed."""
    command = [need("node"), RUNNER, need("micropython"), *map(str, files)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)


@pytest.mark.parametrize("file", portable_test_files())
def test_file_passes_on_micropython(file: str) -> None:
    done = run_on_micropython(file)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_runner_names_the_tests_that_pass_and_fail() -> None:
    done = run_on_micropython("tests/examples/one_passes_one_fails.py")
    assert done.returncode == 1
    assert "passed tests/examples/one_passes_one_fails.py::test_asynchronous" in done.stdout
    assert "FAILED tests/examples/one_passes_one_fails.py::test_wrong" in done.stdout
    assert "AssertionError: on micropython" in done.stderr


def test_runner_fails_a_file_without_tests() -> None:
    assert run_on_micropython("tests/examples/holds_no_test.py").returncode == 1
