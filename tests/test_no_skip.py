"""A skip says what is missing; with CI=true it is a failure."""

import os
import subprocess
import sys

from tests.sources import REPOSITORY


def run_example(name: str, *, in_ci: bool) -> "subprocess.CompletedProcess[str]":
    """Run a file of tests/examples under pytest."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"tests/examples/{name}"]
    environment = {**os.environ, "CI": "true" if in_ci else ""}
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)


def test_skip_names_the_missing_part_and_the_remedy() -> None:
    done = run_example("some_are_skipped.py", in_ci=False)
    assert done.returncode == 0, done.stdout
    assert "1 passed, 2 skipped, 1 xfailed" in done.stdout
    assert "flux capacitor is missing; get it with: sudo apt-get install" in done.stdout


def test_skip_is_a_failure_in_ci() -> None:
    done = run_example("some_are_skipped.py", in_ci=True)
    assert done.returncode == 1
    assert "2 failed, 1 passed, 1 xfailed" in done.stdout
    assert "With CI=true nothing may be skipped" in done.stdout


def test_file_skipped_as_a_whole_is_a_failure_in_ci() -> None:
    assert run_example("skipped_as_a_whole.py", in_ci=False).returncode == 5
    done = run_example("skipped_as_a_whole.py", in_ci=True)
    assert done.returncode not in (0, 5)
    assert "With CI=true nothing may be skipped" in done.stdout
