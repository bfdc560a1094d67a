"""Who warns, and the area of a place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub import local_time
from hub.config import Device


@dataclass(frozen=True)
class Area:
    """One area of CAP-v1.2, 3.2.4. circle, polygon: as they are written there; empty: none."""

    name_ja: str
    name_en: str
    circle: str = ""
    polygon: str = ""


class Town:
    """The sender of all messages. code: five digits, or empty."""

    def __init__(self, tables: dict[str, Any], devices: Mapping[str, Device]) -> None:
        row = tables["alerts"]
        self.sender = str(row["sender"])
        self.name_ja = str(row["name_ja"])
        self.name_en = str(row["name_en"])
        self.contact = str(row["contact"])
        self.code = str(row["municipality"])
        self._areas = {one["place"]: _area(one) for one in tables["alert_area"]}
        self._devices = devices
        self._utc_offset_min = int(tables["mode"]["utc_offset_min"])

    def time(self, utc_us: int) -> str:
        """Return a time on the town's clock, as CAP and Atom take it."""
        return local_time.iso(utc_us, self._utc_offset_min)

    def area(self, place: str) -> Area:
        """Return the area of a place; of one that has no row the name of the device, if any."""
        found = self._areas.get(place)
        if found is not None:
            return found
        device = self._devices.get(place)
        if device is None or device.personal:  # a home's name is not for an alert
            return Area(self.name_ja, self.name_en)
        return Area(device.name_ja or device.name, device.name_en or device.name)


def _area(row: dict[str, Any]) -> Area:
    circle = ""
    if row["radius_km"] > 0:
        circle = f"{row['latitude']:.6g},{row['longitude']:.7g} {row['radius_km']:.6g}"
    return Area(row["name_ja"], row["name_en"], circle, " ".join(row["polygon"].split()))
