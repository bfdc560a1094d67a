"""operators.toml, the commands that write it, and what a running hub makes of a change."""

import logging
import os
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

import hub.commands
from hub import config, operators
from hub.operators import OPERATOR, VIEWER, WATCH_OVER, Operator, Operators, fits, sealed
from hub.settings import SettingsError

PASSWORD = "霧の朝に鐘が鳴る 7"
SEALED = sealed(PASSWORD, (16, 8, 1))  # a real one takes a third of a second


def run(folder: Path, *words: str, typed: str = "") -> str:
    """Return what `hinomi hub operator` says."""
    whole = ["operator", *words, "--config", str(folder / "hub.toml")]
    result = CliRunner().invoke(hub.commands.app, whole, input=typed)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_a_password_fits_however_wide_it_is_typed_and_is_nowhere_to_be_read() -> None:
    one = Operator("佐藤", "operator", "", SEALED)
    assert fits(one, PASSWORD.replace("7", "７"))
    assert not fits(one, PASSWORD + "!") and not fits(None, PASSWORD)
    assert SEALED not in repr(one) and PASSWORD not in SEALED


def test_roles_are_steps() -> None:
    may = {role: [Operator("a", role).may(level) for level in (VIEWER, OPERATOR, WATCH_OVER)]
           for role in operators.ROLES}  # fmt: skip
    assert may == {"viewer": [True, False, False], "operator": [True, True, False],
                   "watch-over": [True, True, True]}  # fmt: skip


def test_commands_add_change_and_remove_and_never_show_a_password(tmp_path: Path) -> None:
    config.init(tmp_path)
    path = tmp_path / "operators.toml"
    twice = f"{PASSWORD}\n{PASSWORD}\n"
    said = run(tmp_path, "add", "佐藤", "--role", "watch-over", "--office", "福祉", typed=twice)
    assert "佐藤 may log in as watch-over." in said and PASSWORD not in said
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert PASSWORD not in path.read_text() and "霧" not in path.read_text()
    (one,) = operators.load(path).values()
    assert (one.name, one.role, one.viewer) == ("佐藤", "watch-over", "福祉")
    with pytest.raises(hub.commands.CommandError, match="already"):
        run(tmp_path, "add", "佐藤", typed=twice)
    other = f"{PASSWORD}x\n" * 2
    assert "new password" in run(tmp_path, "password", "佐藤", typed=other)
    assert not fits(operators.load(path)["佐藤"], PASSWORD)
    assert "watch-over" in run(tmp_path, "list") and "scrypt" not in run(tmp_path, "list")
    run(tmp_path, "remove", "佐藤")
    assert operators.load(path) == {}
    with pytest.raises(hub.commands.CommandError, match="no operator"):
        run(tmp_path, "remove", "佐藤")


@pytest.mark.parametrize("weak", ["short", "aaaaaaaaaaaaa", "satosatosato", "x" * 300])
def test_a_weak_password_is_refused(tmp_path: Path, weak: str) -> None:
    config.init(tmp_path)
    with pytest.raises(hub.commands.CommandError, match="password"):
        run(tmp_path, "add", "sato", typed=f"{weak}\n{weak}\n")
    assert not (tmp_path / "operators.toml").exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[operator]]\nname = 'a'\n", "password is missing"),
        ("[[operator]]\nname = 'a'\npassword = 'plain words'\n", "password is none"),
        (f"[[operator]]\nname = 'a'\npassword = '{SEALED[:-2]}'\n", "password is none"),
        (
            f"[[operator]]\nname = 'a'\npassword = '{SEALED.replace('-16-', '-99999999-')}'\n",
            "none",
        ),
        (f"[[operator]]\nname = 'a'\nrole = 'mayor'\npassword = '{SEALED}'\n", "role"),
        (f"[[operator]]\nname = 'a'\npassword = '{SEALED}'\n" * 2, "there twice"),
    ],
)
def test_a_wrong_file_is_refused_without_showing_a_secret(
    tmp_path: Path, text: str, why: str
) -> None:
    path = tmp_path / "operators.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=why) as error:
        operators.load(path)
    assert "scrypt" not in str(error.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_writes_is_still_the_hubs(tmp_path: Path) -> None:
    config.init(tmp_path)
    os.chown(tmp_path, 12345, 12345)
    path = tmp_path / "operators.toml"
    for _ in range(2):  # a new file has its folder's owner, a later one that of the one before
        operators.save(path, {"佐藤": Operator("佐藤", "viewer", "", SEALED)})
        assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (12345, 0o600)
        os.chown(tmp_path, 0, 0)


def test_a_change_of_the_file_is_told_and_a_wrong_one_changes_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "operators.toml"
    told: list[tuple[str, str, str]] = []
    known = Operators(path)
    known.on_change = lambda name, before, after: told.append((name, before, after))
    assert known.start({}) == {} and known.is_empty() and not known.refresh()
    operators.save(path, {"佐藤": Operator("佐藤", "viewer", "", SEALED)})
    assert known.refresh() and known.find(" 佐藤 ") is not None
    assert told[0][:2] == ("佐藤", "-") and told[0][2].startswith("viewer, password ")
    assert SEALED[-8:] not in told[0][2]
    path.write_text("[[operator]]\nname = 3\n")
    with caplog.at_level(logging.ERROR):
        assert not known.refresh()
    assert "The operators of before stay" in caplog.text and known.find("佐藤") is not None
    at_start = Operators(path)
    assert at_start.start({"佐藤": "kept"}) == {"佐藤": "kept"} and at_start.is_empty()
    path.unlink()
    assert known.refresh() and known.is_empty() and told[1][::2] == ("佐藤", "-")
    again = Operators(path)
    again.on_change = lambda name, before, after: told.append((name, before, after))
    again.start({"佐藤": told[0][2]})  # removed while no hub ran
    assert told[2] == told[1]


def test_who_was_removed_while_the_file_was_wrong_is_told_and_nobody_as_new(
    tmp_path: Path,
) -> None:
    path = tmp_path / "operators.toml"
    people = {name: Operator(name, "viewer", "", SEALED) for name in ("佐藤", "加藤")}
    operators.save(path, people)
    before = Operators(path).start({})
    path.write_text("[[operator]]\nname = 3\n")
    known = Operators(path)
    told: list[tuple[str, str, str]] = []
    known.on_change = lambda name, before, after: told.append((name, before, after))
    known.start(before)
    assert known.is_empty() and told == []
    operators.save(path, {"佐藤": people["佐藤"]})
    assert known.refresh() and told == [("加藤", before["加藤"], "-")]
