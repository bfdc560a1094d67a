"""The simulated common platform as a real process, with real brokers and clients on loopback."""

import asyncio
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from protocols.batch import Series, encode_batch
from protocols.bundle import Bundle, encode_bundle
from protocols.cose import DeviceKeys
from protocols.framing import prefixed
from protocols.limits import BUNDLE_SIZE_MAX
from protocols.records import encode_record
from protocols.vocabulary import GAP_FLASH_FULL, KIND_GAP, LANE_STATE, LANE_WAVE
from simulators.archive import FILE_NAME, Archive
from tests.ports import free_port
from tests.real_parts import need
from tests.simulators.platform_process import HUB, KEYS, WAIT_S, running

STRANGER = DeviceKeys("stranger", bytes(32))
SCALE = (-3, 1)


def level_frame(index: int, values: list[int], start_us: int, boot: int = 1) -> bytes:
    """Return a frame of the river gauge: values every second from start_us on."""
    series = Series("level", "m", SCALE, start_us, spacing_ns=10**9, values=values)
    return KEYS["river-1"].up.seal(encode_batch((boot, index, LANE_STATE, start_us), [series]))


def message(frames: list[bytes], historical: bool = False, hub: str = HUB) -> bytes:
    """Return the bundle of these frames."""
    blob = b"".join(map(prefixed, frames))
    return encode_bundle(Bundle(hub, (LANE_STATE, 0), historical, count=len(frames), blob=blob))


def topic(urgency: str = "live", hub: str = HUB) -> str:
    """Return the topic of a bundle."""
    return f"hinomi/v1/{hub}/frames/{urgency}/state"


async def publish(
    port: int, *messages: tuple[str, bytes], version: int = 4, timeout_s: float = WAIT_S
) -> None:
    """Publish as a hub does, QoS 1, each acknowledged before the next."""
    protocol = aiomqtt.ProtocolVersion(version)
    async with aiomqtt.Client("127.0.0.1", port, protocol=protocol, timeout=WAIT_S) as client:
        for where, payload in messages:
            await client.publish(where, payload, qos=1, timeout=timeout_s)


async def test_what_is_acknowledged_is_archived_byte_for_byte(tmp_path: Path) -> None:
    frames = [level_frame(index, [index, index + 1], index * 2_000_000) for index in range(3)]
    with running(tmp_path) as platform:
        await publish(platform.wait_ready(), (topic(), message(frames)))
        with Archive(platform.archive) as archive:  # while the platform runs
            assert list(archive.frames()) == frames
            assert list(archive.identities()) == [("river-1", 1, index) for index in range(3)]
            assert archive.readings("river-1", "level") == [
                (0, 0, SCALE), (1_000_000, 1, SCALE), (2_000_000, 1, SCALE),
                (3_000_000, 2, SCALE), (4_000_000, 2, SCALE), (5_000_000, 3, SCALE),
            ]  # fmt: skip
            assert archive.readings("river-1", "level", boot=2) == []
            assert archive.readings_count() == 6
            assert archive.statistics() == {
                "bundles": 1, "accepted": 3, "redelivered": 0, "refused": {}, "devices": 1,
                "frames_size": sum(map(len, frames)), "historical": 0,
                "lanes": {"alert": 0, "life": 0, "state": 3, "wave": 0},
            }  # fmt: skip


async def test_arrivals_can_be_read_as_they_come(tmp_path: Path) -> None:
    with running(tmp_path) as platform:
        port = platform.wait_ready()
        before_us = time.monotonic_ns() // 1000
        await publish(port, (topic(), message([level_frame(0, [1], 0)])))
        with Archive(platform.archive) as archive:
            (first,) = archive.arrivals()
            assert before_us < first.arrival_us < time.monotonic_ns() // 1000
            await publish(
                port, (topic("backlog"), message([level_frame(7, [1], 0, boot=2)], True))
            )
            (second,) = archive.arrivals(after=first.number)
            assert (second.boot, second.frame_index, second.historical) == (2, 7, True)
            assert first.historical is False


async def test_redelivered_frame_is_counted_and_not_stored_again(tmp_path: Path) -> None:
    frames = [level_frame(index, [5], index) for index in range(4)]
    with running(tmp_path) as platform:
        port = platform.wait_ready()
        await publish(port, (topic(), message(frames[:3])))
        await publish(port, (topic(), message(frames[:3])), (topic(), message(frames[3:] * 2)))
        with Archive(platform.archive) as archive:
            assert list(archive.identities()) == [("river-1", 1, index) for index in range(4)]
            assert archive.counts()["redelivered"] == 4


