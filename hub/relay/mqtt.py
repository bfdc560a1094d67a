"""The MQTT uplink: bundles of frames to a broker, QoS 1, MQTT 5 or 3.1.1.

Topic `hinomi/v1/<hub>/frames/<live|backlog>/<lane>`, payload protocols.bundle. A bundle counts as
delivered when the broker acknowledged it (PUBACK) and did not refuse it there. Frames are packed
because a publish costs about 100 us however small it is: whatever waits goes out as one message,
so that latency stays that of the link and the cost per frame falls as the load grows.
"""

import asyncio
import logging
import os
import random
import socket
import time
from collections.abc import Callable
from typing import Any

import aiomqtt

from hub.relay.queue import Item, RelayQueue
from hub.store import Group, Store
from protocols.bundle import Bundle, encode_bundle

log = logging.getLogger(__name__)

BUNDLE_BYTES_MAX = 192 * 1024
PUBLISHES_MAX = 8  # unacknowledged at a time; of which the backlog may take all but PUBLISHES_LIVE
PUBLISHES_LIVE = 4
RETRY_S_MIN = 0.5
RETRY_S_MAX = 5.0
MESSAGE_OVERHEAD = 256  # topic and head of a bundle, beside its frames


class MqttUplink:
    """Relays the store to one broker for as long as `run` runs."""

    def __init__(self, hub_id: str, store: Store, settings: dict[str, Any]) -> None:
        self.name = str(settings["name"])
        self._hub_id = hub_id
        self._store = store
        self._settings = settings
        self.queue = RelayQueue(store.load_cursor(self.name))
        self._wake = asyncio.Event()
        self._allowance = 0.0
        self._allowed_at = time.monotonic()
        self._publishes: set[asyncio.Task[None]] = set()
        self._historical_count = 0
        self._failed: BaseException | None = None
        self._retry_s = RETRY_S_MIN
        self.state = "down"
        self.since = time.monotonic()
        self.last_error = ""
        self.sent_frames = 0
        self.connects = 0
        store.on_commit.append(self._committed)

    def _committed(self, group: Group) -> None:
        if group.size:
            self._wake.set()

    async def run(self) -> None:
        """Connect, relay, reconnect; ends only by cancellation."""
        while True:
            try:
                async with self._client() as client:
                    await self._relay(client)
            except (aiomqtt.MqttError, OSError) as error:
                self.last_error = str(error) or type(error).__name__
            finally:
                self._stop_publishes()
                self.queue.line_down()
            if self.state == "up":
                log.warning("uplink %s: line lost: %s", self.name, self.last_error)
            self._set_state("down")
            # Not all at once: a region's hubs lose and regain the platform together.
            await asyncio.sleep(self._retry_s * random.uniform(0.5, 1.0))
            self._retry_s = min(self._retry_s * 2, RETRY_S_MAX)

    async def _relay(self, client: "_Client") -> None:
        self._set_state("up")
        self.connects += 1
        client.on_end(self._wake.set)
        self.queue.line_up(self._store.following)
        while True:
            self._wake.clear()
            client.check()
            if self._failed is not None:
                raise self._failed
            if len(self._publishes) < PUBLISHES_MAX and await self._send_next(client):
                continue
            await self._wait()

    def _client(self) -> "_Client":
        settings = self._settings
        is_five = settings["version"] == "5"
        extra: dict[str, Any] = {} if is_five else {"clean_session": True}
        return _Client(
            settings["host"],
            settings["port"],
            identifier=f"hinomi-{self._hub_id}-{self.name}",
            username=settings["user"] or None,
            password=os.environ.get("HINOMI_UPLINK_PASSWORD") if settings["user"] else None,
            protocol=aiomqtt.ProtocolVersion.V5 if is_five else aiomqtt.ProtocolVersion.V311,
            keepalive=settings["keepalive_s"],
            timeout=2 * settings["keepalive_s"],
            max_inflight_messages=PUBLISHES_MAX,
            # Else a small bundle waits until the one before it is acknowledged.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            **extra,
        )

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), 0.05 if self._is_paced() else None)
        except TimeoutError:
            pass

    async def _send_next(self, client: "_Client") -> bool:
        historical = False
        wanted = self.queue.next_live(self._store.following)
        if wanted is None:
            wanted = self.queue.next_backlog()
            historical = True
            room = self._historical_count < PUBLISHES_MAX - PUBLISHES_LIVE
            if wanted is None or not room or not self._may_send_backlog():
                return False
        lane, first, following = wanted
        chunk = await self._store.read(lane, first, following, client.bundle_bytes_max)
        start = following if chunk is None else chunk[0]
        if start > first:
            self.queue.skip(lane, first, start, historical)
            self._save()
        if chunk is not None:
            item = self.queue.take(lane, start, start + chunk[1], historical)
            self._allowance -= len(chunk[2]) if historical else 0
            self._historical_count += historical
            self._start(self._publish(client, item, chunk[1], chunk[2]))
        return True

    def _start(self, publish: Any) -> None:
        task = asyncio.get_running_loop().create_task(publish)
        self._publishes.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task not in self._publishes:
            return  # of a line that is gone
        self._publishes.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failed = task.exception()
        self._wake.set()

    async def _publish(self, client: "_Client", item: Item, count: int, blob: bytes) -> None:
        kind = "backlog" if item.historical else "live"
        bundle = Bundle(
            self._hub_id, (item.lane, item.first), item.historical, count=count, blob=blob
        )
        topic = f"hinomi/v1/{self._hub_id}/frames/{kind}/{item.lane}"
        await client.publish(topic, encode_bundle(bundle), qos=1)
        if client.refusal:
            raise aiomqtt.MqttError(f"the broker refuses frames: {client.refusal}")
        self._retry_s = RETRY_S_MIN
        self._historical_count -= item.historical
        self.sent_frames += count
        if self.queue.acknowledge(item):
            self._save()

    def _stop_publishes(self) -> None:
        tasks, self._publishes = self._publishes, set()
        for task in tasks:
            task.cancel()
        self._historical_count = 0
        self._failed = None

    def _save(self) -> None:
        self._store.save_cursor(self.name, self.queue.rows())

    def _is_paced(self) -> bool:
        return bool(self._settings["backlog_kib_s"]) and self.queue.next_backlog() is not None

    def _may_send_backlog(self) -> bool:
        rate = self._settings["backlog_kib_s"] * 1024
        if not rate:
            return True
        now = time.monotonic()
        self._allowance = min(self._allowance + (now - self._allowed_at) * rate, rate)
        self._allowed_at = now
        return self._allowance >= 0

    def _set_state(self, state: str) -> None:
        if state != self.state:
            self.state, self.since = state, time.monotonic()
            log.info("uplink %s is %s", self.name, state)

    def statistics(self) -> dict[str, Any]:
        """Return state, counts and the last error."""
        return {
            "name": self.name,
            "state": self.state,
            "since_age_ms": int((time.monotonic() - self.since) * 1000),
            "last_error": self.last_error or None,
            "connects": self.connects,
            **self.queue.counts(self._store.following),
        }


class _Client(aiomqtt.Client):
    """aiomqtt with what it hides: a line that ended, what an MQTT 5 broker refuses or limits."""

    refusal = ""
    bundle_bytes_max = BUNDLE_BYTES_MAX

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call back when the line ends; aiomqtt lets a publish wait for its timeout."""
        self._disconnected.add_done_callback(lambda _: callback())

    def check(self) -> None:
        """Raise why the line ended, if it did."""
        if self._disconnected.done():
            ended = aiomqtt.MqttError("the broker ended the connection")
            raise self._disconnected.exception() or ended

    def _on_connect(self, *details: Any) -> None:
        properties = details[4] if len(details) > 4 else None  # after client, .., reason code
        size_max = getattr(properties, "MaximumPacketSize", BUNDLE_BYTES_MAX + MESSAGE_OVERHEAD)
        self.bundle_bytes_max = min(BUNDLE_BYTES_MAX, size_max - MESSAGE_OVERHEAD)
        super()._on_connect(*details)

    def _on_publish(self, *details: Any) -> None:
        reason_code = details[3]  # after client, userdata, message identifier
        if reason_code.is_failure:
            self.refusal = str(reason_code)
        super()._on_publish(*details)
