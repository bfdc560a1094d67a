"""The programs of a run, each a process of its own, in the folder of the run: hub and platform."""

import asyncio
import json
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from protocols.cose import DeviceKeys
from simulators import hub_files
from simulators.scenario import Scenario

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 4.0
KEEPALIVE_S = 2  # so that a run of a minute sees a dead line noticed
CONSOLE_PORT_WISHED = 8080
HUB_STARTS_MAX = 3  # another program may take a port between our look and the hub
HUB = "hub-1"

Process = asyncio.subprocess.Process


class RunError(Exception):
    """The run cannot go on: one sentence of cause, one of remedy."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy


class Programs:
    """Starts and ends them. ports and paths are good once the program that has them is started."""

    def __init__(self, folder: Path, scenario: Scenario, seed: int) -> None:
        self._folder = folder
        self._scenario = scenario
        self._rows = scenario.devices
        self._seed = seed
        self._hub: Process | None = None
        self._platform: Process | None = None
        self._hub_folder = folder / "hub"
        self.store = self._hub_folder / "data" / "hub.sqlite"
        self.archive_folder = folder / "platform"
        self.ingest_port = 0
        self.page = ""
        self.hub_is_up = False

    def keys(self, name: str) -> DeviceKeys:
        """Return the keys of a device or of the hub."""
        return DeviceKeys(name, self.secret(name))

    def secret(self, name: str) -> bytes:
        """Return the secret of a device, the same for the same seed: nobody is protected by it."""
        return hub_files.secret(self._seed, name)

    def make_folder(self) -> None:
        """Make the folder of the run; RunError where it cannot be, or holds a run already."""
        try:
            self._hub_folder.mkdir(parents=True)
        except FileExistsError:
            raise RunError(
                f"{self._folder} holds a run already", "Choose another --folder, or remove it."
            ) from None
        except OSError as error:
            raise RunError(
                f"{self._folder} cannot be written: {error.strerror}",
                "Choose another folder with --folder.",
            ) from None

    async def start_platform(self) -> int:
        """Start the platform; return its port."""
        names = [HUB, *(row.name for row in self._rows)]
        keys = self._folder / "keys.json"
        keys.write_text(json.dumps({name: self.keys(name).up_key().hex() for name in names}))
        options = ["--archive", str(self.archive_folder), "--keys", str(keys)]
        self._platform = await self._spawn(["simulators.platform", *options], "platform.log")
        return int((await self._ready(self._platform, "platform"))["port"])

    async def start_first_hub(self, uplink_port: int) -> bool:
        """Write the hub's files and start it; tell whether its page has the wished port."""
        for left in reversed(range(HUB_STARTS_MAX)):
            console_port = free_port(CONSOLE_PORT_WISHED if left else 0)
            self._write_hub_toml(console_port, uplink_port)
            if not self.page:
                self._enroll_devices()
            self.page = f"http://127.0.0.1:{console_port}"
            try:
                await self.start_hub()
                break
            except RunError:
                if not left:
                    raise
        return console_port == CONSOLE_PORT_WISHED

    async def start_hub(self) -> None:
        """Start the hub as it was set up."""
        config = str(self._hub_folder / "hub.toml")
        command = ["hinomi", "hub", "run", "--json", "--config", config]
        self._hub = await self._spawn(command, "hub.log")
        await self._ready(self._hub, "hub")
        self.hub_is_up = True

    async def order(self, *words: str) -> bool:
        """Run `hinomi hub WORDS` on the running hub; tell whether it was done."""
        config = str(self._hub_folder / "hub.toml")
        process = await self._spawn(["hinomi", "hub", *words, "--config", config], "orders.log")
        return await asyncio.wait_for(process.wait(), START_TIMEOUT_S) == 0

    async def kill_hub(self) -> None:
        """Send it SIGKILL."""
        if self._hub is not None and self._hub.returncode is None:
            self._hub.send_signal(signal.SIGKILL)
            await self._hub.wait()
        self.hub_is_up = False

    async def stop_hub(self) -> None:
        """End it in good order; RunError when it does not."""
        if self._hub is not None and self._hub.returncode is None:
            self._hub.terminate()
            try:
                await asyncio.wait_for(self._hub.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                raise RunError("The hub does not stop when told to", self._read("hub")) from None
        self.hub_is_up = False

    def check(self) -> None:
        """Raise RunError when one has ended by itself."""
        if self.hub_is_up and self._hub is not None and self._hub.returncode is not None:
            raise RunError("The hub ended by itself", self._read("hub"))
        if self._platform is not None and self._platform.returncode is not None:
            raise RunError("The platform ended by itself", self._read("platform"))

    def tell_to_end(self) -> None:
        """Send SIGTERM to those that run."""
        for process in (self._hub, self._platform):
            if process is not None and process.returncode is None:
                process.terminate()

    async def wait_ended(self) -> None:
        """Wait until those told to end have; kill what does not."""
        await asyncio.gather(*map(_wait_ended, (self._hub, self._platform)))

    def _write_hub_toml(self, console_port: int, uplink_port: int) -> None:
        self.ingest_port = free_port(0)
        values = {
            ("ingest", "port"): self.ingest_port,
            ("console", "port"): console_port,
            ("uplink", "port"): uplink_port,
            ("uplink", "version"): "3.1.1",  # the simulated platform's broker has no MQTT 5
            ("uplink", "keepalive_s"): KEEPALIVE_S,
        }
        hub_files.write_settings(self._hub_folder, self._scenario, values)

    def _enroll_devices(self) -> None:
        (self._hub_folder / "hub.secret").write_text(self.secret(HUB).hex() + "\n")
        hub_files.enroll(self._hub_folder, self._rows, self._seed)

    async def _spawn(self, module: list[str], log_name: str) -> Process:
        # In a session of its own: Ctrl-C ends the run, and the run ends them.
        with (self._folder / log_name).open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", *module, stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE, stderr=log, start_new_session=True,
            )  # fmt: skip

    async def _ready(self, process: Process, name: str) -> dict[str, Any]:
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT_S)
            return json.loads(line)  # type: ignore[no-any-return]
        except (TimeoutError, ValueError):
            raise RunError(f"The {name} process did not start", self._read(name)) from None

    def _read(self, name: str) -> str:
        return f"Read {self._folder / name}.log."


async def _wait_ended(process: Process | None) -> None:
    if process is None:
        return
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def free_port(wished: int) -> int:
    """Return the wished port of loopback when it is free, else any free one."""
    for port in (wished, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise RunError("No port of loopback is free", "Close other programs.")
