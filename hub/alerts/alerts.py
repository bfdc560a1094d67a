"""The warnings of one hub: hears findings and people, keeps, sends, shows."""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Container
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hub.alerts import atom, cap
from hub.alerts.channel import Channel
from hub.alerts.delivery import Delivery
from hub.alerts.event import OPEN, Desk, Escalation, Event, Limits
from hub.alerts.lalert import Drafts
from hub.alerts.mail import Mail
from hub.alerts.message import Message, kind_of
from hub.alerts.mqtt_topic import MqttTopic
from hub.alerts.outbox import ACK, CANCEL, FILE_NAME, Job, Outbox, Request
from hub.alerts.siren import GIVE_UP_US, Answer, Sirens
from hub.alerts.town import Town
from hub.alerts.webhook import Webhook
from hub.clock import Clock
from hub.config import Config
from hub.ingest import Ingest, Peer
from hub.ledger import Entry, audit
from hub.modes import Change
from hub.rules.finding import LEVEL_NAMES, WARNING, Finding
from hub.timekeeping import Timekeeper
from protocols.session import OPEN as OPEN_SESSION
from protocols.vocabulary import COMMAND_ACTUATE

log = logging.getLogger(__name__)

SHOWN_MAX = 50  # events on the page
POLL_S = 1.0  # so often: has a person asked for something
TEST_TEXTS = ("これは警報の配信試験です。", "This is a test of the delivery of alerts.")


