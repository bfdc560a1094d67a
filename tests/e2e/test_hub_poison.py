"""Frames that a real broker does not take: found, kept as dead letters, tried again when asked."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

from protocols.vocabulary import LANE_STATE, LANE_WAVE
from simulators.network import Line
from tests.e2e.test_hub_uplink import arrivals_of, device_of, to
from tests.hub.hub_process import HubProcess, Mosquitto, command, running_hub
from tests.hub.hub_process import wait_until as waiting
from tests.real_parts import REPOSITORY, need
from tests.simulators.platform_process import running

SMALL_LIMIT = 2600  # bytes of one message: a frame of 200 readings is 450, one of 1,700 is 3,500
LARGE_READINGS = 1700
FRAMES = 400


async def wait_until(is_true: Any, what: str, timeout_s: float = 30) -> None:
    """Wait until something outside is true, and let the test's own tasks go on."""
    await asyncio.to_thread(waiting, is_true, what, timeout_s)


def dead_letters(hub: HubProcess, *options: str) -> str:
    """Return what the operator's command prints."""
    words = command("dead-letters", "--config", str(hub.config), *options)
    return subprocess.run(
        words, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=20
    ).stdout


def is_settled(hub: HubProcess, dead: int) -> bool:
    """Tell whether all but `dead` frames are delivered."""
    one, accepted = hub.uplink(), hub.status()["store"]["accepted"]
    return bool(one["dead_lettered"] == dead and one["delivered"] + dead == accepted)


async def test_a_frame_too_large_for_the_broker_is_a_dead_letter_until_it_may_pass(
    tmp_path: Path,
) -> None:
    """With MQTT 5."""
    large = (151, 301)
    setting = "message_size_limit"
    kept = ("persistence true", f"persistence_location {tmp_path}/")
    broker = Mosquitto(need("mosquitto"), tmp_path, f"{setting} {SMALL_LIMIT}", *kept)
    with broker, running(tmp_path, "--broker", f"127.0.0.1:{broker.port}") as platform:
        await asyncio.to_thread(platform.wait_ready)
        async with Line("127.0.0.1", broker.port) as line:
            line.cut()
            with running_hub(tmp_path, to(line.port)) as hub:
                await fill(hub, large)
                line.restore()
                await check_dead_letters(hub, platform.archive, large)
                hub.end()
                hub.start()
                await wait_until(lambda: is_settled(hub, len(large)), "the same after a restart")
                broker.end()
                broker.config.write_text(broker.config.read_text().replace(setting, "# "))
                broker.start()
                assert dead_letters(hub, "--retry").startswith(f"{len(large)} dead letters")
                await wait_until(lambda: is_settled(hub, 0), "that they pass")
                await wait_until(lambda: len(arrivals_of(platform.archive)) == FRAMES, "arrival")
                assert dead_letters(hub, "--json").strip() == "[]"


async def test_a_frame_that_ends_every_connection_is_a_dead_letter(tmp_path: Path) -> None:
    """MQTT 3.1.1 has no other way to say that a packet is too large."""
    broker = Mosquitto(need("mosquitto"), tmp_path, f"max_packet_size {SMALL_LIMIT}")
    with broker, running(tmp_path, "--broker", f"127.0.0.1:{broker.port}") as platform:
        await asyncio.to_thread(platform.wait_ready)
        async with Line("127.0.0.1", broker.port) as line:
            line.cut()
            with running_hub(tmp_path, to(line.port, version="3.1.1")) as hub:
                await fill(hub, (151,))
                line.restore()
                await check_dead_letters(hub, platform.archive, (151,))


async def fill(hub: HubProcess, large: tuple[int, ...]) -> None:
    """Let a device send FRAMES frames, of which those of these indexes are large."""
    device = device_of(hub)
    await device.open()
    for first in (0, FRAMES // 2):
        for index in range(first, first + FRAMES // 2):
            size = LARGE_READINGS if index in large else 200
            device.write(device.make(LANE_STATE if index % 4 == 0 else LANE_WAVE, size=size))
        await device.wait_acknowledged()
    await device.close()


async def check_dead_letters(hub: HubProcess, archive: Path, large: tuple[int, ...]) -> None:
    """All but the large ones arrive; these are dead letters."""
    await wait_until(lambda: is_settled(hub, len(large)), "the dead letters")
    await wait_until(lambda: len(arrivals_of(archive)) == FRAMES - len(large), "arrival")
    found = json.loads(dead_letters(hub, "--json"))
    assert [(row["device"], row["index"]) for row in found] == [("river-1", one) for one in large]
    assert all(row["tries"] == 5 and row["reason"] for row in found)


async def test_a_broker_that_forbids_one_lane_gets_the_others_and_makes_no_dead_letters(
    tmp_path: Path,
) -> None:
    rules = tmp_path / "acl"
    open_rules = "topic readwrite #\n"
    rules.write_text("".join(f"topic write hinomi/v1/+/frames/+/{lane}\n" for lane in (0, 1, 2)))
    with Mosquitto(need("mosquitto"), tmp_path, f"acl_file {rules}") as broker:
        with running_hub(tmp_path, to(broker.port)) as hub:
            device = device_of(hub)
            await device.open()
            for _ in range(10):
                device.write(*(device.make(LANE_WAVE, size=200) for _ in range(30)))
                device.write(*(device.make(LANE_STATE) for _ in range(5)))
                await device.wait_acknowledged()
                await asyncio.sleep(0.3)
            await wait_until(
                lambda: hub.status()["store"]["accepted"] - hub.uplink()["delivered"] == 300,
                "delivery of the other lanes",
            )
            assert hub.uplink()["dead_lettered"] == 0
            broker.end()
            rules.write_text(open_rules)
            broker.start()
            await wait_until(lambda: is_settled(hub, 0), "delivery of all")
            await device.close()
