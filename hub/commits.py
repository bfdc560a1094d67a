"""How long commits take, and whether the writer still gets anywhere."""

from typing import Any

from hub.clock import Clock
from hub.store import Group, Store

# Upper bounds, us: from a good SSD's flush to an SD card that tidies up.
BOUNDS_US = (500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
             1_000_000, 5_000_000)  # fmt: skip
# Longer than the worst flush of a worn SD card; a writer that takes more hangs.
STUCK_US = 30_000_000


class Commits:
    """Follows the commits of one store, from the hand-over to the writer's thread to their end."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._clock = clock
        self._handed_us: int | None = None
        self._counts = [0] * (len(BOUNDS_US) + 1)
        self._sum_us = 0
        store.on_hand_over.append(self._handed)
        store.on_commit.append(self._committed)
        store.on_failure.append(self._failed)

    def _handed(self) -> None:
        self._handed_us = self._clock.now_us()

    def _committed(self, group: Group) -> None:
        if self._handed_us is None:
            return
        took_us = self._clock.now_us() - self._handed_us
        self._handed_us = None
        self._sum_us += took_us
        self._counts[sum(took_us > bound for bound in BOUNDS_US)] += 1

    def _failed(self, reason: str) -> None:
        self._handed_us = None

    def is_stuck(self) -> bool:
        """Tell whether the writer has not come back with a commit, good or bad, for too long."""
        return self._handed_us is not None and self._clock.now_us() - self._handed_us > STUCK_US

    def statistics(self) -> dict[str, Any]:
        """Return for the console: count and sum of all, and count up to each bound."""
        counted, at_most = 0, []
        for bound_us, count in zip(BOUNDS_US, self._counts, strict=False):
            counted += count
            at_most.append([bound_us, counted])
        return {"count": sum(self._counts), "sum_us": self._sum_us, "at_most_us": at_most}
