"""A clean stop under load: fifty devices, an uplink that answers nothing, twenty viewers."""

import asyncio
import signal
import time
from pathlib import Path

from hub import config
from protocols.vocabulary import LANE_ALERT, LANE_STATE, LANE_WAVE
from simulators.archive import Archive
from simulators.network import BLACKHOLE, Line
from tests.e2e.test_hub_kill import to
from tests.hub.device import Device, streaming
from tests.hub.hub_process import HubProcess, secret_of
from tests.simulators.platform_process import running

DEVICES_COUNT = 50
VIEWERS_COUNT = 20
STOP_S_MAX = 5.0
LANES = (LANE_WAVE, LANE_STATE, LANE_WAVE, LANE_ALERT)


async def view(port: int) -> asyncio.StreamWriter:
    """Open the page's stream and never read it."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
    writer.write(b"GET /events HTTP/1.1\r\nhost: hub\r\n\r\n")
    return writer


def enrolled(folder: Path, port: int) -> tuple[HubProcess, list[Device]]:
    """Return a hub and its devices; the platform knows those that it made up, and `more`."""
    hub = HubProcess(folder, to(port))
    names = [f"wave-{at}" for at in range(DEVICES_COUNT)]
    for name in names:
        config.enroll(hub.folder / "devices.toml", config.Device(name, secret_of(name), "other"))
    return hub, [Device(name, secret_of(name), hub.port) for name in names]


async def test_a_loaded_hub_stops_within_five_seconds_and_loses_nothing(tmp_path: Path) -> None:
    names = tuple(f"wave-{at}" for at in range(DEVICES_COUNT))
    with running(tmp_path, more=names) as platform:
        target = await asyncio.to_thread(platform.wait_ready)
        async with Line("127.0.0.1", target) as line:
            hub, devices = enrolled(tmp_path, line.port)
            hub.start()
            try:
                async with streaming(*devices, interval_s=0.05, lanes=LANES):
                    await asyncio.sleep(1)
                    line.cut(BLACKHOLE)
                    port = hub.ports["console"]
                    viewers = [await view(port) for _ in range(VIEWERS_COUNT)]
                    await asyncio.sleep(1)
                    status = await asyncio.to_thread(hub.status)
                    assert status["ingest"]["connections"] == DEVICES_COUNT
                    assert status["console"]["clients"] == VIEWERS_COUNT
                    assert status["uplinks"][0]["live"] + status["uplinks"][0]["backlog"] > 0
                    began_s = time.monotonic()
                    code = await asyncio.to_thread(hub.end, signal.SIGTERM)
                    took_s = time.monotonic() - began_s
                    print(f"stopped in {took_s:.2f} s")
                    assert (code, took_s < STOP_S_MAX) == (0, True), took_s
                    for viewer in viewers:
                        viewer.close()
                    line.restore()
                    await asyncio.to_thread(hub.start)
                made = sum(device.made for device in devices)
                await asyncio.to_thread(hub.wait_delivered, made, 60)
            finally:
                if hub.process is not None:
                    hub.end(signal.SIGKILL)
        with Archive(platform.archive) as archive:
            arrived = sorted(one for one in archive.identities() if one[0].startswith("wave-"))
    assert arrived == sorted(
        (device.keys.device, 1, index) for device in devices for index in range(device.made)
    )
    assert any(device.byes == [2] for device in devices)
