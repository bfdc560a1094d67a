"""Who may see what is known of a person: the viewers of the settings, and who was let in.

Letting in others is an act of a person, with a ground, while the mode is watch or disaster; it
ends by itself after its time on the hub's monotonic clock, or when the mode is normal again,
whichever comes first. A drill lets nobody in. Pure, given times.
"""

from dataclasses import dataclass
from typing import Any

HOUR_US = 3_600_000_000


@dataclass
class Grant:
    """to: the viewer who is let in; by: who did it; left_us: of its time when it was saved."""

    to: str
    by: str
    ground: str
    until_us: int


class Access:
    """viewers: who may always look."""

    def __init__(self, viewers: list[str]) -> None:
        self._viewers = set(viewers)
        self.grants: dict[str, Grant] = {}

    def may_view(self, viewer: str, now_us: int) -> bool:
        """Tell whether a viewer may look now."""
        grant = self.grants.get(viewer)
        return viewer in self._viewers or (grant is not None and now_us < grant.until_us)

    def widen(self, grant: Grant) -> None:
        """Let somebody in; of one who is in the new time counts."""
        self.grants[grant.to] = grant

    def ended(self, now_us: int, is_normal: bool) -> list[Grant]:
        """Take out the grants whose time is over, and all once the mode is normal."""
        over = [one for one in self.grants.values() if is_normal or now_us >= one.until_us]
        for one in over:
            del self.grants[one.to]
        return over

    def save(self, now_us: int) -> list[Any]:
        """Return the grants with the time that is left; while the hub is off it stands still."""
        return [[one.to, one.by, one.ground, one.until_us - now_us]
                for one in self.grants.values()]  # fmt: skip

    def restore(self, saved: list[Any], now_us: int) -> None:
        """Take them back."""
        for to, by, ground, left_us in saved:
            self.widen(Grant(to, by, ground, now_us + left_us))
