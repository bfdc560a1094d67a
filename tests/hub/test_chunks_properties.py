"""Chunks are cut and joined only between frames, whatever the sizes."""

from hypothesis import given
from hypothesis import strategies as st

from hub.chunks import CHUNK_SIZE_MAX, PREFIXES, gather, join
from protocols.framing import Splitter
from protocols.limits import FRAME_SIZE_MAX

SIZES = st.lists(st.integers(1, 60), max_size=40)


def frames_of(sizes: list[int]) -> list[bytes]:
    """Return frames that differ, of these sizes."""
    return [bytes((number & 0xFF,)) * size for number, size in enumerate(sizes)]


def pieces_of(frames: list[bytes]) -> list[bytes]:
    """Return the frames as the store collects them."""
    return [piece for frame in frames for piece in (PREFIXES[len(frame)], frame)]


@given(st.lists(SIZES, max_size=5), st.data())
def test_gather_returns_the_frames_asked_for_up_to_the_size(
    groups: list[list[int]], data: st.DataObject
) -> None:
    frames = frames_of([size for group in groups for size in group])
    chunks, at = [], 0
    for group in groups:
        part = frames[at : at + len(group)]
        chunks += join(at, pieces_of(part))
        at += len(group)
    first = data.draw(st.integers(0, len(frames)))
    following = data.draw(st.integers(first, len(frames) + 2))
    size_max = data.draw(st.integers(1, 400))
    found = gather(chunks, first, following, size_max)
    wanted = frames[first:following]
    if not wanted:
        assert found is None
        return
    assert found is not None
    start, count, blob = found
    assert start == first
    assert Splitter().feed(blob) == wanted[:count]
    assert len(blob) <= size_max or count == 1
    after = wanted[count : count + 1]
    assert not after or len(blob) + 2 + len(after[0]) > size_max


@given(st.integers(0, 300), st.integers(1, FRAME_SIZE_MAX))
def test_join_keeps_every_frame_in_chunks_of_bounded_size(count: int, size: int) -> None:
    frames = frames_of([size] * count)
    chunks = join(7, pieces_of(frames))
    assert Splitter().feed(b"".join(blob for _, _, blob in chunks)) == frames
    following = 7
    for first, number, blob in chunks:
        assert first == following
        assert len(blob) <= CHUNK_SIZE_MAX
        following += number


def test_gather_stops_at_a_gap_and_says_where_it_begins() -> None:
    frames = frames_of([5, 5, 5, 5])
    chunks = [*join(0, pieces_of(frames[:2])), *join(10, pieces_of(frames[2:]))]
    assert gather(chunks, 0, 20, 1000) == (0, 2, chunks[0][2])
    assert gather(chunks, 5, 20, 1000) == (10, 2, chunks[1][2])
    assert gather(chunks, 12, 20, 1000) is None
