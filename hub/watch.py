"""The watch: readings -> rules -> findings -> mode, notices, and whoever else listens.

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
from hub.modes import Change, Modes
from hub.rules import AGE_US_MAX, Finding, Rule, make_rules
from hub.rules.finding import INFO, LEVEL_NAMES
from hub.sender import HubSender
from hub.store import Group, Store
from hub.timing import Timing
from protocols.batch import Batch, decode_batch
from protocols.errors import RemoteProtocolError
from protocols.vocabulary import (
    COMMAND_MODE,
    KIND_BATCH,
    KIND_MODE,
    KIND_NOTICE,
    LANE_ALERT,
    LANES,
    MODE_NAMES,
)

log = logging.getLogger(__name__)

SAVE_US = 60_000_000
MEMORY_KEY = "rule:"  # in meta, before the rule's name: its memory as JSON


class Watch:
    """Rules and modes at work.

    on_finding: called with each finding and whether this is a drill. on_change: called with each
    change of mode before it is kept.
    """

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
        self._config = config
        self._store = store
        self._sender = sender
        self._timing = timing
        self._live = live
        self._clock = clock
        self._ingest: Ingest | None = None
        self.modes = Modes(
            int(store.meta.get("mode", 0)),
            bool(store.meta.get("drill", 0)),
            config.tables["mode"]["dwell_s"],
        )
        self.rules: list[Rule] = make_rules(config.tables)
        self._of: dict[tuple[str, int], list[Rule]] = {
            (name, lane): [rule for rule in self.rules if rule.wants(name, device.kind, lane)]
            for name, device in config.devices.items()
            for lane in LANES
        }
        self.failures: Counter[str] = Counter()
        self.on_finding: list[Callable[[Finding, bool], None]] = []
        self.on_change: list[Callable[[Change], None]] = []
        self._started_us = self._clock.now_us()
        self._set_us: int | None = None
        self._save_due_us = self._started_us + SAVE_US
        self._restore()

    def attend(self, ingest: Ingest) -> None:
        """Hear what the ingest takes in, and tell its devices the mode."""
        self._ingest = ingest
        ingest.is_wanted = lambda device, lane: bool(self._of.get((device, lane)))
        self._store.on_commit.append(self._read)

    # Readings

    def _read(self, group: Group) -> None:
        now_us = self._clock.now_us()
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
            at_us = self._newest_us(device, batch)
            if at_us is not None and now_us - at_us <= AGE_US_MAX:
                for rule in self._of.get((device, lane), ()):
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
        for finding in findings:
            self.find(finding)

    def find(self, finding: Finding) -> None:
        """Take a finding: say it, and let it ask for a mode."""
        now_us = self._clock.now_us()
        level = INFO if finding.is_over else finding.level
        self.notice(level, finding.rule, (finding.text_ja, finding.text_en))
        for callback in self.on_finding:
            callback(finding, self.modes.drill)
        change = self.modes.judge(finding, now_us)
        if change is not None:
            self._changed(change, now_us)

    # Mode

    def set_mode(self, mode: int, drill: bool, actor: str, reason: str) -> None:
        """Set the mode by a person."""
        self._changed(self.modes.set(mode, drill, actor, reason), self._clock.now_us())

    def mode_since_us(self) -> int:
        """Return when the mode was set, on UTC; before this start, on UTC as it was then."""
        time = self._timing.time
        if self._set_us is not None:
            return time.utc_us(self._set_us)
        return int(self._store.meta.get("mode_since_us", time.utc_us(self._started_us)))

    def _changed(self, change: Change, now_us: int) -> None:
        log.info("mode %s%s: %s: %s", MODE_NAMES[change.mode], " (drill)" if change.drill else "",
                 change.actor, change.reason,
                 extra={"event": "mode", "mode": MODE_NAMES[change.mode], "drill": change.drill,
                        "actor": change.actor, "reason": change.reason})  # fmt: skip
        self._set_us = now_us
        for callback in self.on_change:
            callback(change)
        store = self._store
        store.save_meta("mode", change.mode)
        store.save_meta("drill", int(change.drill))
        store.save_meta("mode_since_us", self.mode_since_us())
        fields = {
            "mode": change.mode,
            "drill": change.drill,
            "actor": change.actor,
            "reason": change.reason,
        }
        self._sender.record(KIND_MODE, LANE_ALERT, now_us, fields)
        if self._ingest is not None:
            self._ingest.command_all(COMMAND_MODE, [change.mode, change.drill])

    def notice(self, level: int, kind: str, texts: tuple[str, str]) -> None:
        """Tell people and the platform. texts: Japanese, English."""
        drill = self.modes.drill
        self._live.alert(LEVEL_NAMES[level], kind, texts, drill)
        fields = {
            "level": level,
            "drill": drill,
            "kind": kind,
            "text_ja": texts[0],
            "text_en": texts[1],
        }
        self._sender.record(KIND_NOTICE, LANE_ALERT, self._clock.now_us(), fields)

    # Time

    def tick(self, now_us: int) -> None:
        """Do what is due by time; once a second."""
        utc_us = self._clock.utc_us()
        for rule in self.rules:
            self._ask(rule, rule.tick, now_us, utc_us)
        change = self.modes.tick(now_us)
        if change is not None:
            self._changed(change, now_us)
        if now_us >= self._save_due_us:
            self._save_due_us = now_us + SAVE_US
            self.save()

    def save(self) -> None:
        """Keep what the rules must not forget; to be called at the end, too."""
        for rule in self.rules:
            memory = rule.save(self._clock.now_us())
            if memory:
                self._store.save_meta(MEMORY_KEY + rule.name, json.dumps(memory))

    def _restore(self) -> None:
        for rule in self.rules:
            text = self._store.meta.get(MEMORY_KEY + rule.name)
            try:
                rule.restore(json.loads(text) if text else {}, self._clock.now_us())
            except Exception:  # of another version: it begins anew
                self.failures[rule.name] += 1
                log.exception("rule %s cannot remember", rule.name)

    def mode_snapshot(self) -> dict[str, Any]:
        """Return the mode for the page."""
        modes = self.modes
        return {"mode": modes.name(), "drill": modes.drill, "since_utc_us": self.mode_since_us(),
                "actor": modes.actor, "reason": modes.reason}  # fmt: skip
