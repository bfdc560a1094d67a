"""The physical world of a scenario: which signal each sensor of each device measures."""

from pathlib import Path
from typing import Any

from boards.profiles import read_device
from simulators.scenario import Placed, Scenario
from simulators.signals.bridge import Bridge
from simulators.signals.household import Held, Motion
from simulators.signals.quake import Quake
from simulators.signals.recording import read_recording
from simulators.signals.river import DistanceToWater, River
from simulators.signals.slope import SlopeTilt, SoilMoisture

# A quake takes about this long to run along a span, which puts the nodes a little out of step.
QUAKE_DELAY_US = 20_000


class Town:
    """All signals, from one seed. record: a strong motion to play in place of the quake."""

    def __init__(self, scenario: Scenario, seed: int, record: Path | None = None) -> None:
        self._scenario = scenario
        self._seed = seed
        tables = scenario.tables
        quake = tables["quake"]
        self.ground: Any = None
        if record is not None:
            self.ground = read_recording(record).starting(scenario.us(max(0.0, quake["at_s"])))
        elif quake["at_s"] >= 0:
            self.ground = Quake(
                start_us=scenario.us(quake["at_s"]),
                peak_m_s2=quake["peak_m_s2"],
                seed=seed,
                duration_us=scenario.us(quake["duration_s"]),
                s_delay_us=scenario.us(quake["duration_s"]) // 8,
            )
        self._is_recorded = record is not None
        self._bridge = Bridge(seed=seed, ground=self.ground, **tables["bridge"])
        self._river = River(
            seed=seed, stage_m=tables["river"]["stage_m"], flood=scenario.pairs("river", "flood")
        )

    def signals(self, device: Placed) -> dict[str, Any]:
        """Return sensor name -> signal for this device."""
        make = {"bridge": self._of_bridge, "river": self._of_river, "slope": self._of_slope,
                "home": self._of_home}[device.kind]  # fmt: skip
        return make(device)

    def _of_bridge(self, device: Placed) -> dict[str, Any]:
        delay_us = 0 if self._is_recorded else int(device.position * QUAKE_DELAY_US)
        node = self._bridge.node(position=device.position, delay_us=delay_us)
        return {
            "acc": node.acceleration,
            "strain": node.strain,
            "displacement": node.displacement,
            "temperature": node.temperature,
        }

    def _of_river(self, device: Placed) -> dict[str, Any]:
        height_mm = _setting(device.profile, "level", "height_mm")
        return {"level": DistanceToWater(self._river, height_m=height_mm / 1000)}

    def _of_slope(self, device: Placed) -> dict[str, Any]:
        creep = self._scenario.pairs("slope", "creep") or [(0, 0.0)]
        rain = self._scenario.pairs("slope", "rain")
        return {
            "tilt": SlopeTilt(creep=creep, ground=self.ground),
            "soil": SoilMoisture(rain=rain),
        }

    def _of_home(self, device: Placed) -> dict[str, Any]:
        return {
            "motion": Motion(seed=self._seed),
            "door": Held(at_us=self._scenario.times("home", "door_at_s"), hold_us=3_000_000),
            "button": Held(at_us=self._scenario.times("home", "button_at_s")),
        }


def _setting(profile: str, sensor: str, name: str) -> Any:
    rows = read_device(profile)["sensors"]
    return next(row[name] for row in rows if row["name"] == sensor)
