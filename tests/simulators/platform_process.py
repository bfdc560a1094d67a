"""Runs the simulated common platform as the process that it is, for tests."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from protocols.cose import DeviceKeys
from tests.real_parts import REPOSITORY

HUB = "hub-1"
NAMES = ("river-1", "home-1", HUB)
KEYS = {name: DeviceKeys(name, name.encode().ljust(32, b".")) for name in NAMES}
WAIT_S = 10


class Running:
    """A platform process; `archive` is its directory. more: devices beside NAMES."""

    def __init__(self, directory: Path, *options: str, more: tuple[str, ...] = ()) -> None:
        keys = directory / "keys.json"
        made = {name: DeviceKeys(name, name.encode().ljust(32, b".")) for name in more}
        all_keys = {**KEYS, **made}
        keys.write_text(json.dumps({name: one.up_key().hex() for name, one in all_keys.items()}))
        self.archive = directory / "archive"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "simulators.platform"),
                *("--archive", str(self.archive), "--keys", str(keys), *options),
            ],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_ready(self) -> int:
        """Return the port once it takes messages."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        ready = json.loads(line)
        assert ready["ready"] is True
        return int(ready["port"])

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal and return exit code and stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, errors


@contextmanager
def running(directory: Path, *options: str, more: tuple[str, ...] = ()) -> Iterator[Running]:
    """Run a platform that is gone when the block ends. more: devices beside NAMES."""
    platform = Running(directory, *options, more=more)
    try:
        yield platform
    finally:
        platform.process.kill()
        platform.process.communicate()