async def test_each_refusal_is_counted_by_its_reason_and_good_frames_pass(tmp_path: Path) -> None:
    good = level_frame(0, [1], 0)
    strange = STRANGER.up.seal(KEYS["river-1"].up.open(good))
    by_another_key = good[:-1] + bytes((good[-1] ^ 1,))
    not_a_record = KEYS["river-1"].up.seal(b"\x80")
    with running(tmp_path) as platform:
        await publish(
            platform.wait_ready(),
            (topic(), message([strange, by_another_key, b"noise", good])),
            (topic(), message([not_a_record])),
            (topic(), b"\xff" * 50),
            (topic(), message([good])[:-1]),
            (topic("backlog"), message([good])),
            (topic(hub="hub-2"), message([good])),
            ("hinomi/v1/hub-1/status", b"none of its business"),
        )
        with Archive(platform.archive) as archive:
            assert list(archive.frames()) == [good]
            assert archive.counts()["refused"] == {
                "unknown_device": 1, "wrong_key": 1, "malformed": 4, "unexpected": 2
            }  # fmt: skip


async def test_latest_value_never_moves_backwards(tmp_path: Path) -> None:
    with running(tmp_path) as platform:
        port = platform.wait_ready()
        await publish(port, (topic(), message([level_frame(9, [30, 31], 9_000_000, boot=2)])))
        old = [level_frame(3, [20], 3_000_000, boot=2), level_frame(50, [10], 50_000_000, boot=1)]
        await publish(port, (topic("backlog"), message(old, historical=True)))
        with Archive(platform.archive) as archive:
            latest = archive.latest()["river-1", "level"]
            assert (latest.boot, latest.time_us, latest.value) == (2, 10_000_000, 31)
            assert [one.value for one in archive.readings("river-1", "level")] == [10, 20, 30, 31]


async def test_personal_readings_open_only_with_their_key(tmp_path: Path) -> None:
    keys = KEYS["home-1"]
    series = [Series("motion", "1", (0, 1), 0, spacing_ns=10**9, values=[0, 1, 1])]
    payload = encode_batch((1, 0, 1, 0), series, personal=(keys.seal_key, bytes(16)))
    with running(tmp_path) as platform:
        await publish(platform.wait_ready(), (topic(), message([keys.up.seal(payload)])))
        with Archive(platform.archive) as archive:
            assert list(archive.identities()) == [("home-1", 1, 0)]
            assert archive.readings("home-1", "motion") == []
            assert archive.latest() == {}
        with Archive(platform.archive, {"home-1": keys.seal_key}) as archive:
            assert [one.value for one in archive.readings("home-1", "motion")] == [0, 1, 1]
            assert archive.readings_count() == 3


async def test_gap_of_the_hub_is_archived_like_data(tmp_path: Path) -> None:
    gap: dict[str, Any] = {
        "device": "river-1", "boot": 1, "first": 4, "next": 9, "lane": LANE_WAVE,
        "reason": GAP_FLASH_FULL, "channel": "", "from_us": 0, "until_us": 0,
    }  # fmt: skip
    frame = KEYS[HUB].up.seal(encode_record(KIND_GAP, (1, 0, LANE_STATE, 0), gap))
    with running(tmp_path) as platform:
        await publish(platform.wait_ready(), (topic(), message([frame])))
        with Archive(platform.archive) as archive:
            assert list(archive.records(KIND_GAP)) == [(HUB, gap)]


async def test_the_largest_bundle_passes(tmp_path: Path) -> None:
    values = list(range(1500))
    size = len(prefixed(level_frame(0, values, 0)))
    count = BUNDLE_SIZE_MAX // (size + 8)
    frames = [level_frame(index, values, index) for index in range(count)]
    payload = message(frames)
    assert len(payload) > 0.95 * BUNDLE_SIZE_MAX
    with running(tmp_path) as platform:
        await publish(platform.wait_ready(), (topic(), payload))
        with Archive(platform.archive) as archive:
            assert archive.counts()["accepted"] == count


async def test_killed_platform_has_all_that_it_acknowledged(tmp_path: Path) -> None:
    acknowledged = 0
    many = asyncio.Event()

    async def send(port: int) -> None:
        nonlocal acknowledged
        async with aiomqtt.Client("127.0.0.1", port, timeout=WAIT_S) as client:
            while True:
                payload = message([level_frame(acknowledged, [1], acknowledged)])
                await client.publish(topic(), payload, qos=1, timeout=WAIT_S)
                acknowledged += 1
                if acknowledged == 50:
                    many.set()

    with running(tmp_path) as platform:
        sending = asyncio.ensure_future(send(platform.wait_ready()))
        await asyncio.wait_for(many.wait(), WAIT_S)
        platform.end(signal.SIGKILL)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    held = acknowledged
    with running(tmp_path) as platform:
        port = platform.wait_ready()
        with Archive(platform.archive) as archive:
            archived = list(archive.identities())
            assert archived[:held] == [("river-1", 1, index) for index in range(held)]
            assert len(archived) <= held + 1  # the last one may have lost its acknowledgement
            await publish(port, (topic(), message([level_frame(0, [1], 0)])))
            assert archive.counts()["redelivered"] == 1


