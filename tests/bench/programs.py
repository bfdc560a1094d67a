"""The programs under test, on free ports of this machine: the hub and mosquitto."""

import json
import os
import signal
import subprocess
import sys
import time
from getpass import getuser
from pathlib import Path
from typing import IO, Any

from hub import config
from tests.bench import mqtt_wire
from tests.bench.frames import DEVICES_COUNT, device_name, secret_of
from tests.ports import free_port
from tests.real_parts import need

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
START_S_MAX = 60.0


class Program:
    """A process with its own log file."""

    def __init__(self, arguments: list[str], log: Path, **more: Any) -> None:
        self._log: IO[bytes] = log.open("ab")
        self.process = subprocess.Popen(arguments, stderr=self._log, **more)

    def cpu_s(self) -> float:
        """Return the processor seconds it took so far (proc(5): utime and stime of stat)."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def memory_mib(self, row: str = "VmRSS") -> float:
        """Return a row of /proc/PID/status: VmRSS (resident now) or VmHWM (at most)."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        found = next(line for line in text.splitlines() if line.startswith(row + ":"))
        return int(found.split()[1]) / 1024

    def stop(self) -> None:
        """End it and wait."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._log.close()


class Mosquitto(Program):
    """A broker with a configuration file of its own."""

    def __init__(self, folder: Path, *, port: int = 0, settings: tuple[str, ...] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        # As who we are: started by root it would become a user that may not write here.
        rows = [f"user {getuser()}", "allow_anonymous true", f"listener {self.port} 127.0.0.1"]
        path = folder / "mosquitto.conf"
        path.write_text("\n".join((*rows, *settings)) + "\n")
        super().__init__([need("mosquitto"), "-c", str(path)], folder / "mosquitto.log")
        self._wait()

    def _wait(self) -> None:
        until_s = time.monotonic() + START_S_MAX
        while True:
            try:
                mqtt_wire.connect(self.port, "bench-probe").close()
                return
            except OSError:
                if time.monotonic() > until_s or self.process.poll() is not None:
                    raise
                time.sleep(0.02)


# An upstream that never drops what a slow reader has not taken yet, nor holds a small message
# back for 40 ms.
UPSTREAM = ("max_queued_messages 0", "max_queued_bytes 0", "set_tcp_nodelay true")


class Hub(Program):
    """A hub in its folder, which is set up when it is new."""

    def __init__(self, folder: Path, uplink_port: int) -> None:
        if not (folder / "hub.toml").exists():
            _set_up(folder, uplink_port)
        hinomi = str(Path(sys.executable).with_name("hinomi"))
        arguments = [hinomi, "hub", "run", "--json", "--config", str(folder / "hub.toml")]
        started_s = time.monotonic()
        super().__init__(arguments, folder / "hub.log", stdout=subprocess.PIPE, text=True)
        stdout: Any = self.process.stdout
        line = stdout.readline()
        self.start_s = time.monotonic() - started_s
        if not line:
            raise RuntimeError(f"the hub did not start: {(folder / 'hub.log').read_text()[-500:]}")
        self.port = int(json.loads(line)["port"])

    def pause(self) -> None:
        """Stop it in its tracks."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)


def _set_up(folder: Path, uplink_port: int) -> None:
    ports = {
        ("ingest", "port"): 0,
        ("console", "port"): free_port(),
        ("uplink", "port"): uplink_port,
    }
    config.init(folder, dict(ports))
    for number in range(DEVICES_COUNT):
        device = config.Device(device_name(number), secret_of(number), "other")
        config.enroll(folder / "devices.toml", device)
