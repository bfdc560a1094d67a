"""The hub's UTC: how far it is from the monotonic clock, how good it is, and when it was set.

UTC is the monotonic clock plus an offset. The offset changes only when somebody sets the clock:
what a time server slews moves both clocks alike (adjtimex(2)). So it is read again once a second
and kept until it has really moved; every time that is shown or sent is the monotonic one plus the
offset of now, and is right again as soon as UTC is. Nothing else in the hub hangs on it.
"""

from hub.clock import Clock
from protocols.vocabulary import UTC_IMPLAUSIBLE, UTC_SYNCHRONISED, UTC_UNSYNCHRONISED

# No hub can run before this program was made: 2026-01-01. A board without a battery starts in 1970
# or at the time of its last stop.
MADE_UTC_US = 1_767_225_600_000_000
OFFSET_READINGS = 5
STEP_US_MIN = 1000  # below is what a busy machine puts between two readings of its clocks
JUMP_US_MIN = 500_000  # a step that a person should know of


class Timekeeper:
    """offset_us: UTC minus the monotonic clock.

    known_us: the newest UTC that was synchronised, of an earlier run; 0 where there is none.
    """

    def __init__(self, clock: Clock, known_us: int = 0) -> None:
        self.clock = clock
        self.known_us = known_us
        self.offset_us = measured_offset_us(clock)
        self.quality = UTC_IMPLAUSIBLE
        self.steps_count = 0
        self.jumps_count = 0
        self._judge()

    def utc_us(self, at_us: int) -> int:
        """Return UTC of a time on the hub's monotonic clock, as far as is known now.

        Never below 0, where a clock that starts in 1970 has no number for what was before.
        """
        return max(0, at_us + self.offset_us)

    def watch(self) -> int:
        """Read the clocks again; return by how much UTC was set since, 0 where it was not.

        To be called about once a second.
        """
        offset_us = measured_offset_us(self.clock)
        step_us = offset_us - self.offset_us
        if abs(step_us) < STEP_US_MIN:
            step_us = 0
        else:
            self.offset_us = offset_us
            self.count(step_us)
        self._judge()
        return step_us

    def count(self, step_us: int) -> None:
        """Count one step of the clock."""
        self.steps_count += 1
        self.jumps_count += abs(step_us) >= JUMP_US_MIN

    def _judge(self) -> None:
        utc_us = self.utc_us(self.clock.now_us())
        if utc_us < MADE_UTC_US:
            self.quality = UTC_IMPLAUSIBLE
        elif self.clock.is_synchronised():
            # Also when it is earlier than before: then what was known was wrong.
            self.quality, self.known_us = UTC_SYNCHRONISED, utc_us
        else:
            self.quality = UTC_IMPLAUSIBLE if utc_us < self.known_us else UTC_UNSYNCHRONISED


def measured_offset_us(clock: Clock) -> int:
    """Return UTC minus the monotonic clock, now.

    The narrowest of a few readings counts: between two readings a busy machine may take us off.
    """
    best_us, offset_us = None, 0
    for _ in range(OFFSET_READINGS):
        before_us, utc_us, after_us = clock.now_us(), clock.utc_us(), clock.now_us()
        if best_us is None or after_us - before_us < best_us:
            best_us, offset_us = after_us - before_us, utc_us - (before_us + after_us) // 2
    return offset_us
