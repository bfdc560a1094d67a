"""Alerts to an uplink's broker: topic `hinomi/v1/<hub>/alerts/<actual|exercise|test>/<event>`.

Payload: the CAP document; QoS 1 and retained, so that who subscribes later sees what lasts. The
status stands in the topic: who subscribes to `actual` never gets a drill. It has a connection of
its own, only while there is something to send: the frames' has its window and its backlog.
"""

from typing import Any

import aiomqtt

from hub.alerts import cap
from hub.alerts.channel import Filter, SendError
from hub.alerts.message import Message
from hub.alerts.town import Town
from hub.relay.mqtt_client import connection
from hub.rules.finding import INFO

TIMEOUT_S = 20.0


class MqttTopic:
    """row: of [[uplink]]."""

    def __init__(self, row: dict[str, Any], hub_id: str, town: Town) -> None:
        self.name = f"mqtt:{row['name']}"
        self.filter = Filter(INFO)
        self._row = row
        self._hub_id = hub_id
        self._town = town

    async def send(self, message: Message) -> None:
        """Publish; SendError where the broker does not take it."""
        topic = topic_of(self._hub_id, message)
        try:
            async with self._client() as client:
                await client.publish(topic, cap.document(message, self._town), 1, retain=True)
        except aiomqtt.MqttError as error:
            raise SendError(str(error) or type(error).__name__) from None

    def _client(self) -> aiomqtt.Client:
        identifier = f"hinomi-{self._hub_id}-{self._row['name']}-alerts"
        return aiomqtt.Client(timeout=TIMEOUT_S, **connection(self._row, identifier))


def topic_of(hub_id: str, message: Message) -> str:
    """Return the topic of a message; one that is of no event has its own."""
    name = str(message.event) if message.event else message.identifier
    return f"hinomi/v1/{hub_id}/alerts/{message.status.lower()}/{name}"
