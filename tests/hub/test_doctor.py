"""The doctor finds what is wrong with a broken install, names a remedy, and changes nothing."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hub import config, doctor
from hub.diagnosis import FAIL, OK, WARN, Finding, language_of
from tests.hub.hand_clock import HandClock, S
from tests.hub.hub_process import Mosquitto, command, running_hub
from tests.ports import free_port
from tests.real_parts import REPOSITORY, need


def installed(folder: Path, values: dict[tuple[str, str], Any] | None = None) -> Path:
    """Return the hub.toml of a sound install without an uplink, on free ports."""
    ports = {("ingest", "port"): free_port(), ("console", "port"): free_port()}
    path = config.init(folder, {**ports, ("store", "size_max_mib"): 64, **(values or {})})
    text = path.read_text()
    if not any(table == "uplink" for table, _ in values or {}):
        path.write_text(text[: text.index("[[uplink]]")])
    return path


def clock() -> HandClock:
    """Return a clock that is synchronised and later than every file of today."""
    one = HandClock()
    one.set_to(int((10**10) * 1e6))
    one.synchronised = True
    return one


def found(path: Path, check: str, its_clock: HandClock | None = None) -> list[Finding]:
    """Return the findings of one check."""
    return [one for one in doctor.examine(path, its_clock or clock()) if one.check == check]


def only(path: Path, check: str, its_clock: HandClock | None = None) -> Finding:
    """Return the worst finding of one check, which names a remedy unless it is ok."""
    worst = max(found(path, check, its_clock), key=lambda one: [OK, WARN, FAIL].index(one.state))
    assert all(worst.text) and (worst.state == OK or all(worst.remedy)), worst
    return worst


def test_a_sound_install_has_nothing_wrong(tmp_path: Path) -> None:
    path = installed(tmp_path / "hub")
    all_found = doctor.examine(path, clock())
    assert [one for one in all_found if one.state == FAIL] == []
    assert {one.check for one in all_found} >= {
        *("settings", "versions", "memory", "rights", "disk", "flush", "store", "clock"),
        *("time zone", "hub", "ports", "uplinks"),
    }
    files = sorted(one.name for one in (tmp_path / "hub").rglob("*"))
    assert files == ["devices.toml", "hub.secret", "hub.toml"]


def test_wrong_settings_are_the_only_finding(tmp_path: Path) -> None:
    path = installed(tmp_path / "hub")
    path.write_text('[ingest]\nport = "none"\n')
    (one,) = doctor.examine(path)
    assert one.state == FAIL and "line 2" in one.text[1] and one.remedy[1]


def test_a_secret_that_others_may_read_fails(tmp_path: Path) -> None:
    path = installed(tmp_path / "hub")
    (tmp_path / "hub/hub.secret").chmod(0o644)
    one = only(path, "rights")
    assert one.state == FAIL and "chmod 600" in one.remedy[0]


def test_operators_that_others_may_read_or_nobody_can_and_open_passwords_are_named(
    tmp_path: Path,
) -> None:
    path = installed(tmp_path / "hub")
    assert only(path, "desk").state == OK
    path.write_text(path.read_text().replace('login = "secure"', 'login = "lan"'))
    assert only(path, "desk").state == WARN
    file = tmp_path / "hub/operators.toml"
    file.write_text("[[operator]]\nname = 3\n")
    assert only(path, "desk").state == FAIL
    file.chmod(0o644)
    assert only(path, "rights").state == FAIL


@pytest.mark.skipif(os.geteuid() != 0, reason="to give a file away needs root")
def test_files_of_another_owner_warn(tmp_path: Path) -> None:
    path = installed(tmp_path / "hub")
    os.chown(tmp_path / "hub/devices.toml", 12345, -1)
    assert only(path, "rights").state == WARN


def test_a_store_that_may_grow_beyond_the_disk_is_told_with_a_size_that_fits(
    tmp_path: Path,
) -> None:
    path = installed(tmp_path / "hub", {("store", "size_max_mib"): 1048576})
    one = only(path, "disk")
    assert one.state in (WARN, FAIL) and "size_max_mib" in one.remedy[1]


def test_a_damaged_store_fails(tmp_path: Path) -> None:
    path = installed(tmp_path / "hub")
    (tmp_path / "hub/data").mkdir()
    (tmp_path / "hub/data/hub.sqlite").write_bytes(b"no database at all " * 500)
    assert only(path, "store").state == FAIL


def test_a_store_that_was_set_aside_is_told(tmp_path: Path) -> None:
    path = installed(tmp_path / "hub")
    store = tmp_path / "hub/data"
    (store / "quarantine-20261123").mkdir(parents=True)
    subprocess.run(
        [sys.executable, "-c", "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]);"
         "db.execute('CREATE TABLE meta (key)')", str(store / "hub.sqlite")], check=True,
    )  # fmt: skip
    assert only(path, "store").state == WARN


def test_the_clock_is_judged_by_the_kernel_and_by_the_files(tmp_path: Path) -> None:
    path = installed(tmp_path / "hub")
    right = clock()
    assert only(path, "clock", right).state == OK
    right.synchronised = False
    assert only(path, "clock", right).state == WARN
    right.set_to(int((path.stat().st_mtime - 3600) * 1e6))
    right.synchronised = True
    assert only(path, "clock", right).state == FAIL
    right.set_to(10 * S)
    assert only(path, "clock", right).state == FAIL


def test_little_memory_warns(tmp_path: Path) -> None:
    file = tmp_path / "meminfo"
    file.write_text("MemTotal: 1000000 kB\nMemAvailable:   102400 kB\n")
    (one,) = doctor.check_memory(file)
    assert one.state == WARN and "100 MiB" in one.text[1]


def test_a_taken_port_fails(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        path = installed(tmp_path / "hub", {("console", "port"): other.getsockname()[1]})
        one = only(path, "ports")
    assert one.state == FAIL and "console.port" in one.remedy[1]


def test_a_broker_that_is_not_there_fails(tmp_path: Path) -> None:
    path = installed(tmp_path / "hub", {("uplink", "port"): free_port()})
    one = only(path, "uplink")
    assert one.state == FAIL and "refused" in one.text[1]


def test_a_broker_that_speaks_no_mqtt_fails(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        doctor_timeout_s = 0.5
        path = installed(tmp_path / "hub", {("uplink", "port"): other.getsockname()[1]})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("hub.doctor_network.BROKER_TIMEOUT_S", doctor_timeout_s)
            assert only(path, "uplink").state == FAIL


def test_a_broker_is_asked_with_the_hubs_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = need("mosquitto")
    passwords = tmp_path / "passwords"
    # hinomi:right, as mosquitto_passwd writes it (PBKDF2-SHA512, 101 rounds).
    passwords.write_text(_password_line("hinomi", "right"))
    passwords.chmod(0o600)
    settings = ("allow_anonymous false", f"password_file {passwords}")
    with Mosquitto(program, tmp_path, *settings) as broker:
        values = {("uplink", "port"): broker.port, ("uplink", "user"): "hinomi"}
        path = installed(tmp_path / "hub", values)
        monkeypatch.setenv("HINOMI_UPLINK_PASSWORD", "right")
        assert only(path, "uplink").state == OK
        monkeypatch.delenv("HINOMI_UPLINK_PASSWORD")
        (tmp_path / "hub/hub.env").write_text('HINOMI_UPLINK_PASSWORD="right"\n')
        assert only(path, "uplink").state == OK, "as the service has it"
        monkeypatch.setenv("HINOMI_UPLINK_PASSWORD", "wrong")
        one = only(path, "uplink")
        assert one.state == FAIL and "HINOMI_UPLINK_PASSWORD" in one.remedy[0]


def _password_line(user: str, password: str) -> str:
    import base64
    import hashlib

    salt = b"salt of 12 b"
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)
    shown = "$".join(base64.b64encode(part).decode() for part in (salt, digest))
    return f"{user}:$7$101${shown}\n"


async def test_a_running_hub_is_known_and_its_ports_are_no_fault(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:
        words = command("doctor", "--json", "--config", str(hub.config))
        done = await asyncio.to_thread(
            subprocess.run, words, cwd=REPOSITORY, capture_output=True, text=True, timeout=30
        )
        rows = {row["check"]: row for row in json.loads(done.stdout)}
        assert rows["hub"]["state"] == OK and "runs" in rows["hub"]["text_en"]
        assert "ports" not in rows and rows["uplink"]["state"] == FAIL
        assert done.returncode == 1  # there is no broker


def test_the_language_is_that_of_the_terminal_unless_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.delenv("LC_MESSAGES", raising=False)
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    assert language_of("") == "ja" and language_of("en") == "en"
    monkeypatch.setenv("LANG", "C.UTF-8")
    assert language_of("") == "en"
    one = Finding("disk", WARN, ("空き", "free"), ("空けて", "free it"))
    assert one.lines("ja") == ["[注意] disk: 空き", "    → 空けて"]
    assert one.lines("en") == ["[warn] disk: free", "    → free it"]
