"""The office's commands against a running hub, with a device whose button is pressed."""

import asyncio
import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from hub.commands import app
from protocols.batch import Series, encode_batch
from protocols.vocabulary import LANE_ALERT
from tests.hub.device import Device, now_us
from tests.hub.hub_process import HubProcess, running_hub, secret_of, wait_until

LOOK = ("--viewer", "welfare", "--ground", "on duty")


def run(hub: HubProcess, *words: str) -> str:
    """Run `hinomi hub ..` in this process; return what it said."""
    done = CliRunner().invoke(app, [*words, "--config", str(hub.config)])
    assert done.exit_code == 0, done.exception or done.output
    return done.output


def refused(hub: HubProcess, *words: str) -> str:
    """Run a command that must fail with a cause and a remedy; return the cause."""
    done = CliRunner().invoke(app, [*words, "--config", str(hub.config)])
    assert getattr(done.exception, "remedy", ""), done.output
    return str(done.exception)


async def press(hub: HubProcess) -> None:
    """Let home-1 press its button, encrypted, until the hub has it."""
    device = Device("home-1", secret_of("home-1"), hub.port)
    await device.open()
    at_us = now_us()
    series = Series("button", "1", (0, 1), at_us, spacing_ns=0, values=[0, 1],
                    times_us=[at_us, at_us + 1000])  # fmt: skip
    payload = encode_batch(
        (1, 0, LANE_ALERT, at_us), [series], (device.keys.seal_key, bytes(range(16)))
    )
    device.made = 1
    frame = device.held[0] = device.keys.up.seal(payload)
    device.write(frame)
    await device.wait_acknowledged()
    await device.close()


def test_from_consent_to_a_closed_list(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:
        added = ("people", "add", "p-001", "--consent", "2026-01-01", "--device", "home-1")
        run(hub, *added, "--contact", "tel:1")
        assert "1 people, 1 with consent" in run(hub, "people", "check")
        assert "is used twice" in refused(hub, *added)
        found: list[Any] = []

        def is_there() -> bool:
            asyncio.run(press(hub)) if not hub.status()["ingest"]["accepted"] else None
            found[:] = json.loads(run(hub, "people", "cases", *LOOK, "--json"))
            return bool(found)

        wait_until(lambda: "consent" in run(hub, "audit"), "the register is read")
        wait_until(is_there, "the case")
        assert (found[0]["pseudonym"], found[0]["ask"]) == ("p-001", "tel:1")
        listed = run(hub, "alerts", "list", "--json")
        assert "p-001" not in listed and "watch-over" in listed
        view = json.loads(run(hub, "people", "view", "p-001", *LOOK))
        assert view["contacts"] == ["tel:1"] and len(view["cases"]) == 1
        other = ("--viewer", "x", "--ground", "y")
        assert "may not see" in refused(hub, "people", "view", "p-001", *other)
        widen = ("people", "widen", "fire", "--by", "mayor", "--ground", "quake")
        assert "watch or disaster" in refused(hub, *widen)
        safety_list(hub, tmp_path)
        audit = run(hub, "audit")
        for words in ("view: p-001", "view refused", "safety put", "safety close"):
            assert words in audit
        assert "tel:1" not in audit


def safety_list(hub: HubProcess, folder: Path) -> None:
    """Enter, import, show, write and close a list."""
    run(hub, "mode", "set", "disaster", "--reason", "quake")
    assert "無事 1" in run(hub, "safety", "set", "p-001", "safe", "--by", "shelter")
    households = folder / "households.csv"
    households.write_text("id,state,people,note\n" + "".join(
        f"house-{at},needs-help,2,\n" for at in range(250)))  # fmt: skip
    assert "要支援 500" in run(hub, "safety", "import", str(households), "--by", "office")
    assert "p-001" in run(hub, "safety", "list", *LOOK)
    for name, words in (("list.csv", "house-249"), ("list.html", "安否確認表")):
        run(hub, "safety", "export", str(folder / name), *LOOK)
        assert words in (folder / name).read_text()
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    done = CliRunner().invoke(app, ["safety", "export", "list.pdf", *LOOK])
    assert done.exit_code == 2 and "Write a name" in done.output
    run(hub, "mode", "set", "normal", "--reason", "over")
    assert "251 rows" in run(hub, "safety", "close", "--by", "office")


def test_commands_without_a_hub_say_what_to_do(tmp_path: Path) -> None:
    hub = HubProcess(tmp_path)
    (hub.folder / "data").mkdir()
    assert "No hub answers" in refused(hub, "people", "cases", *LOOK)
    broken = tmp_path / "broken.csv"
    broken.write_text("name\nx\n")
    assert "not such a list" in refused(hub, "safety", "import", str(broken), "--by", "x")
