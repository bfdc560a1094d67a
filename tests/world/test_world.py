"""Deterministic worlds of a few seeds; that they are deterministic; that they can fail."""

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.real_parts import REPOSITORY, need
from tests.world.breaks import BREAKS

SEEDS = 3
BROKEN_SEEDS_MAX = 8  # a broken hub must be caught in one of them
SHORT = ("--hours", "0.1", "--devices", "4", "--every", "4", "--fault", "8")


def play(*words: str) -> subprocess.CompletedProcess[str]:
    """Play worlds in a process of their own, which begins with the disk of tests/faults."""
    return subprocess.run(
        [sys.executable, "-m", "tests.world", *SHORT, *words],
        cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True, text=True, timeout=110,
    )  # fmt: skip


def reports_of(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """Return the reports of worlds that kept all promises."""
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(autouse=True)
def compiler() -> None:
    """The disk is compiled."""
    need("cc")


def test_every_promise_holds_in_a_few_worlds() -> None:
    seed = 7  # always the same ones, as a change is judged by them; the soak draws new ones
    reports = reports_of(play("--seed", str(seed), "--worlds", str(SEEDS)))
    assert len(reports) == SEEDS
    for report in reports:
        assert report["acknowledged"] > 100 and report["accounts_checked"] > 50
        assert sum(report["faults"].values()) > 15
    assert sum(report["hub_deaths"] for report in reports) > 1


def test_the_same_seed_is_the_same_world_to_the_last_event() -> None:
    words = ("--seed", "5", "--worlds", "2", "--hours", "0.05")
    first, again = (reports_of(play(*words)) for _ in range(2))
    for report in (*first, *again):
        del report["wall_s"]
    assert first == again
    assert first[0]["digest"] != first[1]["digest"]


@pytest.mark.parametrize(("broken", "promise"), [(one.__name__, BREAKS[one]) for one in BREAKS])
def test_a_broken_hub_is_caught_with_the_command_that_shows_it_again(
    broken: str, promise: str
) -> None:
    done = play("--break", broken, "--seed", "1", "--worlds", str(BROKEN_SEEDS_MAX))
    assert done.returncode == 1, done.stdout
    assert re.search(f"Violation: {promise}", done.stderr), done.stderr[-2000:]
    assert f"--break {broken}" in done.stderr.splitlines()[-1]
