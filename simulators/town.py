"""The physical world of a scenario: which signal each sensor of each device measures."""

from pathlib import Path
from typing import Any

from boards.profiles import read_device
from simulators.plain_intensity import plain_intensity
from simulators.scenario import Placed, Scenario
from simulators.signals.bridge import Bridge
from simulators.signals.catchment import Catchment, Steps, storms, together, typhoons
from simulators.signals.household import Held, Motion, outings
from simulators.signals.quake import Quake
from simulators.signals.rain import RainTotal
from simulators.signals.recording import read_recording
from simulators.signals.river import DistanceToWater, River
from simulators.signals.slope import SlopeTilt, SoilMoisture

# A quake takes about this long to run along a span, which puts the nodes a little out of step.
QUAKE_DELAY_US = 20_000
DOOR_OPEN_US = 6_000_000
FOR_EVER_US = 1 << 60


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
        self._end_us = scenario.seconds * 1_000_000
        bridge = tables["bridge"]
        self.bridge = Bridge(
            seed=seed,
            ground=self.ground,
            temperature_c=bridge["temperature_c"],
            ambient_m_s2=bridge["ambient_m_s2"],
            vehicles_share=bridge["vehicles_share"],
            day_offset_us=scenario.day_offset_us(),
            swing_year_c=tables["weather"]["swing_year_c"],
            year_offset_us=scenario.year_offset_us(),
        )
        self.rain = self._rain()
        self.catchment = Catchment(self.rain, self._end_us, tables["slope"]["slips_at_mm"])

    def signals(self, device: Placed) -> dict[str, Any]:
        """Return sensor name -> signal for this device."""
        make = {"bridge": self._of_bridge, "river": self._of_river, "slope": self._of_slope,
                "home": self._of_home}[device.kind]  # fmt: skip
        return make(device)

    def intensities(self) -> dict[str, float]:
        """Return what a seismometer at each bridge node should say of the quake; {} without."""
        if self.ground is None:
            return {}
        from_us = self._scenario.us(max(0.0, self._scenario.tables["quake"]["at_s"]))
        until_us = from_us + self._scenario.us(self._scenario.tables["quake"]["duration_s"])
        return {
            one.name: plain_intensity(self._of_bridge(one)["acc"], from_us, until_us)
            for one in self._scenario.devices
            if one.kind == "bridge" and one.name in self._scenario.demands.measured
        }

    def _rain(self) -> Steps:
        """Return the rain over the town: of [weather]; where that has none, of [slope]."""
        scenario = self._scenario
        weather = scenario.tables["weather"]
        by_lot = storms(
            seed=self._seed,
            month_count=weather["storms_month"],
            end_us=self._end_us,
            year_offset_us=scenario.year_offset_us(),
        )
        autumn = typhoons(
            seed=self._seed,
            year_count=weather["typhoons_year"],
            end_us=self._end_us,
            year_offset_us=scenario.year_offset_us(),
        )
        by_lot = together(by_lot, autumn) if autumn else by_lot
        written = scenario.pairs("weather", "rain") or scenario.pairs("slope", "rain")
        begins_us = written[0][0] if written else self._end_us
        return [*(one for one in by_lot if one[0] < begins_us), *written]

    def _of_bridge(self, device: Placed) -> dict[str, Any]:
        delay_us = 0 if self._is_recorded else int(device.position * QUAKE_DELAY_US)
        node = self.bridge.node(position=device.position, delay_us=delay_us)
        return {
            "acc": node.acceleration,
            "strain": node.strain,
            "displacement": node.displacement,
            "temperature": node.temperature,
        }

    def _of_river(self, device: Placed) -> dict[str, Any]:
        height_mm = _setting(device.profile, "level", "height_mm")
        written = self._scenario.pairs("river", "flood")
        river = River(
            seed=self._seed,
            stage_m=self._scenario.tables["river"]["stage_m"],
            flood=written or self.catchment.rises_after(device.travel_us),
        )
        return {"level": DistanceToWater(river, height_m=height_mm / 1000)}

    def _of_slope(self, device: Placed) -> dict[str, Any]:
        scenario = self._scenario
        written = scenario.pairs("slope", "creep")
        torn_us = self.catchment.torn_at_us(scenario.tables["slope"]["tears_at_deg"])
        wire = Held(at_us=[] if torn_us is None else [torn_us], hold_us=FOR_EVER_US)
        return {
            "tilt": SlopeTilt(creep=written or self.catchment.creep, ground=self.ground),
            "soil": SoilMoisture(rain=self.rain),
            "rain": RainTotal(self.rain),
            "wire": wire,
        }

    def _of_home(self, device: Placed) -> dict[str, Any]:
        """Return somebody's day: written, and where nothing is written by lot, out and about."""
        scenario = self._scenario
        seed = f"{self._seed} {device.name}"
        is_written = scenario.tables["home"]["device"] in ("", device.name)
        away, fallen, doors, presses = (
            (scenario.spans("home", "away"), scenario.spans("home", "fallen"),
             scenario.times("home", "door_at_s"), scenario.times("home", "button_at_s"))
            if is_written else ([], [], [], [])
        )  # fmt: skip
        if scenario.is_virtual:
            offset_us = scenario.day_offset_us()
            away += outings(seed=seed, end_us=self._end_us, day_offset_us=offset_us)
        doors = sorted({*doors, *(at for one in away for at in one)})
        opened = [
            at_us for at_us in doors if not any(one <= at_us < until for one, until in fallen)
        ]
        return {
            "motion": Motion(
                seed=seed, day_offset_us=scenario.day_offset_us(), still=[*away, *fallen]
            ),
            "door": Held(at_us=opened, hold_us=DOOR_OPEN_US if away else 3_000_000),
            "button": Held(at_us=presses),
        }


def _setting(profile: str, sensor: str, name: str) -> Any:
    rows = read_device(profile)["sensors"]
    return next(row[name] for row in rows if row["name"] == sensor)
