"""The mode at work: what asks for it, what follows from it, drills, and what is said of them.

The mode half of hub.watch: hub.modes decides, this room hears findings, people, platforms, the
time table and the line, tells devices, platforms and people, and keeps it over restarts.
"""

import json
import logging
from collections.abc import Callable, Container
from dataclasses import replace
from typing import Any

from hub.actors import actor_texts
from hub.backhaul import KEY, RULE, Backhaul
from hub.clock import Clock
from hub.config import Config
from hub.live import Live
from hub.modes import Change, Key, ModeError, Modes, Request, Texts
from hub.notices import DRILL_MARK, Notices, fitting
from hub.orders import Orders
from hub.rules.finding import EMERGENCY, INFO, WARNING, Finding
from hub.rules.kinds import KINDS
from hub.sender import HubSender
from hub.store import Store
from hub.timetable import Timetable
from hub.timing import Timing
from protocols.vocabulary import (
    KIND_MODE,
    LANE_ALERT,
    MODE_DISASTER,
    MODE_NAMES,
    UTC_IMPLAUSIBLE,
)

log = logging.getLogger(__name__)

MODES_KEY = "modes"  # in meta: who asks for a mode, how long it is calm, as JSON
BEGUN_KEY = "timetable"  # in meta: what of the time table has begun, as JSON


class ModeKeeping:
    """Findings in, modes and notices out.

    on_finding: called with each finding and whether it is one of a drill. on_change: called with
    each change of mode before it is kept. are_up: () -> the state of each required uplink.
    orders: to the devices; None until there are any.

    What is of a drill is what the drill makes: its mode, its findings, their notices. Whatever
    else happens meanwhile is real and says so; it may end the drill (Modes.ends_drill).
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
        self._notices = Notices(sender, live, store, config.secret)
        self._clock = clock
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
        self.on_finding: list[Callable[[Finding, bool], None]] = []
        self.on_change: list[Callable[[Change], None]] = []
        self._started_us = self._clock.now_us()
        self._set_us: int | None = None

    # Findings

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
            raise _no_drill()
        self._say(_marked(finding), True)
        self.save_modes(self._clock.now_us())  # its end must be said, whenever the hub dies

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
                raise _no_drill()
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
        self.save_modes(now_us)
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

    def tick_modes(self, now_us: int, utc_us: int) -> None:
        """Do what is due by time; once a second, after the rules."""
        for finding in self._backhaul.tick(now_us, self.are_up()):
            self.find(finding)
        if self._timing.time.quality != UTC_IMPLAUSIBLE:
            self._follow_timetable(now_us, utc_us)
        if self.modes.is_drill_over(now_us):
            self.end_drill(
                "timetable", ("訓練の時間が終わりました", "the time of the drill is over")
            )
        self._lower(now_us)
        if self.orders is not None:
            self.orders.tick(now_us)

    def _lower(self, now_us: int) -> None:
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

    def save_modes(self, now_us: int) -> None:
        """Keep what modes must not forget."""
        text = json.dumps(self.modes.save(now_us), ensure_ascii=False)
        self._store.save_meta(MODES_KEY, text)

    def restore_modes(self, now_us: int, standing: Container[Key]) -> None:
        """Take back what was kept. standing: findings that their rules know not to be over."""
        if not self.modes.drill:
            self._notices.end_drill(now_us)
        text = self._store.meta.get(MODES_KEY)
        if text:
            try:
                self.modes.restore(json.loads(text), now_us, standing)
            except (KeyError, TypeError, ValueError):  # of another version: the mode is kept
                log.exception("who asks for the mode cannot be remembered")
        if self.modes.is_asked((RULE, KEY)):
            self._backhaul.stand()

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


def _no_drill() -> ModeError:
    return ModeError("There is no drill", "Start one: `hinomi hub drill start`.")


def _marked(finding: Finding) -> Finding:
    """Return a finding of a drill whose very words say so."""
    texts = [
        text if text.startswith(mark) else mark + text
        for mark, text in zip(DRILL_MARK, (finding.text_ja, finding.text_en), strict=True)
    ]
    return replace(finding, text_ja=texts[0], text_en=texts[1])
