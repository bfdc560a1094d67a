"""Watching over people who consented: no activity, the emergency button, a child's tag on its way.

Input, of devices that people.toml gives to a person: channels of on and off (`motion`, `mat`,
`presence`, `door`), `button`, and at points of a way `tag` (numbers of tags that are seen). Only
for a person whose consent is in force is anything opened (`opens`).

- Activity is a change of a channel: a detector that stays as it is says nothing. Two clocks run
  from the last activity, both only while the person is watched and not absent: one without the
  nights, against `first_h`; one with them, against `second_h`.
- Watched means: at least one detector (not the door, which may rest for a day) is of a device
  that is neither silent nor mute, has no fault, and does not stand at "on" for longer than it can.
  Otherwise nothing counts: a sensor that is dead is never a person who is inactive. After
  `blind_h` that is a finding of its own.
- The door moves again and again and no detector has seen anything: it is dead, too.
- The button is an emergency at once, however late the frame comes; its end is a person's word.
- A way begins where the tag is first seen in its time; each next point must see it within
  `leg_min`. A point that is silent is passed over: not computable is not missing.

Not computable: schedules, while the hub does not know the day; then all time counts. Times of
activity that come late (a cut line) count from when they were.
"""

from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from typing import Any

from hub.people.register import Person, Register, Way
from hub.people.schedule import Schedule, local_time
from hub.people.seal import Seal
from hub.rules.finding import EMERGENCY, INFO, WARNING, WATCH, Finding
from hub.rules.trend import HOUR_US, MINUTE_US
from hub.rules.vitals import Vitals
from hub.settings import Row
from protocols.batch import Batch, Series
from protocols.vocabulary import LANE_STATE, MODE_NORMAL

ROWS = (
    Row("people", "file", "people.toml", "",
        "Who is watched over, by consent, beside this file.", 1),
    Row("people", "blind_h", 3, "h", "Says so when nobody can be watched for so long.", 1, 72),
    Row("people", "viewers", "welfare", "",
        "Offices that may always see what is known of a person, with commas between.", 0, 200),
    Row("people", "retention_days", 30, "d",
        "Delivered frames of persons are removed after so long.", 1, 3650),
    Row("people", "access_h", 24, "h", "The longest for which others may be let in.", 1, 168),
)  # fmt: skip

AGE_US_MAX = 72 * HOUR_US  # what comes later changes nothing any more
STEP_US, SLICES = 10_000_000, 10  # clocks advance so often, a slice of the people at a time
SAVE_US = 50_000  # for each person, at least, between two that are kept
GAP_US_MAX = 60_000_000  # of a tick: the hub itself stood still, that time nobody watched
# Detectors, and how long they can stand at "on". The mat lies in a bed.
DETECTORS = {"motion": HOUR_US, "moving": HOUR_US, "mat": 16 * HOUR_US, "presence": 16 * HOUR_US}
DOOR, BUTTON, TAG = "door", "button", "tag"
DOORS_MIN = 6  # changes of the door without any detector's: three times through it
PRESS_US = 60_000_000  # presses within it are one


@dataclass
class _Channel:
    value: int | None = None
    at_us: int = -1  # newest reading
    changed_us: int = -1


@dataclass
class _State:
    """What is known of a person. Times: the hub's monotonic clock."""

    active_us: int | None = None
    awake_us: int = 0  # without activity, watched, at home, awake
    home_us: int = 0  # likewise, nights included
    blind_us: int = 0
    doors: int = 0
    stage: int = 0  # 0, 1: first_h, 2: second_h
    is_blind: bool = False
    is_suspect: bool = False
    pressed_us: int | None = None
    presses: int = 0
    # Number of a way -> the next point, until when it should see the tag, whether it was said.
    walks: dict[str, tuple[int, int, bool]] = field(default_factory=dict)
    walked: list[str] = field(default_factory=list)  # ways that are over for today


