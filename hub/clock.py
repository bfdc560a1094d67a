"""Device clocks on UTC, from authenticated time exchanges. No wall clock is trusted or waited for.

Each exchange brackets one reading of a device's boot clock between two readings of the hub's
monotonic clock. The middle is the estimate, half the round trip the uncertainty; the narrowest
recent bracket wins. UTC is then the hub's own: a jump of it moves what is said from then on and
nothing that is stored, for frames carry only the device's time.
"""

import time
from dataclasses import dataclass
from typing import Protocol

DRIFT_PPM_MAX = 100  # of a board's crystal; an old bracket widens by this
# A clock record is made when the estimate moved by more than this and its uncertainty, or is old.
MOVED_US_MIN = 1000
REPEAT_US = 600_000_000


class Clock(Protocol):
    """The hub's two clocks: given to what decides by time. Only HostClock reads the machine's."""

    def now_us(self) -> int:
        """Return the monotonic clock: it never goes back, and no one can set it."""
        ...

    def utc_us(self) -> int:
        """Return UTC as the machine has it, in us since 1970; may jump, may be wrong."""
        ...


class HostClock:
    """The clocks of the machine."""

    def now_us(self) -> int:
        """Return the monotonic clock."""
        return time.monotonic_ns() // 1000

    def utc_us(self) -> int:
        """Return the wall clock."""
        return time.time_ns() // 1000


@dataclass
class ClockRow:
    """device_us on a boot's clock was hub_us on the hub's, to within uncertainty_us."""

    device_us: int
    hub_us: int
    uncertainty_us: int
    recorded_offset_us: int | None = None
    recorded_at_us: int = 0

    def offset_us(self) -> int:
        """Return hub time minus device time."""
        return self.hub_us - self.device_us


class Clocks:
    """All devices' clocks."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, int], ClockRow] = {}

    def exchange(
        self, key: tuple[str, int], device_us: int, sent_us: int, received_us: int
    ) -> ClockRow | None:
        """Take one time exchange; return the row when it is worth a clock record.

        key: (device, boot). sent_us, received_us: hub monotonic times around the device's reading.
        """
        half_us = (received_us - sent_us + 1) // 2
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = ClockRow(device_us, sent_us + half_us, half_us)
        else:
            aged_us = row.uncertainty_us + (received_us - row.hub_us) * DRIFT_PPM_MAX // 1_000_000
            if half_us <= aged_us:
                row.device_us = device_us
                row.hub_us = sent_us + half_us
                row.uncertainty_us = half_us
        return row if self._is_news(row, received_us) else None

    def _is_news(self, row: ClockRow, now_us: int) -> bool:
        if row.recorded_offset_us is not None:
            moved_us = abs(row.offset_us() - row.recorded_offset_us)
            is_old = now_us - row.recorded_at_us > REPEAT_US
            if moved_us <= max(MOVED_US_MIN, row.uncertainty_us) and not is_old:
                return False
        row.recorded_offset_us, row.recorded_at_us = row.offset_us(), now_us
        return True

    def hub_us(self, key: tuple[str, int], device_us: int) -> int | None:
        """Return the hub's monotonic time of a device time; None while the clock is unknown."""
        row = self._rows.get(key)
        return None if row is None else device_us + row.offset_us()

    def uncertainty_us(self, key: tuple[str, int]) -> int | None:
        """Return how far off the clock may be."""
        row = self._rows.get(key)
        return None if row is None else row.uncertainty_us
