"""What a window of samples comes to: least, greatest, mean, RMS about the mean, and peak.

Integers throughout. A block's sums are made by one loop over its samples; squares there are of two
halves of 12 bits, so that a block of 127 samples of 25 bits fits 32-bit words. The sums of the
window are as wide as they must be.
"""

from array import array

from protocols.portable import const, ptr32, viper

BLOCK_SAMPLES_MAX = const(127)
VALUE_MAX = const(0xFFFFFF)  # beyond, either way, the sums take this in a sample's place
_FIELDS = const(6)  # of a channel: low, high, total, and three parts of the sum of squares

# (suffix of the channel, decimal places beyond those of a sample)
FEATURES = (("min", 0), ("max", 0), ("mean", 1), ("rms", 1), ("peak", 1))


class BlockSums:
    """The sums of one block at a time."""

    def __init__(self, width: int) -> None:
        self._out = array("i", bytes(4 * _FIELDS * width))
        self._job = array("i", (width, 0))
        self.count = 0

    def take(self, block: "array[int]", count: int) -> None:
        """Sum up the first 1 <= `count` <= 127 sets of the block. It allocates nothing."""
        self.count = count
        self._job[1] = count
        sum_block(block, self._job, self._out)

    def low(self, channel: int) -> int:
        """Return the least sample."""
        return self._out[_FIELDS * channel]

    def high(self, channel: int) -> int:
        """Return the greatest sample."""
        return self._out[_FIELDS * channel + 1]

    def total(self, channel: int) -> int:
        """Return the sum."""
        return self._out[_FIELDS * channel + 2]

    def squares(self, channel: int) -> int:
        """Return the sum of squares."""
        at = _FIELDS * channel
        out = self._out
        return (out[at + 3] << 24) + (out[at + 4] << 13) + out[at + 5]


class Window:
    """The samples of one channel since the last take()."""

    def __init__(self) -> None:
        self.count = 0
        self._low = 0
        self._high = 0
        self._total = 0
        self._squares = 0

    def feed(self, sums: BlockSums, channel: int) -> None:
        """Add a block."""
        low = sums.low(channel)
        high = sums.high(channel)
        self._low = min(self._low, low) if self.count else low
        self._high = max(self._high, high) if self.count else high
        self._total += sums.total(channel)
        self._squares += sums.squares(channel)
        self.count += sums.count

    def take(self) -> "tuple[int, ...]":
        """Return the values of FEATURES, each with its decimal places, and begin anew.

        There is at least one sample. mean: rounded down. rms: of the deviations from the mean.
        peak: the largest deviation from the mean.
        """
        count = self.count
        mean = 10 * self._total // count
        rms = isqrt(100 * (count * self._squares - self._total * self._total)) // count
        peak = max(10 * self._high - mean, mean - 10 * self._low)
        values = (self._low, self._high, mean, rms, peak)
        self.count = 0
        self._total = 0
        self._squares = 0
        return values


def isqrt(value: int) -> int:
    """Return the integer square root, rounded down, of value >= 0."""
    if value == 0:
        return 0
    root = 1
    while root * root <= value:
        root <<= 1
    while True:
        better = (root + value // root) >> 1
        if better >= root:
            return root
        root = better


@viper
def sum_block(block: ptr32, job: ptr32, out: ptr32) -> int:
    """job: channels, count. out: of each channel the fields of BlockSums. Return channels."""
    width = job[0]
    channel = 0
    while channel < width:
        index = channel
        left = job[1]
        low = block[index]
        high = low
        total = 0
        upper_squares = 0
        products = 0
        lower_squares = 0
        while left > 0:
            value = block[index]
            index += width
            if value < low:
                low = value
            if value > high:
                high = value
            if value > 0xFFFFFF:
                value = 0xFFFFFF
            if value < -0xFFFFFF:
                value = -0xFFFFFF
            total += value
            upper = value >> 12
            value = value & 0xFFF
            upper_squares += upper * upper
            products += upper * value
            lower_squares += value * value
            left -= 1
        at = channel * 6
        out[at] = low
        out[at + 1] = high
        out[at + 2] = total
        out[at + 3] = upper_squares
        out[at + 4] = products
        out[at + 5] = lower_squares
        channel += 1
    return width