class Alerts:
    """All parts. note: takes entries for the ledger; notice(level, kind, texts): tells people."""

    def __init__(self, config: Config, clock: Clock, time: Timekeeper) -> None:
        self._clock = clock
        self._time = time
        tables = config.tables
        self._town = Town(tables, config.devices)
        config.data.mkdir(parents=True, exist_ok=True)
        self._outbox = Outbox(config.data / FILE_NAME)
        self.name = f"{_plain(config.id)}-{self._outbox.instance}"
        limits = Limits.of(tables["alerts"])
        self._is_test = limits.is_test
        # Numbers that were given in memory alone stand in no file, so each run has its own names:
        # a receiver takes what has a name that it knows for the same message.
        run = secrets.token_hex(3)
        self._desk = Desk(f"{self.name}-{run}", limits, self._outbox.following())
        self._ingest: Ingest | None = None
        self.sirens = Sirens(tables["siren"], self._command)
        self.sirens.on_trouble = self._siren_trouble
        self._sounded: dict[int, int] = {}  # event -> the level that its sirens know
        self._thread = ThreadPoolExecutor(1, "alerts")
        self._deliveries = {
            one.name: Delivery(one, self._outbox, self._later, utc_us=self._utc_us)
            for one in self._channels(config)
        }
        self._wake = asyncio.Event()
        self._jobs: deque[Job] = deque()
        self._told: dict[int, set[str]] = {}  # event -> channels that know of it
        self._last: dict[int, Message] = {}  # event -> its newest message
        self._newest = deque(self._outbox.newest(atom.ENTRIES_MAX), maxlen=atom.ENTRIES_MAX)
        self._requested = 0  # number of the last request that was carried out
        self.note: Callable[..., None] = lambda *_: None
        self.notice: Callable[[int, str, tuple[str, str], bool], None] = lambda *_: None
        for name, count in self._outbox.waiting_counts().items():
            if name in self._deliveries:
                self._deliveries[name].recount(count)
        self._restore()

    def _channels(self, config: Config) -> list[Channel]:
        tables, town = config.tables, self._town
        row = tables["alerts"]
        channels: list[Channel] = [
            Webhook(one, config.secret, town, lambda: self._utc_us() // 1_000_000)
            for one in tables["webhook"]
        ]
        channels += [Mail(one, town) for one in tables["mail"]]
        if row["mqtt"]:
            channels += [MqttTopic(one, config.id, town) for one in config.uplinks]
        if row["drafts"]:
            channels.append(Drafts(config.data, town))
        return channels

    def _restore(self) -> None:
        now_us, utc_us = self._clock.now_us(), self._utc_us()
        events = self._outbox.open_events()
        self._desk.restore(events, now_us)
        for event in events:
            told, last = self._outbox.known_of(event.id)
            self._told[event.id] = told
            if last is not None:
                self._last[event.id] = last
            # Killed between the decision and the siren: a second one does no harm.
            if abs(utc_us - (event.risen_utc_us or event.started_utc_us)) < GIVE_UP_US:
                self._sound(event)
            else:
                self._sounded[event.id] = event.level

    def stand(self, keys: Container[tuple[str, str]], *, drill: bool = False) -> None:
        """Take what rules know to stand after a restart: it is said again before it expires.

        drill: one is on; where none is, what a drill has left ends: its hub died at its end.
        """
        self._desk.stand(keys)
        if not drill:
            self._desk.drill_ended(self._clock.now_us(), self._utc_us())
            self._collect()

    def attend(self, ingest: Ingest) -> None:
        """Command the sirens of its devices."""
        self._ingest = ingest

    def jobs(self) -> list[tuple[Callable[[], Awaitable[None]], str]]:
        """Return what must run as long as the hub, each with its name."""
        deliveries = [(one.run, f"alerts to {name}") for name, one in self._deliveries.items()]
        return [(self.run, "alerts"), *deliveries]

    # What it hears

    def found(self, finding: Finding, drill: bool) -> None:
        """Take a finding of a rule."""
        now_us = self._clock.now_us()
        event = self._desk.take(finding, drill, now_us, self._utc_us())
        if event is not None:
            self._sound(event)
        self._collect()

    def changed(self, change: Change) -> None:
        """Take a change of mode: with a drill ends what was the drill's."""
        if not change.drill:
            self._desk.drill_ended(self._clock.now_us(), self._utc_us())
            self._collect()

    def tick(self, now_us: int) -> None:
        """What is due by time; once a second."""
        self._desk.tick(now_us, self._utc_us())
        self.sirens.tick(now_us)
        self._collect()

    def _sound(self, event: Event) -> None:
        if self._sounded.get(event.id, -1) >= event.level or self._is_test:
            # What was lower since and rises again sounds again.
            self._sounded[event.id] = event.level
            return
        before = self.sirens.wants(event.kind, self._sounded.get(event.id, -1))
        rows = [at for at in self.sirens.wants(event.kind, event.level) if at not in before]
        self._sounded[event.id] = event.level
        self.sirens.sound(event.id, event.drill, rows, self._clock.now_us())

    def _command(self, device: str, arguments: list[Any], answer: Answer) -> bool:
        peer = self._peer(device)
        if peer is None:
            return False

        def heard(_: str, fields: dict[str, Any]) -> None:
            answer(fields["status"], fields["detail"])

        peer.command(COMMAND_ACTUATE, arguments, heard)
        return True

    def _peer(self, device: str) -> Peer | None:
        """Return a device that is connected."""
        peer = self._ingest.peers.get(device) if self._ingest is not None else None
        return peer if peer is not None and peer.state == OPEN_SESSION else None

    def _siren_trouble(self, device: str, output: str, why: str) -> None:
        log.error("%s of %s does not sound: %s", output, device, why, extra={"event": "siren"})
        texts = (
            f"{device} の {output} が鳴りません（{why}）",
            f"{output} of {device} does not sound: {why}",
        )
        self.notice(WARNING, "siren", texts, False)

    # What comes of it

    def _collect(self) -> None:
        output = self._desk.take_output()
        if not output:
            return
        messages = tuple(one for one in output if isinstance(one, Message))
        events = {one.id: one for one in output if isinstance(one, Event)}
        deliveries: list[tuple[int, str]] = []
        for one in output:
            if isinstance(one, Message):
                deliveries += self._addressed(one)
                self._newest.appendleft(one)
            elif isinstance(one, Escalation):
                deliveries += self._escalated(one)
        for event in events.values():
            if event.state != OPEN:
                self._forget(event)
        saved = tuple(one.encode() for one in events.values())
        self._put(Job(messages, saved, tuple(deliveries)))

    def _addressed(self, message: Message) -> list[tuple[int, str]]:
        told = self._told.setdefault(message.event, set()) if message.event else set()
        if message.event:
            self._last[message.event] = message
        for name, one in self._deliveries.items():
            # Who knows of an event hears its end, however mild it has become.
            if one.channel.filter.step == 0 and one.channel.filter.passes(message):
                told.add(name)
        return [(message.sequence, name) for name in sorted(told)]

    def _escalated(self, escalation: Escalation) -> list[tuple[int, str]]:
        event, step = escalation.event, escalation.step
        message = self._last[event.id]
        about = _about(event)
        texts = (
            f"警報 {event.id} をまだ誰も確認していません（{step} 回目）: {about[0]}",
            f"nobody has acknowledged alert {event.id} yet ({step}): {about[1]}",
        )
        self.notice(WARNING, "alerts", texts, event.drill)
        self.note(self._entry("rule:alerts", "alerts escalate", event, after=f"step {step}"))
        told = self._told.setdefault(event.id, set())
        filters = {name: one.channel.filter for name, one in self._deliveries.items()}
        more = {name for name, one in filters.items() if one.step == step and one.passes(message)}
        told |= more
        return [(message.sequence, name) for name in sorted(more)]

    def _forget(self, event: Event) -> None:
        self.sirens.hush(event.id)
        for known in (self._told, self._last, self._sounded):
            known.pop(event.id, None)

    def _put(self, job: Job) -> None:
        # The first may be under way; all that comes meanwhile is one transaction.
        if len(self._jobs) > 1:
            self._jobs[-1] = self._jobs[-1].joined(job)
        else:
            self._jobs.append(job)
        self._wake.set()

    async def run(self) -> None:
        """Write what was decided, and do what people ask, until cancelled."""
        while True:
            await self._write()
            for request in await self._later(self._outbox.requests):
                if request.id > self._requested:
                    await self.carry_out(request)
                    self._requested = request.id
            if not self._jobs:
                try:
                    async with asyncio.timeout(POLL_S):  # wait_for may lose a cancellation
                        await self._wake.wait()
                except TimeoutError:
                    pass
                self._wake.clear()

    async def _write(self) -> None:
        while self._jobs:
            job = self._jobs[0]
            await self._later(self._outbox.keep, job)
            if self._jobs and self._jobs[0] is job:
                self._jobs.popleft()
            if not job.deliveries:
                continue
            waiting = await self._later(self._outbox.waiting_counts)
            for name in {name for _, name in job.deliveries} & self._deliveries.keys():
                self._deliveries[name].recount(waiting.get(name, 0))
                self._deliveries[name].wake()

    async def _later(self, work: Callable[..., Any], *details: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *details)

    async def close(self) -> None:
        """Write what is left, and close."""
        try:
            await self._write()
        finally:
            await self._later(self._outbox.close)
            self._thread.shutdown()

    # People

    async def carry_out(self, request: Request) -> str:
        """Do what a person asks; return what came of it. number 0: it stands in no file."""
        event = self._desk.find(request.event)
        if event is None and request.event:
            await self._write()  # it may have ended just now
            event = await self._later(self._outbox.event, request.event)
        now_us, utc_us = self._clock.now_us(), self._utc_us()
        if request.verb not in (ACK, CANCEL):
            outcome = self._desk.test(TEST_TEXTS, now_us, utc_us).identifier
        elif event is None:
            outcome = "there is no such event"
        elif request.verb == ACK:
            is_done = self._desk.acknowledge(event, request.actor, utc_us)
            outcome = "acknowledged" if is_done else "nothing to acknowledge"
        else:
            is_done = self._desk.cancel(event, request.reason, now_us=now_us, utc_us=utc_us)
            outcome = "cancelled" if is_done else "closed already"
        said = f": {request.reason}" if outcome == "acknowledged" and request.reason else ""
        entry = self._entry(request.actor, f"alerts {request.verb}", event, after=outcome + said)
        self.note(entry)
        self._collect()
        self._put(Job(outcomes=((outcome, request.id),)))
        await self._write()
        return outcome

    def _entry(self, actor: str, command: str, event: Event | None, *, after: str) -> Entry:
        what = "alerts"
        if event is not None:
            drill = " (drill)" if event.drill else ""
            what = f"event {event.id}{drill}: {' / '.join(_about(event))}"
        return audit(self._utc_us(), actor, command, what=what, after=after)

    # What it shows

    def feed(self) -> bytes:
        """Return the Atom feed of what the public may see."""
        return atom.feed(self._newest, self._town, self.name, self._utc_us())

    def document(self, identifier: str) -> bytes | None:
        """Return the CAP document of a public message of the feed; None for any other."""
        for message in self._newest:
            if message.identifier == identifier and message.is_public:
                return cap.document(message, self._town)
        return None

    def events(self) -> list[dict[str, Any]]:
        """Return the open events that the public may see, the most severe first."""
        return [
            {"id": one.id, "kind": one.kind, "level": LEVEL_NAMES[one.level], "drill": one.drill,
             "event_ja": kind_of(one.kind).event_ja, "event_en": kind_of(one.kind).event_en,
             "text_ja": one.text_ja, "text_en": one.text_en, "utc_us": one.started_utc_us,
             "needs_acknowledgement": one.needs_acknowledgement}
            for one in self._desk.open_events()
            if kind_of(one.kind).is_public
        ][:SHOWN_MAX]  # fmt: skip

    def open_events(self) -> list[Event]:
        """Return all open events, the most severe first: for operators alone."""
        return self._desk.open_events()

    def personal_events(self) -> list[dict[str, Any]]:
        """Return the open events that concern one person: for the office alone."""
        return [
            {"id": one.id, "pseudonym": one.key.partition("/")[0], "level": LEVEL_NAMES[one.level],
             "text_ja": one.text_ja, "text_en": one.text_en, "utc_us": one.started_utc_us,
             "step": one.step, "acknowledged_by": one.acknowledged_by, "drill": one.drill}
            for one in self._desk.open_events()
            if kind_of(one.kind).is_personal
        ]  # fmt: skip

    def statistics(self) -> dict[str, Any]:
        """Return for the page."""
        away = [one for one in self.sirens.devices() if self._peer(one) is None]
        return {"is_durable": self._outbox.is_durable, "waiting": self._desk.waiting_count(),
                "joined": self._desk.joined_count,
                # Everybody reads it: of a person not even that there is something.
                "unacknowledged": sum(one.needs_acknowledgement for one in
                                      self._desk.open_events()
                                      if not kind_of(one.kind).is_personal),
                "sirens": {**self.sirens.counts, "away": away,
                           "away_count": len(away),
                           "unconfirmed": self.sirens.unconfirmed_count()},
                "channels": [one.statistics() for one in self._deliveries.values()]}  # fmt: skip

    def _utc_us(self) -> int:
        return self._time.utc_us(self._clock.now_us())


def _about(event: Event) -> tuple[str, str]:
    """Return what it is in Japanese and English; of what concerns a person only its kind."""
    kind = kind_of(event.kind)
    if kind.is_personal:
        return kind.event_ja, kind.event_en
    return event.text_ja, event.text_en


def _plain(name: str) -> str:
    """Return a name as a CAP identifier takes it (CAP-v1.2, 3.2.1)."""
    return "".join("_" if mark in " ,<&-" or not mark.isascii() else mark for mark in name)
