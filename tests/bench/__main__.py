"""`python -m tests.bench [PART ..]`: measure, print a table, write build/bench.json."""

import argparse
import importlib
import tempfile
from pathlib import Path

from tests.bench.figures import Figures
from tests.real_parts import REPOSITORY

# Part -> the modules that measure it, in this order.
PARTS = {
    "wire": ("wire",),
    "agent": ("agent_flash", "agent_board", "clock"),
    "hub": ("hub_speed", "hub_growth"),
}


def main() -> None:
    """Run the chosen parts, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all when none is named"
    )
    chosen = parser.parse_args().parts or list(PARTS)
    unknown = [name for name in chosen if name not in PARTS]
    if unknown:
        parser.error(f"no part {unknown[0]}; there are {', '.join(PARTS)}")
    figures = Figures()
    build = REPOSITORY / "build"
    build.mkdir(exist_ok=True)
    # On the disk of the repository: a temporary folder may lie in memory, where fsync is free.
    with tempfile.TemporaryDirectory(prefix="bench-", dir=build) as folder:
        for name in chosen:
            for module in PARTS[name]:
                importlib.import_module(f"tests.bench.{module}").measure(figures, Path(folder))
    figures.show()
    figures.write(build / "bench.json")


main()
