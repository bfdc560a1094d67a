"""What the hub knows right now, in memory: newest readings, histories, devices, alerts.

It serves the page and `hinomi hub status`. Nothing here is needed for delivery: it is filled
behind the commit, at most DECODES_PER_S_MAX batches a second of those that no rule needs, and lost
at a restart.
"""

from array import array
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from hub.config import Device
from hub.device_clocks import Clocks
from hub.device_health import Start, start_of
from hub.timekeeping import Timekeeper
from protocols.batch import Batch

HISTORY_POINTS_MAX = 1200
_POINTS_SIZE_MAX = 3 * HISTORY_POINTS_MAX
HISTORY_SPAN_US = 100_000  # each point covers at least this, so that 1200 of them are two minutes
DECODES_PER_S_MAX = 100
ALERTS_MAX = 100
# A reading is current while younger than three of its report intervals, but at least this.
CURRENT_US_MIN = 15_000_000
SILENT_US = 30_000_000
# Rows of devices at a time, of which each screen gets all once a second. Beyond it those that want
# a look go first; how many there are of each state is told of all.
DEVICES_MAX = 500
STATES = ("silent", "offline", "online", "never")  # the first to be shown first


@dataclass
class Channel:
    """Newest value and history of one channel; times on the hub's monotonic clock."""

    unit: str
    value: float = 0.0
    at_us: int = 0
    interval_us: int = 0
    # Time in us, least and greatest value of each point, flat: 24 bytes a point where lists take
    # 170.
    points: "array[float]" = field(default_factory=lambda: array("d"))


@dataclass
class State:
    """What is known of one device since the start of the hub."""

    channels: dict[str, Channel] = field(default_factory=dict)
    received: int = 0
    heard_us: int | None = None
    boot: int | None = None
    firmware: str = ""
    start: Start = field(default_factory=Start)


