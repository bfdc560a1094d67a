"""Orders of a platform: signed, for this moment, once; and over a real broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from hub import config as configuration
from hub.modes import ModeError
from hub.platform_orders import PlatformOrders
from hub.settings import SettingsError
from protocols import cose_sign
from protocols.cose import DeviceKeys
from protocols.platform_order import decode_state, encode_order
from protocols.vocabulary import RESULT_DONE, RESULT_FAILED, RESULT_UNKNOWN
from tests.hub.hub_process import Mosquitto, running_hub, secret_of, wait_until
from tests.protocols.release_key import MODULUS, sign
from tests.real_parts import need
from tests.simulators.platform_process import HUB

KEYS = DeviceKeys("hub-1", bytes(32))
MODE = (1, [2, False, 600, "理由", "reason"])


def signed(challenge: bytes, number: int = 1, command: Any = MODE, hub: str = "hub-1") -> bytes:
    """Return an order as the platform makes it."""
    payload = encode_order(hub, challenge, number, command)
    return cose_sign.seal(payload, sign(cose_sign.signed_bytes(payload)))


class Bench:
    """One line of orders, and what was set."""

    def __init__(self) -> None:
        self.set: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        numbers = iter(range(256))
        self.orders = PlatformOrders(
            "region",
            MODULUS,
            KEYS.up,
            3,
            mode=lambda: (1, True),
            set_mode=self._set_mode,
            random=lambda size: bytes([next(numbers)]) * size,
        )
        self.challenge = self.state(self.orders.connected())[1]

    def _set_mode(self, *wanted: Any, hold_s: int) -> None:
        if self.error is not None:
            raise self.error
        self.set.append((*wanted, hold_s))

    def state(self, frame: bytes | None) -> tuple[Any, ...]:
        """Return the fields of a state that the hub sealed."""
        assert frame is not None
        return decode_state(KEYS.up.open(frame))

    def take(self, message: bytes) -> tuple[Any, ...]:
        """Let it obey; return (id, status, detail)."""
        state = self.state(self.orders.take(message))
        assert state[0] == 3 and state[1] != self.challenge and state[2:4] == (1, True)
        self.challenge = state[1]
        return state[4:]


def test_an_order_is_obeyed_once() -> None:
    bench = Bench()
    message = signed(bench.challenge, 7)
    assert bench.take(message) == (7, RESULT_DONE, "")
    assert bench.set == [(2, False, "platform:region", ("理由", "reason"), 600)]
    assert bench.orders.take(message) is None
    assert bench.orders.refused == {"replayed": 1} and len(bench.set) == 1
    assert bench.take(signed(bench.challenge, 8)) == (8, RESULT_DONE, "")


def test_an_order_of_an_earlier_connection_is_not_obeyed() -> None:
    bench = Bench()
    message = signed(bench.challenge)
    bench.orders.connected()
    assert bench.orders.take(message) is None and bench.set == []


def test_nobody_else_orders_anything() -> None:
    bench = Bench()
    good = signed(bench.challenge)
    for at in (20, len(good) - 300, len(good) - 1):
        changed = bytearray(good)
        changed[at] ^= 1
        assert bench.orders.take(bytes(changed)) is None
    assert bench.orders.take(signed(bench.challenge, hub="hub-2")) is None
    assert bench.orders.take(b"") is None and bench.orders.take(b"\xff" * 5000) is None
    assert bench.set == [] and sum(bench.orders.refused.values()) == 6
    assert bench.take(good)[1] == RESULT_DONE  # none of these has used the challenge up


def test_what_cannot_be_done_is_answered() -> None:
    bench = Bench()
    assert bench.take(signed(bench.challenge, 1, (7, [])))[1] == RESULT_UNKNOWN
    for arguments in (
        [], [3, False, 0, "", ""], [1, 0, 0, "", ""], [True, False, 0, "", ""],
        [1, False, -1, "", ""], [1, False, 604801, "", ""], [1, False, 0, "x" * 401, ""],
        [1, False, 0, "a\nb", ""], [1, False, 0, "", None],
    ):  # fmt: skip
        assert bench.take(signed(bench.challenge, 2, (1, arguments)))[1] == RESULT_FAILED
    bench.error = ModeError("A drill is on already", "Stop it.")
    assert bench.take(signed(bench.challenge, 3)) == (3, RESULT_FAILED, "A drill is on already")
    assert bench.set == []


def test_a_key_that_is_none_is_named(tmp_path: Path) -> None:
    path = configuration.init(tmp_path / "hub", {("uplink", "command_key"): "12" * 256})
    with pytest.raises(SettingsError, match=r"uplink\.command_key is no key"):
        configuration.load(path)


class Platform:
    """A platform on a broker, with the key."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self._mac = DeviceKeys(HUB, secret_of(HUB)).up

    async def state(self) -> tuple[Any, ...]:
        """Return the next state."""
        async with asyncio.timeout(20):
            message = await anext(aiter(self._client.messages))
        assert isinstance(message.payload, bytes)
        return decode_state(self._mac.open(message.payload))

    async def order(self, message: bytes) -> None:
        """Send an order; it stays at the broker, as a careless one might."""
        await self._client.publish(f"hinomi/v1/{HUB}/order", message, qos=1, retain=True)


@asynccontextmanager
async def platform_at(port: int) -> AsyncIterator[Platform]:
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(f"hinomi/v1/{HUB}/state", qos=1)
        yield Platform(client)


def test_a_platform_orders_a_drill_over_a_real_broker(tmp_path: Path) -> None:
    values = {("hub", "id"): HUB, ("uplink", "command_key"): MODULUS.hex()}

    async def exercise(port: int) -> list[tuple[Any, ...]]:
        async with platform_at(port) as platform:
            first = await platform.state()
            command = (1, [1, True, 600, "合同訓練", "joint drill"])
            await platform.order(signed(first[1], 1, command, HUB))
            return [first, await platform.state()]

    async def newest(port: int) -> tuple[Any, ...]:
        async with platform_at(port) as platform:
            return await platform.state()

    with Mosquitto(need("mosquitto"), tmp_path) as broker:
        values[("uplink", "port")] = broker.port  # type: ignore[assignment]
        with running_hub(tmp_path, values) as hub:
            first, then = asyncio.run(exercise(broker.port))
            assert (first[2:4], first[4:]) == ((0, False), (0, RESULT_DONE, ""))
            assert (then[2:4], then[4:]) == ((1, True), (1, RESULT_DONE, ""))
            wait_until(lambda: hub.status()["mode"]["drill"], "the drill")
            mode = hub.status()["mode"]
            assert mode["actor"] == "platform:platform" and mode["reason_ja"] == "合同訓練"
            # The order lies at the broker still; the hub that comes again does not obey it.
            hub.end()
            hub.start()
            wait_until(lambda: asyncio.run(newest(broker.port))[0] > then[0], "the new start")
            assert asyncio.run(newest(broker.port))[4] == 0
