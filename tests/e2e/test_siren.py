"""From a torn wire to the pin of a siren: real hub, whole agents on two boards, no uplink."""

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

from boards.profiles import make_config
from hub import config as configuration
from hub.admin import ask
from simulators.clock import RunningClock
from simulators.signals.basic import Constant
from simulators.virtual_device import VirtualDevice
from tests.e2e.test_modes import until
from tests.hub.hub_process import HubProcess, secret_of

SIREN_PIN, LAMP_PIN = 14, 15
SOUND_S = 2
SIREN_S_MAX = 2.0  # from the torn wire to the pin
NAMES = ("slope-1", "siren-1")


class Pin:
    """What hangs on a pin. changes: (when, level), each that differs from the one before."""

    def __init__(self) -> None:
        self.changes: list[tuple[float, int]] = []

    def level(self, value: int, now_us: int) -> None:
        """Be driven."""
        if value != self.is_on():
            self.changes.append((time.monotonic(), value))

    def is_on(self) -> int:
        """Return the level."""
        return self.changes[-1][1] if self.changes else 0


class Town:
    """A hub whose uplink leads nowhere, a slope with a wire, a siren with a practice lamp."""

    def __init__(self, folder: Path) -> None:
        values = {("uplink", "port"): 1, ("alerts", "settle_s"): 0, ("mode", "backhaul_s"): 0}
        self.hub = HubProcess(folder, values)
        for name in NAMES:
            device = configuration.Device(name, secret_of(name), "slope")
            configuration.enroll(self.hub.folder / "devices.toml", device)
        configuration.add_table(self.hub.config, "slope", {"device": "slope-1"})
        for output, practice in (("siren", False), ("lamp", True)):
            row = {"device": "siren-1", "output": output, "level": "warning",
                   "sound_s": SOUND_S, "practice": practice}  # fmt: skip
            configuration.add_table(self.hub.config, "siren", row)
        self.slope = self._slope()
        self.board = self._board()
        self.siren, self.lamp = Pin(), Pin()
        self.board.board.pin_listeners |= {SIREN_PIN: self.siren, LAMP_PIN: self.lamp}

    def _config(self, profile: str, name: str) -> dict[str, Any]:
        secret = secret_of(name).hex()
        return make_config(profile, name, secret, host="127.0.0.1", port=self.hub.port)

    def _slope(self) -> VirtualDevice:
        config = self._config("slope-watch", "slope-1")
        config["sensors"] = [row for row in config["sensors"] if row["name"] == "wire"]
        config["policy"] = {"normal": {}}
        return VirtualDevice(config, {"wire": Constant(0.0)}, RunningClock())

    def _board(self) -> VirtualDevice:
        config = self._config("slope-watch", "siren-1")
        config.update(sensors=[], policy={"normal": {}})
        config["outputs"] = [
            {"name": "siren", "pin": SIREN_PIN, "hold_ms_max": 5000},
            {"name": "lamp", "pin": LAMP_PIN, "hold_ms_max": 5000, "practice": True},
        ]
        return VirtualDevice(config, {}, RunningClock())

    def states(self) -> list[str]:
        """Return how the hub knows the two boards."""
        rows = self.hub.status()["devices"]
        return [one["state"] for one in rows if one["device"] in NAMES]

    def sirens(self) -> dict[str, Any]:
        """Return the hub's counts of them."""
        counts: dict[str, Any] = self.hub.status()["delivery"]["sirens"]
        return counts

    async def damaged(self, fault: str) -> float:
        """Damage the wire; return how long until the siren's pin is on, in s."""
        self.slope.chips["wire"].fault = fault
        begun_s = time.monotonic()
        await until(self.siren.is_on, f"the siren after {fault}")
        return self.siren.changes[-1][0] - begun_s

    async def end(self) -> None:
        """End all of it, in whatever state."""
        for one in (self.slope, self.board):
            if one._task is not None:
                one._task.cancel()
                await asyncio.gather(one._task, return_exceptions=True)
        if self.hub.process is not None:
            await asyncio.to_thread(self.hub.end, signal.SIGKILL)


async def test_a_torn_wire_sounds_the_real_siren_a_drill_never_and_a_dead_hub_no_longer(
    tmp_path: Path,
) -> None:
    town = Town(tmp_path)
    await asyncio.to_thread(town.hub.start)
    try:
        for one in (town.slope, town.board):
            one.start()
        await until(lambda: town.states() == ["online"] * len(NAMES), "both boards")
        await until(lambda: town.sirens()["away"] == [], "the siren's board")
        data = town.hub.folder / "data"
        await asyncio.to_thread(
            ask,
            data,
            {"do": "drill start", "mode": "disaster", "minutes": 9, "kind": "slope-wire"},
        )
        await until(town.lamp.is_on, "the lamp of the drill")
        await until(lambda: town.sirens()["refused_in_drill"] == 1, "the siren is left out")
        assert town.siren.changes == []

        # The real thing in the middle of the drill.
        assert await town.damaged("cut") <= SIREN_S_MAX
        confirmed = "the lamp of the drill, then both in earnest"
        await until(lambda: town.sirens()["confirmed"] == 3, confirmed)
        status = await asyncio.to_thread(town.hub.status)
        assert status["mode"]["drill"] is False
        assert status["uplinks"][0]["state"] == "down"
        town.slope.chips["wire"].fault = None
        await until(lambda: not town.siren.is_on(), "silence")

        assert await town.damaged("signal_cut") <= SIREN_S_MAX
        await asyncio.to_thread(town.hub.end, signal.SIGKILL)
        assert town.siren.is_on()
        await until(lambda: not town.siren.is_on(), "silence without a hub")
        (on_s, _), (off_s, _) = town.siren.changes[-2:]
        assert SOUND_S - 0.1 <= off_s - on_s <= SOUND_S + SIREN_S_MAX
        assert all(one.failure() is None for one in (town.slope, town.board))
    finally:
        await town.end()
