"""Soil water index (土壌雨量指数): how much of the rain of the last weeks is still in the ground.

Source: three tanks in series after Ishihara and Kobatake (1979), with the parameters that the
Japan Meteorological Agency uses everywhere; index = sum of the three storages, in mm. Explicit
steps of STEP_MIN minutes: what flows in a step is that of the storages at its start. What leaves
sideways is gone, what leaves at the bottom enters the next tank, below the third it is gone.
"""

from dataclasses import dataclass

STEP_MIN = 10


@dataclass(frozen=True)
class Tank:
    """outlets: (height in mm, share per hour) of the holes in its side; bottom: share per hour."""

    outlets: tuple[tuple[float, float], ...]
    bottom: float


TANKS = (
    Tank(((15.0, 0.1), (60.0, 0.15)), 0.12),
    Tank(((15.0, 0.05),), 0.05),
    Tank(((15.0, 0.01),), 0.01),
)


class SoilWater:
    """The three storages, in mm; and all that ever came in and went out."""

    def __init__(self, storages_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> None:
        self.storages_mm = list(storages_mm)
        self.came_mm = 0.0
        self.went_mm = 0.0

    def step(self, rain_mm: float) -> float:
        """Go on by STEP_MIN with so much rain in it; return the index."""
        hours = STEP_MIN / 60
        coming = rain_mm
        self.came_mm += rain_mm
        for at, tank in enumerate(TANKS):
            storage = self.storages_mm[at]
            sideways = sum(
                share * hours * max(0.0, storage - height) for height, share in tank.outlets
            )
            down = tank.bottom * hours * storage
            self.storages_mm[at] = storage - sideways - down + coming
            coming = down
            self.went_mm += sideways
        self.went_mm += coming
        return self.index_mm()

    def index_mm(self) -> float:
        """Return the index in mm."""
        return sum(self.storages_mm)
