"""What a device can switch: a siren, a lamp. Off unless told, and never on for long.

Each order holds for a time that is limited by the output's own row, so that nothing that fails
later (hub, line, program: the pins of a board that starts anew are off) leaves a siren on. In a
drill nothing is switched on, whoever asks, but what its row declares a practice one.
"""

from protocols.vocabulary import RESULT_DONE, RESULT_DRILL, RESULT_FAILED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.config import OutputRow
    from agent.log import Log


class Outputs:
    """rows: those of the configuration. on: name -> when it goes off, of those that are on."""

    def __init__(self, board: "Any", rows: "list[OutputRow]", log: "Log") -> None:
        self._log = log
        self._rows = {row.name: row for row in rows}
        self._pins = {row.name: board.pin(row.pin, "out", "none") for row in rows}
        self.on: dict[str, int] = {}
        self.refused_count = 0  # because of a drill
        for row in rows:
            self._set(row.name, False)

    def switch(self, name: str, hold_ms: int, drill: bool, now_us: int) -> "tuple[int, str]":
        """Switch it on for hold_ms, or off where 0; return (status, detail) as of a command."""
        row = self._rows.get(name)
        if row is None:
            return RESULT_FAILED, "no output " + name[:32]
        if hold_ms > row.hold_ms_max:
            return RESULT_FAILED, "%s is on for %d ms at most" % (name, row.hold_ms_max)
        if hold_ms and drill and not row.practice:
            self.refused_count += 1
            self._log.info("drill: %s stays off" % name)
            return RESULT_DRILL, name + " stays off in a drill"
        self._set(name, hold_ms > 0)
        if hold_ms:
            self.on[name] = now_us + hold_ms * 1000
            self._log.info("%s on" % name)
        elif name in self.on:
            del self.on[name]
            self._log.info("%s off" % name)
        return RESULT_DONE, ""

    def run_due(self, now_us: int) -> None:
        """Switch off what was on for its time."""
        for name in list(self.on):
            if self.on[name] <= now_us:
                self.switch(name, 0, False, now_us)

    def all_off(self, now_us: int) -> None:
        """Switch all off, as at the beginning of a drill and at the end of the program."""
        for name in list(self.on):
            self.switch(name, 0, False, now_us)

    def hold_ms_max(self, name: str) -> int:
        """Return how long it may be on at most; 0: there is none of that name."""
        row = self._rows.get(name)
        return row.hold_ms_max if row is not None else 0

    def _set(self, name: str, is_on: bool) -> None:
        self._pins[name].set(1 if is_on == self._rows[name].active_high else 0)
