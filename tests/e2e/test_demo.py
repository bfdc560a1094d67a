"""The main job, end to end: the demonstration as a user starts it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FIXED_KEYS = {
    "scenario", "seconds", "devices", "frames", "readings", "gaps", "mode_changes", "alerts",
    "latency_ms", "ok",
}  # fmt: skip
FRAME_KEYS = {
    "sent", "accepted", "delivered", "stored", "evicted", "dead_lettered", "duplicates", "lost",
}  # fmt: skip


def demo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `hinomi demo` headless."""
    command = [sys.executable, "-m", "hinomi", "demo", "--headless", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)


def test_every_reading_crosses_the_disaster_and_arrives_once(tmp_path: Path) -> None:
    report_file = tmp_path / "out.json"
    done = demo(
        "--seconds",
        "36",
        "--seed",
        "7",
        "--report",
        str(report_file),
        "--folder",
        str(tmp_path / "run"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(report_file.read_text())
    assert report.keys() >= FIXED_KEYS
    frames = report["frames"]
    assert frames.keys() == FRAME_KEYS
    assert report["ok"] is True
    assert (frames["lost"], frames["duplicates"]) == (0, 0)
    assert frames["sent"] == frames["delivered"] > 300
    assert report["readings"]["sent"] == report["readings"]["delivered"]
    # 2,800 readings/s for 36 s of world time, less one node's outage and the start of each chip.
    assert report["readings"]["sent"] > 0.85 * 2800 * (36 - report["machine_stalled_ms"] / 1000)
    assert report["devices"] == 12
    changes = report["details"]["mode_changes"]
    assert (changes[0]["mode"], changes[0]["actor"]) == ("disaster", "rule:quake")
    kinds = {one["kind"] for one in report["details"]["alerts"]}
    assert kinds >= {"quake", "river"}
    assert report["latency_ms"]["p50"] < 2000
    for word in ("cut", "SIGKILL", "loses power", "line is back"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (("at_s = 25", "at_s = 'soon'"), ["line", "event.at_s", "a number from 0"]),
        (
            ('action = "kill_hub"', 'action = "kill_all"'),
            ["event.action", '"cut_line"', '"kill_hub"'],
        ),
        (('profile = "slope-node"', 'profile = "slop-node"'), ["device.profile", '"slope-node"']),
        (("flood = [[50", "flood = [50, [50"), ["river.flood", "[second, value]"]),
        (("[quake]", "[earthquake]"), ["earthquake", "is unknown", "[quake]"]),
        (("[quake]", "[quake"), ["not valid TOML", "line"]),
    ],
)
def test_a_broken_scenario_is_named_by_line_setting_and_what_is_allowed(
    tmp_path: Path, edit: tuple[str, str], words: list[str]
) -> None:
    from simulators.scenario import FOLDER

    text = (FOLDER / "quake-flood.toml").read_text()
    assert edit[0] in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(*edit, 1))
    done = demo("--scenario", str(path), "--folder", str(tmp_path / "run"))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_an_unknown_scenario_names_those_there_are() -> None:
    done = demo("--scenario", "typhon")
    assert done.returncode == 2
    assert "quake-flood" in done.stderr
