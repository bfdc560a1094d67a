"""A device that ran before its hub did: what it read then gets the right UTC."""

import asyncio
import sqlite3
import time
from pathlib import Path

from boards.profiles import make_config
from simulators.clock import RunningClock
from simulators.signals.basic import Constant
from simulators.virtual_device import VirtualDevice
from tests.hub.hub_process import HubProcess, secret_of

DEVICE = "river-1"
OFFLINE_S = 1.5
LAN_US = 5_000


async def test_a_clock_that_ran_before_the_hub_is_known_to_milliseconds(tmp_path: Path) -> None:
    hub = HubProcess(tmp_path)
    secret = secret_of(DEVICE).hex()
    config = make_config("river-gauge", DEVICE, secret, host="127.0.0.1", port=hub.port, demo=True)
    clock = RunningClock()
    device = VirtualDevice(config, {"level": Constant(3.0)}, clock)
    # The board's clock began with the board: its 0 in UTC.
    began_utc_us = time.time_ns() // 1000 - device.board.clock.now_us()
    device.start()
    await asyncio.sleep(OFFLINE_S)
    assert device.agent is not None and device.agent.uplink.sessions_count == 0
    await asyncio.to_thread(hub.start)
    for _ in range(400):
        await asyncio.sleep(0.05)
        if device.agent.uplink.sessions_count and not device.agent.flashlog.pending_count():
            break
    await device.stop()
    assert await asyncio.to_thread(hub.end) == 0
    with sqlite3.connect(hub.folder / "data" / "hub.sqlite") as db:
        query = "SELECT device_us, utc_us, uncertainty_us FROM clock WHERE device = ?"
        [[device_us, utc_us, uncertainty_us]] = db.execute(query, (DEVICE,)).fetchall()
    db.close()
    error_us = abs(utc_us - device_us - began_utc_us)
    print(f"off by {error_us} us, said to be within {uncertainty_us} us")
    # A machine that is busy widens what the exchange brackets; it says so.
    assert error_us <= max(LAN_US, uncertainty_us)
