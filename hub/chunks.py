"""Chunks: the frames of one lane that were committed together, as one run of bytes.

    length of two bytes (big-endian), frame, length, frame, ..

A chunk is cut only between frames. Pure functions.
"""

from collections.abc import Iterable

from protocols.limits import FRAME_SIZE_MAX

CHUNK_SIZE_MAX = 128 * 1024  # a bundle takes whole chunks; a torn page costs at most this

PREFIXES = tuple(bytes((size >> 8, size & 0xFF)) for size in range(FRAME_SIZE_MAX + 1))

Chunk = tuple[int, int, bytes]  # first sequence number, count, length-prefixed frames


def join(following: int, pieces: list[bytes]) -> list[Chunk]:
    """Join pieces (prefix, frame, prefix, frame, ..) into chunks of about CHUNK_SIZE_MAX.

    following: sequence number of the first frame.
    """
    chunks = []
    step = len(pieces)
    size = sum(map(len, pieces))
    if size > CHUNK_SIZE_MAX:
        # An even cut by count: frames of one lane and moment are of like size.
        step = max(2, 2 * (len(pieces) // 2 * CHUNK_SIZE_MAX // size))
    for at in range(0, len(pieces), step or 1):
        part = pieces[at : at + step]
        chunks.append((following, len(part) // 2, b"".join(part)))
        following += len(part) // 2
    return chunks


def gather(chunks: Iterable[Chunk], first: int, following: int, size_max: int) -> Chunk | None:
    """Join the frames first..following out of chunks in their order.

    At most size_max bytes, but at least one frame; ends at a gap. None when there are none.
    """
    parts: list[bytes] = []
    size = 0
    start = None
    upto = first
    for begin, count, blob in chunks:
        end = begin + count
        if end <= first:
            continue
        if max(begin, first) >= following or (start is not None and begin != upto):
            break
        if start is None:
            start = upto = max(first, begin)
        low = _offset(blob, upto - begin)
        last = min(end, following)
        high = len(blob) if last == end else _offset(blob, last - begin)
        if size + high - low > size_max:
            high, last = _cut(blob, (low, upto), high, size_max - size)
            if last == upto and not parts:
                high, last = low + _frame_size(blob, low), upto + 1
        parts.append(blob[low:high])
        size += high - low
        upto = last
        if size >= size_max or last < min(end, following):
            break
    return None if start is None else (start, upto - start, b"".join(parts))


def _frame_size(blob: bytes, at: int) -> int:
    return 2 + (blob[at] << 8 | blob[at + 1])


def _offset(blob: bytes, count: int) -> int:
    at = 0
    for _ in range(count):
        at += _frame_size(blob, at)
    return at


def _cut(blob: bytes, low: tuple[int, int], high: int, size_max: int) -> tuple[int, int]:
    """Return (offset, sequence number) of the last border up to which at most size_max are."""
    at, number = low
    end = min(high, at + size_max)
    while at < high and at + _frame_size(blob, at) <= end:
        at += _frame_size(blob, at)
        number += 1
    return at, number
