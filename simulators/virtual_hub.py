"""The deciding half of a hub on virtual time: its rules and modes, without store, links and pages.

What hub.watch does behind the commit, done by the same rules and the same modes: readings in, time
on, findings out. A restart keeps what save() gave a minute ago at most, through JSON, as the store
would.
"""

import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from hub import config as hub_config
from hub.modes import Change, Modes
from hub.people import register
from hub.rules import AGE_US_MAX, Finding, Rule, make_rules
from hub.rules.rule import PersonalRule, standing_of
from hub.rules.vitals import Vitals
from protocols.batch import Batch
from protocols.vocabulary import LANE_WAVE, LANES, MODE_NAMES
from simulators import hub_files
from simulators.judge import MODE, Raised
from simulators.scenario import Scenario

START_US = 1_000_000_000  # of the monotonic clock: a machine is up for a while when a hub starts
SAVE_US = 60_000_000
# Who takes a longer time without a tick for a hub that stood still; the others go by differences.
TICK_US_MAX = {"health": 5_000_000}


class VirtualHub:
    """raised: what it said so far. Times are those of the world, in us."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._kinds = {row.name: row.kind for row in scenario.devices}
        self._begins_us = scenario.begins_us
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            hub_files.write_settings(folder, scenario, {})
            hub_files.enroll(folder, scenario.devices, seed)
            self._config = hub_config.load(folder / "hub.toml")
            self._register = register.load(folder / "people.toml", list(self._kinds))
        self._personal = {name for name, one in self._config.devices.items() if one.personal}
        self.raised: list[Raised] = []
        self.mode_changes: list[dict[str, Any]] = []
        self.spent_ns: Counter[str] = Counter()  # by rule, in feed
        self.tick_ns: Counter[str] = Counter()
        self.fed: Counter[str] = Counter()  # batches by rule
        self.late_count = 0
        self._saved = ""
        self._save_due_us = 0
        self.is_up = False
        self.start(0)

    def start(self, t_us: int) -> None:
        """Begin a life with what the last one has saved."""
        settings = self._config.tables["mode"]
        dwells_s = (settings["watch_dwell_s"], settings["disaster_dwell_s"])
        saved = json.loads(self._saved) if self._saved else {}
        self.modes = Modes(saved.get("mode", 0), False, dwells_s)
        self.vitals = Vitals()
        self.rules: list[Rule] = make_rules(self._config.tables, self.vitals, self._config.secret)
        self._openers = {one.name: one for one in self.rules if isinstance(one, PersonalRule)}
        for opener in self._openers.values():
            vars(opener)["register"] = self._register
        self._of = {
            (device, lane): [rule for rule in self.rules if rule.wants(device, kind, lane)]
            for device, kind in self._kinds.items()
            for lane in LANES
        }
        for rule in self.rules:
            rule.restore(saved.get("rules", {}).get(rule.name, {}), t_us + START_US)
        if saved:
            self.modes.restore(saved["modes"], t_us + START_US, standing_of(self.rules))
        self.is_up = True
        self._ticked_us = t_us
        self.tick(t_us)  # before it hears anything, as the hub's first beat

    def kill(self) -> None:
        """End it without a word: only what was saved is left."""
        self.is_up = False

    def feed(self, device: str, batch: Batch, at_us: int, t_us: int) -> None:
        """Take a batch whose newest reading was taken at at_us."""
        if batch.lane == LANE_WAVE:  # a piece of what would go on and on says nothing of a pace
            self.vitals.heard(device, t_us + START_US)
        else:
            self.vitals.framed(device, t_us + START_US)
        rules = self._of[device, batch.lane]
        if device in self._personal:  # closed, but for those who may open it
            openers = self._openers
            rules = [one for one in rules if one.name in openers
                     and openers[one.name].opens(device)]  # fmt: skip
        for rule in rules:
            opener = self._openers.get(rule.name)
            if t_us - at_us > (opener.age_us_max if opener else AGE_US_MAX):
                self.late_count += 1
                continue
            begun_ns = time.perf_counter_ns()
            findings = rule.feed(device, batch, at_us + START_US)
            self.spent_ns[rule.name] += time.perf_counter_ns() - begun_ns
            self.fed[rule.name] += 1
            for finding in findings:
                self._find(finding, t_us)

    def hear(self, devices: list[str], t_us: int) -> None:
        """Note signs of life beside the readings: a real hub asks every device for its time."""
        for device in devices:
            self.vitals.heard(device, t_us + START_US)

    def tick(self, t_us: int) -> None:
        """Do what is due by time."""
        for rule in self.rules:
            step_us = TICK_US_MAX.get(rule.name, max(1, t_us - self._ticked_us))
            for at_us in (*range(self._ticked_us + step_us, t_us, step_us), t_us):
                begun_ns = time.perf_counter_ns()
                findings = rule.tick(at_us + START_US, self._begins_us + at_us)
                self.tick_ns[rule.name] += time.perf_counter_ns() - begun_ns
                for finding in findings:
                    self._find(finding, at_us)
        self._ticked_us = t_us
        change = self.modes.tick(t_us + START_US)
        if change is not None:
            self._changed(change, t_us)

    def save_due(self, t_us: int) -> None:
        """Keep what the rules must not forget, once a minute."""
        if t_us < self._save_due_us:
            return
        self._save_due_us = t_us + SAVE_US
        now_us = t_us + START_US
        rules = {rule.name: rule.save(now_us) for rule in self.rules}
        self._saved = json.dumps(
            {"rules": rules, "modes": self.modes.save(now_us), "mode": self.modes.mode}
        )

    def _find(self, finding: Finding, t_us: int) -> None:
        self.raised.append(
            Raised(
                at_s=t_us / 1e6,
                kind=finding.kind or finding.rule,
                rule=finding.rule,
                place=finding.place,
                level=finding.level,
                text=f"{finding.text_en} / {finding.text_ja}",
                episode=f"{finding.rule} {finding.key}",
                is_over=finding.is_over,
            )
        )
        change = self.modes.judge(finding, t_us + START_US)
        if change is not None:
            self._changed(change, t_us)

    def _changed(self, change: Change, t_us: int) -> None:
        self.vitals.forget_paces()
        word = MODE_NAMES[change.mode]
        at_s = t_us / 1e6
        self.mode_changes.append(
            {"at_s": at_s, "mode": word, "actor": change.actor, "reason": change.reason}
        )
        text = f"{word}: {change.actor} {change.reason}"
        self.raised.append(
            Raised(at_s=at_s, kind=MODE, rule=MODE, place=word, level=0, text=text, episode=MODE)
        )
