"""The alerts' line to a real broker: kept, lost between two alerts, hung, and refused."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from hub.alerts import mqtt_topic
from hub.alerts.channel import SendError
from hub.alerts.delivery import Delivery
from hub.alerts.message import Message
from hub.alerts.mqtt_topic import MqttTopic
from hub.alerts.outbox import Job, Outbox
from tests.hub.alerts import desk
from tests.hub.alerts.test_cap import TOWN, read
from tests.hub.hub_process import Mosquitto
from tests.real_parts import need

WAIT_S = 15.0


def topic_for(port: int, version: str = "5") -> MqttTopic:
    """Return the channel to a broker on loopback."""
    row = {"name": "platform", "host": "127.0.0.1", "port": port, "version": version, "user": "",
           "keepalive_s": 10}  # fmt: skip
    return MqttTopic(row, "hub-1", TOWN)


def messages(count: int) -> list[Message]:
    """Return the alerts of so many events."""
    town = desk.Town(desk.LIMITS)
    for number in range(count):
        town.take(desk.finding(f"gauge-{number}"))
    town.wait(120)
    return town.messages[:count]


async def until(is_true: Callable[[], Any]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(WAIT_S):
        while not is_true():  # noqa: ASYNC110 (it looks from outside)
            await asyncio.sleep(0.01)


class Line:
    """A delivery over a broker, and a subscriber. got: identifier -> how often it came."""

    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        self.broker = broker
        self.channel = topic_for(broker.port)
        self._box = Outbox(folder / "alerts.sqlite")
        self.got: Counter[str] = Counter()
        self.delivery = Delivery(self.channel, self._box, self._later, sleep=self._sleep)

    async def _later(self, work: Any, *details: Any) -> Any:
        return work(*details)

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.02)

    def say(self, *said: Message) -> None:
        """Decide on alerts."""
        self._box.keep(Job(said, (), tuple((one.sequence, self.channel.name) for one in said)))
        self.delivery.wake()

    async def wait_for(self, count: int) -> None:
        """Wait until so many different alerts came and nothing waits."""
        await until(lambda: len(self.got) == count and self.delivery.state == "idle")

    @asynccontextmanager
    async def subscribed(self) -> AsyncIterator[None]:
        """Hear what the broker has, during the block."""
        async with aiomqtt.Client("127.0.0.1", self.broker.port) as client:
            await client.subscribe("hinomi/v1/+/alerts/#", 1)
            task = asyncio.create_task(self._hear(client))
            try:
                yield
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _hear(self, client: aiomqtt.Client) -> None:
        async for one in client.messages:
            assert isinstance(one.payload, bytes)
            self.got[str(read(one.payload).identifier)] += 1

    def run(self, act: Callable[[], Awaitable[None]]) -> None:
        """Deliver while act does; then stop as the hub does."""

        async def main() -> None:
            task = asyncio.create_task(self.delivery.run())
            try:
                await act()
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                self._box.close()

        asyncio.run(main())


def test_one_line_is_kept_and_a_killed_broker_loses_nothing_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    said = messages(4)
    with Mosquitto(need("mosquitto"), tmp_path) as broker:
        line = Line(tmp_path, broker)

        async def act() -> None:
            async with line.subscribed():
                line.say(said[0])
                await line.wait_for(1)
                kept = line.channel._client
                line.say(said[1])
                await line.wait_for(2)
                assert kept is not None and line.channel._client is kept
            await asyncio.to_thread(broker.end, signal.SIGKILL)
            line.say(said[2])
            await until(lambda: line.delivery.counts["failures"] >= 2)
            await asyncio.to_thread(broker.start)
            async with line.subscribed():
                line.say(said[3])
                await line.wait_for(4)

        line.run(act)
    assert line.got == {one.identifier: 1 for one in said}
    assert line.channel._client is None  # nothing is left open


def test_a_kept_line_that_ended_unnoticed_costs_no_failure(tmp_path: Path) -> None:
    said = messages(2)
    with Mosquitto(need("mosquitto"), tmp_path) as broker:
        line = Line(tmp_path, broker)

        async def act() -> None:
            line.say(said[0])
            await until(lambda: line.delivery.counts["delivered"] == 1)
            await asyncio.to_thread(broker.end, signal.SIGKILL)
            await asyncio.to_thread(broker.start)
            async with line.subscribed():
                line.say(said[1])
                await line.wait_for(1)
            assert line.delivery.counts["failures"] == 0

        line.run(act)


def test_a_broker_that_hangs_gets_it_again_under_the_same_identifier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_topic, "KEPT_TIMEOUT_S", 0.2)
    said = messages(2)
    with Mosquitto(need("mosquitto"), tmp_path) as broker:
        line = Line(tmp_path, broker)

        async def act() -> None:
            async with line.subscribed():
                line.say(said[0])
                await line.wait_for(1)
                kept = line.channel._client
                assert broker.process is not None
                broker.process.send_signal(signal.SIGSTOP)
                line.say(said[1])
                await until(lambda: line.channel._client is not kept)
                broker.process.send_signal(signal.SIGCONT)
                await line.wait_for(2)

        line.run(act)
    assert set(line.got) == {one.identifier for one in said}
    assert line.got[said[0].identifier] == 1 and line.got[said[1].identifier] <= 2


@pytest.mark.parametrize(("version", "is_kept"), [("5", False), ("3.1.1", True)])
def test_a_broker_of_mqtt_5_keeps_a_message_no_longer_than_it_is_valid(
    tmp_path: Path, version: str, *, is_kept: bool
) -> None:
    message = messages(1)[0]
    short = replace(message, expires_utc_us=message.sent_utc_us + 1_000_000)
    with Mosquitto(need("mosquitto"), tmp_path) as broker:
        line = Line(tmp_path, broker)

        async def main() -> None:
            channel = topic_for(broker.port, version)
            await channel.send(short)
            await channel.close()
            await asyncio.sleep(0 if is_kept else 2.1)
            async with line.subscribed():
                await asyncio.sleep(0.2)

        asyncio.run(main())
    assert line.got == ({message.identifier: 1} if is_kept else {})


def test_what_a_broker_does_not_allow_is_not_taken_for_delivered(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.write_text("topic read #\n")
    rules.chmod(0o600)
    with Mosquitto(need("mosquitto"), tmp_path, f"acl_file {rules}") as broker:

        async def main() -> None:
            channel = topic_for(broker.port)
            with pytest.raises(SendError, match="Not authorized") as caught:
                await channel.send(messages(1)[0])
            assert not caught.value.is_final  # somebody mends the broker's rules
            await channel.close()

        asyncio.run(main())