async def test_nothing_is_acknowledged_once_the_archive_fails(tmp_path: Path) -> None:
    with running(tmp_path) as platform:
        port = platform.wait_ready()
        database = sqlite3.connect(platform.archive / FILE_NAME)
        database.execute("DROP TABLE counts")
        database.close()
        with pytest.raises(aiomqtt.MqttError):
            await publish(port, (topic(), message([level_frame(0, [1], 0)])), timeout_s=1)
        _, errors = platform.process.communicate(timeout=WAIT_S)
        assert platform.process.returncode == 1
        assert "no such table: counts" in errors


async def test_ends_cleanly_while_clients_are_connected(tmp_path: Path) -> None:
    with running(tmp_path) as platform:
        port = platform.wait_ready()
        with socket.create_connection(("127.0.0.1", port)):
            with pytest.raises(aiomqtt.MqttError):
                async with aiomqtt.Client("127.0.0.1", port, timeout=WAIT_S) as client:
                    await client.publish(topic(), message([level_frame(0, [1], 0)]), qos=1)
                    assert await asyncio.to_thread(platform.end) == (0, "")
                    async for _ in client.messages:
                        pass
        assert not (platform.archive / f"{FILE_NAME}-wal").exists()
        with Archive(platform.archive) as archive:
            assert archive.counts()["accepted"] == 1


def test_takes_connections_on_loopback_only(tmp_path: Path) -> None:
    with running(tmp_path) as platform:
        port = platform.wait_ready()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port)).close()


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--keys", "missing.json"], 2, "missing.json"),
        (["--keys", "pyproject.toml"], 2, "hexadecimal"),
        (["--archive", "pyproject.toml"], 1, "--archive"),
        (["--broker", "nowhere"], 2, "HOST:PORT"),
        (["--port", "65536"], 2, "--port"),
    ],
)
def test_wrong_start_says_what_to_do(
    tmp_path: Path, options: list[str], code: int, said: str
) -> None:
    with running(tmp_path, *options) as platform:
        _, errors = platform.process.communicate(timeout=WAIT_S)
        assert platform.process.returncode == code
        assert said in errors
        assert "Traceback" not in errors


def test_port_in_use_is_a_failure_with_a_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with running(tmp_path, "--port", port) as platform:
            _, errors = platform.process.communicate(timeout=WAIT_S)
            assert platform.process.returncode == 1
            assert port in errors and "--port" in errors and "Traceback" not in errors


@contextmanager
def mosquitto(directory: Path, port: int) -> Iterator[None]:
    """Run a real mosquitto on a loopback port, from its first to its last connection."""
    settings = directory / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
    process = subprocess.Popen(
        [need("mosquitto"), "-c", str(settings)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(WAIT_S)


async def wait_accepted(directory: Path, count: int) -> None:
    """Wait until the archive holds that many frames."""
    deadline = time.monotonic() + WAIT_S
    with Archive(directory) as archive:
        while archive.counts()["accepted"] < count:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)


async def test_broker_elsewhere_keeps_messages_while_the_platform_is_dead(tmp_path: Path) -> None:
    port = free_port()
    options = ("--broker", f"127.0.0.1:{port}")
    with mosquitto(tmp_path, port):
        with running(tmp_path, *options) as platform:
            assert platform.wait_ready() == port
            await publish(port, (topic(), message([level_frame(0, [1], 0)])), version=5)
            await wait_accepted(platform.archive, 1)
            platform.end(signal.SIGKILL)
        await publish(port, (topic(), message([level_frame(1, [2], 1)])), version=5)
        with running(tmp_path, *options) as platform:
            platform.wait_ready()
            await wait_accepted(platform.archive, 2)
            assert platform.end() == (0, "")


async def test_broker_elsewhere_may_come_late_and_go(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, "--broker", f"127.0.0.1:{port}") as platform:
        await asyncio.sleep(0.5)  # its first attempt finds nobody
        with mosquitto(tmp_path, port):
            await asyncio.to_thread(platform.wait_ready)
            await publish(port, (topic(), message([level_frame(0, [1], 0)])), version=5)
            await wait_accepted(platform.archive, 1)
        assert await asyncio.to_thread(platform.end) == (0, "")
