"""A rollout of one release: which devices come next, and when it stops. No I/O, no clock.

    stage 1: one device -> stage 2: a share of all -> stage 3: all the others

The next stage begins when every device of this one is healthy: it came back with the new version
and had a frame acknowledged. A failure in the first two stages stops the rollout; in the last,
`failures_max` of them. A device that is updated by its own package is left out of the count.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Any

WAITING = "waiting"
FETCHING = "fetching"
SWITCHING = "switching"
HEALTHY = "healthy"
FAILED = "failed"
PACKAGE = "package"
STATES = (WAITING, FETCHING, SWITCHING, HEALTHY, FAILED, PACKAGE)
STAGES = 3
_DONE = (HEALTHY, PACKAGE, FAILED)


@dataclass(frozen=True)
class Limits:
    """share_percent: of the devices, in stage 2. parallel: devices that fetch at a time."""

    share_percent: int = 10
    failures_max: int = 1
    parallel: int = 8


@dataclass
class Rollout:
    """One release and the devices it is for. stopped: why it has stopped; "" while it goes on.

    members: those of the stages so far. states: device -> (state, detail). boots: the boot in
    which a device was told to switch: in any later one it runs either version for good.
    """

    file: str
    version: str
    devices: list[str]
    is_forced: bool = False
    actor: str = ""
    stage: int = 0
    members: list[str] = field(default_factory=list)
    states: dict[str, tuple[str, str]] = field(default_factory=dict)
    boots: dict[str, int] = field(default_factory=dict)
    stopped: str = ""

    def state(self, device: str) -> str:
        """Return the state of a device."""
        return self.states.get(device, (WAITING, ""))[0]

    def count(self, *states: str) -> int:
        """Return how many devices are in one of these states."""
        return sum(self.state(device) in states for device in self.devices)

    def is_over(self) -> bool:
        """Tell whether nothing is left to do: stopped, or every device is through."""
        return bool(self.stopped) or all(self.state(one) in _DONE for one in self.devices)

    def note(self, device: str, state: str, detail: str = "") -> bool:
        """Note the state of a device; return whether it is news."""
        if self.states.get(device) == (state, detail):
            return False
        self.states[device] = (state, detail)
        return True

    def advance(self, online: Collection[str], limits: Limits) -> bool:
        """Begin the next stage, or stop, where it is time; return whether anything changed.

        online: devices with a session now: the first stages take none that is away.
        """
        if self.is_over():
            return False
        failed = [one for one in self.devices if self.state(one) == FAILED]
        is_last = self.stage == STAGES - 1
        if failed and (not is_last or len(failed) >= limits.failures_max):
            self.stopped = f"{failed[-1]}: {self.states[failed[-1]][1]}"
            return True
        before = (self.stage, len(self.members))
        while self._is_stage_done(limits) and self.stage < STAGES - 1:
            self.stage += 1
        self._fill(online, limits)
        return before != (self.stage, len(self.members))

    def active(self, limits: Limits) -> list[str]:
        """Return the devices to work on now."""
        busy = [one for one in self.members if self.state(one) in (FETCHING, SWITCHING)]
        fresh = [one for one in self.members if self.state(one) == WAITING]
        free = limits.parallel - sum(self.state(one) == FETCHING for one in busy)
        return busy + fresh[: max(0, free)]

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Rollout":
        """Undo to_json."""
        states = {name: (state, detail) for name, (state, detail) in values["states"].items()}
        return cls(**{**values, "states": states})

    def _wanted(self, limits: Limits) -> int:
        """Return how many devices this stage and those before it take."""
        total = len(self.devices) - self.count(PACKAGE)
        share = -(-total * limits.share_percent // 100)
        return (1, max(2, share), total)[self.stage]

    def _counted(self) -> list[str]:
        return [one for one in self.members if self.state(one) != PACKAGE]

    def _is_stage_done(self, limits: Limits) -> bool:
        counted = self._counted()
        is_full = len(counted) >= min(
            self._wanted(limits), len(self.devices) - self.count(PACKAGE)
        )
        return is_full and all(self.state(one) == HEALTHY for one in counted)

    def _fill(self, online: Collection[str], limits: Limits) -> None:
        missing = self._wanted(limits) - len(self._counted())
        is_last = self.stage == STAGES - 1
        for device in self.devices:
            if missing > 0 and device not in self.members and (is_last or device in online):
                self.members.append(device)
                missing -= 1
