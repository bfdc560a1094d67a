"""What is wrong with settings that, each for itself, are allowed."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple


class Problem(NamedTuple):
    """at: which of the [[table]] it is; 0 for a plain [table]."""

    table: str
    name: str
    why: str
    remedy: str
    at: int = 0


def unknown_devices(
    table: str, rows: Sequence[dict[str, Any]], devices: set[str]
) -> Iterator[Problem]:
    """Name every row of a [[table]] whose `device` is not enrolled, or has a row already."""
    seen: set[str] = set()
    for at, row in enumerate(rows):
        device = row["device"]
        if device not in devices:
            remedy = f"Enroll it with `hinomi hub enroll {device}`, or write the name of another."
            yield Problem(table, "device", f"is {device!r}, which is not enrolled", remedy, at)
        elif device in seen:
            yield Problem(table, "device", f"{device!r} has a row already", "Remove one.", at)
        seen.add(device)
