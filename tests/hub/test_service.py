"""The hub under systemd: its unit, its sandbox, and what it tells the notify socket."""

import asyncio
import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hub import config, service
from hub.commits import STUCK_US
from hub.main import Hub
from hub.watchdog import Notifier
from tests.hub.hand_clock import HandClock
from tests.hub.hub_process import HubProcess, command, running_hub, wait_until
from tests.real_parts import REPOSITORY, need

# systemd-analyze security: 0 is safest, 100 (10.0) is unconfined.
EXPOSURE_MAX = 25


def unit_file(folder: Path, settings: Path) -> Path:
    """Write the unit of a hub with that hub.toml."""
    path = folder / service.NAME
    path.write_text(service.unit(settings, "hub-1", getpass.getuser()))
    return path


def analyzed(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run systemd-analyze."""
    program = need("systemd-analyze")
    return subprocess.run([program, *words], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("name", ["hub", "the hub 100%"])
def test_systemd_takes_the_unit_without_a_word(name: str, tmp_path: Path) -> None:
    path = tmp_path / name / "hub.toml"
    path.parent.mkdir()
    path.touch()
    done = analyzed("verify", "--man=no", str(unit_file(tmp_path, path)))
    told = [line for line in done.stderr.splitlines() if service.NAME in line]
    assert (done.returncode, told) == (0, [])


def test_a_wrong_unit_would_be_noticed(tmp_path: Path) -> None:
    path = unit_file(tmp_path, tmp_path / "hub.toml")
    path.write_text(path.read_text().replace("ProtectSystem=strict", "ProtectSystem=srtict"))
    assert "srtict" in analyzed("verify", "--man=no", str(path)).stderr


def test_the_sandbox_leaves_little_open(tmp_path: Path) -> None:
    path = unit_file(tmp_path, tmp_path / "hub.toml")
    path.write_text(path.read_text().replace(f"User={getpass.getuser()}", "User=hinomi"))
    words = ("security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", "--no-pager", str(path))
    done = analyzed(*words)
    assert done.returncode == 0, done.stdout[-300:]


def test_a_home_is_seen_only_where_the_hub_lives_in_one() -> None:
    away = service.unit(Path("/srv/hinomi/hub.toml"), "hub-1", python="/opt/hinomi/bin/python")
    assert "ProtectHome=yes\n" in away and "ReadWritePaths=/srv/hinomi\n" in away
    at_home = service.unit(Path("/home/pi/hub.toml"), "hub-1", python="/opt/hinomi/bin/python")
    assert "ProtectHome=read-only\n" in at_home and "{" not in at_home


def test_the_command_prints_the_unit(tmp_path: Path) -> None:
    hub = HubProcess(tmp_path)
    words = command("service", "--config", str(hub.config), "--user", "town")
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and "User=town\n" in done.stdout
    assert f"-m hinomi hub run --config {hub.config}" in done.stdout


def test_without_the_rights_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(service.ServiceError) as caught:
        service.install(tmp_path / "hub.toml", "hub-1", units=tmp_path / "nowhere")
    assert "sudo" in caught.value.remedy and caught.value.exit_code == 1


def test_a_folder_of_somebody_else_is_not_given_away(tmp_path: Path) -> None:
    home = Path(pwd.getpwuid(os.geteuid()).pw_dir)
    for folder in (Path("/"), home):
        with pytest.raises(service.ServiceError, match="alone"):
            service.install(folder / "hub.toml", "hub-1", "town", units=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="installing a service needs root")
def test_installing_writes_the_unit_and_gives_the_folder_to_its_user(tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    folder.mkdir()
    (folder / "hub.toml").touch()
    told = service.install(folder / "hub.toml", "hub-1", "nobody", units=tmp_path)
    assert "User=nobody\n" in (tmp_path / service.NAME).read_text()
    assert (folder / "hub.toml").owner() == "nobody"
    assert [line.split()[0] for line in told] == ["systemctl", "systemctl"]


class Systemd:
    """Plays the notify socket of systemd."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.setblocking(False)
        self.heard: list[str] = []

    def count(self, state: str) -> int:
        """Return how often that was told until now."""
        while True:
            try:
                self.heard.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return self.heard.count(state)

    def close(self) -> None:
        """Be gone."""
        self._socket.close()


@contextmanager
def supervised_hub(folder: Path) -> Iterator[tuple[HubProcess, Systemd]]:
    """Run a hub whose notify socket is played."""
    systemd = Systemd(folder)
    try:
        with running_hub(folder, None, {"NOTIFY_SOCKET": systemd.address}) as hub:
            yield hub, systemd
    finally:
        systemd.close()


def test_it_tells_that_it_is_ready_alive_and_stopping(tmp_path: Path) -> None:
    with supervised_hub(tmp_path) as (hub, systemd):
        assert systemd.count("READY=1") == 1
        wait_until(lambda: systemd.count("WATCHDOG=1") >= 2, "two signs of life")
        assert hub.end(signal.SIGTERM) == 0
        assert systemd.count("STOPPING=1") == 1 and systemd.heard.count("READY=1") == 1


def test_a_hub_that_hangs_feeds_the_watchdog_no_more(tmp_path: Path) -> None:
    with supervised_hub(tmp_path) as (hub, systemd):
        wait_until(lambda: systemd.count("WATCHDOG=1"), "a sign of life")
        assert hub.process is not None
        hub.process.send_signal(signal.SIGSTOP)
        time.sleep(0.2)
        before = systemd.count("WATCHDOG=1")
        time.sleep(2)
        assert systemd.count("WATCHDOG=1") == before
        hub.process.send_signal(signal.SIGCONT)
        wait_until(lambda: systemd.count("WATCHDOG=1") > before, "life again")


async def test_it_is_fed_by_ticks_and_not_while_the_writer_hangs(tmp_path: Path) -> None:
    """The watch itself, with a writer's thread that never comes back."""
    clock, fed = HandClock(), []
    hub = Hub(config.load(config.init(tmp_path)), clock)
    await hub.store.wait_idle()
    hub.on_alive = lambda: fed.append(clock.now_us())
    hub.beat()
    assert len(fed) == 1
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang() -> None:
        wait = asyncio.run_coroutine_threadsafe(release.wait(), loop)
        hub.store._writer.submit(wait.result)

    hub.store.on_hand_over.append(hang)
    hub.store.save_meta("fact", 1)
    await asyncio.sleep(0.05)
    hub.beat()
    assert len(fed) == 2  # a commit that takes its time is no hang
    clock.advance(STUCK_US + 1)
    hub.beat()
    assert len(fed) == 2
    release.set()
    await hub.store.wait_idle()
    hub.store.on_hand_over.pop()
    hub.beat()
    assert len(fed) == 3
    await hub.room.close()
    await hub.store.close()


def test_nobody_who_listens_is_no_fault(tmp_path: Path) -> None:
    Notifier("").tell("READY=1")
    Notifier(str(tmp_path / "gone")).tell("READY=1")


def test_the_abstract_namespace_is_reached() -> None:
    name = f"@hinomi-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind("\0" + name[1:])
        Notifier(name).tell("READY=1")
        assert one.recv(100) == b"READY=1"


def test_python_runs_the_program_as_the_unit_does() -> None:
    assert shutil.which(sys.executable)
    words = [sys.executable, "-m", "hinomi", "hub", "service", "--help"]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and "systemd" in done.stdout
