"""Runs the hub as the process that it is, for tests; and a broker beside it."""

import getpass
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hub import config
from tests.ports import free_port
from tests.real_parts import REPOSITORY
from tests.simulators.platform_process import HUB

WAIT_S = 20
DEVICES = ("river-1", "home-1")
PROGRAM = "import hinomi; hinomi.main()"
Values = dict[tuple[str, str], Any]


def secret_of(name: str) -> bytes:
    """Return the secret that tests.simulators.platform_process gives a name."""
    return name.encode().ljust(32, b".")


def wait_until(is_true: Callable[[], Any], what: str, timeout_s: float = WAIT_S) -> None:
    """Wait until something outside is true."""
    end = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < end, f"{what} did not happen within {timeout_s} s"
        time.sleep(0.05)


class HubProcess:
    """A hub in `folder`; it may be started again after each end."""

    def __init__(self, folder: Path, values: Values | None = None) -> None:
        self.folder = folder / "hub"
        self.ports = {"ingest": free_port(), "console": free_port()}
        all_values: Values = {(table, "port"): port for table, port in self.ports.items()}
        all_values |= values or {}
        self.config = config.init(self.folder, all_values)
        (self.folder / "hub.secret").write_text(secret_of(HUB).hex())
        for name in DEVICES:
            device = config.Device(name, secret_of(name), "river")
            config.enroll(self.folder / "devices.toml", device)
        self.port = self.ports["ingest"]
        self.log = self.folder / "log"
        self.process: subprocess.Popen[str] | None = None
        self.environment: dict[str, str] = {}  # beside that of the test
        self.program = PROGRAM

    def start(self) -> None:
        """Start it and wait until devices may dial."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command("run", "--json", "--config", str(self.config), program=self.program),
                cwd=REPOSITORY,
                env={**os.environ, **self.environment},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, self.log.read_text()[-2000:]
        assert json.loads(line)["port"] == self.port

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, return the exit code."""
        assert self.process
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end that comes by itself, return the exit code."""
        assert self.process and self.process.stdout
        code = self.process.wait(WAIT_S)
        self.process.stdout.close()
        self.process = None
        return code

    def status(self) -> dict[str, Any]:
        """Return the state as the page has it."""
        url = f"http://127.0.0.1:{self.ports['console']}/api/status"
        with urllib.request.urlopen(url, timeout=5) as answer:
            state: dict[str, Any] = json.load(answer)
        return state

    def uplink(self) -> dict[str, Any]:
        """Return the state of the first uplink."""
        one: dict[str, Any] = self.status()["uplinks"][0]
        return one

    def wait_delivered(self, count: int, timeout_s: float = WAIT_S) -> dict[str, Any]:
        """Wait until the uplink has all that was accepted, and that is `count` or more."""
        state: dict[str, Any] = {}

        def is_delivered() -> bool:
            status = self.status()
            state.update(status["uplinks"][0])
            return bool(count <= state["delivered"] == status["store"]["accepted"])

        wait_until(is_delivered, "delivery", timeout_s)
        return state


@contextmanager
def running_hub(
    folder: Path, values: Values | None = None, environment: dict[str, str] | None = None
) -> Iterator[HubProcess]:
    """Run a hub that is gone when the block ends. environment: beside that of the test."""
    hub = HubProcess(folder, values)
    hub.environment |= environment or {}
    hub.start()
    try:
        yield hub
    finally:
        if hub.process is not None:
            hub.end(signal.SIGKILL)


def command(*words: str, program: str = PROGRAM) -> list[str]:
    """Return the command line of `hinomi hub ..`."""
    return [sys.executable, "-c", program, "hub", *words]


class Mosquitto:
    """A real MQTT 5 broker on a port of loopback; it may be started again after each end."""

    def __init__(self, program: str, folder: Path, *settings: str, port: int = 0) -> None:
        self.program = program
        self.port = port or free_port()
        self.config = folder / f"mosquitto-{self.port}.conf"
        # Started by root it would become another user, who may not read the test's files.
        user = f"user {getpass.getuser()}"
        lines = [f"listener {self.port} 127.0.0.1", "allow_anonymous true", user, *settings]
        self.config.write_text("\n".join(lines) + "\n")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.process = subprocess.Popen(
            [self.program, "-c", str(self.config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._listens, "mosquitto's start")

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal and wait for the end."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(WAIT_S)
            self.process = None

    def __enter__(self) -> "Mosquitto":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end(signal.SIGKILL)
