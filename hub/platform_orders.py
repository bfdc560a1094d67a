"""Orders of a platform: the mode, by MQTT, signed, each obeyed once.

Topics of the uplink's broker: `hinomi/v1/<hub>/state` (retained, from the hub) and
`hinomi/v1/<hub>/order`; their form is that of protocols.platform_order. The line is one of its
own, so that the data's relay does not know of it. Only uplinks with a `command_key` have one. What
is not signed with that key, or not for this moment, is counted and answered by nothing.
"""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import aiomqtt

from hub.relay.mqtt_client import connection
from protocols.cose import Mac0
from protocols.errors import RemoteProtocolError
from protocols.platform_order import (
    CHALLENGE_SIZE,
    ORDER_SIZE_MAX,
    Order,
    decode_order,
    encode_state,
)
from protocols.rs256 import is_valid
from protocols.vocabulary import (
    COMMAND_MODE,
    MODE_NAMES,
    RESULT_DONE,
    RESULT_FAILED,
    RESULT_UNKNOWN,
)

log = logging.getLogger(__name__)

RETRY_S = 10.0
REFUSED_PAUSE_S = 0.5  # after one that is not signed well: it cost a verification
WAITING_MAX = 8
HOLD_S_MAX = 604800
REASON_SIZE_MAX = 400

# (mode, drill, actor, (reason_ja, reason_en), hold_s=)
SetMode = Callable[..., None]


class PlatformOrders:
    """Verifies and obeys. name: of the uplink. modulus: of its key. mode: () -> (mode, drill)."""

    def __init__(self, name: str, modulus: bytes, mac: Mac0, boot: int, **ports: Any) -> None:
        self.name = name
        self.refused: Counter[str] = Counter()
        self.obeyed_count = 0
        self._modulus = modulus
        self._mac = mac
        self._boot = boot
        self._mode: Callable[[], tuple[int, bool]] = ports["mode"]
        self._set_mode: SetMode = ports["set_mode"]
        self._random: Callable[[int], bytes] = ports.get("random", os.urandom)
        self._challenge = self._random(CHALLENGE_SIZE)
        self._newest = (0, RESULT_DONE, "")

    def connected(self) -> bytes:
        """Return the state to say in a new connection; older orders count no more."""
        self._challenge = self._random(CHALLENGE_SIZE)
        return self._state()

    def take(self, message: bytes) -> bytes | None:
        """Take an order; return the state to say then, or None where it is nobody's order."""
        try:
            order = decode_order(message)
            self._check(order)
        except RemoteProtocolError as error:
            self.refused[error.reason] += 1
            log.warning("order of %s refused: %s", self.name, error)
            return None
        status, detail = self._obey(order)
        self.obeyed_count += status == RESULT_DONE
        self._newest = (order.id, status, detail)
        self._challenge = self._random(CHALLENGE_SIZE)
        return self._state()

    def _check(self, order: Order) -> None:
        if order.hub != self._mac.sender:
            raise RemoteProtocolError("wrong_sender", f"for {order.hub}")
        if order.challenge != self._challenge:
            raise RemoteProtocolError("replayed", f"order {order.id}")
        if not is_valid(self._modulus, order.digest, order.signature):
            raise RemoteProtocolError("wrong_key", f"order {order.id}")

    def _obey(self, order: Order) -> tuple[int, str]:
        if order.code != COMMAND_MODE:
            return RESULT_UNKNOWN, f"code {order.code}"
        wanted = _mode_order(order.arguments)
        if wanted is None:
            return RESULT_FAILED, "mode takes [mode, drill, hold_s, reason_ja, reason_en]"
        mode, drill, hold_s, *reasons = wanted
        try:
            actor, texts = f"platform:{self.name}", (reasons[0], reasons[1])
            self._set_mode(mode, drill, actor, texts, hold_s=hold_s)
        except Exception as error:
            if not hasattr(error, "remedy"):
                raise
            return RESULT_FAILED, str(error)
        return RESULT_DONE, ""

    def _state(self) -> bytes:
        mode, drill = self._mode()
        return self._mac.seal(
            encode_state((self._boot, self._challenge, mode, drill, *self._newest))
        )


def _mode_order(arguments: list[Any]) -> list[Any] | None:
    if [type(one) for one in arguments] != [int, bool, int, str, str]:
        return None
    mode, _, hold_s, *reasons = arguments
    fits = 0 <= mode < len(MODE_NAMES) and 0 <= hold_s <= HOLD_S_MAX
    are_short = all(one.isprintable() and len(one.encode()) <= REASON_SIZE_MAX for one in reasons)
    return arguments if fits and are_short else None


async def listen(orders: PlatformOrders, hub: str, row: dict[str, Any]) -> None:
    """Keep the line of orders to one uplink's broker; ends only by cancellation."""
    topic = f"hinomi/v1/{hub}"
    while True:
        try:
            async with aiomqtt.Client(
                max_queued_incoming_messages=WAITING_MAX,
                **connection(row, f"hinomi-{hub}-{row['name']}-orders"),
            ) as client:
                await client.subscribe(f"{topic}/order", qos=1)
                await client.publish(f"{topic}/state", orders.connected(), qos=1, retain=True)
                async for message in client.messages:
                    payload = message.payload
                    if not isinstance(payload, bytes) or len(payload) > ORDER_SIZE_MAX:
                        payload = b""
                    state = orders.take(payload)
                    if state is None:
                        await asyncio.sleep(REFUSED_PAUSE_S)
                    else:
                        await client.publish(f"{topic}/state", state, qos=1, retain=True)
        except (aiomqtt.MqttError, OSError) as error:
            log.info("orders of %s: %s", orders.name, error)
        await asyncio.sleep(RETRY_S)
