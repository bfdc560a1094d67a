"""Mode and policy of a real hub's process on a whole agent: told, kept, told again, alone."""

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

from boards.profiles import make_config
from hub.admin import ask
from protocols.vocabulary import LANE_ALERT, LANE_LIFE
from simulators.clock import RunningClock
from simulators.signals.basic import Constant
from simulators.virtual_device import VirtualDevice
from tests.hub.hub_process import HubProcess, secret_of

POLICY = """
[[policy]]
mode = "normal"
kind = "river"
sensor = "level"
every_ms = 100
report_ms = 200
lane = "life"

[[policy]]
mode = "disaster"
kind = "river"
sensor = "a02yyuw"
lane = "alert"
"""
SIREN_PIN = 14
WAIT_S = 30
ALONE_US = 1_000_000  # less than a configuration may say, so that the test need not wait


def river(port: int) -> VirtualDevice:
    """Return a gauge whose own configuration is slow, with a siren."""
    secret = secret_of("river-1").hex()
    config = make_config("river-gauge", "river-1", secret, host="127.0.0.1", port=port)
    config["policy"] = {"normal": {"level": {"every_ms": 60_000, "report_ms": 60_000}}}
    config["outputs"] = [{"name": "siren", "pin": SIREN_PIN, "hold_ms_max": 5000}]
    rule = {"above_milli": 1000, "mode": "disaster", "output": "siren", "hold_ms": 2000}
    config["sensors"][0].update(own_rule=rule, window_ms=0)
    return VirtualDevice(config, {"level": Constant(3.2)}, RunningClock())


async def until(is_true: Any, what: str) -> None:
    """Wait until something of hub or device is true; what: for whoever reads the failure."""
    end_s = time.monotonic() + WAIT_S
    while not await asyncio.to_thread(is_true):
        assert time.monotonic() < end_s, f"not within {WAIT_S} s: {what}"
        await asyncio.sleep(0.05)


class Town:
    """A hub as a process, and one device."""

    def __init__(self, folder: Path) -> None:
        self.hub = HubProcess(folder, {("mode", "backhaul_s"): 0})
        with self.hub.config.open("a") as file:
            file.write(POLICY)
        self.device = river(self.hub.port)

    def order(self, **request: Any) -> dict[str, Any]:
        """Do as an operator does; return the mode."""
        state: dict[str, Any] = ask(self.hub.folder / "data", request)
        return state

    def counts(self) -> tuple[int, int]:
        """Return who has not confirmed: those that are there, those that are away."""
        counts = self.order(do="mode show")["unconfirmed"]["counts"]
        return counts["waiting"] + counts["refused"], counts["away"]

    def operation(self) -> Any:
        """Return the operation of the present boot."""
        assert self.device.agent is not None
        return self.device.agent.operation

    def mode(self) -> tuple[int, bool]:
        """Return what the device goes by."""
        return self.operation().mode, self.operation().drill

    def has_lane(self, lane: int, boot: int) -> bool:
        """Tell whether the device has kept a frame of that lane in that boot."""
        kept = dict(self.device.observer.kept)
        return any(one.lane == lane and key[1] == boot for key, one in kept.items())


async def test_a_device_goes_by_what_the_hub_says_through_restarts_and_without_it(
    tmp_path: Path,
) -> None:
    town = Town(tmp_path)
    hub, device = town.hub, town.device
    await asyncio.to_thread(hub.start)
    try:
        device.start()
        await until(lambda: town.counts() == (0, 1), "confirmed; home-1 never came")
        assert town.operation().policy_version() != 0
        await until(lambda: town.has_lane(LANE_LIFE, 1), "frames as the policy says")

        town.order(do="drill start", mode="disaster", minutes=10)
        await until(lambda: town.mode() == (2, True) and town.counts()[0] == 0, "the drill")
        await until(lambda: town.has_lane(LANE_ALERT, 1), "frames as the policy of disaster says")
        assert device.board.outputs[SIREN_PIN] == 0

        device.power_cut()
        town.order(do="drill stop")
        town.order(do="mode set", mode="watch")
        await until(lambda: town.counts() == (0, 2), "the device is away")
        await device.power_on()
        await until(lambda: town.operation().policy_version() != 0, "the policy it has kept")
        await until(lambda: town.mode() == (1, False) and town.counts() == (0, 1), "what is new")

        await asyncio.to_thread(hub.end, signal.SIGKILL)
        town.operation()._own_rule._after_us = ALONE_US
        await until(lambda: town.operation().followed_mode() == 2, "its own rule")
        assert device.board.outputs[SIREN_PIN] == 1 and town.mode() == (1, False)
        await asyncio.to_thread(hub.start)
        await until(lambda: town.operation().followed_mode() == 1, "the hub's mode")
        await until(lambda: device.board.outputs[SIREN_PIN] == 0, "silence")
        assert device.failure() is None
        await device.stop()
    finally:
        if hub.process is not None:
            await asyncio.to_thread(hub.end, signal.SIGKILL)
