"""The watch: readings -> rules -> findings -> mode (hub.mode_keeping) and whoever listens.

Behind the commit, so that nothing is judged that is not durable. A rule that fails is our bug: it
is logged and counted, and the other rules go on.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

from hub.clock import Clock
from hub.config import Config
from hub.ingest import Ingest
from hub.live import Live
from hub.mode_keeping import ModeKeeping
from hub.orders import Orders
from hub.policy import orders as policy_orders
from hub.rules import AGE_US_MAX, Rule, make_rules
from hub.rules.finding import Finding
from hub.rules.rule import PersonalRule, is_sampling, standing_of
from hub.rules.vitals import Vitals
from hub.sender import HubSender
from hub.store import Group, Store
from hub.timing import Timing
from protocols.batch import Batch, decode_batch
from protocols.errors import RemoteProtocolError
from protocols.vocabulary import KIND_BATCH, LANES

log = logging.getLogger(__name__)

SAVE_US = 60_000_000
# A rule that has spoken is saved at the next beat, and so often while it goes on speaking: what is
# said must find its end, whenever the hub dies.
SAVE_SPOKEN_US = 5_000_000
MEMORY_KEY = "rule:"  # in meta, before the rule's name: its memory as JSON


class Watch(ModeKeeping):
    """Rules at work, and the mode that follows from them (hub.mode_keeping)."""

    def __init__(
        self,
        config: Config,
        store: Store,
        sender: HubSender,
        *,
        clock: Clock,
        timing: Timing,
        live: Live,
    ) -> None:
        super().__init__(config, store, sender, clock=clock, timing=timing, live=live)
        self._live = live
        self._ingest: Ingest | None = None
        self.vitals = Vitals()
        self.rules: list[Rule] = make_rules(config.tables, self.vitals, config.secret)
        self._personal = {rule.name: rule for rule in self.rules if isinstance(rule, PersonalRule)}
        self._of: dict[tuple[str, int], list[Rule]] = {
            (name, lane): [rule for rule in self.rules if rule.wants(name, device.kind, lane)]
            for name, device in config.devices.items()
            for lane in LANES
        }
        # What is read for certain; others are read some of, and their rules hear of those.
        self._needed = {
            key
            for key, rules in self._of.items()
            if any(not is_sampling(rule) and rule.name not in self._personal for rule in rules)
        }
        self.failures: Counter[str] = Counter()
        self._save_due_us = self._started_us + SAVE_US
        self._spoken_saved_us: dict[str, int] = {}
        self._spoken: set[str] = set()  # rules that have said something since
        self._restore()

    def attend(self, ingest: Ingest) -> None:
        """Hear what the ingest takes in, and tell its devices the mode."""
        self._ingest = ingest
        policies = policy_orders(self._config.tables["policy"])
        self.orders = Orders(ingest, lambda: (self.modes.mode, self.modes.drill), policies)
        ingest.is_wanted = self._is_wanted
        self._store.on_commit.append(self._read)

    # Readings

    def _is_wanted(self, device: str, lane: int) -> bool:
        """Tell whether every batch is to be decoded: that costs three times all the rest of it."""
        key = (device, lane)
        return key in self._needed or any(
            rule.name in self._personal and self._personal[rule.name].opens(device)
            for rule in self._of.get(key, ())
        )

    def _read(self, group: Group) -> None:
        for device, lane, payload in group.readings:
            if payload[1] != KIND_BATCH:
                continue
            try:
                batch = decode_batch(payload)
            except RemoteProtocolError as error:
                assert self._ingest is not None
                self._ingest.refuse(error.reason, str(error), device)
                continue
            self._live.batch(device, batch)
            try:
                self._feed(device, lane, batch, payload)
            except RemoteProtocolError as error:  # its personal part does not open
                assert self._ingest is not None
                self._ingest.refuse(error.reason, str(error), device)

    def _feed(self, device: str, lane: int, batch: Batch, payload: bytes) -> None:
        """Give a batch to its rules; a personal one is opened for those that may, nobody else."""
        rules = self._of.get((device, lane), [])
        if batch.series is None:
            rules = [rule for rule in rules if rule.name in self._personal
                     and self._personal[rule.name].opens(device)]  # fmt: skip
            if not rules:
                return
            assert self._ingest is not None
            batch = decode_batch(payload, self._ingest.keys_of(device).seal_key)
        at_us = self._newest_us(device, batch)
        if at_us is None:
            return
        age_us = self._clock.now_us() - at_us
        for rule in rules:
            personal = self._personal.get(rule.name)
            if age_us <= (AGE_US_MAX if personal is None else personal.age_us_max):
                self._ask(rule, rule.feed, device, batch, at_us)

    def _newest_us(self, device: str, batch: Batch) -> int | None:
        """Return when the newest reading was taken; None where nobody can know."""
        ends_us = [series.time_us(len(series.values) - 1) for series in batch.series or ()]
        if not ends_us:
            return None
        return self._timing.clocks.hub_us((device, batch.boot), max(ends_us))

    def _ask(self, rule: Rule, question: Callable[..., list[Finding]], *details: Any) -> None:
        try:
            findings = question(*details)
        except Exception:
            self.failures[rule.name] += 1
            log.exception("rule %s failed", rule.name)
            return
        if findings:
            self._spoken.add(rule.name)
        for finding in findings:
            self.find(finding)

    # Time

    def tick(self, now_us: int) -> None:
        """Do what is due by time; once a second."""
        utc_us = self._clock.utc_us()
        for rule in self.rules:
            self._ask(rule, rule.tick, now_us, utc_us)
        self.tick_modes(now_us, utc_us)
        if now_us >= self._save_due_us:
            self._save_due_us = now_us + SAVE_US
            self.save()
        elif self._spoken:
            self._save_spoken(now_us)

    def save(self) -> None:
        """Keep what modes and rules must not forget; to be called at the end, too."""
        self.save_modes(self._clock.now_us())
        for rule in self.rules:
            self._save_rule(rule)
        self._spoken.clear()

    def _save_spoken(self, now_us: int) -> None:
        for rule in self.rules:
            due_us = self._spoken_saved_us.get(rule.name, -SAVE_SPOKEN_US) + SAVE_SPOKEN_US
            if rule.name in self._spoken and now_us >= due_us:
                self._spoken_saved_us[rule.name] = now_us
                self._spoken.discard(rule.name)
                self._save_rule(rule)
                self.save_modes(now_us)

    def _save_rule(self, rule: Rule) -> None:
        memory = rule.save(self._clock.now_us())
        if memory:
            self._store.save_meta(MEMORY_KEY + rule.name, json.dumps(memory))

    def _restore(self) -> None:
        now_us = self._clock.now_us()
        for rule in self.rules:
            text = self._store.meta.get(MEMORY_KEY + rule.name)
            try:
                rule.restore(json.loads(text) if text else {}, now_us)
            except Exception:  # of another version: it begins anew
                self.failures[rule.name] += 1
                log.exception("rule %s cannot remember", rule.name)
        self.restore_modes(now_us, standing_of(self.rules))
