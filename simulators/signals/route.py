"""A bus on its route, or a patrol car: (latitude, longitude, speed), in degrees and m/s."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

EARTH_RADIUS_M = 6_371_008.8  # mean radius R1 of WGS 84 (IUGG)


class BusRoute:
    """Drives from stop to stop at an even speed, waits at each, and begins anew after the last.

    Between two stops it goes straight, on a map of latitudes and longitudes: exact enough for
    stops that are a few kilometres apart.
    """

    def __init__(
        self,
        stops: Sequence[tuple[float, float]],
        *,
        speed_m_s: float = 8.0,
        dwell_us: int = 20_000_000,
    ) -> None:
        """stops: two or more (latitude, longitude) in degrees, no two neighbours alike, else
        ValueError. speed_m_s > 0. dwell_us: how long it waits at each stop.
        """
        if len(stops) < 2 or any(here == there for here, there in pairwise(stops)):
            raise ValueError("route: two or more stops, no two neighbours alike")
        self._stops = list(stops)
        self._speed_m_s = speed_m_s
        self._dwell_us = dwell_us
        legs = [*pairwise(stops), (stops[-1], stops[0])]
        self._drive_us = [round(distance_m(*leg) / speed_m_s * 1e6) for leg in legs]
        self._arrivals_us = [0]  # at each stop; the last one: back at the first
        for drive_us in self._drive_us:
            self._arrivals_us.append(self._arrivals_us[-1] + dwell_us + drive_us)

    def sample(self, t_us: int) -> tuple[float, float, float]:
        round_us = t_us % self._arrivals_us[-1]
        leg = bisect_right(self._arrivals_us, round_us) - 1
        driven_us = round_us - self._arrivals_us[leg] - self._dwell_us
        from_latitude, from_longitude = self._stops[leg]
        if driven_us <= 0:
            return from_latitude, from_longitude, 0.0
        to_latitude, to_longitude = self._stops[(leg + 1) % len(self._stops)]
        share = driven_us / self._drive_us[leg]
        latitude = from_latitude + share * (to_latitude - from_latitude)
        longitude = from_longitude + share * (to_longitude - from_longitude)
        return latitude, longitude, self._speed_m_s


def distance_m(here: tuple[float, float], there: tuple[float, float]) -> float:
    """Return the distance of two near points, (latitude, longitude) in degrees."""
    middle = math.radians((here[0] + there[0]) / 2)
    north_m = math.radians(there[0] - here[0]) * EARTH_RADIUS_M
    east_m = math.radians(there[1] - here[1]) * EARTH_RADIUS_M * math.cos(middle)
    return math.hypot(north_m, east_m)