class Live:
    """Implements the page's source together with hub.main."""

    def __init__(self, devices: dict[str, Device], clocks: Clocks, time: Timekeeper) -> None:
        self._devices = devices
        self._time = time
        self._clocks = clocks
        self.first: frozenset[str] = frozenset()  # devices that are shown whatever they are like
        self.states: dict[str, State] = {name: State() for name in devices}
        self._shown = list(devices)[:DEVICES_MAX]
        self._alerts: deque[dict[str, Any]] = deque(maxlen=ALERTS_MAX)
        self._alert_count = 0
        self._allowance = float(DECODES_PER_S_MAX)
        self._allowed_us = 0
        self.readings_count = 0
        self.frames_count = 0
        self.skipped_count = 0

    def may_decode(self, now_us: int) -> bool:
        """Tell whether another batch may be decoded for display alone; counts what is skipped."""
        gained = (now_us - self._allowed_us) * DECODES_PER_S_MAX / 1e6
        self._allowance = min(self._allowance + gained, DECODES_PER_S_MAX)
        self._allowed_us = now_us
        if self._allowance < 1:
            self.skipped_count += 1
            return False
        self._allowance -= 1
        return True

    def frames(self, device: str, count: int, now_us: int) -> None:
        """Note that frames of a device were taken in."""
        self.frames_count += count
        state = self.states.get(device)
        if state is not None:
            state.received += count
            state.heard_us = now_us

    def greeted(self, device: str, hello: dict[str, Any]) -> bool:
        """Note how a device's boot began; return whether it has newly come into safe mode."""
        state = self.states[device]
        before, start = state.start, start_of(hello["reset_cause"])
        if hello["boot"] == state.boot and not start.crash:
            start = start._replace(crash=before.crash)  # a device tells it once
        state.boot, state.firmware, state.start = hello["boot"], hello["firmware"], start
        return start.is_safe and not before.is_safe

    def batch(self, device: str, batch: Batch) -> None:
        """Take a decoded batch.

        Where the clock of its boot is not known it is of a boot that ended before this hub began:
        nothing of it is current, and it is not shown.
        """
        self.readings_count += batch.readings_count()
        state = self.states.get(device)
        offset_us = self._clocks.offset_us((device, batch.boot))
        if state is None or offset_us is None:
            return
        for series in batch.series or ():
            channel = state.channels.get(series.channel)
            if channel is None:
                channel = state.channels[series.channel] = Channel(series.unit)
            scale = series.multiplier * 10.0**series.exponent
            last = len(series.values) - 1
            end_us = series.time_us(last) + offset_us
            if end_us < channel.at_us:
                continue  # An older frame after an outage: it never replaces what is newer.
            if channel.at_us:
                channel.interval_us = end_us - channel.at_us
            channel.value, channel.at_us = series.values[-1] * scale, end_us
            start_us = end_us - (series.time_us(last) - series.start_us)
            self._extend(channel, [value * scale for value in series.values], (start_us, end_us))

    def _extend(self, channel: Channel, values: list[float], span: tuple[int, int]) -> None:
        start_us, end_us = span
        step_us = max(1, (end_us - start_us) // max(1, len(values) - 1))
        per_point = max(1, HISTORY_SPAN_US // step_us)
        for at in range(0, len(values), per_point):
            part = values[at : at + per_point]
            channel.points.extend((start_us + at * step_us, min(part), max(part)))
        if len(channel.points) > 2 * _POINTS_SIZE_MAX:
            del channel.points[:-_POINTS_SIZE_MAX]

    def alert(self, level: str, kind: str, texts: tuple[str, str], drill: bool) -> None:
        """Add an alert. texts: Japanese, English."""
        self._alert_count += 1
        at_us = self._time.clock.now_us()
        self._alerts.append(
            {"id": self._alert_count, "at_us": at_us, "level": level, "kind": kind,
             "text_ja": texts[0], "text_en": texts[1], "drill": drill}
        )  # fmt: skip

    def alerts(self) -> list[dict[str, Any]]:
        """Return the newest alerts, with their time on the hub's UTC as it is now."""
        return [{**one, "utc_us": self._time.utc_us(one["at_us"])} for one in self._alerts]

    def devices(
        self, online: set[str], now_us: int
    ) -> tuple[list[dict[str, Any]], dict[str, int]]:
        """Return one row for each device, at most DEVICES_MAX; and how many are in each state."""
        words = {name: self._word(name, name in online, now_us) for name in self.states}
        counts = dict.fromkeys(STATES, 0)
        for word in words.values():
            counts[word] += 1
        safe = {name for name, state in self.states.items() if state.start.is_safe}
        names = list(words)
        if len(names) > DEVICES_MAX:
            ranks = {word: at for at, word in enumerate(STATES)}
            is_first = self.first | safe
            names.sort(key=lambda name: -1 if name in is_first else ranks[words[name]])
        shown = self._shown = names[:DEVICES_MAX]
        rows = [self._device(self._devices[name], words[name], now_us) for name in shown]
        return rows, {**counts, "safe_mode": len(safe), "shown": len(rows)}

    def _word(self, name: str, is_online: bool, now_us: int) -> str:
        heard_us = self.states[name].heard_us
        if heard_us is None:
            return "online" if is_online else "never"
        if not is_online:
            return "offline"
        # A motion sensor speaks when somebody moves: everybody would see when that was.
        may_tell = not self._devices[name].personal
        return "silent" if may_tell and now_us - heard_us > SILENT_US else "online"

    def _device(self, device: Device, word: str, now_us: int) -> dict[str, Any]:
        state = self.states[device.name]
        key = (device.name, state.boot or 0)
        return {
            "device": device.name,
            "kind": device.kind,
            "name_ja": device.name_ja or device.name,
            "name_en": device.name_en or device.name,
            "state": word,
            "boot": state.boot,
            "last_frame_age_ms": None
            if state.heard_us is None
            else (now_us - state.heard_us) // 1000,
            "firmware": state.firmware,
            "slot": state.start.slot,
            "on_trial": state.start.is_on_trial,
            "reset_cause": state.start.cause,
            "safe_mode": state.start.is_safe,
            "supply_weak": state.start.is_supply_weak,
            "crash": state.start.crash,
            "clock_uncertainty_us": self._clocks.uncertainty_us(key),
            "readings": [
                self._reading(name, one, now_us) for name, one in sorted(state.channels.items())
            ],
            "received": state.received,
            "personal": device.personal,
        }

    def _reading(self, name: str, channel: Channel, now_us: int) -> dict[str, Any]:
        age_us = max(0, now_us - channel.at_us)
        due_us = max(CURRENT_US_MIN, 3 * channel.interval_us)
        return {"channel": name, "unit": channel.unit, "value": channel.value,
                "age_ms": age_us // 1000,
                "current": age_us < due_us}  # fmt: skip

    def channels(self) -> list[tuple[str, str, str]]:
        """Return (device, channel, unit) of all that have a history, of the devices last shown."""
        return [
            (device, name, channel.unit)
            for device in self._shown
            for name, channel in sorted(self.states[device].channels.items())
        ]

    def history(self, device: str, channel: str, since_utc_us: int) -> list[list[float]]:
        """Return [utc_us, min, max] since then, on the hub's UTC as it is now."""
        state = self.states.get(device)
        one = state.channels.get(channel) if state else None
        if one is None:
            return []
        offset_us = self._time.offset_us
        points = one.points[-_POINTS_SIZE_MAX:].tolist()
        return [
            [points[at] + offset_us, points[at + 1], points[at + 2]]
            for at in range(0, len(points), 3)
            if points[at] + offset_us > since_utc_us
        ]
