"""Bridges: peaks and RMS, natural frequency and the deck's place against temperature, strain.

Each [[bridge]] table is one node; nodes of the same `bridge` are one bridge. hub.rules.structure
computes: the frequency by Welch's spectrum, temperature taken out by a line that was learned while
all was well, cycles as ASTM E1049, vehicles' weight by the area of strain. A loss is a finding
when the median of an hour exceeds the limit and three standard errors of the line. Whatever
cannot be computed has a reason (`facts`), and is a finding once it has lasted for hours.

After shaking, hub.report makes an inspection report of what this rule and the store know.
"""

import importlib.resources
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from hub.rules.finding import INFO, WARNING, WATCH, Finding
from hub.rules.problem import Problem, unknown_devices
from hub.settings import Row
from protocols.batch import Batch
from protocols.vocabulary import LANE_LIFE, MODE_NORMAL, MODE_WATCH

if TYPE_CHECKING:  # numpy costs 15 MiB: only hubs with a bridge import it
    from hub.rules.structure.node import Node

CLASSES = ("A", "B", "C", "D", "E", "F", "G", "H")
ROWS = (
    Row("bridge", "device", None, "", "Enrolled device on the bridge.", 1, 16),
    Row("bridge", "bridge", "bridge", "", "Bridge it is on: nodes of one bridge have the same.",
        1, 32, without="/\\.: "),
    Row("bridge", "name_ja", "", "", "Name of the bridge in Japanese.", 0, 120),
    Row("bridge", "name_en", "", "", "Name of the bridge in English.", 0, 120),
    Row("bridge", "place_ja", "", "", "Where on the bridge, in Japanese.", 0, 120),
    Row("bridge", "place_en", "", "", "Where on the bridge, in English.", 0, 120),
    Row("bridge", "acc", "acc", "", "Its accelerometer: channels .x, .y and .z.", 1, 32),
    Row("bridge", "up", "z", "", "Its vertical axis.", choices=("x", "y", "z")),
    Row("bridge", "strain", "strain", "", "Its strain gauge's channel.", 1, 32),
    Row("bridge", "displacement", "displacement", "", "Its displacement channel.", 1, 32),
    Row("bridge", "temperature", "temperature", "", "Its thermometer's channel.", 1, 32),
    Row("bridge", "frequency_hz", 0.0, "Hz",
        "Natural frequency that is followed; 0: the strongest is found.", 0, 50),
    Row("bridge", "baseline_h", 168.0, "h",
        "So many hours of data teach what is normal at which temperature.", 4, 8760),
    Row("bridge", "frequency_loss_percent", 3.0, "%",
        "Loss of frequency, temperature taken out, that is a warning.", 0.5, 50),
    Row("bridge", "displacement_mm", 10.0, "mm",
        "Displacement, temperature taken out, that is a warning.", 0.1, 1000),
    Row("bridge", "peak_m_s2", 3.0, "m/s2", "Acceleration that is watched.", 0.05, 50),
    Row("bridge", "strain_um_m", 500.0, "um/m", "Strain beside the slow one that is a warning.",
        10, 5000),
    Row("bridge", "passage_um_m", 15.0, "um/m", "Strain that a vehicle begins with.", 1, 1000),
    Row("bridge", "tonnes_per_um_m", 0.0, "t per um/m",
        "Weight of a vehicle for its strain, from trucks of known weight; 0: not calibrated.",
        0, 100),
    Row("bridge", "vehicle_t_max", 0.0, "t", "Heavier vehicles are said; 0: none is.", 0, 200),
    Row("bridge", "young_gpa", 200.0, "GPa", "Young's modulus at the gauge.", 1, 400),
    Row("bridge", "fatigue_class", "E", "", "Fatigue class (JSSC) of the detail at the gauge.",
        choices=CLASSES),
    Row("bridge", "endurance_mpa", 0.0, "MPa",
        "Stress range borne two million times, from the design; 0: as the class has it.", 0, 500),
    Row("bridge", "cut_off_mpa", 0.0, "MPa",
        "Varying stress range below which no cycle counts; 0: as the class has it.", 0, 500),
)  # fmt: skip
LISTS = ("bridge",)

