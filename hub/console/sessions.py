"""Sessions of operators, and how often somebody may try to begin one. Pure: given times.

    try --admitted--> password right --> session --idle_us without use, or whole_us--> over
     '--too many a minute from the address, or name locked for the address--> refused, counted

Everything is in memory: after a restart of the hub all log in again. A lock is one address's for
one name, so that nobody can lock an operator out from another screen.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from hub.operators import Operator

MINUTE_US = 60_000_000
# An operator may have a screen at the desk and one in the hall; beyond it the least used ends.
SESSIONS_MAX = 200
# Addresses, and names tried from addresses, that are kept in mind; beyond it the oldest goes.
TRACKED_MAX = 2_000


@dataclass
class Session:
    """One screen of one operator.

    token: what its forms must bring along. notice: what to tell with the next view: (is it done,
    text or its key, remedy). draft: what was typed into a form that was refused.
    ground, wanted: why, and what of it, the operator looks at what is known of people.
    """

    name: str
    token: str
    opened_us: int
    used_us: int
    password: str
    notice: tuple[bool, str, str] | None = None
    draft: dict[str, str] = field(default_factory=dict)
    ground: str = ""
    wanted: str = ""


class Sessions:
    """draw: gives a secret text of 256 random bits at each call."""

    def __init__(self, idle_us: int, whole_us: int, draw: Callable[[], str]) -> None:
        self._idle_us = idle_us
        self._whole_us = whole_us
        self._draw = draw
        self._open: dict[bytes, Session] = {}

    def begin(self, operator: Operator, now_us: int) -> str:
        """Begin a session; return the secret of its cookie."""
        secret = self._draw()
        if len(self._open) >= SESSIONS_MAX:
            del self._open[min(self._open, key=lambda key: self._open[key].used_us)]
        made = Session(operator.name, self._draw(), now_us, now_us, operator.password)
        self._open[_key(secret)] = made
        return secret

    def find(self, secret: str, now_us: int) -> Session | None:
        """Return the session of a cookie; None where there is none any more."""
        found = self._open.get(_key(secret))
        if found is None:
            return None
        if self._is_over(found, now_us):
            del self._open[_key(secret)]
            return None
        return found

    def _is_over(self, one: Session, now_us: int) -> bool:
        is_idle = now_us - one.used_us >= self._idle_us
        return is_idle or now_us - one.opened_us >= self._whole_us

    def end(self, secret: str) -> None:
        """End a session."""
        self._open.pop(_key(secret), None)

    def count(self, now_us: int) -> int:
        """Return how many are open; what is known of those that are over is forgotten."""
        over = [key for key, one in self._open.items() if self._is_over(one, now_us)]
        for key in over:
            del self._open[key]
        return len(self._open)


def _key(secret: str) -> bytes:
    # What is looked up is not what came in, so the time it takes tells nothing of a cookie.
    return sha256(secret.encode()).digest()


class Tries:
    """Counts tries to log in. A try counts as wrong until succeeded() says otherwise."""

    def __init__(self, row: dict[str, Any]) -> None:
        self._per_minute = row["tries_per_min"]
        self._lock_after: int = row["lock_after"]
        self._lock_us = row["lock_min"] * MINUTE_US
        self._tried_us: dict[str, deque[int]] = {}  # address -> when, of the last minute
        self._wrong: dict[tuple[str, str], tuple[int, int]] = {}  # -> count, time of the last
        self.counts = {"wrong": 0, "too_many": 0, "locked": 0}

    def admit(self, address: str, name: str, now_us: int) -> str:
        """Take one try; return why it may not be made: "too_many", "locked", or empty."""
        times = _kept(self._tried_us, address, deque())
        while times and now_us - times[0] >= MINUTE_US:
            times.popleft()
        if len(times) >= self._per_minute:
            self.counts["too_many"] += 1
            return "too_many"
        times.append(now_us)
        count, last_us = self._wrong.get((address, name), (0, now_us))
        if now_us - last_us >= self._lock_us:
            count = 0
        if count >= self._lock_after:
            self.counts["locked"] += 1
            return "locked"
        self._wrong.pop((address, name), None)
        _kept(self._wrong, (address, name), (count + 1, now_us))
        return ""

    def succeeded(self, address: str, name: str) -> None:
        """Take it that the try was right."""
        self._wrong.pop((address, name), None)

    def failed(self, address: str, name: str) -> bool:
        """Take it that the try was wrong; tell whether the name is locked now."""
        self.counts["wrong"] += 1
        return self._wrong.get((address, name), (0, 0))[0] >= self._lock_after

    def unlock(self, name: str) -> bool:
        """Forget wrong tries of that name; tell whether it was locked anywhere."""
        found = [key for key in self._wrong if key[1] == name]
        counts = [self._wrong.pop(key)[0] for key in found]
        return any(count >= self._lock_after for count in counts)


def _kept(tracked: dict[Any, Any], key: Any, value: Any) -> Any:
    """Return tracked[key], made with value where it is new; the oldest leaves a full table."""
    if key not in tracked and len(tracked) >= TRACKED_MAX:
        del tracked[next(iter(tracked))]
    return tracked.setdefault(key, value)
