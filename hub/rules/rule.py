"""What every rule is to the hub."""

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

from hub.rules.finding import Finding
from protocols.batch import Batch


class Rule(Protocol):
    """A pure function of readings and given times, with a memory. No clock, no I/O.

    Times are microseconds. at_us: when the newest reading of the batch was taken, on the hub's
    monotonic clock; now_us: that clock now; utc_us: UTC now, for schedules of people only.
    """

    name: str

    def wants(self, device: str, kind: str, lane: int) -> bool:
        """Tell whether batches of such a device and lane are needed; asked once, at the start."""

    def feed(self, device: str, batch: Batch, at_us: int) -> list[Finding]:
        """Take a batch, newest or late: what is older than AGE_US_MAX is not given."""

    def tick(self, now_us: int, utc_us: int) -> list[Finding]:
        """Do what is due by time; called once a second."""

    def save(self, now_us: int) -> dict[str, Any]:
        """Return what a restart must not forget, as JSON takes it; monotonic times as ages."""

    def restore(self, saved: dict[str, Any], now_us: int) -> None:
        """Take back what save() gave; of an older version or empty, begin anew."""


@runtime_checkable
class PersonalRule(Rule, Protocol):
    """A rule that may read what concerns a person, of those who consented.

    age_us_max: it is given what is not older, in place of AGE_US_MAX.
    """

    age_us_max: int

    def opens(self, device: str) -> bool:
        """Tell whether a personal batch of the device may be opened for this rule, now."""


@runtime_checkable
class StandingRule(Rule, Protocol):
    """A rule that knows after a restart which of its findings are not over.

    They hold their mode and their alert, without being said again.
    """

    def standing(self) -> set[str]:
        """Return their keys."""


def standing_of(rules: Iterable[Rule]) -> set[tuple[str, str]]:
    """Return (rule, key) of all that is known to stand."""
    return {
        (rule.name, key)
        for rule in rules
        if isinstance(rule, StandingRule)
        for key in rule.standing()
    }


def is_sampling(rule: Rule) -> bool:
    """Tell whether some of the batches that a rule wants are enough for it: `is_sampling`.

    It then hears what is read for other rules or for the page, and makes no batch be read.
    """
    return bool(getattr(rule, "is_sampling", False))