class WatchOverRule:
    """row: [people]; register: may be changed at any time; vitals: written by the hub."""

    name = "watch-over"
    age_us_max = AGE_US_MAX

    def __init__(
        self, row: dict[str, Any], vitals: Vitals, seal: Seal, *, utc_offset_min: int = 540
    ) -> None:
        self._row = row
        self._utc_offset_min = utc_offset_min
        self._vitals = vitals
        self._seal = seal
        self._order: list[Person] = []  # whose consent is in force
        self._states: dict[str, _State] = {}
        self._channels: dict[str, dict[str, _Channel]] = {}
        self._of: dict[str, list[Person]] = {}
        self._points: dict[str, list[Person]] = {}
        self._now_us: int | None = None
        self._local: datetime | None = None  # None: the day is not known
        self.register: Register = {}
        self._judged: tuple[date | None, int] = (None, 0)  # day and register of self._order
        self._day: date | None = None  # the last that was known
        self._slices_us: list[int] = []
        self._saved_us = -SAVE_US
        self._restored: set[str] = set()  # what holds of them is to be said again

    def wants(self, device: str, kind: str, lane: int) -> bool:
        """Tell whether batches of such devices and lane are needed, once somebody consents."""
        return bool(lane <= LANE_STATE)  # who is watched over may change while the hub runs

    def opens(self, device: str) -> bool:
        """Tell whether a personal batch of the device may be opened: by a consent in force."""
        return device in self._of or device in self._points

    def feed(self, device: str, batch: Batch, at_us: int) -> list[Finding]:
        """Take an opened batch, however late."""
        if not self.opens(device):
            return []
        findings: list[Finding] = []
        newest = max((one.time_us(len(one.values) - 1) for one in batch.series or ()), default=0)
        for series in batch.series or ():
            end_us = at_us - (newest - series.time_us(len(series.values) - 1))
            name = series.channel.rpartition(".")[2]
            if name == TAG:
                findings += self._seen(device, series, end_us)
            elif device not in self._of:
                continue
            elif name == BUTTON:
                findings += self._button(device, series, end_us)
            elif name in DETECTORS or name == DOOR:
                findings += self._activity(device, name, series, end_us)
        return findings

    def tick(self, now_us: int, utc_us: int) -> list[Finding]:
        """Advance the clocks of all who consent: of a tenth of them each second."""
        if self._now_us is None:
            self._slices_us = [now_us + at * STEP_US // SLICES - STEP_US for at in range(SLICES)]
        self._now_us = now_us
        self._consents(utc_us)
        findings: list[Finding] = []
        for at, before_us in enumerate(self._slices_us):
            if now_us - before_us >= STEP_US:
                self._slices_us[at] = now_us
                for person in self._order[at::SLICES]:
                    findings += self._advance(person, now_us - before_us, now_us)
                    findings += self._walk(person, now_us)
        return findings

    def save(self, now_us: int) -> dict[str, Any]:
        """Return all that is known of people, closed; times as ages.

        Of many people more seldom, so that a card is not worn: about 2 KiB/s at the most.
        """
        if not self._states or 0 <= now_us - self._saved_us < SAVE_US * len(self._states):
            return {}
        self._saved_us = now_us
        states = {name: _row(_moved(one, -now_us)) for name, one in self._states.items()}
        channels = [
            [device, name, one.value, now_us - one.at_us, now_us - one.changed_us]
            for device, found in self._channels.items()
            for name, one in found.items()
        ]
        day = self._day.isoformat() if self._day else ""
        known = {"day": day, "states": states, "channels": channels}
        return {"sealed": self._seal.close(known)}

    def restore(self, saved: dict[str, Any], now_us: int) -> None:
        """Take it back: the time of the restart counts for nothing."""
        if "sealed" not in saved:
            return
        known = self._seal.open(saved["sealed"])
        self._day = date.fromisoformat(known["day"]) if known["day"] else None
        for name, values in known["states"].items():
            self._states[name] = _moved(_State(*values), now_us)
        self._restored = set(self._states)
        for device, name, value, at_us, changed_us in known["channels"]:
            found = self._channels.setdefault(device, {})
            found[name] = _Channel(value, now_us - at_us, now_us - changed_us)

    def forget(self, pseudonym: str) -> None:
        """Forget all of a person."""
        self._states.pop(pseudonym, None)

    def ages(self, pseudonym: str, now_us: int) -> dict[str, Any]:
        """Return what the office may see of a person, for a view that is audited."""
        state = self._states.get(pseudonym, _State())
        return {
            "active_age_min": None if state.active_us is None
            else (now_us - state.active_us) // MINUTE_US,
            "awake_without_activity_min": state.awake_us // MINUTE_US,
            "is_watched": not state.blind_us,
            "stage": state.stage,
        }  # fmt: skip

    # Consent

    def _consents(self, utc_us: int) -> None:
        """Find whose consent is in force today; forget the others.

        While the day is not known the last one that was counts; where none ever was, a consent
        without an end is in force.
        """
        self._local = None
        if self._vitals.is_utc_plausible:
            self._local = local_time(utc_us, self._utc_offset_min)
            if self._local.date() != self._day:
                self._day = self._local.date()
                for state in self._states.values():
                    state.walked = []
        if self._judged == (self._day, id(self.register)):
            return
        self._judged = (self._day, id(self.register))
        day = self._day
        self._order = [
            one
            for one in self.register.values()
            if (one.is_consented(day) if day else one.until is None)
        ]
        self._of, self._points = {}, {}
        for person in self._order:
            for device in person.devices:
                self._of.setdefault(device, []).append(person)
            for device in {point for way in person.ways for point in way.points}:
                self._points.setdefault(device, []).append(person)
        for name in self._states.keys() - {one.pseudonym for one in self._order}:
            self.forget(name)
        for device in [one for one in self._channels if one not in self._of]:
            del self._channels[device]

    # Activity

    def _activity(self, device: str, name: str, series: Series, end_us: int) -> list[Finding]:
        channel = self._channels.setdefault(device, {}).setdefault(name, _Channel())
        lag_us = end_us - series.time_us(len(series.values) - 1)
        is_next = series.time_us(0) + lag_us > channel.at_us
        before = channel.value if is_next else None  # what was before a late series is not kept
        changed_us, changes = -1, 0
        for at, value in enumerate(series.values):
            if before is not None and value != before:
                changed_us, changes = series.time_us(at) + lag_us, changes + 1
            before = value
        if end_us > channel.at_us:
            channel.at_us, channel.value = end_us, int(series.values[-1])
        if not changes:
            return []
        channel.changed_us = max(channel.changed_us, changed_us)
        findings: list[Finding] = []
        for person in self._of[device]:
            state = self._state(person)
            state.doors = state.doors + changes if name == DOOR else 0
            if name != DOOR:
                findings += self._suspected(person, state, False)
            findings += self._active(person, state, changed_us)
        return findings

    def _active(self, person: Person, state: _State, at_us: int) -> list[Finding]:
        if state.active_us is not None and at_us <= state.active_us:
            return []
        state.active_us = at_us
        since_us = max(0, (self._now_us or at_us) - at_us)
        state.awake_us, state.home_us = min(state.awake_us, since_us), min(state.home_us, since_us)
        if not state.stage or self._stage(person, state) >= state.stage:
            return []
        state.stage = 0
        return [self._inactive(person, state)]

    def _advance(self, person: Person, passed_us: int, now_us: int) -> list[Finding]:
        state = self._state(person)
        if not person.devices or passed_us > GAP_US_MAX:
            return []
        said = self._again(person, state)
        is_watched = any(self._is_watched(device, now_us) for device in person.devices)
        is_absent = self._holds(*person.absence)
        findings = said
        findings += self._suspected(person, state, state.doors >= DOORS_MIN and not is_absent)
        state.blind_us = 0 if is_watched else state.blind_us + passed_us
        findings += self._blinded(person, state)
        if not is_watched or is_absent or state.is_suspect:
            return findings
        state.home_us += passed_us
        if person.night is None or not self._holds(person.night):
            state.awake_us += passed_us
        stage = self._stage(person, state)
        if stage > state.stage:
            state.stage = stage
            findings.append(self._inactive(person, state))
        return findings

    def _again(self, person: Person, state: _State) -> list[Finding]:
        """Say after a restart what still holds: whoever listens may have forgotten it."""
        if person.pseudonym not in self._restored:
            return []
        self._restored.discard(person.pseudonym)
        state.walks = {key: (at, due_us, False) for key, (at, due_us, _) in state.walks.items()}
        return [
            *([self._inactive(person, state)] if state.stage else []),
            *([self._blind(person, state)] if state.is_blind else []),
            *([self._suspect(person, state)] if state.is_suspect else []),
        ]

    def _holds(self, *schedules: Schedule) -> bool:
        local = self._local
        return local is not None and any(one.holds(local) for one in schedules)

    def _stage(self, person: Person, state: _State) -> int:
        if state.home_us >= person.second_h * HOUR_US:
            return 2
        return int(state.awake_us >= person.first_h * HOUR_US)

    def _is_watched(self, device: str, now_us: int) -> bool:
        vitals = self._vitals
        if vitals.is_silent(device, now_us) or vitals.is_mute(device, now_us):
            return False
        faults = vitals.sensor_faults.get(device, {})
        for name, channel in self._channels.get(device, {}).items():
            limit_us = DETECTORS.get(name)
            if limit_us is None:
                continue
            is_stuck = bool(channel.value) and now_us - channel.changed_us > limit_us
            if not is_stuck and faults.get(name, -1) <= channel.at_us:
                return True
        return False

    def _state(self, person: Person) -> _State:
        return self._states.setdefault(person.pseudonym, _State())

    # The button, and ways

    def _button(self, device: str, series: Series, end_us: int) -> list[Finding]:
        lag_us = end_us - series.time_us(len(series.values) - 1)
        findings = []
        for person in self._of[device]:
            state = self._state(person)
            for at, value in enumerate(series.values):
                when_us = series.time_us(at) + lag_us
                last_us = state.pressed_us
                if value and (last_us is None or abs(when_us - last_us) >= PRESS_US):
                    state.pressed_us, state.presses = max(when_us, last_us or 0), state.presses + 1
                    findings.append(self._pressed(person, state, when_us))
                    findings += self._active(person, state, when_us)
        return findings

    def _seen(self, device: str, series: Series, end_us: int) -> list[Finding]:
        lag_us = end_us - series.time_us(len(series.values) - 1)
        return [
            finding
            for at, tag in enumerate(series.values)
            for person in self._points.get(device, ())
            if person.tag == tag
            for number, way in enumerate(person.ways)
            if device in way.points
            for finding in self._passed(
                person, (number, way), way.points.index(device), series.time_us(at) + lag_us
            )
        ]

    def _passed(
        self, person: Person, numbered: tuple[int, Way], point: int, at_us: int
    ) -> list[Finding]:
        """Take that a point of a way has seen the tag."""
        state, (number, way) = self._state(person), numbered
        key, is_last = str(number), point == len(way.points) - 1
        walk = state.walks.get(key)
        due_us = at_us + way.leg_min * MINUTE_US
        if walk is None:
            if key not in state.walked and not is_last and self._holds(way.time):
                state.walks[key] = (point + 1, due_us, False)
            return []
        following, _, was_said = walk
        if point < following - 1 or (point == following - 1 and was_said):
            return []
        if is_last:
            del state.walks[key]
            state.walked.append(key)
        else:
            state.walks[key] = (point + 1, due_us, False)
        return [self._missed(person, numbered, point, is_over=True)] if was_said else []

    def _walk(self, person: Person, now_us: int) -> list[Finding]:
        """Find who is late on a way; a point that is silent is passed over."""
        state, findings = self._state(person), []
        for key, (following, due_us, was_said) in list(state.walks.items()):
            way = person.ways[int(key)] if int(key) < len(person.ways) else None
            if way is None or following >= len(way.points):
                del state.walks[key]
            elif now_us > due_us and not was_said:
                if self._vitals.is_silent(way.points[following], now_us):
                    state.walks[key] = (following + 1, due_us + way.leg_min * MINUTE_US, False)
                    continue
                state.walks[key] = (following, due_us, True)
                findings.append(self._missed(person, (int(key), way), following, is_over=False))
        return findings

    # What is said: of pseudonyms only

    def _inactive(self, person: Person, state: _State) -> Finding:
        awake_h, home_h = state.awake_us / HOUR_US, state.home_us / HOUR_US
        level, ja, en = (
            (INFO, "活動が戻りました", "active again"),
            (WATCH, f"{awake_h:.0f} 時間 活動がありません", f"no activity for {awake_h:.0f} h"),
            (WARNING, f"{home_h:.0f} 時間 活動がありません", f"no activity for {home_h:.0f} h"),
        )[state.stage]  # fmt: skip
        values = {"awake_h": awake_h, "home_h": home_h}
        said = ("inactive", level, state.stage == 0)
        return self._finding(person, said, (ja, en), values)

    def _pressed(self, person: Person, state: _State, at_us: int) -> Finding:
        late_min = max(0, (self._now_us or at_us) - at_us) // MINUTE_US
        late = (f"({late_min} 分前)", f", {late_min} min ago") if late_min > 1 else ("", "")
        texts = (f"緊急ボタンが押されました{late[0]}", f"emergency button pressed{late[1]}")
        values = {"presses_count": float(state.presses)}
        return self._finding(person, ("button", EMERGENCY, False), texts, values)

    def _missed(
        self, person: Person, numbered: tuple[int, Way], point: int, *, is_over: bool
    ) -> Finding:
        number, way = numbered
        place = way.points[point]
        if is_over:
            texts = (f"タグが {place} で確認されました", f"tag seen at {place}")
        else:
            texts = (f"タグが {place} で確認できません", f"tag not seen at {place} in time")
        said = (f"way-{number}", INFO if is_over else WARNING, is_over)
        return self._finding(person, said, texts, {})

    def _blinded(self, person: Person, state: _State) -> list[Finding]:
        is_blind = state.blind_us >= self._row["blind_h"] * HOUR_US
        if is_blind == state.is_blind:
            return []
        state.is_blind = is_blind
        return [self._blind(person, state)]

    def _blind(self, person: Person, state: _State) -> Finding:
        is_blind = state.is_blind
        texts = (("端末が沈黙し見守りができません(異常の兆候ではありません)",
                  "cannot be watched, devices are silent: no sign of inactivity")
                 if is_blind else ("見守りを再開しました", "watched again"))  # fmt: skip
        said = ("blind", WATCH if is_blind else INFO, not is_blind)
        return self._finding(person, said, texts, {"blind_h": state.blind_us / HOUR_US})

    def _suspected(self, person: Person, state: _State, is_suspect: bool) -> list[Finding]:
        if is_suspect == state.is_suspect:
            return []
        state.is_suspect = is_suspect
        return [self._suspect(person, state)]

    def _suspect(self, person: Person, state: _State) -> Finding:
        is_suspect = state.is_suspect
        texts = (("ドアは動くのに人感センサが無反応(故障の疑い)",
                  "the door moves but no detector does: most likely dead")
                 if is_suspect else ("人感センサが反応", "the detector works"))  # fmt: skip
        said = ("detector", WATCH if is_suspect else INFO, not is_suspect)
        return self._finding(person, said, texts, {})

    def _finding(
        self, person: Person, said: tuple[str, int, bool], texts: tuple[str, str],
        values: dict[str, float],
    ) -> Finding:  # fmt: skip
        what, level, is_over = said
        name = person.pseudonym
        kind = "watch-over-sensor" if what in ("blind", "detector") else self.name
        return Finding(
            self.name, f"{name}/{what}", level, MODE_NORMAL, f"見守り {name}: {texts[0]}",
            f"Watch-over {name}: {texts[1]}", is_over, kind=kind, values=values,
        )  # fmt: skip


def _row(state: _State) -> list[Any]:
    return [getattr(state, one.name) for one in fields(state)]


def _moved(state: _State, by_us: int) -> _State:
    """Return a copy whose times are later: ages are times on a clock that is at 0 now."""
    return replace(
        state,
        active_us=None if state.active_us is None else state.active_us + by_us,
        pressed_us=None if state.pressed_us is None else state.pressed_us + by_us,
        walks={key: (point, due_us + by_us, said)
               for key, (point, due_us, said) in state.walks.items()},
    )  # fmt: skip
