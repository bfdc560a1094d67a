"""`hinomi hub alerts` without a running hub: what can be had, and what is said where it cannot."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub import alert_commands, config
from hub.alerts.outbox import FILE_NAME, Job, Outbox
from hub.commands import CommandError, app
from tests.hub.alerts.desk import Town, finding


@pytest.fixture(name="path")
def hub_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the hub.toml of a hub that does not run and has had two events, one a drill."""
    monkeypatch.setattr(alert_commands, "ANSWER_S_MAX", 0.2)
    path = config.init(tmp_path / "hub")
    config.add_table(path, "webhook", {"name": "office", "url": "https://example.com/"})
    (tmp_path / "hub/data").mkdir()
    box = Outbox(tmp_path / "hub/data" / FILE_NAME)
    town = Town()
    town.take(finding())
    town.take(finding("river-2"), drill=True)
    events = tuple(one.encode() for one in town.desk.open_events())
    box.keep(Job(tuple(town.messages), events, ((1, "mail:staff"),)))
    box.close()
    return path


def call(path: Path, *words: str) -> str:
    """Return what is printed; CommandError where it fails."""
    result = CliRunner().invoke(app, ["alerts", *words, "--config", str(path)])
    if isinstance(result.exception, CommandError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_the_list_tells_drills_and_what_nobody_has_acknowledged(path: Path) -> None:
    text = call(path, "list")
    assert "訓練 drill open" in text and "未確認 / nobody yet" in text and "0/1" in text
    rows = json.loads(call(path, "list", "--json"))
    assert {one["key"]: one["drill"] for one in rows} == {"river-1": False, "river-2": True}
    assert rows[1]["deliveries"] == [
        {"channel": "mail:staff", "state": "waiting", "tries": 0, "detail": "",
         "identifier": "hub-0a-1"},
    ]  # fmt: skip


def test_a_key_is_printed_for_a_receiver_that_there_is(path: Path) -> None:
    key = call(path, "key", "office").strip()
    assert len(bytes.fromhex(key)) == 32
    with pytest.raises(CommandError, match="'other'") as caught:
        call(path, "key", "other")
    assert "office" in caught.value.remedy


@pytest.mark.parametrize("words", [("ack", "1"), ("cancel", "1", "--reason", "x"), ("test",)])
def test_without_a_hub_the_request_waits_and_that_is_said(
    path: Path, words: tuple[str, ...]
) -> None:
    with pytest.raises(CommandError, match="not answered") as caught:
        call(path, *words)
    assert "as soon as it runs" in caught.value.remedy
    box = Outbox(path.parent / "data" / FILE_NAME)
    assert [one.verb for one in box.requests()] == [words[0]]
    box.close()


def test_wrong_usage_is_exit_code_two(path: Path) -> None:
    for words in (("ack", "0"), ("cancel", "1"), ("cancel", "1", "--reason", " "),
                  ("ack", "1", "--by", "a\nb"), ("list", "--count", "0")):  # fmt: skip
        result = CliRunner().invoke(app, ["alerts", *words, "--config", str(path)])
        assert result.exit_code == 2, words


def test_a_hub_that_never_ran_is_named_with_a_remedy(path: Path) -> None:
    (path.parent / "data" / FILE_NAME).unlink()
    with pytest.raises(CommandError, match="does not exist") as caught:
        call(path, "list")
    assert "hinomi hub run" in caught.value.remedy
