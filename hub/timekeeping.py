"""The hub's UTC: how far it is from the monotonic clock, how good it is, and when it was set.

UTC is the monotonic clock plus an offset. The offset changes only when somebody sets the clock:
what a time server slews moves both clocks alike (adjtimex(2)). So it is read again once a second
and kept until it has really moved; every time that is shown or sent is the monotonic one plus the
offset of now, and is right again as soon as UTC is.
"""

from hub.clock import Clock

OFFSET_READINGS = 5
STEP_US_MIN = 1000  # below is what a busy machine puts between two readings of its clocks
JUMP_US_MIN = 500_000  # a step that a person should know of


class Timekeeper:
    """offset_us: UTC minus the monotonic clock."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.offset_us = measured_offset_us(clock)
        self.steps_count = 0
        self.jumps_count = 0

    def utc_us(self, at_us: int) -> int:
        """Return UTC of a time on the hub's monotonic clock, as far as is known now."""
        return at_us + self.offset_us

    def watch(self) -> int:
        """Read the clocks again; return by how much UTC was set since, 0 where it was not.

        To be called about once a second.
        """
        offset_us = measured_offset_us(self.clock)
        step_us = offset_us - self.offset_us
        if abs(step_us) < STEP_US_MIN:
            return 0
        self.offset_us = offset_us
        self.steps_count += 1
        self.jumps_count += abs(step_us) >= JUMP_US_MIN
        return step_us


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
