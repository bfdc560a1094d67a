"""Plays a scenario in virtual time: days to a year in minutes, without sockets.

    signals --> reporters (the agents' policy) --> the hub's own rules and modes --> judge

Readings are fed in the order of time; while the hub is dead the devices keep theirs and bring them
afterwards, as a flash log does. Rules are asked by time every `tick_s`. A bridge's waveform is
played `record_s` long in each `record_every_s`, and its strain is left out; nothing is stored and
there is no platform, so the report's frames are those that the rules were given.
"""

import heapq
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from protocols.batch import Batch
from simulators.judge import judge
from simulators.reporters import Reporter
from simulators.scenario import Event, Scenario
from simulators.signals.basic import Keyframes
from simulators.signals.deck_record import DeckRecords
from simulators.town import Town
from simulators.virtual_hub import VirtualHub

PROGRESS_TICKS = 200
ALERTS_MAX = 2000  # in the report


class FastRun:
    """One run. on_progress: called with the share that is done, now and then."""

    def __init__(self, scenario: Scenario, *, seed: int, record: Path | None = None) -> None:
        self.scenario = scenario
        self.seed = seed
        self.town = Town(scenario, seed, record)
        self.hub = VirtualHub(scenario, seed)
        self.on_progress: Callable[[float], None] = lambda share: None
        self.on_line: Callable[[float, str], None] = lambda at_s, line: None
        self._end_us = scenario.seconds * 1_000_000
        bridge = scenario.tables["bridge"]
        loss = Keyframes(scenario.pairs("bridge", "loss") or [(0, 0.0)])
        records = DeckRecords(self.town.bridge, loss, bridge["record_s"])
        settings = {
            "report_s_min": scenario.tables["scenario"]["report_s_min"],
            "record_s": bridge["record_s"],
            "record_every_s": bridge["record_every_s"],
        }
        self.reporters = {
            place.name: Reporter(
                place, self.town.signals(place), seed=seed, records=records, settings=settings
            )
            for place in scenario.devices
        }
        self._kept: list[tuple[int, str, Batch]] = []  # while the hub is dead
        self._mode = 0
        self._told = 0
        # What nobody will ask for need not be written down each minute of a year.
        self._is_killed = any(event.action == "kill_hub" for event in scenario.events)

    def run(self) -> dict[str, Any]:
        """Play it; return the report."""
        begun = time.monotonic()
        tick_us = self.scenario.tables["scenario"]["tick_s"] * 1_000_000
        for reporter in self.reporters.values():
            reporter.start(0, self._end_us)
        due = [(at_us, name) for name, one in self.reporters.items()
               if (at_us := one.next_us()) is not None]  # fmt: skip
        heapq.heapify(due)
        events = list(self.scenario.events)
        for number, t_us in enumerate(range(0, self._end_us, tick_us)):
            until_us = t_us + tick_us
            while events and events[0].at_us < until_us:
                self._do(events.pop(0), due)
            while due and due[0][0] < until_us:
                at_us, name = heapq.heappop(due)
                self._report(name, at_us)
                self._again(name, due)
            self._tick(until_us, due)
            if number % PROGRESS_TICKS == 0:
                self.on_progress(until_us / self._end_us)
        return self._result(time.monotonic() - begun)

    def _again(self, name: str, due: list[tuple[int, str]]) -> None:
        next_us = self.reporters[name].next_us()
        if next_us is not None:
            heapq.heappush(due, (next_us, name))

    def _report(self, name: str, at_us: int) -> None:
        reporter = self.reporters[name]
        if not reporter.has_power:
            return
        for newest_us, batch in reporter.take(at_us):
            if self.hub.is_up:
                self.hub.feed(name, batch, newest_us, at_us)
            else:
                self._kept.append((newest_us, name, batch))

    def _tick(self, t_us: int, due: list[tuple[int, str]]) -> None:
        if not self.hub.is_up:
            return
        heard = [name for name, one in self.reporters.items() if one.has_power]
        self.hub.hear(heard, t_us)
        self.hub.tick(t_us)
        if self.hub.modes.mode != self._mode:
            self._mode = self.hub.modes.mode
            for reporter in self.reporters.values():
                reporter.follow(self._mode, t_us)
            due[:] = [(at_us, name) for name, one in self.reporters.items()
                      if (at_us := one.next_us()) is not None]  # fmt: skip
            heapq.heapify(due)
        if self._is_killed:
            self.hub.save_due(t_us)
        for one in self.hub.raised[self._told :]:
            self.on_line(one.at_s, one.text)
        self._told = len(self.hub.raised)

    def _do(self, event: Event, due: list[tuple[int, str]]) -> None:
        self.on_line(event.at_us / 1e6, event.text())
        if event.action == "power_cut":
            self.reporters[event.device].cut_power()
        elif event.action == "power_on":
            reporter = self.reporters[event.device]
            reporter.start(event.at_us, self._end_us)
            self._again(event.device, due)
        elif event.action == "kill_hub":
            self.hub.kill()
        elif event.action == "start_hub":
            self.hub.start(event.at_us)
            kept, self._kept = self._kept, []
            for newest_us, name, batch in kept:
                self.hub.feed(name, batch, newest_us, event.at_us)

    def _result(self, wall_s: float) -> dict[str, Any]:
        scenario, hub = self.scenario, self.hub
        batches = sum(one.batches_count for one in self.reporters.values())
        readings = sum(one.readings_count for one in self.reporters.values())
        judgement = judge(scenario.demands, hub.raised, scenario.seconds)
        alerts = [one.as_json() for one in hub.raised if one.kind != "mode"]
        return {
            "scenario": scenario.name,
            "seconds": scenario.seconds,
            "devices": len(self.reporters),
            # No store and no platform: what the rules got is what the hub would have stored.
            "frames": {
                "sent": batches, "accepted": batches, "delivered": 0, "stored": batches,
                "evicted": 0, "dead_lettered": 0, "duplicates": 0, "lost": 0,
            },
            "readings": {"sent": readings, "delivered": 0},
            "gaps": 0,
            "mode_changes": len(hub.mode_changes),
            "alerts": len(alerts),
            "latency_ms": {"p50": None, "p99": None},
            "ok": judgement["ok"],
            "pace": "virtual",
            "wall_s": round(wall_s, 1),
            "speed": round(scenario.seconds / max(wall_s, 1e-3)),
            "judgement": judgement,
            "rules": self._costs(),
            "details": {"mode_changes": hub.mode_changes, "alerts": alerts[:ALERTS_MAX]},
        }  # fmt: skip

    def _costs(self) -> dict[str, dict[str, float]]:
        """Return what each rule cost: batches, us for each, us for each tick."""
        ticks = max(1, self.scenario.seconds // self.scenario.tables["scenario"]["tick_s"])
        return {
            rule.name: {
                "batches": self.hub.fed[rule.name],
                "us_per_batch": round(
                    self.hub.spent_ns[rule.name] / 1000 / max(1, self.hub.fed[rule.name]), 2
                ),
                "us_per_tick": round(self.hub.tick_ns[rule.name] / 1000 / ticks, 2),
            }
            for rule in self.hub.rules
        }
