"""Columns of samples where a board keeps them: in one array, interleaved by channel.

The wire forms are those of protocols.batch, byte for byte; what is here writes them without a
list, an object or a call per sample. The loops take their numbers in an array("i") `job`, since a
board passes few arguments cheaply.
"""

from array import array

from protocols.portable import const, ptr8, ptr32, viper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# What the loops return in place of a size.
FULL = const(-1)  # the buffer ends before the column does
TOO_WIDE = const(-2)  # a value beyond 30 bits, whose differences a board's loop cannot hold


class Column:
    """Samples of one channel: every `stride`-th of `values` from `first` on, round the end.

    values: array("i"), which must not change while the column is in use. count: samples.
    """

    def __init__(self, values: "array[int]", first: int, stride: int, count: int) -> None:
        self._values = values
        self._first = first
        self._stride = stride
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, position: int) -> int:
        if not 0 <= position < self._count:
            raise IndexError("column")
        return self._values[(self._first + position * self._stride) % len(self._values)]

    def __iter__(self) -> "Iterator[int]":
        for position in range(self._count):
            yield self[position]

    def part(self, first: int, following: int) -> "Column":
        """Return the samples first <= position < following."""
        at = (self._first + first * self._stride) % len(self._values)
        return Column(self._values, at, self._stride, following - first)

    def pack_into(self, out: bytearray, at: int) -> int:
        """Write the packed form (protocols.batch.pack) from out[at] on; return where it ends.

        FULL: it does not fit (the last four bytes may stay unused); TOO_WIDE.
        """
        return pack_column(self._values, out, self._job(at, len(out)))

    def write_into(self, out: bytearray, at: int, size: int) -> int:
        """Write the samples little-endian, in `size` bytes each, 2 or 4; return where it ends.

        FULL: it does not fit; TOO_WIDE: a sample does not fit its size.
        """
        if at + self._count * size > len(out):
            return FULL
        job = self._job(at, size)
        if size == 2:
            return write_column16(self._values, out, job)
        return write_column32(self._values, out, job)

    def _job(self, at: int, last: int) -> "array[int]":
        size = len(self._values)
        return array("i", (self._first, self._stride, size, self._count, at, last))


@viper
def pack_column(values: ptr32, out: ptr8, job: ptr32) -> int:
    """job: first, stride, size of values, count, at, size of out; return the end or a fault."""
    index = job[0]
    stride = job[1]
    size = job[2]
    left = job[3]
    at = job[4]
    end = job[5] - 5
    last = 0
    while left > 0:
        value = values[index]
        index += stride
        if index >= size:
            index -= size
        if ((value >> 29) + 1) & -2:
            return -2
        if at > end:
            return -1
        # Zigzag: within 31 bits, for both values are within 30.
        step = value - last
        last = value
        step = step << 1 ^ step >> 31
        while step > 127:
            out[at] = step & 127 | 128
            at += 1
            step >>= 7
        out[at] = step
        at += 1
        left -= 1
    return at


@viper
def write_column16(values: ptr32, out: ptr8, job: ptr32) -> int:
    """job: first, stride, size of values, count, at; return the end or -2."""
    index = job[0]
    stride = job[1]
    size = job[2]
    left = job[3]
    at = job[4]
    while left > 0:
        value = values[index]
        index += stride
        if index >= size:
            index -= size
        if ((value >> 15) + 1) & -2:
            return -2
        out[at] = value & 255
        out[at + 1] = value >> 8 & 255
        at += 2
        left -= 1
    return at


@viper
def write_column32(values: ptr32, out: ptr8, job: ptr32) -> int:
    """job: first, stride, size of values, count, at; return the end."""
    index = job[0]
    stride = job[1]
    size = job[2]
    left = job[3]
    at = job[4]
    while left > 0:
        value = values[index]
        index += stride
        if index >= size:
            index -= size
        out[at] = value & 255
        out[at + 1] = value >> 8 & 255
        out[at + 2] = value >> 16 & 255
        out[at + 3] = value >> 24 & 255
        at += 4
        left -= 1
    return at
