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
KEYS = {
    name: DeviceKeys(name, name.encode().ljust(32, b".")) for name in ("river-1", "home-1", HUB)
}
WAIT_S = 10


class Running:
    """A platform process; `archive` is its directory."""

    def __init__(self, directory: Path, *options: str) -> None:
        keys = directory / "keys.json"
        keys.write_text(json.dumps({name: one.up_key().hex() for name, one in KEYS.items()}))
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
def running(directory: Path, *options: str) -> Iterator[Running]:
    """Run a platform that is gone when the block ends."""
    platform = Running(directory, *options)
    try:
        yield platform
    finally:
        platform.process.kill()
        platform.process.communicate()
