"""The mode: raised at once by a finding, lowered step by step after a dwell, or set by hand.

    normal --finding--> watch --finding--> disaster
    disaster --no finding that asks for it, for dwell_s--> watch --likewise--> normal

Times are the hub's monotonic microseconds, so a restart begins the dwell anew: a hub that was
killed in a disaster comes back in disaster.
"""

from dataclasses import dataclass

from hub.rules.finding import Finding
from protocols.vocabulary import MODE_NAMES, MODE_NORMAL, MODE_WATCH


@dataclass(frozen=True)
class Change:
    """A change of mode and who made it why. reason: where a rule gives it, Japanese / English."""

    mode: int
    drill: bool
    actor: str
    reason: str


class Modes:
    """mode, drill: as they were saved."""

    def __init__(self, mode: int, drill: bool, dwell_s: int) -> None:
        self.mode = mode
        self.drill = drill
        self.actor = "start"
        self.reason = ""
        self._dwell_us = dwell_s * 1_000_000
        self._active: dict[tuple[str, str], Finding] = {}
        self._calm_since_us: int | None = None

    def judge(self, finding: Finding, now_us: int) -> Change | None:
        """Take a finding; return the change it makes."""
        key = (finding.rule, finding.key)
        if finding.is_over:
            self._active.pop(key, None)
            return None
        self._active[key] = finding
        self._calm_since_us = None
        if finding.mode <= self.mode:
            return None
        reason = f"{finding.text_ja} / {finding.text_en}"
        return self._change(finding.mode, f"rule:{finding.rule}", reason)

    def tick(self, now_us: int) -> Change | None:
        """Lower the mode by one step when nothing has asked for it for the dwell time."""
        wanted = max((finding.mode for finding in self._active.values()), default=MODE_NORMAL)
        if self.mode <= wanted:
            self._calm_since_us = None
            return None
        if self._calm_since_us is None:
            self._calm_since_us = now_us
        if now_us - self._calm_since_us < self._dwell_us:
            return None
        self._calm_since_us = now_us
        self.drill = self.drill and self.mode > MODE_WATCH
        dwell_s = self._dwell_us // 1_000_000
        reason = f"{dwell_s} 秒間 平穏 / calm for {dwell_s} s"
        return self._change(self.mode - 1, "rule:calm", reason)

    def set(self, mode: int, drill: bool, actor: str, reason: str) -> Change:
        """Set by a person; counts as calm from now on."""
        self._active.clear()
        self._calm_since_us = None
        self.drill = drill
        return self._change(mode, actor, reason)

    def _change(self, mode: int, actor: str, reason: str) -> Change:
        self.mode, self.actor, self.reason = mode, actor, reason
        return Change(mode, self.drill, actor, reason)

    def name(self) -> str:
        """Return the mode's word."""
        return MODE_NAMES[self.mode]
