"""The watch: readings -> rules -> findings -> mode, notices, and whoever else listens.

Behind the commit, so that nothing is judged that is not durable. A rule that fails is our bug: it
is logged and counted, and the other rules go on.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hub.actors import actor_texts
from hub.backhaul import Backhaul
from hub.clock import Clock
from hub.config import Config
from hub.ingest import Ingest
from hub.live import Live
from hub.modes import Change, ModeError, Modes, Request, Texts
from hub.notices import DRILL_MARK, Notices, fitting
from hub.orders import Orders
from hub.policy import orders as policy_orders
from hub.rules import AGE_US_MAX, Rule, make_rules
from hub.rules.finding import EMERGENCY, INFO, WARNING, Finding
from hub.rules.kinds import KINDS
from hub.rules.rule import PersonalRule, is_sampling, standing_of
from hub.rules.vitals import Vitals
from hub.sender import HubSender
from hub.store import Group, Store
from hub.timetable import Timetable
from hub.timing import Timing
from protocols.batch import Batch, decode_batch
from protocols.errors import RemoteProtocolError
from protocols.vocabulary import (
    KIND_BATCH,
    KIND_MODE,
    LANE_ALERT,
    LANES,
    MODE_DISASTER,
    MODE_NAMES,
    UTC_IMPLAUSIBLE,
)

log = logging.getLogger(__name__)

SAVE_US = 60_000_000
# A rule that has spoken is saved at the next beat, and so often while it goes on speaking: what is
# said must find its end, whenever the hub dies.
SAVE_SPOKEN_US = 5_000_000
MEMORY_KEY = "rule:"  # in meta, before the rule's name: its memory as JSON
MODES_KEY = "modes"  # in meta: who asks for a mode, how long it is calm, as JSON
BEGUN_KEY = "timetable"  # in meta: what of the time table has begun, as JSON


class Watch:
    """Rules and modes at work.

    on_finding: called with each finding and whether it is one of a drill. on_change: called with
    each change of mode before it is kept. are_up: () -> the state of each required uplink.

    What is of a drill is what the drill makes: its mode, its findings, their notices. Whatever
    else happens meanwhile is real and says so; where it asks for a mode the drill is over.
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
        self._notices = Notices(sender, live, store, config.secret)
        self._clock = clock
        self._ingest: Ingest | None = None
        settings = config.tables["mode"]
        self.modes = Modes(
            int(store.meta.get("mode", 0)),
            bool(store.meta.get("drill", 0)),
            (settings["watch_dwell_s"], settings["disaster_dwell_s"]),
        )
        self.orders: Orders | None = None
        self.are_up: Callable[[], list[bool]] = list
        self._backhaul = Backhaul(settings)
        begun = json.loads(store.meta.get(BEGUN_KEY, "[]"))
        self._timetable = Timetable(config.tables["timetable"], settings["utc_offset_min"], begun)
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
        self.on_finding: list[Callable[[Finding, bool], None]] = []
        self.on_change: list[Callable[[Change], None]] = []
        self._started_us = self._clock.now_us()
        self._set_us: int | None = None
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

    def find(self, finding: Finding) -> None:
        """Take a real finding: say it, and let it ask for a mode; it may end a drill."""
        if self.modes.ends_drill(finding):
            self._close_exercises(self.modes.exercised())
            texts = ("訓練を打ち切ります。これは実際の事象です。", "The drill ends: this is real.")
            self.notice(EMERGENCY, "drill", texts)
        self._say(finding, False)

    def exercise(self, finding: Finding) -> None:
        """Take a finding of the drill that is on; ModeError where there is none."""
        if not self.modes.drill:
            raise ModeError("There is no drill", "Start one: `hinomi hub drill start`.")
        self._say(_marked(finding), True)
        self._save_modes(self._clock.now_us())  # its end must be said, whenever the hub dies

    def _say(self, finding: Finding, drill: bool) -> None:
        # The mode first: a device that is told to sound its siren has then left the drill.
        now_us = self._clock.now_us()
        change = self.modes.judge(finding, now_us, drill)
        if change is not None:
            self._changed(change, now_us)
        self._notices.found(finding, drill, now_us)
        for callback in self.on_finding:
            callback(finding, drill)

    def notice(self, level: int, kind: str, texts: Texts, drill: bool = False) -> None:
        """Tell people and the platform. texts: Japanese, English. drill: it is of a drill."""
        self._notices.say(level, kind, texts, now_us=self._clock.now_us(), drill=drill)

    # Mode

    def set_mode(
        self, mode: int, drill: bool, actor: str, reason: str | Texts, *, hold_s: int = 0
    ) -> None:
        """Set the mode by a person or a platform; ModeError where it cannot be.

        hold_s: it is held so long; 0: it falls after its dwell in calm. A drill ends then.
        Normal as a drill is the end of the drill, and nothing else: what is real stays.
        """
        now_us = self._clock.now_us()
        texts = (reason, reason) if isinstance(reason, str) else reason
        until_us = now_us + hold_s * 1_000_000 if hold_s else None
        if drill:
            if mode:
                self._start_drill(self.modes.start_drill(mode, actor, texts, until_us), "drill")
            elif not self.end_drill(actor, texts):
                raise ModeError("There is no drill", "Start one: `hinomi hub drill start`.")
            return
        self._close_exercises(self.modes.exercised())
        self._changed(self.modes.set(mode, actor, texts, until_us), now_us)

    def start_drill(
        self, mode: int, actor: str, texts: Texts, *, minutes: int = 30, kind: str = "drill"
    ) -> None:
        """Begin a drill of that mode and kind of event; ModeError where something is on."""
        if kind not in KINDS:
            raise ModeError(f"There is no kind {kind!r}", f"Known: {', '.join(sorted(KINDS))}.")
        until_us = self._clock.now_us() + minutes * 60_000_000
        self._start_drill(self.modes.start_drill(mode, actor, texts, until_us), kind)

    def _start_drill(self, change: Change, kind: str) -> None:
        self._changed(change, self._clock.now_us())
        level = EMERGENCY if change.mode == MODE_DISASTER else WARNING
        row = KINDS[kind]
        texts = (f"{row.event_ja}: {change.texts[0]}", f"{row.event_en}: {change.texts[1]}")
        # It asks for no mode of its own, so that the drill can step down.
        self.exercise(Finding("drill", "drill", level, 0, *texts, kind=kind))

    def end_drill(self, actor: str, texts: Texts) -> bool:
        """End the drill; tell whether there was one."""
        self._close_exercises(self.modes.exercised())
        change = self.modes.end_drill(actor, texts)
        if change is not None:
            self._changed(change, self._clock.now_us())
        return change is not None

    def _close_exercises(self, open_ones: list[Request]) -> None:
        for one in open_ones:
            texts = (f"{DRILL_MARK[0]}訓練終了", f"{DRILL_MARK[1]}end of the drill")
            over = Finding(one.rule, one.key, INFO, 0, *texts, is_over=True, kind=one.kind)
            self._say(over, True)
        self._notices.end_drill(self._clock.now_us())

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
        self._save_modes(now_us)
        fields = {
            "mode": change.mode,
            "drill": change.drill,
            "actor": fitting(change.actor),
            "reason": fitting(change.reason),
        }
        self._sender.record(KIND_MODE, LANE_ALERT, now_us, fields)
        if self.orders is not None:
            self.orders.mode_changed(now_us)

    # Time

    def tick(self, now_us: int) -> None:
        """Do what is due by time; once a second."""
        utc_us = self._clock.utc_us()
        for rule in self.rules:
            self._ask(rule, rule.tick, now_us, utc_us)
        for finding in self._backhaul.tick(now_us, self.are_up()):
            self.find(finding)
        if self._timing.time.quality != UTC_IMPLAUSIBLE:
            self._follow_timetable(now_us, utc_us)
        if self.modes.is_drill_over(now_us):
            self.end_drill(
                "timetable", ("訓練の時間が終わりました", "the time of the drill is over")
            )
        self._tick_modes(now_us)
        if self.orders is not None:
            self.orders.tick(now_us)
        if now_us >= self._save_due_us:
            self._save_due_us = now_us + SAVE_US
            self.save()
        elif self._spoken:
            self._save_spoken(now_us)

    def _tick_modes(self, now_us: int) -> None:
        exercised = self.modes.exercised()
        change = self.modes.tick(now_us)
        if change is not None:
            if not change.drill:
                self._close_exercises(exercised)
            self._changed(change, now_us)

    def _follow_timetable(self, now_us: int, utc_us: int) -> None:
        for one in self._timetable.due(utc_us):
            row, actor = one.row, f"timetable:{one.row['name']}"
            mode, texts = MODE_NAMES.index(row["mode"]), (row["text_ja"], row["text_en"])
            until_us = now_us + one.left_us
            change = None
            if row["drill"]:
                try:
                    self._start_drill(
                        self.modes.start_drill(mode, actor, texts, until_us), "drill"
                    )
                except ModeError as error:
                    text_ja = f"予定の訓練「{row['name']}」は行いません (平常ではないため)"
                    self.notice(INFO, "drill", (text_ja, f"no drill {row['name']}: {error}"))
            elif self.modes.drill:
                continue  # when the drill is over
            else:
                request = Request("timetable", row["name"], mode, False, until_us)
                change = self.modes.ask(request, actor, texts)
            self._timetable.begin(one)
            self._store.save_meta(BEGUN_KEY, json.dumps(self._timetable.begun()))
            if change is not None:
                self._changed(change, now_us)

    def _save_modes(self, now_us: int) -> None:
        text = json.dumps(self.modes.save(now_us), ensure_ascii=False)
        self._store.save_meta(MODES_KEY, text)

    def save(self) -> None:
        """Keep what modes and rules must not forget; to be called at the end, too."""
        self._save_modes(self._clock.now_us())
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
                self._save_modes(now_us)

    def _save_rule(self, rule: Rule) -> None:
        memory = rule.save(self._clock.now_us())
        if memory:
            self._store.save_meta(MEMORY_KEY + rule.name, json.dumps(memory))

    def _restore(self) -> None:
        now_us = self._clock.now_us()
        if not self.modes.drill:
            self._notices.end_drill(now_us)
        for rule in self.rules:
            text = self._store.meta.get(MEMORY_KEY + rule.name)
            try:
                rule.restore(json.loads(text) if text else {}, now_us)
            except Exception:  # of another version: it begins anew
                self.failures[rule.name] += 1
                log.exception("rule %s cannot remember", rule.name)
        text = self._store.meta.get(MODES_KEY)
        if text:
            try:
                self.modes.restore(json.loads(text), now_us, standing_of(self.rules))
            except (KeyError, TypeError, ValueError):  # of another version: the mode is kept
                log.exception("who asks for the mode cannot be remembered")

    def mode_snapshot(self) -> dict[str, Any]:
        """Return the mode for the page."""
        modes = self.modes
        actor_ja, actor_en = actor_texts(modes.actor)
        snapshot = {"mode": modes.name(), "drill": modes.drill,
                    "since_utc_us": self.mode_since_us(), "actor": modes.actor,
                    "actor_ja": actor_ja, "actor_en": actor_en, "reason": modes.reason,
                    "reason_ja": modes.texts[0], "reason_en": modes.texts[1]}  # fmt: skip
        if self.orders is not None:
            snapshot["unconfirmed"] = self.orders.unconfirmed()
        return snapshot


def _marked(finding: Finding) -> Finding:
    """Return a finding of a drill whose very words say so."""
    texts = [
        text if text.startswith(mark) else mark + text
        for mark, text in zip(DRILL_MARK, (finding.text_ja, finding.text_en), strict=True)
    ]
    return replace(finding, text_ja=texts[0], text_en=texts[1])
