"""The town's clock, as CAP and people read it."""

import pytest

from hub.local_time import iso, shown


@pytest.mark.parametrize(
    ("offset_min", "ends"),
    [
        (540, "2026-09-21T23:13:20+09:00"),
        (0, "2026-09-21T14:13:20-00:00"),  # CAP-v1.2, 3.3.2
        (345, "2026-09-21T19:58:20+05:45"),
        (-570, "2026-09-21T04:43:20-09:30"),
        (-30, "2026-09-21T13:43:20-00:30"),
    ],
)
def test_a_time_has_the_offset_of_the_town(offset_min: int, ends: str) -> None:
    assert iso(1_790_000_000_999_999, offset_min) == ends
    if offset_min:
        assert shown(1_790_000_000_999_999, offset_min) == ends[:10] + " " + ends[11:19] + (
            " " + ends[19:]
        )
    assert shown(0, 0) == "1970-01-01 00:00:00 +00:00"
