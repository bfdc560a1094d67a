"""aiomqtt with what it hides: who ended a line, what a broker refuses, and what it limits."""

import os
from collections.abc import Callable
from typing import Any

import aiomqtt
from paho.mqtt.properties import Properties

from hub.relay.pacing import BUNDLE_BYTES_MAX

MESSAGE_OVERHEAD = 256  # topic and head of a bundle, beside its frames

# Reason codes of MQTT 5 (OASIS, 2019, section 2.4).
REFUSAL_MIN = 0x80
NO_MATCHING_SUBSCRIBERS = 0x10  # taken, and nobody listens
KEEP_ALIVE_TIMEOUT = 0x8D  # paho's as well, when nobody answered its ping
RECEIVE_MAX = 65535  # where CONNACK does not say (section 3.2.2.3.3)
# Those that speak of the message, not of who may send it: too large, malformed payload.
MESSAGE_REASONS = frozenset((0x95, 0x99))


def is_refusal(code: int) -> bool:
    """Tell whether the reason of a PUBACK says that the message was not taken."""
    return code >= REFUSAL_MIN


def speaks_of_message(code: int) -> bool:
    """Tell whether a refusal is for the message's own sake."""
    return code in MESSAGE_REASONS


def connection(row: dict[str, Any], identifier: str) -> dict[str, Any]:
    """Return what every client of an uplink's broker is made with.

    row: its [[uplink]]; identifier: what the broker knows this client by.
    """
    is_five = row["version"] == "5"
    return {
        "hostname": row["host"],
        "port": row["port"],
        "identifier": identifier,
        "username": row["user"] or None,
        "password": os.environ.get("HINOMI_UPLINK_PASSWORD") if row["user"] else None,
        "protocol": aiomqtt.ProtocolVersion.V5 if is_five else aiomqtt.ProtocolVersion.V311,
        "keepalive": row["keepalive_s"],
        **({} if is_five else {"clean_session": True}),
    }


class Client(aiomqtt.Client):
    """One connection.

    on_answer: called with the number of a message, the code and the words of its PUBACK.
    bundle_bytes_max, receive_max: what the broker takes in one message, and unacknowledged.
    """

    bundle_bytes_max = BUNDLE_BYTES_MAX
    receive_max = RECEIVE_MAX
    is_ended_by_peer = False
    on_answer: Callable[[int, int, str], None]

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call back when the line ends."""
        self._disconnected.add_done_callback(lambda _: callback())

    def check(self) -> None:
        """Raise why the line ended, if it did."""
        if self._disconnected.done():
            ended = aiomqtt.MqttError("the broker ended the connection")
            raise self._disconnected.exception() or ended

    def send(
        self,
        topic: str,
        message: bytes,
        *,
        retain: bool = False,
        properties: Properties | None = None,
    ) -> int:
        """Publish with QoS 1; return its number, for on_answer. MqttError where it cannot."""
        info = self._client.publish(topic, message, 1, retain, properties)
        if info.rc:
            self.check()
            raise aiomqtt.MqttCodeError(info.rc, "a bundle cannot be sent")
        return info.mid

    def _on_connect(self, *details: Any) -> None:
        properties = details[4] if len(details) > 4 else None  # after client, .., reason code
        size_max = getattr(properties, "MaximumPacketSize", BUNDLE_BYTES_MAX + MESSAGE_OVERHEAD)
        self.bundle_bytes_max = min(BUNDLE_BYTES_MAX, size_max - MESSAGE_OVERHEAD)
        self.receive_max = getattr(properties, "ReceiveMaximum", RECEIVE_MAX)
        super()._on_connect(*details)

    def _on_disconnect(self, *details: Any) -> None:
        code = details[3].value  # after client, userdata, flags; 0: we ended it
        if not self._disconnected.done():
            self.is_ended_by_peer = code not in (0, KEEP_ALIVE_TIMEOUT)
        super()._on_disconnect(*details)

    def _on_publish(self, *details: Any) -> None:
        number, reason_code = details[2:4]  # after client, userdata
        self.on_answer(number, reason_code.value, str(reason_code))
