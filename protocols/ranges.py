"""A set of frame indexes as sorted, disjoint half-open ranges: dedupe, acks and missing parts."""


class Ranges:
    """Indexes held as flat pairs [first, next, first, next, ..].

    A healthy boot is one pair, so adding the next index is one comparison.
    """

    def __init__(self, flat: "list[int] | None" = None) -> None:
        self.flat = list(flat) if flat else []

    def add(self, index: int) -> bool:
        """Add one index; False when it was there already."""
        flat = self.flat
        if flat and flat[-1] == index:
            flat[-1] = index + 1
            return True
        at = self._locate(index)
        if at & 1:  # inside a pair: flat[at - 1] <= index < flat[at]
            return False
        joins_left = at > 0 and flat[at - 1] == index
        joins_right = at < len(flat) and flat[at] == index + 1
        if joins_left and joins_right:
            del flat[at - 1 : at + 1]
        elif joins_left:
            flat[at - 1] = index + 1
        elif joins_right:
            flat[at] = index
        else:
            flat[at:at] = [index, index + 1]
        return True

    def add_range(self, first: int, following: int) -> None:
        """Add first <= index < following."""
        flat = self.flat
        if first >= following:
            return
        start = self._locate(first)
        if start & 1:
            start -= 1
            first = flat[start]
        elif start and flat[start - 1] == first:
            start -= 2
            first = flat[start]
        end = start
        while end < len(flat) and flat[end] <= following:
            following = max(following, flat[end + 1])
            end += 2
        flat[start:end] = [first, following]

    def __contains__(self, index: int) -> bool:
        return bool(self._locate(index) & 1)

    def _locate(self, index: int) -> int:
        # Number of bounds <= index (a bisection; MicroPython has no bisect).
        flat = self.flat
        low = 0
        high = len(flat)
        while low < high:
            middle = (low + high) >> 1
            if flat[middle] <= index:
                low = middle + 1
            else:
                high = middle
        return low

    def pairs(self) -> list:
        """Return the ranges as a list of (first, next)."""
        flat = self.flat
        return [(flat[at], flat[at + 1]) for at in range(0, len(flat), 2)]

    def missing(self, following: int) -> list:
        """Return the (first, next) below `following` that are not in the set."""
        result = []
        at = 0
        for first, end in self.pairs():
            if first >= following:
                break
            if first > at:
                result.append((at, first))
            at = end
        if at < following:
            result.append((at, following))
        return result

    def count(self) -> int:
        """Return how many indexes are in the set."""
        return sum(end - first for first, end in self.pairs())
