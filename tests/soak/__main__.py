"""Play the long tier: `python -m tests.soak [--part NAME ..]`; writes one JSON report.

Exit code 0: every part held; 1: one did not, and the report says what it found.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tests.soak.parts import PARTS, Given, Tell, new_seed

WORDS_MAX = 4000  # of what went wrong


def main() -> int:
    """Play the parts one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--part", action="append", choices=list(PARTS), help="only this; again")
    parser.add_argument("--seed", type=int, default=None, help="of what is drawn")
    parser.add_argument("--seconds", type=int, default=3600, help="that the demo plays")
    parser.add_argument("--report", type=Path, default=Path("build/soak.json"))
    given = parser.parse_args()
    seed = new_seed() if given.seed is None else given.seed
    report: dict[str, Any] = {"seed": seed, "ok": True, "parts": {}}
    columns = (TextColumn("{task.description:12}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for name in given.part or PARTS:
            bar = progress.add_task(name, total=1.0)

            def tell(share: float, bar: TaskID = bar) -> None:
                progress.update(bar, completed=share)

            found = play(name, (seed, given.seconds), tell)
            tell(1.0)
            report["parts"][name] = found
            report["ok"] = report["ok"] and found["ok"]
            given.report.parent.mkdir(parents=True, exist_ok=True)
            given.report.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps(report, ensure_ascii=False))
    return 0 if report["ok"] else 1


def play(name: str, drawn: tuple[int, int], tell: Tell) -> dict[str, Any]:
    """Play one part; return its figures, or what it found. drawn: seed, seconds of the demo."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hinomi-soak-") as folder:
        try:
            found: dict[str, Any] = {"ok": True, **PARTS[name](Given(Path(folder), *drawn), tell)}
        except Exception as error:  # whatever it is: the other parts are played all the same
            words = f"{type(error).__name__}: {error}"[-WORDS_MAX:]
            found = {"ok": False, "found": words}
    found["wall_s"] = round(time.monotonic() - begun, 1)
    return found


if __name__ == "__main__":
    sys.exit(main())
