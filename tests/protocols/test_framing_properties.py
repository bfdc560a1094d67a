"""TCP framing under every split and under noise."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import RemoteProtocolError
from protocols.framing import Splitter, prefixed
from protocols.limits import FRAME_SIZE_MAX

FRAMES = st.lists(st.binary(min_size=1, max_size=300), max_size=8)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Return data cut at these places."""
    borders = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(borders)]


@given(FRAMES, st.lists(st.integers(0, 5000)))
def test_any_split_gives_the_same_frames(frames: list[bytes], cuts: list[int]) -> None:
    splitter = Splitter()
    data = b"".join(map(prefixed, frames))
    got = [frame for piece in pieces(data, cuts) for frame in splitter.feed(piece)]
    assert got == frames and splitter.is_between_frames()


@given(FRAMES, st.integers(0, 5000))
def test_a_cut_gives_the_frames_before_it_and_no_more(frames: list[bytes], cut: int) -> None:
    splitter = Splitter()
    data = b"".join(map(prefixed, frames))
    cut %= len(data) + 1
    got = splitter.feed(data[:cut])
    assert got == frames[: len(got)]
    size = sum(len(frame) + 2 for frame in got)
    assert splitter.is_between_frames() == (size == cut)


@given(st.binary(max_size=3000), st.lists(st.integers(0, 3000)))
def test_noise_is_frames_within_the_limit_or_refused(noise: bytes, cuts: list[int]) -> None:
    splitter = Splitter()
    taken = b""
    try:
        for piece in pieces(noise, cuts):
            for frame in splitter.feed(piece):
                assert 1 <= len(frame) <= FRAME_SIZE_MAX
                taken += prefixed(frame)
    except RemoteProtocolError as error:
        assert error.reason in {"oversize", "malformed"}
    assert noise.startswith(taken)
