"""The MQTT uplink: bundles of frames to a broker, QoS 1, MQTT 5 or 3.1.1.

Topic `hinomi/v1/<hub>/frames/<live|backlog>/<lane>`, payload protocols.bundle. A bundle counts as
delivered when the broker acknowledged it (PUBACK) and did not refuse it there. Frames are packed
because a publish costs about 100 us however small it is: whatever waits goes out as one message,
so that latency stays that of the link and the cost per frame falls as the load grows.

hub.relay.dispatch decides what goes next; this file carries it. A line that is dead without a word
is noticed by paho's keepalive (no answer to a ping) or by a bundle that nobody acknowledges,
whichever is first: within twice `keepalive_s`.
"""

import asyncio
import logging
import random
import socket
from collections import Counter
from typing import Any

import aiomqtt

from hub.clock import Clock, HostClock
from hub.dead_letters import LETTERS_MAX, DeadLetter, Key, loss_of
from hub.group import Group
from hub.relay.dispatch import IN_FLIGHT_MAX, Dispatch, Wanted
from hub.relay.mqtt_client import (
    NO_MATCHING_SUBSCRIBERS,
    Client,
    connection,
    is_refusal,
    speaks_of_message,
)
from hub.relay.queue import Item, RelayQueue
from hub.relay.suspects import FRAME, LANE, Suspect
from hub.store import Store
from protocols.bundle import Bundle, encode_bundle
from protocols.framing import prefixed
from protocols.vocabulary import LANES

log = logging.getLogger(__name__)

RETRY_S_MIN = 0.5
RETRY_S_MAX = 5.0
CLOSE_S_MAX = 1.0  # for a polite end of a connection
DEAD_LETTERS_LOOK_US = 5_000_000  # so often: has an operator asked for another try


