"""Makes frames: numbers them, encodes, seals and appends them to the flash log.

The sealer alone knows the next index, so that a boot's indexes have no hole: an index is used up
only once its frame is durable.
"""

from protocols.batch import Series, encode_batch
from protocols.columns import Column
from protocols.errors import LocalProtocolError
from protocols.limits import SERIES_MAX
from protocols.records import encode_record
from protocols.vocabulary import GAP_POWER_LOSS, KIND_GAP, KIND_NOTICE, LANE_STATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.flashlog import FlashLog
    from protocols.cose import DeviceKeys


class Sealer:
    """keys: of this device. flashlog: mounted. random: n -> n random bytes."""

    def __init__(self, keys: "DeviceKeys", flashlog: "FlashLog", boot: int, random: "Any") -> None:
        self.boot = boot
        self.next_index = 0
        self._keys = keys
        self._flashlog = flashlog
        self._random = random

    def append_batch(self, lane: int, series: "list[Series]", personal: bool) -> None:
        """Append readings, in as many frames as they need; no series: none."""
        if not series:
            return
        start_us = min([each.start_us for each in series])
        head = (self.boot, self.next_index, lane, start_us)
        try:
            if len(series) > SERIES_MAX:
                raise LocalProtocolError("a batch of %d series" % len(series))
            secret = (self._keys.seal_key, self._random(16)) if personal else None
            payload = encode_batch(head, series, personal=secret)
            frame = self._keys.up.seal(payload)
        except LocalProtocolError:
            halves = _halves(series)
            if not halves:
                raise
            for half in halves:
                self.append_batch(lane, half, personal)
            return
        self._append(lane, frame)

    def append_gap(self, now_us: int, gap: "tuple[str, int, int, int]") -> None:
        """Append that readings were lost before they were framed:

        (channel, reason, from_us, until_us).
        """
        channel, reason, from_us, until_us = gap
        fields = {"channel": channel, "from_us": from_us, "until_us": until_us, "reason": reason}
        fields.update({"boot": self.boot, "first": 0, "next": 0, "lane": LANE_STATE})
        self._append_gap(now_us, fields)

    def append_power_loss(self, now_us: int) -> None:
        """Append that the boot before ended without warning: what it had not framed is lost.

        Its times are 0: nobody knows them; it is what came after the last frame of that boot.
        """
        fields = {"channel": "", "from_us": 0, "until_us": 0, "reason": GAP_POWER_LOSS}
        fields.update({"boot": self.boot - 1, "first": 0, "next": 0, "lane": LANE_STATE})
        self._append_gap(now_us, fields)

    def append_notice(self, now_us: int, kind: str, texts: "tuple[str, str]") -> None:
        """Append what a person may want to know: kind, text in Japanese and in English."""
        fields = {"level": 0, "drill": False, "kind": kind, "text_ja": texts[0]}
        fields["text_en"] = texts[1]
        head = (self.boot, self.next_index, LANE_STATE, now_us)
        self._append(LANE_STATE, self._keys.up.seal(encode_record(KIND_NOTICE, head, fields)))

    def append_evictions(self, now_us: int) -> None:
        """Append what the flash log had to drop since the last call.

        While it is full of what is more urgent it has no room for that either, and keeps it.
        """
        gaps = self._flashlog.take_gaps()
        if not gaps:
            return
        count = 0
        try:
            for boot, first, following, lane, reason in gaps:
                fields = {"channel": "", "from_us": 0, "until_us": 0, "reason": reason}
                fields.update({"boot": boot, "first": first, "next": following, "lane": lane})
                frame = self._seal_gap(now_us, fields)
                index = self.next_index
                if not self._flashlog.append_if_room(self.boot, index, LANE_STATE, frame):
                    break
                self.next_index += 1
                count += 1
        finally:  # what a failing flash did not take is said the next time
            self._flashlog.confirm_gaps(count)

    def _append_gap(self, now_us: int, fields: "dict[str, Any]") -> None:
        self._append(LANE_STATE, self._seal_gap(now_us, fields))

    def _seal_gap(self, now_us: int, fields: "dict[str, Any]") -> bytes:
        fields["device"] = self._keys.device
        head = (self.boot, self.next_index, LANE_STATE, now_us)
        return self._keys.up.seal(encode_record(KIND_GAP, head, fields))

    def _append(self, lane: int, frame: bytes) -> None:
        self._flashlog.append(self.boot, self.next_index, lane, frame)
        self.next_index += 1


def _halves(series: "list[Series]") -> "list[list[Series]]":
    """Return what does not fit one frame in two parts, in order; [] for a single value."""
    middle = len(series) // 2
    if middle:
        return [series[:middle], series[middle:]]
    whole = series[0]
    middle = len(whole.values) // 2
    return [[_part(whole, 0, middle)], [_part(whole, middle, len(whole.values))]] if middle else []


def _part(series: Series, first: int, following: int) -> Series:
    values = series.values
    if isinstance(values, Column):
        values = values.part(first, following)
    else:
        values = values[first:following]
    return Series(
        series.channel,
        series.unit,
        (series.exponent, series.multiplier),
        series.time_us(first),
        spacing_ns=series.spacing_ns,
        values=values,
        times_us=series.times_us[first:following] if series.times_us else None,
        plain=series.plain,
    )
