"""Scenario files: which devices stand where, what the world does to them, and what breaks when.

One TOML file in simulators/scenarios, every setting a row below; a mistake is named by file, line,
setting and what is allowed.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from boards.profiles import device_profiles, read_device
from hub.settings import Document, Row, SettingsError

FOLDER = Path(__file__).parent / "scenarios"
SECONDS_MIN, SECONDS_MAX = 15, 86_400

ACTIONS = {
    "cut_line": ("外部回線を切断", "The line to the platform is cut"),
    "restore_line": ("外部回線が復旧", "The line is back"),
    "power_cut": ("端末の電源断", "A device loses power"),
    "power_on": ("端末の電源復旧", "The device has power again"),
    "kill_hub": ("ハブを強制終了 (SIGKILL)", "The hub is killed (SIGKILL)"),
    "start_hub": ("ハブを再起動", "The hub is started again"),
}

# What mends, and what it mends: nothing breaks twice, or is mended while it is whole.
MENDS = {"restore_line": "cut_line", "power_on": "power_cut", "start_hub": "kill_hub"}

ROWS = (
    Row("scenario", "title_ja", None, "", "Title in Japanese."),
    Row("scenario", "title_en", None, "", "Title in English."),
    Row("scenario", "seconds", 90, "s", "Length; all times below belong to it.",
        SECONDS_MIN, SECONDS_MAX),
    Row("bridge", "temperature_c", 18.0, "Cel", "Mean temperature of the day.", -50, 60),
    Row("bridge", "ambient_m_s2", 0.004, "m/s2", "Trembling by wind; 0 for exact playback.", 0, 1),
    Row("bridge", "vehicles_share", 0.3, "", "Chance of a vehicle in each 8 s.", 0, 1),
    Row("quake", "at_s", -1.0, "s", "When the quake (or record) begins; -1: none.",
        -1, SECONDS_MAX),
    Row("quake", "duration_s", 20.0, "s", "From the first tremor to the last.", 1, 600),
    Row("quake", "peak_m_s2", 2.5, "m/s2", "Largest ground acceleration.", 0.01, 15),
    Row("river", "stage_m", 0.8, "m", "Normal stage.", 0.1, 4),
    Row("river", "flood", [], "s, m", "List of [second, metres above normal], times rising."),
    Row("slope", "rain", [], "s, mm/h", "List of [from second, mm/h], times rising."),
    Row("slope", "creep", [], "s, deg", "List of [second, degrees], times rising."),
    Row("home", "button_at_s", [], "s", "When the emergency button is pressed."),
    Row("home", "door_at_s", [], "s", "When the door opens."),
    Row("device", "name", None, "", "Name of the device.", 1, 16),
    Row("device", "profile", None, "", "Its profile.", choices=tuple(device_profiles())),
    Row("device", "position", 0.5, "", "Where on the bridge it is, as a share of the span.", 0, 1),
    Row("event", "at_s", None, "s", "When it happens.", 0, SECONDS_MAX, kind=float),
    Row("event", "action", None, "", "What happens.", choices=tuple(ACTIONS)),
    Row("event", "device", "", "", "Which device, for power_cut and power_on.", 0, 16),
)  # fmt: skip
TABLES = ("scenario", "bridge", "quake", "river", "slope", "home")


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


class Scenario:
    """A checked scenario, its times scaled to a run of `seconds`."""

    def __init__(self, name: str, document: Document, seconds: int | None) -> None:
        self.name = name
        self._document = document
        document.refuse_others([*TABLES, "device", "event"])
        self.tables = {
            table: document.read_table(ROWS, table, document.data.get(table, {}))
            for table in TABLES
        }
        nominal = self.tables["scenario"]["seconds"]
        self.seconds = seconds or nominal
        self._us_per_s = self.seconds * 1_000_000 / nominal
        self.devices = self._devices()
        self.events = self._events()

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

    def _devices(self) -> list[Placed]:
        devices: dict[str, Placed] = {}
        for at, row in enumerate(self._document.read_tables(ROWS, "device")):
            if row["name"] in devices:
                raise self._document.error("device", "name", "is used twice", "Rename one.", at=at)
            kind = read_device(row["profile"])["kind"]
            devices[row["name"]] = Placed(row["name"], row["profile"], kind, row["position"])
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
