"""The newest samples of one sensor: blocks go in without an object or a step of Python a sample.

Nothing is moved once it is there. What leaves for a frame is a Column that points into the ring,
so it must be framed before the ring comes round to it.
"""

from array import array

from protocols.columns import Column
from protocols.portable import ptr32, viper


class Ring:
    """width: channels, interleaved as drivers write them. capacity: sets of one sample each."""

    def __init__(self, width: int, capacity: int) -> None:
        self.capacity = capacity
        self.kept = 0  # sets that are there and belong together, the newest ones
        self._width = width
        self._values = array("i", bytes(4 * width * capacity))
        self._size = width * capacity
        self._next = 0
        self._job = array("i", (0, 0, self._size))

    def append(self, block: "array[int]", count: int) -> None:
        """Add the first `count` <= capacity sets of a block. It allocates nothing."""
        at = self._next
        size = count * self._width
        if size == 1:  # of a slow sensor: one number needs no loop
            self._values[at] = block[0]
            at += 1
            self._next = at if at < self._size else 0
        else:
            job = self._job
            job[0] = at
            job[1] = size
            self._next = copy_round(block, self._values, job)
        kept = self.kept
        if kept < self.capacity:
            self.kept = min(kept + count, self.capacity)

    def forget(self, newer: int) -> None:
        """Keep the `newer` newest sets only: those before are not of one piece with them."""
        self.kept = newer

    def newest(self, channel: int) -> "int | None":
        """Return a channel's newest sample; None where there is none."""
        if not self.kept:
            return None
        return self._values[(self._next + channel - self._width) % self._size]

    def column(self, channel: int, count: int, newer: int) -> Column:
        """Return a channel's samples of the `count` sets before the `newer` newest."""
        first = (self._next + channel - (count + newer) * self._width) % self._size
        return Column(self._values, first, self._width, count)


@viper
def copy_round(source: ptr32, into: ptr32, job: ptr32) -> int:
    """Copy the first job[1] words to into[job[0]] and on, round at job[2]; return where it ends.

    job[2] > 0 is the size of into.
    """
    at = job[0]
    count = job[1]
    size = job[2]
    index = 0
    while index < count:
        # `at` is less `index` than the place, so that one number moves on for both.
        stop = index + size - at
        if stop > count:
            stop = count
        at -= index
        while index + 4 <= stop:
            into[at + index] = source[index]
            into[at + index + 1] = source[index + 1]
            into[at + index + 2] = source[index + 2]
            into[at + index + 3] = source[index + 3]
            index += 4
        while index < stop:
            into[at + index] = source[index]
            index += 1
        at += index
        if at >= size:
            at = 0
    return at
