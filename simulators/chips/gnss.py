"""Model of a satellite receiver with NMEA 0183 on a UART, as the u-blox NEO-M8 (UBX-15031086).

Each second: RMC, VTG, GGA, GSV, GLL. After a cold start it has no fix for 26 s, at first not even
the time. Its position errs by 2.5 m (50 % of all), slowly, so that neighbours err alike; its
seconds are those of UTC. Not modelled: its configuration, binary messages, the pulse per second.

Signal: (latitude, longitude, speed) in degrees and m/s.
"""

import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from simulators.chips.talker import Talker
from simulators.signals.route import EARTH_RADIUS_M

SPACING_US = 1_000_000
FIRST_FIX_US = 26_000_000
FIRST_TIME_US = 8_000_000
SIGMA_M = 2.5 / 1.1774  # of each axis, where half of all lie within 2.5 m
WANDERS_US = 60_000_000
WORLD_BEGINS = "2026-01-01T00:00:00+00:00"
KNOT_M_S = 1852 / 3600


class GnssChip(Talker):
    """One receiver.

    options: talker ("GN"), first_fix_us (26 s), world_begins (ISO 8601 UTC), height_m (20). fault,
    besides a talker's: "no_fix" (a tunnel).
    """

    options_known = ("talker", "first_fix_us", "world_begins", "height_m")

    def __init__(
        self, clock: Any, signal: Any, seed: int = 0, options: dict[str, Any] | None = None
    ) -> None:
        options = options or {}
        self._seed = seed
        self._talker = options.get("talker", "GN")
        self._first_fix_us = options.get("first_fix_us", FIRST_FIX_US)
        begins = datetime.fromisoformat(options.get("world_begins", WORLD_BEGINS))
        self._begins = begins.astimezone(UTC)
        super().__init__(clock, signal, seed, options)

    def spacing_us(self) -> int:
        """Return the time to the next whole second."""
        return SPACING_US - self._message_us % SPACING_US

    def measure(self, t_us: int) -> tuple[Any, ...]:
        """Return (UTC, latitude, longitude, speed), with None for what it does not know."""
        age_us = t_us - self._booted_us
        now = self._begins + timedelta(microseconds=t_us)
        has_time = age_us >= min(FIRST_TIME_US, self._first_fix_us)
        if age_us < self._first_fix_us or self.fault == "no_fix":
            return (now if has_time else None), None, None, None
        latitude, longitude, speed_m_s = self.signal.sample(t_us)
        latitude += math.degrees(self._error_m("north", t_us) / EARTH_RADIUS_M)
        radius_m = EARTH_RADIUS_M * math.cos(math.radians(latitude))
        longitude += math.degrees(self._error_m("east", t_us) / radius_m)
        return now, latitude, longitude, max(0.0, speed_m_s + self.noise(0.05))

    def message(self, measured: Any, t_us: int) -> bytes:
        now, latitude, longitude, speed_m_s = measured
        time = f"{now:%H%M%S}.00" if now else ""
        date = f"{now:%d%m%y}" if now else ""
        has_fix = latitude is not None
        place = _angle(latitude, 2, "NS") + "," + _angle(longitude, 3, "EW")
        knots = f"{speed_m_s / KNOT_M_S:.3f}" if has_fix else ""
        height = f"{self.options.get('height_m', 20.0):.1f}" if has_fix else ""
        fix = "1,09,1.02" if has_fix else "0,00,99.99"
        state, mode = ("A", "A") if has_fix else ("V", "N")
        bodies = (
            f"RMC,{time},{state},{place},{knots},,{date},,,{mode}",
            f"VTG,,T,,M,{knots},N,,K,{mode}",
            f"GGA,{time},{place},{fix},{height},M,36.7,M,,",
            "GSV,1,1,01,05,40,083,46",
            f"GLL,{place},{time},{state},{mode}",
        )
        return b"".join(sentence(self._talker + body) for body in bodies)

    def spoil(self, message: bytes) -> bytes:
        return message.replace(b"*", b"1*")

    def _error_m(self, axis: str, t_us: int) -> float:
        """Return a smooth random function of time."""
        if not self.has_noise:
            return 0.0
        step, rest_us = divmod(t_us, WANDERS_US)
        angle = math.pi / 2 * rest_us / WANDERS_US
        draws = (
            random.Random(f"gnss {self._seed} {axis} {number}").gauss(0, SIGMA_M)
            for number in (step, step + 1)
        )
        return next(draws) * math.cos(angle) + next(draws) * math.sin(angle)


def sentence(body: str) -> bytes:
    """Return a sentence with its checksum and line end."""
    checksum = 0
    for byte in body.encode():
        checksum ^= byte
    return b"$%s*%02X\r\n" % (body.encode(), checksum)


def _angle(degrees: float | None, size: int, hemispheres: str) -> str:
    if degrees is None:
        return ","
    total = round(abs(degrees) * 60 * 100_000)  # 1e-5 minutes
    whole, minutes = divmod(total, 60 * 100_000)
    text = f"{whole:0{size}d}{minutes // 100_000:02d}.{minutes % 100_000:05d}"
    return f"{text},{hemispheres[degrees < 0]}"
