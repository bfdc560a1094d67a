"""Which readings may be judged: a value outside of what can be, a lone spike, a stuck sensor.

A rejected reading is never judged and never a reason for "normal"; why it was rejected is counted
by reason and kept.
"""

from collections import Counter
from dataclasses import dataclass, field

from hub.rules.trend import MINUTE_US

ACCEPTED, IMPLAUSIBLE, SPIKE = "accepted", "implausible", "spike"
REASONS_JA = {IMPLAUSIBLE: "あり得ない値", SPIKE: "単発の飛び値"}


@dataclass(frozen=True)
class Limits:
    """low, high: what the sensor can see. A change is plausible up to jump + per_minute * time."""

    low: float
    high: float
    jump: float
    per_minute: float


@dataclass
class Quality:
    """Judges the readings of one channel in the order of their times."""

    limits: Limits
    rejected: Counter[str] = field(default_factory=Counter)
    last_reason: str = ""
    refused_run: int = 0  # readings one after the other, until now
    same_since_us: int = 0
    _last: float | None = None
    _last_us: int = 0
    _held: float | None = None

    def judge(self, value: float, at_us: int) -> str:
        """Return ACCEPTED or why not. A jump counts once the next reading goes the same way."""
        limits = self.limits
        if not limits.low <= value <= limits.high:
            return self._reject(IMPLAUSIBLE)
        if self._last is not None:
            minutes = max(0, at_us - self._last_us) / MINUTE_US
            allowed = limits.jump + limits.per_minute * minutes
            jump = value - self._last
            if abs(jump) > allowed and not self._is_confirmed(value, jump):
                self._held = value
                return self._reject(SPIKE)
        if value != self._last:
            self.same_since_us = at_us
        self._last, self._last_us, self._held = value, at_us, None
        self.refused_run = 0
        return ACCEPTED

    def _is_confirmed(self, value: float, jump: float) -> bool:
        if self._held is None or self._last is None:
            return False
        before = self._held - self._last
        agrees = abs(value - self._held) <= max(self.limits.jump, abs(before) / 2)
        return agrees and before * jump > 0

    def _reject(self, reason: str) -> str:
        self.rejected[reason] += 1
        self.refused_run += 1
        self.last_reason = reason
        return reason

    def same_for_us(self, now_us: int) -> int:
        """Return for how long the accepted value has not changed by even one step."""
        return now_us - self.same_since_us if self._last is not None else 0
