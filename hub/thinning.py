"""Waveforms to what a place with little room keeps of them: least, mean and greatest a minute.

Pure: batches in, the fields of summary records (protocols.records) out. Minutes are those of the
device's boot clock, so that nothing depends on UTC; a minute that is cut by the end of a piece
comes again in the next summary, and the counts say how to join the two.
"""

from typing import Any

from protocols.batch import Batch, Series, pack

MINUTE_US = 60_000_000
# Five columns of at most 5 bytes each (minutes: the first of 7) beside about 150 of the head.
MINUTES_MAX = 120

# device, boot, channel, unit, exponent, multiplier
_Key = tuple[str, int, str, str, int, int]


class Thinner:
    """Takes batches of any devices and boots of one lane."""

    def __init__(self, lane: int) -> None:
        self._lane = lane
        # minute -> count, least, sum, greatest
        self._cells: dict[_Key, dict[int, list[int]]] = {}
        self._extents: dict[tuple[str, int], tuple[int, int]] = {}

    def add(self, device: str, batch: Batch) -> None:
        """Take a decoded batch."""
        sender = (device, batch.boot)
        first, following = self._extents.get(sender, (batch.index, batch.index + 1))
        self._extents[sender] = (min(first, batch.index), max(following, batch.index + 1))
        for series in batch.series or ():
            key = (*sender, series.channel, series.unit, series.exponent, series.multiplier)
            cells = self._cells.setdefault(key, {})
            for minute, values in _by_minute(series):
                cell = cells.setdefault(minute, [0, values[0], 0, values[0]])
                cell[0] += len(values)
                cell[1] = min(cell[1], min(values))
                cell[2] += sum(values)
                cell[3] = max(cell[3], max(values))

    def summaries(self) -> list[dict[str, Any]]:
        """Return the fields of the records that stand for all that was taken."""
        return [
            self._fields(key, sorted(cells.items())[at : at + MINUTES_MAX])
            for key, cells in self._cells.items()
            for at in range(0, len(cells), MINUTES_MAX)
        ]

    def _fields(self, key: _Key, cells: list[tuple[int, list[int]]]) -> dict[str, Any]:
        device, boot, channel, unit, exponent, multiplier = key
        first, following = self._extents[device, boot]
        rows = [cell for _, cell in cells]
        return {
            "device": device,
            "boot": boot,
            "first": first,
            "next": following,
            "lane": self._lane,
            "channel": channel,
            "unit": unit,
            "exponent": exponent,
            "multiplier": multiplier,
            "minutes": pack([minute for minute, _ in cells]),
            "counts": pack([count for count, _, _, _ in rows]),
            "least": pack([least for _, least, _, _ in rows]),
            "mean": pack([(2 * total + count) // (2 * count) for count, _, total, _ in rows]),
            "greatest": pack([greatest for _, _, _, greatest in rows]),
        }


def _by_minute(series: Series) -> list[tuple[int, list[int]]]:
    """Return (minute, values in it), in the order of the readings."""
    values = list(series.values)
    if series.times_us is not None:
        return [
            (time_us // MINUTE_US, [value])
            for time_us, value in zip(series.times_us, values, strict=True)
        ]
    parts = []
    at = 0
    while at < len(values):
        minute = series.time_us(at) // MINUTE_US
        left_ns = ((minute + 1) * MINUTE_US - series.start_us) * 1000
        end = -(-left_ns // series.spacing_ns)  # the first reading of the next minute
        parts.append((minute, values[at:end]))
        at = end
    return parts
