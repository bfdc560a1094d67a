"""Scenario files: which devices stand where, what the world does to them, and what breaks when.

One TOML file in simulators/scenarios, every setting a row below; a mistake is named by file, line,
setting and what is allowed. What must and must not be said of it all: simulators.judge.

A scenario of `pace` "real" is played by the real programs, and a run of another length scales all
its times. One of pace "virtual" (days to a year) is played by simulators.fast: its times are
physical and never scaled, a shorter run is its beginning.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

from boards.profiles import device_profiles, read_device
from hub.settings import Document, Row, SettingsError
from simulators import judge

FOLDER = Path(__file__).parent / "scenarios"
SECONDS_MIN, SECONDS_MAX = 15, judge.SECONDS_MAX
REAL, VIRTUAL = "real", "virtual"
JST = timezone(timedelta(hours=9), "JST")

ACTIONS = {
    "cut_line": ("外部回線を切断", "The line to the platform is cut"),
    "restore_line": ("外部回線が復旧", "The line is back"),
    "power_cut": ("端末の電源断", "A device loses power"),
    "power_on": ("端末の電源復旧", "The device has power again"),
    "kill_hub": ("ハブを強制終了 (SIGKILL)", "The hub is killed (SIGKILL)"),
    "start_hub": ("ハブを再起動", "The hub is started again"),
    "start_drill": ("訓練を開始", "A drill begins"),
    "stop_drill": ("訓練を終了", "The drill is over"),
}
# What somebody orders of a hub, and no fault: `hinomi hub ..` runs it.
REAL_ONLY = ("cut_line", "restore_line", "start_drill", "stop_drill")

# What mends, and what it mends: nothing breaks twice, or is mended while it is whole.
MENDS = {"restore_line": "cut_line", "power_on": "power_cut", "start_hub": "kill_hub",
         "stop_drill": "start_drill"}  # fmt: skip

ROWS = (
    Row("scenario", "title_ja", None, "", "Title in Japanese."),
    Row("scenario", "title_en", None, "", "Title in English."),
    Row("scenario", "seconds", 90, "s", "Length; all times below belong to it.",
        SECONDS_MIN, SECONDS_MAX),
    Row("scenario", "pace", REAL, "", "Played by the real programs, or in virtual time.",
        choices=(REAL, VIRTUAL)),
    Row("scenario", "begins", "2026-06-01T10:00", "", "Date and time in Japan when it begins.",
        10, 19),
    Row("scenario", "tick_s", 1, "s", "In virtual time: how often rules are asked by time.",
        1, 600),
    Row("scenario", "report_s_min", 1, "s",
        "In virtual time: no device reports more often, whatever its policy says.", 1, 3600),
    Row("scenario", "false_alarms_month", 0.0, "",
        "So many false alarms a month, or in a shorter run, are borne.", 0, 1000),
    Row("weather", "rain", [], "s, mm/h",
        "List of [from second, mm/h], times rising: wets the slope and fills the river."),
    Row("weather", "storms_month", 0.0, "", "Storms a month by lot, of 3 to 60 mm.", 0, 60),
    Row("weather", "typhoons_year", 0, "",
        "Typhoons each autumn by lot that do no harm, of 60 to 95 mm.", 0, 20),
    Row("weather", "swing_year_c", 0.0, "K",
        "How far the mean of a summer's day is above that of the year.", 0, 30),
    Row("bridge", "temperature_c", 18.0, "Cel", "Mean temperature of the day.", -50, 60),
    Row("bridge", "ambient_m_s2", 0.004, "m/s2", "Trembling by wind; 0 for exact playback.", 0, 1),
    Row("bridge", "vehicles_share", 0.3, "", "Chance of a vehicle in each 8 s.", 0, 1),
    Row("bridge", "loss", [], "s, share",
        "List of [second, share], times rising: how much of its frequency is lost by then."),
    Row("bridge", "record_s", 120, "s",
        "In virtual time: length of each piece of waveform that is played.", 10, 600),
    Row("bridge", "record_every_s", 3600, "s", "In virtual time: from one piece to the next.",
        60, 86_400),
    Row("quake", "at_s", -1.0, "s", "When the quake (or record) begins; -1: none.",
        -1, SECONDS_MAX),
    Row("quake", "duration_s", 20.0, "s", "From the first tremor to the last.", 1, 600),
    Row("quake", "peak_m_s2", 2.5, "m/s2", "Largest ground acceleration.", 0.01, 15),
    Row("river", "stage_m", 0.8, "m", "Normal stage.", 0.1, 4),
    Row("river", "flood", [], "s, m", "List of [second, metres above normal], times rising."),
    Row("slope", "rain", [], "s, mm/h", "List of [from second, mm/h], times rising."),
    Row("slope", "creep", [], "s, deg", "List of [second, degrees], times rising."),
    Row("slope", "slips_at_mm", 0.0, "mm",
        "Water in the ground from which on it creeps; 0: it never does.", 0, 1000),
    Row("slope", "tears_at_deg", 2.0, "deg", "Tilt at which the wire tears.", 0.01, 90),
    Row("home", "device", "", "", "Whose home these times are of; empty: of all.", 0, 16),
    Row("home", "button_at_s", [], "s", "When the emergency button is pressed."),
    Row("home", "door_at_s", [], "s", "When the door opens."),
    Row("home", "away", [], "s", "List of [from second, until second]: nobody is at home."),
    Row("home", "fallen", [], "s", "List of [from second, until second]: nobody moves."),
    Row("device", "name", None, "", "Name of the device.", 1, 16),
    Row("device", "profile", None, "", "Its profile.", choices=tuple(device_profiles())),
    Row("device", "position", 0.5, "", "Where on the bridge it is, as a share of the span.", 0, 1),
    Row("device", "travel_s", 0, "s", "Of a river gauge: how much later a flood is here.",
        0, 604_800),
    Row("watch", "table", None, "", "Table of hub.toml to set: of a rule, or another.", 1, 32),
    Row("watch", "settings", None, "", "Its settings; those left out have their defaults.",
        kind=dict),
    Row("event", "at_s", None, "s", "When it happens.", 0, SECONDS_MAX, kind=float),
    Row("event", "action", None, "", "What happens.", choices=tuple(ACTIONS)),
    Row("event", "device", "", "", "Which device, for power_cut and power_on.", 0, 16),
)  # fmt: skip
TABLES = ("scenario", "weather", "bridge", "quake", "river", "slope", "home")


@dataclass(frozen=True)
class Event:
    """Something breaks or is mended at at_us of world time."""

    at_us: int
    action: str
    device: str

    def text(self) -> str:
        """Say it in Japanese and English."""
        ja, en = ACTIONS[self.action]
        suffix = f" ({self.device})" if self.device else ""
        return f"{en} / {ja}{suffix}"


@dataclass(frozen=True)
class Placed:
    """One device of the scenario."""

    name: str
    profile: str
    kind: str
    position: float
    travel_us: int = 0


class Scenario:
    """A checked scenario, its times scaled to a run of `seconds` unless it is virtual.

    watches: (table, settings) of hub.toml, those of rules among them. begins_us: UTC.
    """

    def __init__(self, name: str, document: Document, seconds: int | None) -> None:
        self.name = name
        self._document = document
        document.refuse_others([*TABLES, "device", "event", "watch", *judge.TABLES])
        self.tables = {
            table: document.read_table(ROWS, table, document.data.get(table, {}))
            for table in TABLES
        }
        head = self.tables["scenario"]
        self.is_virtual = head["pace"] == VIRTUAL
        self.seconds = seconds or head["seconds"]
        scale = 1.0 if self.is_virtual else self.seconds / head["seconds"]
        self._us_per_s = scale * 1_000_000
        self.begins_us = self._begins_us()
        self.devices = self._devices()
        self.events = self._events()
        self.watches = [
            (row["table"], row["settings"]) for row in document.read_tables(ROWS, "watch")
        ]
        self.demands = judge.read_demands(
            document, scale=scale, false_alarms_month=head["false_alarms_month"]
        )

    def us(self, second: float) -> int:
        """Return world time in us of a second of the file."""
        return int(second * self._us_per_s)

    def pairs(self, table: str, name: str) -> list[tuple[int, float]]:
        """Return a list of [second, value] as (us, value); SettingsError where it is none."""
        rows: Any = self.tables[table][name]
        if not all(
            isinstance(row, list) and len(row) == 2 and all(map(_is_number, row)) for row in rows
        ) or any(left[0] >= right[0] for left, right in pairwise(rows)):
            remedy = "Write a list of [second, value], times rising, as [[40, 0.0], [60, 2.5]]."
            raise self._document.error(table, name, "is no such list", remedy)
        return [(self.us(second), float(value)) for second, value in rows]

    def times(self, table: str, name: str) -> list[int]:
        """Return a list of seconds as us."""
        rows: Any = self.tables[table][name]
        if not all(map(_is_number, rows)):
            raise self._document.error(
                table, name, "is no list of seconds", "Write numbers, as [5, 60]."
            )
        return [self.us(second) for second in rows]

    def spans(self, table: str, name: str) -> list[tuple[int, int]]:
        """Return a list of [from second, until second] as (us, us)."""
        return [(from_us, self.us(until_s)) for from_us, until_s in self.pairs(table, name)]

    def day_offset_us(self) -> int:
        """Return the time of day in Japan when it begins."""
        begins = datetime.fromtimestamp(self.begins_us // 1_000_000, JST)
        return (begins.hour * 3600 + begins.minute * 60 + begins.second) * 1_000_000

    def year_offset_us(self) -> int:
        """Return the time of year when it begins."""
        begins = datetime.fromtimestamp(self.begins_us // 1_000_000, JST)
        return int((begins.timetuple().tm_yday - 1) * 86_400_000_000)

    def _begins_us(self) -> int:
        text = self.tables["scenario"]["begins"]
        try:
            moment = datetime.fromisoformat(text).replace(tzinfo=JST)
        except ValueError:
            remedy = "Write it as 2026-06-01T10:00."
            raise self._document.error("scenario", "begins", f"is {text!r}", remedy) from None
        return int(moment.timestamp()) * 1_000_000

    def _devices(self) -> list[Placed]:
        devices: dict[str, Placed] = {}
        for at, row in enumerate(self._document.read_tables(ROWS, "device")):
            if row["name"] in devices:
                raise self._document.error("device", "name", "is used twice", "Rename one.", at=at)
            kind = read_device(row["profile"])["kind"]
            devices[row["name"]] = Placed(
                row["name"], row["profile"], kind, row["position"], self.us(row["travel_s"])
            )
        if not devices:
            raise self._document.error("device", "", "is missing", "Add at least one [[device]].")
        return list(devices.values())

    def _events(self) -> list[Event]:
        rows = self._document.read_tables(ROWS, "event")
        for at, row in enumerate(rows):
            self._check_event(at, row)
        broken: set[tuple[str, str]] = set()
        events = []
        for at, row in sorted(enumerate(rows), key=lambda one: one[1]["at_s"]):
            self._check_order(at, row, broken)
            events.append(Event(self.us(row["at_s"]), row["action"], row["device"]))
        return events

    def _check_event(self, at: int, row: dict[str, Any]) -> None:
        names = [device.name for device in self.devices]
        needs_device = row["action"].startswith("power")
        if needs_device != bool(row["device"]) or (needs_device and row["device"] not in names):
            remedy = f"Name it for power_cut and power_on only: {', '.join(names)}."
            raise self._document.error("event", "device", f"is {row['device']!r}", remedy, at=at)
        if self.is_virtual and row["action"] in REAL_ONLY:
            remedy = "Remove it, or let scenario.pace be real."
            why = f"is {row['action']}, which virtual time does not have"
            raise self._document.error("event", "action", why, remedy, at=at)
        nominal = self.tables["scenario"]["seconds"]
        if row["at_s"] > nominal:
            remedy = f"Allowed: 0 to scenario.seconds, which is {nominal}."
            raise self._document.error("event", "at_s", f"is {row['at_s']:g}", remedy, at=at)

    def _check_order(self, at: int, row: dict[str, Any], broken: set[tuple[str, str]]) -> None:
        action, device = row["action"], row["device"]
        fault = (MENDS.get(action, action), device)
        if (action in MENDS) != (fault in broken):
            why = (
                f"is {action}, which has nothing to {'mend' if action in MENDS else 'break'} then"
            )
            pairs = ", ".join(f"{fault} and {mend}" for mend, fault in MENDS.items())
            raise self._document.error(
                "event", "action", why, f"By time these take turns: {pairs}.", at=at
            )
        broken ^= {fault}


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def scenario_names() -> list[str]:
    """Return the names of the scenarios that come with Hinomi."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read_scenario(name: str, seconds: int | None = None) -> Scenario:
    """Return a scenario by name or path of a .toml file; SettingsError where it is none."""
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if seconds is not None and not SECONDS_MIN <= seconds <= SECONDS_MAX:
        remedy = f"Choose {SECONDS_MIN} to {SECONDS_MAX}."
        raise SettingsError(f"A run cannot last {seconds} s", remedy)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        remedy = f"Known: {', '.join(scenario_names())}; or name a .toml file."
        raise SettingsError(f"There is no scenario {name!r}", remedy) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is no text in UTF-8", "Save it as UTF-8.") from None
    return Scenario(path.stem, Document(text, str(path)), seconds)
