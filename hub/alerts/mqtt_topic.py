"""Alerts to an uplink's broker: topic `hinomi/v1/<hub>/alerts/<actual|exercise|test>/<event>`.

Payload: the CAP document; QoS 1 and retained, so that who subscribes later sees what lasts; with
MQTT 5 the broker drops it once it is no longer valid (3.1.1 knows no such thing: there the newest
message of every event stays). The status stands in the topic: who subscribes to `actual` never
gets a drill.

It has a connection of its own, for the frames' has its window and its backlog; it is kept from one
alert to the next, which saves two round trips each. Where a kept line turns out to be dead the
alert is sent again at once on a new one, so a broker may get it twice, as QoS 1 allows.
"""

import asyncio
from contextlib import suppress
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from hub.alerts import cap
from hub.alerts.channel import Filter, SendError
from hub.alerts.message import Message
from hub.alerts.town import Town
from hub.relay.mqtt_client import Client, connection, is_refusal, speaks_of_message
from hub.rules.finding import INFO

TIMEOUT_S = 20.0
KEPT_TIMEOUT_S = 5.0  # on a line that was kept, and may be dead: then a new one is tried

Answer = tuple[int, str]  # code and words of a PUBACK


class MqttTopic:
    """row: of [[uplink]]."""

    def __init__(self, row: dict[str, Any], hub_id: str, town: Town) -> None:
        self.name = f"mqtt:{row['name']}"
        self.filter = Filter(INFO)
        self._row = row
        self._hub_id = hub_id
        self._town = town
        self._client: Client | None = None
        self._sent: tuple[int, asyncio.Future[Answer]] | None = None  # number, who waits for it

    async def send(self, message: Message) -> None:
        """Publish; SendError where the broker does not take it."""
        try:
            if self._client is not None:
                with suppress(aiomqtt.MqttError):
                    return await self._publish(self._client, message, KEPT_TIMEOUT_S)
                await self.close()
            self._client = await self._connected()
            await self._publish(self._client, message, TIMEOUT_S)
        except aiomqtt.MqttError as error:
            await self.close()
            raise SendError(str(error) or type(error).__name__) from None

    async def close(self) -> None:
        """End the connection."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)
                client.check()  # why it had ended is told by the next try

    async def _connected(self) -> Client:
        identifier = f"hinomi-{self._hub_id}-{self._row['name']}-alerts"
        client = Client(timeout=TIMEOUT_S, **connection(self._row, identifier))
        client.on_answer = self._answered
        await client.__aenter__()
        client.on_end(self._ended)
        return client

    async def _publish(self, client: Client, message: Message, timeout_s: float) -> None:
        """Publish, and wait for the answer; MqttError where none comes, SendError for a no."""
        client.check()
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        topic, document = topic_of(self._hub_id, message), cap.document(message, self._town)
        properties = self._expiring(message)
        self._sent = client.send(topic, document, retain=True, properties=properties), answer
        try:
            async with asyncio.timeout(timeout_s):
                code, words = await answer
        except TimeoutError:
            raise aiomqtt.MqttError(f"no answer within {timeout_s:.0f} s") from None
        finally:
            self._sent = None
        if is_refusal(code):
            raise SendError(f"the broker refuses it: {words}", is_final=speaks_of_message(code))

    def _expiring(self, message: Message) -> Properties | None:
        if self._row["version"] != "5":
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        valid_us = message.expires_utc_us - message.sent_utc_us
        properties.MessageExpiryInterval = max(1, valid_us // 1_000_000)
        return properties

    def _answered(self, number: int, code: int, words: str) -> None:
        if self._sent is not None and self._sent[0] == number and not self._sent[1].done():
            self._sent[1].set_result((code, words))

    def _ended(self) -> None:
        if self._sent is not None and not self._sent[1].done():
            self._sent[1].set_exception(aiomqtt.MqttError("the broker ended the connection"))


def topic_of(hub_id: str, message: Message) -> str:
    """Return the topic of a message; one that is of no event has its own."""
    name = str(message.event) if message.event else message.identifier
    return f"hinomi/v1/{hub_id}/alerts/{message.status.lower()}/{name}"