LEFT_SHARE = 0.7  # of a limit, below which it counts as left
WORSE_BY = 1.5
QUIET_US = 600_000_000
FAULT_US = 6 * 3_600_000_000  # not computable for so long is said
TEXTS = {
    "peak": ("橋の加速度", "Acceleration of the bridge", "m/s²", 2),
    "strain": ("橋のひずみ", "Strain of the bridge", "μm/m", 0),
    "weight": ("車両重量(推定)", "Vehicle weight, estimated", "t", 0),
    "frequency": ("橋の固有振動数の低下(温度補正後)", "Natural frequency lost, temperature "
                  "taken out", "%", 1),
    "displacement": ("橋の変位(温度補正後)", "Displacement of the bridge, temperature taken out",
                     "mm", 1),
}  # fmt: skip
GRADES = {"peak": (WATCH, MODE_NORMAL), "weight": (INFO, MODE_NORMAL)}
VALUE_UNITS = {"m/s²": "m_s2", "μm/m": "um_m", "t": "t", "%": "percent", "mm": "mm"}


def problems(tables: dict[str, Any], devices: set[str]) -> Iterator[Problem]:
    """Say what is wrong with [[bridge]]."""
    yield from unknown_devices("bridge", tables["bridge"], devices)
    for at, row in enumerate(tables["bridge"]):
        if row["vehicle_t_max"] and not row["tonnes_per_um_m"]:
            remedy = "Set bridge.tonnes_per_um_m with `hinomi hub weigh`, or 0 here."
            yield Problem("bridge", "vehicle_t_max", "needs a calibration", remedy, at)
        endurance_mpa, cut_off_mpa = _stress_ranges(row)
        if cut_off_mpa >= endurance_mpa:
            remedy = f"Allowed: less than bridge.endurance_mpa, which is {endurance_mpa:g}."
            yield Problem("bridge", "cut_off_mpa", f"is {cut_off_mpa:g}", remedy, at)


@cache
def fatigue_classes() -> dict[str, Any]:
    """Return class -> its stress ranges in MPa; see the file for source and date."""
    text = importlib.resources.files("hub.rules").joinpath("data/fatigue_classes.toml").read_text()
    classes: dict[str, Any] = tomllib.loads(text)["classes"]
    return classes


def _stress_ranges(row: dict[str, Any]) -> tuple[float, float]:
    grade = fatigue_classes()[row["fatigue_class"]]
    return row["endurance_mpa"] or grade["endurance_mpa"], row["cut_off_mpa"] or grade[
        "cut_off_mpa"
    ]


