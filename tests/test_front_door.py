"""The command line's front door: quick, whole, and clear about what is missing."""

import subprocess
import sys

import pytest

from hinomi import PARTS, is_here
from tests.sources import REPOSITORY


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Python with the arguments, in the repository."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)


def hinomi(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command line."""
    return run("hinomi.py", *arguments)


def test_help_lists_every_part_that_is_here() -> None:
    done = hinomi("--help")
    assert done.returncode == 0
    for name, part in PARTS.items():
        assert (f"\n  {name}" in done.stdout) == is_here(part)


def test_help_imports_no_commands() -> None:
    done = run(
        "-c",
        "import sys, hinomi; hinomi.command_line(None);"
        "print([name for name in sys.modules if name.endswith('.commands')])",
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_unknown_command_is_wrong_usage() -> None:
    done = hinomi("nonsense")
    assert done.returncode == 2
    assert "nonsense" in done.stderr


def test_missing_part_gives_cause_and_remedy() -> None:
    done = run(
        "-c",
        "import sys, hinomi; sys.argv = ['hinomi', 'hub'];"
        "sys.modules['hub'] = None;"  # as Python itself marks what it cannot find
        "hinomi.main()",
    )
    assert done.returncode == 1
    assert done.stderr.startswith("hinomi: hub.commands cannot start")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("part", [name for name, part in PARTS.items() if is_here(part)])
def test_part_shows_its_help(part: str) -> None:
    done = hinomi(part, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
