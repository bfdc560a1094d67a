"""The real agent on a simulated board, over real sockets, against the hub's own session."""

import asyncio
import os
import time
from typing import Any

from boards.profiles import make_config
from protocols.batch import decode_batch, read_record_head
from protocols.cose import DeviceKeys
from protocols.errors import ProtocolError
from protocols.framing import Splitter, prefixed
from protocols.messages import ACK, COMMAND, HELLO, RESULT
from protocols.records import decode_record
from protocols.session import HubSession
from protocols.vocabulary import COMMAND_MODE, GAP_POWER_LOSS, KIND_BATCH, KIND_GAP
from simulators.clock import RunningClock
from simulators.signals.basic import Constant
from simulators.virtual_device import VirtualDevice

SECRET = "a5" * 32
RIVER_M = 3.2


class TinyHub:
    """Takes connections, keeps records by identity, acks. drop_after: bytes until it hangs up."""

    def __init__(self, device: str) -> None:
        self.keys = DeviceKeys(device, bytes.fromhex(SECRET))
        self.payloads: dict[tuple[int, int], bytes] = {}
        self.repeated_count = 0
        self.hellos: list[dict[str, Any]] = []
        self.results: list[dict[str, Any]] = []
        self.drop_after = 1 << 30
        self.mode = 0
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self.session: HubSession | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def kill(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers = []
        await asyncio.sleep(0)

    def command_mode(self, mode: int) -> None:
        assert self.session is not None
        self.mode = mode
        fields = {"id": 1, "code": COMMAND_MODE, "arguments": [mode, False]}
        self.session.send(COMMAND, fields)
        self._writers[-1].write(self._output(self.session))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        session = HubSession(self.keys, os.urandom(8), 0)
        splitter = Splitter()
        received = 0
        try:
            while data := await reader.read(4096):
                data = data[: max(0, self.drop_after - received)]
                received += len(data)
                for frame in splitter.feed(data):
                    self._take(session, frame)
                writer.write(self._output(session))
                if received >= self.drop_after:
                    break
        except (ConnectionError, ProtocolError):
            pass
        writer.transport.abort()

    def _take(self, session: HubSession, frame: bytes) -> None:
        for kind, fields in session.receive(frame, time.monotonic_ns() // 1000):
            if kind == HELLO:
                self.hellos.append(fields)
                session.welcome({"mode": self.mode, "drill": False, "durable": []}, 5)
                self.session = session
            elif kind == RESULT:
                self.results.append(fields)
            elif kind < 16:
                boot, index = decode_head(fields)
                self.repeated_count += (boot, index) in self.payloads
                self.payloads[boot, index] = fields
                session.send(ACK, {"durable": [[boot, index, index + 1]]})

    def _output(self, session: HubSession) -> bytes:
        return b"".join(prefixed(frame) for frame in session.take_output())

    def identities(self) -> set[tuple[str, int, int]]:
        return {(self.keys.device, boot, index) for boot, index in self.payloads}

    def gaps(self) -> list[dict[str, Any]]:
        found = [payload for payload in self.payloads.values() if payload[1] == KIND_GAP]
        return [decode_record(payload)[5] for payload in found]

    def values(self, channel: str) -> list[int]:
        result: list[int] = []
        for identity in sorted(self.payloads):
            if self.payloads[identity][1] == KIND_BATCH:
                batch = decode_batch(self.payloads[identity], self.keys.seal_key)
                for series in batch.series or ():
                    result += series.values if series.channel == channel else []
        return result


def decode_head(payload: bytes) -> tuple[int, int]:
    _, boot, index, _, _, _ = read_record_head(payload)
    return boot, index


def river(hub: TinyHub) -> VirtualDevice:
    config = make_config("river-gauge", "river-1", SECRET, host="127.0.0.1", port=hub.port)
    config["policy"] = {
        "normal": {"level": {"every_ms": 100, "report_ms": 200}},
        "disaster": {"level": {"every_ms": 100, "report_ms": 100, "lane": 1}},
    }
    return VirtualDevice(config, {"level": Constant(RIVER_M)}, RunningClock())


async def wait_until(condition: Any, timeout_s: float = 20.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - any condition, of any part
            await asyncio.sleep(0.01)


async def test_what_the_observer_saw_is_what_the_hub_has() -> None:
    hub = TinyHub("river-1")
    await hub.start()
    device = river(hub)
    device.start()
    await wait_until(lambda: len(hub.payloads) > 3)
    await device.stop()
    assert device.failure() is None and not device.is_running()
    assert hub.identities() == set(device.observer.kept) == set(device.observer.sent)
    values = hub.values("level")
    assert all(abs(value - 1600) < 20 for value in values)
    assert sum(seen.readings_count for seen in device.observer.sent.values()) == len(values)
    await hub.kill()


async def test_a_power_cut_keeps_frames_and_names_the_loss() -> None:
    hub = TinyHub("river-1")
    await hub.start()
    device = river(hub)
    device.start()
    await wait_until(lambda: len(hub.payloads) > 2)
    await hub.kill()
    kept = len(device.observer.kept)
    await wait_until(lambda: len(device.observer.kept) > kept + 2)
    device.power_cut()
    await asyncio.sleep(0.05)
    count = len(device.observer.kept)
    await asyncio.sleep(0.3)
    assert len(device.observer.kept) == count
    await hub.start()
    await device.power_on()
    await wait_until(lambda: max(hub.payloads)[0] == 2 and len(hub.payloads) > count)
    await device.stop()
    assert hub.identities() == set(device.observer.kept)
    assert [(gap["boot"], gap["reason"]) for gap in hub.gaps()] == [(1, GAP_POWER_LOSS)]
    assert [hello["boot"] for hello in hub.hellos][-1] == 2
    await hub.kill()


async def test_a_good_stop_is_no_power_loss() -> None:
    hub = TinyHub("river-1")
    await hub.start()
    device = river(hub)
    device.start()
    await wait_until(lambda: hub.payloads)
    await device.stop()
    await device.power_on()
    await wait_until(lambda: max(hub.payloads)[0] == 2)
    await device.stop()
    assert hub.gaps() == []
    await hub.kill()


async def test_a_hub_that_hangs_up_anywhere_loses_nothing() -> None:
    hub = TinyHub("river-1")
    await hub.start()
    device = river(hub)
    device.start()
    for drop_after in (1, 70, 130, 190, 205, 260, 333):
        hub.drop_after = drop_after
        hellos = len(hub.hellos)
        await hub.kill()
        await hub.start()
        await wait_until(lambda seen=hellos: len(hub.hellos) > seen or hub.drop_after < 130)
        await asyncio.sleep(0.15)
    hub.drop_after = 1 << 30
    await hub.kill()
    await hub.start()
    await wait_until(lambda: len(hub.payloads) > 5)
    await device.stop()
    assert hub.identities() == set(device.observer.kept)
    indexes = [index for _, index in sorted(hub.payloads)]
    assert indexes == list(range(len(indexes)))
    await hub.kill()


async def test_a_mode_command_survives_a_power_cut() -> None:
    hub = TinyHub("river-1")
    await hub.start()
    device = river(hub)
    device.start()
    await wait_until(lambda: hub.payloads)
    hub.command_mode(2)
    await wait_until(lambda: hub.results)
    assert hub.results[0]["status"] == 0
    device.power_cut()
    hub.mode = 0  # and it does not wait for a hub to tell it
    await hub.kill()
    await device.power_on()
    await wait_until(lambda: device.agent is not None and device.agent.boot == 2)
    assert device.agent is not None and device.agent.operation.mode == 2
    await wait_until(
        lambda: any(
            seen.lane == 1 and identity[1] == 2 for identity, seen in device.observer.kept.items()
        )
    )
    device.power_cut()


async def test_a_restart_by_the_agent_is_another_boot() -> None:
    hub = TinyHub("river-1")
    await hub.start()
    device = river(hub)
    device.start()
    await wait_until(lambda: hub.hellos)
    device.board._next_cause = "watchdog"
    device.board.power_off()
    await wait_until(lambda: len(hub.hellos) == 2)
    assert hub.hellos[1]["reset_cause"] == "watchdog" and hub.hellos[1]["boot"] == 2
    await device.stop()
    await hub.kill()


async def test_a_wrong_configuration_is_a_failure_that_names_the_key() -> None:
    hub = TinyHub("river-1")
    hub.port = 9
    device = river(hub)
    device.config["sensors"][0]["lane"] = 9
    device.start()
    await wait_until(lambda: not device.is_running())
    assert "sensors[0].lane" in str(device.failure())
