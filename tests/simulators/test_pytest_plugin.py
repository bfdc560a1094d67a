"""The pytest plugin in a test suite of somebody else: the examples of its page."""

import re
import subprocess
import sys
from pathlib import Path

from tests.sources import REPOSITORY

PAGE = "docs/simulators.md"
EXAMPLES_MIN = 6


def examples() -> str:
    """Return all Python of the page as one file."""
    page = (REPOSITORY / PAGE).read_text(encoding="utf-8")
    return "\n".join(re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE))


def run_pytest(folder: Path, code: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run code as a test file in an empty folder, as a stranger would."""
    (folder / "test_examples.py").write_text(code, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    # Named as its entry point is, so that it is there once whether or not we are installed.
    command = [sys.executable, "-m", "pytest", "-p", "simulators.pytest_plugin", *options]
    return subprocess.run(
        [*command, str(folder)],
        cwd=folder,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": ""},
        capture_output=True,
        text=True,
    )


def test_examples_of_the_page_pass(tmp_path: Path) -> None:
    code = examples()
    done = run_pytest(tmp_path, code, "-q", "-W", "error")
    assert done.returncode == 0, done.stdout + done.stderr
    count = code.count("\ndef test_") + code.startswith("def test_")
    assert count >= EXAMPLES_MIN and f"{count} passed" in done.stdout


def test_fixtures_are_listed_with_what_they_are(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "def test_nothing(): pass\n", "--fixtures")
    page = (REPOSITORY / PAGE).read_text(encoding="utf-8")
    for name in re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE):
        assert re.search(rf"^{name}\b.*\n +\S", done.stdout, re.MULTILINE), name


def test_an_example_that_is_wrong_fails(tmp_path: Path) -> None:
    wrong = examples().replace("21.5 / 0.0078125", "22.5 / 0.0078125")
    done = run_pytest(tmp_path, wrong, "-q", "-k", "thermometer")
    assert done.returncode == 1 and "1 failed" in done.stdout
