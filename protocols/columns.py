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
_PACKED_SIZE_MAX = const(5)


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
        job = array("i", (0, self._stride, 0, at, 0))
        for index, count in self._runs():
            while count:
                # As many as fit at their longest, so that the loop need not look for room.
                part = min(count, (len(out) - job[3]) // _PACKED_SIZE_MAX)
                if part <= 0:
                    return FULL
                job[0] = index
                job[2] = index + part * self._stride
                if not pack_run(self._values, out, job):
                    return TOO_WIDE
                index = job[2]
                count -= part
        return job[3]

    def write_into(self, out: bytearray, at: int, size: int) -> int:
        """Write the samples little-endian, in `size` bytes each, 2 or 4; return where it ends.

        FULL: it does not fit; TOO_WIDE: a sample does not fit its size.
        """
        if at + self._count * size > len(out):
            return FULL
        job = array("i", (0, self._stride, 0, at))
        write_run = write_run16 if size == 2 else write_run32
        for index, count in self._runs():
            job[0] = index
            job[2] = index + count * self._stride
            if not write_run(self._values, out, job):
                return TOO_WIDE
        return job[3]

    def _runs(self) -> "list[tuple[int, int]]":
        """Return (index of the first, count) of the samples before the end of values and after."""
        to_end = -((self._first - len(self._values)) // self._stride)
        if self._count <= to_end:
            return [(self._first, self._count)]
        again = self._first + to_end * self._stride - len(self._values)
        return [(self._first, to_end), (again, self._count - to_end)]


@viper
def pack_run(values: ptr32, out: ptr8, job: ptr32) -> bool:
    """job: index, stride, index behind the last, at, the value before; the last two move on.

    Return whether all values are within 30 bits; else what was written is of no use.
    """
    index = job[0]
    stride = job[1]
    stop = job[2]
    at = job[3]
    last = job[4]
    wide = last + 0x20000000
    while index < stop:
        value = values[index]
        index += stride
        wide |= value + 0x20000000
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
    job[3] = at
    job[4] = last
    return (wide >> 30) & 3 == 0


@viper
def write_run16(values: ptr32, out: ptr8, job: ptr32) -> bool:
    """job: index, stride, index behind the last, at, which moves on; False: a value is wider."""
    index = job[0]
    stride = job[1]
    stop = job[2]
    at = job[3]
    while index < stop:
        value = values[index]
        index += stride
        if ((value >> 15) + 1) & -2:
            return False
        out[at] = value & 255
        out[at + 1] = value >> 8 & 255
        at += 2
    job[3] = at
    return True


@viper
def write_run32(values: ptr32, out: ptr8, job: ptr32) -> bool:
    """job: index, stride, index behind the last, at, which moves on; all values fit."""
    index = job[0]
    stride = job[1]
    stop = job[2]
    at = job[3]
    while index < stop:
        value = values[index]
        index += stride
        out[at] = value & 255
        out[at + 1] = value >> 8 & 255
        out[at + 2] = value >> 16 & 255
        out[at + 3] = value >> 24 & 255
        at += 4
    job[3] = at
    return True
