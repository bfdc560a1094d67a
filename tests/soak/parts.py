"""The parts of the long tier: each plays in a folder of its own and returns its figures.

A part that finds something wrong raises; what it says is in the report.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub import config
from tests.e2e.test_hub_best_effort import NOTICE_S_MAX, half_open_s
from tests.e2e.test_hub_dead_lines import SESSION_S_MAX, let_die
from tests.e2e.test_hub_kill import kill
from tests.e2e.test_hub_power_cut import lose_power
from tests.real_parts import REPOSITORY
from tests.soak import large_store

KILLS = 200
POWER_CUTS = 40
WORLDS = 100
FULL_STORES = 10
DAMAGES = 1000
MUTANTS = 40

Tell = Callable[[float], None]  # the share that is done


@dataclass(frozen=True)
class Given:
    """folder: empty, for this part. seed: of what is drawn. seconds: that the demo plays."""

    folder: Path
    seed: int
    seconds: int


def kills(given: Given, tell: Tell) -> dict[str, Any]:
    """SIGKILL of the hub at 200 random moments under load, a real broker behind it."""
    return dict(asyncio.run(kill(given.folder, KILLS, tell)))


def power_cuts(given: Given, tell: Tell) -> dict[str, Any]:
    """Power cuts of the hub's machine at 40 random operations on its disk, under load."""
    return dict(asyncio.run(lose_power(given.folder, POWER_CUTS, tell=tell)))


def dead_lines(given: Given, tell: Tell) -> dict[str, Any]:
    """A hundred open sessions die without a word while a healthy device streams."""
    return dict(asyncio.run(let_die(given.folder, True, SESSION_S_MAX)))


def worlds(given: Given, tell: Tell) -> dict[str, Any]:
    """A hundred deterministic worlds of new seeds."""
    words = ("--hours", "0.5", "--every", "5", "--fault", "6", "--worlds", str(WORLDS))
    found: dict[str, Any] = {"worlds": 0, "hub_deaths": 0, "kept": 0, "faults": 0, "events": 0}
    for line in _lines("-m", "tests.world", "--seed", str(given.seed), *words):
        report = json.loads(line)
        found["worlds"] += 1
        for name in ("hub_deaths", "kept", "events"):
            found[name] += report[name]
        found["faults"] += sum(report["faults"].values())
        tell(found["worlds"] / WORLDS)
    return found


def full_stores(given: Given, tell: Tell) -> dict[str, Any]:
    """Worlds whose platform stays away until long after the hub's store of 1 MiB is full."""
    words = ("--hours", "0.8", "--every", "2", "--fault", "60", "--size", "1", "--outage")
    more = ("--worlds", str(FULL_STORES))
    names = ("kept", "named_lost", "evictions", "outlasting")
    found: dict[str, Any] = {"worlds": 0, **dict.fromkeys(names, 0)}
    for line in _lines("-m", "tests.world", "--seed", str(given.seed), *words, *more):
        report = json.loads(line)
        found["worlds"] += 1
        for name in names:
            found[name] += report[name]
    return found


def outage(given: Given, tell: Tell) -> dict[str, Any]:
    """72 simulated hours without a platform, 200 devices, everything else failing as well."""
    words = ("--hours", "72", "--devices", "200", "--every", "300", "--fault", "1800")
    more = ("--size", "4096", "--exchange", "25", "--outage")
    (line,) = _lines("-m", "tests.world", "--seed", str(given.seed), *words, *more)
    report: dict[str, Any] = json.loads(line)
    return report


def damages(given: Given, tell: Tell) -> dict[str, Any]:
    """A thousand damaged stores."""
    environment = {"HINOMI_DAMAGES": str(DAMAGES)}
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "timeout=7200")
    last = [*_lines(*words, "tests/hub/test_damage.py", environment=environment)][-1]
    return {"damages": DAMAGES, "pytest": last}


def half_open(given: Given, tell: Tell) -> dict[str, Any]:
    """A line that is dead without a word, at the default settings."""
    rows = [row for row in config.ROWS if (row.table, row.name) == ("uplink", "keepalive_s")]
    noticed_s = asyncio.run(half_open_s(given.folder, int(rows[0].default)))
    assert noticed_s <= NOTICE_S_MAX
    return {"noticed_s": round(noticed_s, 1)}


def large(given: Given, tell: Tell) -> dict[str, Any]:
    """A store of a gigabyte, and what damage does to it."""
    return large_store.measure(given.folder, given.seed, tell)


def mutants(given: Given, tell: Tell) -> dict[str, Any]:
    """Drivers broken on purpose: the tests of the agent must see it."""
    report = given.folder / "mutants.json"
    list(_lines("-m", "tests.mutate", "--limit", str(MUTANTS), "--report", str(report)))
    return {"report": json.loads(report.read_text())}


def demo(given: Given, tell: Tell) -> dict[str, Any]:
    """The demonstration, played for an hour and judged by an observer outside the hub."""
    report = given.folder / "demo.json"
    program = "import hinomi; hinomi.main()"
    words = ("demo", "--headless", "--seconds", str(given.seconds), "--report", str(report))
    list(_lines("-c", program, *words))
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def _lines(*words: str, environment: dict[str, str] | None = None) -> list[str]:
    """Run Python to its end; return what it printed. RuntimeError with its last words."""
    done = subprocess.run(
        [sys.executable, *words], cwd=REPOSITORY, env={**os.environ, **(environment or {})},
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stdout[-2000:]}{done.stderr[-3000:]}")
    return done.stdout.splitlines()


PARTS: dict[str, Callable[[Given, Tell], dict[str, Any]]] = {
    one.__name__: one
    for one in (
        kills,
        power_cuts,
        dead_lines,
        worlds,
        full_stores,
        outage,
        damages,
        half_open,
        large,
        mutants,
        demo,
    )
}


def new_seed() -> int:
    """Return a seed for what is drawn; the report names it."""
    return random.randrange(1 << 31)
