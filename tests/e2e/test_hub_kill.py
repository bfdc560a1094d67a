"""The hub is killed at random moments under load, stopped in good order, and runs out of disk."""

import asyncio
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from protocols.vocabulary import LANE_ALERT, LANE_STATE, LANE_WAVE
from simulators.archive import Archive
from simulators.network import BLACKHOLE, Line
from tests.hub.device import Device, streaming
from tests.hub.hub_process import (
    DEVICES,
    HubProcess,
    Mosquitto,
    Values,
    command,
    running_hub,
    secret_of,
    wait_until,
)
from tests.hub.small_disk import fill, mounted
from tests.real_parts import need
from tests.simulators.platform_process import HUB, running

KILLS = 8
LANES = (LANE_WAVE, LANE_STATE, LANE_WAVE, LANE_ALERT)


def to(port: int) -> Values:
    """Return the settings of an uplink to a port of loopback."""
    return {("uplink", "port"): port, ("uplink", "version"): "3.1.1"}


def devices_of(hub: HubProcess) -> list[Device]:
    """Return the devices that are enrolled at this hub."""
    return [Device(name, secret_of(name), hub.port) for name in DEVICES]


def assert_all_arrived(folder: Path, devices: list[Device]) -> Counter[str]:
    """Every acknowledged frame is in the archive exactly once; return what the archive counted."""
    with Archive(folder) as archive:
        times = Counter(archive.identities())
        counts = archive.counts()
    assert set(times.values()) == {1}
    for device in devices:
        name = device.keys.device
        for first, following in device.acknowledged.pairs():
            lost = [at for at in range(first, following) if not times[name, device.boot, at]]
            assert lost == [], name
    assert counts["refused"] == {}
    return Counter(redelivered=counts["redelivered"], accepted=counts["accepted"])


async def test_no_acknowledged_frame_is_lost_or_doubled_when_the_hub_is_killed(
    tmp_path: Path,
) -> None:
    await kill(tmp_path, KILLS)


async def kill(
    folder: Path, kills: int, tell: Callable[[float], None] = lambda share: None
) -> dict[str, int]:
    """Kill a hub at random moments under load, a real broker behind it; return what there was.

    Then all that was acknowledged must be at the platform, once.
    """
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    broker = Mosquitto(need("mosquitto"), folder, "max_inflight_messages 1000")
    with broker, running(folder, "--broker", f"127.0.0.1:{broker.port}") as platform:
        await asyncio.to_thread(platform.wait_ready)
        with running_hub(folder, to(broker.port)) as hub:
            devices = devices_of(hub)
            async with streaming(*devices, interval_s=0.002, lanes=LANES):
                for number in range(kills):
                    await asyncio.sleep(moments.uniform(0.05, 0.5))
                    assert hub.end(signal.SIGKILL) == -signal.SIGKILL
                    await asyncio.to_thread(hub.start)
                    tell(number / kills)
            made = sum(device.made for device in devices)
            state = await asyncio.to_thread(hub.wait_delivered, made)
            assert state["evicted"] == 0

            def counts_agree() -> bool:
                """The hub took each frame once, too, and counts what it delivered once."""
                with Archive(platform.archive) as archive:  # hub records come at any time
                    return bool(archive.counts()["accepted"] == hub.uplink()["delivered"])

            await asyncio.to_thread(wait_until, counts_agree, "agreement")
        counts = assert_all_arrived(platform.archive, devices)
    assert all(device.connects > kills // 2 for device in devices)
    assert all(device.acknowledged.flat == [0, device.made] for device in devices)
    # What comes again after a kill is what was sent within the delay of the cursor.
    assert counts["redelivered"] < counts["accepted"]
    return {"kills": kills, "made": made, **counts}


async def test_a_hub_that_is_told_to_stop_has_committed_all_and_is_gone_in_five_seconds(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as platform:
        target = await asyncio.to_thread(platform.wait_ready)
        async with Line("127.0.0.1", target) as line:
            with running_hub(tmp_path, to(line.port)) as hub:
                device, _ = devices_of(hub)
                await device.open()
                line.cut(BLACKHOLE)  # nothing upstream answers
                device.write(*(device.make(LANE_WAVE) for _ in range(500)))
                await device.wait_until(lambda: device.acknowledged.flat)
                started = time.monotonic()
                code = await asyncio.to_thread(hub.end, signal.SIGTERM)
                assert time.monotonic() - started < 5
                assert code == 0
                await device.wait_until(device.ended.is_set)
                assert device.byes == [2]  # stopping
                await device.close()
                line.restore()
                await asyncio.to_thread(hub.start)
                await device.open()  # what it had acknowledged it still has, the rest comes again
                device.write(*device.held.values())
                await device.wait_acknowledged()
                await asyncio.to_thread(hub.wait_delivered, device.made)
                await device.close()
        assert_all_arrived(platform.archive, [device])


def test_the_hub_tells_a_second_hub_on_its_folder_to_go(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:
        second = subprocess.run(
            command("run", "--config", str(hub.config)), capture_output=True, text=True, timeout=20
        )
        assert second.returncode == 1
        assert "another hub uses" in second.stderr
        assert hub.status()["hub"]["id"] == HUB


async def test_a_full_disk_is_refused_in_words_and_recovers_without_a_restart(
    tmp_path: Path,
) -> None:
    with mounted(tmp_path / "disk", 6000) as disk:
        with running(tmp_path) as platform:
            port = await asyncio.to_thread(platform.wait_ready)
            values = to(port) | {("hub", "data"): str(disk)}
            with running_hub(tmp_path, values) as hub:
                device, _ = devices_of(hub)
                await device.open()
                device.write(*(device.make(LANE_WAVE, size=200) for _ in range(50)))
                await device.wait_acknowledged()
                fill(disk / "filler")
                for _ in range(40):  # more than the files have room for
                    device.write(*(device.make(LANE_WAVE, size=200) for _ in range(50)))
                    await asyncio.sleep(0.01)
                    if device.ended.is_set():
                        break
                await device.wait_until(device.ended.is_set)
                assert device.byes == [3]  # overloaded
                held = len(device.held)
                assert held > 0
                status = await asyncio.to_thread(_status_with_failure, hub)
                assert "full" in status["store"]["failure"]
                assert status["ingest"]["refused"]["overloaded"] >= 1
                await device.close()
                (disk / "filler").unlink()
                await device.open()
                device.write(*device.held.values())
                await device.wait_acknowledged()
                await asyncio.to_thread(
                    wait_until, lambda: hub.status()["store"]["failure"] == "", "recovery"
                )
                await asyncio.to_thread(hub.wait_delivered, device.made)
                await device.close()
            assert_all_arrived(platform.archive, [device])


def _status_with_failure(hub: HubProcess) -> dict[str, Any]:
    wait_until(lambda: hub.status()["store"]["failure"], "the failure in the status")
    return hub.status()
