"""What every way out is to the delivery, and which messages go there."""

from dataclasses import dataclass
from typing import Any, Protocol

from hub.alerts.message import TEST, Message
from hub.rules.finding import LEVEL_NAMES


class SendError(Exception):
    """A message was not taken; str() says why.

    is_final: for its own sake, so that it is of no use to try again.
    """

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final


@dataclass(frozen=True)
class Filter:
    """level: the least; step: 0 at once, else only when escalated so often.

    personal: also what concerns one person.
    """

    level: int = 0
    restricted: bool = True
    drills: bool = True
    step: int = 0
    personal: bool = False

    @staticmethod
    def of(row: dict[str, Any]) -> "Filter":
        """Return what a row of the settings says."""
        level = LEVEL_NAMES.index(row["level"])
        personal = row.get("personal", False)
        return Filter(level, row["restricted"], row["drills"], row["step"], personal)

    def passes(self, message: Message) -> bool:
        """Tell whether the message goes there; that of a test asks no level."""
        if not message.is_actual and not self.drills:
            return False
        if message.is_personal and not self.personal:
            return False
        if not message.is_public and not self.restricted:
            return False
        return (message.status == TEST and not message.event) or message.level >= self.level


class Channel(Protocol):
    """One way out. A message that it has taken it may get again, under the same identifier."""

    name: str
    filter: Filter

    async def send(self, message: Message) -> None:
        """Deliver, and return when it was taken; SendError or OSError where it was not."""

    async def close(self) -> None:
        """Let go of what was kept open between two messages."""
