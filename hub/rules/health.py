"""The health of the system itself: devices, batteries, clocks, sensors, logs; the hub's disk.

- A silent device is said so within two of its usual intervals and ten seconds of its last word;
  mute when it is heard but its frames have stopped (hub.rules.vitals has how both are learned).
  Where MANY and a tenth of all go silent it is one finding, of the network, not one for each.
- Battery: of any device, channels in `%EL` (level) and `EL` (seconds left; RFC 8428, 12.1) are
  judged by what they say; one in volts by its row [[battery]].
- Clock: the uncertainty of the device's clock on the hub's.
- Noise: a sensor that is loose or dying (hub.rules.noise). Its reference is learned anew after a
  restart of the hub, which takes a day.
- Log: how many frames a device still held at its hello, and every loss that it names.
- Disk: hours until the store is full (hub.forecast); the store cannot write.

Not computable: a device that was never heard is not silent but not there yet; personal batches
stay closed to this rule. A silent device is a matter of this rule alone: nobody may be taken for
inactive, no river for low because of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hub.rules.finding import EMERGENCY, INFO, WARNING, WATCH, Finding
from hub.rules.noise import LOUD, QUIET, Noise, power
from hub.rules.problem import Problem, unknown_devices
from hub.rules.trend import MINUTE_US
from hub.rules.vitals import GRACE_US, Vitals
from hub.settings import Row
from protocols.batch import Batch, Series
from protocols.columns import Column
from protocols.vocabulary import LANE_STATE, LANE_WAVE, MODE_NORMAL

ROWS = (
    Row("health", "battery_percent", 20, "%", "A battery below it is low.", 1, 99),
    Row("health", "battery_h", 48, "h", "A battery that lasts less is low.", 1, 8760),
    Row("health", "clock_ms", 1000, "ms", "A device's clock may be so uncertain.", 1, 3600000),
    Row("health", "noise_ratio", 9.0, "",
        "A sensor whose noise power grows or falls so many times is loose or dying.", 2, 10000),
    Row("health", "noise_h", 3, "h", "In so many hours one after the other.", 1, 168),
    Row("health", "log_frames", 2000, "frames",
        "A device that still holds so many when it dials has a full log before long.",
        10, 1000000),
    Row("health", "disk_h", 24, "h", "Says so when the disk is full within this.", 1, 8760),
    Row("battery", "device", None, "", "Enrolled device.", 1, 16),
    Row("battery", "channel", "battery", "", "Its channel with the battery's voltage.", 1, 64),
    Row("battery", "low_v", 3.4, "V", "Below it the battery is low.", 0, 100),
)  # fmt: skip
LISTS = ("battery",)

STALL_US = 5_000_000  # between two ticks: the hub has heard nobody for so long
SLICES = 4  # of the devices; one is judged each second, each device within vitals.LOOK_US
MANY, MANY_SHARE = 10, 10  # at least so many, and one of so many
DISK_EMERGENCY_SHARE = 4  # of disk_h
LEFT_SHARE_PERCENT = 110  # of a battery's limit, above which it is charged again
LOG_HOLD_US = 600_000_000  # a loss in a device's log is over when none came for so long

SILENT, MUTE, CLOCK, LOG, LOST = "silent", "mute", "clock", "log", "lost"
TEXTS = {
    SILENT: ("端末が沈黙しています", "device is silent"),
    MUTE: ("端末は応答しますがデータが来ません", "device answers but brings no readings"),
    CLOCK: ("端末の時計が不確かです", "clock of the device is uncertain"),
    LOG: ("端末に未送信データが溜まっています", "device holds much that is not sent yet"),
    LOST: ("端末の記録領域があふれました(欠測あり)", "the device's log was full: readings lost"),
    "battery": ("電池が少なくなっています", "battery is low"),
    LOUD: ("センサの雑音が増えました(緩み・浸水)", "sensor has become noisy: loose or wet"),
    QUIET: ("センサの雑音が消えました(故障・固着)", "sensor is too quiet: dying or stuck"),
    "many": ("台の端末が沈黙(回線障害の疑い)", "devices are silent: most likely the network"),
    "disk": ("保存領域がまもなく満杯です", "the disk will soon be full"),
    "store": ("保存できません", "the store cannot write"),
    "utc": ("ハブの時刻が分かりません(日程を使う見守りは全時間帯を判定)",
            "the hub does not know the time: schedules of people are not used"),
}  # fmt: skip


def problems(tables: dict[str, Any], devices: set[str]) -> Iterator[Problem]:
    """Say what is wrong with [[battery]]."""
    yield from unknown_devices("battery", tables["battery"], devices)


@dataclass
class _Lost:
    count: int = 0
    at_us: int = 0


class HealthRule:
    """row: [health]; batteries: the [[battery]] tables; vitals: written by the hub."""

    name = "health"
    is_sampling = True  # batteries and noise change slowly

    def __init__(
        self, row: dict[str, Any], batteries: list[dict[str, Any]], vitals: Vitals
    ) -> None:
        self._row = row
        self._batteries = {(one["device"], one["channel"]): one["low_v"] for one in batteries}
        self._vitals = vitals
        self._noise: dict[tuple[str, str], Noise] = {}
        self._noised_us: dict[tuple[str, str], int] = {}
        self._lost: dict[str, _Lost] = {}
        self._said: dict[str, int] = {}  # key -> level of the finding that is out
        self._restored: set[str] = set()  # what is to be said again, where it still holds
        self._silent: set[str] = set()
        # Silent before a restart, and not heard since this: the start itself is no sign of life.
        self._unheard: set[str] = set()
        self._unheard_us = 0
        self._many = 0  # how many were silent when that was said last
        self._slice = 0
        self._ticked_us = 0
        self._deaf_until_us = 0  # the hub itself stood still: what came meanwhile is read first

    def wants(self, device: str, kind: str, lane: int) -> bool:
        """Tell whether batches of such devices and lane are needed."""
        return lane == LANE_STATE or (lane == LANE_WAVE and kind == "bridge")

    def feed(self, device: str, batch: Batch, at_us: int) -> list[Finding]:
        """Take a batch: batteries and noise."""
        findings: list[Finding] = []
        for series in batch.series or ():
            findings += self._battery(device, series)
            if series.spacing_ns:
                findings += self._listen(device, series, at_us)
        return findings

    def tick(self, now_us: int, utc_us: int) -> list[Finding]:
        """Judge a slice of the devices, and the hub."""
        known = self._vitals.devices()
        self._slice = (self._slice + 1) % SLICES
        devices = known[self._slice :: SLICES]
        if self._ticked_us and now_us - self._ticked_us > STALL_US:
            self._deaf_until_us = now_us + GRACE_US
        self._ticked_us = now_us
        for device in devices if now_us >= self._deaf_until_us else ():
            if self._is_unheard(device, now_us):
                continue
            is_silent = self._vitals.is_silent(device, now_us)
            (self._silent.add if is_silent else self._silent.discard)(device)
        findings = self._hub() + self._crowd(len(known))
        for device in devices:
            findings += self._device(device, now_us)
        return findings

    def save(self, now_us: int) -> dict[str, Any]:
        """Return what has been said, so that it is neither said twice nor never taken back."""
        return {"said": self._said, "silent": sorted(self._silent), "many": self._many}

    def restore(self, saved: dict[str, Any], now_us: int) -> None:
        """Take it back."""
        self._said = {str(key): int(level) for key, level in saved.get("said", {}).items()}
        self._silent = set(saved.get("silent", ()))
        self._many = int(saved.get("many", 0))
        self._restored = set(self._said)
        self._unheard, self._unheard_us = set(self._silent), now_us + GRACE_US

    def standing(self) -> set[str]:
        """Return the keys of what is not over and is not said again by itself."""
        return {"many"} if self._many else set()

    # Devices

    def _is_unheard(self, device: str, now_us: int) -> bool:
        if device not in self._unheard:
            return False
        heard_us = now_us - (self._vitals.silent_us(device, now_us) or 0)
        if heard_us > self._unheard_us:
            self._unheard.discard(device)
        return heard_us <= self._unheard_us

    def _device(self, device: str, now_us: int) -> list[Finding]:
        vitals, row = self._vitals, self._row
        is_silent = device in self._silent
        silent_s = (vitals.silent_us(device, now_us) or 0) / 1e6
        findings = self._say(SILENT, device, WATCH * is_silent, {"silent_s": silent_s})
        if is_silent:
            return findings  # the rest is not known
        findings += self._say(MUTE, device, WATCH * vitals.is_mute(device, now_us))
        off_ms = vitals.uncertainty_us.get(device, 0) / 1000
        limit_ms = row["clock_ms"] / (2 if f"{device}/{CLOCK}" in self._said else 1)
        findings += self._say(CLOCK, device, WATCH * (off_ms > limit_ms),
                              {"uncertainty_ms": off_ms})  # fmt: skip
        waiting = vitals.waiting.get(device, 0)
        is_filling = waiting >= row["log_frames"]
        findings += self._say(LOG, device, WATCH * is_filling, {"waiting_count": float(waiting)})
        return findings + self._losses(device, now_us)

    def _losses(self, device: str, now_us: int) -> list[Finding]:
        count = self._vitals.lost.get(device, 0)
        known = self._lost.setdefault(device, _Lost()) if count else self._lost.get(device)
        if known is None:
            return []
        if count > known.count:
            known.count, known.at_us = count, now_us
        is_recent = bool(known.at_us) and now_us - known.at_us < LOG_HOLD_US
        return self._say(LOST, device, WARNING * is_recent, {"losses_count": float(count)})

    def _crowd(self, count: int) -> list[Finding]:
        """Say of many silent devices once, and again when they are twice as many."""
        silent = len(self._silent)
        is_many = self._is_many(silent, count)
        if is_many == bool(self._many) and not (is_many and silent >= 2 * self._many):
            return []
        self._many = silent if is_many else 0
        ja, en = TEXTS["many"]
        texts = (f"{silent} {ja}", f"{silent} {en}")
        level = WARNING if is_many else 0
        return [_finding("many", "", (level, texts), {"silent_count": float(silent)})]

    def _is_many(self, silent: int, count: int) -> bool:
        if self._many:
            return 2 * silent >= MANY
        return silent >= MANY and MANY_SHARE * silent >= count

    # Readings

    def _battery(self, device: str, series: Series) -> list[Finding]:
        low = self._battery_limit(device, series)
        if low is None:
            return []
        value = series.values[-1] * series.multiplier * 10.0**series.exponent
        key = f"{device}/{series.channel}/battery"
        if key in self._said:
            low *= LEFT_SHARE_PERCENT / 100
        place = f"{device}/{series.channel}"
        return self._say("battery", place, WATCH * (value < low), {"battery": value})

    def _battery_limit(self, device: str, series: Series) -> float | None:
        if series.unit == "%EL":
            return float(self._row["battery_percent"])
        if series.unit == "EL":
            return float(self._row["battery_h"] * 3600)
        return self._batteries.get((device, series.channel)) if series.unit == "V" else None

    def _listen(self, device: str, series: Series, at_us: int) -> list[Finding]:
        key = (device, series.channel)
        if at_us - self._noised_us.get(key, -MINUTE_US) < MINUTE_US // 2:
            return []  # a batch in half a minute says enough
        values = series.values
        strength = power(list(values) if isinstance(values, Column) else values)
        if strength is None:
            return []
        self._noised_us[key] = at_us
        noise = self._noise.get(key)
        if noise is None:
            noise = self._noise[key] = Noise()
        if not noise.put(at_us, strength, (self._row["noise_ratio"], self._row["noise_h"])):
            return []
        place, ratio = f"{device}/{series.channel}", {"noise_ratio": noise.ratio}
        return [
            finding
            for word in (LOUD, QUIET)
            for finding in self._say(word, place, WATCH * (noise.state == word), ratio)
        ]

    # The hub

    def _hub(self) -> list[Finding]:
        vitals, hours = self._vitals, self._vitals.hours_to_full
        level = 0
        if hours is not None and hours <= self._row["disk_h"]:
            level = EMERGENCY if hours * DISK_EMERGENCY_SHARE <= self._row["disk_h"] else WARNING
        findings = self._say(
            "disk", "hub", level, {} if hours is None else {"hours_to_full": hours}
        )
        findings += self._say("store", "hub", EMERGENCY * bool(vitals.store_failure))
        return findings + self._say("utc", "hub", WATCH * (not vitals.is_utc_plausible))

    # Saying

    def _say(
        self, what: str, place: str, level: int, values: dict[str, float] | None = None
    ) -> list[Finding]:
        """Return the finding where its level is not what was said last; 0: all is well."""
        key = f"{place}/{what}"
        if self._said.get(key, 0) == level and not (level and key in self._restored):
            return []
        self._restored.discard(key)
        if level:
            self._said[key] = level
        else:
            del self._said[key]
        if what == SILENT and level and self._many:
            del self._said[key]  # one of many: said once for all
            return []
        ja, en = TEXTS[what]
        texts = (f"{ja}: {place}", f"{en}: {place}")
        return [_finding(what, place, (level, texts), values or {})]


def _finding(
    what: str, place: str, said: tuple[int, tuple[str, str]], values: dict[str, float]
) -> Finding:
    level, (ja, en) = said
    ja, en = (ja, en) if level else (f"回復: {ja}", f"over: {en}")
    return Finding(
        HealthRule.name, f"{place}/{what}" if place else what, level or INFO, MODE_NORMAL,
        ja, en, not level, kind="health", values=values,
        place="" if place == "hub" else place.split("/")[0],
    )  # fmt: skip
