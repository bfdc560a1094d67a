"""How old the frames in the store are, without a wall clock: marks of where each lane was when.

Theory. Every so often the number that each lane is at is noted with its age, which grows with the
hub's monotonic clock. Frames below a mark are at least as old as the mark. While the machine's
clock runs on, time without the hub counts; time while the machine was off does not, so frames may
be kept longer than is said, never shorter. What a device kept back counts from when it came.
"""

from typing import Any

DAY_US = 86_400_000_000
MARKS_MAX = 120


class Retention:
    """days: after which below() names frames. kept: what save() gave, of a run of the clock."""

    def __init__(self, days: int, kept: dict[str, Any], run: str, now_us: int) -> None:
        self._keep_us = days * DAY_US
        self._step_us = self._keep_us // MARKS_MAX
        self._run = run
        is_same = bool(run) and kept.get("run") == run and int(kept.get("at_us", 0)) <= now_us
        begin_us = int(kept["at_us"]) if is_same else now_us
        # (when on this clock, the number of each lane), oldest first
        self._marks: list[tuple[int, list[int]]] = [
            (begin_us - int(age_us), [int(one) for one in numbers])
            for age_us, numbers in kept.get("marks", ())
        ]

    def tick(self, now_us: int, following: list[int]) -> bool:
        """Set a mark where one is due; return whether there is something to save."""
        if self._marks and now_us - self._marks[-1][0] < self._step_us:
            return False
        self._marks.append((now_us, list(following)))
        while len(self._marks) > 1 and now_us - self._marks[1][0] >= self._keep_us:
            del self._marks[0]
        return True

    def below(self, now_us: int) -> list[int]:
        """Return for each lane the number below which frames are old enough."""
        old = [numbers for at_us, numbers in self._marks if now_us - at_us >= self._keep_us]
        return old[-1] if old else [0, 0, 0, 0]

    def save(self, now_us: int) -> dict[str, Any]:
        """Return the marks with their ages, and on what clock."""
        marks = [[now_us - at_us, numbers] for at_us, numbers in self._marks]
        return {"run": self._run, "at_us": now_us, "marks": marks}
