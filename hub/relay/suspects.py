"""Frames that a platform may refuse for their own sake: found one by one, tried, given up.

Theory of operation. A bundle was refused, or the connection ended while it was the oldest without
an acknowledgement. Its frames become a suspect: they stay backlog, but the normal flow passes them
over. A suspect is tried alone on the line, so that what happens then is its doing:

    accepted            its frames are delivered
    refused, many       two suspects, each with half of the frames
    refused, one        tried again after a delay that doubles; after TRIES_MAX a dead letter

Not every refusal is the frame's fault: a platform whose rules are wrong refuses all. So a try of
a single frame counts only when something else passed: for what ended a connection anything, on
that connection or later; for what was refused something of the same lane, later, for a lane is a
topic and its rules may have changed. A
reason that speaks of the message itself counts always. And a lane in which ROW_MAX refusals came
in a row is closed for a while; then one bundle of it is tried again.
"""

from dataclasses import dataclass, replace

from protocols.vocabulary import LANES

TRIES_MAX = 5
RETRY_US_MIN = 250_000
RETRY_US_MAX = 15_000_000
ROW_MAX = 8
SUSPECTS_MAX = 64

# What refused a bundle.
LINE = "line"  # the connection ended
LANE = "lane"  # a reason that may hold for all of a topic
FRAME = "frame"  # a reason that speaks of the message


@dataclass(eq=False)
class Suspect:
    """Frames first..following of a lane.

    passes_line, passes_lane: what had passed before the connection and the moment of its trouble.
    is_fresh: it was never tried.
    """

    lane: int
    first: int
    following: int
    passes_line: int
    passes_lane: int
    tries: int = 0
    failures: int = 0
    retry_us: int = 0
    is_fresh: bool = True

    @property
    def count(self) -> int:
        """How many frames."""
        return self.following - self.first


class Suspects:
    """Those of one uplink."""

    def __init__(self) -> None:
        self._all: list[Suspect] = []
        self._passes_line = 0
        self._passes_before = 0  # this connection
        self._passes_lane = [0 for _ in LANES]
        self._row = [0 for _ in LANES]
        self._opens_us = [0 for _ in LANES]

    def __len__(self) -> int:
        return len(self._all)

    def ranges(self) -> list[tuple[int, int, int]]:
        """Return (lane, first, following) of each."""
        return [(one.lane, one.first, one.following) for one in self._all]

    def open_lanes(self, now_us: int) -> list[int]:
        """Return the lanes in which not all is refused, most urgent first."""
        return [lane for lane in LANES if self._open_us(lane) <= now_us]

    def next(self, now_us: int) -> Suspect | None:
        """Return the one to try now, of the most urgent lane."""
        due = [one for one in self._all if self._due_us(one) <= now_us]
        return min(due, key=lambda one: (one.lane, one.retry_us, one.first), default=None)

    def wait_us(self, now_us: int) -> int | None:
        """Return in how many microseconds there is something to try again; None: never."""
        times_us = [self._due_us(one) for one in self._all]
        times_us += [self._open_us(lane) for lane in LANES if self._row[lane] >= ROW_MAX]
        return max(0, min(times_us) - now_us) if times_us else None

    def _open_us(self, lane: int) -> int:
        return self._opens_us[lane] if self._row[lane] >= ROW_MAX else 0

    def _due_us(self, suspect: Suspect) -> int:
        return max(suspect.retry_us, self._open_us(suspect.lane))

    def line_up(self) -> None:
        """Note that a new connection begins."""
        self._passes_before = self._passes_line

    def passed(self, lane: int) -> None:
        """Note that the platform took a bundle of this lane."""
        self._passes_line += 1
        self._passes_lane[lane] += 1
        self._row[lane] = 0

    def add(self, lane: int, first: int, following: int) -> Suspect | None:
        """Suspect frames, to be tried alone; None where there are too many already."""
        if len(self._all) >= SUSPECTS_MAX:
            return None
        passes = (self._passes_before, self._passes_lane[lane])
        found = Suspect(lane, first, following, *passes)
        self._all.append(found)
        return found

    def settled(self, suspect: Suspect) -> None:
        """Forget one: delivered, gone from the store, or a dead letter."""
        self._all.remove(suspect)

    def narrow(self, suspect: Suspect, first: int, following: int) -> None:
        """Go on with these of its frames; the others are backlog like any."""
        suspect.first, suspect.following = first, following

    def forget_many(self) -> None:
        """Where most of the room is taken by bundles that nobody could look into: begin anew."""
        if len(self._all) >= SUSPECTS_MAX:
            self._all = [one for one in self._all if one.count == 1]

    def failed(self, suspect: Suspect, cause: str, now_us: int) -> bool:
        """Note that it was tried and not taken; True when it is to become a dead letter."""
        if cause == LANE:
            self._refused(suspect.lane, now_us)
        if suspect.count > 1:
            self._split(suspect)
            return False
        suspect.is_fresh = False
        suspect.tries += self.is_founded(suspect, cause)
        suspect.failures += 1
        delay_us = min(RETRY_US_MIN << min(suspect.failures - 1, 16), RETRY_US_MAX)
        suspect.retry_us = now_us + delay_us
        return suspect.tries >= TRIES_MAX

    def is_founded(self, suspect: Suspect, cause: str) -> bool:
        """Tell whether something else passed: it is not the platform that takes nothing."""
        if cause == LANE:
            return self._passes_lane[suspect.lane] > suspect.passes_lane
        return cause == FRAME or self._passes_line > suspect.passes_line

    def _refused(self, lane: int, now_us: int) -> None:
        self._row[lane] += 1
        if self._row[lane] >= ROW_MAX:
            over = min(self._row[lane] - ROW_MAX, 16)
            self._opens_us[lane] = now_us + min(RETRY_US_MIN << over, RETRY_US_MAX)

    def _split(self, suspect: Suspect) -> None:
        middle = (suspect.first + suspect.following) // 2
        if len(self._all) >= SUSPECTS_MAX:
            self.narrow(suspect, suspect.first, middle)
            return
        at = self._all.index(suspect)
        self._all[at : at + 1] = [
            replace(suspect, first=suspect.first, following=middle, is_fresh=False),
            replace(suspect, first=middle, following=suspect.following, is_fresh=False),
        ]