class MqttUplink:
    """Relays the store to one broker for as long as `run` runs.

    is_required: the store keeps frames until this uplink has them.
    """

    def __init__(
        self, hub_id: str, store: Store, settings: dict[str, Any], clock: Clock | None = None
    ) -> None:
        self.name = str(settings["name"])
        self.is_required = bool(settings["required"])
        self._hub_id = hub_id
        self._store = store
        self._settings = settings
        self._clock = clock or HostClock()
        self._letters = store.dead_letters_of(self.name)
        lanes = Counter(lane for _, lane, _ in self._letters)
        self.queue = RelayQueue(store.load_cursor(self.name), [lanes[lane] for lane in LANES])
        self._dispatch = Dispatch(self.queue, settings["link_kbit_s"], settings["backlog_kib_s"])
        self._wake = asyncio.Event()
        # Of what is under way: the frames of a message with a single one, for it may be a poison.
        self._sent: dict[int, tuple[Item, bytes]] = {}
        self._retried: dict[int, tuple[DeadLetter, int]] = {}  # and when it was sent
        self._unsaved: set[Key] = set()  # letters whose last try is not yet durable
        self._look_us = 0
        self._timeout_us = 2_000_000 * int(settings["keepalive_s"])
        self._retry_s = RETRY_S_MIN
        self.state = "down"
        self.since_us = self._clock.now_us()
        self.last_error = ""
        self.connects = 0
        self.unheard = 0  # frames that the broker took though it had nobody to give them to
        store.on_commit.append(self._committed)
        store.follow(self.name, self.queue)

    def _committed(self, group: Group) -> None:
        if self._unsaved & group.dead_letters.keys():
            self._unsaved -= group.dead_letters.keys()
            self._look_us = 0  # perhaps the operator wants more of them tried
        if group.size or group.dead_letters:
            self._wake.set()

    async def run(self) -> None:
        """Connect, relay, reconnect; ends only by cancellation."""
        while True:
            client = self._client()
            try:
                async with client:
                    await self._relay(client)
            except (aiomqtt.MqttError, OSError) as error:
                # That a dead line cannot be closed politely either is no news.
                cause = error.__context__ if self.state == "up" else None
                self.last_error = str(cause or error) or type(error).__name__
            finally:
                self._line_down(client)
            if self.state == "up":
                log.warning("uplink %s: line lost: %s", self.name, self.last_error)
            self._set_state("down")
            # Not all at once: a region's hubs lose and regain the platform together.
            await asyncio.sleep(self._retry_s * random.uniform(0.5, 1.0))
            self._retry_s = min(self._retry_s * 2, RETRY_S_MAX)

    def _client(self) -> Client:
        return Client(
            timeout=self._timeout_us / 1e6,
            max_inflight_messages=IN_FLIGHT_MAX + 1,  # one dead letter that is tried again
            # Else a small bundle waits until the one before it is acknowledged.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            **connection(self._settings, f"hinomi-{self._hub_id}-{self.name}"),
        )

    async def _relay(self, client: Client) -> None:
        self._set_state("up")
        self.connects += 1
        client.on_end(self._wake.set)
        client.on_answer = self._answered
        self._dispatch.publishes_max = min(IN_FLIGHT_MAX, client.receive_max)
        self._dispatch.line_up(self._store.following)
        try:
            while True:
                self._wake.clear()
                client.check()
                self._check_answers()
                await self._retry_dead_letters(client)
                if not await self._send_next(client):
                    await self._wait()
        finally:
            client.timeout = CLOSE_S_MAX

    async def _wait(self) -> None:
        now_us = self._clock.now_us()
        waits_us = [self._dispatch.wait_us(now_us)]
        waits_us += [sent_us + self._timeout_us - now_us for sent_us in self._sent_us()]
        if self.queue.has_dead_letters():
            waits_us.append(self._look_us - now_us)
        wait_us = min((one for one in waits_us if one is not None), default=None)
        # Not wait_for: that of Python 3.11 may swallow the cancellation that ends the hub.
        try:
            async with asyncio.timeout(None if wait_us is None else max(wait_us, 1000) / 1e6):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _send_next(self, client: Client) -> bool:
        wanted = self._dispatch.next(
            self._store.following, client.bundle_bytes_max, self._clock.now_us()
        )
        if wanted is None or (wanted.historical and self._store.is_salvaging):
            return False
        lane, first, following = wanted.lane, wanted.first, wanted.following
        chunk = await self._store.read(lane, first, following, wanted.size_max)
        start = following if chunk is None else chunk[0]
        if start > first:
            self._dispatch.gone(wanted, start)
            self._save()
        if chunk is not None:
            self._publish(client, wanted, chunk)
        return True

    def _publish(self, client: Client, wanted: Wanted, chunk: tuple[int, int, bytes]) -> None:
        first, count, blob = chunk
        topic, message = self._message((wanted.lane, first), wanted.historical, count, blob)
        item = self._dispatch.sent(
            wanted, first, first + count, size=len(message), now_us=self._clock.now_us()
        )
        kept = blob if count == 1 else b""
        if len(blob) > client.bundle_bytes_max:
            self._refused(item, kept, FRAME, "larger than what the broker takes")
        else:
            self._sent[client.send(topic, message)] = (item, kept)

    def _message(
        self, position: tuple[int, int], historical: bool, count: int, blob: bytes
    ) -> tuple[str, bytes]:
        kind = "backlog" if historical else "live"
        bundle = Bundle(self._hub_id, position, historical, count=count, blob=blob)
        topic = f"hinomi/v1/{self._hub_id}/frames/{kind}/{position[0]}"
        return topic, encode_bundle(bundle)

    # Answers

    def _answered(self, number: int, code: int, reason: str) -> None:
        """PUBACK of message `number`, with its reason."""
        self._wake.set()
        if number in self._retried:
            letter, _ = self._retried.pop(number)
            refusal = f"the broker refuses it: {reason}" if is_refusal(code) else ""
            self._retry_ended(letter, refusal)
        elif number in self._sent:
            item, kept = self._sent.pop(number)
            if is_refusal(code):
                cause = FRAME if speaks_of_message(code) else LANE
                self._refused(item, kept, cause, f"the broker refuses frames: {reason}")
                return
            self._retry_s = RETRY_S_MIN
            if code == NO_MATCHING_SUBSCRIBERS:
                self._unheard(item.following - item.first)
            self._dispatch.acknowledged(item, self._clock.now_us())
            self._save()

    def _unheard(self, count: int) -> None:
        if not self.unheard:
            log.warning("uplink %s: the broker takes frames, but nobody listens there", self.name)
        self.unheard += count

    def _refused(self, item: Item, kept: bytes, cause: str, reason: str) -> None:
        self.last_error = reason
        suspect = self._dispatch.refused(item, cause, self._clock.now_us())
        if suspect is not None:
            self._bury(suspect, kept, reason)

    def _check_answers(self) -> None:
        oldest_us = min(self._sent_us(), default=None)
        if oldest_us is not None and self._clock.now_us() - oldest_us >= self._timeout_us:
            seconds = self._timeout_us // 1_000_000
            raise aiomqtt.MqttError(f"no acknowledgement for {seconds} s")

    def _sent_us(self) -> list[int]:
        return [item.sent_us for item, _ in self._sent.values()] + [
            sent_us for _, sent_us in self._retried.values()
        ]

    def _line_down(self, client: Client) -> None:
        client.on_answer = _ignored
        sent, self._sent = self._sent, {}
        dead = self._dispatch.line_down(client.is_ended_by_peer, self._clock.now_us())
        if dead is not None:
            kept = next(blob for item, blob in sent.values() if item is dead[0])
            self._bury(dead[1], kept, f"the line ends when it is sent: {self.last_error}")
        if self._dispatch.is_frame_to_blame:
            self._retry_s = RETRY_S_MIN
        retried, self._retried = self._retried, {}
        for letter, _ in retried.values():
            self._retry_ended(letter, f"the line ended when it was sent: {self.last_error}")

    # Dead letters

    def _bury(self, suspect: Suspect, blob: bytes, reason: str) -> None:
        if not self._dispatch.dead(suspect):
            return
        key = (self.name, suspect.lane, suspect.first)
        utc_us = self._clock.utc_us()
        letter = DeadLetter(key, reason, suspect.tries, utc_us, frame=blob[2:])
        self._letters.append(key)
        self._forget_letters()
        self._save()
        self._store.save_dead_letter(key, letter)
        self._store.group.ledger.append(loss_of(letter))
        log.error("uplink %s: a frame is a dead letter: %s", self.name, reason)

    def _forget_letters(self) -> None:
        """Give up the oldest of the least urgent lane where there are too many."""
        free = [one for one in self._letters if one not in self._unsaved | self._retried_keys()]
        if len(self._letters) > LETTERS_MAX and free:
            oldest = max(free, key=lambda key: key[1])
            self._letters.remove(oldest)
            self.queue.forget_dead_letter(oldest[1])
            self._store.save_dead_letter(oldest, None)

    def _retried_keys(self) -> set[Key]:
        return {letter.key for letter, _ in self._retried.values()}

    async def _retry_dead_letters(self, client: Client) -> None:
        now_us = self._clock.now_us()
        if (
            self._retried
            or self._unsaved
            or now_us < self._look_us
            or not self.queue.has_dead_letters()
        ):
            return
        self._look_us = now_us + DEAD_LETTERS_LOOK_US
        letter = await self._store.read_dead_letter_to_retry(self.name)
        if letter is not None and letter.key in self._letters:
            topic, message = self._message(letter.key[1:], True, 1, prefixed(letter.frame))
            self._retried[client.send(topic, message)] = letter, now_us

    def _retry_ended(self, letter: DeadLetter, reason: str) -> None:
        self._unsaved.add(letter.key)
        if reason:
            self._store.save_dead_letter(letter.key, letter.failed(reason))
        else:
            self._letters.remove(letter.key)
            self.queue.revive(letter.key[1])
            self._save()
            self._store.save_dead_letter(letter.key, None)

    def _save(self) -> None:
        self._store.save_cursor(self.name, self.queue.rows())

    def _set_state(self, state: str) -> None:
        if state != self.state:
            self.state, self.since_us = state, self._clock.now_us()
            log.info("uplink %s is %s", self.name, state)

    def statistics(self) -> dict[str, Any]:
        """Return state, counts and the last error."""
        return {
            "name": self.name,
            "required": self.is_required,
            "state": self.state,
            "since_age_ms": (self._clock.now_us() - self.since_us) // 1000,
            "last_error": self.last_error or None,
            "connects": self.connects,
            "unheard": self.unheard,
            **self.queue.counts(self._store.following),
        }


def _ignored(number: int, code: int, reason: str) -> None:
    """Answers of a line that is gone."""
