"""The operators' door, and mode and drills by the command line on a hub that runs."""

import asyncio
import json
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hub.admin import NAME, Admin, AdminError, ask
from tests.hub.hub_process import command, running_hub, wait_until


def test_the_door_is_for_the_hubs_user_only_and_gone_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / ("a long name " * 10)  # beyond what the address of a socket holds
    folder.mkdir()
    actors: list[str] = []

    def greet(fields: dict[str, Any], actor: str) -> Any:
        actors.append(actor)
        return fields["name"]

    async def main() -> Any:
        admin = Admin(folder)
        admin.handlers["greet"] = greet
        (folder / NAME).write_text("a leftover")
        await admin.open()
        assert stat.S_IMODE((folder / NAME).stat().st_mode) == 0o600
        try:
            return await asyncio.to_thread(ask, folder, {"do": "greet", "name": "佐藤"})
        finally:
            admin.close()
            admin.close()

    assert asyncio.run(main()) == "佐藤"
    assert [actor.partition(":")[0] for actor in actors] == ["person"]
    assert not (folder / NAME).exists()
    with pytest.raises(AdminError, match="No hub answers"):
        ask(folder, {"do": "greet", "name": "x"})


def test_what_it_does_not_know_and_what_fails_is_said_with_a_remedy(tmp_path: Path) -> None:
    def refuse(fields: dict[str, Any], actor: str) -> None:
        raise AdminError("It cannot be", "Do it later.")

    admin = Admin(tmp_path)
    admin.handlers |= {"refuse": refuse, "fail": lambda fields, actor: fields["missing"]}
    for line in (b"", b"[]\n", b"{}\n", b'{"do": "x"}\n', b'{"do": []}\n', b"\xff\n", b"3"):
        assert "does not know" in admin.answer(line, "person:x")["error"], line
    assert admin.answer(b'{"do": "refuse"}', "person:x") == {
        "error": "It cannot be", "remedy": "Do it later.",
    }  # fmt: skip
    assert admin.answer(b'{"do": "fail"}', "person:x")["remedy"] == "See the hub's log."


def test_a_request_beyond_the_limit_ends_the_connection(tmp_path: Path) -> None:
    async def main() -> int:
        admin = Admin(tmp_path)
        await admin.open()
        try:
            with pytest.raises(AdminError):
                await asyncio.to_thread(ask, tmp_path, {"do": "x" * 100_000})
        finally:
            admin.close()
        return admin.refused_count

    assert asyncio.run(main()) == 1


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `hinomi hub ..`."""
    return subprocess.run(command(*words), capture_output=True, text=True, timeout=20, check=False)


def test_an_operator_sets_modes_and_drills_of_a_running_hub(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:
        config = str(hub.config)
        data = hub.folder / "data"
        words = ("drill", "start", "--mode", "watch", "--kind", "quake", "--by", "佐藤", "--json")
        started = run(*words, "--config", config)
        state = json.loads(started.stdout)
        assert (state["mode"], state["drill"]) == ("watch", True)
        assert state["actor"].startswith("person:佐藤 (")
        wait_until(lambda: hub.status()["alerts"], "an alert")
        alert = hub.status()["alerts"][-1]
        assert alert["drill"] and alert["text_ja"].startswith("【訓練】地震の揺れ")
        with pytest.raises(AdminError, match="A drill is on already"):
            ask(data, {"do": "drill start", "mode": "watch", "minutes": 5})
        assert "平常 NORMAL" in run("drill", "stop", "--config", config).stdout
        with pytest.raises(AdminError, match="There is no drill"):
            ask(data, {"do": "drill stop"})
        for wrong in (
            {"mode": "panic"},
            {"mode": "watch", "hours": 169},
            {"mode": "watch", "hours": "x"},
        ):
            with pytest.raises(AdminError):
                ask(data, {"do": "mode set", **wrong})
        set_words = ("mode", "set", "disaster", "--reason", "大雨", "--hours", "2")
        assert "災害 DISASTER" in run(*set_words, "--config", config).stdout
        wait_until(lambda: hub.status()["mode"]["reason"] == "大雨", "the reason on the page")
        hub.end()
        hub.start()
        assert hub.status()["mode"]["reason"] == "大雨"  # and it is remembered
    gone = run("mode", "show", "--config", config)
    assert gone.returncode == 1 and "No hub answers" in gone.stderr
