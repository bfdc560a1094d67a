"""Which indexes of a boot were accepted, cut into blocks: a commit writes those that it touched.

An urgent frame overtakes, so a boot may be in thousands of pieces until the rest has come. A row
of its own for each BLOCK_COUNT indexes bounds what a commit writes however many pieces there are:
a block holds at most BLOCK_COUNT / 2 ranges. Packed: flat pairs first, next, each of 8 bytes,
little-endian. Pure functions.
"""

import struct
from bisect import bisect_left, bisect_right

from protocols.ranges import Ranges

BLOCK_SHIFT = 12
BLOCK_COUNT = 1 << BLOCK_SHIFT


def pack(flat: list[int]) -> bytes:
    """Return flat pairs as bytes."""
    return struct.pack(f"<{len(flat)}q", *flat)


def unpack(blob: bytes) -> list[int]:
    """Undo pack."""
    return list(struct.unpack(f"<{len(blob) // 8}q", blob))


def within(flat: list[int], low: int, high: int) -> list[int]:
    """Return the part of flat pairs from low up to but without high."""
    if low >= high:
        return []
    at, end = bisect_right(flat, low), bisect_left(flat, high)
    # An odd place is inside a pair: its part within begins at low, or ends at high.
    return [low] * (at & 1) + flat[at:end] + [high] * (end & 1)


def without(flat: list[int], gone: list[int]) -> list[int]:
    """Return flat pairs less what is in the others."""
    left: list[int] = []
    low = 0
    for first, following in zip(gone[::2], gone[1::2], strict=True):
        left += within(flat, low, first)
        low = following
    return left + within(flat, low, flat[-1] if flat else 0)


def pack_block(ranges: Ranges, block: int) -> bytes:
    """Return one block of the set, packed."""
    low = block << BLOCK_SHIFT
    return pack(within(ranges.flat, low, low + BLOCK_COUNT))


def put_block(ranges: Ranges, block: int, packed: bytes) -> None:
    """Make one block of the set what `packed` says."""
    flat = ranges.flat
    low = block << BLOCK_SHIFT
    high = low + BLOCK_COUNT
    end = flat[-1] if flat else 0
    ranges.flat = within(flat, 0, low) + within(flat, high, max(high, end))
    add_packed(ranges, packed)


def add_packed(ranges: Ranges, packed: bytes) -> None:
    """Add all ranges of a packed block."""
    flat = unpack(packed)
    for first, following in zip(flat[::2], flat[1::2], strict=True):
        ranges.add_range(first, following)


def blocks_of(ranges: Ranges) -> list[int]:
    """Return the numbers of the blocks in which something is."""
    found: list[int] = []
    for first, following in ranges.pairs():
        start = max(first >> BLOCK_SHIFT, found[-1] + 1 if found else 0)
        found += range(start, (following - 1 >> BLOCK_SHIFT) + 1)
    return found
