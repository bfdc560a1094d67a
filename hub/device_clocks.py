"""Device clocks on the hub's monotonic clock, from authenticated time exchanges.

Each exchange brackets one reading of a device's boot clock between two readings of the hub's
monotonic clock. The middle is the estimate, half the round trip the uncertainty; the narrowest
recent bracket wins. No wall clock has a part in it: see hub.timekeeping. How fast it runs
meanwhile, where that is known, hub.device_rates says.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from hub.device_rates import Bracket, Rates

DRIFT_PPM_MAX = 100  # of a board's crystal; an old bracket widens by this
# A clock record is made when the estimate moved by more than this and its uncertainty, or is old.
MOVED_US_MIN = 1000
REPEAT_US = 600_000_000
BOOTS_MAX = 8  # of a device: what it kept over more restarts than that was timed long ago
Key = tuple[str, int]  # device, boot


@dataclass
class ClockRow:
    """device_us on a boot's clock was hub_us on the hub's, to within uncertainty_us."""

    device_us: int
    hub_us: int
    uncertainty_us: int
    rate_ppb: int = 0  # as in a clock record
    recorded_offset_us: int | None = None
    recorded_at_us: int = 0

    def offset_us(self, device_us: int | None = None) -> int:
        """Return hub time minus device time, then; by default when the clock was read."""
        apart_us = 0 if device_us is None else device_us - self.device_us
        return self.hub_us - self.device_us - apart_us * self.rate_ppb // 1_000_000_000


class Clocks:
    """All devices' clocks."""

    def __init__(self) -> None:
        self._rows: dict[Key, ClockRow] = {}
        self._rates = Rates()

    def exchange(
        self, key: Key, device_us: int, sent_us: int, received_us: int
    ) -> ClockRow | None:
        """Take one time exchange; return the row when it is worth a clock record.

        key: (device, boot). sent_us, received_us: hub monotonic times around the device's reading.
        """
        half_us = (received_us - sent_us + 1) // 2
        self._rates.exchange(*key, Bracket(device_us, sent_us + half_us, half_us))
        row = self._rows.get(key)
        if row is None:
            row = self._keep(key, ClockRow(device_us, sent_us + half_us, half_us))
        else:
            aged_us = row.uncertainty_us + (received_us - row.hub_us) * DRIFT_PPM_MAX // 1_000_000
            if half_us <= aged_us:
                row.device_us = device_us
                row.hub_us = sent_us + half_us
                row.uncertainty_us = half_us
        row.rate_ppb = self._rates.rate_ppb(*key)
        return row if self._is_news(row, received_us) else None

    def keep(self, key: Key, row: ClockRow, known_ppb: int = 0) -> None:
        """Take what was known of a boot; beyond BOOTS_MAX the oldest boot of its device goes.

        known_ppb: as known_ppb() returned it.
        """
        if known_ppb:
            self._rates.keep(*key, known_ppb)
        self._keep(key, row)

    def known_ppb(self, key: Key) -> int:
        """Return the rate to keep with a row over a stop of the hub; 0: none."""
        return self._rates.known_ppb(key[0])

    def _keep(self, key: Key, row: ClockRow) -> ClockRow:
        self._rows[key] = row
        boots = sorted(boot for device, boot in self._rows if device == key[0])
        for boot in boots[:-BOOTS_MAX]:
            del self._rows[key[0], boot]
        return row

    def rows(self) -> Iterator[tuple[Key, ClockRow]]:
        """Yield all that is known."""
        yield from self._rows.items()

    def _is_news(self, row: ClockRow, now_us: int) -> bool:
        if row.recorded_offset_us is not None:
            moved_us = abs(row.offset_us() - row.recorded_offset_us)
            is_old = now_us - row.recorded_at_us > REPEAT_US
            if moved_us <= max(MOVED_US_MIN, row.uncertainty_us) and not is_old:
                return False
        row.recorded_offset_us, row.recorded_at_us = row.offset_us(), now_us
        return True

    def offset_us(self, key: Key) -> int | None:
        """Return hub time minus device time as it was last; None while the clock is unknown."""
        row = self._rows.get(key)
        return None if row is None else row.offset_us()

    def hub_us(self, key: Key, device_us: int) -> int | None:
        """Return the hub's monotonic time of a device time; None while the clock is unknown."""
        row = self._rows.get(key)
        return None if row is None else device_us + row.offset_us(device_us)

    def uncertainty_us(self, key: tuple[str, int]) -> int | None:
        """Return how far off the clock may be."""
        row = self._rows.get(key)
        return None if row is None else row.uncertainty_us