class BridgeRule:
    """rows: the [[bridge]] tables of hub.toml."""

    name = "bridge"

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.nodes: dict[str, Node] = _nodes(rows)
        self._mates: dict[str, list[str]] = self.bridges()
        self._said: dict[tuple[str, str], float] = {}  # device, what -> value of the last finding
        self._high_us: dict[tuple[str, str], int] = {}  # when a passing thing was last high
        self._fault_since_us: dict[str, int] = {}

    def wants(self, device: str, kind: str, lane: int) -> bool:
        """Tell whether batches of such devices and lane are needed."""
        return device in self.nodes and lane != LANE_LIFE

    def feed(self, device: str, batch: Batch, at_us: int) -> list[Finding]:
        """Take a batch whose newest reading was taken at at_us."""
        node = self.nodes.get(device)
        if node is None:
            return []
        node.feed(batch, at_us)
        findings = self._passing(node, "peak", node.fresh_peak, at_us)
        findings += self._passing(node, "strain", node.fresh_strain_um_m, at_us)
        for passage in node.fresh_passages:
            tonnes = passage.measure * node.row["tonnes_per_um_m"]
            findings += self._passing(node, "weight", tonnes, at_us)
        node.fresh_peak, node.fresh_strain_um_m = 0.0, 0.0
        node.fresh_passages.clear()
        return findings

    def tick(self, now_us: int, utc_us: int) -> list[Finding]:
        """End stretches that are over, and judge them."""
        findings = []
        for (device, what), high_us in list(self._high_us.items()):
            if now_us - high_us > QUIET_US:
                del self._high_us[device, what]
                findings += self._grade(self.nodes[device], what, 0.0, now_us)
        for node in self.nodes.values():
            if node.is_due(now_us):
                node.close(now_us, self._temperature(node, now_us))
                findings += self._judge(node, now_us)
        return findings

    def save(self, now_us: int) -> dict[str, Any]:
        """Return the lines, the cycles and what has been said."""
        if not self.nodes:
            return {}
        said = [[device, what, value] for (device, what), value in self._said.items()]
        nodes = {device: node.save(now_us) for device, node in self.nodes.items()}
        return {"nodes": nodes, "said": said}

    def restore(self, saved: dict[str, Any], now_us: int) -> None:
        """Take it back."""
        for device, node in self.nodes.items():
            if device in saved.get("nodes", {}):
                node.restore(saved["nodes"][device], now_us)
        for device, what, value in saved.get("said", []):
            if device in self.nodes:
                self._said[device, what] = float(value)
                if what in ("peak", "strain", "weight"):
                    self._high_us[device, what] = now_us

    def standing(self) -> set[str]:
        """Return the keys of the findings that are not over, as a restart remembers them."""
        return {f"{device}/{what}" for device, what in self._said}

    def bridges(self) -> dict[str, list[str]]:
        """Return bridge -> its nodes' devices."""
        found: dict[str, list[str]] = {}
        for device, node in self.nodes.items():
            found.setdefault(node.row["bridge"], []).append(device)
        return found

    def facts(self, device: str, now_us: int) -> dict[str, Any]:
        """Return what is known of a node, as JSON takes it; None: not computable."""
        from hub.rules.structure.cycles import damage
        from hub.rules.structure.node import CYCLE_STEP_UM_M

        node = self.nodes[device]
        endurance_mpa, cut_off_mpa = _stress_ranges(node.row)
        micro_per_mpa = 1000 / node.row["young_gpa"]
        counts = node.cycles.counts()
        last = node.last
        return {
            "row": node.row,
            "boot": node.boot,
            "offset_us": node.offset_us,
            "heard_age_s": None if node.heard_us is None else (now_us - node.heard_us) / 1e6,
            "temperature_c": self._temperature(node, now_us),
            "frequency_line": node.frequency.line.save(),
            "place_line": node.place.line.save(),
            "learns": node.learns,
            "band_hz": node.band_hz(),
            "loss_percent": node.loss_percent(),
            "loss_reason": node.frequency.reason,
            "place_reason": node.place.reason,
            "rms_m_s2": last.rms() if last else None,
            "late_count": node.late_count,
            "cycles": sorted(counts.items()),
            "cycle_step_um_m": CYCLE_STEP_UM_M,
            "damage": damage(counts, CYCLE_STEP_UM_M,
                             endurance=endurance_mpa * micro_per_mpa,
                             cut_off=cut_off_mpa * micro_per_mpa),
        }  # fmt: skip

    def _temperature(self, node: "Node", now_us: int) -> float | None:
        """Return the node's temperature, or the mean of the others' on its bridge."""
        own = node.temperature_c(now_us)
        if own is not None:
            return own
        others = [
            self.nodes[device].temperature_c(now_us) for device in self._mates[node.row["bridge"]]
        ]
        known = [one for one in others if one is not None]
        return sum(known) / len(known) if known else None

    def _judge(self, node: "Node", now_us: int) -> list[Finding]:
        findings = self._fault(node, now_us)
        loss = node.loss_percent()
        if loss is not None:
            limit = node.row["frequency_loss_percent"]
            expected = node.frequency.expected or 0.0
            sure = node.frequency.sure(limit * LEFT_SHARE / 100 * expected)
            findings += self._grade(node, "frequency", loss if sure else 0.0, now_us)
        off_m = node.place.off()
        if off_m is not None:
            sure = node.place.sure(node.row["displacement_mm"] * LEFT_SHARE / 1000)
            findings += self._grade(node, "displacement", abs(off_m) * 1000 * sure, now_us)
        return findings

    def _passing(self, node: "Node", what: str, value: float, at_us: int) -> list[Finding]:
        """Judge what comes and goes: said at once, again when worse, over after QUIET_US."""
        limit = _limit(node, what)
        if not limit or value < limit:
            return []
        device = node.row["device"]
        self._high_us[device, what] = max(at_us, self._high_us.get((device, what), at_us))
        return self._grade(node, what, value, at_us)

    def _grade(self, node: "Node", what: str, value: float, at_us: int) -> list[Finding]:
        device, limit = node.row["device"], _limit(node, what)
        before = self._said.get((device, what))
        if before is None:
            if value < limit:
                return []
        elif value >= limit * LEFT_SHARE:
            if value < WORSE_BY * before:
                return []
        else:
            del self._said[device, what]
            return [self._finding(node, what, value, at_us, is_over=True)]
        self._said[device, what] = value
        return [self._finding(node, what, value, at_us)]

    def _finding(
        self, node: "Node", what: str, value: float, at_us: int, *, is_over: bool = False
    ) -> Finding:
        ja, en, unit, digits = TEXTS[what]
        level, mode = GRADES.get(what, (WARNING, MODE_WATCH))
        place_ja, place_en = places(node.row)
        values = {f"{what}_{VALUE_UNITS[unit]}": value}
        if is_over:
            ja, en = f"{ja}: 基準を下回りました", f"{en}: below its limit again"
            level, mode, values = INFO, MODE_NORMAL, {}
        else:
            ja, en = f"{ja} {value:.{digits}f} {unit}", f"{en}: {value:.{digits}f} {unit}"
        return Finding(
            self.name, f"{node.row['device']}/{what}", level, mode, f"{ja}({place_ja})",
            f"{en} ({place_en})", is_over, kind="bridge", place=node.row["device"],
            values=values, at_us=at_us,
        )  # fmt: skip

    def _fault(self, node: "Node", now_us: int) -> list[Finding]:
        """Say that the frequency could not be computed for hours, and that it can again."""
        from hub.rules.structure.node import LEARNING, REASONS_JA

        device, reason = node.row["device"], node.frequency.reason
        if reason in ("", LEARNING):
            self._fault_since_us.pop(device, None)
            if self._said.pop((device, "fault"), None) is None:
                return []
            ja, en, is_over = (
                "固有振動数を再び算出できます",
                "natural frequency computable again",
                True,
            )
        else:
            since_us = self._fault_since_us.setdefault(device, now_us)
            if now_us - since_us < FAULT_US or (device, "fault") in self._said:
                return []
            self._said[device, "fault"] = 1.0
            ja = f"固有振動数を算出できません({REASONS_JA[reason]})"
            en, is_over = f"natural frequency not computable ({reason})", False
        return [Finding(
            self.name, f"{device}/fault", INFO, MODE_NORMAL, f"{ja}: {device}",
            f"{en}: {device}", is_over, kind="bridge-fault", place=device, at_us=now_us,
        )]  # fmt: skip


def _nodes(rows: list[dict[str, Any]]) -> "dict[str, Node]":
    if not rows:
        return {}
    from hub.rules.structure.node import Node

    return {row["device"]: Node(row) for row in rows}


LIMITS = {"peak": "peak_m_s2", "strain": "strain_um_m", "weight": "vehicle_t_max",
          "frequency": "frequency_loss_percent", "displacement": "displacement_mm"}  # fmt: skip


def _limit(node: "Node", what: str) -> float:
    return float(node.row[LIMITS[what]])


def places(row: dict[str, Any]) -> tuple[str, str]:
    """Return where a node is, in Japanese and in English."""
    found = []
    for language in ("ja", "en"):
        bridge = row["name_" + language] or row["bridge"]
        place = row["place_" + language] or row["device"]
        found.append(f"{bridge} {place}")
    return found[0], found[1]
