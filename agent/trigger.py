"""Shaking worth an alert: how far a block of samples leaves its slow mean."""

from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.features import BlockSums

_MEAN_SHIFT = const(6)  # the mean follows within about 64 blocks: gravity and tilt, not shaking
_FRACTION_BITS = const(8)  # of the mean, so that it does not stick


class Trigger:
    """Watches the blocks of one sensor.

    peak_raw: raw units from the mean that count, 1 or more. hold_ms: least time between two
    alerts.
    """

    def __init__(self, channels_count: int, peak_raw: int, hold_ms: int) -> None:
        self._means: list[int] = []
        self._channels_count = channels_count
        self._peak_raw = peak_raw
        self._hold_us = hold_ms * 1000
        self._quiet_until_us = 0
        self._peak = 0  # the largest since the last alert

    def feed(self, sums: "BlockSums", now_us: int) -> int:
        """Take the sums of one read; return the peak to report, or 0."""
        for channel in range(self._channels_count):
            self._peak = max(self._peak, self._excursion(sums, channel))
        if now_us < self._quiet_until_us:
            return 0
        peak = self._peak
        self._peak = 0
        if peak < self._peak_raw:
            return 0
        self._quiet_until_us = now_us + self._hold_us
        return peak

    def _excursion(self, sums: "BlockSums", channel: int) -> int:
        of_block = (sums.total(channel) << _FRACTION_BITS) // sums.count
        if channel == len(self._means):
            self._means.append(of_block)
        mean = self._means[channel]
        self._means[channel] = mean + ((of_block - mean) >> _MEAN_SHIFT)
        mean >>= _FRACTION_BITS
        return max(sums.high(channel) - mean, mean - sums.low(channel))
