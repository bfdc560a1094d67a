"""The mode of operation, and what else the hub may order.

The mode outlives a restart: a device that comes back during a disaster goes on at its pace before
it hears from the hub.
"""

from protocols.portable import const
from protocols.vocabulary import (
    COMMAND_IDENTIFY,
    COMMAND_MODE,
    COMMAND_SELF_TEST,
    MODE_NAMES,
    MODE_NORMAL,
    RESULT_DONE,
    RESULT_FAILED,
    RESULT_UNKNOWN,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.flashlog import FlashLog
    from agent.log import Log
    from agent.sampler import Sampler

KEY_MODE = const(1)  # of the flash log's kept values
IDENTIFY_US = const(10_000_000)


class Operation:
    """mode: 0 normal, 1 watch, 2 disaster. drill: it is an exercise. led: a pin or None."""

    def __init__(self, sampler: "Sampler", flashlog: "FlashLog", log: "Log", led: "Any") -> None:
        self._sampler = sampler
        self._flashlog = flashlog
        self._log = log
        self._led = led
        self._dark_at_us = -1
        kept = flashlog.kept(KEY_MODE) or b""
        is_sound = len(kept) == 2 and kept[0] < len(MODE_NAMES) and kept[1] <= 1
        self.mode = kept[0] if is_sound else MODE_NORMAL
        self.drill = is_sound and kept[1] == 1

    def change_mode(self, mode: int, drill: bool, now_us: int) -> bool:
        """Operate so from now on, and after a restart too; return whether there is such a mode."""
        if not 0 <= mode < len(MODE_NAMES):
            return False
        if (mode, drill) != (self.mode, self.drill):
            if mode != self.mode:
                self._sampler.follow(mode, now_us)
            self.mode = mode
            self.drill = drill
            self._flashlog.keep(KEY_MODE, bytes((mode, drill)))
            self._log.info("mode " + MODE_NAMES[mode] + (", drill" if drill else ""))
        return True

    def obey(self, code: int, arguments: "list[Any]", now_us: int) -> "tuple[int, str]":
        """Carry out a command of the hub; return (status, detail) of its result."""
        if code == COMMAND_MODE:
            return self._obey_mode(arguments, now_us)
        if code == COMMAND_IDENTIFY:
            return self._obey_identify(now_us)
        if code == COMMAND_SELF_TEST:
            failed = self._sampler.self_test(now_us)
            return (RESULT_FAILED, " ".join(failed)[:256]) if failed else (RESULT_DONE, "")
        return RESULT_UNKNOWN, "command %d" % code

    def run_due(self, now_us: int) -> None:
        """Put the light out when its time is over."""
        if 0 <= self._dark_at_us <= now_us:
            self._led.set(0)
            self._dark_at_us = -1

    def _obey_mode(self, arguments: "list[Any]", now_us: int) -> "tuple[int, str]":
        if len(arguments) != 2 or not isinstance(arguments[1], bool):
            return RESULT_FAILED, "mode takes [mode, drill]"
        mode = arguments[0]
        if isinstance(mode, bool) or not isinstance(mode, int):
            return RESULT_FAILED, "mode takes [mode, drill]"
        if not self.change_mode(mode, arguments[1], now_us):
            return RESULT_FAILED, "mode %d is none of 0, 1, 2" % mode
        return RESULT_DONE, ""

    def _obey_identify(self, now_us: int) -> "tuple[int, str]":
        if self._led is None:
            return RESULT_FAILED, "no led_pin"
        self._led.set(1)
        self._dark_at_us = now_us + IDENTIFY_US
        return RESULT_DONE, ""
