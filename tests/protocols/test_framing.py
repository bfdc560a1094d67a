"""TCP framing: lengths, splits, limits."""

from protocols.framing import Splitter, prefixed
from protocols.limits import FRAME_SIZE_MAX
from tests.protocols.refusals import is_our_fault, reason_of

FRAMES = [b"a", b"bb" * 200, bytes(FRAME_SIZE_MAX), b"last"]
STREAM = b"".join([prefixed(frame) for frame in FRAMES])


def test_the_length_stands_in_front_big_endian() -> None:
    assert prefixed(bytes(258)) == b"\x01\x02" + bytes(258)


def test_a_frame_that_is_empty_or_too_long_is_our_fault() -> None:
    assert is_our_fault(prefixed, b"")
    assert is_our_fault(prefixed, bytes(FRAME_SIZE_MAX + 1))


def test_frames_come_out_when_fed_at_once() -> None:
    splitter = Splitter()
    assert splitter.feed(STREAM) == FRAMES
    assert splitter.is_between_frames()


def test_frames_come_out_when_fed_byte_by_byte() -> None:
    splitter = Splitter()
    frames = []
    for at in range(len(STREAM)):
        frames += splitter.feed(STREAM[at : at + 1])
    assert frames == FRAMES


def test_every_split_of_a_short_stream_gives_the_same_frames() -> None:
    stream = prefixed(b"one") + prefixed(b"\x00\x01") + prefixed(b"3")
    for cut in range(len(stream) + 1):
        splitter = Splitter()
        assert splitter.feed(stream[:cut]) + splitter.feed(stream[cut:]) == [
            b"one",
            b"\x00\x01",
            b"3",
        ]


def test_it_knows_whether_it_stands_between_frames() -> None:
    for cut in range(len(STREAM)):
        if cut % 97 in (0, 1, 2, 3):
            splitter = Splitter()
            done = sum([len(frame) + 2 for frame in splitter.feed(STREAM[:cut])])
            assert splitter.is_between_frames() == (done == cut)


def test_a_length_of_zero_is_refused() -> None:
    assert reason_of(Splitter().feed, b"\x00\x00") == "malformed"


def test_a_length_beyond_the_limit_is_refused_before_its_bytes_come() -> None:
    size = FRAME_SIZE_MAX + 1
    assert reason_of(Splitter().feed, bytes((size >> 8, size & 0xFF))) == "oversize"
    assert reason_of(Splitter().feed, b"\xff\xff") == "oversize"
    assert reason_of(Splitter().feed, b"GET / HTTP/1.1\r\n") == "oversize"


def test_it_keeps_no_more_than_one_incomplete_frame() -> None:
    splitter = Splitter()
    for _ in range(50):
        splitter.feed(STREAM)
    splitter.feed(STREAM[:3])
    assert splitter.feed(b"") == [] and splitter.is_between_frames()
