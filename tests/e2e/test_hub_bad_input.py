"""What is wrong at the port is refused and counted; a healthy device beside it notices nothing."""

import asyncio
import json
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from protocols.errors import REASONS
from protocols.framing import prefixed
from protocols.limits import FRAME_SIZE_MAX
from protocols.messages import TIME_REPLY, encode_message
from simulators.archive import Archive
from tests.hub.device import Device, now_us, streaming
from tests.hub.hub_process import HubProcess, command, running_hub, secret_of, wait_until
from tests.simulators.platform_process import running

Attack = Callable[[HubProcess], Awaitable[None]]
CONNECTIONS_MAX = 30


def stranger_of(hub: HubProcess, name: str = "home-1", secret: bytes = b"") -> Device:
    """Return the device that misbehaves; the healthy one is river-1."""
    return Device(name, secret or secret_of(name), hub.port)


@asynccontextmanager
async def opened(device: Device) -> AsyncIterator[Device]:
    """Open a session and hang up after the block."""
    await device.open()
    try:
        yield device
    finally:
        await device.close()


def run(words: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(words, capture_output=True, text=True, timeout=20)


async def is_cut_off(device: Device, *frames: bytes) -> None:
    """Send frames and see the connection end."""
    device.write(*frames)
    await device.wait_until(device.ended.is_set)


async def raw(hub: HubProcess, data: bytes, is_cut: bool = True) -> None:
    """Send bytes; wait until the hub hangs up, or hang up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    writer.write(data)
    try:
        if is_cut:
            assert await asyncio.wait_for(reader.read(), 10) == b""
        else:
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def wrong_key(hub: HubProcess) -> None:
    with pytest.raises(ConnectionError):
        await stranger_of(hub, secret=bytes(32)).open()


async def wrong_key_in_a_frame(hub: HubProcess) -> None:
    async with opened(stranger_of(hub)) as device:
        frame = device.make()
        await is_cut_off(device, frame[:-1] + bytes((frame[-1] ^ 1,)))


async def unknown_device(hub: HubProcess) -> None:
    with pytest.raises(ConnectionError):
        await stranger_of(hub, "nobody", bytes(32)).open()


async def replayed(hub: HubProcess) -> None:
    """A session message comes twice."""
    async with opened(stranger_of(hub)) as device:
        fields = {"id": 1, "status": 0, "detail": ""}
        device.session.send(22, fields)
        (frame,) = device.session.take_output()
        await is_cut_off(device, frame, frame)


async def reordered(hub: HubProcess) -> None:
    async with opened(stranger_of(hub)) as device:
        for number in range(2):
            device.session.send(22, {"id": number, "status": 0, "detail": ""})
        first, second = device.session.take_output()
        await is_cut_off(device, second, first)


async def made_up_time_reply(hub: HubProcess) -> None:
    """A reply to no request would move the device's clock."""
    async with opened(stranger_of(hub)) as device:
        device.session.send(TIME_REPLY, {"hub_us": 1, "device_us": now_us()})
        await is_cut_off(device, *device.session.take_output())


async def record_before_the_session(hub: HubProcess) -> None:
    device = stranger_of(hub)
    await device.dial()
    await is_cut_off(device, device.make())
    await device.close()


async def oversize_length(hub: HubProcess) -> None:
    await raw(hub, (FRAME_SIZE_MAX + 1).to_bytes(2, "big") + b"x" * 100)


async def zero_length(hub: HubProcess) -> None:
    await raw(hub, b"\0\0")


async def garbage(hub: HubProcess) -> None:
    await raw(hub, b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n" * 300)
    await raw(hub, prefixed(b"\xd1\x84" + b"\xff" * 200))


async def stop_in_the_middle_of_a_frame(hub: HubProcess) -> None:
    async with opened(stranger_of(hub)) as device:
        device.writer.write(prefixed(device.make())[:-5])
        await device.writer.drain()


async def frame_of_another_device(hub: HubProcess) -> None:
    other = Device("river-1", secret_of("river-1"), hub.port, boot=99)
    async with opened(stranger_of(hub)) as device:
        await is_cut_off(device, other.make())


async def not_a_record(hub: HubProcess) -> None:
    """Sealed with the right key, and nonsense."""
    async with opened(stranger_of(hub)) as device:
        await is_cut_off(device, device.keys.up.seal(b"\x86\x01\x20\x00\x00\x00\x80"))


async def unknown_message(hub: HubProcess) -> None:
    async with opened(stranger_of(hub)) as device:
        assert device.session._send_mac is not None
        await is_cut_off(device, device.session._send_mac.seal(b"\x83\x17\x00\x00"))


async def second_hello(hub: HubProcess) -> None:
    async with opened(stranger_of(hub)) as device:
        hello = encode_message(16, 0, {"nonce": bytes(8), "policy": 0, **device.hello()})
        await is_cut_off(device, device.keys.up.seal(hello))


async def newer_connection(hub: HubProcess) -> None:
    """The newer one wins once it has proved itself."""
    async with opened(stranger_of(hub)) as older, opened(stranger_of(hub)) as newer:
        await older.wait_until(older.ended.is_set)
        assert older.byes == [1]  # superseded
        newer.write(newer.make())
        await newer.wait_acknowledged()


async def too_many(hub: HubProcess) -> None:
    writers = []
    for _ in range(CONNECTIONS_MAX + 5):
        _, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        writers.append(writer)
    await asyncio.to_thread(
        wait_until, lambda: "too_many" in hub.status()["ingest"]["refused"], "the refusals"
    )
    for writer in writers:
        writer.close()
    await asyncio.gather(*(one.wait_closed() for one in writers), return_exceptions=True)


# What is done -> the reason it is counted under.
ATTACKS: list[tuple[Attack, str]] = [
    (wrong_key, "wrong_key"),
    (wrong_key_in_a_frame, "wrong_key"),
    (unknown_device, "unknown_device"),
    (replayed, "replayed"),
    (reordered, "replayed"),
    (made_up_time_reply, "replayed"),
    (record_before_the_session, "malformed"),
    (oversize_length, "oversize"),
    (zero_length, "malformed"),
    (garbage, "malformed"),
    (stop_in_the_middle_of_a_frame, "truncated"),
    (frame_of_another_device, "wrong_sender"),
    (not_a_record, "malformed"),
    (unknown_message, "malformed"),
    (second_hello, "wrong_key"),
    (newer_connection, "superseded"),
    (too_many, "too_many"),
]


async def test_each_kind_of_bad_input_is_counted_and_a_healthy_device_notices_nothing(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as platform:
        port = await asyncio.to_thread(platform.wait_ready)
        values = {
            ("uplink", "port"): port,
            ("uplink", "version"): "3.1.1",
            ("ingest", "connections_max"): CONNECTIONS_MAX,
        }
        with running_hub(tmp_path, values) as hub:
            healthy = Device("river-1", secret_of("river-1"), hub.port)
            async with streaming(healthy):
                silent = await asyncio.open_connection("127.0.0.1", hub.port)
                for attack, _ in ATTACKS:
                    await attack(hub)
                # Who says nothing is cut off as well.
                assert await asyncio.wait_for(silent[0].read(), 15) == b""
                silent[1].close()
                await silent[1].wait_closed()
            await asyncio.to_thread(hub.wait_delivered, healthy.made)
            await asyncio.to_thread(
                wait_until, _counts(hub, "silent"), "the count of the silent one"
            )
            words = command("status", "--json", "--config", str(hub.config))
            shown = await asyncio.to_thread(run, words)
            refused = json.loads(shown.stdout)["ingest"]["refused"]
            assert set(refused) <= set(REASONS)
            expected = Counter(reason for _, reason in ATTACKS) + Counter(silent=1)
            assert Counter(refused) >= expected
        assert healthy.connects == 1 and healthy.byes == []
        assert healthy.made > 100
        with Archive(platform.archive) as archive:
            mine = [one for one in archive.identities() if one[0] == "river-1"]
            assert mine == [("river-1", 1, index) for index in range(healthy.made)]
            assert archive.counts()["refused"] == {}
    for name in ("river-1", "home-1"):
        assert secret_of(name).hex() not in hub.log.read_text()


def _counts(hub: HubProcess, reason: str) -> Callable[[], bool]:
    return lambda: reason in hub.status()["ingest"]["refused"]


class Recorded(Device):
    """A device on a wire that somebody listens to. written: its frames."""

    def __init__(self, name: str, secret: bytes, port: int) -> None:
        super().__init__(name, secret, port)
        self.written: list[bytes] = []

    def write(self, *frames: bytes) -> None:
        """Send frames and keep them."""
        self.written += frames
        super().write(*frames)


async def test_a_recorded_session_played_back_displaces_nobody(tmp_path: Path) -> None:
    """Who listened on the wire has a hello and all that followed it, but not the secret."""
    with running_hub(tmp_path) as hub:
        device = Recorded("home-1", secret_of("home-1"), hub.port)
        await device.open()
        device.write(device.make())
        await device.wait_acknowledged()
        recorded = device.written[:]
        assert len(recorded) == 3  # hello, time reply, frame
        for waits in (False, True):
            reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
            for frame in recorded:
                writer.write(prefixed(frame))
                if waits and frame is recorded[0]:
                    assert await reader.read(4096)  # the welcome: the hub waits for an answer
            device.write(device.make())
            await device.wait_acknowledged()
            assert b"" == await asyncio.wait_for(reader.read(), 10)
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        assert device.connects == 1 and device.byes == []
        for reason in ("unexpected", "wrong_key"):
            await asyncio.to_thread(wait_until, _counts(hub, reason), "the refusal")
        assert "superseded" not in hub.status()["ingest"]["refused"]
        await device.close()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[ingest]\nport = 70000\n", ("line 2", "ingest.port is 70000", "from 0 up to 65535")),
        ("[hub]\nid = 7\n", ("line 2", "hub.id is 7", "text in quotes")),
        ("[uplnk]\n", ("line 1", "uplnk is unknown", "[uplink]")),
    ],
)
def test_a_broken_hub_toml_ends_in_words(
    tmp_path: Path, text: str, wanted: tuple[str, ...]
) -> None:
    hub = HubProcess(tmp_path)
    hub.config.write_text(text)
    for words in (["run"], ["status"], ["enroll", "river-9"]):
        done = run(command(*words, "--config", str(hub.config)))
        assert done.returncode in (1, 2) and done.stdout == ""
        assert all(part in done.stderr for part in wanted), done.stderr
        assert "Traceback" not in done.stderr
