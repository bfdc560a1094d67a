"""Releases rolled out by a real hub process over a fleet of simulated boards."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from boards.profiles import make_config
from hub import config
from protocols.manifest import join_release
from simulators.clock import SteadyClock
from simulators.signals.basic import Constant
from simulators.updatable_device import CRASHES, DEAF, GOOD, UpdatableDevice, image_of
from tests.hub.hub_process import HubProcess, Values, command, secret_of
from tests.protocols.release_key import MODULUS, release

FLEET = tuple(f"gauge-{number:02}" for number in range(12))
FAST: Values = {("update", "timeout_s"): 30}
OLD = image_of(GOOD, 3000)
NEW = image_of(GOOD)
WAIT_S = 60.0


@asynccontextmanager
async def fleet(
    hub: HubProcess, names: tuple[str, ...], trial_s: float = 30.0
) -> AsyncIterator[dict[str, UpdatableDevice]]:
    """Run gauges with version 0.1.0 in slot A."""
    clock = SteadyClock()
    ticking = asyncio.create_task(clock.keep_running())
    devices = {}
    for number, name in enumerate(names):
        table = make_config(
            "river-gauge", name, secret_of(name).hex(), host="127.0.0.1", port=hub.port, demo=True
        )
        table["update_key"] = MODULUS.hex()
        table["policy"]["normal"] = {"level": {"every_ms": 500, "report_ms": 1000}}
        signals = {"level": Constant(1.2)}
        device = UpdatableDevice(table, signals, clock, seed=number, trial_s=trial_s)
        device.install(OLD, release(OLD, "0.1.0", 1))
        devices[name] = device
        device.start()
    try:
        yield devices
    finally:
        for device in devices.values():
            if device.is_running():
                device.power_cut()
        ticking.cancel()
        await asyncio.sleep(0.1)


@contextmanager
def hub_of(folder: Path, names: tuple[str, ...]) -> Iterator[HubProcess]:
    """Run a hub that knows these devices."""
    hub = HubProcess(folder, FAST)
    for name in names:
        device = config.Device(name, secret_of(name), "river", "", "", False)
        config.enroll(hub.folder / "devices.toml", device)
    hub.start()
    try:
        yield hub
    finally:
        if hub.process is not None:
            hub.end(signal.SIGKILL)


async def order(hub: HubProcess, *words: str) -> tuple[int, str]:
    """Run `hinomi hub update ..`; return its exit code and output."""
    line = command("update", *words, "--config", str(hub.config))
    process = await asyncio.create_subprocess_exec(
        *line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def until(hub: HubProcess, is_true: Any, what: str) -> dict[str, Any]:
    """Wait for a state of the rollout; return it."""
    end = time.monotonic() + WAIT_S
    while True:
        state: dict[str, Any] = (await asyncio.to_thread(hub.status))["update"]
        if state is not None and is_true(state):
            return state
        assert time.monotonic() < end, f"{what}: {state}"
        await asyncio.sleep(0.2)


async def online(hub: HubProcess, names: tuple[str, ...]) -> None:
    """Wait until all devices have a session."""
    end = time.monotonic() + WAIT_S
    while True:
        rows = (await asyncio.to_thread(hub.status))["devices"]
        if sum(row["state"] == "online" for row in rows) >= len(names):
            return
        assert time.monotonic() < end, rows
        await asyncio.sleep(0.1)


def write_release(folder: Path, image: bytes, version: str, counter: int = 2) -> Path:
    """Write a release file signed by the key of the tests."""
    path = folder / f"{version}.release"
    path.write_bytes(join_release(release(image, version, counter), image))
    return path


def _is_over(version: str, state: dict[str, Any]) -> bool:
    return bool(state["version"] == version and state["is_over"])


def states(state: dict[str, Any]) -> dict[str, str]:
    """Return device -> state."""
    return {row["device"]: row["state"] for row in state["devices"]}


async def test_a_fleet_is_updated_though_hub_and_boards_lose_power(
    tmp_path: Path,
) -> None:
    with hub_of(tmp_path, FLEET) as hub:
        async with fleet(hub, FLEET) as devices:
            await online(hub, FLEET)
            began = time.monotonic()
            path = write_release(tmp_path, NEW, "0.2.0")
            names = ",".join(FLEET)
            code, output = await order(hub, "start", str(path), "--devices", names)
            assert code == 0 and "12 devices" in output, output
            state = await until(hub, lambda one: one["stage"] == 2, "stage 2")
            assert sum(each != "waiting" for each in states(state).values()) <= 3
            assert sum(device.starts[-1] for device in devices.values()) <= 3
            hub.end(signal.SIGKILL)
            hub.start()
            await until(hub, lambda one: one["stage"] == 3, "stage 3")
            for name in FLEET[5:8]:
                devices[name].power_cut()
                await asyncio.sleep(0.3)
                await devices[name].power_on()
            state = await until(hub, lambda one: one["is_over"], "the end")
            took_s = time.monotonic() - began
            assert set(states(state).values()) == {"healthy"} and state["stopped"] == "", state
            for device in devices.values():
                assert device.starts in ([0, 1], [0, 0, 1], [0, 1, 1]), device.starts
                assert device.agent is not None and device.agent.update.version == "0.2.0"
            code, output = await order(hub, "status", "--json")
            assert code == 0 and json.loads(output)["version"] == "0.2.0"
            print(f"12 devices in {took_s:.1f} s", file=sys.stderr)


async def test_a_bad_image_stops_at_the_first_device_which_goes_back(tmp_path: Path) -> None:
    names = FLEET[:3]
    with hub_of(tmp_path, names) as hub:
        async with fleet(hub, names, trial_s=3.0) as devices:
            await online(hub, names)
            for number, start in enumerate((CRASHES, DEAF)):
                began = time.monotonic()
                version = f"0.2.{number}"
                path = write_release(tmp_path, image_of(start, 9000), version)
                code, output = await order(hub, "start", str(path), "--devices", ",".join(names))
                assert code == 0, output
                state = await until(hub, partial(_is_over, version), "the stop")
                assert "went back" in state["stopped"], state
                assert sorted(states(state).values()) == ["failed", "waiting", "waiting"]
                print(f"{version} stopped after {time.monotonic() - began:.1f} s", file=sys.stderr)
            tried = [device for device in devices.values() if len(device.starts) > 1]
            assert [device.starts for device in tried] == [[0, 1, 1, 1, 0, 1, 0]]
            for device in devices.values():
                assert device.agent is not None and device.agent.update.version == "0.1.0"
            code, output = await order(hub, "status", "--follow", "--json")
            assert code == 1 and "went back" in output
