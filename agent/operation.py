"""The mode of operation, and what else the hub may order.

Mode and policy outlive a restart: a device that comes back during a disaster goes on at its pace
before it hears from the hub. Without a hub for a while it follows its own rule (agent.own_rule)
where that asks for more.
"""

from protocols.portable import const
from protocols.vocabulary import (
    COMMAND_ACTUATE,
    COMMAND_IDENTIFY,
    COMMAND_MODE,
    COMMAND_POLICY,
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
    from agent.outputs import Outputs
    from agent.own_rule import OwnRule
    from agent.policy_order import PolicyOrder
    from agent.sampler import Sampler

KEY_MODE = const(1)  # of the flash log's kept values
IDENTIFY_US = const(10_000_000)


class Operation:
    """mode: 0 normal, 1 watch, 2 disaster. drill: it is an exercise. led: a pin or None.

    parts: policy_order, outputs, own_rule, where the device has them. own_mode: what its own rule
    asks for; the sensors follow the higher of the two.
    """

    def __init__(
        self,
        sampler: "Sampler",
        flashlog: "FlashLog",
        log: "Log",
        led: "Any",
        **parts: "Any",
    ) -> None:
        self._sampler = sampler
        self._flashlog = flashlog
        self._log = log
        self._led = led
        self._policy_order: PolicyOrder | None = parts.get("policy_order")
        self._outputs: Outputs | None = parts.get("outputs")
        self._own_rule: OwnRule | None = parts.get("own_rule")
        self._dark_at_us = -1
        kept = flashlog.kept(KEY_MODE) or b""
        is_sound = len(kept) == 2 and kept[0] < len(MODE_NAMES) and kept[1] <= 1
        self.mode = kept[0] if is_sound else MODE_NORMAL
        self.drill = is_sound and kept[1] == 1
        self.own_mode = MODE_NORMAL

    def followed_mode(self) -> int:
        """Return the mode that the sensors go by."""
        return max(self.mode, self.own_mode)

    def policy_version(self) -> int:
        """Return the version of the hub's policy in force; 0: there is none."""
        return self._policy_order.version if self._policy_order is not None else 0

    def heard(self, now_us: int) -> None:
        """Note a good word of the hub."""
        if self._own_rule is not None:
            self._own_rule.heard(now_us)

    def change_mode(self, mode: int, drill: bool, now_us: int) -> bool:
        """Operate so from now on, and after a restart too; return whether there is such a mode."""
        if not 0 <= mode < len(MODE_NAMES):
            return False
        if (mode, drill) != (self.mode, self.drill):
            if drill and not self.drill and self._outputs is not None:
                self._outputs.all_off(now_us)
            before = self.followed_mode()
            self.mode = mode
            self.drill = drill
            if self.followed_mode() != before:
                self._sampler.follow(self.followed_mode(), now_us)
            self._flashlog.keep(KEY_MODE, bytes((mode, drill)))
            self._log.info("mode " + MODE_NAMES[mode] + (", drill" if drill else ""))
        return True

    def obey(self, code: int, arguments: "list[Any]", now_us: int) -> "tuple[int, str]":
        """Carry out a command of the hub; return (status, detail) of its result."""
        if code == COMMAND_MODE:
            return self._obey_mode(arguments, now_us)
        if code == COMMAND_POLICY and self._policy_order is not None:
            return self._obey_policy(self._policy_order, arguments, now_us)
        if code == COMMAND_ACTUATE and self._outputs is not None:
            return self._obey_actuate(self._outputs, arguments, now_us)
        if code == COMMAND_IDENTIFY:
            return self._obey_identify(now_us)
        if code == COMMAND_SELF_TEST:
            failed = self._sampler.self_test(now_us)
            return (RESULT_FAILED, " ".join(failed)[:256]) if failed else (RESULT_DONE, "")
        return RESULT_UNKNOWN, "command %d" % code

    def run_due(self, now_us: int) -> None:
        """Put out what has been on for its time; follow the own rule while there is no hub."""
        if 0 <= self._dark_at_us <= now_us:
            self._led.set(0)
            self._dark_at_us = -1
        if self._own_rule is not None:
            self._follow_own_rule(self._own_rule, now_us)
        if self._outputs is not None:
            self._outputs.run_due(now_us)

    def _follow_own_rule(self, own_rule: "OwnRule", now_us: int) -> None:
        own_rule.run_due(now_us)
        if own_rule.is_alone and self.drill:
            self._log.info("alone: the drill is over here")
            self.change_mode(MODE_NORMAL, False, now_us)
        if own_rule.mode != self.own_mode:
            before = self.followed_mode()
            self.own_mode = own_rule.mode
            if self.followed_mode() != before:
                self._log.info("own rule: mode " + MODE_NAMES[self.followed_mode()])
                self._sampler.follow(self.followed_mode(), now_us)

    def _obey_mode(self, arguments: "list[Any]", now_us: int) -> "tuple[int, str]":
        if len(arguments) != 2 or not isinstance(arguments[1], bool):
            return RESULT_FAILED, "mode takes [mode, drill]"
        mode = arguments[0]
        if isinstance(mode, bool) or not isinstance(mode, int):
            return RESULT_FAILED, "mode takes [mode, drill]"
        if not self.change_mode(mode, arguments[1], now_us):
            return RESULT_FAILED, "mode %d is none of 0, 1, 2" % mode
        return RESULT_DONE, ""

    def _obey_policy(
        self, order: "PolicyOrder", arguments: "list[Any]", now_us: int
    ) -> "tuple[int, str]":
        before = order.version
        status, detail = order.take(arguments)
        if order.version != before:
            self._sampler.follow(self.followed_mode(), now_us)
        return status, detail

    def _obey_actuate(
        self, outputs: "Outputs", arguments: "list[Any]", now_us: int
    ) -> "tuple[int, str]":
        sorts = (str, int, bool)
        is_sound = len(arguments) == len(sorts) and all(
            isinstance(arguments[at], sorts[at]) for at in range(len(sorts))
        )
        if not is_sound or isinstance(arguments[1], bool) or arguments[1] < 0:
            return RESULT_FAILED, "actuate takes [output, hold_ms, drill]"
        name, hold_ms, drill = arguments
        return outputs.switch(name, hold_ms, drill or self.drill, now_us)

    def _obey_identify(self, now_us: int) -> "tuple[int, str]":
        if self._led is None:
            return RESULT_FAILED, "no led_pin"
        self._led.set(1)
        self._dark_at_us = now_us + IDENTIFY_US
        return RESULT_DONE, ""
