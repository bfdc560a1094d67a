"""A desk on a clock that moves by hand, and findings for it."""

from hub.alerts.event import Desk, Event, Limits
from hub.alerts.message import Message
from hub.rules.finding import INFO, WARNING, Finding

S = 1_000_000
UTC_US = 1_790_000_000 * S
LIMITS = Limits(8, update_us=300 * S, settle_us=60 * S, valid_us=21_600 * S, escalate_us=300 * S)


def finding(
    key: str = "river-1", level: int = WARNING, text: str = "3.10 m", kind: str = ""
) -> Finding:
    """Return a finding of the river's rule."""
    return Finding(
        "river", key, level, 1, text, text, place=key, values={"stage_m": 3.1}, kind=kind
    )


def over(key: str = "river-1", rule: str = "river") -> Finding:
    """Return the end of it."""
    return Finding(rule, key, INFO, 0, "平常", "normal", is_over=True, place=key)


class Town:
    """Drives one desk. messages: all that went out."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.desk = Desk("hub-0a", limits)
        self.now_us = 1000 * S
        self.messages: list[Message] = []
        self.others: list[object] = []

    def take(self, one: Finding, drill: bool = False) -> list[Message]:
        """Take a finding; return the messages it made."""
        self.desk.take(one, drill, self.now_us, self.utc_us())
        return self.gather()

    def wait(self, seconds: int, step_s: int = 1) -> list[Message]:
        """Let time pass; return the messages it made."""
        made = []
        for _ in range(0, seconds, step_s):
            self.now_us += step_s * S
            self.desk.tick(self.now_us, self.utc_us())
            made += self.gather()
        return made

    def gather(self) -> list[Message]:
        """Take what the desk gave."""
        output = self.desk.take_output()
        made = [one for one in output if isinstance(one, Message)]
        self.messages += made
        self.others += [one for one in output if not isinstance(one, Message)]
        return made

    def utc_us(self) -> int:
        """Return UTC."""
        return UTC_US + self.now_us

    def event(self) -> Event:
        """Return the one open event."""
        (event,) = self.desk.open_events()
        return event
