"""The platform's latest value: whatever order, however often frames come, it never moves back."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.archive import Archive, ArchiveWriter
from simulators.ingress import Ingress
from tests.simulators.platform_process import KEYS
from tests.simulators.test_platform import level_frame, message, topic

BOOTS = 2
FRAMES_EACH = 6
# (boot, index) of each frame; it holds two values, of the seconds 2 * index and 2 * index + 1.
ALL = [(boot, index) for boot in range(1, BOOTS + 1) for index in range(FRAMES_EACH)]


@st.composite
def deliveries(draw: st.DrawFn) -> list[tuple[bool, list[tuple[int, int]]]]:
    """Bundles (historical, frames): all frames shuffled, some of them twice, cut anywhere."""
    again = draw(st.lists(st.sampled_from(ALL), max_size=8))
    order = draw(st.permutations(ALL + again))
    bundles = []
    while order:
        count = draw(st.integers(1, 4))
        bundles.append((draw(st.booleans()), list(order[:count])))
        order = order[count:]
    return bundles


@settings(max_examples=40, deadline=None)
@given(deliveries())
def test_latest_is_the_newest_of_what_came_after_every_bundle(
    bundles: list[tuple[bool, list[tuple[int, int]]]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        writer = ArchiveWriter(Path(folder))
        ingress = Ingress({name: one.up for name, one in KEYS.items()}, writer)
        came: set[tuple[int, int]] = set()
        with Archive(Path(folder)) as archive:
            for historical, frames in bundles:
                sealed = [
                    level_frame(index, [index, 10 + index], 2_000_000 * index, boot)
                    for boot, index in frames
                ]
                ingress.take(
                    topic("backlog" if historical else "live"), message(sealed, historical)
                )
                came.update(frames)
                boot, index = max(came)
                latest = archive.latest()["river-1", "level"]
                newest = (boot, 2_000_000 * index + 1_000_000, 10 + index)
                assert (latest.boot, latest.time_us, latest.value) == newest
            assert archive.counts()["accepted"] == len(ALL)
        writer.close()
